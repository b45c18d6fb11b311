// SPDX-License-Identifier: GPL-2.0-only
/*
 * asks-for-files: asks which files the building machine has
 *
 * For tests only. The answer would be in the object. The compile gate stops it, before the compiler opens a file.
 */
#include <fleetsched/policy.bpf.h>
#if __has_include("/etc/shadow")
#define FOUND 1
#endif

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(asks_for_files_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(asks_for_files_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(asks_for_files_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(asks_for_files_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(asks_for_files,
	.enqueue	= (void *)asks_for_files_enqueue,
	.cpu_online	= (void *)asks_for_files_cpu_online,
	.cpu_offline	= (void *)asks_for_files_cpu_offline,
	.exit		= (void *)asks_for_files_exit);
