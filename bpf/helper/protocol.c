// SPDX-License-Identifier: GPL-2.0-only
/* The verbs: bytes of one connection in, answers out. The contract is docs/helper-protocol.md. */
#include "protocol.h"

#include <stdlib.h>
#include <string.h>

#include "fence.h"
#include "journal.h"
#include "kernel.h"
#include "observe.h"
#include "preflight.h"
#include "program.h"
#include "signature.h"
#include "statement.h"
#include "trial.h"
#include "upgrade.h"
#include "watch.h"

#define PROTOCOL 2	/* the greatest version; all from 1 are spoken */
#define HOUR_MS 3600000
#define MINUTE_MS 60000
#define TEXT_CHARS 512
#define ENVELOPE_BYTES 64	/* of an answer around its result */
#define MOST_PARAMETERS 64
#define TOKEN_MAX ((1LL << 53) - 1)	/* what every JSON library keeps exactly */

/* An object, or a helper, that is arriving in chunks. */
struct staging {
	json_t *request;
	size_t size, used;
	char data[];
};

/* --- arguments --- */

enum type { INTEGER, TEXT, LONG_TEXT, BOOLEAN, DIGEST, ASSIGNMENT, NAMES, PROGRAM };

struct argument {
	const char *name;
	enum type type;
	bool optional;
	int64_t low, high;	/* of a number; the most bytes of a long text */
};

struct verb {
	const char *name;
	/* NULL without a failure's code: the handler has answered, or will. */
	json_t *(*run)(struct connection *c, json_t *request, struct failure *f);
	struct argument arguments[10];
};

static bool is_policy_name(const char *name)
{
	size_t n = strlen(name);

	return is_name(name, "-") && name[0] != '-' && name[n - 1] != '-';
}

static bool is_identifier(const char *name)
{
	size_t n = strlen(name);

	return n >= 1 && n <= 63 && !(name[0] >= '0' && name[0] <= '9') &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == n;
}

static bool is_text(json_t *value)
{
	return json_is_string(value) && json_string_length(value) <= TEXT_CHARS;
}

static bool is_long_text(json_t *value, int64_t most)
{
	return json_is_string(value) && (int64_t)json_string_length(value) <= most;
}

static bool is_assignment(json_t *value)
{
	json_t *parameters = json_object_get(value, "parameters"), *number;
	const char *policy = json_string_value(json_object_get(value, "policy"));
	const char *digest = json_string_value(json_object_get(value, "digest"));
	const char *name;

	if (!json_is_object(value) || json_object_size(value) != 4 || !is_text(json_object_get(value, "variant")) || !policy ||
	    !is_policy_name(policy) || !digest || !is_digest(digest) || !json_is_object(parameters) ||
	    json_object_size(parameters) > MOST_PARAMETERS)
		return false;
	json_object_foreach(parameters, name, number)
		if (!is_identifier(name) || !json_is_integer(number))
			return false;
	return true;
}

static bool is_names(json_t *value)
{
	json_t *name;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) > WATCH_CHECKS)
		return false;
	json_array_foreach(value, i, name)
		if (!is_text(name))
			return false;
	return true;
}

/* Absolute, without "//", "." and "..". */
static bool is_normalised(const char *path)
{
	size_t n;

	if (*path != '/')
		return false;
	for (; *path; path += n) {
		path++;
		n = strcspn(path, "/");
		if (n == 0 || !strncmp(path, "./", 2) || !strncmp(path, "../", 3) || !strcmp(path, ".") || !strcmp(path, ".."))
			return false;
	}
	return true;
}

/* What is started, for a policy that is installed on the host. */
static bool is_program(json_t *value)
{
	json_t *path = json_object_get(value, "path"), *args = json_object_get(value, "args"), *arg;
	size_t i;

	if (!json_is_object(value) || json_object_size(value) != 2 || !is_text(path) || !json_is_array(args) ||
	    json_array_size(args) > PROGRAM_ARGS)
		return false;
	json_array_foreach(args, i, arg)
		if (!is_text(arg))
			return false;
	return is_normalised(json_string_value(path));
}

static bool fits(const struct argument *a, json_t *value)
{
	switch (a->type) {
	case INTEGER:
		return json_is_integer(value) && json_integer_value(value) >= a->low && json_integer_value(value) <= a->high;
	case TEXT:
		return is_text(value);
	case LONG_TEXT:
		return is_long_text(value, a->high);
	case BOOLEAN:
		return json_is_boolean(value);
	case DIGEST:
		return json_is_string(value) && is_digest(json_string_value(value));
	case ASSIGNMENT:
		return is_assignment(value);
	case NAMES:
		return is_names(value);
	case PROGRAM:
		return is_program(value);
	}
	return false;
}

