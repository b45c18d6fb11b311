/* SPDX-License-Identifier: GPL-2.0-only */
/* What the observer counted: sums, differences, percentiles, and how they are told. */
#ifndef FLEETSCHED_TALLY_H
#define FLEETSCHED_TALLY_H

#include "observe.h"

void tally_add(struct observer_tally *sum, const struct observer_tally *t);
void tally_subtract(struct observer_tally *t, const struct observer_tally *before);
uint64_t tally_switches(const struct observer_tally *t);

/* These use @t up. */
json_t *tally_json(struct observer_tally *t);
json_t *tally_run_queue(struct observer_tally *t);	/* its percentiles only; JSON null without a wait */

#endif
