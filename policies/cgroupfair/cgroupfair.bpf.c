// SPDX-License-Identifier: GPL-2.0-only
/*
 * cgroupfair: shares by cpu.weight, all the way up the tree of cgroups
 *
 * Most sched_ext policies share the CPUs among tasks, so a cgroup with many tasks gets much and its cpu.weight means
 * nothing. Here a cgroup has virtual time: it advances while any of its tasks runs, faster the smaller its part of the
 * machine is. Its part is its weight among the weights of its siblings that have something to run, times the part of
 * its parent, and so on up. All tasks that wait stand in one queue, in the order of their cgroups' virtual times; the
 * tasks of one cgroup follow each other there, so that many of them get no more together than a few.
 *
 * It suits hosts with several tenants or services whose CPUWeight= is meant. It fails where all work is in one cgroup
 * (then it is round robin), where many CPUs meet at the one queue, and where shares of less than a hundredth matter.
 *
 * Design notes:
 *
 * A. Start-time fair queueing, with cgroups as the flows and turns as the packets. A turn starts where its cgroup's last
 *    one ends: `line` moves by the length of a slice when a task enters the queue, and by the difference to what it ran
 *    when it leaves the CPU. Tasks of different nice values get slices of different length.
 *
 * B. A task that usually sleeps before a slice is over need not wait for its cgroup's line: it starts where the cgroup's
 *    virtual time is. That is behind the others where the cgroup had less than its part. What it runs counts as the
 *    rest does.
 *
 * C. Cgroups are counted while their tasks are runnable, each with the weight that it had when the first became so. The
 *    tasks of the root cgroup, kernel threads among them, are together one cgroup of weight 100 beside those below it. Of
 *    cgroups deeper than MOST_LEVELS the upper levels count no more; what does not fit into the table is treated as
 *    part of the root.
 *
 * D. The parts of all cgroups that have something to run add up to the machine, so virtual time advances about as real
 *    time does: a little slower while cgroups run that had less than their part. Its clock is made to advance at least
 *    at a quarter of that. See begin() for why this bounds every wait.
 */
#include <fleetsched/policy.bpf.h>
#include <fleetsched/cgroups.bpf.h>
#include <fleetsched/contexts.bpf.h>
#include <fleetsched/vclock.bpf.h>

/* Longest run of a task of nice 0 while others wait. Longer: fewer switches; shorter: shorter waits. */
const volatile u64 slice_us = 3000;

/* How far behind the clock a cgroup may start after it had nothing to run. Larger favours those that come and go. */
const volatile u64 credit_us = 5000;

/* How much earlier the turn of a waking task must be to interrupt the running one. 0 = it never does. */
const volatile u64 preempt_us = 1000;

enum {
	QUEUE = 0,
	PACE = 4,
	MOST_LEVELS = 6,
	MOST_GROUPS = 4096,
	WHOLE = 1 << 16, /* the part of the machine that is all of it */
};

#define DEBT_NS (250 * NSEC_PER_MSEC)
#define ROUND_NS (200 * NSEC_PER_MSEC) /* what one run of everybody in the queue may take on one CPU */
#define SLICE_MIN_NS (250 * NSEC_PER_USEC)
#define SLICE_MAX_NS (20 * NSEC_PER_MSEC)
#define CREDIT_MAX_NS (20 * NSEC_PER_MSEC)

UEI_DEFINE(uei);

struct vclock clock;

struct group_ctx {
	u64 parent;	/* key of the cgroup above; 0 = none */
	u64 vtime;	/* where it is, by what its tasks ran */
	u64 line;	/* where its next turn starts: note A */
	s64 nr_tasks;	/* that have been in it and not in another since; with 0 it is forgotten */
	s64 nr_active;	/* runnable tasks in it, and cgroups below it that have such */
	s64 below;	/* weights of those cgroups, and of its own tasks if it is the root */
	u32 weight;
	u32 counted;	/* weight that is part of `below` of the cgroup above */
};

/* By the address of the kernel's record, which is only a name here. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MOST_GROUPS);
	__type(key, u64);
	__type(value, struct group_ctx);
} group_ctxs SEC(".maps");

struct task_ctx {
	u64 group;	/* key of the cgroup that it counts in; 0 = none yet */
	u64 started_ns; /* when it last started to run */
	u64 ran_ns;	/* since it last woke */
	u64 usual_ns;	/* average of that */
	u64 start;	/* of its present turn, in virtual time */
	u64 charged_ns; /* of its cgroup's line for that turn */
	bool is_active;
};

TASK_CTXS_DEFINE(task_ctx)

struct cpu_ctx {
	u64 start;	/* virtual start of the turn of the task that runs */
	u64 started_ns; /* when it started */
	u64 part;	/* of its cgroup */
};

CPU_CTXS_DEFINE(cpu_ctx)

