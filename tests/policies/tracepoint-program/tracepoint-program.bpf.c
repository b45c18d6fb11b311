// SPDX-License-Identifier: GPL-2.0-only
/*
 * tracepoint-program: brings a program along that sees every switch of tasks
 *
 * For tests only. It would see what a scheduler sees, without being one. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(tracepoint_program_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(tracepoint_program_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(tracepoint_program_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(tracepoint_program_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(tracepoint_program,
	.enqueue	= (void *)tracepoint_program_enqueue,
	.cpu_online	= (void *)tracepoint_program_cpu_online,
	.cpu_offline	= (void *)tracepoint_program_cpu_offline,
	.exit		= (void *)tracepoint_program_exit);

SEC("tp/sched/sched_switch") int tracepoint_program_hidden(void *ctx)
{
	return 0;
}
