// SPDX-License-Identifier: GPL-2.0-only
/*
 * parameter-missing: declares a parameter that its source lacks
 *
 * For tests only. Whoever tunes it would tune nothing. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(parameter_missing_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(parameter_missing_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(parameter_missing_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(parameter_missing_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(parameter_missing,
	.enqueue	= (void *)parameter_missing_enqueue,
	.cpu_online	= (void *)parameter_missing_cpu_online,
	.cpu_offline	= (void *)parameter_missing_cpu_offline,
	.exit		= (void *)parameter_missing_exit);
