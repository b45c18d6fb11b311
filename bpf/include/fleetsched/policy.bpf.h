/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one header that a policy includes. It brings the kernel's types, constants and functions in a form that does not
 * depend on the kernel's version, the exit record, and the definition of the ops table.
 */
#ifndef FLEETSCHED_POLICY_BPF_H
#define FLEETSCHED_POLICY_BPF_H

#include <fleetsched/types.bpf.h>
#include <fleetsched/enums.bpf.h>
#include <fleetsched/bpf.bpf.h>
#include <fleetsched/kfuncs.bpf.h>

#define NSEC_PER_USEC 1000ULL
#define NSEC_PER_MSEC 1000000ULL

/**
 * Return @value, at least @low and at most @high.
 */
static __always_inline u64 clamp_u64(u64 value, u64 low, u64 high)
{
	return value < low ? low : value > high ? high : value;
}

/**
 * Return true if virtual time @a is before @b. Both may have wrapped around.
 */
static __always_inline bool vtime_before(u64 a, u64 b)
{
	return (s64)(a - b) < 0;
}

/*
 * The exit record: why the kernel ended this policy. Who loaded the policy finds the variable by its name `uei` in the
 * object's .data, and reads it with a map lookup after the end. `kind` is written last: until it is not zero, the rest
 * is not there yet. Then the ring wakes who waits for the end, so that nobody has to look again and again.
 */
#define UEI_BT_LEN 8 /* calls of the backtrace, innermost first; the kernel keeps 64 */

struct user_exit_info {
	int kind;
	s64 exit_code;
	char reason[128];
	char msg[1024];
	char bt[UEI_BT_LEN * 64]; /* a line a call, "0x0" where there was none; empty when the end was no fault */
};

#define UEI_DEFINE(uei)                                                                                     \
	struct {                                                                                            \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                         \
		__uint(max_entries, 4096);                                                                  \
	} uei##_ring SEC(".maps");                                                                          \
	struct user_exit_info uei SEC(".data")

#define UEI_RECORD(uei, info)                                                                               \
	({                                                                                                  \
		static const char bt_fmt_[] = "%pB\n%pB\n%pB\n%pB\n%pB\n%pB\n%pB\n%pB";                    \
		u64 bt_[UEI_BT_LEN] = {};                                                                   \
                                                                                                            \
		bpf_probe_read_kernel_str((uei).reason, sizeof((uei).reason), (info)->reason);              \
		bpf_probe_read_kernel_str((uei).msg, sizeof((uei).msg), (info)->msg);                       \
		if ((info)->bt_len && !bpf_probe_read_kernel(bt_, sizeof(bt_), (info)->bt))                 \
			bpf_snprintf((uei).bt, sizeof((uei).bt), bt_fmt_, bt_, sizeof(bt_));                \
		(uei).exit_code = (info)->exit_code;                                                        \
		__sync_val_compare_and_swap(&(uei).kind, (uei).kind, (info)->kind);                         \
		bpf_ringbuf_output(&uei##_ring, &(uei).kind, sizeof((uei).kind), BPF_RB_FORCE_WAKEUP);      \
	})

/*
 * The ops table and the licence. @policy is the policy's name, with "_" for "-" (the kernel refuses "-" in names).
 * timeout_ms: a task that waits longer has the policy ejected. 5000 is the catalogue's limit; the kernel's is 30000.
 * @callbacks may set it to something else.
 */
#define FLEETSCHED_OPS_DEFINE(policy, callbacks...)                                                         \
	char _license[] SEC("license") = "GPL";                                                             \
	_Pragma("clang diagnostic push")                                                                    \
	_Pragma("clang diagnostic ignored \"-Winitializer-overrides\"")                                     \
	SEC(".struct_ops.link")                                                                             \
	struct sched_ext_ops policy##_ops = {                                                               \
		.name = #policy,                                                                            \
		.timeout_ms = 5000,                                                                         \
		callbacks                                                                                   \
	}                                                                                                   \
	_Pragma("clang diagnostic pop")

#endif /* FLEETSCHED_POLICY_BPF_H */
