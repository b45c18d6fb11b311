// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's state machine: what runs, the trial, the last known good, what is held.
 *
 * Three things end a trial: the guard thread at the deadline (guard.c), the kernel lease LEASE_GRACE_MS later when the
 * helper is stopped or starved (lease.bpf.c), and the kernel itself when the policy fails. This file only notices the
 * end (host_tick), writes it down, and attaches the last known good again. It believes the kernel and no return code:
 * a policy runs when the state is enabled, the name is its own, and enable_seq has not moved since its attach.
 */
#include "trial.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fence.h"
#include "guard.h"
#include "journal.h"
#include "kernel.h"
#include "lease.h"
#include "loader.h"

#define LEASE_GRACE_MS 1000	/* the kernel lease of a trial runs out this long after the guard's deadline */
#define HEARTBEAT_MS 30000	/* the kernel lease of a confirmed policy ... */
#define HEARTBEAT_EVERY_MS 10000	/* ... and how often it is renewed */
#define LOOK_TRIAL_MS 100	/* how often the kernel's state is read: three small files of sysfs */
#define LOOK_MS 250
#define SETTLE_MS 10000		/* the most that the kernel is given to enable or disable */
#define OVERDUE_MS 500
#define EXIT_WAIT_MS 1000
#define RESTARTS_A_MINUTE 5
#define MOST_HELD 32
#define UNCLEAN_BOOTS 2
#define UNCLEAN_SECONDS (24 * 3600)

static struct {
	struct policy *policy;		/* NULL: this helper has nothing attached */
	json_t *assignment;
	json_t *baseline;		/* event counters right after the attach */
	long enable_seq;
	int64_t attached_ms;
	int64_t next_look_ms, next_beat_ms;
	int64_t restarts[RESTARTS_A_MINUTE];	/* times of the latest hotplug restarts */
} now;

/* --- small questions to the state --- */

static json_t *state(const char *key)
{
	return json_object_get(journal_state(), key);
}

static json_t *assignment_of(json_t *record)
{
	return json_object_get(record, "assignment");
}

static const char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static json_int_t number_of(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static json_t *on_trial(void)
{
	return now.policy ? state("trial") : NULL;
}

const char *host_trial_id(void)
{
	return text_of(on_trial(), "id");
}

/* Save, or put the state in memory back to @before, which is consumed. */
static int save_or_undo(json_t *before, struct failure *f)
{
	int err = journal_save(f);

	if (err) {
		json_object_clear(journal_state());
		json_object_update(journal_state(), before);
	}
	json_decref(before);
	return err;
}

static void save_or_note(void)
{
	struct failure f = { 0 };

	if (journal_save(&f))
		note("%s", f.message);
	failure_clear(&f);
}

static const char *reason_of(json_t *exit)
{
	return exit ? text_of(exit, "reason") : "no reason was recorded";
}

static bool is_our_lease(json_t *exit)
{
	return number_of(exit, "kind") == EXIT_UNREG_BPF && number_of(exit, "code") == LEASE_EXIT_CODE;
}

/* --- attaching and detaching --- */

/* While a policy of ours is attached this thread must be no task of it. Checks that it starts are (reset on fork). */
static void set_real_time(bool on)
{
	const struct sched_param priority = { .sched_priority = on ? 1 : 0 };

	if (sched_setscheduler(0, on ? SCHED_FIFO | SCHED_RESET_ON_FORK : SCHED_OTHER, &priority))
		note("sched_setscheduler: %s", strerror(errno));
}

/* Wait until the kernel is neither enabling nor disabling. */
static void settle(struct kernel_now *kernel)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	int64_t until = boottime_ms() + SETTLE_MS;

	for (kernel_look(kernel); boottime_ms() < until; kernel_look(kernel)) {
		if (!strcmp(kernel->state, "enabled") || !strcmp(kernel->state, "disabled"))
			return;
		nanosleep(&pause, NULL);
	}
}

