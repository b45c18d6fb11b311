// SPDX-License-Identifier: GPL-2.0-only
/* What the host has on record: reading and writing the members of the state that several files need. */
#include "records.h"

#include <string.h>

#include "journal.h"
#include "lease.h"
#include "loader.h"

#define MOST_HELD 32
#define SAVE_AGAIN_MS 5000

static int64_t unsaved_ms = -1;	/* when to save again what could not be saved; -1: it is on disk */

json_t *recorded(const char *key)
{
	return json_object_get(journal_state(), key);
}

json_t *assignment_of(json_t *record)
{
	return json_object_get(record, "assignment");
}

bool is_same(json_t *record, json_t *other)
{
	json_t *a = json_object_get(record, "program"), *b = json_object_get(other, "program");

	return json_equal(assignment_of(record), assignment_of(other)) && ((!a && !b) || json_equal(a, b));
}

const char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

json_int_t number_of(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* Save, or put the state in memory back to @before, which is consumed. */
int save_or_undo(json_t *before, struct failure *f)
{
	int err = journal_save(f);

	if (err) {
		json_object_clear(journal_state());
		json_object_update(journal_state(), before);
	} else {
		unsaved_ms = -1;
	}
	json_decref(before);
	return err;
}

void save_or_note(void)
{
	struct failure f = { 0 };

	if (!journal_save(&f)) {
		unsaved_ms = -1;
	} else {
		if (unsaved_ms < 0)
			note("%s; it is tried again every %d s", f.message, SAVE_AGAIN_MS / 1000);
		unsaved_ms = boottime_ms() + SAVE_AGAIN_MS;
	}
	failure_clear(&f);
}

int64_t save_again_at_ms(void)
{
	return unsaved_ms;
}

void save_again(void)
{
	if (unsaved_ms >= 0 && boottime_ms() >= unsaved_ms)
		save_or_note();
}

const char *reason_of(json_t *exit)
{
	return exit ? text_of(exit, "reason") : "no reason was recorded";
}

bool is_our_lease(json_t *exit)
{
	return number_of(exit, "kind") == EXIT_UNREG_BPF && number_of(exit, "code") == LEASE_EXIT_CODE;
}

void set_held(json_t *assignment, const char *why, json_t *exit)
{
	json_t *held = recorded("held"), *entry;
	char at[32];
	size_t i;

	if (!held) {
		journal_set("held", json_array());
		held = recorded("held");
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

void hold(json_t *assignment, const char *why, json_t *exit)
{
	set_held(assignment, why, exit);
	journal_add("held", assignment, NULL, exit, "%s", why);
}

json_t *find_held(json_t *assignment, size_t *at)
{
	json_t *entry;
	size_t i;

	json_array_foreach(recorded("held"), i, entry)
		if (json_equal(assignment_of(entry), assignment)) {
			*at = i;
			return entry;
		}
	return NULL;
}
