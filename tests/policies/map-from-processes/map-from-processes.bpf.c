// SPDX-License-Identifier: GPL-2.0-only
/*
 * map-from-processes: has a queue that processes fill
 *
 * For tests only. What it does would be decided by who maps it. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

struct {
	__uint(type, 31);
	__uint(max_entries, 4096);
} table SEC(".maps");

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(map_from_processes_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(map_from_processes_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(map_from_processes_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(map_from_processes_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(map_from_processes,
	.enqueue	= (void *)map_from_processes_enqueue,
	.cpu_online	= (void *)map_from_processes_cpu_online,
	.cpu_offline	= (void *)map_from_processes_cpu_offline,
	.exit		= (void *)map_from_processes_exit);
