// SPDX-License-Identifier: GPL-2.0-only
/*
 * no-exit-record: has no exit record
 *
 * For tests only. Nobody would learn why it ended. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

void BPF_STRUCT_OPS(no_exit_record_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(no_exit_record_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(no_exit_record_cpu_offline, s32 cpu)
{
}

FLEETSCHED_OPS_DEFINE(no_exit_record,
	.enqueue	= (void *)no_exit_record_enqueue,
	.cpu_online	= (void *)no_exit_record_cpu_online,
	.cpu_offline	= (void *)no_exit_record_cpu_offline);
