// SPDX-License-Identifier: GPL-2.0-only
/*
 * unknown-queue: puts tasks into a queue that is not there
 *
 * For tests only. The kernel ends it with the first task. The attach gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(unknown_queue_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, 42, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(unknown_queue_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(unknown_queue_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(unknown_queue_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(unknown_queue,
	.enqueue	= (void *)unknown_queue_enqueue,
	.cpu_online	= (void *)unknown_queue_cpu_online,
	.cpu_offline	= (void *)unknown_queue_cpu_offline,
	.exit		= (void *)unknown_queue_exit);
