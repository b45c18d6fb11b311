// SPDX-License-Identifier: GPL-2.0-only
/*
 * giant-map: has a map of eight gigabytes
 *
 * For tests only. Loading it would take the host's memory. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1000000000);
	__type(key, u32);
	__type(value, u64);
} table SEC(".maps");

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(giant_map_enqueue, struct task_struct *p, u64 enq_flags)
{
	u32 first = 0;

	if (!bpf_map_lookup_elem(&table, &first))
		enq_flags = 0;
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(giant_map_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(giant_map_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(giant_map_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(giant_map,
	.enqueue	= (void *)giant_map_enqueue,
	.cpu_online	= (void *)giant_map_cpu_online,
	.cpu_offline	= (void *)giant_map_cpu_offline,
	.exit		= (void *)giant_map_exit);
