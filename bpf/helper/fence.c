// SPDX-License-Identifier: GPL-2.0-only
/* Which controller may change this host: a lease with a fencing token that only rises. */
#include "fence.h"

#include <string.h>

#include "journal.h"
#include "kernel.h"
#include "records.h"

/* In the state: {"owner", "token", "ends_ms", "boot_id"}; a reboot ends it. NULL when none is in force. */
static json_t *current(void)
{
	json_t *lease = json_object_get(journal_state(), "lease");

	if (!lease || strcmp(json_string_value(json_object_get(lease, "boot_id")), kernel_boot_id()) ||
	    json_integer_value(json_object_get(lease, "ends_ms")) <= boottime_ms())
		return NULL;
	return lease;
}

json_t *fence_json(void)
{
	json_t *lease = current();

	if (!lease)
		return checked(json_null());
	return checked(json_pack("{s:O, s:I}", "owner", json_object_get(lease, "owner"), "expires_in_ms",
				 json_integer_value(json_object_get(lease, "ends_ms")) - boottime_ms()));
}

static int held(json_t *lease, struct failure *f)
{
	f->detail = fence_json();
	return fail(f, "lease-held", "wait until it is released or expires", "the lease is held by %s",
		    json_string_value(json_object_get(lease, "owner")));
}

int fence_check(json_int_t token, const char *used, struct failure *f)
{
	json_t *lease = current();

	if (lease)
		return token == json_integer_value(json_object_get(lease, "token")) ? 0 : held(lease, f);
	if (token && token != json_integer_value(json_object_get(journal_state(), "token")))
		return fail(f, "lease-lost", NULL, "the lease %lld is over and cannot be %s: a later one was given",
			    (long long)token, used);
	return 0;
}

json_t *fence_take(const char *owner, int64_t ttl_ms, json_int_t token, struct failure *f)
{
	json_t *before;

	if (token ? fence_check(token, "renewed", f) : (current() ? held(current(), f) : 0))
		return NULL;
	before = checked(json_deep_copy(journal_state()));
	if (!token)
		token = number_of(journal_state(), "token") + 1;
	journal_set("token", json_integer(token));
	journal_set("lease", json_pack("{s:s, s:I, s:I, s:s}", "owner", owner, "token", token, "ends_ms",
				       (json_int_t)(boottime_ms() + ttl_ms), "boot_id", kernel_boot_id()));
	if (save_or_undo(before, f))
		return NULL;
	return checked(json_pack("{s:I, s:I}", "token", token, "expires_in_ms", (json_int_t)ttl_ms));
}

json_t *fence_release(json_int_t token, struct failure *f)
{
	json_t *before;

	if (fence_check(token, "released", f))
		return NULL;
	before = checked(json_deep_copy(journal_state()));
	journal_set("lease", NULL);
	return save_or_undo(before, f) ? NULL : checked(json_object());
}
