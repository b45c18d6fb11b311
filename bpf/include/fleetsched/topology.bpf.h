/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which CPUs share a last-level cache (an LLC), and which LLCs are close to each other, as the kernel itself knows it.
 *
 * No function tells a policy. But every task leads to its CPU's run queue and from there to the CPU's scheduling domains:
 * the sets of CPUs, one around the other, over which the kernel's own scheduler balances. Those that share an LLC have
 * `shared`, and the domain above them is divided into groups of which the first is the LLC of this CPU. So
 *
 *	the CPUs of the LLC	are the first group of the domain above the last one with `shared`;
 *	the LLCs near it	are the first group of the domain above that one: a NUMA node with several LLCs, or all
 *				LLCs where there is no further domain.
 *
 * Read on 6.18.15 and 7.3.4. `span`, which would be shorter, is gone in 7.3.4.
 *
 * Include it after policy.bpf.h, and only where it is needed.
 */
#ifndef FLEETSCHED_TOPOLOGY_BPF_H
#define FLEETSCHED_TOPOLOGY_BPF_H

#include <fleetsched/kfuncs.bpf.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sched_domain_shared {
	int has_idle_cores;
};

struct sched_group {
	unsigned long cpumask[1]; /* as many words as there are bits for CPUs */
};

struct sched_domain {
	struct sched_domain *parent;
	struct sched_group *groups; /* the first is that of this CPU */
	struct sched_domain_shared *shared;
};

struct rq {
	int cpu;
	struct sched_domain *sd;
};

struct cfs_rq {
	struct rq *rq;
};

struct sched_entity {
	struct cfs_rq *cfs_rq; /* of the CPU that the task is on, whatever class it is of */
};

/* The loader drops "___" and what follows: these are more fields of the same kernel type as in types.bpf.h. */
struct task_struct___topology {
	struct sched_entity se;
};

#pragma clang attribute pop

/* In the flags of select_cpu: the task is new, and near its parent only by chance. */
enum scx_wake_flags {
	SCX_WAKE_FORK = 4,
};

#define SCX_WAKE_FORK fleetsched_enum_value(scx_wake_flags, SCX_WAKE_FORK)

#define fleetsched_field_exists(field) __builtin_preserve_field_info(field, 2)

#define TOPOLOGY_MAX_CPUS 1024
#define TOPOLOGY_MAX_LEVELS 16
#define TOPOLOGY_WORDS (TOPOLOGY_MAX_CPUS / 64)

struct fleetsched_cpus {
	u64 bits[TOPOLOGY_WORDS];
};

static __always_inline bool fleetsched_cpus_has(const struct fleetsched_cpus *cpus, u32 cpu)
{
	return cpu < TOPOLOGY_MAX_CPUS && cpus->bits[cpu / 64 & (TOPOLOGY_WORDS - 1)] >> cpu % 64 & 1;
}

/**
 * Return the lowest domain of the CPU of @p, in @cpu the number of that CPU. NULL when the CPU has no domain (it is the
 * only one, it is isolated, or it has just come and is not in use yet), or when the kernel does not tell.
 */
static __always_inline struct sched_domain *fleetsched_domain(struct task_struct *p, s32 *cpu)
{
	struct task_struct___topology *task = (void *)p;
	struct rq *rq;

	if (!fleetsched_field_exists(task->se.cfs_rq) || !fleetsched_field_exists(task->se.cfs_rq->rq))
		return NULL;
	rq = task->se.cfs_rq->rq;
	*cpu = rq->cpu;
	return rq->sd;
}

/**
 * Return the domain of which the LLC is one group, from the CPU's lowest domain. NULL when all CPUs share one LLC.
 */
static __always_inline struct sched_domain *fleetsched_above_llc(struct sched_domain *lowest)
{
	struct sched_domain *above = lowest, *each = lowest;
	int level;

	for (level = 0; level < TOPOLOGY_MAX_LEVELS && each; level++) {
		if (each->shared)
			above = each->parent;
		each = each->parent;
	}
	return above;
}

/**
 * Put the group of this CPU in @domain into @cpus: all CPUs when @domain is NULL. Return false if it cannot be read.
 */
static __always_inline bool fleetsched_first_group(struct sched_domain *domain, struct fleetsched_cpus *cpus)
{
	u32 nr_cpus = scx_bpf_nr_cpu_ids(), bytes = (nr_cpus + 63) / 64 * 8;

	__builtin_memset(cpus, domain ? 0 : 0xff, sizeof(*cpus));
	if (!domain)
		return true;
	if (bytes < 8 || bytes > sizeof(*cpus))
		return false;
	return !bpf_probe_read_kernel(cpus, bytes, &domain->groups->cpumask);
}

#endif /* FLEETSCHED_TOPOLOGY_BPF_H */
