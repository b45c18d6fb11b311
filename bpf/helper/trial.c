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

#include <stdio.h>
#include <string.h>

#include "attached.h"
#include "fence.h"
#include "good.h"
#include "guard.h"
#include "journal.h"
#include "kernel.h"
#include "lease.h"
#include "preflight.h"
#include "program.h"
#include "records.h"
#include "statement.h"
#include "upgrade.h"

#define LEASE_GRACE_MS 1000	/* the kernel lease of a trial runs out this long after the guard's deadline */
/* How often the kernel's state is read, three small files of sysfs: of a policy that tells its end, and of any other. */
#define LOOK_TRIAL_TOLD_MS 2000
#define LOOK_TOLD_MS 60000
#define LOOK_TRIAL_MS 100
#define LOOK_MS 250
#define OVERDUE_MS 500
#define RESTARTS_A_MINUTE 5
#define TOO_OFTEN "CPUs came or went more than five times in a minute, and it cannot go on through that"
#define LEASE_TOO_OFTEN "the kernel lease, or the policy in its name, ended it more than five times in a minute"

static int64_t restarts[RESTARTS_A_MINUTE];	/* times of the latest restarts of a policy that the kernel ended */

static json_t *on_trial(void)
{
	return now.policy ? recorded("trial") : NULL;
}

const char *host_trial_id(void)
{
	return text_of(on_trial(), "id");
}

static void arm_trial(json_t *trial)
{
	int64_t deadline = number_of(trial, "deadline_ms");
	int err = lease_arm(deadline - boottime_ms() + LEASE_GRACE_MS);

	if (err)
		note("the kernel lease cannot be armed: %s", strerror(-err));
	guard_arm(policy_link_fd(now.policy), now.enable_seq, deadline);
}

/* --- the end of a trial, and of a confirmed policy --- */

static void set_last_trial(json_t *trial, const char *outcome, json_t *exit)
{
	journal_set("last_trial", json_pack("{s:O, s:O, s:s, s:o, s:I}", "id", json_object_get(trial, "id"), "assignment",
					    assignment_of(trial), "outcome", outcome, "exit", copy_or_null(exit), "ended_ms",
					    (json_int_t)boottime_ms()));
	journal_set("trial", NULL);
}

static bool is_fault(json_t *exit)
{
	return number_of(exit, "kind") >= EXIT_ERROR;
}

/* The policy is detached already. Write it down, and void the last known good when that is what failed. */
static void close_trial(const char *outcome, json_t *exit, const char *why, bool blame)
{
	json_t *trial = json_incref(recorded("trial"));

	set_last_trial(trial, outcome, exit);
	journal_add(!strcmp(outcome, "reverted") ? "revert" : outcome, assignment_of(trial), text_of(trial, "run"), exit, "%s",
		    why);
	if (blame)
		hold(assignment_of(trial), why, exit);
	if (is_fault(exit) && is_same(trial, recorded("last_known_good")))
		void_last_known_good(exit, why);
	save_or_note();
	json_decref(trial);
}

static void end_trial(const char *outcome, json_t *exit, const char *why, bool blame)
{
	close_trial(outcome, exit, why, blame);
	reattach("after a trial");
}

static void trial_failed(json_t *exit)
{
	char why[1400];

	snprintf(why, sizeof(why), "%s: %s: %s",
		 json_object_get(recorded("trial"), "program") ? "its program failed" : "ejected by the kernel", reason_of(exit),
		 text_of(exit, "message"));
	close_trial("ejected", exit, why, true);
}

static void good_failed(json_t *exit)
{
	json_t *record = recorded("last_known_good");
	char why[1400];

	snprintf(why, sizeof(why), "ejected after it was confirmed: %s: %s", reason_of(exit), text_of(exit, "message"));
	journal_add("ejected", assignment_of(record), text_of(record, "run"), exit, "%s", why);
	void_last_known_good(exit, why);
}

/*
 * Write down that what was just detached had failed; attaches nothing. Whoever detaches for another reason asks, too: the
 * kernel may have ejected the policy since this file last looked, and only the exit record knows. False: it had not.
 */
static bool write_fault(json_t *exit)
{
	if (!is_fault(exit))
		return false;
	if (recorded("trial"))
		trial_failed(exit);
	else if (recorded("last_known_good"))
		good_failed(exit);
	else
		return false;
	return true;
}

/* A CPU came or went, and the kernel asks for the policy to be started again. */
static bool wants_restart(json_t *exit)
{
	return number_of(exit, "kind") == EXIT_UNREG_KERN && number_of(exit, "code") & EXIT_ACT_RESTART;
}

