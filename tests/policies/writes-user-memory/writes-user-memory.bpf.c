// SPDX-License-Identifier: GPL-2.0-only
/*
 * writes-user-memory: writes into processes
 *
 * For tests only. A scheduler has no business there (bpf_probe_write_user). The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

static long (*const bpf_probe_write_user)(void *to, const void *from, u32 size) = (void *)36;

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(writes_user_memory_enqueue, struct task_struct *p, u64 enq_flags)
{
	bpf_probe_write_user((void *)0x1000, &enq_flags, sizeof(enq_flags));
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(writes_user_memory_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(writes_user_memory_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(writes_user_memory_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(writes_user_memory,
	.enqueue	= (void *)writes_user_memory_enqueue,
	.cpu_online	= (void *)writes_user_memory_cpu_online,
	.cpu_offline	= (void *)writes_user_memory_cpu_offline,
	.exit		= (void *)writes_user_memory_exit);
