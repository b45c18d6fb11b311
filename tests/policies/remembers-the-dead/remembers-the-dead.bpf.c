// SPDX-License-Identifier: GPL-2.0-only
/*
 * remembers-the-dead: forgets no task that it has ever seen
 *
 * For tests only. Its map has place for two hundred, and it gives up when there is no more. The stress gate stops it,
 * with a storm of forks.
 */
#include <fleetsched/policy.bpf.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 200);
	__type(key, s32);
	__type(value, u64);
} seen SEC(".maps");

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(remembers_the_dead_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(remembers_the_dead_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	s32 pid = p->pid;
	u64 now = bpf_ktime_get_ns();

	if (bpf_map_update_elem(&seen, &pid, &now, 0))
		scx_bpf_error("no place for another task");
	return 0;
}

void BPF_STRUCT_OPS(remembers_the_dead_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(remembers_the_dead_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(remembers_the_dead_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(remembers_the_dead,
	.enqueue	= (void *)remembers_the_dead_enqueue,
	.init_task	= (void *)remembers_the_dead_init_task,
	.cpu_online	= (void *)remembers_the_dead_cpu_online,
	.cpu_offline	= (void *)remembers_the_dead_cpu_offline,
	.exit		= (void *)remembers_the_dead_exit);