static bool is_true_in_kernel(void)
{
	struct kernel_now kernel;

	if (!now.policy)
		return false;
	kernel_look(&kernel);
	return !strcmp(kernel.state, "enabled") && kernel.enable_seq == now.enable_seq &&
	       !strcmp(kernel.ops, policy_ops(now.policy));
}

/* Name of a scheduler that runs and is not ours; "" when there is none. */
static void find_foreign(char *buf, size_t size)
{
	struct kernel_now kernel;

	kernel_look(&kernel);
	buf[0] = 0;
	if (kernel.ops[0] && strcmp(kernel.state, "disabling") && !is_true_in_kernel())
		strncat(buf, kernel.ops, size - 1);
}

static struct policy *load(json_t *assignment, struct failure *f)
{
	size_t size;
	void *data = journal_read_object(text_of(assignment, "digest"), &size, f);
	struct policy *policy;

	if (!data)
		return NULL;
	policy = policy_load(data, size, json_object_get(assignment, "parameters"), f);
	free(data);
	return policy;
}

/* Attach @policy, which is freed on failure: -1, `attach-failed`, its exit record (or JSON null) in the detail. */
static int attach(struct policy *policy, json_t *assignment, struct failure *f)
{
	struct kernel_now before, after;
	json_t *exit;
	int err;

	set_real_time(true);	/* on 6.18 an attach from SCHED_OTHER under load took 61 s, from FIFO 0.2 s */
	settle(&before);
	err = policy_attach(policy);
	settle(&after);
	if (!err && !strcmp(after.state, "enabled") && after.enable_seq > before.enable_seq &&
	    !strcmp(after.ops, policy_ops(policy))) {
		now.policy = policy;
		now.assignment = copy_or_null(assignment);
		now.baseline = kernel_events();
		now.enable_seq = after.enable_seq;
		now.attached_ms = boottime_ms();
		now.next_look_ms = now.next_beat_ms = 0;
		return 0;
	}
	exit = err ? NULL : policy_exit(policy, EXIT_WAIT_MS);
	f->detail = checked(json_pack("{s:o}", "exit", copy_or_null(exit)));
	if (!strcmp(after.state, "enabled"))
		fail(f, "attach-failed", "stop its loader first", "%s did not come up: the scheduler %s took its place",
		     text_of(assignment, "policy"), after.ops);
	else
		fail(f, "attach-failed", NULL, "%s did not come up: %s%s%s", text_of(assignment, "policy"),
		     err ? strerror(-err) : reason_of(exit), exit ? ": " : "", exit ? text_of(exit, "message") : "");
	json_decref(exit);
	policy_free(policy);
	set_real_time(false);
	return -1;
}

/* Detach what runs, whether or not the kernel has let it go already. The policy is the caller's: it may hold a record. */
static struct policy *let_go(void)
{
	struct policy *policy = now.policy;
	struct kernel_now kernel;

	policy_detach(policy);
	settle(&kernel);
	json_decref(now.assignment);
	json_decref(now.baseline);
	now.policy = NULL;
	now.assignment = now.baseline = NULL;
	return policy;
}

/* Detach for good. Returns the exit record, or NULL. */
static json_t *detach(void)
{
	struct policy *policy = let_go();
	json_t *exit;

	lease_cancel();
	exit = policy_exit(policy, EXIT_WAIT_MS);
	policy_free(policy);
	set_real_time(false);
	return exit;
}

static void beat(void)
{
	int err = lease_arm(HEARTBEAT_MS);

	if (err)
		note("the kernel lease cannot be renewed: %s", strerror(-err));
	now.next_beat_ms = boottime_ms() + HEARTBEAT_EVERY_MS;
}

static void arm_trial(json_t *trial)
{
	int64_t deadline = number_of(trial, "deadline_ms");
	int err = lease_arm(deadline - boottime_ms() + LEASE_GRACE_MS);

	if (err)
		note("the kernel lease cannot be armed: %s", strerror(-err));
	guard_arm(policy_link_fd(now.policy), now.enable_seq, deadline);
}

