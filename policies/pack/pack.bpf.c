// SPDX-License-Identifier: GPL-2.0-only
/*
 * pack: few warm CPUs, and the others asleep
 *
 * The CPUs 0 to `packed` - 1, and always the lowest that is online, are the packed set. Tasks wake on the lowest idle CPU of the set, or wait in its one queue,
 * ordered by weighted virtual time as in `fair`; the CPUs behind the set are not woken and take nothing, so that they can
 * stay in deep idle states and the few in use are warm and may run faster. The set grows at once when tasks wait too
 * long or it is busy beyond a threshold, and shrinks slowly when the work would fit into fewer CPUs.
 *
 * It suits hosts with little load and many CPUs, where power or turbo frequency is worth more than the last millisecond. It
 * fails under full load, where it is `fair` with more to look at; where neighbouring numbers are no neighbours in
 * hardware (see the README); and it is no answer to pinned work: a task that may run on some CPUs only wakes those.
 *
 * Design notes:
 *
 * A. Tasks that may run everywhere wait in PACKED, which only the CPUs of the set serve. All others are placed by the kernel
 *    and wait in PINNED, which every CPU serves.
 *
 * B. The latency bound: the set grows by one CPU for each task that would wait longer than `wait_us` in PACKED at one
 *    slice a task, and for each that did.
 *
 * C. Every WINDOW_NS the busy time of all CPUs is compared with the set's: above `busy_percent` of it the set grows, and it
 *    shrinks by one CPU after `hold_ms` of windows in each of which the work would have been below `relax_percent` of one
 *    CPU less. The gap between the two, and the time, keep it from swinging.
 *
 * D. A CPU that leaves the set gives up its task at the end of its slice: with SCX_OPS_ENQ_LAST the kernel asks instead of
 *    letting it go on there. See pack_enqueue().
 */
#include <fleetsched/policy.bpf.h>
#include <fleetsched/contexts.bpf.h>
#include <fleetsched/vclock.bpf.h>

/* Longest run of a task while others wait. */
const volatile u64 slice_us = 4000;

/* How long a task may wait before the set grows. Longer: fewer CPUs awake; shorter: shorter waits. */
const volatile u64 wait_us = 6000;

/* How busy the set may be before it grows, in percent. */
const volatile u64 busy_percent = 85;

/* How busy one CPU less may have been for the set to shrink, in percent. Closer to the above: it shrinks sooner. */
const volatile u64 relax_percent = 60;

/* How long it must have been so. */
const volatile u64 hold_ms = 500;

enum {
	PACKED = 0,
	PINNED = 1,
	PACE = 10,
	MAX_CPUS = 1024,
	MAX_SCAN = 128, /* of CPUs one by one; a set that would be wider is all CPUs */
};

#define DEBT_NS (60 * NSEC_PER_MSEC)
#define CREDIT_NS (5 * NSEC_PER_MSEC)
#define ROUND_NS (200 * NSEC_PER_MSEC) /* what one run of everybody in a queue may take on one CPU */
#define WINDOW_NS (50 * NSEC_PER_MSEC)
#define SLICE_MIN_NS (250 * NSEC_PER_USEC)
#define SLICE_MAX_NS (20 * NSEC_PER_MSEC)

UEI_DEFINE(uei);

struct vclock clock;

static u32 nr_cpus;
static bool online[MAX_CPUS];
static s32 lowest;	/* of those that are online: in the set whatever happens to its width */
static u32 packed = 1;	/* the set is all CPUs below this number */
static u64 busy_ns;	/* of all CPUs, in this window */
static u64 window_ns;	/* when this window began */
static u64 relaxed_ns;	/* since when the work would fit into one CPU less; 0: it would not */

struct task_ctx {
	u64 started_ns; /* when the task last started to run */
	u64 queued_ns;	/* when it began to wait in PACKED, 0 if it does not */
};

TASK_CTXS_DEFINE(task_ctx)

