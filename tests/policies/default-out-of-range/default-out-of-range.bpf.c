// SPDX-License-Identifier: GPL-2.0-only
/*
 * default-out-of-range: a parameter starts above its own greatest value
 *
 * For tests only. The schema gate stops it.
 */
#include <fleetsched/policy.bpf.h>

/* Longest run of a task. */
const volatile u64 slice_us = 5000;

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(default_out_of_range_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, slice_us * NSEC_PER_USEC, enq_flags);
}

void BPF_STRUCT_OPS(default_out_of_range_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(default_out_of_range_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(default_out_of_range_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(default_out_of_range,
	.enqueue	= (void *)default_out_of_range_enqueue,
	.cpu_online	= (void *)default_out_of_range_cpu_online,
	.cpu_offline	= (void *)default_out_of_range_cpu_offline,
	.exit		= (void *)default_out_of_range_exit);