/* --- holding, and the last known good --- */

static void set_held(json_t *assignment, const char *why, json_t *exit)
{
	json_t *held = state("held"), *entry;
	char at[32];
	size_t i;

	if (!held) {
		journal_set("held", json_array());
		held = state("held");
	}
	json_array_foreach(held, i, entry)
		if (json_equal(assignment_of(entry), assignment)) {
			json_array_remove(held, i);
			break;
		}
	rfc3339_now(at);
	json_array_append_new(held, checked(json_pack("{s:o, s:o, s:o, s:s}", "assignment", copy_or_null(assignment), "why",
						      json_text(why, strlen(why)), "exit", copy_or_null(exit), "at", at)));
	while (json_array_size(held) > MOST_HELD)
		json_array_remove(held, 0);
}

static void hold(json_t *assignment, const char *why, json_t *exit)
{
	set_held(assignment, why, exit);
	journal_add("held", assignment, NULL, exit, "%s", why);
}

/* Attach the last known good, if there is one; the kernel's own scheduler stays when it fails. */
static void reattach(const char *why)
{
	json_t *record = state("last_known_good"), *assignment = assignment_of(record);
	struct failure f = { 0 };
	struct policy *policy;
	char foreign[128];

	if (!record)
		return;
	find_foreign(foreign, sizeof(foreign));
	if (foreign[0]) {
		journal_add("attach-failed", assignment, text_of(record, "run"), NULL,
			    "the last known good stays off: the scheduler %s was attached by somebody else", foreign);
		return;
	}
	policy = lease_load(&f) ? NULL : load(assignment, &f);
	if (policy && !attach(policy, assignment, &f)) {
		beat();
		journal_add("reattached", assignment, text_of(record, "run"), NULL, "%s", why);
	} else {
		journal_add("attach-failed", assignment, text_of(record, "run"), json_object_get(f.detail, "exit"),
			    "last known good: %s", f.message);
	}
	failure_clear(&f);
}

static void void_last_known_good(json_t *exit, const char *why)
{
	json_t *record = json_incref(state("last_known_good"));

	journal_set("voided", json_pack("{s:O, s:O}", "record", record, "exit", exit));
	journal_set("last_known_good", NULL);
	journal_add("voided", assignment_of(record), text_of(record, "run"), exit, "%s", why);
	hold(assignment_of(record), why, exit);
	save_or_note();
	json_decref(record);
}

/* --- the end of a trial, and of a confirmed policy --- */

static void set_last_trial(json_t *trial, const char *outcome, json_t *exit)
{
	journal_set("last_trial", json_pack("{s:O, s:O, s:s, s:o, s:I}", "id", json_object_get(trial, "id"), "assignment",
					    assignment_of(trial), "outcome", outcome, "exit", copy_or_null(exit), "ended_ms",
					    (json_int_t)boottime_ms()));
	journal_set("trial", NULL);
}

/* The policy is detached already. Write it down, then attach the last known good, unless that is what failed. */
static void end_trial(const char *outcome, json_t *exit, const char *why, bool blame)
{
	json_t *trial = json_incref(state("trial"));
	bool faulty = number_of(exit, "kind") >= EXIT_ERROR;

	set_last_trial(trial, outcome, exit);
	journal_add(!strcmp(outcome, "reverted") ? "revert" : outcome, assignment_of(trial), text_of(trial, "run"), exit, "%s",
		    why);
	if (blame)
		hold(assignment_of(trial), why, exit);
	if (faulty && json_equal(assignment_of(trial), assignment_of(state("last_known_good"))))
		void_last_known_good(exit, why);
	save_or_note();
	reattach("after a trial");
	json_decref(trial);
}

