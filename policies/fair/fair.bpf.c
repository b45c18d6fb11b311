// SPDX-License-Identifier: GPL-2.0-only
/*
 * fair: weighted virtual time over one queue
 *
 * Every task has a virtual time that advances while it runs, faster the smaller its weight. All tasks that wait stand
 * in one queue ordered by it, and every CPU takes the first one that it may run. A task that wakes while a CPU is idle
 * goes there directly and meets no queue.
 *
 * It suits hosts with one socket and one shared cache, with mixed work of which none is special. It fails where many
 * CPUs meet at the one queue (its lock), where caches are not shared (tasks move freely), and where the latency of a
 * few tasks matters more than the share of all.
 *
 * Design notes:
 *
 * A. Virtual time has a floor and a ceiling. A task that slept comes back at most `credit_us` behind the queue's
 *    clock, so that sleep cannot be hoarded. A task is at most DEBT_NS ahead of it, however small its weight is.
 *
 * B. The queue's clock never stands still. It follows the tasks that start to run, but at least at 1/PACE of real
 *    time. See fair_running() for why this bounds every wait.
 */
#include <fleetsched/policy.bpf.h>
#include <fleetsched/contexts.bpf.h>
#include <fleetsched/vclock.bpf.h>

/* Longest run of a task while others wait. Longer: fewer switches; shorter: shorter waits. */
const volatile u64 slice_us = 5000;

/* How far behind the clock a task may start after a sleep. Larger favours sleepers; 0 gives sleep no reward. */
const volatile u64 credit_us = 5000;

enum {
	QUEUE = 0,
	PACE = 10,
};

#define DEBT_NS (100 * NSEC_PER_MSEC)
#define ROUND_NS (200 * NSEC_PER_MSEC) /* what one run of everybody in the queue may take on one CPU */
#define SLICE_MIN_NS (250 * NSEC_PER_USEC)
#define SLICE_MAX_NS (20 * NSEC_PER_MSEC)
#define CREDIT_MAX_NS (20 * NSEC_PER_MSEC)

UEI_DEFINE(uei);

struct vclock clock;

struct task_ctx {
	u64 started_ns; /* when the task last started to run */
};

TASK_CTXS_DEFINE(task_ctx)

static u64 full_slice_ns(void)
{
	return clamp_u64(slice_us * NSEC_PER_USEC, SLICE_MIN_NS, SLICE_MAX_NS);
}

/*
 * The slice shrinks when the queue is long, so that a round through the whole queue stays near ROUND_NS.
 */
static u64 queued_slice_ns(void)
{
	s32 waiting = scx_bpf_dsq_nr_queued(QUEUE);

	return clamp_u64(ROUND_NS / (waiting > 0 ? waiting + 1 : 1), SLICE_MIN_NS, full_slice_ns());
}

s32 BPF_STRUCT_OPS(fair_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	bool is_idle = false;
	s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);

	/* An idle CPU found nothing in the queue that it may run, so nobody is passed over here. */
	if (is_idle)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, full_slice_ns(), 0);

	return cpu;
}

void BPF_STRUCT_OPS(fair_enqueue, struct task_struct *p, u64 enq_flags)
{
	u64 credit = clamp_u64(credit_us * NSEC_PER_USEC, 0, CREDIT_MAX_NS);
	u64 earliest = clock.now - credit, latest = clock.now + DEBT_NS;
	u64 vtime = p->scx.dsq_vtime;

	if (vtime_before(vtime, earliest))
		vtime = earliest;
	else if (vtime_before(latest, vtime))
		vtime = latest;

	scx_bpf_dsq_insert_vtime(p, QUEUE, queued_slice_ns(), vtime, enq_flags);
}

/* Tasks that may not run on this CPU are passed over by the kernel and stay for the others. */
void BPF_STRUCT_OPS(fair_dispatch, s32 cpu, struct task_struct *prev)
{
	scx_bpf_dsq_move_to_local(QUEUE);
}

/*
 * Nobody starves: a task enters the queue at most DEBT_NS ahead of the clock, and the clock advances by at least 1/PACE
 * of real time whatever runs. After PACE * (DEBT_NS + credit), at most 1.2 s, everyone who enters the queue enters behind
 * it. It then waits for those who were before it, one slice each: ROUND_NS on one CPU for up to 800 tasks. That is less
 * than a third of the watchdog's 5 s. The price: with more than PACE runnable tasks a CPU, weights count for less.
 */
void BPF_STRUCT_OPS(fair_running, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	u64 now = bpf_ktime_get_ns();

	vclock_advance(&clock, now, PACE, p->scx.dsq_vtime);
	if (ctx)
		ctx->started_ns = now;
}

void BPF_STRUCT_OPS(fair_stopping, struct task_struct *p, bool runnable)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	/* Real time and not what is left of the slice: the kernel renews the slice of a task that runs alone. */
	if (ctx)
		scx_bpf_task_set_dsq_vtime(p, p->scx.dsq_vtime + (bpf_ktime_get_ns() - ctx->started_ns) * 100 /
							p->scx.weight);
}

void BPF_STRUCT_OPS(fair_enable, struct task_struct *p)
{
	scx_bpf_task_set_dsq_vtime(p, clock.now);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(fair_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return create_task_ctx(p) ? 0 : -ENOMEM;
}

/* Without these two the kernel would end the policy at each hotplug. */
void BPF_STRUCT_OPS(fair_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(fair_cpu_offline, s32 cpu)
{
	scx_bpf_release_cpu(QUEUE, cpu);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(fair_init)
{
	clock.advanced_ns = bpf_ktime_get_ns();
	return scx_bpf_create_dsq(QUEUE, -1);
}

void BPF_STRUCT_OPS(fair_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(fair,
	.select_cpu	= (void *)fair_select_cpu,
	.enqueue	= (void *)fair_enqueue,
	.dispatch	= (void *)fair_dispatch,
	.running	= (void *)fair_running,
	.stopping	= (void *)fair_stopping,
	.enable		= (void *)fair_enable,
	.init_task	= (void *)fair_init_task,
	.cpu_online	= (void *)fair_cpu_online,
	.cpu_offline	= (void *)fair_cpu_offline,
	.init		= (void *)fair_init,
	.exit		= (void *)fair_exit);
