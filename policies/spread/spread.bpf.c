// SPDX-License-Identifier: GPL-2.0-only
/*
 * spread: a queue for each last-level cache, and work that stays near its cache
 *
 * CPUs that share a last-level cache (an LLC) share a queue, ordered by weighted virtual time as in `fair`. A task that
 * wakes goes to an idle CPU of the LLC it ran in, then to one near it, then to any; if none is idle it waits in the queue
 * of its own LLC. A new task begins in the LLC that has least to do. An LLC that has nothing to do takes from the others,
 * those of its NUMA node first; one that has work takes from another only if that one is much longer.
 *
 * It suits hosts with several LLCs or NUMA nodes: two sockets, or the chiplets of one. On a host with one LLC it is `fair`
 * with a longer way to its queue. It fails where one LLC is all that matters, where tasks of different LLCs work on the
 * same memory (nothing brings them together), and in shares between LLCs: they even out one task at a time.
 *
 * Design notes:
 *
 * A. The kernel's own domains say which CPUs share an LLC, and which LLCs are near: fleetsched/topology.bpf.h. A CPU is
 *    learnt when a task first runs there under this policy, and never again. Until then it is in LLC UNKNOWN.
 *
 * B. Each LLC has its own clock. A task that changes the LLC takes along how far it is ahead or behind, not the number.
 *
 * C. At each turn a CPU looks at one other LLC, the next in a circle, and takes one task from it if its queue is longer
 *    by `imbalance` tasks a CPU, or if nobody served it for PATIENCE_NS. See take_from_next().
 */
#include <fleetsched/policy.bpf.h>
#include <fleetsched/contexts.bpf.h>
#include <fleetsched/topology.bpf.h>
#include <fleetsched/vclock.bpf.h>

/* Longest run of a task while others wait. Longer: warmer caches; shorter: shorter waits. */
const volatile u64 slice_us = 5000;

/* How far behind the clock a task may start after a sleep. Larger favours sleepers; 0 gives sleep no reward. */
const volatile u64 credit_us = 5000;

/* How many tasks a CPU more must wait in another LLC for a busy one to take from it; twice that from another node. */
const volatile u64 imbalance = 2;

enum {
	UNKNOWN = 0, /* an LLC has the number of its first CPU, plus one; and the queue of that number */
	PACE = 10,
	MAX_CPUS = TOPOLOGY_MAX_CPUS,
	MAX_LLCS = 64,
};

#define DEBT_NS (60 * NSEC_PER_MSEC)
#define ROUND_NS (200 * NSEC_PER_MSEC) /* what one run of everybody in a queue may take on one CPU */
#define PATIENCE_NS (50 * NSEC_PER_MSEC)
#define SLICE_MIN_NS (250 * NSEC_PER_USEC)
#define SLICE_MAX_NS (20 * NSEC_PER_MSEC)
#define CREDIT_MAX_NS (20 * NSEC_PER_MSEC)

UEI_DEFINE(uei);

struct llc {
	struct vclock clock;
	u64 served_ns; /* when one of its CPUs last looked for work */
	u32 nr_cpus;
	s32 nr_running;
	u64 node; /* equal for LLCs that are near each other */
	u64 padding[3];
};

static struct llc llcs[MAX_CPUS + 1];
static u32 llc_of_cpu[MAX_CPUS];
static u32 llc_list[MAX_LLCS]; /* those that have CPUs, in the order in which they were learnt, after UNKNOWN */
static u32 nr_llcs = 1;
static u32 nr_cpus;

struct task_ctx {
	u64 started_ns; /* when the task last started to run */
	u32 llc;	/* whose clock its virtual time is of */
	bool running;	/* it is in that LLC's nr_running */
};

TASK_CTXS_DEFINE(task_ctx)

struct cpu_ctx {
	u32 looked_at; /* how far it came in the circle of the other LLCs */
	bool took;     /* it took from another LLC at its last turn */
};

CPU_CTXS_DEFINE(cpu_ctx)

/* Where the one who learns puts the CPUs of a group, and what it finds there. */
struct group {
	struct fleetsched_cpus cpus;
	volatile u32 lowest;
	volatile u32 known; /* the LLC of one of them, if one is known */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct group);
} groups SEC(".maps");

static struct llc *lookup_llc(u32 number)
{
	return &llcs[number <= MAX_CPUS ? number : UNKNOWN];
}

