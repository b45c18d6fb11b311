// SPDX-License-Identifier: GPL-2.0-only
/*
 * isolate: CPUs that belong to some cgroups, and are lent while these do not need them
 *
 * The CPUs are parted in two: the first `owned_percent` of them belong to the owners, the others to everybody else. Each
 * side goes first on its own CPUs and runs on those of the other side only while they would be idle: then it is a guest,
 * and interrupted at once when the house needs the CPU. So what the rest of the host does never makes an owner wait.
 *
 * Owners are the tasks of cgroups with a cpu.weight of `owner_weight` or more, and of all cgroups below them. A cgroup's
 * id is another one after each boot and its path no number, but its weight stands in its unit (CPUWeight=500) and
 * travels with it. Nothing has to be told to the policy.
 *
 * It suits a service whose latency must not depend on its neighbours: databases, proxies, control planes beside batch
 * work. It fails where the owners need more than their CPUs (what is over gets only what others leave), where no cgroup
 * has the weight (then the owned CPUs are only lent), and where the CPUs of one side are spread over sockets.
 *
 * Design notes:
 *
 * A. Each side has a queue in the order of virtual time, with a floor, a ceiling and a clock that never stands still.
 *
 * B. A guest that cannot run anywhere else (it is bound to these CPUs, or all CPUs are owned) still has a tenth of the
 *    time, once it has waited for PATIENCE_NS. See isolate_dispatch() for why that bounds every wait.
 *
 * C. Kernel threads that are bound to one CPU are at home there: the house waits for what they do.
 */
#include <fleetsched/policy.bpf.h>
#include <fleetsched/cgroups.bpf.h>
#include <fleetsched/contexts.bpf.h>
#include <fleetsched/vclock.bpf.h>

/* cpu.weight from which on a cgroup is an owner. 100 is what everybody has, so it must be more. */
const volatile u64 owner_weight = 200;

/* How many of the CPUs belong to the owners, those with the lowest numbers. At least one; 100 = all. */
const volatile u64 owned_percent = 50;

/* Longest run while others of the same side wait. Longer: fewer switches; shorter: shorter waits. */
const volatile u64 slice_us = 3000;

enum {
	OWNERS = 0,
	OTHERS = 1,
	SIDES = 2,
	PACE = 10,
	HOUSE_SHARE = 9,   /* of ten parts of the time, where guests have nowhere else to go */
	MOST_CPUS = 1024,
	MOST_LOOKED_AT = 128, /* CPUs that are looked at for a guest to interrupt */
	MOST_LEVELS = 8,   /* of cgroups that are looked at */
};

#define DEBT_NS (20 * NSEC_PER_MSEC)
#define CREDIT_NS (5 * NSEC_PER_MSEC)
#define PATIENCE_NS (500 * NSEC_PER_MSEC)
#define ROUND_NS (50 * NSEC_PER_MSEC) /* what one run of a whole queue may take on one CPU */
#define SLICE_MIN_NS (250 * NSEC_PER_USEC)
#define SLICE_MAX_NS (20 * NSEC_PER_MSEC)

UEI_DEFINE(uei);

struct vclock clocks[SIDES];

/* CPUs with lower numbers are the owners'. */
static s32 owned_below;

struct task_ctx {
	u64 vtime;
	u64 started_ns; /* when it last started to run */
	u64 waits_ns;	/* since when it waits; being interrupted at once does not count as a run */
	u64 ran_ns;	/* since then */
	u32 side;
	bool is_runnable;
};

TASK_CTXS_DEFINE(task_ctx)

struct cpu_ctx {
	u64 house_ns;  /* what the house ran, less nine times what guests did */
	bool is_turn;  /* the next to run is a guest that waited long */
	bool is_lent;  /* a guest runs, and may be interrupted */
};

CPU_CTXS_DEFINE(cpu_ctx)

static u32 house_of(s32 cpu)
{
	return cpu < owned_below ? OWNERS : OTHERS;
}

/*
 * Return true if the cgroup of @p, or one above it, is an owner.
 */
static bool is_owner(struct task_struct *p)
{
	struct task_group *group = task_group_of(p);
	u64 least = clamp_u64(owner_weight, 101, GROUP_WEIGHT_MAX);

	for (u32 level = 0; level < MOST_LEVELS && group; level++) {
		if (group_weight(group) >= least)
			return true;
		group = group->parent;
	}
	return false;
}

static u32 side_of(struct task_struct *p)
{
	if (p->flags & PF_KTHREAD && p->nr_cpus_allowed == 1)
		return house_of(scx_bpf_task_cpu(p)); /* note C */

	return is_owner(p) ? OWNERS : OTHERS;
}

static u64 full_slice_ns(void)
{
	return clamp_u64(slice_us * NSEC_PER_USEC, SLICE_MIN_NS, SLICE_MAX_NS);
}

/*
 * The slice shrinks when the queue is long, so that a round through the whole queue stays near ROUND_NS.
 */
