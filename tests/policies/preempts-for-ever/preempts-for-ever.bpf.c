// SPDX-License-Identifier: GPL-2.0-only
/*
 * preempts-for-ever: takes the CPU back from every task that starts
 *
 * For tests only. As soon as two processes want one CPU, each is preempted before it has done anything: all of them
 * start for ever, none is runnable for long without running, and no watchdog ever sees it. Kernel threads are spared,
 * so that the machine answers. The stress gate stops it: it looks at what tasks get done.
 */
#include <fleetsched/policy.bpf.h>

enum {
	QUEUE = 0,
};

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(preempts_for_ever_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, QUEUE, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(preempts_for_ever_running, struct task_struct *p)
{
	if (!(p->flags & PF_KTHREAD))
		scx_bpf_kick_cpu(scx_bpf_task_cpu(p), SCX_KICK_PREEMPT);
}

void BPF_STRUCT_OPS(preempts_for_ever_dispatch, s32 cpu, struct task_struct *prev)
{
	scx_bpf_dsq_move_to_local(QUEUE);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(preempts_for_ever_init)
{
	return scx_bpf_create_dsq(QUEUE, -1);
}

void BPF_STRUCT_OPS(preempts_for_ever_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(preempts_for_ever_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(preempts_for_ever_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(preempts_for_ever,
	.enqueue	= (void *)preempts_for_ever_enqueue,
	.running	= (void *)preempts_for_ever_running,
	.dispatch	= (void *)preempts_for_ever_dispatch,
	.init		= (void *)preempts_for_ever_init,
	.cpu_online	= (void *)preempts_for_ever_cpu_online,
	.cpu_offline	= (void *)preempts_for_ever_cpu_offline,
	.exit		= (void *)preempts_for_ever_exit);
