// SPDX-License-Identifier: GPL-2.0-only
/*
 * giant-task-storage: keeps forty kilobytes for every task
 *
 * For tests only. A machine has thousands of them. The inspect gate stops it.
 */
#include <fleetsched/policy.bpf.h>

struct large {
	u64 words[5000];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct large);
} table SEC(".maps");

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(giant_task_storage_enqueue, struct task_struct *p, u64 enq_flags)
{
	if (!bpf_task_storage_get(&table, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE))
		enq_flags = 0;
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(giant_task_storage_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(giant_task_storage_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(giant_task_storage_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(giant_task_storage,
	.enqueue	= (void *)giant_task_storage_enqueue,
	.cpu_online	= (void *)giant_task_storage_cpu_online,
	.cpu_offline	= (void *)giant_task_storage_cpu_offline,
	.exit		= (void *)giant_task_storage_exit);
