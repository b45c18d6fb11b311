/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's types, as far as policies use them.
 *
 * Every record carries preserve_access_index: the loader finds each field by its name in the running kernel's BTF, so
 * neither order nor offsets matter here. What does matter is the kind of each field (an int where the kernel has an
 * enum is refused at load once it is used). Add a field when a policy needs it, with the kernel's own name and type.
 */
#ifndef FLEETSCHED_TYPES_BPF_H
#define FLEETSCHED_TYPES_BPF_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

typedef _Bool bool;
enum { false = 0, true = 1 };

#define NULL ((void *)0)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Defined and not only declared: an argument of an incomplete type is refused at load. */
struct cpumask {
	unsigned long bits[1];
};

struct sched_ext_entity {
	u32 weight;	/* 1 to 10000, 100 is nice 0 */
	u64 slice;	/* ns left of the current slice */
	u64 dsq_vtime;	/* key in a queue ordered by virtual time */
};

struct task_struct {
	u32 flags; /* PF_* */
	s32 pid;
	int nr_cpus_allowed;
	const struct cpumask *cpus_ptr;
	struct sched_ext_entity scx;
};

struct scx_init_task_args {
	bool fork;
};

struct scx_exit_task_args {
	bool cancelled;
};

enum scx_exit_kind {
	SCX_EXIT_NONE = 0,
};

struct scx_exit_info {
	enum scx_exit_kind kind;
	s64 exit_code;
	const char *reason;
	unsigned long *bt; /* where the kernel found the fault */
	u32 bt_len;
	char *msg;
};

/* Arguments of kfuncs that take more than five values (6.19 and later). */
struct scx_bpf_dsq_insert_vtime_args {
	u64 dsq_id;
	u64 slice;
	u64 vtime;
	u64 enq_flags;
};

#pragma clang attribute pop

/* A walk through a queue; what is in it is the kernel's business. */
struct bpf_iter_scx_dsq {
	u64 __opaque[6];
};

#define E2BIG 7
#define ENOMEM 12
#define EINVAL 22

#define PF_KTHREAD 0x00200000 /* task_struct.flags: a kernel thread */

/*
 * The callbacks and settings that a policy may fill in. The loader matches members by name, so this is a selection of
 * the kernel's struct: what every kernel from 6.12 on has.
 */
struct sched_ext_ops {
	s32 (*select_cpu)(struct task_struct *p, s32 prev_cpu, u64 wake_flags);
	void (*enqueue)(struct task_struct *p, u64 enq_flags);
	void (*dequeue)(struct task_struct *p, u64 deq_flags);
	void (*dispatch)(s32 cpu, struct task_struct *prev);
	void (*tick)(struct task_struct *p);
	void (*runnable)(struct task_struct *p, u64 enq_flags);
	void (*running)(struct task_struct *p);
	void (*stopping)(struct task_struct *p, bool runnable);
	void (*quiescent)(struct task_struct *p, u64 deq_flags);
	bool (*yield)(struct task_struct *from, struct task_struct *to);
	void (*set_weight)(struct task_struct *p, u32 weight);
	void (*set_cpumask)(struct task_struct *p, const struct cpumask *cpumask);
	void (*update_idle)(s32 cpu, bool idle);
	s32 (*init_task)(struct task_struct *p, struct scx_init_task_args *args);
	void (*exit_task)(struct task_struct *p, struct scx_exit_task_args *args);
	void (*enable)(struct task_struct *p);
	void (*disable)(struct task_struct *p);
	void (*cpu_online)(s32 cpu);
	void (*cpu_offline)(s32 cpu);
	s32 (*init)(void);
	void (*exit)(struct scx_exit_info *info);
	u32 dispatch_max_batch;
	u64 flags;
	u32 timeout_ms;
	u32 exit_dump_len;
	u64 hotplug_seq;
	char name[128];
};

#endif /* FLEETSCHED_TYPES_BPF_H */
