// SPDX-License-Identifier: GPL-2.0-only
/*
 * embeds-file: takes a file of the building machine into the object
 *
 * For tests only. It would be sent to every host. The compile gate stops it, before the compiler opens a file.
 */
#include <fleetsched/policy.bpf.h>
static const char secret[] = {
#embed "/etc/passwd"
};

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(embeds_file_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(embeds_file_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(embeds_file_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(embeds_file_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(embeds_file,
	.enqueue	= (void *)embeds_file_enqueue,
	.cpu_online	= (void *)embeds_file_cpu_online,
	.cpu_offline	= (void *)embeds_file_cpu_offline,
	.exit		= (void *)embeds_file_exit);
