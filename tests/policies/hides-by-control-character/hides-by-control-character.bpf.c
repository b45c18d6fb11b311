// SPDX-License-Identifier: GPL-2.0-only
/*
 * hides-by-control-character: ends a comment's line with a form feed
 *
 * For tests only. For a terminal a new line begins there, for the compiler the comment goes on; nobody should have to
 * know. The compile gate stops it, before the compiler opens a file.
 */
#include <fleetsched/policy.bpf.h>
// nothing to see#include "/etc/passwd"

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(hides_by_control_character_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(hides_by_control_character_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(hides_by_control_character_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(hides_by_control_character_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(hides_by_control_character,
	.enqueue	= (void *)hides_by_control_character_enqueue,
	.cpu_online	= (void *)hides_by_control_character_cpu_online,
	.cpu_offline	= (void *)hides_by_control_character_cpu_offline,
	.exit		= (void *)hides_by_control_character_exit);
