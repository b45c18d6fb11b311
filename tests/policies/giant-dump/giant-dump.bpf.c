// SPDX-License-Identifier: GPL-2.0-only
/*
 * giant-dump: wants four gigabytes of the kernel for its last words
 *
 * For tests only. The kernel takes the memory for the dump when the policy comes up. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(giant_dump_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(giant_dump_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(giant_dump_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(giant_dump_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(giant_dump,
	.enqueue	= (void *)giant_dump_enqueue,
	.cpu_online	= (void *)giant_dump_cpu_online,
	.cpu_offline	= (void *)giant_dump_cpu_offline,
	.exit		= (void *)giant_dump_exit,
	.exit_dump_len	= 0xffffffff);