static u32 cpu_llc(s32 cpu)
{
	return (u32)cpu < MAX_CPUS ? llc_of_cpu[cpu] : UNKNOWN;
}

static u32 nth_llc(u32 index)
{
	return index < MAX_LLCS ? llc_list[index] : UNKNOWN;
}

static u32 known_llcs(void)
{
	return nr_llcs < MAX_LLCS ? nr_llcs : MAX_LLCS;
}

static u64 full_slice_ns(void)
{
	return clamp_u64(slice_us * NSEC_PER_USEC, SLICE_MIN_NS, SLICE_MAX_NS);
}

/*
 * The slice shrinks when the queue is long, so that a round through the whole queue stays near ROUND_NS even if all in it
 * may run on one CPU only.
 */
static u64 queued_slice_ns(u32 llc)
{
	s32 waiting = scx_bpf_dsq_nr_queued(llc);

	return clamp_u64(ROUND_NS / (waiting > 0 ? waiting + 1 : 1), SLICE_MIN_NS, full_slice_ns());
}

/*
 * Note B. Bring the virtual time of @p to the clock of @llc.
 */
static void rebase(struct task_struct *p, struct task_ctx *ctx, u32 llc)
{
	if (ctx->llc == llc)
		return;
	scx_bpf_task_set_dsq_vtime(p, p->scx.dsq_vtime - lookup_llc(ctx->llc)->clock.now +
					      lookup_llc(llc)->clock.now);
	ctx->llc = llc;
}

/*
 * Note A. Look for the lowest CPU of a group, and for one that is known. What is found goes to memory at once: the
 * kernel's verifier would follow each value of a variable to the end of the program.
 */
static void look_through(struct group *group)
{
	s32 cpu;

	group->lowest = MAX_CPUS;
	group->known = UNKNOWN;
	for (cpu = MAX_CPUS - 1; cpu >= 0; cpu--) {
		if (!fleetsched_cpus_has(&group->cpus, cpu))
			continue;
		group->lowest = cpu;
		if (llc_of_cpu[cpu] != UNKNOWN)
			group->known = llc_of_cpu[cpu];
	}
}

/*
 * Note A. Return a number that is the same for the same CPUs.
 */
static u64 folded(struct fleetsched_cpus *cpus)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < TOPOLOGY_WORDS; i++)
		sum = sum * 31 + cpus->bits[i];
	return sum;
}

/*
 * Note A. Learn the LLC of the CPU on which @p is. Two CPUs of one LLC that learn at once come to the same number, its
 * lowest CPU's; when that CPU comes later than the others, it finds the number that they have.
 */
static void learn(struct task_struct *p)
{
	struct sched_domain *lowest, *above;
	struct group *group;
	u32 only = 0, number;
	struct llc *llc;
	u64 node;
	s32 cpu = -1;

	lowest = fleetsched_domain(p, &cpu);
	group = bpf_map_lookup_elem(&groups, &only);
	if (!lowest || !group || cpu < 0 || cpu >= MAX_CPUS || llc_of_cpu[cpu] != UNKNOWN)
		return;

	above = fleetsched_above_llc(lowest);
	if (!fleetsched_first_group(above ? above->parent : NULL, &group->cpus))
		return;
	node = folded(&group->cpus);
	if (!fleetsched_first_group(above, &group->cpus))
		return;
	look_through(group);
	number = group->known ?: group->lowest + 1;
	if (number > MAX_CPUS)
		return;

	if (__sync_val_compare_and_swap(&llc_of_cpu[cpu], UNKNOWN, number) != UNKNOWN)
		return;

	llc = lookup_llc(number);
	if (!__sync_fetch_and_add(&llc->nr_cpus, 1)) {
		u32 index = __sync_fetch_and_add(&nr_llcs, 1);

		llc->clock.now = llcs[UNKNOWN].clock.now;
		llc->clock.advanced_ns = bpf_ktime_get_ns();
		llc->node = node;
		/* From an LLC that the list cannot hold nobody takes; its own CPUs serve it. */
		if (index < MAX_LLCS)
			llc_list[index] = number;
	}
}

/*
 * What waits and runs in an LLC, in hundredths of a task a CPU.
 */
static u64 load_of(u32 number)
{
	struct llc *llc = lookup_llc(number);
	s64 busy = (s64)llc->nr_running + scx_bpf_dsq_nr_queued(number);

	return busy <= 0 ? 0 : (u64)busy * 100 / (llc->nr_cpus ?: 1);
}

