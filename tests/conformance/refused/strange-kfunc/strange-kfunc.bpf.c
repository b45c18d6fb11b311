// SPDX-License-Identifier: GPL-2.0-only
/*
 * strange-kfunc: a good scheduler that would also call a kernel function that is not for schedulers
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

extern void *bpf_task_from_pid(s32 pid) __ksym;
extern void bpf_task_release(void *task) __ksym;

void BPF_STRUCT_OPS(strange_kfunc_enqueue, struct task_struct *p, u64 enq_flags)
{
	void *first = bpf_task_from_pid(1);

	if (first)
		bpf_task_release(first);
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(strange_kfunc_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(strange_kfunc,
	.enqueue	= (void *)strange_kfunc_enqueue,
	.exit		= (void *)strange_kfunc_exit);
