// SPDX-License-Identifier: GPL-2.0-only
/*
 * calls-crash-kexec: calls a kernel function that ends the machine
 *
 * For tests only. The verifier of most kernels would refuse it, too, but no kernel should be asked. The inspect gate
 * stops it.
 */
#include <fleetsched/policy.bpf.h>

extern void crash_kexec(void *registers) __ksym __weak;

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(calls_crash_kexec_enqueue, struct task_struct *p, u64 enq_flags)
{
	if (&crash_kexec)
		crash_kexec(NULL);
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(calls_crash_kexec_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(calls_crash_kexec_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(calls_crash_kexec_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(calls_crash_kexec,
	.enqueue	= (void *)calls_crash_kexec_enqueue,
	.cpu_online	= (void *)calls_crash_kexec_cpu_online,
	.cpu_offline	= (void *)calls_crash_kexec_cpu_offline,
	.exit		= (void *)calls_crash_kexec_exit);