/*
 * Return an idle CPU of the LLC with the least load, claimed, when a new task there meets half a task a CPU less than in
 * @own; else -1. Tasks that may not run everywhere are left where they are.
 */
static s32 place_new(struct task_struct *p, u32 own)
{
	u64 least = load_of(own);
	u32 i, best = own;

	if (p->nr_cpus_allowed < nr_cpus || least < 50)
		return -1;
	least -= 50;
	for (i = 1; i < known_llcs() && i < MAX_LLCS; i++) {
		u64 load = load_of(nth_llc(i));

		if (load < least) {
			least = load;
			best = nth_llc(i);
		}
	}
	if (best == own)
		return -1;
	for (i = 0; i < nr_cpus && i < MAX_CPUS; i++)
		if (llc_of_cpu[i] == best && scx_bpf_test_and_clear_cpu_idle(i))
			return i;
	return -1;
}

s32 BPF_STRUCT_OPS(spread_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	bool is_idle = false;
	s32 cpu = -1;

	if (wake_flags & SCX_WAKE_FORK) {
		cpu = place_new(p, cpu_llc(prev_cpu));
		is_idle = cpu >= 0;
	}

	/* The kernel looks in the LLC of @prev_cpu first, then in its node, then everywhere. */
	if (!is_idle)
		cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);

	/* An idle CPU found nothing in any queue that it may run, so nobody is passed over here. */
	if (is_idle)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, full_slice_ns(), 0);

	return cpu;
}

void BPF_STRUCT_OPS(spread_enqueue, struct task_struct *p, u64 enq_flags)
{
	u64 credit = clamp_u64(credit_us * NSEC_PER_USEC, 0, CREDIT_MAX_NS);
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	u32 llc = cpu_llc(scx_bpf_task_cpu(p));
	u64 now = lookup_llc(llc)->clock.now;
	u64 vtime;
	s32 idle;

	if (ctx)
		rebase(p, ctx, llc);
	vtime = p->scx.dsq_vtime;
	if (vtime_before(vtime, now - credit))
		vtime = now - credit;
	else if (vtime_before(now + DEBT_NS, vtime))
		vtime = now + DEBT_NS;

	scx_bpf_dsq_insert_vtime(p, llc, queued_slice_ns(llc), vtime, enq_flags);

	/* A CPU that went idle a moment ago does not look at this queue by itself. */
	idle = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
	if (idle >= 0)
		scx_bpf_kick_cpu(idle, SCX_KICK_IDLE);
}

/*
 * Note C. Return true if a CPU of @own took a task from the next of the other LLCs.
 */
static bool take_from_next(u32 own, struct cpu_ctx *ctx, u64 now)
{
	u32 at = ctx->looked_at, next = nth_llc(at);
	struct llc *ours = lookup_llc(own), *other = lookup_llc(next);
	u64 theirs = scx_bpf_dsq_nr_queued(next), waiting = scx_bpf_dsq_nr_queued(own);
	u64 margin = clamp_u64(imbalance, 1, 100) * (ours->node == other->node ? 1 : 2);

	ctx->looked_at = at + 1 < known_llcs() ? at + 1 : 0;
	if (next == own || !theirs)
		return false;
	if (theirs * ours->nr_cpus < (waiting + margin * ours->nr_cpus) * other->nr_cpus &&
	    vtime_before(now, other->served_ns + PATIENCE_NS))
		return false;
	return scx_bpf_dsq_move_to_local(next);
}

/*
 * Return true if a CPU of @own, which has nothing to do, took from an LLC that is near, or from one that is not. Not
 * everybody begins with the same LLC.
 */
static bool take_from_any(u32 own, struct cpu_ctx *ctx, bool near)
{
	u64 node = lookup_llc(own)->node;
	u32 i, count = known_llcs();

	for (i = 0; i < count && i < MAX_LLCS; i++) {
		u32 at = ctx->looked_at + i, other = nth_llc(at < count ? at : at - count);

		if (other != own && (lookup_llc(other)->node == node) == near && scx_bpf_dsq_nr_queued(other) > 0 &&
		    scx_bpf_dsq_move_to_local(other))
			return true;
	}
	return false;
}

/*
 * Nobody starves: within a queue the order is that of `fair`, with a clock that never stands still. After PACE * (DEBT_NS
 * + credit), at most 0.8 s, everyone who enters the queue enters behind a task that waits. Those ahead of it run one slice
 * each, ROUND_NS on one CPU, twice that because at every other turn a CPU may take from another LLC: 1.2 s in all. The
 * queue of an LLC whose CPUs are all kept away (by real-time tasks) or are gone is served by the others after PATIENCE_NS,
 * except for tasks that may run only there. The watchdog acts after 5 s.
 */
