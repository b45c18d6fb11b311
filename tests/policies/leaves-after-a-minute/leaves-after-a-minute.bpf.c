// SPDX-License-Identifier: GPL-2.0-only
/*
 * leaves-after-a-minute: works, and says goodbye after a minute
 *
 * For tests only. Long after every short test, and it calls it no fault. The soak gate stops it.
 */
#include <fleetsched/policy.bpf.h>

/* From the attach to the end. */
const volatile u64 after_ms = 60000;

static char goodbye[] = "a minute is over";
static u64 attached_ns;

static bool leaves_after_a_minute_is_late(void)
{
	return bpf_ktime_get_ns() - attached_ns > after_ms * NSEC_PER_MSEC;
}

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(leaves_after_a_minute_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(leaves_after_a_minute_running, struct task_struct *p)
{
	u64 none = 0;

	if (leaves_after_a_minute_is_late())
		scx_bpf_exit_bstr(0, goodbye, &none, sizeof(none));
}

s32 BPF_STRUCT_OPS_SLEEPABLE(leaves_after_a_minute_init)
{
	attached_ns = bpf_ktime_get_ns();
	return 0;
}

void BPF_STRUCT_OPS(leaves_after_a_minute_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(leaves_after_a_minute_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(leaves_after_a_minute_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(leaves_after_a_minute,
	.enqueue	= (void *)leaves_after_a_minute_enqueue,
	.running	= (void *)leaves_after_a_minute_running,
	.init		= (void *)leaves_after_a_minute_init,
	.cpu_online	= (void *)leaves_after_a_minute_cpu_online,
	.cpu_offline	= (void *)leaves_after_a_minute_cpu_offline,
	.exit		= (void *)leaves_after_a_minute_exit);
