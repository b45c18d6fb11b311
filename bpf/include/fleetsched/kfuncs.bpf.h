/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel functions a policy may call, under one name and one meaning from 6.12 to 7.3.
 *
 * Where versions differ, each form is a weak symbol with a flavour: the loader drops everything after the last "___",
 * looks for the rest in the kernel's BTF, and leaves the address zero when there is none. The verifier then prunes the
 * branch that is not taken. A form that the kernel lacks therefore costs nothing, and only a call to it would fail.
 */
#ifndef FLEETSCHED_KFUNCS_BPF_H
#define FLEETSCHED_KFUNCS_BPF_H

#include <fleetsched/bpf.bpf.h>
#include <fleetsched/enums.bpf.h>

#define kfunc_exists(name) (&(name) != NULL)

/* The same on every version. */
extern s32 scx_bpf_create_dsq(u64 dsq_id, s32 node) __ksym;
extern s32 scx_bpf_dsq_nr_queued(u64 dsq_id) __ksym;
extern s32 scx_bpf_select_cpu_dfl(struct task_struct *p, s32 prev_cpu, u64 wake_flags, bool *is_idle) __ksym;
extern bool scx_bpf_test_and_clear_cpu_idle(s32 cpu) __ksym;
extern s32 scx_bpf_pick_idle_cpu(const struct cpumask *cpus_allowed, u64 flags) __ksym;
extern s32 scx_bpf_task_cpu(const struct task_struct *p) __ksym;
extern u32 scx_bpf_nr_cpu_ids(void) __ksym;
extern void scx_bpf_error_bstr(char *format, u64 *data, u32 data_size) __ksym;
extern void scx_bpf_exit_bstr(s64 exit_code, char *format, u64 *data, u32 data_size) __ksym;
extern const struct cpumask *scx_bpf_get_online_cpumask(void) __ksym;
extern void scx_bpf_put_cpumask(const struct cpumask *cpumask) __ksym;
extern bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *cpumask) __ksym;

