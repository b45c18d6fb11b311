/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks that wake at a moment, compute a little and sleep until the next, as editors and games do.
 *
 * A request is the time from the moment for which the task asked to be woken to the end of what it computes then. The
 * moments come at random around the period, by the seed, and do not wait for a late task: what it missed, it does late.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MAX_TASKS 64
#define MAX_SAMPLES 400000

struct task {
	uint64_t random;
};

static int tasks = 2;
static double seconds = 5;
static uint64_t load = 50000, period_us = 10000, seed = 1, end_ns;
static uint32_t samples_ns[MAX_SAMPLES];
static _Atomic uint32_t count;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What takes 4.3 s or longer counts as that. */
static uint32_t clamped(uint64_t ns)
{
	return ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void compute(uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++)
		__asm__ volatile("" : "+r"(i));
}

static void *interact(void *argument)
{
	struct task *task = argument;
	uint64_t due_ns = now_ns();

	prctl(PR_SET_NAME, "interactive");
	for (;;) {
		struct timespec due;
		uint32_t slot;

		due_ns += period_us * 500 + next_random(&task->random) % (period_us * 1000);
		if (due_ns >= end_ns)
			break;
		due = (struct timespec){ .tv_sec = (time_t)(due_ns / 1000000000), .tv_nsec = (long)(due_ns % 1000000000) };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		compute(load);
		slot = atomic_fetch_add(&count, 1);
		if (slot < MAX_SAMPLES)
			samples_ns[slot] = clamped(now_ns() - due_ns);
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

	return (first > second) - (first < second);
}

static double percentile_us(uint32_t used, double share)
{
	uint32_t place = (uint32_t)(share * used);

	return samples_ns[place < used ? place : used - 1] / 1000.0;
}

int main(int argc, char **argv)
{
	static struct task all[MAX_TASKS];
	pthread_t threads[MAX_TASKS];
	uint32_t used;
	int option;

	while ((option = getopt(argc, argv, "n:p:s:w:r:")) != -1) {
		if (option == 'n')
			tasks = atoi(optarg);
		else if (option == 'p')
			period_us = strtoull(optarg, NULL, 10);
		else if (option == 's')
			seconds = atof(optarg);
		else if (option == 'w')
			load = strtoull(optarg, NULL, 10);
		else if (option == 'r')
			seed = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	if (tasks < 1 || tasks > MAX_TASKS || period_us < 1) {
		fprintf(stderr, "1 to %d tasks, a period of 1 us or more\n", MAX_TASKS);
		return 2;
	}
	end_ns = now_ns() + (uint64_t)(seconds * 1e9);
	for (int i = 0; i < tasks; i++) {
		all[i].random = (seed * 1000 + (uint64_t)i + 1) * 0x9e3779b97f4a7c15;
		if (pthread_create(&threads[i], NULL, interact, &all[i]))
			return 1;
	}
	for (int i = 0; i < tasks; i++)
		pthread_join(threads[i], NULL);
	used = atomic_load(&count);
	used = used < MAX_SAMPLES ? used : MAX_SAMPLES;
	if (!used) {
		fprintf(stderr, "no task woke\n");
		return 1;
	}
	qsort(samples_ns, used, sizeof(*samples_ns), compare);
	printf("{\"requests\": %u, \"request_latency_p50_us\": %.1f, \"request_latency_p99_us\": %.1f}\n", used,
	       percentile_us(used, 0.50), percentile_us(used, 0.99));
	return 0;
}