static const struct argument *find_argument(const struct verb *verb, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verb->arguments) && verb->arguments[i].name; i++)
		if (!strcmp(verb->arguments[i].name, name))
			return &verb->arguments[i];
	return NULL;
}

static int check_arguments(const struct verb *verb, json_t *request, struct failure *f)
{
	const char *name;
	json_t *value;

	for (size_t i = 0; i < ARRAY_SIZE(verb->arguments) && verb->arguments[i].name; i++)
		if (!verb->arguments[i].optional && !json_object_get(request, verb->arguments[i].name))
			return fail(f, "bad-request", NULL, "%s lacks its argument %s", verb->name, verb->arguments[i].name);
	json_object_foreach(request, name, value) {
		const struct argument *a = find_argument(verb, name);

		if (!strcmp(name, "id") || !strcmp(name, "verb"))
			continue;
		if (!a)
			return fail(f, "bad-request", NULL, "%s has no argument %.64s", verb->name, name);
		if (!fits(a, value))
			return fail(f, "bad-request", NULL, "%s cannot take this value of %s", verb->name, name);
	}
	return 0;
}

static const char *text(json_t *request, const char *name)
{
	return json_string_value(json_object_get(request, name));
}

static json_int_t number(json_t *request, const char *name)
{
	return json_integer_value(json_object_get(request, name));
}

/* --- verbs --- */

static json_t *verb_hello(struct connection *c, json_t *request, struct failure *f)
{
	json_int_t asked = number(request, "protocol");
	json_t *result;

	(void)c;
	if (asked < 1) {
		fail(f, "protocol-version", "use a fleetsched of the helper's version, or upgrade the helper",
		     "this helper speaks the protocols 1 to %d", PROTOCOL);
		return NULL;
	}
	asked = asked < PROTOCOL ? asked : PROTOCOL;
	result = checked(json_pack("{s:I, s:s, s:s}", "protocol", asked, "helper", FLEETSCHED_VERSION, "boot_id",
				   kernel_boot_id()));
	if (asked >= 2)
		put(result, "sha256", json_string(upgrade_own_digest()));
	return result;
}

static json_t *verb_facts(struct connection *c, json_t *request, struct failure *f)
{
	json_t *facts = kernel_facts();

	(void)c, (void)request, (void)f;
	put(facts, "problems", preflight_problems());
	put(facts, "warnings", preflight_warnings());
	statement_facts(facts);
	return facts;
}

static json_t *verb_status(struct connection *c, json_t *request, struct failure *f)
{
	(void)c, (void)request, (void)f;
	return host_status();
}

static json_t *verb_lease(struct connection *c, json_t *request, struct failure *f)
{
	(void)c;
	return fence_take(text(request, "owner"), number(request, "ttl_ms"), number(request, "token"), f);
}

static json_t *verb_release(struct connection *c, json_t *request, struct failure *f)
{
	json_t *held = json_object_get(request, "held");

	(void)c;
	if (!held == !json_object_get(request, "token")) {
		fail(f, "bad-request", NULL, "release takes either token or held");
		return NULL;
	}
	return held ? host_release_held(held, f) : fence_release(number(request, "token"), f);
}

static void await_chunks(struct connection *c, json_t *request)
{
	size_t size = (size_t)number(request, "size");

	c->staging = allocate(sizeof(*c->staging) + size);
	c->staging->request = json_incref(request);
	c->staging->size = size;
}

static json_t *verb_stage(struct connection *c, json_t *request, struct failure *f)
{
	bool here = journal_has_object(text(request, "digest"));

	if (!here && journal_check_space((size_t)number(request, "size"), f))
		return NULL;
	if (!here)
		await_chunks(c, request);
	return json_pack("{s:b}", "present", here);
}

static json_t *verb_upgrade(struct connection *c, json_t *request, struct failure *f)
{
	bool here = !strcmp(text(request, "digest"), upgrade_own_digest());

	if (upgrade_may(request, f))
		return NULL;
	if (!here)
		await_chunks(c, request);
	return json_pack("{s:b}", "present", here);
}

static json_t *verb_try(struct connection *c, json_t *request, struct failure *f)
{
	struct try_args args = {
		.assignment = json_object_get(request, "assignment"),
		.deadline_ms = number(request, "deadline_ms"),
		.run = text(request, "run"),
		.revision = text(request, "revision"),
		.token = number(request, "token"),
		.hold = text(request, "hold"),
		.request = request,
		.program = json_object_get(request, "program"),
	};

	(void)c;
	return host_try(&args, f);
}

static json_t *verb_watch(struct connection *c, json_t *request, struct failure *f)
{
	c->watch = watch_start(request, f);
	return NULL;
}