/* A CPU came or went, and the policy asked to be started again. At most RESTARTS_A_MINUTE. */
static bool may_restart(json_t *exit)
{
	if (number_of(exit, "kind") != EXIT_UNREG_KERN || !(number_of(exit, "code") & EXIT_ACT_RESTART) ||
	    (now.restarts[0] && boottime_ms() - now.restarts[0] < 60000))
		return false;
	memmove(now.restarts, now.restarts + 1, sizeof(now.restarts) - sizeof(now.restarts[0]));
	now.restarts[RESTARTS_A_MINUTE - 1] = boottime_ms();
	return true;
}

/* Attach the policy on trial once more, to the same deadline. */
static void restart_trial(json_t *assignment, json_t *exit)
{
	struct failure f = { 0 };
	struct policy *policy = load(assignment, &f);
	char why[600];

	if (policy && !attach(policy, assignment, &f)) {
		json_object_set_new(state("trial"), "enable_seq", json_integer(now.enable_seq));
		arm_trial(state("trial"));
		journal_add("reattached", assignment, text_of(state("trial"), "run"), exit, "a CPU came or went");
	} else {
		snprintf(why, sizeof(why), "not attached again after a CPU came or went: %s", f.message);
		end_trial("ejected", exit, why, true);
	}
	failure_clear(&f);
}

static void trial_ended(json_t *assignment, json_t *exit, bool guard_fired)
{
	char why[1400];

	if (number_of(exit, "kind") >= EXIT_ERROR) {
		snprintf(why, sizeof(why), "ejected by the kernel: %s: %s", reason_of(exit), text_of(exit, "message"));
		end_trial("ejected", exit, why, true);
	} else if (guard_fired || is_our_lease(exit) || boottime_ms() >= number_of(state("trial"), "deadline_ms")) {
		if (is_our_lease(exit))
			end_trial("expired", exit, "not confirmed before its deadline; the kernel lease ended it", true);
		else	/* the record says no more than that we detached */
			end_trial("expired", NULL, "not confirmed before its deadline", true);
	} else if (may_restart(exit)) {
		restart_trial(assignment, exit);
	} else {
		snprintf(why, sizeof(why), "ended by the kernel: %s", reason_of(exit));
		end_trial("ejected", exit, why, true);
	}
}

static void confirmed_ended(json_t *assignment, json_t *exit)
{
	const char *run = text_of(state("last_known_good"), "run");
	char why[1400];

	if (exit && number_of(exit, "kind") >= EXIT_ERROR && state("last_known_good")) {
		snprintf(why, sizeof(why), "ejected after it was confirmed: %s: %s", reason_of(exit), text_of(exit, "message"));
		journal_add("ejected", assignment, run, exit, "%s", why);
		void_last_known_good(exit, why);
		return;
	}
	journal_add("detached", assignment, run, exit, "%s",
		    is_our_lease(exit) ? "the helper was stopped for longer than the kernel lease" : reason_of(exit));
	if (is_our_lease(exit))
		reattach("the helper goes on");
	else if (may_restart(exit))
		reattach("a CPU came or went");
}

/* The policy no longer runs, or the guard has just seen to it. */
static void ended(bool guard_fired)
{
	json_t *assignment = json_incref(now.assignment), *exit = detach();

	if (state("trial"))
		trial_ended(assignment, exit, guard_fired);
	else
		confirmed_ended(assignment, exit);
	json_decref(assignment);
	json_decref(exit);
}

/* The guard should have detached by now. Then this thread does it. */
static bool is_overdue(int64_t t)
{
	return on_trial() && t >= number_of(state("trial"), "deadline_ms") + OVERDUE_MS;
}

void host_tick(void)
{
	int64_t t = boottime_ms();

	if (!now.policy)
		return;
	if (t >= now.next_look_ms || (on_trial() && t >= number_of(state("trial"), "deadline_ms"))) {
		now.next_look_ms = t + (on_trial() ? LOOK_TRIAL_MS : LOOK_MS);
		if (!is_true_in_kernel() || is_overdue(t)) {
			ended(!guard_disarm());
			return;
		}
	}
	if (!on_trial() && t >= now.next_beat_ms)
		beat();
}

