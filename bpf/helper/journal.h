/* SPDX-License-Identifier: GPL-2.0-only */
/* What survives the helper: the state file, the objects, the history. Every write is durable before it is answered. */
#ifndef FLEETSCHED_JOURNAL_H
#define FLEETSCHED_JOURNAL_H

#include "util.h"

#define OBJECT_BYTES (1u << 20)		/* the largest object that is taken */
#define HISTORY_ENTRIES 200		/* the most that `history` returns */

int journal_open(const char *dir, struct failure *f);
const char *journal_dir(void);

/* The state: one JSON object, changed in place and then saved. Its members are absent when there is nothing to say:
 * last_known_good, previous, voided, trial, last_trial, lease, token, held, boots, signed, upgrade, highest_version.
 */
json_t *journal_state(void);
void journal_set(const char *key, json_t *value);	/* owns @value; NULL removes the key */
int journal_save(struct failure *f);			/* `disk-full` when it cannot be written */

/* One entry of the history; @assignment, @run, @exit may be NULL and stay the caller's. */
void journal_add(const char *event, json_t *assignment, const char *run, json_t *exit, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
json_t *journal_history(size_t limit);

void journal_object_path(const char *digest, char *path, size_t size);
bool journal_has_object(const char *digest);
int journal_check_space(size_t size, struct failure *f);	/* `disk-full` when an object of @size would not fit */
void *journal_read_object(const char *digest, size_t *size, struct failure *f);
int journal_write_object(const char *digest, const void *data, size_t size, struct failure *f);

#endif
