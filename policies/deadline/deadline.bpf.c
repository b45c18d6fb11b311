// SPDX-License-Identifier: GPL-2.0-only
/*
 * deadline: requests by their deadlines and to their end, computations by shares
 *
 * What a task does between two sleeps is a request. Its deadline is the time at which it woke, plus a few times the
 * usual length of that task's requests: the shorter it usually is, the sooner it is due. Requests run in the order of
 * their deadlines and, once they run, to their end: tasks that all wake, compute a few milliseconds and sleep again are
 * served first come, first served, instead of all being late together. A request that takes much longer than usual is
 * one no more: it joins the computations, which share what requests leave, and never less than a fifth, by weight.
 *
 * It suits services whose threads wait for messages and compute for each, beside batch work or without it. It fails
 * where a request is longer than `budget_us` (it is then a computation), where the first answer of many counts for more
 * than the last one (those at the end of a long line wait for all before them), and where many CPUs meet at the queues.
 *
 * Design notes:
 *
 * A. Two clocks. Deadlines are in real time: a request that waits comes nearer to its turn by waiting. Computations have
 *    virtual time, as in `fair`, with a floor, a ceiling and a clock that never stands still. All run time is counted in
 *    it, that of requests as well.
 *
 * B. A request has a budget, twice its longest of late. It spends it once, in whole or, after an interruption, in
 *    parts. So whoever computes on without a sleep leaves the requests' queue by itself.
 *
 * C. Equals do not interrupt each other: a waking request interrupts a computation, and another request only when its
 *    own usual length is a quarter of that one's or less, and its deadline is earlier.
 */
#include <fleetsched/policy.bpf.h>
#include <fleetsched/contexts.bpf.h>
#include <fleetsched/vclock.bpf.h>

/* A request is due after this many times its usual length. Larger favours short ones, and makes long ones wait. */
const volatile u64 stretch = 2;

/* Longest run of one request before it counts as a computation. Longer: fewer switches; shorter: shorter waits. */
const volatile u64 budget_us = 20000;

/* Longest run of a computation while others wait. */
const volatile u64 slice_us = 4000;

enum {
	REQUESTS = 0,
	COMPUTATIONS = 1,
	PACE = 10,
	REQUESTS_TURN = 4, /* of five parts of the time; the fifth is the computations' */
	ENOUGH = 4,	   /* times shorter than the other: worth an interruption */
};

#define HORIZON_NS (200 * NSEC_PER_MSEC) /* no deadline is further away */
#define DEBT_NS (50 * NSEC_PER_MSEC)
#define CREDIT_NS (5 * NSEC_PER_MSEC)
#define ROUND_NS (150 * NSEC_PER_MSEC) /* what one run of everybody in a queue may take on one CPU */
#define SLICE_MIN_NS (250 * NSEC_PER_USEC)
#define SLICE_MAX_NS (20 * NSEC_PER_MSEC)
#define BUDGET_MIN_NS (1 * NSEC_PER_MSEC)

UEI_DEFINE(uei);

/* Of the computations. */
struct vclock clock;

struct task_ctx {
	u64 vtime;	/* the task's own, for its turns among the computations */
	u64 started_ns; /* when it last started to run */
	u64 due_ns;	/* deadline of the present request */
	u64 ran_ns;	/* of the present request */
	u64 usual_ns;	/* average of its last requests */
	u64 longest_ns; /* of its last requests; older ones are forgotten slowly */
	bool computes;	/* the request was too long and is none any more */
};

TASK_CTXS_DEFINE(task_ctx)

struct cpu_ctx {
	u64 due_ns;	    /* deadline of the request that runs; 0: a computation, or nothing */
	u64 usual_ns;	    /* its usual length */
	u64 turn_ns;	    /* what requests ran here, less four times what computations did */
	bool is_turn;	    /* the next to run is given its turn, as a computation */
	bool is_protected;  /* what runs has its turn: nobody interrupts it */
};

CPU_CTXS_DEFINE(cpu_ctx)

static u64 weighted(struct task_struct *p, u64 ns)
{
	return ns * 100 / p->scx.weight;
}

/*
 * What each of @queue may run so that a round through it stays near ROUND_NS.
 */
static u64 fair_part_ns(u64 queue)
{
	s32 waiting = scx_bpf_dsq_nr_queued(queue);

	return ROUND_NS / (waiting > 0 ? waiting + 1 : 1);
}

