// SPDX-License-Identifier: GPL-2.0-only
/*
 * batch: short jobs first and each to its end, long ones behind
 *
 * When forty equal jobs start at once, taking turns lets all of them end at the end. One after the other, they end at
 * half of that time on average, and the last one no later. So a job that was begun is kept in hand until it is done,
 * one for each CPU, and the others wait. Which jobs are short is learnt: a job that has run for twice as long as jobs
 * of late, or for `length_ms`, is a long one. Long jobs are taken in hand when no short one waits. All that wait are
 * given a short run every `wait_ms`, so that nothing stands still.
 *
 * It suits queues of jobs that compute and end: builds, tests, encoders, analyses, with a few that are much longer than
 * the rest. It fails where jobs are there to share (each of many users wants to see progress), where they never end
 * (then it is round robin with long turns), and where the last job decides and is short (it may wait for all others).
 *
 * Design notes:
 *
 * A. Four queues. FRESH: tasks that have hardly run, or that sleep now and then: they go first, so shells and daemons are
 *    not jobs. HAND: jobs in hand. SHORT and LONG: jobs that wait. At the head of each is who has waited longest.
 *
 * B. A job's length is what it has run in all, less four times what it slept since. A job that reads a little in between
 *    is still the same job, a daemon is none. Where CPUs are virtual they stand still at times, which a clock takes for
 *    running; so a run of a task that is not in hand counts for no more than it was given.
 *
 * C. A heavier task (nice below 0) counts as shorter than it is, a lighter one as longer: a declared length, if you will.
 *
 * D. A wait lasts until the task runs. The kernel takes a task out of its queue and puts it in again whenever its CPUs,
 *    its priority or its cgroup change. Were that the end of the line each time, a task that is moved more often than
 *    its line moves would never run; so queues are kept in order of when the waits began, which stays.
 */
#include <fleetsched/policy.bpf.h>
#include <fleetsched/contexts.bpf.h>

/* A job that has run longer is long, whatever was learnt. A declared length: set it to what most jobs stay below. */
const volatile u64 length_ms = 2000;

/* Who has waited this long is given a short run. Longer: fewer switches, and jobs end sooner; shorter: steadier progress. */
const volatile u64 wait_ms = 500;

enum {
	FRESH = 0,
	HAND = 1,
	SHORT = 2,
	LONG = 3,
	CROWD = 16,	  /* so many who wait make one more of them served in each turn */
	MOST_OTHERS = 31,
	SLEEP_WORTH = 4,  /* a task that runs for less than four fifths of the time is no job */
};

#define FRESH_NS (5 * NSEC_PER_MSEC) /* run by a task that is no job yet */
#define FRESH_RUN_NS (2 * NSEC_PER_MSEC) /* in one run */
#define GLIMPSE_NS (1 * NSEC_PER_MSEC) /* the run of a job that is not in hand */
#define WAIT_MIN_NS (50 * NSEC_PER_MSEC)
#define WAIT_MAX_NS (700 * NSEC_PER_MSEC)
#define ROUND_NS (200 * NSEC_PER_MSEC) /* what one run of everybody who waits may take on one CPU */
#define SLICE_MIN_NS (250 * NSEC_PER_USEC)
#define SLICE_MAX_NS (20 * NSEC_PER_MSEC)
#define LENGTH_MIN_NS (20 * NSEC_PER_MSEC)
#define LENGTH_MAX_NS (600000 * NSEC_PER_MSEC)
#define LENGTH_START_NS (50 * NSEC_PER_MSEC) /* before anything is learnt */

UEI_DEFINE(uei);

static s64 nr_in_hand;

/* The usual length of a job: see learn(). */
static u64 learnt_ns = LENGTH_START_NS;

struct task_ctx {
	u64 started_ns;	    /* when it last started to run */
	u64 waits_since_ns; /* 0 = it runs or sleeps; note D */
	u64 slept_ns;	    /* when it last went to sleep */
	u64 length_ns;	    /* note B */
	bool in_hand;
};

TASK_CTXS_DEFINE(task_ctx)

struct cpu_ctx {
	bool may_interrupt; /* a job runs, and not for having waited */
	bool was_patient;   /* its last run was given to who had waited, so the next is not */
};

CPU_CTXS_DEFINE(cpu_ctx)

/* Note C. */
static u64 length_ns(struct task_struct *p, struct task_ctx *ctx)
{
	return ctx->length_ns * 100 / p->scx.weight;
}

static bool is_fresh(struct task_struct *p, struct task_ctx *ctx)
{
	return length_ns(p, ctx) < FRESH_NS;
}

static bool is_long(struct task_struct *p, struct task_ctx *ctx)
{
	u64 most = clamp_u64(length_ms * NSEC_PER_MSEC, LENGTH_MIN_NS, LENGTH_MAX_NS);

	return length_ns(p, ctx) >= clamp_u64(2 * learnt_ns, LENGTH_MIN_NS, most);
}

/*
 * A job has ended, or has turned out to be longer than usual. Jobs count by their length, so that the many small commands
 * beside them hardly do. Updates of two CPUs at once may lose one: that moves the average little.
 */