static struct group_ctx *try_lookup_group_ctx(u64 key)
{
	return bpf_map_lookup_elem(&group_ctxs, &key);
}

/*
 * Make sure that @group and those above it are in the table. Return the key of the lowest that is.
 */
static u64 know_group(struct task_group *group)
{
	u64 key = (u64)group, lowest = 0;

	for (u32 level = 0; level < MOST_LEVELS && group; level++) {
		struct group_ctx *ctx = try_lookup_group_ctx((u64)group);

		if (ctx) {
			ctx->weight = group_weight(group);
		} else {
			struct group_ctx new = {
				.parent = (u64)group->parent,
				.vtime = clock.now,
				.line = clock.now,
				.weight = group_weight(group),
			};
			u64 name = (u64)group;

			bpf_map_update_elem(&group_ctxs, &name, &new, 0);
			ctx = try_lookup_group_ctx(name);
		}
		if (!ctx)
			lowest = 0;
		else if (!lowest)
			lowest = (u64)group;
		group = group->parent;
	}
	return lowest ? lowest : key;
}

/*
 * A task of the cgroup @key has become runnable (@change 1), or is no more (-1): count it there, and each cgroup that
 * thereby begins or ceases to have something to run in the one above it.
 */
static void count_active(u64 key, s64 change)
{
	for (u32 level = 0; level < MOST_LEVELS && key; level++) {
		struct group_ctx *ctx = try_lookup_group_ctx(key), *above;
		s64 before;

		if (!ctx)
			return;
		before = __sync_fetch_and_add(&ctx->nr_active, change);
		if (before + change < 0)
			ctx->nr_active = 0; /* it was forgotten meanwhile and counts from here again */
		if (before + change != (change > 0 ? 1 : 0))
			return;

		above = ctx->parent ? try_lookup_group_ctx(ctx->parent) : NULL;
		if (!above)
			return;
		if (change > 0)
			ctx->counted = ctx->weight;
		__sync_fetch_and_add(&above->below, change * (s64)ctx->counted);
		key = ctx->parent;
	}
}

/*
 * Return which part of the machine the cgroup @key has now, of WHOLE.
 */
static __noinline u64 part_of(u64 key)
{
	u64 part = WHOLE;

	for (u32 level = 0; level < MOST_LEVELS; level++) {
		struct group_ctx *ctx = try_lookup_group_ctx(key), *above;
		u64 of;

		if (!ctx)
			break;
		above = ctx->parent ? try_lookup_group_ctx(ctx->parent) : NULL;
		if (!above) {
			/* The root's own tasks, beside the cgroups below it: note C. */
			if (!level)
				part = part * 100 / (100 + (ctx->below > 0 ? ctx->below : 0));
			break;
		}
		of = above->below > ctx->weight ? above->below : ctx->weight;
		part = part * ctx->weight / of;
		key = ctx->parent;
	}
	return part > 0 ? part : 1;
}

static u64 in_vtime(u64 ns, u64 part)
{
	return ns * WHOLE / part;
}

static u64 credit_ns(void)
{
	return clamp_u64(credit_us * NSEC_PER_USEC, 0, CREDIT_MAX_NS);
}

/*
 * The slice shrinks when the queue is long, so that a round through the whole queue stays near ROUND_NS. Within a cgroup
 * heavier tasks run longer: note A.
 */
static u64 slice_ns(struct task_struct *p, s32 waiting)
{
	u64 most = clamp_u64(slice_us * NSEC_PER_USEC * p->scx.weight / 100, SLICE_MIN_NS, SLICE_MAX_NS);

	return clamp_u64(ROUND_NS / (waiting > 0 ? waiting + 1 : 1), SLICE_MIN_NS, most);
}

/*
 * Forget a cgroup that has no tasks any more, and the ones above it that were there for it alone.
 */
static void count_task(u64 key, s64 change)
{
	for (u32 level = 0; level < MOST_LEVELS && key; level++) {
		struct group_ctx *ctx = try_lookup_group_ctx(key);
		u64 parent;

		if (!ctx)
			return;
		parent = ctx->parent;
		if (__sync_fetch_and_add(&ctx->nr_tasks, change) + change <= 0 && change < 0)
			bpf_map_delete_elem(&group_ctxs, &key);
		key = parent;
	}
}

/* A task that was moved counts in its new cgroup from here on. */
void BPF_STRUCT_OPS(cgroupfair_runnable, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	u64 group;

	if (!ctx || ctx->is_active)
		return;

	group = know_group(task_group_of(p));
	if (ctx->group != group) {
		count_task(group, 1);
		if (ctx->group)
			count_task(ctx->group, -1);
		ctx->group = group;
	}
	count_active(group, 1);
	ctx->is_active = true;
}

