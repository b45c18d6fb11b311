// SPDX-License-Identifier: GPL-2.0-only
/* A watch: what the host looks like, again and again, with the operator's own checks. */
#include "watch.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kernel.h"
#include "observe.h"
#include "protocol.h"
#include "trial.h"

#define CHECK_POLL_MS 20	/* while checks run */

/* What the client is told of at once when it changes. */
struct visible {
	struct kernel_now kernel;
	char trial[32];
};

struct watch {
	json_int_t id;
	int64_t interval_ms, started_ms, until_ms, next_ms;
	bool pressure, checking, observes;	/* `observe` says nothing before its end */
	size_t top;
	struct observation *observation;	/* NULL: not asked for */
	char trial[32];			/* the trial at the start, "" when there was none */
	struct visible seen;
	size_t check_count;
	struct check *checks[WATCH_CHECKS];
	json_t *names, *results;	/* the latest result of each check */
};

static void look(struct visible *v)
{
	memset(v, 0, sizeof(*v));
	kernel_look(&v->kernel);
	strncpy(v->trial, host_trial_id(), sizeof(v->trial) - 1);
}

static bool is_same(const struct visible *a, const struct visible *b)
{
	return !strcmp(a->trial, b->trial) && !strcmp(a->kernel.state, b->kernel.state) &&
	       !strcmp(a->kernel.ops, b->kernel.ops) && a->kernel.enable_seq == b->kernel.enable_seq;
}

struct watch *watch_start(json_t *request, struct failure *f)
{
	struct watch *w = allocate(sizeof(*w));
	json_t *top = json_object_get(request, "top");

	if (top || json_is_true(json_object_get(request, "run_queue"))) {
		w->observation = observation_start(top, f);
		if (!w->observation) {
			free(w);
			return NULL;
		}
	}
	w->observes = top;
	w->top = (size_t)json_integer_value(top);
	w->id = json_integer_value(json_object_get(request, "id"));
	w->interval_ms = json_integer_value(json_object_get(request, "interval_ms"));
	w->pressure = json_is_true(json_object_get(request, "pressure"));
	w->names = json_incref(json_object_get(request, "checks"));
	w->check_count = json_array_size(w->names);
	w->results = checked(json_object());
	w->started_ms = w->next_ms = boottime_ms();
	w->until_ms = w->started_ms + json_integer_value(json_object_get(request, "for_ms"));
	look(&w->seen);
	memcpy(w->trial, w->seen.trial, sizeof(w->trial));
	return w;
}

static const char *check_name(const struct watch *w, size_t i)
{
	return json_string_value(json_array_get(w->names, i));
}

static void start_checks(struct watch *w)
{
	for (size_t i = 0; i < w->check_count; i++)
		w->checks[i] = check_start(check_name(w, i));
	w->checking = w->check_count > 0;
}

/* True when none runs any more. */
static bool poll_checks(struct watch *w)
{
	bool done = true;

	for (size_t i = 0; i < w->check_count; i++) {
		json_t *result = w->checks[i] ? check_poll(w->checks[i]) : NULL;

		if (result) {
			put(w->results, check_name(w, i), result);
			check_free(w->checks[i]);
			w->checks[i] = NULL;
		}
		done = done && !w->checks[i];
	}
	return done;
}

static void say_event(struct connection *c, struct watch *w)
{
	json_t *event = checked(json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "elapsed_ms",
					  (json_int_t)(boottime_ms() - w->started_ms), "kernel", kernel_json(), "trial",
					  host_trial(), "running", host_running(), "pressure",
					  w->pressure ? kernel_pressure() : json_null(), "run_queue",
					  w->observation ? observation_since_last(w->observation) : json_null(), "checks",
					  json_deep_copy(w->results)));

	say(c, json_pack("{s:I, s:o}", "id", w->id, "event", event));
}

static void end(struct connection *c, const char *why)
{
	struct watch *w = c->watch;

	c->watch = NULL;
	answer(c, w->id, w->observes ? observation_result(w->observation, w->top)
				     : json_pack("{s:s, s:o}", "ended", why, "status", host_status()));
	watch_free(w);
}

void watch_tick(struct connection *c)
{
	struct watch *w = c->watch;
	int64_t t = boottime_ms();
	struct visible v;
	bool changed, speak;

	if (w->observes) {
		if (t >= w->until_ms)
			end(c, "time");
		return;
	}
	look(&v);
	changed = !is_same(&v, &w->seen);
	speak = changed;
	if (!w->checking && t >= w->next_ms) {
		w->next_ms += w->interval_ms;	/* not from now on: a first look a moment late would cost the last one */
		if (w->next_ms <= t)
			w->next_ms = t + w->interval_ms;
		start_checks(w);
		speak = speak || !w->checking;
	}
	if (w->checking && poll_checks(w)) {
		w->checking = false;
		speak = true;
	}
	w->seen = v;
	if (speak)
		say_event(c, w);
	if (w->trial[0] && strcmp(w->trial, v.trial))
		end(c, "trial");
	else if (t >= w->until_ms && !w->checking)
		end(c, "time");
}

int64_t watch_next_ms(const struct watch *w)
{
	int64_t t = w->next_ms < w->until_ms && !w->observes ? w->next_ms : w->until_ms;

	return w->checking ? boottime_ms() + CHECK_POLL_MS : t;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->check_count; i++)
		check_free(w->checks[i]);
	observation_free(w->observation);
	json_decref(w->names);
	json_decref(w->results);
	free(w);
}
