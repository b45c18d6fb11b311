// SPDX-License-Identifier: GPL-2.0-only
/*
 * unbounded-loop: walks in a circle
 *
 * For tests only. The verify gate stops it: no kernel accepts a loop of which it cannot see the end.
 */
#include <fleetsched/policy.bpf.h>

static volatile u64 steps;

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(unbounded_loop_enqueue, struct task_struct *p, u64 enq_flags)
{
	while (steps != enq_flags)
		steps++;
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(unbounded_loop_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(unbounded_loop_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(unbounded_loop_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(unbounded_loop,
	.enqueue	= (void *)unbounded_loop_enqueue,
	.cpu_online	= (void *)unbounded_loop_cpu_online,
	.cpu_offline	= (void *)unbounded_loop_cpu_offline,
	.exit		= (void *)unbounded_loop_exit);
