// SPDX-License-Identifier: GPL-2.0-only
/*
 * starves-light: never runs a task below the usual weight
 *
 * For tests only. Whoever is nice waits in a queue from which nobody takes, until the watchdog sees it. The stress
 * gate stops it.
 */
#include <fleetsched/policy.bpf.h>

enum {
	NOWHERE = 0,
	USUAL = 100,
};

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(starves_light_enqueue, struct task_struct *p, u64 enq_flags)
{
	bool light = p->scx.weight < USUAL && !(p->flags & PF_KTHREAD);

	scx_bpf_dsq_insert(p, light ? NOWHERE : SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

s32 BPF_STRUCT_OPS(starves_light_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return prev_cpu;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(starves_light_init)
{
	return scx_bpf_create_dsq(NOWHERE, -1);
}

void BPF_STRUCT_OPS(starves_light_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(starves_light_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(starves_light_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(starves_light,
	.enqueue	= (void *)starves_light_enqueue,
	.select_cpu	= (void *)starves_light_select_cpu,
	.init		= (void *)starves_light_init,
	.cpu_online	= (void *)starves_light_cpu_online,
	.cpu_offline	= (void *)starves_light_cpu_offline,
	.exit		= (void *)starves_light_exit);