int64_t host_next_tick_ms(void)
{
	return now.policy ? now.next_look_ms : -1;
}

/* --- the verbs --- */

static json_t *find_held(json_t *assignment, size_t *at)
{
	json_t *entry;
	size_t i;

	json_array_foreach(state("held"), i, entry)
		if (json_equal(assignment_of(entry), assignment)) {
			*at = i;
			return entry;
		}
	return NULL;
}

/* Everything that can refuse a trial without reading the object, in the protocol's order. */
static int may_try(const struct try_args *args, struct failure *f)
{
	char foreign[128];
	json_t *held;
	size_t at;

	if (fence_check(args->token, "used", f))
		return -1;
	held = find_held(args->assignment, &at);
	if (held) {
		f->detail = checked(json_pack("{s:O, s:O}", "why", json_object_get(held, "why"), "exit",
					      json_object_get(held, "exit")));
		return fail(f, "held", "change the policy or its parameters, or release it with `fleetsched retry`",
			    "%s is held on this host: %s", text_of(args->assignment, "policy"), text_of(held, "why"));
	}
	find_foreign(foreign, sizeof(foreign));
	if (foreign[0]) {
		f->detail = checked(json_pack("{s:o}", "ops", json_text(foreign, strlen(foreign))));
		return fail(f, "foreign-scheduler", "stop its loader first",
			    "the scheduler %s is attached, and not by fleetsched", foreign);
	}
	if (on_trial()) {
		f->detail = checked(json_pack("{s:o}", "trial", host_trial()));
		return fail(f, "trial-in-progress", NULL, "the trial %s is in progress", host_trial_id());
	}
	if (!journal_has_object(text_of(args->assignment, "digest")))
		return fail(f, "not-staged", "send it with `stage` first", "the object %.12s is not on this host",
			    text_of(args->assignment, "digest"));
	return kernel_preflight(f) || lease_load(f) ? -1 : 0;
}

/* The trial is on disk before its policy is attached, so that a helper or host that dies finds it `lost`. */
static int write_trial(const struct try_args *args, struct failure *f)
{
	json_int_t count = json_integer_value(state("trial_count")) + 1;
	char id[32];

	snprintf(id, sizeof(id), "t%lld", (long long)count);
	journal_set("trial_count", json_integer(count));
	journal_set("trial", json_pack("{s:s, s:o, s:s, s:s, s:s*}", "id", id, "assignment", copy_or_null(args->assignment), "run",
				       args->run, "revision", args->revision, "hold", args->hold));
	if (!journal_save(f))
		return 0;
	journal_set("trial", NULL);
	return -1;
}

static void attach_refused(const struct try_args *args, struct failure *f)
{
	json_t *exit = json_object_get(f->detail, "exit");
	char why[600], foreign[128];

	snprintf(why, sizeof(why), "%s", f->message);
	journal_set("trial", NULL);
	journal_add("attach-failed", args->assignment, args->run, exit, "%s", why);
	find_foreign(foreign, sizeof(foreign));
	if (!foreign[0])	/* else it is not the policy's fault */
		hold(args->assignment, why, json_is_null(exit) ? NULL : exit);
	save_or_note();
	reattach("the new policy did not come up");
}

static json_t *begin(const struct try_args *args, int64_t window)
{
	json_t *trial = state("trial");

	put(trial, "enable_seq", json_integer(now.enable_seq));
	put(trial, "started_ms", json_integer(now.attached_ms));
	put(trial, "deadline_ms", json_integer(now.attached_ms + args->deadline_ms));
	arm_trial(trial);
	journal_add("attached", args->assignment, args->run, NULL, "%s for %lld ms, enable_seq %ld", policy_ops(now.policy),
		    (long long)args->deadline_ms, now.enable_seq);
	return checked(json_pack("{s:o, s:I}", "trial", host_trial(), "window_ms", (json_int_t)window));
}