static u64 slice_ns(void)
{
	return clamp_u64(fair_part_ns(COMPUTATIONS), SLICE_MIN_NS,
			 clamp_u64(slice_us * NSEC_PER_USEC, SLICE_MIN_NS, SLICE_MAX_NS));
}

/*
 * Return what is left of the budget of the present request: note B. 0 = it is a computation.
 */
static u64 budget_left_ns(struct task_ctx *ctx)
{
	u64 most = clamp_u64(budget_us * NSEC_PER_USEC, BUDGET_MIN_NS, SLICE_MAX_NS);
	u64 budget = clamp_u64(2 * ctx->longest_ns, BUDGET_MIN_NS, most);

	return ctx->ran_ns < budget ? budget - ctx->ran_ns : 0;
}

static void start_request(struct task_struct *p, struct task_ctx *ctx)
{
	u64 within = weighted(p, ctx->usual_ns * clamp_u64(stretch, 1, 64));

	ctx->computes = false;
	ctx->ran_ns = 0;
	ctx->due_ns = bpf_ktime_get_ns() + clamp_u64(within, 0, HORIZON_NS);
}

/*
 * Return true if a request due at @ctx->due_ns is worth an interruption of what runs on @cpu: note C.
 */
static bool is_more_urgent(struct task_ctx *ctx, s32 cpu)
{
	struct cpu_ctx *running = try_lookup_cpu_ctx(cpu);

	if (!running || running->is_protected)
		return false;
	if (!running->due_ns)
		return true;

	return ctx->usual_ns * ENOUGH <= running->usual_ns && vtime_before(ctx->due_ns, running->due_ns);
}

s32 BPF_STRUCT_OPS(deadline_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	bool is_idle = false;
	s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);

	/* An idle CPU found nothing in the queues that it may run, so nobody is passed over here. */
	if (is_idle && ctx) {
		start_request(p, ctx);
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, budget_left_ns(ctx), 0);
	}

	return cpu;
}

static void enqueue_computation(struct task_struct *p, struct task_ctx *ctx, u64 enq_flags)
{
	u64 earliest = clock.now - CREDIT_NS, latest = clock.now + DEBT_NS;

	if (vtime_before(ctx->vtime, earliest))
		ctx->vtime = earliest;
	else if (vtime_before(latest, ctx->vtime))
		ctx->vtime = latest;

	ctx->computes = true;
	scx_bpf_dsq_insert_vtime(p, COMPUTATIONS, slice_ns(), ctx->vtime, enq_flags);
}

/*
 * Nobody starves: the deadline of a request is at most HORIZON_NS away, so after that time everybody who comes stands
 * behind, and those before take one budget each, which shrinks with their number: ROUND_NS on one CPU for up to 600 of
 * them, or, with the computations' turns, 190 ms. A request that is over its budget comes back as a computation.
 */
void BPF_STRUCT_OPS(deadline_enqueue, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	s32 cpu = scx_bpf_task_cpu(p), here = bpf_get_smp_processor_id();
	u64 left, part = fair_part_ns(REQUESTS);

	if (!ctx) {
		scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SLICE_MIN_NS, enq_flags);
		return;
	}

	if (enq_flags & SCX_ENQ_WAKEUP)
		start_request(p, ctx);

	left = budget_left_ns(ctx);
	/* With a line so long that a whole budget is too much, one part is all that a request gets. */
	if (ctx->computes || !left || (part < left && ctx->ran_ns >= part)) {
		enqueue_computation(p, ctx, enq_flags);
		return;
	}

	scx_bpf_dsq_insert_vtime(p, REQUESTS, clamp_u64(left, SLICE_MIN_NS, part + SLICE_MIN_NS), ctx->due_ns,
				 enq_flags);

	if (!(enq_flags & SCX_ENQ_WAKEUP))
		return;
	if (is_more_urgent(ctx, cpu))
		scx_bpf_kick_cpu(cpu, SCX_KICK_PREEMPT);
	else if (here != cpu && bpf_cpumask_test_cpu(here, p->cpus_ptr) && is_more_urgent(ctx, here))
		scx_bpf_kick_cpu(here, SCX_KICK_PREEMPT);
}

/*
 * Tasks that may not run on this CPU are passed over by the kernel and stay for the others.
 *
 * Nobody starves: on each CPU computations have a turn after requests had four times as much, and
 * nothing interrupts a turn. A computation enters its queue at most DEBT_NS ahead of the clock, and that advances by at
 * least 1/PACE of real time: after PACE * (DEBT_NS + CREDIT_NS), 550 ms, everyone who enters, enters behind it. Those
 * before it run one slice each, ROUND_NS of the fifth of the time that is theirs: another 750 ms, and 1.3 s in all.
 */