struct cpu_ctx {
	u64 counted_ns; /* up to when what runs here is in busy_ns; 0: nothing runs */
	bool took_pinned; /* at its last turn */
};

CPU_CTXS_DEFINE(cpu_ctx)

/*
 * A CPU comes or goes. The set is never without a CPU that is there.
 */
static __noinline void set_online(s32 changed, bool is)
{
	u32 cpu;

	if (changed < 0 || changed >= MAX_CPUS)
		return;
	online[changed] = is;
	for (cpu = 0; cpu < nr_cpus && cpu < MAX_CPUS; cpu++) {
		if (online[cpu]) {
			lowest = cpu;
			return;
		}
	}
}

static u64 full_slice_ns(void)
{
	return clamp_u64(slice_us * NSEC_PER_USEC, SLICE_MIN_NS, SLICE_MAX_NS);
}

/*
 * The slice shrinks when the queue is long, so that a round through the whole queue stays near ROUND_NS.
 */
static u64 queued_slice_ns(u64 queue)
{
	s32 waiting = scx_bpf_dsq_nr_queued(queue);

	return clamp_u64(ROUND_NS / (waiting > 0 ? waiting + 1 : 1), SLICE_MIN_NS, full_slice_ns());
}

static u64 wait_ns(void)
{
	return clamp_u64(wait_us, 500, 100000) * NSEC_PER_USEC;
}

static bool in_set(s32 cpu)
{
	return (u32)cpu < packed || cpu == lowest;
}

/*
 * Notes B and C. Take one more CPU into the set and wake it. Numbers of CPUs that are not online count as if they were
 * there: the set is soon past them, because tasks wait.
 */
static void grow(void)
{
	u32 size = packed;

	relaxed_ns = 0;
	if (size >= nr_cpus)
		return;
	if (__sync_val_compare_and_swap(&packed, size, size < MAX_SCAN ? size + 1 : nr_cpus) != size)
		return;
	scx_bpf_kick_cpu(size, SCX_KICK_IDLE);
}

/*
 * Note C. Whoever comes first after the end of a window closes it.
 */
static void close_window(u64 now)
{
	u64 begun = window_ns, length = now - begun, busy, width = packed, less;

	if ((s64)length < (s64)WINDOW_NS || __sync_val_compare_and_swap(&window_ns, begun, now) != begun)
		return;

	busy = __sync_lock_test_and_set(&busy_ns, 0);
	if (busy * 100 > width * length * clamp_u64(busy_percent, 10, 100)) {
		grow();
		return;
	}
	less = width > MAX_SCAN ? MAX_SCAN : width - 1;
	if (!less || busy * 100 > less * length * clamp_u64(relax_percent, 5, 95)) {
		relaxed_ns = 0;
		return;
	}
	if (!relaxed_ns) {
		relaxed_ns = now;
		return;
	}
	if ((s64)(now - relaxed_ns) >= (s64)(clamp_u64(hold_ms, 0, 60000) * NSEC_PER_MSEC)) {
		relaxed_ns = now;
		__sync_val_compare_and_swap(&packed, width, less);
	}
}

/* Add what the task on this CPU ran since this was last asked. */
static void count_busy(struct cpu_ctx *ctx, u64 now)
{
	if (ctx->counted_ns)
		__sync_fetch_and_add(&busy_ns, now - ctx->counted_ns);
	ctx->counted_ns = now;
}

static bool runs_everywhere(struct task_struct *p)
{
	return p->nr_cpus_allowed >= nr_cpus;
}

/*
 * Return the lowest idle CPU of the set, claimed; -1 if there is none.
 */
static s32 claim_packed(void)
{
	u32 cpu;

	for (cpu = 0; cpu < packed && cpu < MAX_SCAN; cpu++)
		if (scx_bpf_test_and_clear_cpu_idle(cpu))
			return cpu;
	return scx_bpf_test_and_clear_cpu_idle(lowest) ? lowest : -1;
}

/*
 * The CPU that is returned is woken if it is idle, whatever was found here: so a task that goes to PACKED is always seen by
 * a CPU of the set, even by one that went idle just now.
 */
