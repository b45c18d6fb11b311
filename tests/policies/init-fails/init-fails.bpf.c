// SPDX-License-Identifier: GPL-2.0-only
/*
 * init-fails: ops.init returns -EINVAL
 *
 * For tests only. The kernel accepts the attach all the same and says so only in its state and in the exit record.
 */
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

s32 BPF_STRUCT_OPS_SLEEPABLE(init_fails_init)
{
	return -EINVAL;
}

void BPF_STRUCT_OPS(init_fails_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(init_fails,
	.init	= (void *)init_fails_init,
	.exit	= (void *)init_fails_exit);