/* Insertion: renamed in 6.13 (the old names went in 6.17), a result and argument structs in 6.19. */
extern void scx_bpf_dispatch___6_12(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym __weak;
extern void scx_bpf_dsq_insert___6_13(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym __weak;
extern bool scx_bpf_dsq_insert___v2___6_19(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym __weak;

/**
 * Put @p at the end of the queue @dsq_id with @slice ns to run. Only from select_cpu, enqueue and dispatch.
 */
static __always_inline void scx_bpf_dsq_insert(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags)
{
	if (kfunc_exists(scx_bpf_dsq_insert___v2___6_19))
		scx_bpf_dsq_insert___v2___6_19(p, dsq_id, slice, enq_flags);
	else if (kfunc_exists(scx_bpf_dsq_insert___6_13))
		scx_bpf_dsq_insert___6_13(p, dsq_id, slice, enq_flags);
	else
		scx_bpf_dispatch___6_12(p, dsq_id, slice, enq_flags);
}

extern void scx_bpf_dispatch_vtime___6_12(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime,
					  u64 enq_flags) __ksym __weak;
extern void scx_bpf_dsq_insert_vtime___6_13(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime,
					    u64 enq_flags) __ksym __weak;
extern bool __scx_bpf_dsq_insert_vtime___6_19(struct task_struct *p,
					      struct scx_bpf_dsq_insert_vtime_args *args) __ksym __weak;

/**
 * Put @p into the queue @dsq_id before the first task with a later @vtime. It sets p->scx.dsq_vtime as well. A queue is
 * either used with this or with scx_bpf_dsq_insert(), never with both. Only from select_cpu, enqueue and dispatch.
 */
static __always_inline void scx_bpf_dsq_insert_vtime(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime,
						     u64 enq_flags)
{
	if (kfunc_exists(__scx_bpf_dsq_insert_vtime___6_19)) {
		struct scx_bpf_dsq_insert_vtime_args args = {
			.dsq_id = dsq_id,
			.slice = slice,
			.vtime = vtime,
			.enq_flags = enq_flags,
		};

		__scx_bpf_dsq_insert_vtime___6_19(p, &args);
	} else if (kfunc_exists(scx_bpf_dsq_insert_vtime___6_13)) {
		scx_bpf_dsq_insert_vtime___6_13(p, dsq_id, slice, vtime, enq_flags);
	} else {
		scx_bpf_dispatch_vtime___6_12(p, dsq_id, slice, vtime, enq_flags);
	}
}

extern bool scx_bpf_consume___6_12(u64 dsq_id) __ksym __weak;
extern bool scx_bpf_dsq_move_to_local___6_13(u64 dsq_id) __ksym __weak;
extern bool scx_bpf_dsq_move_to_local___v2___7_1(u64 dsq_id, u64 enq_flags) __ksym __weak;

/**
 * Move the first task of @dsq_id that may run on this CPU to its local queue. Return true if there was one. Only from
 * dispatch.
 */
static __always_inline bool scx_bpf_dsq_move_to_local(u64 dsq_id)
{
	if (kfunc_exists(scx_bpf_dsq_move_to_local___v2___7_1))
		return scx_bpf_dsq_move_to_local___v2___7_1(dsq_id, 0);
	if (kfunc_exists(scx_bpf_dsq_move_to_local___6_13))
		return scx_bpf_dsq_move_to_local___6_13(dsq_id);
	return scx_bpf_consume___6_12(dsq_id);
}

extern bool scx_bpf_task_set_dsq_vtime___6_19(struct task_struct *p, u64 vtime) __ksym __weak;

/**
 * Set p->scx.dsq_vtime. Writing the field itself is deprecated since 6.19 and warned of since 7.2.
 */
static __always_inline void scx_bpf_task_set_dsq_vtime(struct task_struct *p, u64 vtime)
{
	if (kfunc_exists(scx_bpf_task_set_dsq_vtime___6_19))
		scx_bpf_task_set_dsq_vtime___6_19(p, vtime);
	else
		p->scx.dsq_vtime = vtime;
}

extern void scx_bpf_kick_cpu___any(s32 cpu, u64 flags) __ksym;

/**
 * Make @cpu schedule: SCX_KICK_IDLE if it is idle, SCX_KICK_PREEMPT also from a running task.
 *
 * The kernel sends a kick by interrupt work of the CPU that asks. On a CPU that is on its way out that work is never
 * done, later kicks from there are lost, and on 7.3 the policy can then not be detached any more: the kernel waits for
 * that work for ever (seen on 7.3.4, hotplug under load). So nothing is sent from a CPU that is no longer online.
 */
static __always_inline void scx_bpf_kick_cpu(s32 cpu, u64 flags)
{
	const struct cpumask *online = scx_bpf_get_online_cpumask();

	if (bpf_cpumask_test_cpu(bpf_get_smp_processor_id(), online))
		scx_bpf_kick_cpu___any(cpu, flags);
	scx_bpf_put_cpumask(online);
}

extern int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq *walk, u64 dsq_id, u64 flags) __ksym;
extern struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq *walk) __ksym;
extern void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq *walk) __ksym;
extern bool scx_bpf_dispatch_from_dsq___6_12(struct bpf_iter_scx_dsq *walk, struct task_struct *p, u64 dsq_id,
					     u64 enq_flags) __ksym __weak;
extern bool scx_bpf_dsq_move___6_13(struct bpf_iter_scx_dsq *walk, struct task_struct *p, u64 dsq_id,
				    u64 enq_flags) __ksym __weak;

/**
 * Give the tasks of @cpu that wait in @dsq_id back to the kernel. For ops.cpu_offline, for each queue in which tasks of
 * that CPU may wait.
 *
 * A CPU on its way out is not asked for work any more, and the kernel waits until all its tasks are gone. Those that may
 * run only there are taken by nobody else: they would stall, and the hotplug with them (seen on 6.18.15). The global
 * queue is the one from which the kernel still takes them, to run them elsewhere.
 */
static __always_inline void scx_bpf_release_cpu(u64 dsq_id, s32 cpu)
{
	struct bpf_iter_scx_dsq walk;
	struct task_struct *p;

	bpf_iter_scx_dsq_new(&walk, dsq_id, 0);
	while ((p = bpf_iter_scx_dsq_next(&walk))) {
		if (scx_bpf_task_cpu(p) != cpu)
			continue;
		if (kfunc_exists(scx_bpf_dsq_move___6_13))
			scx_bpf_dsq_move___6_13(&walk, p, SCX_DSQ_GLOBAL, 0);
		else
			scx_bpf_dispatch_from_dsq___6_12(&walk, p, SCX_DSQ_GLOBAL, 0);
	}
	bpf_iter_scx_dsq_destroy(&walk);
}

/**
 * End this policy with an error: every task goes back to the kernel's own scheduler, and @text is in the exit record.
 */
#define scx_bpf_error(text)                                                                                 \
	({                                                                                                  \
		static char text_[] = text;                                                                 \
		u64 none_ = 0;                                                                              \
		scx_bpf_error_bstr(text_, &none_, sizeof(none_));                                                       \
	})

#endif /* FLEETSCHED_KFUNCS_BPF_H */