static void rest(struct task_ctx *ctx)
{
	if (!ctx->is_active)
		return;

	count_active(ctx->group, -1);
	ctx->is_active = false;
}

void BPF_STRUCT_OPS(cgroupfair_quiescent, struct task_struct *p, u64 deq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	if (!ctx)
		return;

	rest(ctx);
	if (!(deq_flags & SCX_DEQ_SLEEP))
		return;

	ctx->usual_ns = (ctx->usual_ns * 3 + ctx->ran_ns) / 4;
	ctx->ran_ns = 0;
}

s32 BPF_STRUCT_OPS(cgroupfair_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	bool is_idle = false;
	s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);

	/* An idle CPU found nothing in the queue that it may run, so nobody is passed over here. */
	if (is_idle && ctx) {
		ctx->start = clock.now;
		ctx->charged_ns = 0;
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, slice_ns(p, 0), 0);
	}

	return cpu;
}

static u64 full_slice_ns(void)
{
	return clamp_u64(slice_us * NSEC_PER_USEC, SLICE_MIN_NS, SLICE_MAX_NS);
}

/*
 * Return true if a task usually sleeps before a slice is over, and has not run for one now: note B.
 */
static bool is_short(struct task_ctx *ctx)
{
	return ctx->usual_ns < full_slice_ns() && ctx->ran_ns < full_slice_ns();
}

/*
 * Return where the next turn of a task starts: notes A and B.
 */
static u64 next_start(struct task_ctx *ctx, struct group_ctx *group)
{
	u64 earliest = clock.now - credit_ns(), latest = clock.now + DEBT_NS;
	u64 start;

	if (vtime_before(group->vtime, earliest))
		group->vtime = earliest;
	if (vtime_before(group->line, group->vtime))
		group->line = group->vtime;
	if (vtime_before(latest, group->line))
		group->line = latest;

	start = is_short(ctx) ? group->vtime : group->line;
	return vtime_before(latest, start) ? latest : start;
}

/*
 * Note where the turn of a task starts, and move its cgroup's line by a slice of @slice ns.
 */
static void take_turn(struct task_ctx *ctx, struct group_ctx *group, u64 start, u64 slice)
{
	ctx->start = start;
	ctx->charged_ns = is_short(ctx) ? 0 : slice;
	__sync_fetch_and_add(&group->line, in_vtime(ctx->charged_ns, part_of(ctx->group)));
}

void BPF_STRUCT_OPS(cgroupfair_enqueue, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	s32 cpu = scx_bpf_task_cpu(p);
	struct cpu_ctx *running = try_lookup_cpu_ctx(cpu);
	u64 slice = slice_ns(p, scx_bpf_dsq_nr_queued(QUEUE));
	u64 start = clock.now, now = bpf_ktime_get_ns();
	struct group_ctx *group = ctx ? try_lookup_group_ctx(ctx->group) : NULL;

	if (group) {
		start = next_start(ctx, group);
		take_turn(ctx, group, start, slice);
	}

	scx_bpf_dsq_insert_vtime(p, QUEUE, slice, start, enq_flags);

	/* What the running task has had already counts, as it will at its cgroup's next turn. */
	if (enq_flags & SCX_ENQ_WAKEUP && preempt_us && running && running->part &&
	    vtime_before(start + preempt_us * NSEC_PER_USEC,
			 running->start + in_vtime(now - running->started_ns, running->part)))
		scx_bpf_kick_cpu(cpu, SCX_KICK_PREEMPT);
}

/*
 * Nobody starves: a turn starts at most DEBT_NS ahead of the clock, and the clock advances by at least 1/PACE of real
 * time whatever runs. After PACE * (DEBT_NS + credit), at most 1.1 s, everyone who enters the queue enters behind it, and
 * who runs is no longer kept on instead of it. It then waits for those who were before it, one slice each: ROUND_NS on
 * one CPU for up to 800 tasks. That is less than a third of the watchdog's 5 s. The price: a cgroup has at least a slice
 * in that time, so parts below a hundredth are rounded up.
 */
static void begin(struct task_ctx *ctx, struct cpu_ctx *here, u64 now)
{
	vclock_advance(&clock, now, PACE, ctx->start);
	ctx->started_ns = now;
	here->started_ns = now;
	here->start = ctx->start;
	here->part = part_of(ctx->group);
}

/* What a task ran counts for its cgroup: its virtual time by that, its line by what was not charged before. */
static void settle(struct task_ctx *ctx, u64 now)
{
	struct group_ctx *group = try_lookup_group_ctx(ctx->group);
	u64 ran = now - ctx->started_ns, part = part_of(ctx->group);

	ctx->ran_ns += ran;
	if (group) {
		__sync_fetch_and_add(&group->vtime, in_vtime(ran, part));
		__sync_fetch_and_add(&group->line, in_vtime(ran, part) - in_vtime(ctx->charged_ns, part));
	}
	ctx->charged_ns = 0;
}

