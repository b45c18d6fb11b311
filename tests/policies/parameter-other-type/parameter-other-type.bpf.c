// SPDX-License-Identifier: GPL-2.0-only
/*
 * parameter-other-type: its parameter is wider than its manifest says
 *
 * For tests only. A loader would write half of it. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

/* Longest run of a task. */
const volatile u64 slice_us = 5000;

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(parameter_other_type_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, slice_us * NSEC_PER_USEC, enq_flags);
}

void BPF_STRUCT_OPS(parameter_other_type_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(parameter_other_type_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(parameter_other_type_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(parameter_other_type,
	.enqueue	= (void *)parameter_other_type_enqueue,
	.cpu_online	= (void *)parameter_other_type_cpu_online,
	.cpu_offline	= (void *)parameter_other_type_cpu_offline,
	.exit		= (void *)parameter_other_type_exit);
