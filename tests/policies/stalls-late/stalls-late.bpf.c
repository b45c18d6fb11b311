// SPDX-License-Identifier: GPL-2.0-only
/*
 * stalls-late: works, and after a while never runs a user's task again
 *
 * For tests only. First in, first out, on one queue, until `after_ms` after the attach; from then on it is `stall`. Long
 * enough after the attach, that is after it was confirmed. The kernel ends it with "runnable task stall".
 */
#include <fleetsched/policy.bpf.h>

enum {
	NOWHERE = 0,
};

/* From the attach to the stall. */
const volatile u64 after_ms = 25000;

UEI_DEFINE(uei);

static u64 attached_ns;

void BPF_STRUCT_OPS(stalls_late_enqueue, struct task_struct *p, u64 enq_flags)
{
	bool late = bpf_ktime_get_ns() - attached_ns > after_ms * NSEC_PER_MSEC;

	if (p->flags & PF_KTHREAD)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, SCX_SLICE_DFL, enq_flags);
	else
		scx_bpf_dsq_insert(p, late ? NOWHERE : SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(stalls_late_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(stalls_late_cpu_offline, s32 cpu)
{
}

s32 BPF_STRUCT_OPS_SLEEPABLE(stalls_late_init)
{
	attached_ns = bpf_ktime_get_ns();
	return scx_bpf_create_dsq(NOWHERE, -1);
}

void BPF_STRUCT_OPS(stalls_late_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(stalls_late,
	.enqueue	= (void *)stalls_late_enqueue,
	.cpu_online	= (void *)stalls_late_cpu_online,
	.cpu_offline	= (void *)stalls_late_cpu_offline,
	.init		= (void *)stalls_late_init,
	.exit		= (void *)stalls_late_exit);
