// SPDX-License-Identifier: GPL-2.0-only
/*
 * overrides-returns: makes kernel functions return what it likes
 *
 * For tests only. For injecting faults (bpf_override_return). The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

static long (*const bpf_override_return)(void *registers, u64 value) = (void *)58;

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(overrides_returns_enqueue, struct task_struct *p, u64 enq_flags)
{
	bpf_override_return(p, 0);
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(overrides_returns_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(overrides_returns_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(overrides_returns_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(overrides_returns,
	.enqueue	= (void *)overrides_returns_enqueue,
	.cpu_online	= (void *)overrides_returns_cpu_online,
	.cpu_offline	= (void *)overrides_returns_cpu_offline,
	.exit		= (void *)overrides_returns_exit);
