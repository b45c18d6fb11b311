// SPDX-License-Identifier: GPL-2.0-only
/* What the observer counted: sums, differences, percentiles, and how they are told. */
#include "tally.h"

void tally_add(struct observer_tally *sum, const struct observer_tally *t)
{
	sum->on_ns += t->on_ns;
	for (size_t i = 0; i < OBSERVER_BUCKETS; i++) {
		sum->woken[i] += t->woken[i];
		sum->preempted[i] += t->preempted[i];
	}
	for (size_t i = 0; i < OBSERVER_LOGS; i++)
		sum->slices[i] += t->slices[i];
}

void tally_subtract(struct observer_tally *t, const struct observer_tally *before)
{
	t->on_ns -= before->on_ns;
	for (size_t i = 0; i < OBSERVER_BUCKETS; i++) {
		t->woken[i] -= before->woken[i];
		t->preempted[i] -= before->preempted[i];
	}
	for (size_t i = 0; i < OBSERVER_LOGS; i++)
		t->slices[i] -= before->slices[i];
}

/* Where a bucket ends, in ns. */
static uint64_t wait_below(size_t bucket)
{
	uint64_t units = bucket < 4 ? bucket + 1 : (5 + bucket % 4) << (bucket / 4 - 1);

	return units << OBSERVER_UNIT_SHIFT;
}

static uint64_t slice_below(size_t bucket)
{
	return 2ULL << bucket << OBSERVER_UNIT_SHIFT;
}

static uint64_t total(const unsigned int *buckets, size_t size)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += buckets[i];
	return sum;
}

/* The end of the bucket in which the wait lies that @percent of all do not exceed, in us, rounded up. */
static json_int_t percentile(const unsigned int *buckets, uint64_t count, unsigned int percent)
{
	uint64_t wanted = (count * percent + 99) / 100, seen = 0;

	for (size_t i = 0; count && i < OBSERVER_BUCKETS; i++) {
		seen += buckets[i];
		if (seen >= wanted)
			return (json_int_t)((wait_below(i) + 999) / 1000);
	}
	return 0;
}

static json_t *histogram(const unsigned int *buckets, size_t size, uint64_t (*below)(size_t))
{
	json_t *list = checked(json_array());

	for (size_t i = 0; i < size; i++)
		if (buckets[i])
			json_array_append_new(list, checked(json_pack("[I, I]", (json_int_t)below(i), (json_int_t)buckets[i])));
	return list;
}

static json_t *latency(const unsigned int *buckets)
{
	uint64_t count = total(buckets, OBSERVER_BUCKETS);

	return checked(json_pack("{s:I, s:I, s:I, s:I}", "count", (json_int_t)count, "p50_us", percentile(buckets, count, 50),
				 "p95_us", percentile(buckets, count, 95), "p99_us", percentile(buckets, count, 99)));
}

static json_t *latency_in_full(const unsigned int *buckets)
{
	json_t *l = latency(buckets);

	put(l, "max_us", json_integer(percentile(buckets, total(buckets, OBSERVER_BUCKETS), 100)));
	put(l, "buckets", histogram(buckets, OBSERVER_BUCKETS, wait_below));
	return l;
}

/* Its preemptions come to its wakeups. */
static void join_waits(struct observer_tally *t)
{
	for (size_t i = 0; i < OBSERVER_BUCKETS; i++)
		t->woken[i] += t->preempted[i];
}

uint64_t tally_switches(const struct observer_tally *t)
{
	return total(t->slices, OBSERVER_LOGS);
}

json_t *tally_run_queue(struct observer_tally *t)
{
	join_waits(t);
	return total(t->woken, OBSERVER_BUCKETS) ? latency(t->woken) : checked(json_null());
}

json_t *tally_json(struct observer_tally *t)
{
	json_t *j = checked(json_pack("{s:I, s:I, s:o, s:o}", "on_cpu_us", (json_int_t)(t->on_ns / 1000), "switches",
				      (json_int_t)tally_switches(t), "wakeup", latency_in_full(t->woken),
				      "slices", histogram(t->slices, OBSERVER_LOGS, slice_below)));

	join_waits(t);
	put(j, "run_queue", latency_in_full(t->woken));
	return j;
}
