// SPDX-License-Identifier: GPL-2.0-only
/*
 * sends-signals: a good scheduler that would also send signals to processes (BPF helper 109)
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

static long (*const bpf_send_signal)(u32 signal) = (void *)109;

void BPF_STRUCT_OPS(sends_signals_enqueue, struct task_struct *p, u64 enq_flags)
{
	if (p->flags & PF_KTHREAD)
		bpf_send_signal(9);
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(sends_signals_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(sends_signals,
	.enqueue	= (void *)sends_signals_enqueue,
	.exit		= (void *)sends_signals_exit);