json_t *host_try(const struct try_args *args, struct failure *f)
{
	struct policy *policy, *old = NULL;
	int64_t window = -1;
	int err;

	if (may_try(args, f))
		return NULL;
	policy = load(args->assignment, f);
	if (!policy)
		return NULL;
	if (write_trial(args, f)) {
		policy_free(policy);
		return NULL;
	}
	journal_add("try", args->assignment, args->run, NULL, "revision %s", args->revision);
	/* Before the attach: a policy that starves this thread from its first moment is ended, too. */
	lease_arm(args->deadline_ms + LEASE_GRACE_MS);
	if (now.policy) {
		window = boottime_ms();
		old = let_go();
	}
	err = attach(policy, args->assignment, f);
	policy_free(old);
	if (err) {
		lease_cancel();
		attach_refused(args, f);
		return NULL;
	}
	return begin(args, window < 0 ? 0 : now.attached_ms - window);
}

static int find_trial(const char *id, struct failure *f)
{
	host_tick();
	if (on_trial() && !strcmp(host_trial_id(), id))
		return 0;
	return fail(f, "no-trial", NULL, "there is no trial %s now", id);
}

static int64_t confirm_in_ms(void)
{
	int64_t left = now.attached_ms + 2 * (int64_t)policy_timeout_ms(now.policy) - boottime_ms();

	return left > 0 ? left : 0;
}

static json_t *new_record(json_t *trial)
{
	char at[32], release[128], cpus[256];

	rfc3339_now(at);
	kernel_release(release, sizeof(release));
	kernel_cpus(cpus, sizeof(cpus));
	return checked(json_pack("{s:O, s:O, s:O, s:s, s:s, s:s}", "assignment", assignment_of(trial), "run",
				 json_object_get(trial, "run"), "revision", json_object_get(trial, "revision"),
				 "confirmed_at", at, "kernel_release", release, "cpus", cpus));
}

/* Make the last known good the previous one, and hold it when @why says so. Returns its assignment, owned, or NULL. */
static json_t *retire(const char *why)
{
	json_t *old = state("last_known_good");

	if (!old)
		return NULL;
	journal_set("previous", json_incref(old));
	if (why)
		set_held(assignment_of(old), why, NULL);
	return json_incref(assignment_of(old));
}

/* Make the trial the last known good, on disk. Nothing changes when that fails. */
static int seal(struct failure *f)
{
	json_t *before = checked(json_deep_copy(journal_state())), *replaced = NULL;
	json_t *trial = json_incref(state("trial"));
	const char *why = json_string_value(json_object_get(trial, "hold"));
	int err;

	if (!json_equal(assignment_of(state("last_known_good")), assignment_of(trial)))
		replaced = retire(why);
	journal_set("last_known_good", new_record(trial));
	journal_set("voided", NULL);
	set_last_trial(trial, "confirmed", NULL);
	err = save_or_undo(before, f);
	if (!err) {
		journal_add("confirm", assignment_of(trial), text_of(trial, "run"), NULL, "revision %s", text_of(trial, "revision"));
		if (replaced && why)
			journal_add("held", replaced, NULL, NULL, "%s", why);
	}
	json_decref(replaced);
	json_decref(trial);
	return err;
}

json_t *host_confirm(const char *id, json_int_t token, struct failure *f)
{
	json_t *last;

	if (fence_check(token, "used", f))
		return NULL;
	now.next_look_ms = 0;	/* the kernel's word of this moment */
	if (find_trial(id, f)) {
		last = state("last_trial");
		if (!strcmp(text_of(last, "id"), id) && !strcmp(text_of(last, "outcome"), "ejected")) {
			f->detail = checked(json_pack("{s:O}", "exit", json_object_get(last, "exit")));
			fail(f, "ejected", NULL, "the kernel ejected the policy of trial %s", id);
		}
		return NULL;
	}
	if (confirm_in_ms() > 0) {
		f->detail = checked(json_pack("{s:I}", "confirm_in_ms", (json_int_t)confirm_in_ms()));
		fail(f, "too-early", "the kernel's watchdog needs twice the policy's timeout_ms to speak",
		     "confirm in %lld ms at the earliest", (long long)confirm_in_ms());
		return NULL;
	}
	if (!guard_disarm()) {
		ended(true);
		fail(f, "no-trial", NULL, "the trial %s has just reached its deadline", id);
		return NULL;
	}
	if (seal(f)) {
		arm_trial(state("trial"));
		return NULL;
	}
	beat();
	return host_status();
}

