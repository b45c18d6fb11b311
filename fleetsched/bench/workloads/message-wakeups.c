/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message threads wake workers, each of which computes and answers.
 *
 * Every message thread has its own workers and wakes each that waits for work, at once. A request is the time from
 * there to the worker's answer: it waits for a CPU, computes, sleeps shortly as if it asked a cache, and computes the
 * rest. What a request computes varies between half and one and a half of the load, by the seed.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 256
#define MAX_SAMPLES 400000
#define PAUSE_NS 200000
#define REST_NS 500000

struct worker {
	_Atomic uint32_t asked;		/* futex; 1: there is a request */
	uint64_t asked_ns, random;
	struct messenger *messenger;
};

struct messenger {
	_Atomic uint32_t answers;	/* futex; counts answers */
	struct worker *workers;
};

static int messengers = 2, workers_each = 4;
static double seconds = 5;
static uint64_t load = 150000, seed = 1, end_ns;
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

static void pause_ns(long ns)
{
	struct timespec pause = { .tv_nsec = ns };

	nanosleep(&pause, NULL);
}

static void futex_wait(_Atomic uint32_t *word, uint32_t value, long timeout_ns)
{
	struct timespec timeout = { .tv_nsec = timeout_ns };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns ? &timeout : NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *work(void *argument)
{
	struct worker *worker = argument;

	prctl(PR_SET_NAME, "worker");
	for (;;) {
		uint64_t rounds;
		uint32_t slot;

		while (!atomic_load(&worker->asked))
			futex_wait(&worker->asked, 0, 0);
		rounds = load / 2 + next_random(&worker->random) % (load + 1);
		compute(rounds / 2);
		pause_ns(PAUSE_NS);
		compute(rounds / 2);
		slot = atomic_fetch_add(&count, 1);
		if (slot < MAX_SAMPLES)
			samples_ns[slot] = clamped(now_ns() - worker->asked_ns);
		atomic_store(&worker->asked, 0);
		atomic_fetch_add(&worker->messenger->answers, 1);
		futex_wake(&worker->messenger->answers);
	}
	return NULL;
}

static void *message(void *argument)
{
	struct messenger *messenger = argument;

	prctl(PR_SET_NAME, "messenger");
	while (now_ns() < end_ns) {
		uint32_t answers = atomic_load(&messenger->answers);

		for (int i = 0; i < workers_each; i++) {
			struct worker *worker = &messenger->workers[i];

			if (atomic_load(&worker->asked))
				continue;
			worker->asked_ns = now_ns();
			atomic_store(&worker->asked, 1);
			futex_wake(&worker->asked);
		}
		futex_wait(&messenger->answers, answers, 50000000);
		pause_ns(REST_NS);
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
	static struct messenger all[MAX_THREADS];
	pthread_t threads[MAX_THREADS], thread;
	uint64_t begin_ns;
	double took_s;
	uint32_t used;
	int option;

	while ((option = getopt(argc, argv, "m:t:s:w:r:")) != -1) {
		if (option == 'm')
			messengers = atoi(optarg);
		else if (option == 't')
			workers_each = atoi(optarg);
		else if (option == 's')
			seconds = atof(optarg);
		else if (option == 'w')
			load = strtoull(optarg, NULL, 10);
		else if (option == 'r')
			seed = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	if (messengers < 1 || messengers > MAX_THREADS || workers_each < 1 || workers_each > MAX_THREADS) {
		fprintf(stderr, "1 to %d messengers and workers\n", MAX_THREADS);
		return 2;
	}
	begin_ns = now_ns();
	end_ns = begin_ns + (uint64_t)(seconds * 1e9);
	for (int m = 0; m < messengers; m++) {
		all[m].workers = calloc((size_t)workers_each, sizeof(*all[m].workers));
		for (int t = 0; t < workers_each; t++) {
			struct worker *worker = &all[m].workers[t];

			worker->messenger = &all[m];
			worker->random = (seed * 1000 + (uint64_t)(m * workers_each + t) + 1) * 0x9e3779b97f4a7c15;
			if (pthread_create(&thread, NULL, work, worker))
				return 1;
		}
	}
	for (int m = 0; m < messengers; m++)
		if (pthread_create(&threads[m], NULL, message, &all[m]))
			return 1;
	for (int m = 0; m < messengers; m++)
		pthread_join(threads[m], NULL);
	took_s = (double)(now_ns() - begin_ns) / 1e9;
	used = atomic_load(&count);
	used = used < MAX_SAMPLES ? used : MAX_SAMPLES;
	if (!used) {
		fprintf(stderr, "no request was answered\n");
		return 1;
	}
	qsort(samples_ns, used, sizeof(*samples_ns), compare);
	printf("{\"requests\": %u, \"requests_per_second\": %.3f, \"request_latency_p50_us\": %.1f, "
	       "\"request_latency_p99_us\": %.1f}\n",
	       used, used / took_s, percentile_us(used, 0.50), percentile_us(used, 0.99));
	fflush(stdout);
	_exit(0);	/* workers still run */
}
