// SPDX-License-Identifier: GPL-2.0-only
/*
 * includes-next: asks for the next header of a name
 *
 * For tests only. It searches on after the folder of the headers. The compile gate stops it, before the compiler
 * opens a file.
 */
#include <fleetsched/policy.bpf.h>
#include_next <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(includes_next_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(includes_next_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(includes_next_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(includes_next_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(includes_next,
	.enqueue	= (void *)includes_next_enqueue,
	.cpu_online	= (void *)includes_next_cpu_online,
	.cpu_offline	= (void *)includes_next_cpu_offline,
	.exit		= (void *)includes_next_exit);
