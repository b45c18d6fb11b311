// SPDX-License-Identifier: GPL-2.0-only
/*
 * misnamed-ops: its ops table has another policy's name
 *
 * For tests only. The kernel would say that another policy runs. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(misnamed_ops_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(misnamed_ops_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(misnamed_ops_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(misnamed_ops_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

char _license[] SEC("license") = "GPL";

SEC(".struct_ops.link")
struct sched_ext_ops misnamed_ops_ops = {
	.name		= "fair",
	.timeout_ms	= 5000,
	.enqueue	= (void *)misnamed_ops_enqueue,
	.cpu_online	= (void *)misnamed_ops_cpu_online,
	.cpu_offline	= (void *)misnamed_ops_cpu_offline,
	.exit		= (void *)misnamed_ops_exit,
};
