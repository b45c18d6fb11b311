// SPDX-License-Identifier: GPL-2.0-only
/*
 * pastes-words: makes a word of pieces that is refused when it is whole
 *
 * For tests only. Nobody finds it by searching for the word. The compile gate stops it, before the compiler opens a
 * file.
 */
#include <fleetsched/policy.bpf.h>
#define JOIN(a, b) a##b
JOIN(__as, m__)(".incbin \"/etc/passwd\"");

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(pastes_words_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(pastes_words_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(pastes_words_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(pastes_words_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(pastes_words,
	.enqueue	= (void *)pastes_words_enqueue,
	.cpu_online	= (void *)pastes_words_cpu_online,
	.cpu_offline	= (void *)pastes_words_cpu_offline,
	.exit		= (void *)pastes_words_exit);
