// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last known good: the last confirmed assignment that was not ejected since. It is attached again after a trial that
 * failed, after the kernel lease, and at the start of the service when nothing speaks against it.
 */
#include "good.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attached.h"
#include "journal.h"
#include "kernel.h"
#include "lease.h"
#include "preflight.h"
#include "records.h"

#define UNCLEAN_BOOTS 2
#define UNCLEAN_SECONDS (24 * 3600)

/* Attach the last known good, if there is one; the kernel's own scheduler stays when it fails. */
void reattach(const char *why)
{
	json_t *record = recorded("last_known_good"), *assignment = assignment_of(record);
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
	policy = lease_load(&f) ? NULL : load_policy(assignment, json_object_get(record, "program"), &f);
	if (policy && !attach_policy(policy, assignment, &f)) {
		beat();
		journal_add("reattached", assignment, text_of(record, "run"), NULL, "%s", why);
	} else {
		journal_add("attach-failed", assignment, text_of(record, "run"), json_object_get(f.detail, "exit"),
			    "last known good: %s", f.message);
	}
	failure_clear(&f);
}

void void_last_known_good(json_t *exit, const char *why)
{
	json_t *record = json_incref(recorded("last_known_good"));

	journal_set("voided", json_pack("{s:O, s:O}", "record", record, "exit", exit));
	journal_set("last_known_good", NULL);
	journal_add("voided", assignment_of(record), text_of(record, "run"), exit, "%s", why);
	hold(assignment_of(record), why, exit);
	save_or_note();
	json_decref(record);
}

json_t *new_record(json_t *trial)
{
	char at[32], release[128], cpus[256];

	rfc3339_now(at);
	kernel_release(release, sizeof(release));
	kernel_cpus(cpus, sizeof(cpus));
	return checked(json_pack("{s:O, s:O, s:O, s:s, s:s, s:s, s:O*}", "assignment", assignment_of(trial), "run",
				 json_object_get(trial, "run"), "revision", json_object_get(trial, "revision"),
				 "confirmed_at", at, "kernel_release", release, "cpus", cpus, "program",
				 json_object_get(trial, "program")));
}

/* Make the last known good the previous one, and hold it when @why says so. Returns its assignment, owned, or NULL. */
json_t *retire(const char *why)
{
	json_t *old = recorded("last_known_good");

	if (!old)
		return NULL;
	journal_set("previous", json_incref(old));
	if (why)
		set_held(assignment_of(old), why, NULL);
	return json_incref(assignment_of(old));
}

/*
 * Boots in which the last known good was attached and no clean stop followed, without the current one and old ones. The
 * wall clock is all that goes on over a reboot. One that was set back makes boots of the future, which count; one that
 * was set forward by a day makes old ones of the two that are remembered, which costs two more boots.
 */
static size_t unclean_boots(void)
{
	json_t *boots = recorded("boots"), *boot;
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
	json_t *boots = recorded("boots"), *boot;
	char at[32];
	size_t i;

	json_array_foreach(boots, i, boot)
		if (!strcmp(text_of(boot, "boot_id"), kernel_boot_id()))
			return 0;
	if (!boots) {
		journal_set("boots", json_array());
		boots = recorded("boots");
	}
	while (json_array_size(boots) >= UNCLEAN_BOOTS)
		json_array_remove(boots, 0);
	rfc3339_now(at);
	json_array_append_new(boots, checked(json_pack("{s:s, s:s}", "boot_id", kernel_boot_id(), "at", at)));
	return journal_save(f);
}

/* Why the last known good must not be attached at a start; "" when it may. */
static void why_not(char *why, size_t size)
{
	json_t *record = recorded("last_known_good");
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
	else if (preflight(true, &f))
		snprintf(why, size, "%s", f.message);
	failure_clear(&f);
}

/* Is what would be loaded or started still there, as it was? */
static int find_bytes(json_t *record, struct failure *f)
{
	const char *digest = text_of(assignment_of(record), "digest");
	json_t *program = json_object_get(record, "program");
	struct policy *policy = program ? policy_of_program(program, digest, f) : NULL;
	size_t size;
	void *data = program ? NULL : journal_read_object(digest, &size, f);
	int err = policy || data ? 0 : -1;

	policy_free(policy);
	free(data);
	return err;
}

void good_would_stay_off(char *why, size_t size)
{
	struct failure f = { 0 };

	why_not(why, size);
	if (!why[0] && find_bytes(recorded("last_known_good"), &f))
		snprintf(why, size, "%s", f.message);
	failure_clear(&f);
}

void attach_at_start(void)
{
	static const char unclean[] = "twice within 24 hours the host went down uncleanly after this policy was attached at boot";
	json_t *record = recorded("last_known_good"), *exit;
	struct failure f = { 0 };
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
	if (!why[0] && mark_boot(&f))
		snprintf(why, sizeof(why), "%s", f.message);
	failure_clear(&f);
	if (why[0])
		journal_add("attach-failed", assignment_of(record), text_of(record, "run"), NULL,
			    "the last known good stays off: %s", why);
	else
		reattach("at the start of the service");
}
