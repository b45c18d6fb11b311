// SPDX-License-Identifier: GPL-2.0-only
/*
 * hides-by-trigraph: writes the hash of a directive as a trigraph
 *
 * For tests only. The compiler's language has no trigraphs, so what it sees is no directive and no C. The compile
 * gate stops it.
 */
#include <fleetsched/policy.bpf.h>
??=include "/etc/passwd"

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(hides_by_trigraph_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(hides_by_trigraph_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(hides_by_trigraph_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(hides_by_trigraph_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(hides_by_trigraph,
	.enqueue	= (void *)hides_by_trigraph_enqueue,
	.cpu_online	= (void *)hides_by_trigraph_cpu_online,
	.cpu_offline	= (void *)hides_by_trigraph_cpu_offline,
	.exit		= (void *)hides_by_trigraph_exit);