void BPF_STRUCT_OPS(deadline_dispatch, s32 cpu, struct task_struct *prev)
{
	struct cpu_ctx *here = try_lookup_cpu_ctx(cpu);

	if (!here)
		return;

	here->is_turn = here->turn_ns >= REQUESTS_TURN * slice_ns();
	if (here->is_turn && scx_bpf_dsq_move_to_local(COMPUTATIONS))
		return;

	here->is_turn = false;
	if (!scx_bpf_dsq_move_to_local(REQUESTS))
		scx_bpf_dsq_move_to_local(COMPUTATIONS);
}

void BPF_STRUCT_OPS(deadline_running, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct cpu_ctx *here = try_lookup_cpu_ctx(scx_bpf_task_cpu(p));
	u64 now = bpf_ktime_get_ns();

	if (!ctx || !here)
		return;

	/* Requests run out of turn: only computations say how far the clock has come. */
	vclock_advance(&clock, now, PACE, ctx->computes ? ctx->vtime : clock.now);
	ctx->started_ns = now;
	here->due_ns = ctx->computes ? 0 : ctx->due_ns;
	here->usual_ns = ctx->usual_ns;
	here->is_protected = here->is_turn && ctx->computes;
	here->is_turn = false;
}

void BPF_STRUCT_OPS(deadline_stopping, struct task_struct *p, bool runnable)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct cpu_ctx *here = try_lookup_cpu_ctx(scx_bpf_task_cpu(p));
	u64 ran;

	if (!ctx || !here)
		return;

	ran = bpf_ktime_get_ns() - ctx->started_ns;
	/* By what they ran: one that is interrupted at once has not had its turn. */
	if (here->due_ns)
		here->turn_ns = clamp_u64(here->turn_ns + ran, 0, REQUESTS_TURN * SLICE_MAX_NS);
	else
		here->turn_ns -= clamp_u64(REQUESTS_TURN * ran, 0, here->turn_ns);
	here->due_ns = 0;
	here->is_protected = false;
	ctx->vtime += weighted(p, ran);
	ctx->ran_ns += ran;
}

/* The task sleeps: its request is done. */
void BPF_STRUCT_OPS(deadline_quiescent, struct task_struct *p, u64 deq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	if (!ctx || !(deq_flags & SCX_DEQ_SLEEP))
		return;

	ctx->usual_ns = (ctx->usual_ns * 15 + ctx->ran_ns) / 16;
	ctx->longest_ns -= ctx->longest_ns / 16;
	if (ctx->longest_ns < ctx->ran_ns)
		ctx->longest_ns = ctx->ran_ns;
	ctx->ran_ns = 0;
}

/* A new task counts as a request of one slice until it has shown its own: a fork storm gains nothing. */
void BPF_STRUCT_OPS(deadline_enable, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	if (!ctx)
		return;

	ctx->vtime = clock.now;
	ctx->usual_ns = clamp_u64(slice_us * NSEC_PER_USEC, SLICE_MIN_NS, SLICE_MAX_NS);
	ctx->longest_ns = ctx->usual_ns / 2;
	start_request(p, ctx);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(deadline_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return create_task_ctx(p) ? 0 : -ENOMEM;
}

/* Without these two the kernel would end the policy at each hotplug. */
void BPF_STRUCT_OPS(deadline_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(deadline_cpu_offline, s32 cpu)
{
	scx_bpf_release_cpu(REQUESTS, cpu);
	scx_bpf_release_cpu(COMPUTATIONS, cpu);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(deadline_init)
{
	s32 error = scx_bpf_create_dsq(REQUESTS, -1);

	clock.advanced_ns = bpf_ktime_get_ns();
	return error ? error : scx_bpf_create_dsq(COMPUTATIONS, -1);
}

void BPF_STRUCT_OPS(deadline_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(deadline,
	.select_cpu	= (void *)deadline_select_cpu,
	.enqueue	= (void *)deadline_enqueue,
	.dispatch	= (void *)deadline_dispatch,
	.running	= (void *)deadline_running,
	.stopping	= (void *)deadline_stopping,
	.quiescent	= (void *)deadline_quiescent,
	.enable		= (void *)deadline_enable,
	.init_task	= (void *)deadline_init_task,
	.cpu_online	= (void *)deadline_cpu_online,
	.cpu_offline	= (void *)deadline_cpu_offline,
	.init		= (void *)deadline_init,
	.exit		= (void *)deadline_exit);
