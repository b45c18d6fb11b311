// SPDX-License-Identifier: GPL-2.0-only
/*
 * throughput: long slices, and everybody stays where it ran
 *
 * Each CPU has its own queue, first in, first out. A task goes to the queue of the CPU it last ran on, runs for a slice in
 * proportion to its weight, and comes back to the end of the same queue. A CPU whose queue is empty takes from the others'.
 *
 * It suits batch work and computations that fill the caches: builds, compression, analytics. It fails where waits matter:
 * a task that wakes on a busy CPU waits for everybody in that queue, which is what the other policies are for. Shares are
 * fair among the tasks of one CPU, and only slowly (one task at a time) evened out between CPUs. A CPU that goes idle
 * looks at all queues, which is noticed on hosts with hundreds of CPUs.
 *
 * Design notes:
 *
 * A. Weights stretch the slice, they do not order the queue. So everybody in a queue has a turn in every round.
 *
 * B. At each turn a CPU looks at one other CPU, the next in a circle, and takes one task from a queue that is longer than
 *    its own by two or more, or that nobody served for PATIENCE_NS. See throughput_dispatch().
 */
#include <fleetsched/policy.bpf.h>
#include <fleetsched/contexts.bpf.h>

/* Run of a task of weight 100 while others wait. Longer: warmer caches, longer waits. */
const volatile u64 slice_us = 20000;

#define MAX_CPUS 1024

#define ROUND_NS (400 * NSEC_PER_MSEC) /* what one round through a queue may take */
#define PATIENCE_NS (100 * NSEC_PER_MSEC)
#define SLICE_MIN_NS NSEC_PER_MSEC
#define SLICE_MAX_NS (40 * NSEC_PER_MSEC)

UEI_DEFINE(uei);

static u32 nr_cpus;

struct cpu_ctx {
	u64 served_ns; /* when this CPU last looked for work */
	u32 looked_at; /* how far it came in the circle of the others */
	bool took;     /* it took from another queue at its last turn */
};

CPU_CTXS_DEFINE(cpu_ctx)

/*
 * Note A. The slice shrinks when the queue of @cpu is long, so that a round through it stays near ROUND_NS.
 */
static u64 slice_ns(struct task_struct *p, s32 cpu)
{
	u64 slice = clamp_u64(slice_us * NSEC_PER_USEC * p->scx.weight / 100, SLICE_MIN_NS, SLICE_MAX_NS);
	s32 waiting = scx_bpf_dsq_nr_queued(cpu);

	return clamp_u64(ROUND_NS / (waiting > 0 ? waiting + 1 : 1), SLICE_MIN_NS, slice);
}

s32 BPF_STRUCT_OPS(throughput_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	bool is_idle = false;
	s32 cpu = prev_cpu;

	/* The mask may have changed while the task slept, so that it may not go back where it was. */
	if (bpf_cpumask_test_cpu(prev_cpu, p->cpus_ptr) && scx_bpf_test_and_clear_cpu_idle(prev_cpu))
		is_idle = true;
	else
		cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);

	/* An idle CPU found nothing in any queue that it may run, so nobody is passed over here. */
	if (is_idle)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, slice_ns(p, cpu), 0);

	return cpu;
}

void BPF_STRUCT_OPS(throughput_enqueue, struct task_struct *p, u64 enq_flags)
{
	s32 cpu = scx_bpf_task_cpu(p), idle;

	scx_bpf_dsq_insert(p, cpu, slice_ns(p, cpu), enq_flags);

	/* A CPU that went idle a moment ago does not look at this queue by itself. */
	idle = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
	if (idle >= 0)
		scx_bpf_kick_cpu(idle, SCX_KICK_IDLE);
}

/*
 * Note B. Return true if @cpu took a task from the next of the others.
 */
static bool take_from_next(s32 cpu, struct cpu_ctx *ctx, u64 now)
{
	s32 next = (cpu + ctx->looked_at++) % nr_cpus;
	struct cpu_ctx *other = try_lookup_cpu_ctx(next);
	s32 theirs = scx_bpf_dsq_nr_queued(next);

	if (!other || theirs <= 0)
		return false;
	if (theirs < scx_bpf_dsq_nr_queued(cpu) + 2 && now - other->served_ns < PATIENCE_NS)
		return false;
	return scx_bpf_dsq_move_to_local(next);
}

/*
 * Nobody starves: a queue is first in, first out, its CPU serves it at every second turn or more often (a CPU that took
 * from another queue serves its own next), and the slices of those ahead add up to about ROUND_NS, so a wait lasts about
 * 2 * ROUND_NS. When the CPU itself is kept away (by a real-time task) or is gone, the others find its queue unserved
 * after PATIENCE_NS and take what may run elsewhere. That is far below the watchdog's 5 s.
 */
void BPF_STRUCT_OPS(throughput_dispatch, s32 cpu, struct task_struct *prev)
{
	struct cpu_ctx *ctx = try_lookup_cpu_ctx(cpu);
	u64 now = bpf_ktime_get_ns();
	u32 i;

	if (!ctx || !nr_cpus)
		return;

	ctx->served_ns = now;
	ctx->took = !ctx->took && take_from_next(cpu, ctx, now);
	if (ctx->took || scx_bpf_dsq_move_to_local(cpu))
		return;

	for (i = 1; i < nr_cpus && i < MAX_CPUS; i++) {
		s32 other = (cpu + i) % nr_cpus;

		if (scx_bpf_dsq_nr_queued(other) > 0 && scx_bpf_dsq_move_to_local(other))
			return;
	}
}

/* Without these two the kernel would end the policy at each hotplug. */
void BPF_STRUCT_OPS(throughput_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(throughput_cpu_offline, s32 cpu)
{
	scx_bpf_release_cpu(cpu, cpu);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(throughput_init)
{
	s32 cpu, err;

	nr_cpus = scx_bpf_nr_cpu_ids();
	if (nr_cpus > MAX_CPUS)
		return -E2BIG;

	for (cpu = 0; cpu < nr_cpus && cpu < MAX_CPUS; cpu++) {
		err = scx_bpf_create_dsq(cpu, -1);
		if (err)
			return err;
	}
	return 0;
}

void BPF_STRUCT_OPS(throughput_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(throughput,
	.select_cpu	= (void *)throughput_select_cpu,
	.enqueue	= (void *)throughput_enqueue,
	.dispatch	= (void *)throughput_dispatch,
	.cpu_online	= (void *)throughput_cpu_online,
	.cpu_offline	= (void *)throughput_cpu_offline,
	.init		= (void *)throughput_init,
	.exit		= (void *)throughput_exit);
