// SPDX-License-Identifier: GPL-2.0-only
/*
 * hangs-cpu: never comes back from a callback
 *
 * For tests only. Each loop is short and has an end, so every verifier accepts them; one in the other they take days,
 * on a CPU that holds the lock of its queue. No watchdog inside of the machine can help. The attach gate stops it, by
 * its own clock.
 */
#include <fleetsched/policy.bpf.h>

static volatile u64 wasted;

__noinline int hangs_cpu_inner(u32 seed)
{
	for (u32 i = 0; i < 10000; i++)
		wasted += seed;
	return 0;
}

__noinline int hangs_cpu_middle(u32 seed)
{
	for (u32 i = 0; i < 10000; i++)
		hangs_cpu_inner(seed);
	return 0;
}

__noinline int hangs_cpu_outer(u32 seed)
{
	for (u32 i = 0; i < 10000; i++)
		hangs_cpu_middle(seed);
	return 0;
}

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(hangs_cpu_enqueue, struct task_struct *p, u64 enq_flags)
{
	hangs_cpu_outer(p->pid);
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(hangs_cpu_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(hangs_cpu_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(hangs_cpu_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(hangs_cpu,
	.enqueue	= (void *)hangs_cpu_enqueue,
	.cpu_online	= (void *)hangs_cpu_cpu_online,
	.cpu_offline	= (void *)hangs_cpu_cpu_offline,
	.exit		= (void *)hangs_cpu_exit);
