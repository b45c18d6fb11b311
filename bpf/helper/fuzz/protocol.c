// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzed: all that a client says on one connection. What the verbs do is left out: the functions that are not here are
 * made by scripts/fuzz.py, and answer nothing.
 */
#include "../protocol.h"

#include <stdlib.h>
#include <string.h>

#include "../journal.h"
#include "../kernel.h"
#include "../preflight.h"
#include "../trial.h"
#include "../upgrade.h"

/* What the server would send: it has to be a line, and JSON. */
void say(struct connection *c, json_t *message)
{
	char *text = json_line(message, JSON_COMPACT);
	json_t *read = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	(void)c;
	if (strlen(text) >= LINE_BYTES || !json_equal(read, message))
		abort();
	json_decref(read);
	json_decref(message);
	free(text);
}

/* Little, for the sake of speed; for the longest list more than fits into a line. */
json_t *journal_history(size_t limit)
{
	json_t *entries = json_array();
	size_t count = limit == HISTORY_ENTRIES ? limit : 2;
	char detail[512];

	memset(detail, '.', sizeof(detail));
	for (size_t i = 0; i < count; i++)
		json_array_append_new(entries, json_stringn(detail, sizeof(detail)));
	return entries;
}

json_t *host_status(void)
{
	return json_pack("{s:o, s:n}", "held", journal_history(1), "trial");
}

json_t *kernel_facts(void)
{
	return json_object();
}

json_t *preflight_problems(void)
{
	return json_array();
}

json_t *preflight_warnings(void)
{
	return json_array();
}

const char *kernel_boot_id(void)
{
	return "00000000-0000-4000-8000-000000000000";
}

const char *upgrade_own_digest(void)
{
	return "0000000000000000000000000000000000000000000000000000000000000000";
}

json_t *host_confirm(const char *trial, json_int_t token, struct failure *f)
{
	fail(f, "no-trial", "look at the status", "there is no trial %s for %lld", trial, (long long)token);
	return NULL;
}

/* As server.c: bytes arrive, lines and chunks are taken until one is not complete. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct connection c = { .fd = -1, .used = true };
	char *in = malloc(size ? size : 1);	/* exactly as long as it is, so that reading further is seen */
	size_t taken = 0, n = 1;

	if (size)
		memcpy(in, data, size);
	while (taken < size && n && !c.closing) {
		n = protocol_consume(&c, in + taken, size - taken);
		if (n > size - taken)
			abort();
		taken += n;
	}
	protocol_drop(&c);
	free(in);
	return 0;
}
