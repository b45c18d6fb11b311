// SPDX-License-Identifier: GPL-2.0-only
/*
 * sends-signals: kills processes
 *
 * For tests only. A scheduler has no business there (bpf_send_signal). The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

static long (*const bpf_send_signal)(u32 signal) = (void *)109;

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(sends_signals_enqueue, struct task_struct *p, u64 enq_flags)
{
	bpf_send_signal(9);
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(sends_signals_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(sends_signals_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(sends_signals_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(sends_signals,
	.enqueue	= (void *)sends_signals_enqueue,
	.cpu_online	= (void *)sends_signals_cpu_online,
	.cpu_offline	= (void *)sends_signals_cpu_offline,
	.exit		= (void *)sends_signals_exit);
