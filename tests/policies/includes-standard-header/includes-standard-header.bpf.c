// SPDX-License-Identifier: GPL-2.0-only
/*
 * includes-standard-header: wants a header of the machine that builds it
 *
 * For tests only. The same source would give other bytes elsewhere. The compile gate stops it, before the compiler
 * opens a file.
 */
#include <fleetsched/policy.bpf.h>
#include <stdio.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(includes_standard_header_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(includes_standard_header_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(includes_standard_header_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(includes_standard_header_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(includes_standard_header,
	.enqueue	= (void *)includes_standard_header_enqueue,
	.cpu_online	= (void *)includes_standard_header_cpu_online,
	.cpu_offline	= (void *)includes_standard_header_cpu_offline,
	.exit		= (void *)includes_standard_header_exit);
