// SPDX-License-Identifier: GPL-2.0-only
/*
 * time-out-differs: its watchdog waits longer than its manifest says
 *
 * For tests only. Bakes and deadlines go by the manifest. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(time_out_differs_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(time_out_differs_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(time_out_differs_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(time_out_differs_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(time_out_differs,
	.enqueue	= (void *)time_out_differs_enqueue,
	.cpu_online	= (void *)time_out_differs_cpu_online,
	.cpu_offline	= (void *)time_out_differs_cpu_offline,
	.exit		= (void *)time_out_differs_exit,
	.timeout_ms	= 30000);
