/* SPDX-License-Identifier: GPL-2.0-only */
/* A watch: what the host looks like, again and again, with the operator's own checks; or once, what was observed. */
#ifndef FLEETSCHED_WATCH_H
#define FLEETSCHED_WATCH_H

#include "server.h"

#define WATCH_CHECKS 8	/* in one watch; all of them run at once */

/* For `watch` and for `observe`, whose arguments have been checked; NULL when the observer refuses. */
struct watch *watch_start(json_t *request, struct failure *f);
void watch_tick(struct connection *c);		/* says what there is to say; the watch is gone when it has ended */
int64_t watch_next_ms(const struct watch *w);	/* when to tick at the latest (CLOCK_BOOTTIME) */
void watch_free(struct watch *w);

#endif
