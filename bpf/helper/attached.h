/* SPDX-License-Identifier: GPL-2.0-only */
/* What this helper has attached: one policy or none, and whether the kernel still runs it. */
#ifndef FLEETSCHED_ATTACHED_H
#define FLEETSCHED_ATTACHED_H

#include "loader.h"

struct attached {
	struct policy *policy;		/* NULL: this helper has nothing attached */
	json_t *assignment;
	json_t *baseline;		/* event counters right after the attach */
	long enable_seq;
	int64_t attached_ms;
	bool tells;			/* its end wakes us; else it has to be looked for */
	int64_t next_look_ms, next_beat_ms;
};

extern struct attached now;

/* A descriptor that becomes readable when the attached policy says that it ends, and what to call then. -1: no such. */
int ends_fd(void);
void end_told(void);

bool attached_is_true(void);	/* the kernel runs it at this moment */
void find_foreign(char *buf, size_t size);	/* name of a scheduler that runs and is not ours; "" when there is none */

/* An object that was staged, or with @program one that is installed: checked, loaded if it is an object. */
struct policy *load_policy(json_t *assignment, json_t *program, struct failure *f);

/* @policy is freed on failure: -1, `attach-failed`, its exit record (or JSON null) in the detail. */
int attach_policy(struct policy *policy, json_t *assignment, struct failure *f);

/* Detach, whether or not the kernel has let it go already. `let_go` leaves the policy to the caller, for its record; the
 * other one frees it and returns the record, or NULL.
 */
struct policy *let_go(void);
json_t *detach_policy(void);

void beat(void);	/* renew the kernel lease of a confirmed policy */

#endif
