// SPDX-License-Identifier: GPL-2.0-only
/*
 * keeps-reference: borrows a mask and does not give it back
 *
 * For tests only. The verify gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(keeps_reference_enqueue, struct task_struct *p, u64 enq_flags)
{
	if (!bpf_cpumask_test_cpu(0, scx_bpf_get_online_cpumask()))
		return;
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(keeps_reference_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(keeps_reference_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(keeps_reference_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(keeps_reference,
	.enqueue	= (void *)keeps_reference_enqueue,
	.cpu_online	= (void *)keeps_reference_cpu_online,
	.cpu_offline	= (void *)keeps_reference_cpu_offline,
	.exit		= (void *)keeps_reference_exit);
