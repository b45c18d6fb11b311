// SPDX-License-Identifier: GPL-2.0-only
/*
 * syscall-program: brings a program along that a process can call
 *
 * For tests only. Whoever loads it could be made to run it. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(syscall_program_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(syscall_program_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(syscall_program_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(syscall_program_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(syscall_program,
	.enqueue	= (void *)syscall_program_enqueue,
	.cpu_online	= (void *)syscall_program_cpu_online,
	.cpu_offline	= (void *)syscall_program_cpu_offline,
	.exit		= (void *)syscall_program_exit);

SEC("syscall") int syscall_program_hidden(void *ctx)
{
	return 0;
}
