/* SPDX-License-Identifier: GPL-2.0-only */
/* A scheduler program that is installed on the host: checked, started as a child, held, stopped. */
#ifndef FLEETSCHED_PROGRAM_H
#define FLEETSCHED_PROGRAM_H

#include "util.h"

#define PROGRAM_ARGS 64		/* the most that it is given */
#define PROGRAM_START_MS 20000	/* the most that it is given to bring its scheduler up */

struct program;

/* Check @program, {"path", "args"} as protocol.c takes it, and keep what was checked open: nothing else can be started in its place. NULL and @f filled:
 * `program-refused` (detail: rule), `program-changed`.
 */
struct program *program_open(json_t *program, const char *digest, struct failure *f);
int program_start(struct program *p);	/* returns when the kernel runs its scheduler; 0 or -errno */
bool program_is_alive(struct program *p);	/* to be asked now and then: takes what it printed, looks after CPUs */
void program_stop(struct program *p);	/* returns when it is gone and its scheduler has left the kernel */
void program_free(struct program *p);	/* stops it, too */

int program_link_fd(const struct program *p);	/* of its scheduler; -1 when it has none */
const char *program_ops(const struct program *p);
json_t *program_exit(const struct program *p);	/* why it ended, owned; NULL while it has not */
json_t *program_log(const struct program *p);	/* the end of what it printed */

#endif
