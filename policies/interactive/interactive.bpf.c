// SPDX-License-Identifier: GPL-2.0-only
/*
 * interactive: short bursts first, within a bounded lead
 *
 * One queue, ordered by a virtual deadline of two parts: the task's virtual time, which keeps the long-term shares, and
 * the length of its usual burst (how long it runs between two sleeps), which puts tasks that wake, do little and sleep
 * again before those that compute. A waking task whose deadline is much earlier than that of the task on its CPU
 * interrupts it.
 *
 * It suits request handlers, shells, audio and pipelines of small steps that share their CPUs with long computations. It
 * fails where throughput is all that counts (more switches, colder caches), where many CPUs meet at the one queue, and
 * where a service computes as long per request as the batch work beside it: then nothing tells them apart.
 *
 * Design notes:
 *
 * A. The burst of a task is a moving average over its last bursts, or the present one once that is longer. So a task that
 *    starts to compute loses its place after one average burst, and gets it back after a few short ones.
 *
 * B. The deadline, both parts together, lies between `credit_us` behind the queue's clock and DEBT_NS ahead of it, and
 *    the clock never stands still. See interactive_running() for why this bounds every wait.
 *
 * C. A CPU is interrupted once in PREEMPT_EVERY_NS in the long run, and some times in a row. That is enough for people,
 *    timers and requests, and it bounds what tasks that do nothing but wake each other can cost.
 */
#include <fleetsched/policy.bpf.h>
#include <fleetsched/contexts.bpf.h>
#include <fleetsched/vclock.bpf.h>

/* Longest run of a task while others wait. Longer: fewer switches; shorter: shorter waits. */
const volatile u64 slice_us = 3000;

/* How far behind the clock a task may start after a sleep. Larger favours sleepers; 0 gives sleep no reward. */
const volatile u64 credit_us = 10000;

/* How much earlier the deadline of a waking task must be to interrupt the running one. 0 = it never does. */
const volatile u64 preempt_us = 1000;

enum {
	QUEUE = 0,
	PACE = 10,
};

#define DEBT_NS (100 * NSEC_PER_MSEC)
#define ROUND_NS (200 * NSEC_PER_MSEC) /* what one run of everybody in the queue may take on one CPU */
#define SLICE_MIN_NS (250 * NSEC_PER_USEC)
#define SLICE_MAX_NS (20 * NSEC_PER_MSEC)
#define CREDIT_MAX_NS (20 * NSEC_PER_MSEC)
#define PREEMPT_EVERY_NS (2 * NSEC_PER_MSEC)
#define PREEMPT_AHEAD_NS (8 * PREEMPT_EVERY_NS) /* as many at once, after a quiet time */
#define BURST_MAX_NS (50 * NSEC_PER_MSEC) /* longer bursts are all the same: computations */

UEI_DEFINE(uei);

struct vclock clock;

struct task_ctx {
	u64 vtime;	/* the task's own clock; the field in the kernel's struct holds the deadline */
	u64 started_ns; /* when it last started to run */
	u64 burst_ns;	/* what it has run since it last woke */
	u64 average_ns; /* of its last bursts */
};

TASK_CTXS_DEFINE(task_ctx)

struct cpu_ctx {
	u64 deadline;	/* of the task that runs */
	u64 started_ns; /* when it started */
	u64 quiet_ns;	/* until when this CPU's interruptions are paid for: note C */
};

CPU_CTXS_DEFINE(cpu_ctx)

static u64 weighted(struct task_struct *p, u64 ns)
{
	return ns * 100 / p->scx.weight;
}

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

/*
 * Return when @p should have its turn, in the queue's virtual time: note B.
 */
static __noinline u64 task_deadline(struct task_struct *p, struct task_ctx *ctx)
{
	u64 credit = clamp_u64(credit_us * NSEC_PER_USEC, 0, CREDIT_MAX_NS);
	u64 earliest = clock.now - credit, latest = clock.now + DEBT_NS;
	u64 burst = ctx->burst_ns > ctx->average_ns ? ctx->burst_ns : ctx->average_ns;
	u64 deadline;

	if (vtime_before(ctx->vtime, earliest))
		ctx->vtime = earliest;
	else if (vtime_before(latest, ctx->vtime))
		ctx->vtime = latest;

	deadline = ctx->vtime + weighted(p, clamp_u64(burst, 0, BURST_MAX_NS));
	return vtime_before(latest, deadline) ? latest : deadline;
}

s32 BPF_STRUCT_OPS(interactive_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	bool is_idle = false;
	s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);

	/* An idle CPU found nothing in the queue that it may run, so nobody is passed over here. */
	if (is_idle)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, full_slice_ns(), 0);

	return cpu;
}