static u64 queued_slice_ns(u32 side)
{
	s32 waiting = scx_bpf_dsq_nr_queued(side);

	return clamp_u64(ROUND_NS / (waiting > 0 ? waiting + 1 : 1), SLICE_MIN_NS, full_slice_ns());
}

s32 BPF_STRUCT_OPS(isolate_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	bool is_idle = false;
	s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);

	/* An idle CPU found nothing in either queue that it may run, so nobody is passed over here. */
	if (is_idle && ctx) {
		ctx->side = side_of(p);
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, full_slice_ns(), 0);
	}

	return cpu;
}

/*
 * Return true if @cpu is lent to a guest, belongs to @side, and @p may run there: then it is taken back.
 */
static bool take_back(struct task_struct *p, u32 side, s32 cpu)
{
	struct cpu_ctx *there = try_lookup_cpu_ctx(cpu);

	if (!there || !there->is_lent || house_of(cpu) != side || !bpf_cpumask_test_cpu(cpu, p->cpus_ptr))
		return false;

	there->is_lent = false; /* one interruption is enough */
	scx_bpf_kick_cpu(cpu, SCX_KICK_PREEMPT);
	return true;
}

void BPF_STRUCT_OPS(isolate_enqueue, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	s32 last = scx_bpf_task_cpu(p), idle;
	u64 earliest, latest;
	u32 side;

	if (!ctx) {
		scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SLICE_MIN_NS, enq_flags);
		return;
	}

	side = side_of(p) == OWNERS ? OWNERS : OTHERS;
	/* The clocks of the two sides have nothing to do with each other. */
	if (ctx->side != side)
		ctx->vtime = clocks[side].now;
	ctx->side = side;
	if (enq_flags & SCX_ENQ_WAKEUP || ctx->ran_ns >= SLICE_MIN_NS) {
		ctx->waits_ns = bpf_ktime_get_ns();
		ctx->ran_ns = 0;
	}

	earliest = clocks[side].now - CREDIT_NS;
	latest = clocks[side].now + DEBT_NS;
	if (vtime_before(ctx->vtime, earliest))
		ctx->vtime = earliest;
	else if (vtime_before(latest, ctx->vtime))
		ctx->vtime = latest;

	scx_bpf_dsq_insert_vtime(p, side, queued_slice_ns(side), ctx->vtime, enq_flags);

	if (take_back(p, side, last))
		return;
	/* Who wakes has found no idle CPU; a guest that was interrupted has not looked for one. */
	if (!(enq_flags & SCX_ENQ_WAKEUP)) {
		idle = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
		if (idle >= 0) {
			scx_bpf_kick_cpu(idle, SCX_KICK_IDLE);
			return;
		}
	}
	for (u32 cpu = 0; cpu < MOST_LOOKED_AT && cpu < scx_bpf_nr_cpu_ids(); cpu++) {
		if (take_back(p, side, cpu))
			return;
	}
}

/*
 * Return how long the first task of @queue has waited.
 */
static u64 waited_ns(u64 queue)
{
	struct bpf_iter_scx_dsq walk;
	struct task_ctx *ctx = NULL;
	struct task_struct *p;
	u64 now = bpf_ktime_get_ns(), waited = 0;

	bpf_iter_scx_dsq_new(&walk, queue, 0);
	p = bpf_iter_scx_dsq_next(&walk);
	if (p)
		ctx = try_lookup_task_ctx(p);
	if (ctx && ctx->waits_ns < now)
		waited = now - ctx->waits_ns;
	bpf_iter_scx_dsq_destroy(&walk);

	return waited;
}

/* What @p ran since it was last asked counts, for it and for the CPU's house. */
static void account(struct task_struct *p, struct task_ctx *ctx, struct cpu_ctx *here, s32 cpu)
{
	u64 now = bpf_ktime_get_ns(), ran = now - ctx->started_ns;

	ctx->started_ns = now;
	ctx->vtime += ran * 100 / p->scx.weight;
	ctx->ran_ns += ran;
	if (ctx->side == house_of(cpu))
		here->house_ns = clamp_u64(here->house_ns + ran, 0, HOUSE_SHARE * SLICE_MAX_NS);
	else
		here->house_ns -= clamp_u64(HOUSE_SHARE * ran, 0, here->house_ns);
}

/*
 * Tasks that may not run on this CPU are passed over by the kernel and stay for the others. The kernel asks before it
 * queues the task that ran, @prev: when that is at home and none of its side waits, guests are not asked in instead of it.
 *
 * Nobody starves: at home, a task enters its queue at most DEBT_NS ahead of the clock, and the clock advances by at least
 * 1/PACE of real time while any task of the side runs. After PACE * (DEBT_NS + CREDIT_NS), 250 ms, everyone who enters,
 * enters behind it, and those before it run one slice each: ROUND_NS on one CPU for up to 200 tasks.
 *
 * As a guest, who may run only where others are at home: by then it is at the head of its queue, or only
 * such guests are before it. Once the head has waited for PATIENCE_NS, guests have a tenth of that CPU's time, and
 * nothing interrupts them: up to 200 of them have their turns within 10 * ROUND_NS. That is 1.3 s in all, and two
 * seconds for 500 such guests; the watchdog acts after 5.
 */
