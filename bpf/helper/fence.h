/* SPDX-License-Identifier: GPL-2.0-only */
/* Which controller may change this host: a lease with a fencing token that only rises. */
#ifndef FLEETSCHED_FENCE_H
#define FLEETSCHED_FENCE_H

#include "util.h"

/* @token 0: none was given. Both return a result, or NULL and @f filled. */
json_t *fence_take(const char *owner, int64_t ttl_ms, json_int_t token, struct failure *f);
json_t *fence_release(json_int_t token, struct failure *f);
int fence_check(json_int_t token, const char *used, struct failure *f);	/* lease-held, lease-lost */
json_t *fence_json(void);	/* status's `lease` */

#endif
