// SPDX-License-Identifier: GPL-2.0-only
/*
 * includes-by-macro: hides the file's name in a macro
 *
 * For tests only. Only a preprocessor would see what is included. The compile gate stops it, before the compiler
 * opens a file.
 */
#include <fleetsched/policy.bpf.h>
#define WHERE </etc/passwd>
#include WHERE

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(includes_by_macro_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(includes_by_macro_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(includes_by_macro_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(includes_by_macro_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(includes_by_macro,
	.enqueue	= (void *)includes_by_macro_enqueue,
	.cpu_online	= (void *)includes_by_macro_cpu_online,
	.cpu_offline	= (void *)includes_by_macro_cpu_offline,
	.exit		= (void *)includes_by_macro_exit);
