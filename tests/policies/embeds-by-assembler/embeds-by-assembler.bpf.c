// SPDX-License-Identifier: GPL-2.0-only
/*
 * embeds-by-assembler: takes a file into the object by the assembler
 *
 * For tests only. It would be sent to every host. The compile gate stops it, before the compiler opens a file.
 */
#include <fleetsched/policy.bpf.h>
__asm__(".incbin \"/etc/passwd\"");

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(embeds_by_assembler_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(embeds_by_assembler_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(embeds_by_assembler_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(embeds_by_assembler_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(embeds_by_assembler,
	.enqueue	= (void *)embeds_by_assembler_enqueue,
	.cpu_online	= (void *)embeds_by_assembler_cpu_online,
	.cpu_offline	= (void *)embeds_by_assembler_cpu_offline,
	.exit		= (void *)embeds_by_assembler_exit);
