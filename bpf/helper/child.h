/* SPDX-License-Identifier: GPL-2.0-only */
/* Child processes: their streams, environment, signals and class. */
#ifndef FLEETSCHED_CHILD_H
#define FLEETSCHED_CHILD_H

#include <sys/types.h>

#include "util.h"

#define CHILD_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CHILD_LANG "LANG=C.UTF-8"
#define MOST_LEFT 16	/* children that were killed and have not died */

/*
 * Start argv[0], a path, in a process group of its own. Standard input is @input_fd, or nowhere when that is -1; both
 * outputs are @output_fd. @urgent: SCHED_FIFO 1 and at most some seconds of CPU, so that no policy can keep it from
 * running; else an ordinary task. -1 with errno set when it cannot be started.
 */
pid_t child_start(char *const argv[], int input_fd, int output_fd, bool urgent);

/*
 * Kill a child and its group, and do not wait: one that waits for a dead disk or NFS server does not die. It is reaped
 * later. While there are MOST_LEFT, child_start refuses with EAGAIN.
 */
void child_end(pid_t pid);
void child_reap(void);			/* those that have died by now, when that is due */
int64_t child_next_ms(void);		/* when it is (CLOCK_BOOTTIME), -1: there are none */

/* In a child, before exec: no signal is blocked, and its streams are as above. */
void child_settle(int input_fd, int output_fd);

#endif