/* At most RESTARTS_A_MINUTE. The kernel lease ends two in a minute; a policy can end itself as if it had been that. */
static bool may_restart(json_t *exit)
{
	if ((!wants_restart(exit) && !is_our_lease(exit)) || (restarts[0] && boottime_ms() - restarts[0] < 60000))
		return false;
	memmove(restarts, restarts + 1, sizeof(restarts) - sizeof(restarts[0]));
	restarts[RESTARTS_A_MINUTE - 1] = boottime_ms();
	return true;
}

/* Attach the policy on trial once more, to the same deadline. */
static void restart_trial(json_t *assignment, json_t *exit)
{
	struct failure f = { 0 };
	struct policy *policy = load_policy(assignment, json_object_get(recorded("trial"), "program"), &f);
	char why[600];

	lease_arm(number_of(recorded("trial"), "deadline_ms") - boottime_ms() + LEASE_GRACE_MS);
	if (policy && !attach_policy(policy, assignment, &f)) {
		json_object_set_new(recorded("trial"), "enable_seq", json_integer(now.enable_seq));
		arm_trial(recorded("trial"));
		journal_add("reattached", assignment, text_of(recorded("trial"), "run"), exit, "a CPU came or went");
	} else {
		lease_cancel();
		snprintf(why, sizeof(why), "not attached again after a CPU came or went: %s", f.message);
		end_trial("ejected", exit, why, true);
	}
	failure_clear(&f);
}

static void trial_ended(json_t *assignment, json_t *exit, bool guard_fired)
{
	char why[1400];

	if (write_fault(exit)) {
		reattach("after a trial");
	} else if (guard_fired || is_our_lease(exit) || boottime_ms() >= number_of(recorded("trial"), "deadline_ms")) {
		if (is_our_lease(exit))
			end_trial("expired", exit, "not confirmed before its deadline; the kernel lease ended it", true);
		else	/* the record says no more than that we detached */
			end_trial("expired", NULL, "not confirmed before its deadline", true);
	} else if (may_restart(exit)) {
		restart_trial(assignment, exit);
	} else {
		snprintf(why, sizeof(why), "%s: %s", wants_restart(exit) ? TOO_OFTEN : "ended by the kernel", reason_of(exit));
		end_trial("ejected", exit, why, true);
	}
}

static void confirmed_ended(json_t *assignment, json_t *exit)
{
	const char *run = text_of(recorded("last_known_good"), "run");

	if (write_fault(exit))
		return;
	journal_add("detached", assignment, run, exit, "%s",
		    is_our_lease(exit) ? "the helper was stopped for longer than the kernel lease" : reason_of(exit));
	if (may_restart(exit))
		reattach(is_our_lease(exit) ? "the helper goes on" : "a CPU came or went");
	else if (is_our_lease(exit) || wants_restart(exit))
		journal_add("attach-failed", assignment, run, NULL, "the last known good stays off: %s",
			    is_our_lease(exit) ? LEASE_TOO_OFTEN : TOO_OFTEN);
}

/* The policy no longer runs, or the guard has just seen to it. */
static void ended(bool guard_fired)
{
	json_t *assignment = json_incref(now.assignment), *exit = detach_policy();

	if (recorded("trial"))
		trial_ended(assignment, exit, guard_fired);
	else
		confirmed_ended(assignment, exit);
	json_decref(assignment);
	json_decref(exit);
}

/* The guard should have detached by now. Then this thread does it. */
static bool is_overdue(int64_t t)
{
	return on_trial() && t >= number_of(recorded("trial"), "deadline_ms") + OVERDUE_MS;
}

static int64_t look_every_ms(void)
{
	if (now.tells)
		return on_trial() ? LOOK_TRIAL_TOLD_MS : LOOK_TOLD_MS;
	return on_trial() ? LOOK_TRIAL_MS : LOOK_MS;
}

void host_tick(void)
{
	int64_t t = boottime_ms();

	save_again();
	if (!now.policy)
		return;
	if (t >= now.next_look_ms || (on_trial() && t >= number_of(recorded("trial"), "deadline_ms"))) {
		now.next_look_ms = t + look_every_ms();
		if (!attached_is_true() || is_overdue(t)) {
			ended(!guard_disarm());
			return;
		}
	}
	if (!on_trial() && t >= now.next_beat_ms)
		beat();
}

/* What is answered now is the kernel's word of this moment. */
void host_look(void)
{
	now.next_look_ms = 0;
	host_tick();
}

int64_t host_next_tick_ms(void)
{
	int64_t next = save_again_at_ms(), other;

	if (!now.policy)
		return next;
	other = on_trial() ? number_of(recorded("trial"), "deadline_ms") + OVERDUE_MS : now.next_beat_ms;
	if (other > now.next_look_ms)
		other = now.next_look_ms;
	return next >= 0 && next < other ? next : other;
}

