// SPDX-License-Identifier: GPL-2.0-only
/*
 * kprobe-program: brings a probe along
 *
 * For tests only. It would run at the end of every process. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(kprobe_program_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(kprobe_program_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(kprobe_program_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(kprobe_program_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(kprobe_program,
	.enqueue	= (void *)kprobe_program_enqueue,
	.cpu_online	= (void *)kprobe_program_cpu_online,
	.cpu_offline	= (void *)kprobe_program_cpu_offline,
	.exit		= (void *)kprobe_program_exit);

SEC("kprobe/do_exit") int kprobe_program_hidden(void *ctx)
{
	return 0;
}
