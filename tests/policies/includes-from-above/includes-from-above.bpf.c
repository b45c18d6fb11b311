// SPDX-License-Identifier: GPL-2.0-only
/*
 * includes-from-above: leaves the folder of the headers
 *
 * For tests only. The path begins as an allowed one does. The compile gate stops it, before the compiler opens a
 * file.
 */
#include <fleetsched/policy.bpf.h>
#include <fleetsched/../../../../../etc/passwd>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(includes_from_above_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(includes_from_above_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(includes_from_above_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(includes_from_above_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(includes_from_above,
	.enqueue	= (void *)includes_from_above_enqueue,
	.cpu_online	= (void *)includes_from_above_cpu_online,
	.cpu_offline	= (void *)includes_from_above_cpu_offline,
	.exit		= (void *)includes_from_above_exit);
