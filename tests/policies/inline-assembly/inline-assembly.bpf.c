// SPDX-License-Identifier: GPL-2.0-only
/*
 * inline-assembly: has instructions that the compiler does not check
 *
 * For tests only. The compile gate stops it: what an object does must be readable in its source.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(inline_assembly_enqueue, struct task_struct *p, u64 enq_flags)
{
	asm volatile("r0 = 0");
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(inline_assembly_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(inline_assembly_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(inline_assembly_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(inline_assembly,
	.enqueue	= (void *)inline_assembly_enqueue,
	.cpu_online	= (void *)inline_assembly_cpu_online,
	.cpu_offline	= (void *)inline_assembly_cpu_offline,
	.exit		= (void *)inline_assembly_exit);
