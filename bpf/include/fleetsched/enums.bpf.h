/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's constants. Some moved between versions (SCX_ENQ_HEAD and SCX_ENQ_CPU_SELECTED in 6.19), so each name is
 * a relocation that the loader fills from the running kernel's BTF. The numbers below are only what the compiler needs
 * to give each enum its width; they are not used.
 */
#ifndef FLEETSCHED_ENUMS_BPF_H
#define FLEETSCHED_ENUMS_BPF_H

enum scx_dsq_id_flags {
	SCX_DSQ_GLOBAL = 0x8000000000000001ULL,
	SCX_DSQ_LOCAL = 0x8000000000000002ULL,
	SCX_DSQ_LOCAL_ON = 0xC000000000000000ULL,
};

enum scx_public_consts {
	SCX_SLICE_DFL = 20000000ULL,
	SCX_SLICE_INF = 0xffffffffffffffffULL,
};

enum scx_enq_flags {
	SCX_ENQ_WAKEUP = 1ULL,
	SCX_ENQ_HEAD = 65536ULL,
	SCX_ENQ_PREEMPT = 0x100000000ULL,
	SCX_ENQ_LAST = 0x20000000000ULL,
};

enum scx_deq_flags {
	SCX_DEQ_SLEEP = 1ULL,
	SCX_DEQ_CORE_SCHED_EXEC = 0x100000000ULL, /* makes the enum as wide as the kernel's */
};

enum scx_kick_flags {
	SCX_KICK_IDLE = 1,
	SCX_KICK_PREEMPT = 2,
};

enum scx_ops_flags {
	SCX_OPS_ENQ_LAST = 2ULL,
	SCX_OPS_ENQ_EXITING = 4ULL,
	SCX_OPS_ALLOW_QUEUED_WAKEUP = 32ULL,
};

/* The kernel's value (1) or its presence (0) of one enumerator; the odd pointer is the form that the compiler asks for. */
#define fleetsched_enum_value(type, name) __builtin_preserve_enum_value(*(enum type *)name, 1)
#define fleetsched_enum_exists(type, name) __builtin_preserve_enum_value(*(enum type *)name, 0)

#define SCX_DSQ_GLOBAL fleetsched_enum_value(scx_dsq_id_flags, SCX_DSQ_GLOBAL)
#define SCX_DSQ_LOCAL fleetsched_enum_value(scx_dsq_id_flags, SCX_DSQ_LOCAL)
#define SCX_DSQ_LOCAL_ON fleetsched_enum_value(scx_dsq_id_flags, SCX_DSQ_LOCAL_ON)

#define SCX_SLICE_DFL fleetsched_enum_value(scx_public_consts, SCX_SLICE_DFL)
#define SCX_SLICE_INF fleetsched_enum_value(scx_public_consts, SCX_SLICE_INF)

#define SCX_ENQ_WAKEUP fleetsched_enum_value(scx_enq_flags, SCX_ENQ_WAKEUP)
#define SCX_ENQ_HEAD fleetsched_enum_value(scx_enq_flags, SCX_ENQ_HEAD)
#define SCX_ENQ_PREEMPT fleetsched_enum_value(scx_enq_flags, SCX_ENQ_PREEMPT)
#define SCX_ENQ_LAST fleetsched_enum_value(scx_enq_flags, SCX_ENQ_LAST)

#define SCX_DEQ_SLEEP fleetsched_enum_value(scx_deq_flags, SCX_DEQ_SLEEP)

#define SCX_KICK_IDLE fleetsched_enum_value(scx_kick_flags, SCX_KICK_IDLE)
#define SCX_KICK_PREEMPT fleetsched_enum_value(scx_kick_flags, SCX_KICK_PREEMPT)

#endif /* FLEETSCHED_ENUMS_BPF_H */
