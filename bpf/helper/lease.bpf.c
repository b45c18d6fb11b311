// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel lease: a timer inside the kernel that ends whatever scheduler runs, unless it is armed again or cancelled
 * in time. It works when the helper is stopped or starved, because no task has to run for it.
 *
 * On 7.1 and later it does nothing to a policy that takes sub-schedulers (ops.sub_attach); the loader refuses those.
 */
#include <fleetsched/bpf.bpf.h>

#include "lease.h"

#define CLOCK_BOOTTIME 7

/* BPF helpers by their numbers, which are ABI. */
static long (*const bpf_timer_init)(void *timer, void *map, u64 flags) = (void *)169;
static long (*const bpf_timer_set_callback)(void *timer, void *callback) = (void *)170;
static long (*const bpf_timer_start)(void *timer, u64 nsecs, u64 flags) = (void *)171;
static long (*const bpf_timer_cancel)(void *timer) = (void *)172;

void scx_bpf_exit_bstr(s64 exit_code, char *fmt, unsigned long long *data, u32 data__sz) __ksym __weak;

struct bpf_timer {
	u64 opaque[2];
} __attribute__((aligned(8)));

struct slot {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct slot);
} slots SEC(".maps");

char message[] = "the fleetsched lease ran out";

static int end_scheduler(void *map, u32 *key, struct slot *slot)
{
	unsigned long long none[1] = { 0 };	/* must not be NULL */

	scx_bpf_exit_bstr(LEASE_EXIT_CODE, message, none, 0);
	return 0;
}

SEC("syscall") int lease(struct lease_args *args)
{
	u32 key = 0;
	struct slot *slot = bpf_map_lookup_elem(&slots, &key);

	if (!slot)
		return -1;
	if (!args->ns)
		return bpf_timer_cancel(&slot->timer) < 0 ? -1 : 0;
	bpf_timer_init(&slot->timer, &slots, CLOCK_BOOTTIME);	/* -EBUSY after the first time */
	if (bpf_timer_set_callback(&slot->timer, end_scheduler))
		return -2;
	return bpf_timer_start(&slot->timer, args->ns, 0) ? -3 : 0;
}

char _license[] SEC("license") = "GPL";
