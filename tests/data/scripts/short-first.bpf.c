// SPDX-License-Identifier: GPL-2.0-only
/*
 * short-first: who ran shortly since it slept goes first
 *
 * All tasks that wait stand in one queue. A task's place is the time at which it became runnable, plus how long it ran
 * since it slept. So tasks that run shortly and sleep pass those that compute, by at most LATE_NS, and one that ran less
 * than SHORT_NS does, when it wakes up, not wait for the end of the slice that runs either.
 *
 * It suits services whose requests are short and which share their CPUs with computations. It fails where many CPUs meet
 * at the one queue, where caches are not shared, and where a computation has to be done soon.
 */
#include <fleetsched/policy.bpf.h>

enum {
	QUEUE = 0,
};

#define SLICE_NS (3 * NSEC_PER_MSEC)
#define SLICE_MIN_NS (250 * NSEC_PER_USEC)
#define ROUND_NS (200 * NSEC_PER_MSEC) /* what one run of everybody in the queue may take on one CPU */
#define LATE_NS (40 * NSEC_PER_MSEC)
#define SHORT_NS (500 * NSEC_PER_USEC)

UEI_DEFINE(uei);

struct task_ctx {
	u64 started_ns; /* when the task last started to run */
	u64 ran_ns;	/* how long it ran between its last two sleeps, or has run since the last */
	bool sleeps;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_ctx);
} task_ctxs SEC(".maps");

/* The slice shrinks when the queue is long, so that a round through the whole queue stays near ROUND_NS. */
static u64 slice_ns(void)
{
	s32 waiting = scx_bpf_dsq_nr_queued(QUEUE);

	return clamp_u64(ROUND_NS / (waiting > 0 ? waiting + 1 : 1), SLICE_MIN_NS, SLICE_NS);
}

s32 BPF_STRUCT_OPS(short_first_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	bool is_idle = false;
	s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);

	/* An idle CPU found nothing in the queue that it may run, so nobody is passed over here. */
	if (is_idle)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, SLICE_NS, 0);

	return cpu;
}

/*
 * Nobody starves: a place is at most LATE_NS after the time at which it was taken. Who becomes runnable later than that
 * stands behind, whatever it is. Those before it run one slice each, ROUND_NS on one CPU for up to 800 tasks. Who is
 * taken off the CPU for a short task takes its place among them anew.
 */
void BPF_STRUCT_OPS(short_first_enqueue, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *ctx = bpf_task_storage_get(&task_ctxs, p, NULL, 0);
	u64 late = 0;

	if (ctx)
		late = clamp_u64(ctx->ran_ns * 100 / p->scx.weight, 0, LATE_NS);
	scx_bpf_dsq_insert_vtime(p, QUEUE, slice_ns(), bpf_ktime_get_ns() + late, enq_flags);
	/* Who was taken off a CPU takes it from nobody: two of those would let each other do nothing. */
	if (ctx && late < SHORT_NS && (enq_flags & SCX_ENQ_WAKEUP))
		scx_bpf_kick_cpu(scx_bpf_task_cpu(p), SCX_KICK_PREEMPT);
}

/* Tasks that may not run on this CPU are passed over by the kernel and stay for the others. */
void BPF_STRUCT_OPS(short_first_dispatch, s32 cpu, struct task_struct *prev)
{
	scx_bpf_dsq_move_to_local(QUEUE);
}

void BPF_STRUCT_OPS(short_first_running, struct task_struct *p)
{
	struct task_ctx *ctx = bpf_task_storage_get(&task_ctxs, p, NULL, 0);

	if (!ctx)
		return;
	if (ctx->sleeps)
		ctx->ran_ns = 0;
	ctx->sleeps = false;
	ctx->started_ns = bpf_ktime_get_ns();
}

void BPF_STRUCT_OPS(short_first_stopping, struct task_struct *p, bool runnable)
{
	struct task_ctx *ctx = bpf_task_storage_get(&task_ctxs, p, NULL, 0);

	if (!ctx)
		return;
	ctx->ran_ns += bpf_ktime_get_ns() - ctx->started_ns;
	ctx->sleeps = !runnable;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(short_first_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return bpf_task_storage_get(&task_ctxs, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE) ? 0 : -ENOMEM;
}

/* Without these two the kernel would end the policy at each hotplug. */
void BPF_STRUCT_OPS(short_first_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(short_first_cpu_offline, s32 cpu)
{
	scx_bpf_release_cpu(QUEUE, cpu);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(short_first_init)
{
	return scx_bpf_create_dsq(QUEUE, -1);
}

void BPF_STRUCT_OPS(short_first_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(short_first,
	.select_cpu	= (void *)short_first_select_cpu,
	.enqueue	= (void *)short_first_enqueue,
	.dispatch	= (void *)short_first_dispatch,
	.running	= (void *)short_first_running,
	.stopping	= (void *)short_first_stopping,
	.init_task	= (void *)short_first_init_task,
	.cpu_online	= (void *)short_first_cpu_online,
	.cpu_offline	= (void *)short_first_cpu_offline,
	.init		= (void *)short_first_init,
	.exit		= (void *)short_first_exit);
