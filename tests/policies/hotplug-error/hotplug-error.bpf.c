// SPDX-License-Identifier: GPL-2.0-only
/*
 * hotplug-error: gives up when a CPU goes
 *
 * For tests only. It has a callback for it, and the callback reports an error. The stress gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(hotplug_error_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(hotplug_error_cpu_offline, s32 cpu)
{
	scx_bpf_error("a CPU is gone, and nothing here knows what to do");
}

void BPF_STRUCT_OPS(hotplug_error_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(hotplug_error_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(hotplug_error,
	.enqueue	= (void *)hotplug_error_enqueue,
	.cpu_offline	= (void *)hotplug_error_cpu_offline,
	.cpu_online	= (void *)hotplug_error_cpu_online,
	.exit		= (void *)hotplug_error_exit);
