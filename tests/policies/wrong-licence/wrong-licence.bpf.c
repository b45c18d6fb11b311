// SPDX-License-Identifier: GPL-2.0-only
/*
 * wrong-licence: has a licence that the kernel's functions are not for
 *
 * For tests only. The inspect gate stops it, before a verifier says it in its own words.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(wrong_licence_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(wrong_licence_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(wrong_licence_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(wrong_licence_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

char _license[] SEC("license") = "Proprietary";

SEC(".struct_ops.link")
struct sched_ext_ops wrong_licence_ops = {
	.name		= "wrong_licence",
	.timeout_ms	= 5000,
	.enqueue	= (void *)wrong_licence_enqueue,
	.cpu_online	= (void *)wrong_licence_cpu_online,
	.cpu_offline	= (void *)wrong_licence_cpu_offline,
	.exit		= (void *)wrong_licence_exit,
};
