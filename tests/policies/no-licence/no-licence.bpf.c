// SPDX-License-Identifier: GPL-2.0-only
/*
 * no-licence: says nothing of its licence
 *
 * For tests only. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(no_licence_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(no_licence_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(no_licence_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(no_licence_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

SEC(".struct_ops.link")
struct sched_ext_ops no_licence_ops = {
	.name		= "no_licence",
	.timeout_ms	= 5000,
	.enqueue	= (void *)no_licence_enqueue,
	.cpu_online	= (void *)no_licence_cpu_online,
	.cpu_offline	= (void *)no_licence_cpu_offline,
	.exit		= (void *)no_licence_exit,
};
