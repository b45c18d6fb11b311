/* SPDX-License-Identifier: GPL-2.0-only */
/* The observer: how long tasks wait for a CPU and run on it. Shared with observe.bpf.c. */
#ifndef FLEETSCHED_OBSERVE_H
#define FLEETSCHED_OBSERVE_H

#define OBSERVER_KEYS 1024
#define OBSERVER_COMM 16	/* the kernel's TASK_COMM_LEN */
#define OBSERVER_UNIT_SHIFT 8	/* times are counted in units of 256 ns ... */
#define OBSERVER_LOGS 28	/* ... from 1 to 2^28 (68 s) */
#define OBSERVER_BUCKETS (4 * (OBSERVER_LOGS - 1))	/* 0 to 3 units, then four to each power of two: 25 % wide at most */

/* What is counted. Only ever grows, and wraps around: a period is the difference of two readings. */
struct observer_tally {
	unsigned long long on_ns;
	unsigned int woken[OBSERVER_BUCKETS];		/* waits from a wakeup until the task runs */
	unsigned int preempted[OBSERVER_BUCKETS];	/* waits of tasks that were taken off their CPU */
	unsigned int slices[OBSERVER_LOGS];		/* runs from on the CPU to off it, by power of two */
};

/* One key. Slot 0 has no key: it counts the tasks for whose keys there was no room. */
struct observer_slot {
	unsigned long long cgroup;
	char comm[OBSERVER_COMM];
	struct observer_tally tally;
};

struct observer_control {
	unsigned long long started_ns;	/* what began before is not counted: part of it was not seen */
	unsigned int used;		/* slots that have been given away, 1 to this */
	unsigned int forks;
};

#ifndef __bpf__
#include "util.h"

#define OBSERVER_TOP 64	/* keys in one answer */

/* What one client wants measured. The observer is attached while there is any. */
struct observation;

/* @by_key: for observation_result. NULL with `no-observer` when the kernel does not take the program, or `busy`. */
struct observation *observation_start(bool by_key, struct failure *f);
json_t *observation_since_last(struct observation *o);	/* the host's run-queue latency, JSON null without a wait */
json_t *observation_result(const struct observation *o, size_t top);	/* since its start */
void observation_free(struct observation *o);

bool observer_was_refused(void);	/* by this kernel, when it was last loaded */
void observer_tick(void);		/* takes it out of memory when nobody has wanted it for a minute */
int64_t observer_next_ms(void);		/* when to tick (CLOCK_BOOTTIME), -1: no need */
#endif

#endif
