/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A clock of virtual time that never stands still. It follows the tasks that start to run, and advances by a part of real
 * time whatever runs: so a task that waits at a fixed place in a queue is overtaken by the clock after a bounded time, and
 * who enters the queue then enters behind it.
 *
 * Include it after policy.bpf.h, by policies that keep a queue in the order of virtual time.
 */
#ifndef FLEETSCHED_VCLOCK_BPF_H
#define FLEETSCHED_VCLOCK_BPF_H

#include <fleetsched/policy.bpf.h>

/*
 * All CPUs write it without a lock: an update that is lost or counted twice moves the clock by a few microseconds, divided
 * by its pace. A policy's init sets `advanced_ns` to bpf_ktime_get_ns().
 *
 * Declare it without `static`: the compiler would make two variables of a static one, and describe each as the whole, for
 * which the kernel refuses the object ("Invalid size" in .bss; clang 22).
 */
struct vclock {
	u64 now;	 /* virtual time */
	u64 advanced_ns; /* the real time when it was last advanced */
};

/**
 * Advance @clock at the real time @now_ns, when a task with @vtime starts to run: by 1/@pace of the real time that passed,
 * or to @vtime, whichever is later.
 *
 * Another CPU may have advanced it since @now_ns was read: then no time passed, for the difference of the two would be
 * taken for half a thousand years.
 */
static __always_inline void vclock_advance(struct vclock *clock, u64 now_ns, u64 pace, u64 vtime)
{
	u64 passed_ns = vtime_before(clock->advanced_ns, now_ns) ? now_ns - clock->advanced_ns : 0;
	u64 now = clock->now + passed_ns / pace;

	clock->advanced_ns = now_ns;
	clock->now = vtime_before(now, vtime) ? vtime : now;
}

#endif /* FLEETSCHED_VCLOCK_BPF_H */
