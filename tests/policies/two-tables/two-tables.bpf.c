// SPDX-License-Identifier: GPL-2.0-only
/*
 * two-tables: has a second scheduler in it
 *
 * For tests only. Which one runs would be the loader's choice. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(two_tables_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(two_tables_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(two_tables_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(two_tables_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(two_tables,
	.enqueue	= (void *)two_tables_enqueue,
	.cpu_online	= (void *)two_tables_cpu_online,
	.cpu_offline	= (void *)two_tables_cpu_offline,
	.exit		= (void *)two_tables_exit);

SEC(".struct_ops.link")
struct sched_ext_ops other_ops = {
	.name	= "other",
	.exit	= (void *)two_tables_exit,
};