s32 BPF_STRUCT_OPS(pack_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	bool is_idle = false;
	s32 cpu;

	if (runs_everywhere(p)) {
		/* The lowest and not the last one used, so that the highest of the set has nothing to do and can leave it. */
		cpu = claim_packed();
		is_idle = cpu >= 0;
		if (!is_idle)
			cpu = in_set(prev_cpu) ? prev_cpu : lowest;
	} else {
		cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);
	}

	/* An idle CPU found nothing in the queues that it may run, so nobody is passed over here. */
	if (is_idle)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, full_slice_ns(), 0);

	return cpu;
}

/*
 * Note D. A task that comes with SCX_ENQ_LAST is alone on its CPU, which goes idle if nobody wakes it: within the set it
 * is put back there, and the CPU asked to schedule. Behind the set it goes to the queue like any other.
 */
static bool stays(struct task_struct *p, s32 cpu, u64 enq_flags)
{
	if (!(enq_flags & SCX_ENQ_LAST) || (!in_set(cpu) && runs_everywhere(p)))
		return false;
	scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, full_slice_ns(), enq_flags);
	scx_bpf_kick_cpu(cpu, 0);
	return true;
}

/*
 * Wake a CPU for @p, which waits now and was on @cpu. A CPU that goes idle at this moment does not look at the queues by
 * itself; @cpu does, because the task woke there or its slice is over, but not at PACKED if it is behind the set.
 */
static void wake_for(struct task_struct *p, s32 cpu)
{
	s32 idle = runs_everywhere(p) ? claim_packed() : scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);

	if (idle < 0 && runs_everywhere(p) && !in_set(cpu))
		idle = lowest;
	if (idle >= 0)
		scx_bpf_kick_cpu(idle, SCX_KICK_IDLE);
}

void BPF_STRUCT_OPS(pack_enqueue, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	u64 queue = runs_everywhere(p) ? PACKED : PINNED;
	u64 earliest = clock.now - CREDIT_NS, latest = clock.now + DEBT_NS;
	u64 vtime = p->scx.dsq_vtime, slice;
	s32 cpu = scx_bpf_task_cpu(p);

	if (stays(p, cpu, enq_flags))
		return;

	if (vtime_before(vtime, earliest))
		vtime = earliest;
	else if (vtime_before(latest, vtime))
		vtime = latest;
	slice = queued_slice_ns(queue);
	if (ctx)
		ctx->queued_ns = queue == PACKED ? bpf_ktime_get_ns() : 0;
	scx_bpf_dsq_insert_vtime(p, queue, slice, vtime, enq_flags);

	/* Note B. */
	if (queue == PACKED && scx_bpf_dsq_nr_queued(PACKED) * slice > packed * wait_ns())
		grow();

	wake_for(p, cpu);
}

/*
 * Nobody starves: within a queue the order is that of `fair`, with a clock that never stands still. After PACE * (DEBT_NS
 * + CREDIT_NS), 0.65 s, everyone who enters a queue enters behind a task that waits. Those ahead of it run one slice each,
 * ROUND_NS on one CPU, twice that because a CPU of the set serves the two queues in turn: 1.1 s in all, however narrow
 * the set is, and in PACKED it grows long before. PINNED is served by every CPU, PACKED by at least one that is online. The
 * watchdog acts after 5 s. The price: with more than PACE runnable tasks a CPU of the set, weights count for less.
 */
void BPF_STRUCT_OPS(pack_dispatch, s32 cpu, struct task_struct *prev)
{
	struct cpu_ctx *ctx = try_lookup_cpu_ctx(cpu);

	if (!ctx)
		return;
	if (!in_set(cpu)) {
		scx_bpf_dsq_move_to_local(PINNED);
		return;
	}
	ctx->took_pinned = !ctx->took_pinned && scx_bpf_dsq_move_to_local(PINNED);
	if (!ctx->took_pinned && !scx_bpf_dsq_move_to_local(PACKED))
		scx_bpf_dsq_move_to_local(PINNED);
}

