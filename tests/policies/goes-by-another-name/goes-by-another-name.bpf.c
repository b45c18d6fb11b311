// SPDX-License-Identifier: GPL-2.0-only
/*
 * goes-by-another-name: its manifest calls it after a policy that people trust
 *
 * For tests only. The folder has another name than the manifest says. The schema gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(goes_by_another_name_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(goes_by_another_name_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(goes_by_another_name_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(goes_by_another_name_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(goes_by_another_name,
	.enqueue	= (void *)goes_by_another_name_enqueue,
	.cpu_online	= (void *)goes_by_another_name_cpu_online,
	.cpu_offline	= (void *)goes_by_another_name_cpu_offline,
	.exit		= (void *)goes_by_another_name_exit);
