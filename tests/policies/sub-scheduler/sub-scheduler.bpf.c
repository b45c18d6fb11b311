// SPDX-License-Identifier: GPL-2.0-only
/*
 * sub-scheduler: lets cgroups bring schedulers of their own
 *
 * For tests only. With sub_attach the kernel lease of the host's helper ends nothing on Linux 7.1 or later. The
 * headers do not have it, so it brings an ops table of its own. The inspect gate stops it.
 */
#define sched_ext_ops sched_ext_ops_of_the_headers
#include <fleetsched/policy.bpf.h>
#undef sched_ext_ops

struct sched_ext_ops {
	void (*enqueue)(struct task_struct *p, u64 enq_flags);
	void (*cpu_online)(s32 cpu);
	void (*cpu_offline)(s32 cpu);
	void (*exit)(struct scx_exit_info *info);
	s32 (*sub_attach)(void *args);
	u32 timeout_ms;
	char name[128];
};

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(sub_scheduler_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

s32 BPF_STRUCT_OPS(sub_scheduler_sub_attach, void *args)
{
	return 0;
}

void BPF_STRUCT_OPS(sub_scheduler_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(sub_scheduler_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(sub_scheduler_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(sub_scheduler,
	.enqueue	= (void *)sub_scheduler_enqueue,
	.sub_attach	= (void *)sub_scheduler_sub_attach,
	.cpu_online	= (void *)sub_scheduler_cpu_online,
	.cpu_offline	= (void *)sub_scheduler_cpu_offline,
	.exit		= (void *)sub_scheduler_exit);