static void learn(u64 length)
{
	u64 usual = clamp_u64(learnt_ns, LENGTH_MIN_NS, LENGTH_MAX_NS);

	if (length < usual)
		learnt_ns = usual - (usual - length) / 8 * (length / NSEC_PER_USEC) / (usual / NSEC_PER_USEC);
	else
		learnt_ns = usual + (clamp_u64(length, 0, LENGTH_MAX_NS) - usual) / 4;
}

static u64 nr_waiting(void)
{
	return scx_bpf_dsq_nr_queued(FRESH) + scx_bpf_dsq_nr_queued(SHORT) + scx_bpf_dsq_nr_queued(LONG);
}

/*
 * The slice shrinks when many wait, so that a round through them stays near ROUND_NS.
 */
static u64 queued_slice_ns(u64 most)
{
	return clamp_u64(ROUND_NS / (nr_waiting() + 1), SLICE_MIN_NS, most);
}

static void line_up(struct task_struct *p, struct task_ctx *ctx, u64 queue, u64 slice_ns, u64 enq_flags)
{
	scx_bpf_dsq_insert_vtime(p, queue, queued_slice_ns(slice_ns), ctx->waits_since_ns, enq_flags);
}

static void let_go(struct task_ctx *ctx)
{
	if (!ctx->in_hand)
		return;

	ctx->in_hand = false;
	__sync_fetch_and_add(&nr_in_hand, -1);
}

/* What a task slept is taken from its length, more than once: note B. */
static void wake(struct task_ctx *ctx)
{
	u64 slept = ctx->slept_ns ? SLEEP_WORTH * (bpf_ktime_get_ns() - ctx->slept_ns) : 0;

	ctx->slept_ns = 0;
	ctx->length_ns = slept < ctx->length_ns ? ctx->length_ns - slept : 0;
}

s32 BPF_STRUCT_OPS(batch_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	bool is_idle = false;
	s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);

	/* An idle CPU found nothing in the queues that it may run, so nobody is passed over here. */
	if (is_idle && ctx) {
		wake(ctx);
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, is_fresh(p, ctx) ? FRESH_RUN_NS : SLICE_MAX_NS, 0);
	}

	return cpu;
}

void BPF_STRUCT_OPS(batch_enqueue, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	s32 cpu = scx_bpf_task_cpu(p);
	struct cpu_ctx *running = try_lookup_cpu_ctx(cpu);

	if (!ctx) {
		scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SLICE_MIN_NS, enq_flags);
		return;
	}

	if (enq_flags & SCX_ENQ_WAKEUP)
		wake(ctx);
	if (!ctx->waits_since_ns)
		ctx->waits_since_ns = bpf_ktime_get_ns();

	if (is_fresh(p, ctx)) {
		line_up(p, ctx, FRESH, FRESH_RUN_NS, enq_flags);
		if (running && running->may_interrupt && enq_flags & SCX_ENQ_WAKEUP)
			scx_bpf_kick_cpu(cpu, SCX_KICK_PREEMPT);
		return;
	}

	/* A job that turns out to be long goes to the end of its line. */
	if (ctx->in_hand && is_long(p, ctx) && scx_bpf_dsq_nr_queued(SHORT) > 0) {
		let_go(ctx);
		learn(ctx->length_ns);
	}

	if (ctx->in_hand)
		line_up(p, ctx, HAND, SLICE_MAX_NS, enq_flags);
	else
		line_up(p, ctx, is_long(p, ctx) ? LONG : SHORT, GLIMPSE_NS, enq_flags);
}

/*
 * Return how long the head of @queue has waited.
 */
static u64 waited_ns(u64 queue, u64 now)
{
	struct bpf_iter_scx_dsq walk;
	struct task_ctx *ctx = NULL;
	struct task_struct *p;
	u64 waited = 0;

	bpf_iter_scx_dsq_new(&walk, queue, 0);
	p = bpf_iter_scx_dsq_next(&walk);
	if (p)
		ctx = try_lookup_task_ctx(p);
	if (ctx && ctx->waits_since_ns < now)
		waited = now - ctx->waits_since_ns;
	bpf_iter_scx_dsq_destroy(&walk);

	return waited;
}

/*
 * Give a run to the task that has waited longest, if that is long enough, and to some behind it when many wait. Return
 * true if there was one.
 */
static bool serve_patient(void)
{
	u64 enough = clamp_u64(wait_ms * NSEC_PER_MSEC, WAIT_MIN_NS, WAIT_MAX_NS);
	u64 now = bpf_ktime_get_ns(), longest = 0, waited, queue = FRESH;
	u32 others = clamp_u64(nr_waiting() / CROWD, 0, MOST_OTHERS);

	for (u32 each = FRESH; each <= LONG; each++) {
		waited = waited_ns(each, now);
		if (waited > longest) {
			longest = waited;
			queue = each;
		}
	}

	if (longest < enough || !scx_bpf_dsq_move_to_local(queue))
		return false;

	for (u32 each = 0; each < MOST_OTHERS && each < others; each++)
		scx_bpf_dsq_move_to_local(queue);
	return true;
}

