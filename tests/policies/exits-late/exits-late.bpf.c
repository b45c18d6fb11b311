// SPDX-License-Identifier: GPL-2.0-only
/*
 * exits-late: works, and gives up by itself after a while
 *
 * For tests only. First in, first out, on one queue; the first task that starts after `after_ms` ends it with an error.
 * Long enough after the attach, that is after it was confirmed.
 */
#include <fleetsched/policy.bpf.h>

/* From the attach to the end. */
const volatile u64 after_ms = 8000;

UEI_DEFINE(uei);

static u64 attached_ns;

void BPF_STRUCT_OPS(exits_late_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(exits_late_running, struct task_struct *p)
{
	if (bpf_ktime_get_ns() - attached_ns > after_ms * NSEC_PER_MSEC)
		scx_bpf_error("exits late, as it was made to");
}

void BPF_STRUCT_OPS(exits_late_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(exits_late_cpu_offline, s32 cpu)
{
}

s32 BPF_STRUCT_OPS_SLEEPABLE(exits_late_init)
{
	attached_ns = bpf_ktime_get_ns();
	return 0;
}

void BPF_STRUCT_OPS(exits_late_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(exits_late,
	.enqueue	= (void *)exits_late_enqueue,
	.running	= (void *)exits_late_running,
	.cpu_online	= (void *)exits_late_cpu_online,
	.cpu_offline	= (void *)exits_late_cpu_offline,
	.init		= (void *)exits_late_init,
	.exit		= (void *)exits_late_exit);
