// SPDX-License-Identifier: GPL-2.0-only
/*
 * pins-a-map: a good scheduler with a map that would stay in the kernel, for others to find
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, 1);
	__type(key, u32);
	__type(value, u64);
} stays SEC(".maps");

void BPF_STRUCT_OPS(pins_a_map_enqueue, struct task_struct *p, u64 enq_flags)
{
	u32 only = 0;
	u64 *count = bpf_map_lookup_elem(&stays, &only);

	if (count)
		__sync_fetch_and_add(count, 1);
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(pins_a_map_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(pins_a_map,
	.enqueue	= (void *)pins_a_map_enqueue,
	.exit		= (void *)pins_a_map_exit);