/*
 * Tasks that may not run on this CPU are passed over by the kernel and stay for the others. The kernel asks before it
 * queues the task that ran, @prev; when it is given none, that one goes on for a slice of 20 ms.
 *
 * Nobody starves: every other turn of each CPU is for those at the head of a queue who have waited longest, once that is
 * `wait_ms`, at most 700 ms, and nothing interrupts that. There are at most CROWD turns until everyone who waited as long
 * has had one, with 20 ms of a job in hand between two of them, and their own runs together take ROUND_NS: 520 ms on one
 * CPU for up to 500 tasks. In all that is 1.3 s, a quarter of the watchdog's 5 s. Nothing but a run ends a wait (note D).
 * Where the head may not run on this CPU, the kernel gives the run to the first behind it that may.
 */
void BPF_STRUCT_OPS(batch_dispatch, s32 cpu, struct task_struct *prev)
{
	struct task_ctx *ctx = prev ? try_lookup_task_ctx(prev) : NULL;
	struct cpu_ctx *here = try_lookup_cpu_ctx(cpu);

	if (!here)
		return;

	here->was_patient = !here->was_patient && serve_patient();
	if (here->was_patient || scx_bpf_dsq_move_to_local(FRESH))
		return;
	/* In hand, so it does not sleep: see batch_quiescent(). */
	if (ctx && ctx->in_hand && !is_long(prev, ctx))
		return;
	if (!scx_bpf_dsq_move_to_local(HAND) && !scx_bpf_dsq_move_to_local(SHORT))
		scx_bpf_dsq_move_to_local(LONG);
}

/*
 * Return true if a job may be taken in hand: one for each CPU, and long ones only when no short one waits.
 */
static bool has_free_hand(struct task_struct *p, struct task_ctx *ctx)
{
	if (nr_in_hand >= scx_bpf_nr_cpu_ids())
		return false;

	return !is_long(p, ctx) || !scx_bpf_dsq_nr_queued(SHORT);
}

void BPF_STRUCT_OPS(batch_running, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct cpu_ctx *here = try_lookup_cpu_ctx(scx_bpf_task_cpu(p));
	bool is_job;

	if (!ctx || !here)
		return;

	ctx->started_ns = bpf_ktime_get_ns();
	ctx->waits_since_ns = 0;
	is_job = !is_fresh(p, ctx);
	here->may_interrupt = is_job && !here->was_patient;
	/* Two CPUs may both find the last hand free: then there is one more, which does no harm. */
	if (is_job && !ctx->in_hand && has_free_hand(p, ctx)) {
		ctx->in_hand = true;
		__sync_fetch_and_add(&nr_in_hand, 1);
	}
}

void BPF_STRUCT_OPS(batch_stopping, struct task_struct *p, bool runnable)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	u64 ran;

	if (!ctx)
		return;

	ran = bpf_ktime_get_ns() - ctx->started_ns;
	ctx->length_ns += ctx->in_hand ? ran : clamp_u64(ran, 0, FRESH_RUN_NS);
}

/* The task sleeps, and its hand is free for another. */
void BPF_STRUCT_OPS(batch_quiescent, struct task_struct *p, u64 deq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	if (!ctx || !(deq_flags & SCX_DEQ_SLEEP))
		return;

	ctx->slept_ns = bpf_ktime_get_ns();
	let_go(ctx);
}

/* A task leaves the policy, mostly because it ends: its length is learnt, if it was a job. */
void BPF_STRUCT_OPS(batch_disable, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	if (!ctx)
		return;

	let_go(ctx);
	ctx->waits_since_ns = 0;
	if (!is_fresh(p, ctx))
		learn(ctx->length_ns);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(batch_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return create_task_ctx(p) ? 0 : -ENOMEM;
}

/* Without these two the kernel would end the policy at each hotplug. */
void BPF_STRUCT_OPS(batch_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(batch_cpu_offline, s32 cpu)
{
	scx_bpf_release_cpu(FRESH, cpu);
	scx_bpf_release_cpu(HAND, cpu);
	scx_bpf_release_cpu(SHORT, cpu);
	scx_bpf_release_cpu(LONG, cpu);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(batch_init)
{
	for (u32 queue = FRESH; queue <= LONG; queue++) {
		s32 error = scx_bpf_create_dsq(queue, -1);

		if (error)
			return error;
	}
	return 0;
}

void BPF_STRUCT_OPS(batch_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(batch,
	.select_cpu	= (void *)batch_select_cpu,
	.enqueue	= (void *)batch_enqueue,
	.dispatch	= (void *)batch_dispatch,
	.running	= (void *)batch_running,
	.stopping	= (void *)batch_stopping,
	.quiescent	= (void *)batch_quiescent,
	.disable	= (void *)batch_disable,
	.init_task	= (void *)batch_init_task,
	.cpu_online	= (void *)batch_cpu_online,
	.cpu_offline	= (void *)batch_cpu_offline,
	.init		= (void *)batch_init,
	.exit		= (void *)batch_exit);
