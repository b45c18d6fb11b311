// SPDX-License-Identifier: GPL-2.0-only
/* Which controller may change this host: a lease with a fencing token that only rises. */
#include "fence.h"

#include <string.h>

#include "journal.h"
#include "kernel.h"

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
	json_t *before = copy_or_null(json_object_get(journal_state(), "lease"));
	json_int_t last = json_integer_value(json_object_get(journal_state(), "token"));
	json_t *result = NULL;

	if (token ? fence_check(token, "renewed", f) : (current() ? held(current(), f) : 0))
		goto out;
	if (!token)
		token = last + 1;
	journal_set("token", json_integer(token));
	journal_set("lease", json_pack("{s:s, s:I, s:I, s:s}", "owner", owner, "token", token, "ends_ms",
				       (json_int_t)(boottime_ms() + ttl_ms), "boot_id", kernel_boot_id()));
	if (journal_save(f)) {
		journal_set("lease", json_is_null(before) ? NULL : json_incref(before));
		goto out;
	}
	result = checked(json_pack("{s:I, s:I}", "token", token, "expires_in_ms", (json_int_t)ttl_ms));
out:
	json_decref(before);
	return result;
}

json_t *fence_release(json_int_t token, struct failure *f)
{
	if (fence_check(token, "released", f))
		return NULL;
	journal_set("lease", NULL);
	return journal_save(f) ? NULL : checked(json_object());
}
