// SPDX-License-Identifier: GPL-2.0-only
/*
 * asks-for-more: its manifest asks for capabilities
 *
 * For tests only. No policy has any, and the manifest has no such field. The schema gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(asks_for_more_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(asks_for_more_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(asks_for_more_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(asks_for_more_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(asks_for_more,
	.enqueue	= (void *)asks_for_more_enqueue,
	.cpu_online	= (void *)asks_for_more_cpu_online,
	.cpu_offline	= (void *)asks_for_more_cpu_offline,
	.exit		= (void *)asks_for_more_exit);
