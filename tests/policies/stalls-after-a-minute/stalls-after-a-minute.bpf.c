// SPDX-License-Identifier: GPL-2.0-only
/*
 * stalls-after-a-minute: works, and runs no process any more after a minute
 *
 * For tests only. Long after every short test. The soak gate stops it.
 */
#include <fleetsched/policy.bpf.h>

enum {
	NOWHERE = 0,
};

/* From the attach to the end. */
const volatile u64 after_ms = 60000;

static u64 attached_ns;

static bool stalls_after_a_minute_is_late(void)
{
	return bpf_ktime_get_ns() - attached_ns > after_ms * NSEC_PER_MSEC;
}

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(stalls_after_a_minute_enqueue, struct task_struct *p, u64 enq_flags)
{
	bool stalls = stalls_after_a_minute_is_late() && !(p->flags & PF_KTHREAD);

	scx_bpf_dsq_insert(p, stalls ? NOWHERE : SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

s32 BPF_STRUCT_OPS(stalls_after_a_minute_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return prev_cpu;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(stalls_after_a_minute_init)
{
	attached_ns = bpf_ktime_get_ns();
	return scx_bpf_create_dsq(NOWHERE, -1);
}

void BPF_STRUCT_OPS(stalls_after_a_minute_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(stalls_after_a_minute_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(stalls_after_a_minute_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(stalls_after_a_minute,
	.enqueue	= (void *)stalls_after_a_minute_enqueue,
	.select_cpu	= (void *)stalls_after_a_minute_select_cpu,
	.init		= (void *)stalls_after_a_minute_init,
	.cpu_online	= (void *)stalls_after_a_minute_cpu_online,
	.cpu_offline	= (void *)stalls_after_a_minute_cpu_offline,
	.exit		= (void *)stalls_after_a_minute_exit);
