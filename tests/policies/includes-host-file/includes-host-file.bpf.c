// SPDX-License-Identifier: GPL-2.0-only
/*
 * includes-host-file: reads a file of the machine that builds it
 *
 * For tests only. What the compiler says of the file's lines would be in a log. The compile gate stops it, before the
 * compiler opens a file.
 */
#include <fleetsched/policy.bpf.h>
#include "/etc/passwd"

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(includes_host_file_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(includes_host_file_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(includes_host_file_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(includes_host_file_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(includes_host_file,
	.enqueue	= (void *)includes_host_file_enqueue,
	.cpu_online	= (void *)includes_host_file_cpu_online,
	.cpu_offline	= (void *)includes_host_file_cpu_offline,
	.exit		= (void *)includes_host_file_exit);
