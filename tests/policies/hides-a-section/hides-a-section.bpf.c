// SPDX-License-Identifier: GPL-2.0-only
/*
 * hides-a-section: has data in a section that a loader takes for a program
 *
 * For tests only. The name is that of a network program. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(hides_a_section_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(hides_a_section_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(hides_a_section_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(hides_a_section_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(hides_a_section,
	.enqueue	= (void *)hides_a_section_enqueue,
	.cpu_online	= (void *)hides_a_section_cpu_online,
	.cpu_offline	= (void *)hides_a_section_cpu_offline,
	.exit		= (void *)hides_a_section_exit);

SEC("xdp") int hides_a_section_hidden = 1;
