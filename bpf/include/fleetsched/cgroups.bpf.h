/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The group that a task shares its CPU time in: its cgroup, as far as the cpu controller is on there, or its session
 * (autogroup). Beside policy.bpf.h, for policies that heed cpu.weight.
 *
 * These are plain reads of the kernel's own records, by name, from 6.12 to 7.3. They need no callback for cgroups, and
 * see a changed weight or a moved task at the task's next turn. The kernel keeps `shares` whatever scheduler is on.
 */
#ifndef FLEETSCHED_CGROUPS_BPF_H
#define FLEETSCHED_CGROUPS_BPF_H

#include <fleetsched/types.bpf.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct task_group {
	unsigned long shares; /* cpu.weight, 1024 * 1024 for 100; in the root group what a task of nice 0 has */
	struct task_group *parent;
};

/* One more field of task_struct, under a flavour that the loader takes off. */
struct task_struct___group {
	struct task_group *sched_task_group;
};

#pragma clang attribute pop

#define GROUP_WEIGHT_MAX 10000

/**
 * Return the group of @p. Only in callbacks that may not sleep: there it does not go away meanwhile.
 */
static __always_inline struct task_group *task_group_of(struct task_struct *p)
{
	return ((struct task_struct___group *)p)->sched_task_group;
}

/**
 * Return the cpu.weight of @group, 1 to 10000; 100 where nobody set one.
 */
static __always_inline u32 group_weight(struct task_group *group)
{
	u64 weight = (group->shares * 100 + (1 << 19)) >> 20;

	return weight < 1 ? 1 : weight > GROUP_WEIGHT_MAX ? GROUP_WEIGHT_MAX : weight;
}

#endif /* FLEETSCHED_CGROUPS_BPF_H */
