/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of one or more threads that compute without end, as virtual machines with busy vCPUs are to their host, and
 * one with a single thread that wakes, computes a little and sleeps: `machines SECONDS THREADS...`
 *
 * Every busy machine should have the same share of the CPUs' time, however many threads it has. Printed is how much of all
 * their time went where it belongs, in percent: all but half of the sum of what each has too much or too little.
 *
 * They look at the clock now and then, as hogs.c says.
 */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_MACHINES 26

static void compute(int rounds)
{
	struct timespec now;

	for (int i = 0; i < rounds; i++)
		__asm__ volatile("");
	clock_gettime(CLOCK_MONOTONIC, &now);
}

static void *busy(void *argument)
{
	(void)argument;
	prctl(PR_SET_NAME, "busy");
	for (;;)
		compute(3000);
	return NULL;
}

static pid_t start_busy(int threads)
{
	pid_t pid = fork();
	pthread_t thread;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (--threads > 0)
		if (pthread_create(&thread, NULL, busy, NULL))
			_exit(1);
	busy(NULL);
	_exit(1);
}

static pid_t start_halting(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "halting");
	for (;;) {
		usleep(8000);
		compute(20000);
	}
}

/* Return -1 when there is no such process any more. */
static double used_s(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
		return -1;
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double before[MAX_MACHINES], all_s = 0, off = 0;
	int machines = argc - 2, failed = 0;
	pid_t pids[MAX_MACHINES + 1];

	if (machines < 1 || machines > MAX_MACHINES) {
		fprintf(stderr, "usage: machines SECONDS THREADS...\n");
		return 2;
	}
	for (int i = 0; i < machines; i++)
		pids[i] = start_busy(atoi(argv[i + 2]));
	pids[machines] = start_halting();
	usleep(500000); /* until all run */
	for (int i = 0; i < machines; i++)
		before[i] = used_s(pids[i]);
	usleep((useconds_t)(atof(argv[1]) * 1e6));
	for (int i = 0; i < machines; i++) {
		double after = used_s(pids[i]);

		failed |= before[i] < 0 || after < 0;
		before[i] = after - before[i];
		all_s += before[i];
	}
	for (int i = 0; i <= machines; i++)
		kill(pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	if (failed || all_s <= 0) {
		fprintf(stderr, "a machine ended by itself\n");
		return 1;
	}
	for (int i = 0; i < machines; i++)
		off += fabs(before[i] / all_s - 1.0 / machines) * 50;
	printf("{\"share_accuracy\": %.3f, \"used_s\": %.3f", 100 - off, all_s);
	for (int i = 0; i < machines; i++)
		printf(", \"share_%c\": %.2f", 'a' + i, 100 * before[i] / all_s);
	printf("}\n");
	return 0;
}
