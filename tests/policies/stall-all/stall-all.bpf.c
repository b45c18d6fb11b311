// SPDX-License-Identifier: GPL-2.0-only
/*
 * stall-all: comes up and then runs nothing any more
 *
 * For tests only. Not even kernel threads, so the work of the watchdog itself waits, and the tick must see it. The
 * attach gate stops it.
 */
#include <fleetsched/policy.bpf.h>

enum {
	NOWHERE = 0,
};

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(stall_all_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, NOWHERE, SCX_SLICE_DFL, enq_flags);
}

s32 BPF_STRUCT_OPS(stall_all_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return prev_cpu;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(stall_all_init)
{
	return scx_bpf_create_dsq(NOWHERE, -1);
}

void BPF_STRUCT_OPS(stall_all_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(stall_all_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(stall_all_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(stall_all,
	.enqueue	= (void *)stall_all_enqueue,
	.select_cpu	= (void *)stall_all_select_cpu,
	.init		= (void *)stall_all_init,
	.cpu_online	= (void *)stall_all_cpu_online,
	.cpu_offline	= (void *)stall_all_cpu_offline,
	.exit		= (void *)stall_all_exit);
