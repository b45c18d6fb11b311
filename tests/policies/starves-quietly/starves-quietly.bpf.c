// SPDX-License-Identifier: GPL-2.0-only
/*
 * starves-quietly: lets light tasks start, and takes the CPU back at once
 *
 * For tests only. Every 300 ms one of them is started and preempted before it has done anything, so none is runnable
 * for long without running, and no watchdog ever sees it. They run only when nobody else wants to. The stress gate
 * stops it: it looks at what such a task gets done.
 */
#include <fleetsched/policy.bpf.h>

enum {
	HEAVY = 0,
	LIGHT = 1,
	USUAL = 100,
};

#define PRETEND_NS (300 * NSEC_PER_MSEC)

static u64 pretended_ns;

static bool starves_quietly_is_light(struct task_struct *p)
{
	return p->scx.weight < USUAL && !(p->flags & PF_KTHREAD);
}

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(starves_quietly_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, starves_quietly_is_light(p) ? LIGHT : HEAVY, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(starves_quietly_dispatch, s32 cpu, struct task_struct *prev)
{
	u64 now = bpf_ktime_get_ns();

	if (now - pretended_ns > PRETEND_NS && scx_bpf_dsq_move_to_local(LIGHT)) {
		pretended_ns = now;
		return;
	}
	if (!scx_bpf_dsq_move_to_local(HEAVY))
		scx_bpf_dsq_move_to_local(LIGHT);
}

void BPF_STRUCT_OPS(starves_quietly_running, struct task_struct *p)
{
	if (starves_quietly_is_light(p) && scx_bpf_dsq_nr_queued(HEAVY) > 0)
		scx_bpf_kick_cpu(scx_bpf_task_cpu(p), SCX_KICK_PREEMPT);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(starves_quietly_init)
{
	s32 failed = scx_bpf_create_dsq(HEAVY, -1);

	return failed ? failed : scx_bpf_create_dsq(LIGHT, -1);
}

void BPF_STRUCT_OPS(starves_quietly_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(starves_quietly_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(starves_quietly_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(starves_quietly,
	.enqueue	= (void *)starves_quietly_enqueue,
	.dispatch	= (void *)starves_quietly_dispatch,
	.running	= (void *)starves_quietly_running,
	.init		= (void *)starves_quietly_init,
	.cpu_online	= (void *)starves_quietly_cpu_online,
	.cpu_offline	= (void *)starves_quietly_cpu_offline,
	.exit		= (void *)starves_quietly_exit);
