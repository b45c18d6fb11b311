// SPDX-License-Identifier: GPL-2.0-only
/*
 * stall: comes up like any other policy and then never runs a user's task again
 *
 * For tests only. Kernel threads run, so that the machine's own work goes on and the watchdog sees the stall; every
 * other task waits in a queue from which nobody takes. The kernel ends it with "runnable task stall" between 5 and
 * 7.5 s after the first such task woke. Tasks of the real-time classes do not notice.
 */
#include <fleetsched/policy.bpf.h>

enum {
	NOWHERE = 0,
};

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(stall_enqueue, struct task_struct *p, u64 enq_flags)
{
	if (p->flags & PF_KTHREAD)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, SCX_SLICE_DFL, enq_flags);
	else
		scx_bpf_dsq_insert(p, NOWHERE, SCX_SLICE_DFL, enq_flags);
}

/* Not to be told of CPUs that come and go is for another test. */
void BPF_STRUCT_OPS(stall_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(stall_cpu_offline, s32 cpu)
{
}

s32 BPF_STRUCT_OPS_SLEEPABLE(stall_init)
{
	return scx_bpf_create_dsq(NOWHERE, -1);
}

void BPF_STRUCT_OPS(stall_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(stall,
	.enqueue	= (void *)stall_enqueue,
	.cpu_online	= (void *)stall_cpu_online,
	.cpu_offline	= (void *)stall_cpu_offline,
	.init		= (void *)stall_init,
	.exit		= (void *)stall_exit);
