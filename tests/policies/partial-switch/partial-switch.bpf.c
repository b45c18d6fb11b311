// SPDX-License-Identifier: GPL-2.0-only
/*
 * partial-switch: takes only tasks that ask for it
 *
 * For tests only. The fair class ranks above, so they would get what it leaves over. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(partial_switch_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(partial_switch_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(partial_switch_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(partial_switch_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(partial_switch,
	.enqueue	= (void *)partial_switch_enqueue,
	.cpu_online	= (void *)partial_switch_cpu_online,
	.cpu_offline	= (void *)partial_switch_cpu_offline,
	.exit		= (void *)partial_switch_exit,
	.flags		= 8 /* SCX_OPS_SWITCH_PARTIAL */);
