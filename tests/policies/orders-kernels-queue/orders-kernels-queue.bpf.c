// SPDX-License-Identifier: GPL-2.0-only
/*
 * orders-kernels-queue: wants an order in a queue that has none
 *
 * For tests only. The kernel's own queues are first in, first out. It ends the policy with the first task. The attach
 * gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(orders_kernels_queue_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert_vtime(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, 0, enq_flags);
}

void BPF_STRUCT_OPS(orders_kernels_queue_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(orders_kernels_queue_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(orders_kernels_queue_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(orders_kernels_queue,
	.enqueue	= (void *)orders_kernels_queue_enqueue,
	.cpu_online	= (void *)orders_kernels_queue_cpu_online,
	.cpu_offline	= (void *)orders_kernels_queue_cpu_offline,
	.exit		= (void *)orders_kernels_queue_exit);