/* --- the verbs --- */

static int check_held(json_t *assignment, struct failure *f)
{
	size_t at;
	json_t *held = find_held(assignment, &at);

	if (!held)
		return 0;
	f->detail = checked(json_pack("{s:O, s:O}", "why", json_object_get(held, "why"), "exit", json_object_get(held, "exit")));
	return fail(f, "held", "change the policy or its parameters, or release it with `fleetsched retry`",
		    "%s is held on this host: %s", text_of(assignment, "policy"), text_of(held, "why"));
}

/* Everything that can refuse a trial without reading the object, in the protocol's order. */
static int may_try(const struct try_args *args, struct failure *f)
{
	char foreign[128];

	if (fence_check(args->token, "used", f))
		return -1;
	host_look();
	if (check_held(args->assignment, f))
		return -1;
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
	if (statement_check(args->request, f))
		return -1;
	if (!args->program && !journal_has_object(text_of(args->assignment, "digest")))
		return fail(f, "not-staged", "send it with `stage` first", "the object %.12s is not on this host",
			    text_of(args->assignment, "digest"));
	return preflight(false, f) || lease_load(f) ? -1 : 0;
}

/* The trial is on disk before its policy is attached, so that a helper or host that dies finds it `lost`. */
static int write_trial(const struct try_args *args, struct failure *f)
{
	json_t *before = checked(json_deep_copy(journal_state()));
	json_int_t count = json_integer_value(recorded("trial_count")) + 1;
	char id[32];

	snprintf(id, sizeof(id), "t%lld", (long long)count);
	journal_set("trial_count", json_integer(count));
	journal_set("trial", json_pack("{s:s, s:o, s:s, s:s, s:s*, s:O*}", "id", id, "assignment", copy_or_null(args->assignment),
				       "run", args->run, "revision", args->revision, "hold", args->hold, "program",
				       args->program));
	statement_accept();
	return save_or_undo(before, f);
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
	json_t *trial = recorded("trial");

	put(trial, "enable_seq", json_integer(now.enable_seq));
	put(trial, "started_ms", json_integer(now.attached_ms));
	put(trial, "deadline_ms", json_integer(now.attached_ms + args->deadline_ms));
	arm_trial(trial);
	journal_add("attached", args->assignment, args->run, NULL, "%s for %lld ms, enable_seq %ld", policy_ops(now.policy),
		    (long long)args->deadline_ms, now.enable_seq);
	return checked(json_pack("{s:o, s:I}", "trial", host_trial(), "window_ms", (json_int_t)window));
}

/* What ran before was ejected while the next one was loaded. When that is the same once more, its trial is over. */
static json_t *ejected_before(json_t *exit, const struct try_args *args, json_t *result, struct failure *f)
{
	if (!result || !is_same(recorded("trial"), recorded("last_known_good"))) {
		good_failed(exit);
		return result;
	}
	guard_disarm();
	json_decref(detach_policy());
	trial_failed(exit);
	check_held(args->assignment, f);
	json_decref(result);
	return NULL;
}

json_t *host_try(const struct try_args *args, struct failure *f)
{
	struct policy *policy, *old = NULL;
	json_t *exit = NULL, *result = NULL;
	int64_t window = -1;
	int err;

	if (may_try(args, f))
		return NULL;
	policy = load_policy(args->assignment, args->program, f);
	if (!policy)
		return NULL;
	if (write_trial(args, f)) {
		policy_free(policy);
		return NULL;
	}
	journal_add("try", args->assignment, args->run, NULL, "revision %s%s%s", args->revision,
		    statement_signer()[0] ? ", signed by " : "", statement_signer());
	/* Before the attach: a policy that starves this thread from its first moment is ended, too. */
	lease_arm(args->deadline_ms + LEASE_GRACE_MS + (args->program ? PROGRAM_START_MS : 0));
	if (now.policy) {
		window = boottime_ms();
		old = let_go();
	}
	err = attach_policy(policy, args->assignment, f);
	if (err)
		lease_cancel();
	else
		result = begin(args, window < 0 ? 0 : now.attached_ms - window);
	if (old)
		exit = policy_exit(old, 0);
	policy_free(old);
	if (is_fault(exit) && recorded("last_known_good"))
		result = ejected_before(exit, args, result, f);
	json_decref(exit);
	if (err)
		attach_refused(args, f);
	return result;
}

static int find_trial(const char *id, struct failure *f)
{
	host_look();
	if (on_trial() && !strcmp(host_trial_id(), id))
		return 0;
	return fail(f, "no-trial", NULL, "there is no trial %s now", id);
}

static int64_t confirm_in_ms(void)
{
	int64_t left = now.attached_ms + 2 * (int64_t)policy_timeout_ms(now.policy) - boottime_ms();

	return left > 0 ? left : 0;
}

