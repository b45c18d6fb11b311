// SPDX-License-Identifier: GPL-2.0-only
/*
 * init-task-fails: takes no task
 *
 * For tests only. ops.init_task returns an error, so the kernel gives up while it enables the policy. The attach gate
 * stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(init_task_fails_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(init_task_fails_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return args->fork ? 0 : -ENOMEM;
}

void BPF_STRUCT_OPS(init_task_fails_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(init_task_fails_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(init_task_fails_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(init_task_fails,
	.enqueue	= (void *)init_task_fails_enqueue,
	.init_task	= (void *)init_task_fails_init_task,
	.cpu_online	= (void *)init_task_fails_cpu_online,
	.cpu_offline	= (void *)init_task_fails_cpu_offline,
	.exit		= (void *)init_task_fails_exit);
