/* SPDX-License-Identifier: GPL-2.0-only */
/* Replacing the helper by another build of it, which must prove itself before it is kept. */
#ifndef FLEETSCHED_UPGRADE_H
#define FLEETSCHED_UPGRADE_H

#include <sys/types.h>

#include "util.h"

#define HELPER_BYTES (8u << 20)		/* the largest helper that is taken */
#define VERSION_CHARS 32

int upgrade_init(char **arguments);	/* main's own, argv[0] being where the helper is installed */
const char *upgrade_own_digest(void);	/* of the bytes that run */
void upgrade_at_start(void);		/* say how an upgrade that was under way has ended */

/* Refuse what the request alone shows to be wrong, then what the bytes show, else write them beside the helper. */
int upgrade_may(json_t *request, struct failure *f);
int upgrade_take(json_t *request, const void *data, size_t size, struct failure *f);

bool upgrade_is_due(void);		/* the loop must end, so that the new helper can begin */
void upgrade_begin(const char *socket_path);	/* returns only when it cannot be started */
void upgrade_accepted(pid_t watcher);	/* SIGHUP: the watcher has put this helper in its place */

#endif