json_t *host_revert(const char *id, json_int_t token, const char *why, bool blame, struct failure *f)
{
	if (fence_check(token, "used", f) || find_trial(id, f))
		return NULL;
	if (!guard_disarm()) {
		ended(true);
		fail(f, "no-trial", NULL, "the trial %s has just reached its deadline", id);
		return NULL;
	}
	json_decref(detach());
	end_trial("reverted", NULL, why, blame);
	return host_status();
}

json_t *host_stop_policy(json_int_t token, const char *why, const char *hold_why, struct failure *f)
{
	json_t *before, *replaced, *stopped = NULL;

	if (fence_check(token, "used", f))
		return NULL;
	host_tick();
	before = checked(json_deep_copy(journal_state()));
	replaced = retire(hold_why);
	journal_set("last_known_good", NULL);
	if (save_or_undo(before, f)) {
		json_decref(replaced);
		return NULL;
	}
	if (now.policy) {
		stopped = json_incref(now.assignment);
		guard_disarm();
		json_decref(detach());
	}
	if (state("trial"))
		end_trial("reverted", NULL, why, true);
	journal_add("stop", stopped, NULL, NULL, "%s", why);
	if (replaced && hold_why)
		journal_add("held", replaced, NULL, NULL, "%s", hold_why);
	json_decref(replaced);
	json_decref(stopped);
	return host_status();
}

json_t *host_release_held(json_t *assignment, struct failure *f)
{
	size_t at;

	if (!find_held(assignment, &at))
		return checked(json_object());
	json_array_remove(state("held"), at);
	if (journal_save(f))
		return NULL;
	journal_add("released", assignment, NULL, NULL, "may be tried again");
	return checked(json_object());
}

/* --- what is told --- */

json_t *host_running(void)
{
	if (!is_true_in_kernel())
		return checked(json_null());
	return checked(json_pack("{s:O, s:s, s:I, s:O}", "assignment", now.assignment, "ops", policy_ops(now.policy), "enable_seq",
				 (json_int_t)now.enable_seq, "events_baseline", now.baseline));
}

json_t *host_trial(void)
{
	json_t *trial = on_trial();
	int64_t left = number_of(trial, "deadline_ms") - boottime_ms();

	if (!trial)
		return checked(json_null());
	return checked(json_pack("{s:O, s:O, s:O, s:O, s:s, s:I, s:O, s:I, s:I}", "id", json_object_get(trial, "id"),
				 "assignment", assignment_of(trial), "run", json_object_get(trial, "run"), "revision",
				 json_object_get(trial, "revision"), "ops", policy_ops(now.policy), "enable_seq",
				 (json_int_t)now.enable_seq, "started_ms", json_object_get(trial, "started_ms"),
				 "deadline_in_ms", (json_int_t)(left > 0 ? left : 0), "confirm_in_ms",
				 (json_int_t)confirm_in_ms()));
}

json_t *host_status(void)
{
	char foreign[128];
	json_t *status;

	host_tick();
	find_foreign(foreign, sizeof(foreign));
	status = checked(json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "boot_id", kernel_boot_id(), "boottime_ms",
				   (json_int_t)boottime_ms(), "kernel", kernel_json(), "running", host_running(), "foreign",
				   foreign[0] ? json_text(foreign, strlen(foreign)) : json_null(), "trial", host_trial()));
	put(status, "last_trial", copy_or_null(state("last_trial")));
	put(status, "last_known_good", copy_or_null(state("last_known_good")));
	put(status, "previous", copy_or_null(state("previous")));
	put(status, "voided", copy_or_null(state("voided")));
	put(status, "held", state("held") ? copy_or_null(state("held")) : json_array());
	put(status, "lease", fence_json());
	return status;
}