void BPF_STRUCT_OPS(spread_dispatch, s32 cpu, struct task_struct *prev)
{
	u32 own = cpu_llc(cpu);
	struct cpu_ctx *ctx = try_lookup_cpu_ctx(cpu);
	u64 now = bpf_ktime_get_ns();

	if (!ctx)
		return;

	/* All CPUs of the LLC would write this at each turn; a millisecond is exact enough. */
	if (vtime_before(lookup_llc(own)->served_ns + NSEC_PER_MSEC, now))
		lookup_llc(own)->served_ns = now;

	ctx->took = !ctx->took && take_from_next(own, ctx, now);
	if (ctx->took || scx_bpf_dsq_move_to_local(own))
		return;
	if (!take_from_any(own, ctx, true))
		take_from_any(own, ctx, false);
}

void BPF_STRUCT_OPS(spread_running, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	s32 cpu = scx_bpf_task_cpu(p);
	u64 now = bpf_ktime_get_ns();
	struct llc *llc;
	u32 number;

	if (cpu_llc(cpu) == UNKNOWN)
		learn(p);
	number = cpu_llc(cpu);
	llc = lookup_llc(number);
	if (!ctx)
		return;

	rebase(p, ctx, number);
	vclock_advance(&llc->clock, now, PACE, p->scx.dsq_vtime);
	ctx->started_ns = now;
	ctx->running = true;
	__sync_fetch_and_add(&llc->nr_running, 1);
}

void BPF_STRUCT_OPS(spread_stopping, struct task_struct *p, bool runnable)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);

	if (!ctx || !ctx->running)
		return;

	ctx->running = false;
	__sync_fetch_and_add(&lookup_llc(ctx->llc)->nr_running, -1);
	/* Real time and not what is left of the slice: the kernel renews the slice of a task that runs alone. */
	scx_bpf_task_set_dsq_vtime(p, p->scx.dsq_vtime + (bpf_ktime_get_ns() - ctx->started_ns) * 100 /
						    p->scx.weight);
}

/* A task begins with the clock of its LLC. At attach this also learns the CPUs, by the kernel threads of each. */
void BPF_STRUCT_OPS(spread_enable, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	s32 cpu = scx_bpf_task_cpu(p);

	if (cpu_llc(cpu) == UNKNOWN)
		learn(p);
	if (!ctx)
		return;
	ctx->llc = cpu_llc(cpu);
	scx_bpf_task_set_dsq_vtime(p, lookup_llc(ctx->llc)->clock.now);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(spread_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return create_task_ctx(p) ? 0 : -ENOMEM;
}

/* Without these two the kernel would end the policy at each hotplug. */
void BPF_STRUCT_OPS(spread_cpu_online, s32 cpu)
{
}

/* Tasks of a CPU wait in the queue of its LLC, or in UNKNOWN if they came before the CPU was learnt. */
void BPF_STRUCT_OPS(spread_cpu_offline, s32 cpu)
{
	scx_bpf_release_cpu(UNKNOWN, cpu);
	if (cpu_llc(cpu) != UNKNOWN)
		scx_bpf_release_cpu(cpu_llc(cpu), cpu);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(spread_init)
{
	s32 queue, err;

	nr_cpus = scx_bpf_nr_cpu_ids();
	if (nr_cpus > MAX_CPUS)
		return -E2BIG;

	llcs[UNKNOWN].clock.advanced_ns = bpf_ktime_get_ns();
	for (queue = 0; queue <= nr_cpus && queue <= MAX_CPUS; queue++) {
		err = scx_bpf_create_dsq(queue, -1);
		if (err)
			return err;
	}
	return 0;
}

void BPF_STRUCT_OPS(spread_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(spread,
	.select_cpu	= (void *)spread_select_cpu,
	.enqueue	= (void *)spread_enqueue,
	.dispatch	= (void *)spread_dispatch,
	.running	= (void *)spread_running,
	.stopping	= (void *)spread_stopping,
	.enable		= (void *)spread_enable,
	.init_task	= (void *)spread_init_task,
	.cpu_online	= (void *)spread_cpu_online,
	.cpu_offline	= (void *)spread_cpu_offline,
	.init		= (void *)spread_init,
	.exit		= (void *)spread_exit);
