// SPDX-License-Identifier: GPL-2.0-only
/*
 * forgets-offline-cpu: leaves the tasks of a CPU that goes where they are
 *
 * For tests only. Each CPU has a queue, from which nobody else takes. What waits there when the CPU goes waits for
 * ever. The stress gate stops it.
 */
#include <fleetsched/policy.bpf.h>

enum {
	MOST_CPUS = 512,
};

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(forgets_offline_cpu_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, scx_bpf_task_cpu(p), SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(forgets_offline_cpu_dispatch, s32 cpu, struct task_struct *prev)
{
	scx_bpf_dsq_move_to_local(cpu);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(forgets_offline_cpu_init)
{
	u32 nr_cpus = scx_bpf_nr_cpu_ids();
	s32 failed = 0;

	for (u32 cpu = 0; cpu < MOST_CPUS && cpu < nr_cpus && !failed; cpu++)
		failed = scx_bpf_create_dsq(cpu, -1);
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
	.dispatch	= (void *)forgets_offline_cpu_dispatch,
	.init		= (void *)forgets_offline_cpu_init,
	.cpu_online	= (void *)forgets_offline_cpu_cpu_online,
	.cpu_offline	= (void *)forgets_offline_cpu_cpu_offline,
	.exit		= (void *)forgets_offline_cpu_exit);
