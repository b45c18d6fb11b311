// SPDX-License-Identifier: GPL-2.0-only
/*
 * giant-batch: wants room for a billion tasks on every CPU
 *
 * For tests only. The kernel takes the memory when the policy comes up. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(giant_batch_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(giant_batch_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(giant_batch_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(giant_batch_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(giant_batch,
	.enqueue	= (void *)giant_batch_enqueue,
	.cpu_online	= (void *)giant_batch_cpu_online,
	.cpu_offline	= (void *)giant_batch_cpu_offline,
	.exit		= (void *)giant_batch_exit,
	.dispatch_max_batch	= 1000000000);
