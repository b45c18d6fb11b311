// SPDX-License-Identifier: GPL-2.0-only
/*
 * claims-another-file: makes its messages name another file
 *
 * For tests only. A reviewer would look for the fault in a policy that has none. The compile gate stops it, before
 * the compiler opens a file.
 */
#include <fleetsched/policy.bpf.h>
#line 1 "policies/fair/fair.bpf.c"

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(claims_another_file_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(claims_another_file_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(claims_another_file_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(claims_another_file_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(claims_another_file,
	.enqueue	= (void *)claims_another_file_enqueue,
	.cpu_online	= (void *)claims_another_file_cpu_online,
	.cpu_offline	= (void *)claims_another_file_cpu_offline,
	.exit		= (void *)claims_another_file_exit);
