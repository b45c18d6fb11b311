// SPDX-License-Identifier: GPL-2.0-only
/*
 * selects-no-cpu: wakes tasks on a CPU that no machine has
 *
 * For tests only. The kernel ends it with the first wakeup. The attach gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(selects_no_cpu_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

s32 BPF_STRUCT_OPS(selects_no_cpu_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return 9999;
}

void BPF_STRUCT_OPS(selects_no_cpu_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(selects_no_cpu_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(selects_no_cpu_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(selects_no_cpu,
	.enqueue	= (void *)selects_no_cpu_enqueue,
	.select_cpu	= (void *)selects_no_cpu_select_cpu,
	.cpu_online	= (void *)selects_no_cpu_cpu_online,
	.cpu_offline	= (void *)selects_no_cpu_cpu_offline,
	.exit		= (void *)selects_no_cpu_exit);
