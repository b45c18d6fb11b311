/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's state machine: what runs, the trial, the last known good, what is held. One thread calls all of this. */
#ifndef FLEETSCHED_TRIAL_H
#define FLEETSCHED_TRIAL_H

#include "util.h"

struct try_args {
	json_t *assignment;	/* borrowed, like all here */
	json_t *program;	/* what is started, for a policy that is installed on the host; NULL: a staged object */
	int64_t deadline_ms;
	const char *run;
	const char *revision;
	json_int_t token;	/* 0: none */
	const char *hold;	/* why the replaced last known good is held once this one is confirmed; NULL: it is not */
	json_t *request;	/* all of it, with its statement and signature */
};

void host_start(void);			/* a lost trial is noted, the last known good attached if it may be */
void host_stop(void);			/* a clean stop: detach, and remember that it was clean */
void host_tick(void);			/* notice what the kernel or the guard did; keep the kernel lease alive */
void host_look(void);			/* the same, now: what is answered or decided next is the kernel's word of this moment */
int64_t host_next_tick_ms(void);	/* when to call host_tick at the latest (CLOCK_BOOTTIME), -1: no need */

json_t *host_status(void);
json_t *host_running(void);		/* status's `running` */
json_t *host_trial(void);		/* status's `trial` */
const char *host_trial_id(void);	/* "" when there is none */

/* The verbs: a result, or NULL and @f filled. */
json_t *host_try(const struct try_args *args, struct failure *f);
json_t *host_confirm(const char *trial, json_int_t token, struct failure *f);
json_t *host_revert(const char *trial, json_int_t token, const char *why, bool blame, struct failure *f);
json_t *host_stop_policy(json_int_t token, const char *why, const char *hold_why, struct failure *f);
json_t *host_release_held(json_t *assignment, struct failure *f);

#endif
