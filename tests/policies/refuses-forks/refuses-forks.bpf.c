// SPDX-License-Identifier: GPL-2.0-only
/*
 * refuses-forks: lets no process be born any more
 *
 * For tests only. Tasks that are there when it comes up are scheduled well, and it never ends: ops.init_task fails
 * for new ones, so fork() does. The stress gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(refuses_forks_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(refuses_forks_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return args->fork ? -ENOMEM : 0;
}

void BPF_STRUCT_OPS(refuses_forks_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(refuses_forks_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(refuses_forks_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(refuses_forks,
	.enqueue	= (void *)refuses_forks_enqueue,
	.init_task	= (void *)refuses_forks_init_task,
	.cpu_online	= (void *)refuses_forks_cpu_online,
	.cpu_offline	= (void *)refuses_forks_cpu_offline,
	.exit		= (void *)refuses_forks_exit);
