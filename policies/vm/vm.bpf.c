// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm: virtual machines share the CPUs, not their threads
 *
 * All threads of one process, such as the vCPUs of one virtual machine, share one virtual time. So a machine of sixteen
 * vCPUs gets no more of a full host than one of two. Slices are long, because a vCPU that is interrupted may hold a lock
 * for which its siblings spin. A thread that wakes, as a halted vCPU does when its guest has work, goes before those that
 * compute, but whoever runs may first run for `patience_us`.
 *
 * It suits hosts of virtual machines (QEMU and others that have a process for each) with more vCPUs than CPUs, and other
 * hosts where a few large processes compete. It fails for many small processes (each is a "machine" of its own, with long
 * slices beside it), for latency below `patience_us`, and where many CPUs meet at the one queue.
 *
 * Design notes:
 *
 * A. A group is a thread group (tgid). Each kernel thread is a group of its own, so those that do little for all machines
 *    are never far behind; a vhost thread belongs to the machine whose work it does, as the kernel has it since 6.4.
 *
 * B. A thread's place in the queue is its group's virtual time plus one slice for each of its siblings that wait already,
 *    for they will advance that time. Otherwise all of a machine's vCPUs would have their turn at once.
 *
 * C. A waking thread that would go before the one on its CPU is noted as wanted there. The running one is interrupted when
 *    it has run for `patience_us`: at once if it has, else at the first tick after that. So each CPU has at most one
 *    such interruption in `patience_us`, however many wake.
 */
#include <fleetsched/policy.bpf.h>
#include <fleetsched/contexts.bpf.h>
#include <fleetsched/vclock.bpf.h>

/* Longest run of a thread while others wait. Longer: fewer interrupted vCPUs; shorter: shorter waits. */
const volatile u64 slice_us = 20000;

/* How far behind the queue's clock a machine may start after a sleep. Larger favours machines that halt often. */
const volatile u64 credit_us = 20000;

/* How long a thread runs before one that woke may interrupt it. 0: no waking thread interrupts. */
const volatile u64 patience_us = 4000;

enum {
	QUEUE = 0,
	OVERFLOW = 0, /* the group of those for which there was no place; no process has this number */
	PACE = 5,
	MAX_GROUPS = 16384,
};

#define DEBT_NS (100 * NSEC_PER_MSEC)
#define MEMORY_NS (1000 * NSEC_PER_MSEC)
#define ROUND_NS (400 * NSEC_PER_MSEC) /* what one run of everybody in the queue may take on one CPU */
#define SLICE_MIN_NS (500 * NSEC_PER_USEC)
#define SLICE_MAX_NS (50 * NSEC_PER_MSEC)
#define CREDIT_MAX_NS (50 * NSEC_PER_MSEC)

UEI_DEFINE(uei);

/* Another field of the kernel's task_struct; the loader drops "___" and what follows. */
struct task_struct___group {
	s32 tgid;
} __attribute__((preserve_access_index));

struct vclock clock;

/* All CPUs write these without a lock where an update that is lost moves a clock by a few microseconds; sums are atomic. */

struct group {
	u64 vtime;
	s32 nr_threads;
	s32 nr_waiting; /* in the queue */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_GROUPS);
	__type(key, s32);
	__type(value, struct group);
} groups SEC(".maps");

struct task_ctx {
	u64 started_ns; /* when it last started to run */
	s32 group;	/* its thread group, or OVERFLOW */
	bool waiting;	/* it is counted in its group's nr_waiting */
};

TASK_CTXS_DEFINE(task_ctx)

struct cpu_ctx {
	u64 vtime;	/* the place that the running thread had */
	u64 started_ns; /* when it started */
	bool wanted;	/* one that woke would go before it: note C */
};

CPU_CTXS_DEFINE(cpu_ctx)

static struct group *try_lookup_group(struct task_ctx *ctx)
{
	return bpf_map_lookup_elem(&groups, &ctx->group);
}

