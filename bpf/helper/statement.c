// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a signed assignment says, and whether it is for this host and this request. The statement's bytes are verified
 * as they came; only then are they parsed. Order is kept by serials, which only rise; the wall clock only bounds how
 * long a statement is of use, so that a clock that jumped cannot bring back what a later statement has replaced.
 */
#include "statement.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "journal.h"
#include "records.h"
#include "signature.h"

#define NAMESPACE "fleetsched-assignment"
#define GROUP "/etc/fleetsched/group"
#define SERIAL_MAX ((1LL << 53) - 1)	/* what every JSON library keeps exactly */
#define CLOCK_SLACK_S 300		/* how far the clocks of the signer and of this host may differ */

/* What statement_check has let pass; serial 0: nothing that was signed. */
static struct {
	json_int_t serial;
	char digest[DIGEST_CHARS + 1];
} passed;

/* The group that this host belongs to, "" when its file says none or could be anybody's. */
static void read_group(char *group, size_t size)
{
	struct stat st;

	group[0] = 0;
	if (!lstat(GROUP, &st) && S_ISREG(st.st_mode) && is_only_roots(&st) && read_text(GROUP, group, size) > 0 &&
	    strpbrk(group, "\n"))
		group[0] = 0;
}

/* A host that does not know its group would run what was signed for any other. */
static int group_known(struct failure *f)
{
	char group[128];

	read_group(group, sizeof(group));
	if (group[0])
		return 0;
	return fail(f, "no-group", "write the HostGroup's name into it, as root: `fleetsched bootstrap` does",
		    "this host takes only signed assignments, and %s does not say for which group", GROUP);
}

static bool is_statement(json_t *statement)
{
	json_int_t serial = number_of(statement, "serial");
	const char *key;
	json_t *value;

	json_object_foreach(statement, key, value)
		if (strcmp(key, "assignment") && strcmp(key, "group") && strcmp(key, "notAfter") && strcmp(key, "program") &&
		    strcmp(key, "revision") && strcmp(key, "serial"))
			return false;
	return json_is_integer(json_object_get(statement, "serial")) && serial >= 1 && serial <= SERIAL_MAX &&
	       rfc3339_to_seconds(text_of(statement, "notAfter")) >= 0;
}

static int differs(const char *what, struct failure *f)
{
	return fail(f, "wrong-statement", "sign what is to run here: `fleetsched sign`, or `apply` with a key",
		    "the statement is good and not for this request: it says another %s", what);
}

static int check_subject(json_t *statement, json_t *request, struct failure *f)
{
	static const char *const members[] = { "assignment", "program", "revision" };
	char group[128];

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		json_t *said = json_object_get(statement, members[i]), *asked = json_object_get(request, members[i]);

		if ((said || asked) && !json_equal(said, asked))
			return differs(members[i], f);
	}
	read_group(group, sizeof(group));
	if (strcmp(text_of(statement, "group"), group))
		return fail(f, "wrong-statement", "sign it for this host's group, or correct " GROUP " on the host",
			    "the statement is for the group %.128s, and this host belongs to %s", text_of(statement, "group"), group);
	return 0;
}

static int check_time(json_t *statement, struct failure *f)
{
	const char *end = text_of(statement, "notAfter");
	char now[32];

	if (rfc3339_to_seconds(end) + CLOCK_SLACK_S >= (int64_t)time(NULL))
		return 0;
	rfc3339_now(now);
	return fail(f, "expired-statement", "sign it again; if this host's clock is wrong, correct that first",
		    "the statement was good until %.32s, and here it is %s", end, now);
}

/*
 * The same statement again is a retry of the same assignment, and takes nothing back: no later one was accepted, or it
 * would be the highest. Another statement with the same serial is not.
 */
static int check_serial(json_t *statement, const char *bytes, struct failure *f)
{
	json_int_t serial = number_of(statement, "serial"), highest = number_of(recorded("signed"), "serial");

	sha256_hex(bytes, strlen(bytes), passed.digest);
	if (serial > highest || (serial == highest && !strcmp(passed.digest, text_of(recorded("signed"), "digest")))) {
		passed.serial = serial;
		return 0;
	}
	f->detail = checked(json_pack("{s:I, s:I}", "serial", serial, "highest", highest));
	return fail(f, "replayed", "sign it anew: a serial is the time of signing; compare the controllers' clocks",
		    "the statement's serial %lld is not above %lld, the highest that was accepted here", (long long)serial,
		    (long long)highest);
}

int statement_check(json_t *request, struct failure *f)
{
	const char *bytes = text_of(request, "statement"), *signature = text_of(request, "signature");
	json_error_t error;
	json_t *statement;
	int err;

	passed.serial = 0;
	if (!signature_required())
		return 0;
	if (!bytes[0] || !signature[0])
		return fail(f, "unsigned", "give apply a signing key (sign.key), or --signatures FILE of `fleetsched sign`",
			    "this host takes only signed assignments, and this one is not signed");
	if (signature_possible(f) || group_known(f) || signature_check(NAMESPACE, bytes, strlen(bytes), signature, f))
		return -1;
	statement = json_loads(bytes, JSON_REJECT_DUPLICATES, &error);
	if (!is_statement(statement))
		err = fail(f, "wrong-statement", "sign with `fleetsched sign`", "what was signed is no statement: %s",
			   statement ? "a member is missing, unknown or ill-typed" : error.text);
	else
		err = check_subject(statement, request, f) || check_time(statement, f) || check_serial(statement, bytes, f) ? -1 : 0;
	json_decref(statement);
	return err;
}

void statement_accept(void)
{
	if (passed.serial)
		journal_set("signed", json_pack("{s:I, s:s, s:o}", "serial", passed.serial, "digest", passed.digest, "signer",
						json_text(signature_signer(), strlen(signature_signer()))));
}

const char *statement_signer(void)
{
	return passed.serial ? signature_signer() : "";
}

static void add_problem(json_t *facts, int (*possible)(struct failure *f))
{
	struct failure f = { 0 };

	if (possible(&f))
		json_array_append_new(json_object_get(facts, "problems"),
				      checked(json_pack("{s:s, s:s, s:s}", "code", f.code, "message", f.message, "remedy", f.remedy)));
}

void statement_facts(json_t *facts)
{
	char group[128];

	read_group(group, sizeof(group));
	put(facts, "signatures", json_boolean(signature_required()));
	put(facts, "group", group[0] ? json_text(group, strlen(group)) : json_null());
	if (!signature_required())
		return;
	add_problem(facts, signature_possible);
	add_problem(facts, group_known);
}
