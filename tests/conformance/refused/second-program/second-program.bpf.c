// SPDX-License-Identifier: GPL-2.0-only
/*
 * second-program: a good scheduler with a second program beside it, which would listen to every exit of a process
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(second_program_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

SEC("kprobe/do_exit") int listens(void *ctx)
{
	return 0;
}

void BPF_STRUCT_OPS(second_program_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(second_program,
	.enqueue	= (void *)second_program_enqueue,
	.exit		= (void *)second_program_exit);
