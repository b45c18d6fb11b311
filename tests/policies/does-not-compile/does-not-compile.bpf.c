// SPDX-License-Identifier: GPL-2.0-only
/*
 * does-not-compile: uses a name that nothing declares, in line 13
 *
 * For tests only. The compile gate stops it.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(does_not_compile_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, slice_that_nobody_declared, enq_flags);
}

FLEETSCHED_OPS_DEFINE(does_not_compile, .enqueue = (void *)does_not_compile_enqueue);
