// SPDX-License-Identifier: GPL-2.0-only
/*
 * giant-data: has a variable of a gigabyte
 *
 * For tests only. Loading it would take the host's memory. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

char much[1 << 30];

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(giant_data_enqueue, struct task_struct *p, u64 enq_flags)
{
	much[enq_flags & 1] = 1;
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(giant_data_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(giant_data_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(giant_data_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(giant_data,
	.enqueue	= (void *)giant_data_enqueue,
	.cpu_online	= (void *)giant_data_cpu_online,
	.cpu_offline	= (void *)giant_data_cpu_offline,
	.exit		= (void *)giant_data_exit);