/* Make the trial the last known good, on disk. Nothing changes when that fails. */
static int seal(struct failure *f)
{
	json_t *before = checked(json_deep_copy(journal_state())), *replaced = NULL;
	json_t *trial = json_incref(recorded("trial"));
	const char *why = json_string_value(json_object_get(trial, "hold"));
	int err;

	if (!is_same(recorded("last_known_good"), trial))
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
	if (find_trial(id, f)) {
		last = recorded("last_trial");
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
		arm_trial(recorded("trial"));
		return NULL;
	}
	beat();
	return host_status();
}

json_t *host_revert(const char *id, json_int_t token, const char *why, bool blame, struct failure *f)
{
	json_t *exit;

	if (fence_check(token, "used", f) || find_trial(id, f))
		return NULL;
	if (!guard_disarm()) {
		ended(true);
		fail(f, "no-trial", NULL, "the trial %s has just reached its deadline", id);
		return NULL;
	}
	exit = detach_policy();
	if (write_fault(exit))
		reattach("after a trial");
	else
		end_trial("reverted", NULL, why, blame);
	json_decref(exit);
	return host_status();
}

json_t *host_stop_policy(json_int_t token, const char *why, const char *hold_why, struct failure *f)
{
	json_t *before, *previous, *replaced, *stopped = NULL, *exit = NULL;
	bool of_good;

	if (fence_check(token, "used", f))
		return NULL;
	host_look();
	before = checked(json_deep_copy(journal_state()));
	previous = json_incref(recorded("previous"));
	of_good = !recorded("trial") || is_same(recorded("trial"), recorded("last_known_good"));
	replaced = retire(hold_why);
	journal_set("last_known_good", NULL);
	if (save_or_undo(before, f)) {
		json_decref(replaced);
		json_decref(previous);
		return NULL;
	}
	if (now.policy) {
		stopped = json_incref(now.assignment);
		guard_disarm();
		exit = detach_policy();
	}
	if (is_fault(exit) && replaced && of_good) {	/* ejected just before: then it is voided, and no previous one */
		journal_set("last_known_good", json_incref(recorded("previous")));
		journal_set("previous", json_incref(previous));
	}
	if (!write_fault(exit) && recorded("trial"))
		close_trial("reverted", NULL, why, true);
	journal_add("stop", stopped, NULL, NULL, "%s", why);
	if (replaced && hold_why)
		journal_add("held", replaced, NULL, NULL, "%s", hold_why);
	json_decref(replaced);
	json_decref(previous);
	json_decref(stopped);
	json_decref(exit);
	return host_status();
}

json_t *host_release_held(json_t *assignment, struct failure *f)
{
	json_t *before;
	size_t at;

	if (!find_held(assignment, &at))
		return checked(json_object());
	before = checked(json_deep_copy(journal_state()));
	json_array_remove(recorded("held"), at);
	if (save_or_undo(before, f))
		return NULL;
	journal_add("released", assignment, NULL, NULL, "may be tried again");
	return checked(json_object());
}

/* --- what is told --- */

json_t *host_running(void)
{
	if (!attached_is_true())
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

	host_look();
	find_foreign(foreign, sizeof(foreign));
	status = checked(json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "boot_id", kernel_boot_id(), "boottime_ms",
				   (json_int_t)boottime_ms(), "kernel", kernel_json(), "running", host_running(), "foreign",
				   foreign[0] ? json_text(foreign, strlen(foreign)) : json_null(), "trial", host_trial()));
	put(status, "last_trial", copy_or_null(recorded("last_trial")));
	put(status, "last_known_good", copy_or_null(recorded("last_known_good")));
	put(status, "previous", copy_or_null(recorded("previous")));
	put(status, "voided", copy_or_null(recorded("voided")));
	put(status, "held", recorded("held") ? copy_or_null(recorded("held")) : json_array());
	put(status, "lease", fence_json());
	return status;
}

/* --- start and stop of the service --- */

void host_start(void)
{
	json_t *trial = json_incref(recorded("trial"));

	journal_add("service-start", NULL, NULL, NULL, "helper " FLEETSCHED_VERSION);
	upgrade_at_start();
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
		json_t *assignment = json_incref(now.assignment), *exit;

		guard_disarm();
		exit = detach_policy();
		if (!write_fault(exit))
			journal_add("detached", assignment, NULL, NULL, "the service stops");
		else if (recorded("upgrade"))	/* then nothing has to run again for the new helper to be good */
			put(recorded("upgrade"), "running", json_null());
		json_decref(exit);
		json_decref(assignment);
	}
	journal_set("boots", NULL);
	save_or_note();
}
