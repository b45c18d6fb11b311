// SPDX-License-Identifier: GPL-2.0-only
/*
 * forgets-affinity: sends every process to the first CPU
 *
 * For tests only. Until one of them may not run there. The stress gate stops it: the kernel ends the policy when
 * processes are bound to other CPUs.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(forgets_affinity_enqueue, struct task_struct *p, u64 enq_flags)
{
	if (p->flags & PF_KTHREAD)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, SCX_SLICE_DFL, enq_flags);
	else
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL_ON | 0, SCX_SLICE_DFL, enq_flags);
}

s32 BPF_STRUCT_OPS(forgets_affinity_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return prev_cpu;
}

void BPF_STRUCT_OPS(forgets_affinity_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(forgets_affinity_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(forgets_affinity_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(forgets_affinity,
	.enqueue	= (void *)forgets_affinity_enqueue,
	.select_cpu	= (void *)forgets_affinity_select_cpu,
	.cpu_online	= (void *)forgets_affinity_cpu_online,
	.cpu_offline	= (void *)forgets_affinity_cpu_offline,
	.exit		= (void *)forgets_affinity_exit);
