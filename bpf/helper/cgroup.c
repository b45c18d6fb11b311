// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cgroup of a scheduler program. systemd gives the service a cgroup to divide (Delegate=) and puts the helper into
 * its subgroup `helper` (DelegateSubgroup=); the program's is beside that. The cpu controller stays off: turning it on
 * here would turn it on for every service of the host, and so change how their tasks share the CPUs.
 */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup"
#define OWN "/helper"
#define MOST_PROCESSES "256"
#define GONE_MS 5000	/* the most that killed processes are given to be gone */

static char service[300], group[310];	/* set by cgroup_find */

static int put_file(const char *dir, const char *name, const char *text)
{
	char path[400];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int cgroup_find(void)
{
	char text[400], *path, *end;

	if (read_text("/proc/self/cgroup", text, sizeof(text)) <= 0)
		return -EIO;
	path = strstr(text, "0::/");
	if (!path)
		return -ENOTSUP;
	path += strlen("0::");
	end = path + strcspn(path, "\n") - strlen(OWN);
	if (end <= path || strncmp(end, OWN, strlen(OWN)))
		return -ENOTSUP;
	snprintf(service, sizeof(service), ROOT "%.*s", (int)(end - path), path);
	snprintf(group, sizeof(group), "%s/program", service);
	snprintf(text, sizeof(text), "%s/cgroup.subtree_control", service);
	return access(text, W_OK) ? -errno : 0;
}

int cgroup_make(void)
{
	char bytes[32];
	int err = put_file(service, "cgroup.subtree_control", "+memory +pids");

	if (err)
		return err;
	rmdir(group);	/* what an earlier helper left; its counters begin anew */
	if (mkdir(group, 0755))
		return -errno;
	snprintf(bytes, sizeof(bytes), "%lld", (long long)PROGRAM_MEMORY_MIB << 20);
	err = put_file(group, "memory.max", bytes);
	if (!err)
		err = put_file(group, "memory.oom.group", "1");
	if (!err)
		err = put_file(group, "pids.max", MOST_PROCESSES);
	put_file(group, "memory.swap.max", "0");	/* absent without swap */
	if (err)
		rmdir(group);
	return err;
}

int cgroup_open_procs(void)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	return open(path, O_WRONLY | O_CLOEXEC);
}

/* The value of a "name value" line, -1 when there is none. */
static long read_member(const char *file, const char *name)
{
	char path[400], text[512], *save = NULL;
	size_t n = strlen(name);
	long value;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	if (read_text(path, text, sizeof(text)) <= 0)
		return -1;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, name, n) && sscanf(line + n, " %ld", &value) == 1)
			return value;
	return -1;
}

bool cgroup_ran_out_of_memory(void)
{
	return read_member("memory.events", "oom_kill") > 0;
}

void cgroup_end(void)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	int64_t until = boottime_ms() + GONE_MS;

	put_file(group, "cgroup.kill", "1");
	while (read_member("cgroup.events", "populated") > 0 && boottime_ms() < until)
		nanosleep(&pause, NULL);
	if (rmdir(group))
		note("%s: %s", group, strerror(errno));
}
