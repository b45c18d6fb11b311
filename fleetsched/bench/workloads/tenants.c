/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that compute in cgroups of different weight: `tenants FOLDER SECONDS WEIGHT:PROCESSES...`
 *
 * Every tenant should have the share of the CPUs that its weight is of all weights. Printed is how much of all CPU time
 * went where it belongs, in percent: all but half of the sum of what each has too much or too little.
 */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_TENANTS 26

static int write_text(const char *folder, const char *file, const char *text)
{
	char path[4096];
	FILE *opened;
	int ok;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	opened = fopen(path, "w");
	if (!opened) {
		perror(path);
		return 0;
	}
	ok = fputs(text, opened) >= 0;
	if (fclose(opened) || !ok) {
		perror(path);
		return 0;
	}
	return 1;
}

static double usage_us(const char *folder)
{
	char path[4096];
	double usage = -1;
	FILE *opened;

	snprintf(path, sizeof(path), "%s/cpu.stat", folder);
	opened = fopen(path, "r");
	if (opened) {
		if (fscanf(opened, "usage_usec %lf", &usage) != 1)
			usage = -1;
		fclose(opened);
	}
	return usage;
}

int main(int argc, char **argv)
{
	char folders[MAX_TENANTS][4096];
	double weights[MAX_TENANTS], before[MAX_TENANTS], total = 0, all_us = 0, off = 0;
	int tenants = argc - 3, failed = 0;

	if (tenants < 1 || tenants > MAX_TENANTS) {
		fprintf(stderr, "usage: tenants FOLDER SECONDS WEIGHT:PROCESSES...\n");
		return 2;
	}
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < tenants; i++) {
		int weight, processes;
		char text[32];

		if (sscanf(argv[i + 3], "%d:%d", &weight, &processes) != 2)
			return 2;
		weights[i] = weight;
		total += weight;
		snprintf(folders[i], sizeof(folders[i]), "%s/tenant-%c", argv[1], 'a' + i);
		mkdir(folders[i], 0755);
		snprintf(text, sizeof(text), "%d", weight);
		if (!write_text(folders[i], "cpu.weight", text))
			return 1;
		for (int p = 0; p < processes; p++) {
			if (fork())
				continue;
			if (!write_text(folders[i], "cgroup.procs", "0"))
				_exit(1);
			prctl(PR_SET_NAME, "tenant");
			for (;;)
				__asm__ volatile("");
		}
	}
	usleep(500000);	/* until all are where they belong */
	for (int i = 0; i < tenants; i++)
		before[i] = usage_us(folders[i]);
	usleep((useconds_t)(atof(argv[2]) * 1e6));
	for (int i = 0; i < tenants; i++) {
		double used = usage_us(folders[i]) - before[i];

		failed |= before[i] < 0;
		before[i] = used;
		all_us += used;
	}
	for (int i = 0; i < tenants; i++) {
		write_text(folders[i], "cgroup.kill", "1");
		off += fabs(before[i] / all_us - weights[i] / total) * 50;
	}
	if (failed || all_us <= 0) {
		fprintf(stderr, "the kernel does not say what the cgroups used\n");
		return 1;
	}
	printf("{\"share_accuracy\": %.3f, \"used_s\": %.3f", 100 - off, all_us / 1e6);
	for (int i = 0; i < tenants; i++)
		printf(", \"share_%c\": %.2f", 'a' + i, 100 * before[i] / all_us);
	printf("}\n");
	return 0;
}
