// SPDX-License-Identifier: GPL-2.0-only
/* Child processes: their streams, environment, signals and class. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define URGENT_CPU_S 10	/* then the kernel kills it: a real-time task that spins would keep its CPU */

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
	pid_t pid = fork();

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
