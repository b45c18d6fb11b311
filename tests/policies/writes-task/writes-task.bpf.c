// SPDX-License-Identifier: GPL-2.0-only
/*
 * writes-task: writes into a task where no scheduler may
 *
 * For tests only. The verify gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(writes_task_enqueue, struct task_struct *p, u64 enq_flags)
{
	p->pid = 1;
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(writes_task_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(writes_task_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(writes_task_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(writes_task,
	.enqueue	= (void *)writes_task_enqueue,
	.cpu_online	= (void *)writes_task_cpu_online,
	.cpu_offline	= (void *)writes_task_cpu_offline,
	.exit		= (void *)writes_task_exit);
