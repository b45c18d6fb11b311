/* SPDX-License-Identifier: GPL-2.0-only */
/* The operator's own checks: programs in /etc/fleetsched/checks.d, run for at most ten seconds. */
#ifndef FLEETSCHED_CHECK_H
#define FLEETSCHED_CHECK_H

#include "util.h"

struct check;

struct check *check_start(const char *name);
json_t *check_poll(struct check *check);	/* its result once it is over, else NULL; never waits */
void check_free(struct check *check);		/* kills it when it still runs */

#endif
