// SPDX-License-Identifier: GPL-2.0-only
/*
 * exit-record-without-exit: declares an exit record and has no ops.exit
 *
 * For tests only. Nobody would learn why it ended, and all would wait for it. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(exit_record_without_exit_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(exit_record_without_exit_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(exit_record_without_exit_cpu_offline, s32 cpu)
{
}

FLEETSCHED_OPS_DEFINE(exit_record_without_exit,
	.enqueue	= (void *)exit_record_without_exit_enqueue,
	.cpu_online	= (void *)exit_record_without_exit_cpu_online,
	.cpu_offline	= (void *)exit_record_without_exit_cpu_offline);
