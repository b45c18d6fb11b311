/* SPDX-License-Identifier: GPL-2.0-only */
/* What the host has on record: reading and writing the members of the state that several files need. */
#ifndef FLEETSCHED_RECORDS_H
#define FLEETSCHED_RECORDS_H

#include "util.h"

json_t *recorded(const char *key);	/* a member of the state, NULL when it is absent */
json_t *assignment_of(json_t *record);
bool is_same(json_t *record, json_t *other);	/* the same assignment, and with the same program if it has one */
const char *text_of(json_t *object, const char *key);	/* "" when absent */
json_int_t number_of(json_t *object, const char *key);	/* 0 when absent */

/* Save, or put the state in memory back to @before, which is consumed. */
int save_or_undo(json_t *before, struct failure *f);
void save_or_note(void);	/* for what has happened already: `save_again` is called until it could be saved */
void save_again(void);		/* when it is time to */
int64_t save_again_at_ms(void);	/* CLOCK_BOOTTIME, -1: no need */

const char *reason_of(json_t *exit);	/* words, also for NULL */
bool is_our_lease(json_t *exit);

/* An assignment that is not to be tried again; `hold` also writes history. */
void set_held(json_t *assignment, const char *why, json_t *exit);
void hold(json_t *assignment, const char *why, json_t *exit);
json_t *find_held(json_t *assignment, size_t *at);

#endif
