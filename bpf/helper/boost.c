// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel ends a policy in a thread of its own, sched_ext_helper, which it makes at each attach with SCHED_FIFO 50.
 * Real-time tasks above that on every CPU would keep it from running: with hogs of priority 60 on both CPUs a detach took
 * over 20 s on 7.3, and 1.1 s with this thread at 98.
 */
#include "boost.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

#define PRIORITY 98		/* below the kernel's own 99: migration, stop_machine */
#define NEWEST 64		/* kernel threads that are looked at, the newest ones */

static bool is_the_one(int pid)
{
	char path[32], name[32];

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	return read_text(path, name, sizeof(name)) > 0 && !strncmp(name, "sched_ext_helpe", 15);
}

void boost_detaching(void)
{
	const struct sched_param priority = { .sched_priority = PRIORITY };
	FILE *threads = fopen("/proc/2/task/2/children", "re");	/* of kthreadd, in the order in which they were made */
	int pids[NEWEST] = { 0 }, count = 0;

	while (threads && fscanf(threads, "%d", &pids[count % NEWEST]) == 1)
		count++;
	if (threads)
		fclose(threads);
	for (int i = count - 1; i >= 0 && i > count - NEWEST; i--) {
		if (!is_the_one(pids[i % NEWEST]))
			continue;
		if (sched_setscheduler(pids[i % NEWEST], SCHED_FIFO, &priority))
			note("the kernel's sched_ext_helper keeps its priority: %s", strerror(errno));
		return;
	}
	note("the kernel's sched_ext_helper was not found and keeps its priority");
}