static u64 patience_ns(void)
{
	return clamp_u64(patience_us * NSEC_PER_USEC, 0, SLICE_MAX_NS);
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
 * A group cannot hoard its sleep. What it is ahead it keeps, so that a machine of many vCPUs has no more than its share,
 * but not more than MEMORY_NS: the host may have been empty when it ran.
 */
static void limit_lag(struct group *group)
{
	u64 earliest = clock.now - clamp_u64(credit_us * NSEC_PER_USEC, 0, CREDIT_MAX_NS);
	u64 latest = clock.now + MEMORY_NS;

	if (vtime_before(group->vtime, earliest))
		group->vtime = earliest;
	else if (vtime_before(latest, group->vtime))
		group->vtime = latest;
}

/*
 * Note B. Return the place of a thread that begins to wait, within what starvation allows: see vm_running().
 */
static u64 place_in_queue(struct group *group)
{
	u64 latest = clock.now + DEBT_NS, vtime;

	vtime = group->vtime + clamp_u64(group->nr_waiting, 0, 64) * full_slice_ns();
	return vtime_before(latest, vtime) ? latest : vtime;
}

static void set_waiting(struct task_ctx *ctx, struct group *group, bool waiting)
{
	if (ctx->waiting == waiting)
		return;
	ctx->waiting = waiting;
	__sync_fetch_and_add(&group->nr_waiting, waiting ? 1 : -1);
}

s32 BPF_STRUCT_OPS(vm_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	bool is_idle = false;
	s32 cpu = prev_cpu;

	/* A vCPU goes back to its caches if it can. Its mask may have changed while it slept. */
	if (bpf_cpumask_test_cpu(prev_cpu, p->cpus_ptr) && scx_bpf_test_and_clear_cpu_idle(prev_cpu))
		is_idle = true;
	else
		cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);

	/* An idle CPU found nothing in the queue that it may run, so nobody is passed over here. */
	if (is_idle)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, full_slice_ns(), 0);

	return cpu;
}

/*
 * Note C. The thread on @cpu gives way to one whose place is before the one it had.
 */
static void want_cpu(s32 cpu, u64 vtime)
{
	struct cpu_ctx *running = try_lookup_cpu_ctx(cpu);
	u64 now = bpf_ktime_get_ns();

	if (!patience_ns() || !running || !vtime_before(vtime, running->vtime + (now - running->started_ns)))
		return;
	if (now - running->started_ns >= patience_ns())
		scx_bpf_kick_cpu(cpu, SCX_KICK_PREEMPT);
	else
		running->wanted = true;
}

void BPF_STRUCT_OPS(vm_enqueue, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct group *group = ctx ? try_lookup_group(ctx) : NULL;
	u64 vtime = clock.now;
	s32 idle;

	if (ctx && group) {
		limit_lag(group);
		vtime = place_in_queue(group);
		set_waiting(ctx, group, true);
	}
	scx_bpf_dsq_insert_vtime(p, QUEUE, queued_slice_ns(), vtime, enq_flags);

	if (enq_flags & SCX_ENQ_WAKEUP) {
		want_cpu(scx_bpf_task_cpu(p), vtime);
		return;
	}

	/* A thread whose slice is over on a full CPU: another CPU that went idle a moment ago can have it. */
	idle = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
	if (idle >= 0)
		scx_bpf_kick_cpu(idle, SCX_KICK_IDLE);
}

/* It waits no longer: it sleeps, or its priority, mask or class changes. */
void BPF_STRUCT_OPS(vm_quiescent, struct task_struct *p, u64 deq_flags)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct group *group = ctx ? try_lookup_group(ctx) : NULL;

	if (ctx && group)
		set_waiting(ctx, group, false);
}

/* Threads that may not run on this CPU are passed over by the kernel and stay for the others. */
void BPF_STRUCT_OPS(vm_dispatch, s32 cpu, struct task_struct *prev)
{
	scx_bpf_dsq_move_to_local(QUEUE);
}

/*
 * Nobody starves: a thread enters the queue at most DEBT_NS ahead of the clock, and the clock advances by at least 1/PACE
 * of real time whatever runs. After PACE * (DEBT_NS + credit), at most 0.75 s, everyone who enters the queue enters behind
 * it. It then waits for those who were before it, one slice each: ROUND_NS on one CPU for up to 800 threads. That is 1.2 s,
 * and the watchdog acts after 5 s. An interrupted thread has run for `patience_us` and keeps its place. The price: with more
 * than PACE busy machines a CPU, shares count for less.
 */