/*
 * The task on @cpu gives way when the one that woke there has a deadline earlier by more than the margin. What it has
 * already run counts, as it will at its next turn. Its own deadline is not touched, so it loses no place, and the margin
 * lets it run at least that long.
 */
static void maybe_preempt(s32 cpu, u64 deadline)
{
	struct cpu_ctx *running = try_lookup_cpu_ctx(cpu);
	u64 now = bpf_ktime_get_ns();

	if (!preempt_us || !running || vtime_before(now + PREEMPT_AHEAD_NS, running->quiet_ns))
		return;

	if (vtime_before(deadline + preempt_us * NSEC_PER_USEC, running->deadline + (now - running->started_ns))) {
		running->quiet_ns = PREEMPT_EVERY_NS +
				    (vtime_before(running->quiet_ns, now) ? now : running->quiet_ns);
		scx_bpf_kick_cpu(cpu, SCX_KICK_PREEMPT);
	}
}

void BPF_STRUCT_OPS(interactive_enqueue, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	u64 deadline = ctx ? task_deadline(p, ctx) : clock.now;

	scx_bpf_dsq_insert_vtime(p, QUEUE, queued_slice_ns(), deadline, enq_flags);

	if (enq_flags & SCX_ENQ_WAKEUP)
		maybe_preempt(scx_bpf_task_cpu(p), deadline);
}

/* Tasks that may not run on this CPU are passed over by the kernel and stay for the others. */
void BPF_STRUCT_OPS(interactive_dispatch, s32 cpu, struct task_struct *prev)
{
	scx_bpf_dsq_move_to_local(QUEUE);
}

/*
 * Nobody starves: a task enters the queue at most DEBT_NS ahead of the clock, and the clock advances by at least 1/PACE
 * of real time whatever runs. After PACE * (DEBT_NS + credit), at most 1.2 s, everyone who enters the queue enters behind
 * it, however short its bursts. It then waits for those who were before it, one slice each: ROUND_NS on one CPU for up
 * to 800 tasks. That is less than a third of the watchdog's 5 s. The price: with more than PACE runnable tasks a CPU,
 * weights and bursts count for less.
 */
void BPF_STRUCT_OPS(interactive_running, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct cpu_ctx *running = try_lookup_cpu_ctx(scx_bpf_task_cpu(p));
	u64 now = bpf_ktime_get_ns();

	if (!ctx || !running)
		return;

	vclock_advance(&clock, now, PACE, ctx->vtime);
	ctx->started_ns = now;
	running->started_ns = now;
	running->deadline = task_deadline(p, ctx);
}

void BPF_STRUCT_OPS(interactive_stopping, struct task_struct *p, bool runnable)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	u64 ran;

	if (!ctx)
		return;

	ran = bpf_ktime_get_ns() - ctx->started_ns;
	ctx->vtime += weighted(p, ran);
	ctx->burst_ns += ran;
}

/* The task sleeps: its burst is over. */
void BPF_STRUCT_OPS(interactive_quiescent, struct task_struct *p, u64 deq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	if (!ctx || !(deq_flags & SCX_DEQ_SLEEP))
		return;

	ctx->average_ns = (ctx->average_ns * 3 + ctx->burst_ns) / 4;
	ctx->burst_ns = 0;
}

/* A new task counts as a computation of one slice until it has shown its bursts: a fork storm gains nothing. */
void BPF_STRUCT_OPS(interactive_enable, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	if (!ctx)
		return;

	ctx->vtime = clock.now;
	ctx->average_ns = slice_us * NSEC_PER_USEC;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(interactive_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return create_task_ctx(p) ? 0 : -ENOMEM;
}

/* Without these two the kernel would end the policy at each hotplug. */
void BPF_STRUCT_OPS(interactive_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(interactive_cpu_offline, s32 cpu)
{
	scx_bpf_release_cpu(QUEUE, cpu);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(interactive_init)
{
	clock.advanced_ns = bpf_ktime_get_ns();
	return scx_bpf_create_dsq(QUEUE, -1);
}

void BPF_STRUCT_OPS(interactive_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(interactive,
	.select_cpu	= (void *)interactive_select_cpu,
	.enqueue	= (void *)interactive_enqueue,
	.dispatch	= (void *)interactive_dispatch,
	.running	= (void *)interactive_running,
	.stopping	= (void *)interactive_stopping,
	.quiescent	= (void *)interactive_quiescent,
	.enable		= (void *)interactive_enable,
	.init_task	= (void *)interactive_init_task,
	.cpu_online	= (void *)interactive_cpu_online,
	.cpu_offline	= (void *)interactive_cpu_offline,
	.init		= (void *)interactive_init,
	.exit		= (void *)interactive_exit);
