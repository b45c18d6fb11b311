// SPDX-License-Identifier: GPL-2.0-only
/*
 * no-hotplug: works until a CPU comes or goes
 *
 * For tests only. First in, first out, on one queue. It has no cpu_online and cpu_offline, so the kernel ends it at each
 * hotplug and asks for it to be started again.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(no_hotplug_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(no_hotplug_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(no_hotplug,
	.enqueue	= (void *)no_hotplug_enqueue,
	.exit		= (void *)no_hotplug_exit);
