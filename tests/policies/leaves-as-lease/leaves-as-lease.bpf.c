// SPDX-License-Identifier: GPL-2.0-only
/*
 * leaves-as-lease: ends itself with the exit code of the helper's kernel lease, again and again
 *
 * For tests only, and not of the gates: first in, first out, on one queue. From a time on, which is long enough after the
 * attach that it was confirmed, each attach of it lasts for a second.
 */
#include <fleetsched/policy.bpf.h>

#define LEASE_EXIT_CODE 0x66736c73	/* bpf/helper/lease.h */

/* CLOCK_MONOTONIC from which on it leaves; 0: never. */
const volatile u64 at_ms = 0;

UEI_DEFINE(uei);

static char goodbye[] = "the fleetsched lease ran out";
static u64 attached_ns;

void BPF_STRUCT_OPS(leaves_as_lease_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(leaves_as_lease_running, struct task_struct *p)
{
	u64 now = bpf_ktime_get_ns(), none = 0;

	if (at_ms && now > at_ms * NSEC_PER_MSEC && now - attached_ns > 1000 * NSEC_PER_MSEC)
		scx_bpf_exit_bstr(LEASE_EXIT_CODE, goodbye, &none, sizeof(none));
}

void BPF_STRUCT_OPS(leaves_as_lease_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(leaves_as_lease_cpu_offline, s32 cpu)
{
}

s32 BPF_STRUCT_OPS_SLEEPABLE(leaves_as_lease_init)
{
	attached_ns = bpf_ktime_get_ns();
	return 0;
}

void BPF_STRUCT_OPS(leaves_as_lease_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(leaves_as_lease,
	.enqueue	= (void *)leaves_as_lease_enqueue,
	.running	= (void *)leaves_as_lease_running,
	.cpu_online	= (void *)leaves_as_lease_cpu_online,
	.cpu_offline	= (void *)leaves_as_lease_cpu_offline,
	.init		= (void *)leaves_as_lease_init,
	.exit		= (void *)leaves_as_lease_exit);
