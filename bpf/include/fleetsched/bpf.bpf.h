/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a BPF program needs of its loader and of BPF itself: sections, map declarations, the form of a callback, and
 * the BPF helpers that policies may call.
 */
#ifndef FLEETSCHED_BPF_BPF_H
#define FLEETSCHED_BPF_BPF_H

#include <fleetsched/types.bpf.h>

#define SEC(name) __attribute__((section(name), used))
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define __weak __attribute__((weak))
#define __ksym __attribute__((section(".ksyms")))

/* Members of a map declaration: `struct { __uint(type, ...); __type(key, u32); ... } name SEC(".maps");` */
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum {
	BPF_F_NO_PREALLOC = 1,
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1,
	BPF_RB_FORCE_WAKEUP = 2,
};

/* BPF helpers by their numbers, which are ABI. */
static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static u32 (*const bpf_get_smp_processor_id)(void) = (void *)8;
static long (*const bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*const bpf_probe_read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static long (*const bpf_ringbuf_output)(void *map, const void *data, u64 size, u64 flags) = (void *)130;
static void *(*const bpf_task_storage_get)(void *map, struct task_struct *task, void *value, u64 flags) = (void *)156;
static long (*const bpf_snprintf)(char *to, u32 size, const char *fmt, const u64 *values, u32 bytes) = (void *)165;
static void *(*const bpf_map_lookup_percpu_elem)(void *map, const void *key, u32 cpu) = (void *)195;

/*
 * A callback. The kernel passes one array with a u64 slot for each argument; these macros turn it into ordinary
 * parameters:  `void BPF_STRUCT_OPS(fair_enqueue, struct task_struct *p, u64 enq_flags) { ... }`
 * A sleepable callback may allocate (init, init_task).
 */
#define BPF_STRUCT_OPS(name, args...) fleetsched_callback("struct_ops", name, ##args)
#define BPF_STRUCT_OPS_SLEEPABLE(name, args...) fleetsched_callback("struct_ops.s", name, ##args)

#define fleetsched_fifth(a, b, c, d, e, ...) e
#define fleetsched_slots_0
#define fleetsched_slots_1 , (void *)slots[0]
#define fleetsched_slots_2 fleetsched_slots_1, (void *)slots[1]
#define fleetsched_slots_3 fleetsched_slots_2, (void *)slots[2]
#define fleetsched_slots(args...)                                                                           \
	fleetsched_fifth(_, ##args, fleetsched_slots_3, fleetsched_slots_2, fleetsched_slots_1, fleetsched_slots_0)

#define fleetsched_callback(section, name, args...)                                                         \
	name(u64 *slots);                                                                                   \
	static __always_inline typeof(name(NULL)) name##_body(u64 *slots, ##args);                          \
	SEC(section) typeof(name(NULL)) name(u64 *slots)                                                    \
	{                                                                                                   \
		_Pragma("clang diagnostic push")                                                            \
		_Pragma("clang diagnostic ignored \"-Wint-conversion\"")                                    \
		return name##_body(slots fleetsched_slots(args));                                           \
		_Pragma("clang diagnostic pop")                                                             \
	}                                                                                                   \
	static __always_inline typeof(name(NULL)) name##_body(u64 *slots, ##args)

#endif /* FLEETSCHED_BPF_BPF_H */
