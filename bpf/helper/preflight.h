/* SPDX-License-Identifier: GPL-2.0-only */
/* What keeps this host from running a policy, and what may make one look bad. */
#ifndef FLEETSCHED_PREFLIGHT_H
#define FLEETSCHED_PREFLIGHT_H

#include "util.h"

int preflight(bool of_good, struct failure *f);	/* can this host run a policy at all, or its last known good? */
json_t *preflight_problems(void);	/* what `preflight` refuses, all of it, as `facts` tells it */
json_t *preflight_warnings(void);

#endif
