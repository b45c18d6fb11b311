/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch of processes that compute: many short ones and a long one, all started at once, as a test suite is.
 *
 * The long one is started at a random place among the short ones, by the seed. Each is called `short` or `long`, as the
 * commands of a real batch have names of their own.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_JOBS 1000

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t mixed(uint64_t value)
{
	value = (value + 1) * 0x9e3779b97f4a7c15;
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93;
	return value ^ value >> 32;
}

static void compute(uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++)
		__asm__ volatile("" : "+r"(i));
}

int main(int argc, char **argv)
{
	uint64_t load = 3000000, seed = 1;
	double ratio = 6, begin_s, sum_s = 0;
	int jobs = 40, option, longest, start[2];
	char go = 0;

	while ((option = getopt(argc, argv, "n:x:w:r:")) != -1) {
		if (option == 'n')
			jobs = atoi(optarg);
		else if (option == 'x')
			ratio = atof(optarg);
		else if (option == 'w')
			load = strtoull(optarg, NULL, 10);
		else if (option == 'r')
			seed = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	if (jobs < 1 || jobs > MAX_JOBS || pipe(start)) {
		fprintf(stderr, "1 to %d jobs\n", MAX_JOBS);
		return 2;
	}
	longest = (int)(mixed(seed) % (uint64_t)jobs);
	for (int i = 0; i < jobs; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (!pid) {
			/* None is exactly as long as the other: five percent more or less. */
			double length = 0.95 + (double)(mixed(seed * MAX_JOBS + (uint64_t)i) % 1000) / 10000;

			prctl(PR_SET_NAME, i == longest ? "long" : "short");
			close(start[1]);
			if (read(start[0], &go, 1) < 0)	/* the end of the pipe is the start of all */
				_exit(1);
			compute((uint64_t)((double)load * length * (i == longest ? ratio : 1)));
			_exit(0);
		}
	}
	begin_s = now_s();
	close(start[0]);
	close(start[1]);
	for (int i = 0; i < jobs; i++) {
		int status;

		if (wait(&status) < 0 || status) {
			fprintf(stderr, "a job failed\n");
			return 1;
		}
		sum_s += now_s() - begin_s;
	}
	printf("{\"completion_time_s\": %.4f, \"mean_completion_s\": %.4f}\n", now_s() - begin_s, sum_s / jobs);
	return 0;
}
