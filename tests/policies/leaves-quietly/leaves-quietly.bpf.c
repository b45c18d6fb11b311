// SPDX-License-Identifier: GPL-2.0-only
/*
 * leaves-quietly: says goodbye at once, and calls it no fault
 *
 * For tests only. An exit that is no error: kind 65, below all faults, and the log has nothing red. The attach gate
 * stops it.
 */
#include <fleetsched/policy.bpf.h>

static char goodbye[] = "thank you, that was all";

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(leaves_quietly_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(leaves_quietly_running, struct task_struct *p)
{
	u64 none = 0;

	scx_bpf_exit_bstr(0, goodbye, &none, sizeof(none));
}

void BPF_STRUCT_OPS(leaves_quietly_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(leaves_quietly_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(leaves_quietly_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(leaves_quietly,
	.enqueue	= (void *)leaves_quietly_enqueue,
	.running	= (void *)leaves_quietly_running,
	.cpu_online	= (void *)leaves_quietly_cpu_online,
	.cpu_offline	= (void *)leaves_quietly_cpu_offline,
	.exit		= (void *)leaves_quietly_exit);