void BPF_STRUCT_OPS(vm_running, struct task_struct *p)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct cpu_ctx *running = try_lookup_cpu_ctx(scx_bpf_task_cpu(p));
	struct group *group = ctx ? try_lookup_group(ctx) : NULL;
	u64 now = bpf_ktime_get_ns();

	if (!ctx || !running || !group)
		return;

	set_waiting(ctx, group, false);
	limit_lag(group);
	/* The place that it had, and not its group's time, which is far ahead for a machine of many vCPUs. */
	vclock_advance(&clock, now, PACE, p->scx.dsq_vtime);
	ctx->started_ns = now;
	running->started_ns = now;
	running->vtime = group->vtime;
	running->wanted = false;
}

/* Note C. */
void BPF_STRUCT_OPS(vm_tick, struct task_struct *p)
{
	s32 cpu = scx_bpf_task_cpu(p);
	struct cpu_ctx *running = try_lookup_cpu_ctx(cpu);

	if (!running || !running->wanted)
		return;
	if (bpf_ktime_get_ns() - running->started_ns < patience_ns())
		return;
	running->wanted = false;
	scx_bpf_kick_cpu(cpu, SCX_KICK_PREEMPT);
}

void BPF_STRUCT_OPS(vm_stopping, struct task_struct *p, bool runnable)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct group *group = ctx ? try_lookup_group(ctx) : NULL;

	/* Real time and not what is left of the slice: the kernel renews the slice of a thread that runs alone. */
	if (ctx && group)
		__sync_fetch_and_add(&group->vtime, (bpf_ktime_get_ns() - ctx->started_ns) * 100 / p->scx.weight);
}

/* A group begins with its first thread here, and ends with its last. */
s32 BPF_STRUCT_OPS_SLEEPABLE(vm_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	struct task_ctx *ctx = create_task_ctx(p);
	struct group begun = { .vtime = clock.now }, *group;

	if (!ctx)
		return -ENOMEM;

	ctx->group = ((struct task_struct___group *)p)->tgid;
	group = try_lookup_group(ctx);
	/* Nobody else begins this group meanwhile: its first thread is here, and only it can make others. */
	if (!group && !bpf_map_update_elem(&groups, &ctx->group, &begun, 0))
		group = try_lookup_group(ctx);
	if (group)
		__sync_fetch_and_add(&group->nr_threads, 1);
	else
		ctx->group = OVERFLOW;
	return 0;
}

void BPF_STRUCT_OPS(vm_exit_task, struct task_struct *p, struct scx_exit_task_args *args)
{
	struct task_ctx *ctx = try_lookup_task_ctx(p);
	struct group *group = ctx ? try_lookup_group(ctx) : NULL;

	if (!ctx || !group || ctx->group == OVERFLOW)
		return;
	if (__sync_fetch_and_add(&group->nr_threads, -1) == 1)
		bpf_map_delete_elem(&groups, &ctx->group);
}

/* Without these two the kernel would end the policy at each hotplug. */
void BPF_STRUCT_OPS(vm_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(vm_cpu_offline, s32 cpu)
{
	scx_bpf_release_cpu(QUEUE, cpu);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(vm_init)
{
	struct group overflow = {};
	s32 number = OVERFLOW;

	clock.advanced_ns = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&groups, &number, &overflow, 0))
		return -ENOMEM;
	return scx_bpf_create_dsq(QUEUE, -1);
}

void BPF_STRUCT_OPS(vm_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(vm,
	.select_cpu	= (void *)vm_select_cpu,
	.enqueue	= (void *)vm_enqueue,
	.quiescent	= (void *)vm_quiescent,
	.dispatch	= (void *)vm_dispatch,
	.running	= (void *)vm_running,
	.tick		= (void *)vm_tick,
	.stopping	= (void *)vm_stopping,
	.init_task	= (void *)vm_init_task,
	.exit_task	= (void *)vm_exit_task,
	.cpu_online	= (void *)vm_cpu_online,
	.cpu_offline	= (void *)vm_cpu_offline,
	.init		= (void *)vm_init,
	.exit		= (void *)vm_exit);
