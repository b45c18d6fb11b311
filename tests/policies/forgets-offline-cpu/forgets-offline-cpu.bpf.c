// SPDX-License-Identifier: GPL-2.0-only
/*
 * forgets-offline-cpu: leaves the tasks of a CPU that goes where they are
 *
 * For tests only. Processes are shared out to the queues of two CPUs, by their numbers, and no CPU takes from the
 * other's queue. When one of the two goes, what is in its queue waits for ever. The stress gate stops it.
 */
#include <fleetsched/policy.bpf.h>

enum {
	NR_QUEUES = 2,
};

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(forgets_offline_cpu_enqueue, struct task_struct *p, u64 enq_flags)
{
	s32 cpu = p->pid % NR_QUEUES;

	if (p->nr_cpus_allowed < scx_bpf_nr_cpu_ids()) {
		scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
		return;
	}
	scx_bpf_dsq_insert(p, cpu, SCX_SLICE_DFL, enq_flags);
	scx_bpf_kick_cpu(cpu, SCX_KICK_IDLE);
}

s32 BPF_STRUCT_OPS(forgets_offline_cpu_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return prev_cpu;
}

void BPF_STRUCT_OPS(forgets_offline_cpu_dispatch, s32 cpu, struct task_struct *prev)
{
	if (cpu < NR_QUEUES)
		scx_bpf_dsq_move_to_local(cpu);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(forgets_offline_cpu_init)
{
	s32 failed = 0;

	for (u64 queue = 0; queue < NR_QUEUES && !failed; queue++)
		failed = scx_bpf_create_dsq(queue, -1);
	return failed;
}

void BPF_STRUCT_OPS(forgets_offline_cpu_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(forgets_offline_cpu_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(forgets_offline_cpu_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(forgets_offline_cpu,
	.enqueue	= (void *)forgets_offline_cpu_enqueue,
	.select_cpu	= (void *)forgets_offline_cpu_select_cpu,
	.dispatch	= (void *)forgets_offline_cpu_dispatch,
	.init		= (void *)forgets_offline_cpu_init,
	.cpu_online	= (void *)forgets_offline_cpu_cpu_online,
	.cpu_offline	= (void *)forgets_offline_cpu_cpu_offline,
	.exit		= (void *)forgets_offline_cpu_exit);
