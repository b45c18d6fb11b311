// SPDX-License-Identifier: GPL-2.0-only
/*
 * verifier-rejects: compiles, and no kernel loads it
 *
 * For tests only. A map lookup can fail, and this one does not ask.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} slices SEC(".maps");

void BPF_STRUCT_OPS(verifier_rejects_enqueue, struct task_struct *p, u64 enq_flags)
{
	u32 only = 0;
	u64 *slice = bpf_map_lookup_elem(&slices, &only);

	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, *slice, enq_flags);
}

void BPF_STRUCT_OPS(verifier_rejects_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(verifier_rejects,
	.enqueue	= (void *)verifier_rejects_enqueue,
	.exit		= (void *)verifier_rejects_exit);
