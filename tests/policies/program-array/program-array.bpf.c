// SPDX-License-Identifier: GPL-2.0-only
/*
 * program-array: has a table of programs to jump to
 *
 * For tests only. What runs would be decided after it was inspected. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

struct {
	__uint(type, 3);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} table SEC(".maps");

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(program_array_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(program_array_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(program_array_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(program_array_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(program_array,
	.enqueue	= (void *)program_array_enqueue,
	.cpu_online	= (void *)program_array_cpu_online,
	.cpu_offline	= (void *)program_array_cpu_offline,
	.exit		= (void *)program_array_exit);
