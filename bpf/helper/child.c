// SPDX-License-Identifier: GPL-2.0-only
/* Child processes: their streams, environment, signals and class. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define URGENT_CPU_S 10		/* then the kernel kills it: a real-time task that spins would keep its CPU */
#define REAP_FIRST_MS 100	/* between the kill and the first look whether it has died, ... */
#define REAP_MS 60000		/* ... and between the others: who has not by then may never */

static pid_t left[256];		/* MOST_LEFT, and all that ran when they became so many */
static size_t left_count;
static int64_t next_reap_ms;

/* The parent does it: a policy that starves ordinary tasks would not let the child come to it. */
static void make_urgent(pid_t pid)
{
	const struct rlimit cpu = { .rlim_cur = URGENT_CPU_S, .rlim_max = URGENT_CPU_S };
	const struct sched_param priority = { .sched_priority = 1 };

	if (prlimit(pid, RLIMIT_CPU, &cpu, NULL) || sched_setscheduler(pid, SCHED_FIFO, &priority))
		note("a child stays an ordinary task: %s", strerror(errno));
}

void child_settle(int input_fd, int output_fd)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	if (input_fd < 0)
		input_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (input_fd < 0)
		_exit(127);
	dup2(input_fd, STDIN_FILENO);
	dup2(output_fd, STDOUT_FILENO);
	dup2(output_fd, STDERR_FILENO);
}

/*
 * By fork, not by vfork or posix_spawn: the child begins as an ordinary task (the helper's real-time class is reset on
 * fork), and the helper must not wait for a policy to give it a CPU.
 */
pid_t child_start(char *const argv[], int input_fd, int output_fd, bool urgent)
{
	static char *const environment[] = { CHILD_PATH, CHILD_LANG, NULL };
	pid_t pid;

	if (left_count >= MOST_LEFT)
		next_reap_ms = 0;
	child_reap();
	if (left_count >= MOST_LEFT) {
		note("%zu children that were killed have not died: no other is started", left_count);
		errno = EAGAIN;
		return -1;
	}
	pid = fork();
	if (pid > 0) {
		setpgid(pid, pid);	/* both sides do it, so that neither order loses */
		if (urgent)
			make_urgent(pid);
	}
	if (pid)
		return pid;
	setpgid(0, 0);
	child_settle(input_fd, output_fd);
	execve(argv[0], argv, environment);
	note("%s: %s", argv[0], strerror(errno));
	_exit(127);
}

void child_end(pid_t pid)
{
	kill(-pid, SIGKILL);
	if (waitpid(pid, NULL, WNOHANG) || left_count == ARRAY_SIZE(left))
		return;
	left[left_count++] = pid;
	next_reap_ms = boottime_ms() + REAP_FIRST_MS;
}

void child_reap(void)
{
	size_t kept = 0;

	if (!left_count || boottime_ms() < next_reap_ms)
		return;
	for (size_t i = 0; i < left_count; i++)
		if (!waitpid(left[i], NULL, WNOHANG))
			left[kept++] = left[i];
	left_count = kept;
	next_reap_ms = boottime_ms() + REAP_MS;
}

int64_t child_next_ms(void)
{
	return left_count ? next_reap_ms : -1;
}
