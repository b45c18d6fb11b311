// SPDX-License-Identifier: GPL-2.0-only
/*
 * reads-kernel-variable: looks at a variable of the kernel
 *
 * For tests only. What a policy may know comes through the headers. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

extern const int runqueues __ksym;

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(reads_kernel_variable_enqueue, struct task_struct *p, u64 enq_flags)
{
	if (&runqueues == (void *)p)
		return;
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(reads_kernel_variable_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(reads_kernel_variable_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(reads_kernel_variable_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(reads_kernel_variable,
	.enqueue	= (void *)reads_kernel_variable_enqueue,
	.cpu_online	= (void *)reads_kernel_variable_cpu_online,
	.cpu_offline	= (void *)reads_kernel_variable_cpu_offline,
	.exit		= (void *)reads_kernel_variable_exit);
