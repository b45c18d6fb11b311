// SPDX-License-Identifier: GPL-2.0-only
/*
 * drops-wakeups: loses wakeups when it is busy
 *
 * For tests only. A task that wakes while four others wait is not put into any queue: nobody wakes it again. Nothing
 * is lost on an idle machine. The stress gate stops it.
 */
#include <fleetsched/policy.bpf.h>

enum {
	QUEUE = 0,
	BUSY = 4,
};

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(drops_wakeups_enqueue, struct task_struct *p, u64 enq_flags)
{
	bool woken = enq_flags & SCX_ENQ_WAKEUP && !(p->flags & PF_KTHREAD);

	if (woken && scx_bpf_dsq_nr_queued(QUEUE) >= BUSY)
		return;
	scx_bpf_dsq_insert(p, QUEUE, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(drops_wakeups_dispatch, s32 cpu, struct task_struct *prev)
{
	scx_bpf_dsq_move_to_local(QUEUE);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(drops_wakeups_init)
{
	return scx_bpf_create_dsq(QUEUE, -1);
}

void BPF_STRUCT_OPS(drops_wakeups_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(drops_wakeups_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(drops_wakeups_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(drops_wakeups,
	.enqueue	= (void *)drops_wakeups_enqueue,
	.dispatch	= (void *)drops_wakeups_dispatch,
	.init		= (void *)drops_wakeups_init,
	.cpu_online	= (void *)drops_wakeups_cpu_online,
	.cpu_offline	= (void *)drops_wakeups_cpu_offline,
	.exit		= (void *)drops_wakeups_exit);
