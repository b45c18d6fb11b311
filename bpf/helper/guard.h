/* SPDX-License-Identifier: GPL-2.0-only */
/* The guard: a real-time thread that detaches a trial's policy at its deadline, whatever the rest of the helper does. */
#ifndef FLEETSCHED_GUARD_H
#define FLEETSCHED_GUARD_H

#include "util.h"

int guard_start(void);		/* 0 or -errno (-EPERM: SCHED_FIFO refused) */
int guard_event_fd(void);	/* readable after the guard has detached */

/* Detach @link_fd at @deadline_ms (CLOCK_BOOTTIME). The descriptor stays open until guard_disarm. */
void guard_arm(int link_fd, long enable_seq, int64_t deadline_ms);

/* True when disarmed in time. False when the guard has fired: then its detach is over when this returns. */
bool guard_disarm(void);

#endif
