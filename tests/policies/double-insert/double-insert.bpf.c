// SPDX-License-Identifier: GPL-2.0-only
/*
 * double-insert: puts a task into a queue twice
 *
 * For tests only. The kernel ends it with the first task. The attach gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(double_insert_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(double_insert_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(double_insert_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(double_insert_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(double_insert,
	.enqueue	= (void *)double_insert_enqueue,
	.cpu_online	= (void *)double_insert_cpu_online,
	.cpu_offline	= (void *)double_insert_cpu_offline,
	.exit		= (void *)double_insert_exit);