/* --- start and stop of the service --- */

/* Boots in which the last known good was attached and no clean stop followed, without the current one and old ones. */
static size_t unclean_boots(void)
{
	json_t *boots = state("boots"), *boot;
	int64_t today = (int64_t)time(NULL);
	size_t i, count = 0;

	json_array_foreach(boots, i, boot)
		if (strcmp(text_of(boot, "boot_id"), kernel_boot_id()) &&
		    today - rfc3339_to_seconds(text_of(boot, "at")) < UNCLEAN_SECONDS)
			count++;
	return count;
}

static int mark_boot(struct failure *f)
{
	json_t *boots = state("boots"), *boot;
	char at[32];
	size_t i;

	json_array_foreach(boots, i, boot)
		if (!strcmp(text_of(boot, "boot_id"), kernel_boot_id()))
			return 0;
	if (!boots) {
		journal_set("boots", json_array());
		boots = state("boots");
	}
	while (json_array_size(boots) >= UNCLEAN_BOOTS)
		json_array_remove(boots, 0);
	rfc3339_now(at);
	json_array_append_new(boots, checked(json_pack("{s:s, s:s}", "boot_id", kernel_boot_id(), "at", at)));
	return journal_save(f);
}

/* Why the last known good must not be attached at this start; "" when it may. */
static void why_not(char *why, size_t size)
{
	json_t *record = state("last_known_good");
	char release[128], cpus[256];
	struct failure f = { 0 };

	why[0] = 0;
	kernel_release(release, sizeof(release));
	kernel_cpus(cpus, sizeof(cpus));
	if (kernel_switched_off())
		snprintf(why, size, "switched off by %s", kernel_switched_off());
	else if (strcmp(text_of(record, "kernel_release"), release))
		snprintf(why, size, "it was confirmed on the kernel %s, this is %s", text_of(record, "kernel_release"), release);
	else if (strcmp(text_of(record, "cpus"), cpus))
		snprintf(why, size, "it was confirmed with the CPUs %s, these are %s", text_of(record, "cpus"), cpus);
	else if (kernel_preflight(&f) || mark_boot(&f))
		snprintf(why, size, "%s", f.message);
	failure_clear(&f);
}

static void attach_at_start(void)
{
	static const char unclean[] = "twice within 24 hours the host went down uncleanly after this policy was attached at boot";
	json_t *record = state("last_known_good"), *exit;
	char why[600];

	if (!record)
		return;
	if (unclean_boots() >= UNCLEAN_BOOTS) {
		exit = exit_record(0, 0, "unclean boots", unclean);
		journal_set("boots", NULL);
		void_last_known_good(exit, unclean);
		json_decref(exit);
		return;
	}
	why_not(why, sizeof(why));
	if (why[0])
		journal_add("attach-failed", assignment_of(record), text_of(record, "run"), NULL,
			    "the last known good stays off: %s", why);
	else
		reattach("at the start of the service");
}

void host_start(void)
{
	json_t *trial = json_incref(state("trial"));

	journal_add("service-start", NULL, NULL, NULL, "helper " FLEETSCHED_VERSION);
	if (trial) {
		set_last_trial(trial, "lost", NULL);
		journal_add("lost", assignment_of(trial), text_of(trial, "run"), NULL,
			    "the helper or the host went down during the trial");
		save_or_note();
		json_decref(trial);
	}
	attach_at_start();
}

void host_stop(void)
{
	if (now.policy) {
		json_t *assignment = json_incref(now.assignment);

		guard_disarm();
		json_decref(detach());
		journal_add("detached", assignment, NULL, NULL, "the service stops");
		json_decref(assignment);
	}
	journal_set("boots", NULL);
	save_or_note();
}
