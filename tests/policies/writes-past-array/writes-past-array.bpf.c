// SPDX-License-Identifier: GPL-2.0-only
/*
 * writes-past-array: writes behind the end of its own array
 *
 * For tests only. The verify gate stops it.
 */
#include <fleetsched/policy.bpf.h>

static u64 counts[4];

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(writes_past_array_enqueue, struct task_struct *p, u64 enq_flags)
{
	counts[p->pid]++;
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(writes_past_array_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(writes_past_array_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(writes_past_array_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(writes_past_array,
	.enqueue	= (void *)writes_past_array_enqueue,
	.cpu_online	= (void *)writes_past_array_cpu_online,
	.cpu_offline	= (void *)writes_past_array_cpu_offline,
	.exit		= (void *)writes_past_array_exit);
