/* SPDX-License-Identifier: GPL-2.0-only */
/* One policy: an object that is accepted, given its parameters, loaded, attached, and asked why it ended; or a program
 * that does this itself (program.h), behind the same functions.
 */
#ifndef FLEETSCHED_LOADER_H
#define FLEETSCHED_LOADER_H

#include "util.h"

#define TIMEOUT_MS_MAX 5000u	/* the kernel's own limit is 30000; a stall must show within a short trial */

#define EXIT_UNREG 64
#define EXIT_UNREG_BPF 65
#define EXIT_UNREG_KERN 66
#define EXIT_ERROR 1024		/* this and above: the policy's fault */
#define EXIT_ACT_RESTART (1LL << 48)

struct policy;

/* Open @data, refuse what is more than one scheduler, set @parameters, load. NULL and @f filled on failure:
 * object-refused, bad-parameter, load-failed.
 */
struct policy *policy_load(const void *data, size_t size, json_t *parameters, struct failure *f);
struct policy *policy_of_program(json_t *program, const char *digest, struct failure *f);	/* as program_open */
int policy_attach(struct policy *p);		/* 0 or -errno; success proves nothing, look at the kernel */
int policy_link_fd(const struct policy *p);	/* -1 when not attached */
int policy_detach(struct policy *p);		/* returns when the kernel's scheduler is back; 0 or -errno */
void policy_free(struct policy *p);		/* detaches, too */

bool policy_is_alive(struct policy *p);		/* false when its program is gone; an object needs nobody */
const char *policy_ops(const struct policy *p);	/* of a program: what it attached */
unsigned int policy_timeout_ms(const struct policy *p);

/* Becomes readable when the policy has written its exit record; -1 when the object has no ring for that. */
int policy_ring_fd(const struct policy *p);

/* The policy's exit record, waiting up to @wait_ms for the kernel to write it (60 ms were seen between the state
 * "disabling" and the record). NULL when nothing was recorded.
 */
json_t *policy_exit(const struct policy *p, int wait_ms);
json_t *policy_log(const struct policy *p);	/* the end of what a program printed, NULL for an object */
json_t *exit_record(long long kind, long long code, const char *reason, const char *message);

void loader_init(void);

#endif