static json_t *verb_confirm(struct connection *c, json_t *request, struct failure *f)
{
	(void)c;
	return host_confirm(text(request, "trial"), number(request, "token"), f);
}

static json_t *verb_revert(struct connection *c, json_t *request, struct failure *f)
{
	(void)c;
	return host_revert(text(request, "trial"), number(request, "token"), text(request, "why"),
			   !json_is_false(json_object_get(request, "hold")), f);
}

static json_t *verb_stop(struct connection *c, json_t *request, struct failure *f)
{
	(void)c;
	return host_stop_policy(number(request, "token"), text(request, "why"), text(request, "hold"), f);
}

static json_t *verb_history(struct connection *c, json_t *request, struct failure *f)
{
	(void)c, (void)f;
	return json_pack("{s:o}", "entries", journal_history((size_t)number(request, "limit")));
}

#define TOKEN_ARGUMENT { "token", INTEGER, true, 1, TOKEN_MAX }
#define HOLD_ARGUMENT { .name = "hold", .type = TEXT, .optional = true }

static const struct verb verbs[] = {
	{ "hello", verb_hello, { { "protocol", INTEGER, false, INT32_MIN, INT32_MAX }, { .name = "client", .type = TEXT } } },
	{ .name = "facts", .run = verb_facts },
	{ .name = "status", .run = verb_status },
	{ "lease", verb_lease,
	  { { .name = "owner", .type = TEXT }, { "ttl_ms", INTEGER, false, 1, HOUR_MS }, TOKEN_ARGUMENT } },
	{ "release", verb_release, { TOKEN_ARGUMENT, { .name = "held", .type = ASSIGNMENT, .optional = true } } },
	{ "stage", verb_stage, { { .name = "digest", .type = DIGEST }, { "size", INTEGER, false, 1, OBJECT_BYTES } } },
	{ "upgrade", verb_upgrade,
	  { { .name = "digest", .type = DIGEST }, { "size", INTEGER, false, 1, HELPER_BYTES }, { .name = "version", .type = TEXT },
	    { "signature", LONG_TEXT, true, 0, SIGNATURE_BYTES }, TOKEN_ARGUMENT } },
	{ "try", verb_try,
	  { { .name = "assignment", .type = ASSIGNMENT }, { "deadline_ms", INTEGER, false, 1000, HOUR_MS },
	    { .name = "run", .type = TEXT }, { .name = "revision", .type = TEXT }, TOKEN_ARGUMENT, HOLD_ARGUMENT,
	    { "statement", LONG_TEXT, true, 0, STATEMENT_BYTES }, { "signature", LONG_TEXT, true, 0, SIGNATURE_BYTES },
	    { .name = "program", .type = PROGRAM, .optional = true } } },
	{ "watch", verb_watch,
	  { { "interval_ms", INTEGER, false, 100, HOUR_MS }, { "for_ms", INTEGER, false, 0, HOUR_MS },
	    { .name = "pressure", .type = BOOLEAN }, { .name = "checks", .type = NAMES },
	    { .name = "run_queue", .type = BOOLEAN, .optional = true } } },
	{ "observe", verb_watch, { { "for_ms", INTEGER, false, 100, MINUTE_MS }, { "top", INTEGER, false, 0, OBSERVER_TOP } } },
	{ "confirm", verb_confirm, { { .name = "trial", .type = TEXT }, TOKEN_ARGUMENT } },
	{ "revert", verb_revert,
	  { { .name = "trial", .type = TEXT }, { .name = "why", .type = TEXT }, TOKEN_ARGUMENT,
	    { .name = "hold", .type = BOOLEAN, .optional = true } } },
	{ "stop", verb_stop, { { .name = "why", .type = TEXT }, TOKEN_ARGUMENT, HOLD_ARGUMENT } },
	{ "history", verb_history, { { "limit", INTEGER, false, 1, HISTORY_ENTRIES } } },
};

/* --- lines and chunks --- */

/* A line has a limit: the oldest entries of a long list are left out, of the history or of what is held; of keys the last. */
static void fit(json_t *result)
{
	json_t *list = json_object_get(result, "entries"), *holder = json_object_get(result, "status");
	json_t *keys = json_object_get(result, "keys");
	size_t size = json_dumpb(result, NULL, 0, JSON_COMPACT);

	if (keys)
		list = keys;
	else if (!list)
		list = json_object_get(holder ? holder : result, "held");
	while (size > LINE_BYTES - ENVELOPE_BYTES && json_array_size(list)) {
		size_t at = keys ? json_array_size(list) - 1 : 0;

		size -= json_dumpb(json_array_get(list, at), NULL, 0, JSON_COMPACT) + 1;
		json_array_remove(list, at);
	}
}

