/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a policy remembers of each task and of each CPU: the maps, and how to look into them. Beside policy.bpf.h.
 *
 * After `struct task_ctx { ... };`, TASK_CTXS_DEFINE(task_ctx) brings the map `task_ctxs`,
 *
 *	create_task_ctx(p)	for init_task, all zero; NULL when there is no memory;
 *	try_lookup_task_ctx(p)	afterwards; NULL when init_task was not called for it.
 *
 * After `struct cpu_ctx { ... };`, CPU_CTXS_DEFINE(cpu_ctx) brings the map `cpu_ctxs`, all zero at the start, and
 *
 *	try_lookup_cpu_ctx(cpu)	NULL when there is no such CPU.
 *
 * The verifier wants each NULL looked for.
 */
#ifndef FLEETSCHED_CONTEXTS_BPF_H
#define FLEETSCHED_CONTEXTS_BPF_H

#include <fleetsched/bpf.bpf.h>

#define TASK_CTXS_DEFINE(ctx)                                                                               \
	struct {                                                                                            \
		__uint(type, BPF_MAP_TYPE_TASK_STORAGE);                                                    \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                                       \
		__type(key, int);                                                                           \
		__type(value, struct ctx);                                                                  \
	} ctx##s SEC(".maps");                                                                              \
                                                                                                            \
	static struct ctx *create_##ctx(struct task_struct *p)                                              \
	{                                                                                                   \
		return bpf_task_storage_get(&ctx##s, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);              \
	}                                                                                                   \
                                                                                                            \
	static struct ctx *try_lookup_##ctx(struct task_struct *p)                                          \
	{                                                                                                   \
		return bpf_task_storage_get(&ctx##s, p, NULL, 0);                                           \
	}

#define CPU_CTXS_DEFINE(ctx)                                                                                \
	struct {                                                                                            \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                                    \
		__uint(max_entries, 1);                                                                     \
		__type(key, u32);                                                                           \
		__type(value, struct ctx);                                                                  \
	} ctx##s SEC(".maps");                                                                              \
                                                                                                            \
	static struct ctx *try_lookup_##ctx(s32 cpu)                                                        \
	{                                                                                                   \
		u32 only = 0;                                                                               \
                                                                                                            \
		return bpf_map_lookup_percpu_elem(&ctx##s, &only, cpu);                                     \
	}

#endif /* FLEETSCHED_CONTEXTS_BPF_H */
