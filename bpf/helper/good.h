/* SPDX-License-Identifier: GPL-2.0-only */
/* The last known good: the last confirmed assignment that was not ejected since. */
#ifndef FLEETSCHED_GOOD_H
#define FLEETSCHED_GOOD_H

#include "util.h"

void reattach(const char *why);	/* when there is one; the kernel's own scheduler stays when it fails */
void attach_at_start(void);	/* the same at the start of the service, when nothing speaks against it */
void good_would_stay_off(char *why, size_t size);	/* why a helper that starts now would not attach it; "" when it would */
void void_last_known_good(json_t *exit, const char *why);
json_t *new_record(json_t *trial);

/* Make it the previous one, and hold it when @why says so. Returns its assignment, owned, or NULL. */
json_t *retire(const char *why);

#endif