void BPF_STRUCT_OPS(pack_running, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct cpu_ctx *running = try_lookup_cpu_ctx(scx_bpf_task_cpu(p));
	u64 now = bpf_ktime_get_ns();

	vclock_advance(&clock, now, PACE, p->scx.dsq_vtime);
	if (!ctx || !running)
		return;

	ctx->started_ns = now;
	running->counted_ns = now;
	if (ctx->queued_ns && now - ctx->queued_ns > wait_ns())
		grow();
	ctx->queued_ns = 0;
	close_window(now);
}

/* A task that runs alone is never stopped, and counts as well. */
void BPF_STRUCT_OPS(pack_tick, struct task_struct *p)
{
	struct cpu_ctx *running = try_lookup_cpu_ctx(scx_bpf_task_cpu(p));
	u64 now = bpf_ktime_get_ns();

	if (running)
		count_busy(running, now);
	close_window(now);
}

void BPF_STRUCT_OPS(pack_stopping, struct task_struct *p, bool runnable)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct cpu_ctx *running = try_lookup_cpu_ctx(scx_bpf_task_cpu(p));
	u64 now = bpf_ktime_get_ns();

	if (!ctx || !running)
		return;
	count_busy(running, now);
	running->counted_ns = 0;
	/* Real time and not what is left of the slice: the kernel renews the slice of a task that runs alone. */
	scx_bpf_task_set_dsq_vtime(p, p->scx.dsq_vtime + (now - ctx->started_ns) * 100 / p->scx.weight);
}

void BPF_STRUCT_OPS(pack_enable, struct task_struct *p)
{
	scx_bpf_task_set_dsq_vtime(p, clock.now);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(pack_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return create_task_ctx(p) ? 0 : -ENOMEM;
}

/* Without these two the kernel would end the policy at each hotplug. */
void BPF_STRUCT_OPS(pack_cpu_online, s32 cpu)
{
	set_online(cpu, true);
}

/* If the set has lost its last CPU, the next one that is online is woken for what waits. */
void BPF_STRUCT_OPS(pack_cpu_offline, s32 cpu)
{
	set_online(cpu, false);
	scx_bpf_release_cpu(PACKED, cpu);
	scx_bpf_release_cpu(PINNED, cpu);
	scx_bpf_kick_cpu(lowest, SCX_KICK_IDLE);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(pack_init)
{
	const struct cpumask *mask;
	s32 cpu, err;

	nr_cpus = scx_bpf_nr_cpu_ids();
	if (nr_cpus > MAX_CPUS)
		return -E2BIG;

	mask = scx_bpf_get_online_cpumask();
	for (cpu = nr_cpus - 1; cpu >= 0 && cpu < MAX_CPUS; cpu--) {
		online[cpu] = bpf_cpumask_test_cpu(cpu, mask);
		if (online[cpu])
			lowest = cpu;
	}
	scx_bpf_put_cpumask(mask);

	/* It begins wide, so that no load is squeezed while it is attached, and shrinks from there. */
	packed = nr_cpus;
	clock.advanced_ns = window_ns = bpf_ktime_get_ns();
	err = scx_bpf_create_dsq(PACKED, -1);
	return err ?: scx_bpf_create_dsq(PINNED, -1);
}

void BPF_STRUCT_OPS(pack_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(pack,
	.select_cpu	= (void *)pack_select_cpu,
	.enqueue	= (void *)pack_enqueue,
	.dispatch	= (void *)pack_dispatch,
	.running	= (void *)pack_running,
	.tick		= (void *)pack_tick,
	.stopping	= (void *)pack_stopping,
	.enable		= (void *)pack_enable,
	.init_task	= (void *)pack_init_task,
	.cpu_online	= (void *)pack_cpu_online,
	.cpu_offline	= (void *)pack_cpu_offline,
	.init		= (void *)pack_init,
	.exit		= (void *)pack_exit,
	.flags		= SCX_OPS_ENQ_LAST);