/*
 * Return true if the turn at the head of the queue starts before @start.
 */
static bool is_someone_before(u64 start)
{
	struct bpf_iter_scx_dsq walk;
	struct task_struct *p;
	bool found;

	bpf_iter_scx_dsq_new(&walk, QUEUE, 0);
	p = bpf_iter_scx_dsq_next(&walk);
	found = p && vtime_before(p->scx.dsq_vtime, start);
	bpf_iter_scx_dsq_destroy(&walk);

	return found;
}

/*
 * Tasks that may not run on this CPU are passed over by the kernel and stay for the others. The kernel asks before it
 * queues the task that ran, @prev. When that one's next turn is before all that wait (it is alone in a heavy cgroup), none
 * is given, and it goes on.
 */
void BPF_STRUCT_OPS(cgroupfair_dispatch, s32 cpu, struct task_struct *prev)
{
	struct task_ctx *ctx = prev ? try_lookup_task_ctx(prev) : NULL;
	struct cpu_ctx *here = try_lookup_cpu_ctx(cpu);
	u64 now = bpf_ktime_get_ns(), start;
	struct group_ctx *group;

	if (ctx && ctx->is_active && here && here->part) {
		settle(ctx, now);
		ctx->started_ns = now;
		group = try_lookup_group_ctx(ctx->group);
		start = group ? next_start(ctx, group) : clock.now;
		if (group && !is_someone_before(start)) {
			take_turn(ctx, group, start, slice_ns(prev, scx_bpf_dsq_nr_queued(QUEUE)));
			begin(ctx, here, now);
			return;
		}
	}

	scx_bpf_dsq_move_to_local(QUEUE);
}

/* The kernel gives 20 ms to a task that goes on: its turn ends earlier when others wait. */
void BPF_STRUCT_OPS(cgroupfair_tick, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	s32 waiting = scx_bpf_dsq_nr_queued(QUEUE);

	if (ctx && waiting > 0 && bpf_ktime_get_ns() - ctx->started_ns >= slice_ns(p, waiting))
		scx_bpf_kick_cpu(scx_bpf_task_cpu(p), SCX_KICK_PREEMPT);
}

void BPF_STRUCT_OPS(cgroupfair_running, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct cpu_ctx *here = try_lookup_cpu_ctx(scx_bpf_task_cpu(p));

	if (ctx && here)
		begin(ctx, here, bpf_ktime_get_ns());
}

void BPF_STRUCT_OPS(cgroupfair_stopping, struct task_struct *p, bool runnable)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct cpu_ctx *here = try_lookup_cpu_ctx(scx_bpf_task_cpu(p));

	if (!ctx || !here)
		return;

	settle(ctx, bpf_ktime_get_ns());
	here->part = 0;
}

/* A new task is no short one until it has shown it: a fork storm gains nothing. */
void BPF_STRUCT_OPS(cgroupfair_enable, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	if (ctx)
		ctx->usual_ns = SLICE_MAX_NS;
}

static void leave(struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	if (!ctx)
		return;

	rest(ctx);
	if (ctx->group)
		count_task(ctx->group, -1);
	ctx->group = 0;
}

void BPF_STRUCT_OPS(cgroupfair_disable, struct task_struct *p)
{
	leave(p);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(cgroupfair_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return create_task_ctx(p) ? 0 : -ENOMEM;
}

/* Without these two the kernel would end the policy at each hotplug. */
void BPF_STRUCT_OPS(cgroupfair_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(cgroupfair_cpu_offline, s32 cpu)
{
	scx_bpf_release_cpu(QUEUE, cpu);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(cgroupfair_init)
{
	clock.advanced_ns = bpf_ktime_get_ns();
	return scx_bpf_create_dsq(QUEUE, -1);
}

void BPF_STRUCT_OPS(cgroupfair_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(cgroupfair,
	.select_cpu	= (void *)cgroupfair_select_cpu,
	.enqueue	= (void *)cgroupfair_enqueue,
	.dispatch	= (void *)cgroupfair_dispatch,
	.tick		= (void *)cgroupfair_tick,
	.runnable	= (void *)cgroupfair_runnable,
	.running	= (void *)cgroupfair_running,
	.stopping	= (void *)cgroupfair_stopping,
	.quiescent	= (void *)cgroupfair_quiescent,
	.enable		= (void *)cgroupfair_enable,
	.disable	= (void *)cgroupfair_disable,
	.init_task	= (void *)cgroupfair_init_task,
	.cpu_online	= (void *)cgroupfair_cpu_online,
	.cpu_offline	= (void *)cgroupfair_cpu_offline,
	.init		= (void *)cgroupfair_init,
	.exit		= (void *)cgroupfair_exit);
