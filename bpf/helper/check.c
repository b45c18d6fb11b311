// SPDX-License-Identifier: GPL-2.0-only
/* The operator's own checks: programs in /etc/fleetsched/checks.d, run for at most ten seconds. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

#define CHECKS_DIR "/etc/fleetsched/checks.d"
#define CHECK_MS 10000
#define OUTPUT_BYTES 1024

struct check {
	const char *status;	/* decided already: missing, refused, failed to start; NULL while it runs */
	pid_t pid;		/* also its process group */
	int output_fd;
	int64_t deadline_ms;
	size_t used;
	char output[OUTPUT_BYTES];
};

/* NULL when the check may run, else its status. */
static const char *judge(const char *name, char *path, size_t size)
{
	struct stat dir, file;

	if (!is_name(name, "_-"))
		return "refused";
	snprintf(path, size, "%s/%s", CHECKS_DIR, name);
	if (stat(CHECKS_DIR, &dir) || lstat(path, &file))
		return "missing";
	if (!is_only_roots(&dir) || !is_only_roots(&file) || !S_ISREG(file.st_mode) || !(file.st_mode & S_IXUSR))
		return "refused";
	return NULL;
}

struct check *check_start(const char *name)
{
	struct check *check = allocate(sizeof(*check));
	char path[128], *const argv[] = { path, NULL };
	int fds[2];

	check->output_fd = -1;
	check->status = judge(name, path, sizeof(path));
	if (check->status)
		return check;
	if (!pipe2(fds, O_CLOEXEC | O_NONBLOCK)) {
		check->output_fd = fds[0];
		fcntl(fds[1], F_SETFL, 0);	/* the check itself may block */
		check->pid = child_start(argv, -1, fds[1], false);
		close(fds[1]);
	}
	if (check->pid <= 0) {
		check->pid = 0;
		check->status = "failed";
		check->used = (size_t)snprintf(check->output, sizeof(check->output), "cannot be started: %s", strerror(errno));
	}
	check->deadline_ms = boottime_ms() + CHECK_MS;
	return check;
}

/* Keep the first OUTPUT_BYTES, drop the rest so that the check does not block on a full pipe. */
static void drain(struct check *check)
{
	char rest[4096];
	ssize_t n;

	for (int i = 0; i < 64; i++) {
		bool room = check->used < sizeof(check->output);

		n = read(check->output_fd, room ? check->output + check->used : rest,
			 room ? sizeof(check->output) - check->used : sizeof(rest));
		if (n <= 0)
			return;
		if (room)
			check->used += (size_t)n;
	}
}

static json_t *result(const struct check *check, const char *status, json_t *exit_code)
{
	return checked(json_pack("{s:s, s:o, s:o}", "status", status, "exit_code", exit_code, "output",
				 json_text(check->output, check->used)));
}

json_t *check_poll(struct check *check)
{
	int status;

	if (check->status)
		return result(check, check->status, json_null());
	drain(check);
	if (waitpid(check->pid, &status, WNOHANG) != check->pid) {
		if (boottime_ms() < check->deadline_ms)
			return NULL;
		child_end(check->pid);
		check->pid = 0;
		return result(check, "timeout", json_null());
	}
	drain(check);
	kill(-check->pid, SIGKILL);	/* what it may have left behind */
	check->pid = 0;
	if (WIFEXITED(status))
		return result(check, WEXITSTATUS(status) ? "failed" : "ok", json_integer(WEXITSTATUS(status)));
	return result(check, "failed", json_null());
}

void check_free(struct check *check)
{
	if (!check)
		return;
	if (check->pid > 0)
		child_end(check->pid);
	if (check->output_fd >= 0)
		close(check->output_fd);
	free(check);
}