void answer(struct connection *c, json_int_t id, json_t *result)
{
	fit(checked(result));
	say(c, json_pack("{s:I, s:b, s:o}", "id", id, "ok", 1, "result", result));
}

void answer_failure(struct connection *c, json_int_t id, struct failure *f)
{
	json_t *error = checked(json_pack("{s:s, s:o}", "code", f->code, "message", json_text(f->message, strlen(f->message))));

	if (f->remedy)
		put(error, "remedy", json_string(f->remedy));
	if (f->detail)
		put(error, "detail", json_incref(f->detail));
	say(c, json_pack("{s:I, s:b, s:o}", "id", id, "ok", 0, "error", error));
	failure_clear(f);
}

/* After this nothing that the client sends can be understood. */
static void give_up(struct connection *c, json_int_t id, struct failure *f)
{
	answer_failure(c, id, f);
	protocol_drop(c);
	c->closing = true;
}

static void perform(struct connection *c, json_t *request)
{
	json_int_t id = number(request, "id");
	const char *name = text(request, "verb");
	const struct verb *verb = NULL;
	struct failure f = { 0 };
	json_t *result = NULL;

	for (size_t i = 0; name && i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			verb = &verbs[i];
	if (!name)
		fail(&f, "bad-request", NULL, "the request lacks its verb");
	else if (!verb)
		fail(&f, "unknown-verb", NULL, "there is no verb %.64s", name);
	else if (!check_arguments(verb, request, &f))
		result = verb->run(c, request, &f);
	if (result)
		answer(c, id, result);
	else if (f.code)
		answer_failure(c, id, &f);
}

static void take_line(struct connection *c, const char *line, size_t size)
{
	struct failure f = { 0 };
	json_error_t error;
	json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);

	if (!json_is_object(request))
		fail(&f, "bad-request", NULL, "the line is no request: %s", request ? "no JSON object" : error.text);
	else if (!json_is_integer(json_object_get(request, "id")) || number(request, "id") < 1)
		fail(&f, "bad-request", NULL, "the request has no id from 1");
	if (f.code)
		give_up(c, 0, &f);
	else
		perform(c, request);
	json_decref(request);
}

/* All chunks of `stage` or of `upgrade` are there. */
static void arrived(struct connection *c)
{
	struct staging *s = c->staging;
	const char *digest = text(s->request, "digest");
	json_int_t id = number(s->request, "id");
	char found[DIGEST_CHARS + 1];
	struct failure f = { 0 };

	sha256_hex(s->data, s->size, found);
	if (strcmp(found, digest)) {
		fail(&f, "digest-mismatch", NULL, "the bytes have the digest %s", found);
	} else if (!strcmp(text(s->request, "verb"), "upgrade")) {
		c->closing = !upgrade_take(s->request, s->data, s->size, &f);
		if (c->closing)
			answer(c, id, json_pack("{s:b}", "upgrading", 1));
	} else if (!journal_write_object(digest, s->data, s->size, &f)) {
		journal_add("stage", NULL, NULL, NULL, "%s", digest);
		answer(c, id, json_pack("{s:b}", "staged", 1));
	}
	if (f.code)
		answer_failure(c, id, &f);
	protocol_drop(c);
}

static size_t take_chunk(struct connection *c, const char *data, size_t size)
{
	const unsigned char *p = (const unsigned char *)data;
	struct staging *s = c->staging;
	struct failure f = { 0 };
	size_t length;

	if (size < 4)
		return 0;
	length = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	if (length < 1 || length > CHUNK_BYTES || length > s->size - s->used) {
		fail(&f, "bad-request", NULL, "a chunk of %zu bytes does not fit the object", length);
		give_up(c, number(s->request, "id"), &f);
		return 0;
	}
	if (size < 4 + length)
		return 0;
	memcpy(s->data + s->used, data + 4, length);
	s->used += length;
	if (s->used == s->size)
		arrived(c);
	return 4 + length;
}

size_t protocol_consume(struct connection *c, const char *data, size_t size)
{
	const char *end;
	struct failure f = { 0 };

	if (c->staging)
		return take_chunk(c, data, size);
	end = memchr(data, '\n', size < LINE_BYTES ? size : LINE_BYTES);
	if (end) {
		take_line(c, data, (size_t)(end - data));
		return (size_t)(end - data) + 1;
	}
	if (size >= LINE_BYTES) {
		fail(&f, "bad-request", NULL, "the line is too long");
		give_up(c, 0, &f);
	}
	return 0;
}

void protocol_drop(struct connection *c)
{
	if (c->staging)
		json_decref(c->staging->request);
	free(c->staging);
	c->staging = NULL;
}
