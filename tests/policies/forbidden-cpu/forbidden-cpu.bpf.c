// SPDX-License-Identifier: GPL-2.0-only
/*
 * forbidden-cpu: sends a task to a CPU that it may not run on
 *
 * For tests only. The first task of one CPU (there is always one: each CPU has kernel threads of its own) is sent to the
 * next CPU. The kernel ends it with "runtime error". It needs two CPUs.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(forbidden_cpu_enqueue, struct task_struct *p, u64 enq_flags)
{
	s32 next = (scx_bpf_task_cpu(p) + 1) % scx_bpf_nr_cpu_ids();

	if (bpf_cpumask_test_cpu(next, p->cpus_ptr))
		scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
	else
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL_ON | next, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(forbidden_cpu_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(forbidden_cpu,
	.enqueue	= (void *)forbidden_cpu_enqueue,
	.exit		= (void *)forbidden_cpu_exit);
