// SPDX-License-Identifier: GPL-2.0-only
/*
 * The observer: how long tasks wait for a CPU, and how long they run on it, by cgroup and command.
 *
 * A wakeup costs one timestamp in the task's own storage. All counting is done in the switch: what the outgoing task
 * ran, what the incoming one waited. A task remembers the slot of its key, and the slot says whose it is, so that the
 * hash of keys is only asked when a task is new, or changed its name or its cgroup.
 *
 * It reads the arguments of tracepoints and no state of tasks, so a kernel's name for that (state, __state) does not
 * matter; it counts whatever scheduler runs.
 */
#include <fleetsched/bpf.bpf.h>

#include "observe.h"

#define BPF_NOEXIST 1
#define BPF_F_MMAPABLE 1024
#define PREEMPTED 1ULL	/* lowest bit of `since`: it was taken off its CPU, and did not sleep */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct task_struct___observed {
	s32 pid;
	char comm[OBSERVER_COMM];
	struct css_set *cgroups;
};

#pragma clang attribute pop

/* What is known of one task; times in ns. */
struct task {
	u64 since;	/* it waits for a CPU since then; 0: it does not */
	u64 on;		/* it runs since then */
	u32 slot;
};

struct key {
	u64 cgroup;
	u64 comm[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task);
} tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OBSERVER_KEYS);
	__type(key, struct key);
	__type(value, u32);
} keys SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OBSERVER_KEYS + 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct observer_slot);
} slots SEC(".maps");

volatile struct observer_control control = {};

static __always_inline u32 log2_of(u32 v)
{
	u32 log = (v > 0xffff) << 4, step;

	v >>= log;
	step = (v > 0xff) << 3, v >>= step, log |= step;
	step = (v > 0xf) << 2, v >>= step, log |= step;
	step = (v > 0x3) << 1, v >>= step, log |= step;
	return log | (v >> 1);
}

static __always_inline u32 units_of(u64 ns)
{
	u64 units = ns >> OBSERVER_UNIT_SHIFT;

	return units >> OBSERVER_LOGS ? (1U << OBSERVER_LOGS) - 1 : units;
}

static __always_inline void count(u32 *counters, u32 size, u32 at)
{
	asm volatile("" : "+r"(at));	/* so that the bound is checked where the verifier sees it */
	if (at < size)
		__sync_fetch_and_add(&counters[at], 1);
}

/* Four buckets to each power of two. */
static __always_inline void count_wait(u32 *buckets, u64 ns)
{
	u32 v = units_of(ns), log;

	if (v < 4) {
		count(buckets, OBSERVER_BUCKETS, v);
		return;
	}
	log = log2_of(v);
	count(buckets, OBSERVER_BUCKETS, ((log - 1) << 2) + ((v >> (log - 2)) & 3));
}

static __always_inline bool is_of(const struct observer_slot *slot, const struct key *key)
{
	const u64 *comm = (const u64 *)slot->comm;

	return slot->cgroup == key->cgroup && comm[0] == key->comm[0] && comm[1] == key->comm[1];
}

/* The slot of a key that its task does not remember; 0, the slot of all others, when there is no room for it. */
static __noinline u32 find_slot(struct key *key)
{
	u32 *known, at;
	struct observer_slot *slot;

	if (!key)
		return 0;
	known = bpf_map_lookup_elem(&keys, key);
	if (known)
		return *known;
	if (control.used >= OBSERVER_KEYS)
		return 0;
	at = __sync_fetch_and_add(&control.used, 1) + 1;
	slot = bpf_map_lookup_elem(&slots, &at);
	if (!slot)
		return 0;
	if (bpf_map_update_elem(&keys, key, &at, BPF_NOEXIST)) {
		known = bpf_map_lookup_elem(&keys, key);	/* another CPU was faster; its slot counts */
		return known ? *known : 0;
	}
	((u64 *)slot->comm)[0] = key->comm[0];
	((u64 *)slot->comm)[1] = key->comm[1];
	slot->cgroup = key->cgroup;
	return at;
}

static __always_inline void leave(struct task *task, u64 now, bool runnable)
{
	struct observer_slot *slot = bpf_map_lookup_elem(&slots, &task->slot);

	if (slot && task->on >= control.started_ns) {
		__sync_fetch_and_add(&slot->tally.on_ns, now - task->on);
		count(slot->tally.slices, OBSERVER_LOGS, log2_of(units_of(now - task->on)));
	}
	task->on = 0;
	task->since = runnable ? now | PREEMPTED : 0;
}

static __always_inline void arrive(struct task *task, struct task_struct___observed *p, u64 now)
{
	const u64 *comm = (const u64 *)p->comm;
	struct key key = { .cgroup = p->cgroups->dfl_cgrp->kn->id, .comm = { comm[0], comm[1] } };
	struct observer_slot *slot = bpf_map_lookup_elem(&slots, &task->slot);

	if (slot && !is_of(slot, &key)) {
		task->slot = find_slot(&key);
		slot = bpf_map_lookup_elem(&slots, &task->slot);
	}
	if (slot && task->since >= control.started_ns)
		count_wait(task->since & PREEMPTED ? slot->tally.preempted : slot->tally.woken,
			   now > task->since ? now - task->since : 0);
	task->since = 0;
	task->on = now;
}

/* Arguments: preempt, prev, next, prev_state. */
SEC("tp_btf/sched_switch") int observe_switch(u64 *slots_)
{
	struct task_struct *prev = (void *)slots_[1], *next = (void *)slots_[2];
	struct task_struct___observed *from = (void *)prev, *to = (void *)next;
	u64 now = bpf_ktime_get_ns();
	struct task *task;

	if (from->pid) {	/* the idle task is 0 */
		task = bpf_task_storage_get(&tasks, prev, NULL, 0);
		if (task)
			leave(task, now, slots_[0] || !(u32)slots_[3]);
	}
	if (to->pid) {
		task = bpf_task_storage_get(&tasks, next, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (task)
			arrive(task, to, now);
	}
	return 0;
}

static __always_inline void wake(struct task_struct *p)
{
	struct task *task = bpf_task_storage_get(&tasks, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (task)
		task->since = bpf_ktime_get_ns() & ~PREEMPTED;
}

SEC("tp_btf/sched_wakeup") int observe_wakeup(u64 *slots_)
{
	wake((void *)slots_[0]);
	return 0;
}

SEC("tp_btf/sched_wakeup_new") int observe_fork(u64 *slots_)
{
	__sync_fetch_and_add(&control.forks, 1);
	wake((void *)slots_[0]);
	return 0;
}

char _license[] SEC("license") = "GPL";
