// SPDX-License-Identifier: GPL-2.0-only
/*
 * sleeps-in-enqueue: calls a function that may sleep where nothing may
 *
 * For tests only. The verify gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(sleeps_in_enqueue_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_create_dsq(enq_flags, -1);
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(sleeps_in_enqueue_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(sleeps_in_enqueue_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(sleeps_in_enqueue_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(sleeps_in_enqueue,
	.enqueue	= (void *)sleeps_in_enqueue_enqueue,
	.cpu_online	= (void *)sleeps_in_enqueue_cpu_online,
	.cpu_offline	= (void *)sleeps_in_enqueue_cpu_offline,
	.exit		= (void *)sleeps_in_enqueue_exit);