void BPF_STRUCT_OPS(isolate_dispatch, s32 cpu, struct task_struct *prev)
{
	struct task_ctx *ctx = prev ? try_lookup_task_ctx(prev) : NULL;
	struct cpu_ctx *here = try_lookup_cpu_ctx(cpu);
	u32 house = house_of(cpu), guests = house == OWNERS ? OTHERS : OWNERS;
	bool goes_on;

	if (!here)
		return;

	goes_on = ctx && ctx->is_runnable && ctx->side == house;
	if (goes_on)
		account(prev, ctx, here, cpu);

	here->is_turn = here->house_ns >= HOUSE_SHARE * queued_slice_ns(guests) && waited_ns(guests) >= PATIENCE_NS &&
			scx_bpf_dsq_move_to_local(guests);
	if (here->is_turn || scx_bpf_dsq_move_to_local(house) || goes_on)
		return;

	scx_bpf_dsq_move_to_local(guests);
}

void BPF_STRUCT_OPS(isolate_running, struct task_struct *p)
{
	s32 cpu = scx_bpf_task_cpu(p);
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct cpu_ctx *here = try_lookup_cpu_ctx(cpu);
	u64 now = bpf_ktime_get_ns();
	u32 side;

	if (!ctx || !here)
		return;

	side = ctx->side == OWNERS ? OWNERS : OTHERS;
	vclock_advance(&clocks[side], now, PACE, ctx->vtime);
	ctx->started_ns = now;
	here->is_lent = side != house_of(cpu) && !here->is_turn;
	here->is_turn = false;
}

void BPF_STRUCT_OPS(isolate_stopping, struct task_struct *p, bool runnable)
{
	s32 cpu = scx_bpf_task_cpu(p);
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct cpu_ctx *here = try_lookup_cpu_ctx(cpu);

	if (!ctx || !here)
		return;

	account(p, ctx, here, cpu);
	here->is_lent = false;
}

void BPF_STRUCT_OPS(isolate_runnable, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	if (ctx)
		ctx->is_runnable = true;
}

void BPF_STRUCT_OPS(isolate_quiescent, struct task_struct *p, u64 deq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	if (ctx)
		ctx->is_runnable = false;
}

void BPF_STRUCT_OPS(isolate_enable, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	if (!ctx)
		return;

	ctx->side = side_of(p) == OWNERS ? OWNERS : OTHERS;
	ctx->vtime = clocks[ctx->side].now;
	ctx->waits_ns = bpf_ktime_get_ns();
}

s32 BPF_STRUCT_OPS_SLEEPABLE(isolate_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return create_task_ctx(p) ? 0 : -ENOMEM;
}

/*
 * Find out which CPUs are the owners': the lowest numbers, as many as their part of those that are there.
 */
static void part_cpus(void)
{
	const struct cpumask *online = scx_bpf_get_online_cpumask();
	u32 nr_ids = scx_bpf_nr_cpu_ids(), nr_online = 0, nr_owned;

	for (u32 cpu = 0; cpu < MOST_CPUS && cpu < nr_ids; cpu++)
		nr_online += bpf_cpumask_test_cpu(cpu, online);
	scx_bpf_put_cpumask(online);

	nr_owned = nr_online * clamp_u64(owned_percent, 1, 100) / 100;
	owned_below = nr_owned ? nr_owned : 1;
}

void BPF_STRUCT_OPS(isolate_cpu_online, s32 cpu)
{
	part_cpus();
}

void BPF_STRUCT_OPS(isolate_cpu_offline, s32 cpu)
{
	scx_bpf_release_cpu(OWNERS, cpu);
	scx_bpf_release_cpu(OTHERS, cpu);
	part_cpus();
}

s32 BPF_STRUCT_OPS_SLEEPABLE(isolate_init)
{
	s32 error = scx_bpf_create_dsq(OWNERS, -1);

	part_cpus();
	clocks[OWNERS].advanced_ns = clocks[OTHERS].advanced_ns = bpf_ktime_get_ns();
	return error ? error : scx_bpf_create_dsq(OTHERS, -1);
}

void BPF_STRUCT_OPS(isolate_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(isolate,
	.select_cpu	= (void *)isolate_select_cpu,
	.enqueue	= (void *)isolate_enqueue,
	.dispatch	= (void *)isolate_dispatch,
	.runnable	= (void *)isolate_runnable,
	.running	= (void *)isolate_running,
	.stopping	= (void *)isolate_stopping,
	.quiescent	= (void *)isolate_quiescent,
	.enable		= (void *)isolate_enable,
	.init_task	= (void *)isolate_init_task,
	.cpu_online	= (void *)isolate_cpu_online,
	.cpu_offline	= (void *)isolate_cpu_offline,
	.init		= (void *)isolate_init,
	.exit		= (void *)isolate_exit);
