// SPDX-License-Identifier: GPL-2.0-only
/*
 * stalls-one: forgets one task for ever
 *
 * For tests only. The fiftieth that is forked after the attach waits in a queue from which nobody takes; all others
 * are well. The stress gate stops it.
 */
#include <fleetsched/policy.bpf.h>

enum {
	NOWHERE = 0,
};

static u32 nr_forks;
static s32 victim;

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(stalls_one_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, p->pid == victim ? NOWHERE : SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

s32 BPF_STRUCT_OPS(stalls_one_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return prev_cpu;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(stalls_one_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	if (args->fork && ++nr_forks == 50)
		victim = p->pid;
	return 0;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(stalls_one_init)
{
	return scx_bpf_create_dsq(NOWHERE, -1);
}

void BPF_STRUCT_OPS(stalls_one_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(stalls_one_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(stalls_one_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(stalls_one,
	.enqueue	= (void *)stalls_one_enqueue,
	.select_cpu	= (void *)stalls_one_select_cpu,
	.init_task	= (void *)stalls_one_init_task,
	.init		= (void *)stalls_one_init,
	.cpu_online	= (void *)stalls_one_cpu_online,
	.cpu_offline	= (void *)stalls_one_cpu_offline,
	.exit		= (void *)stalls_one_exit);
