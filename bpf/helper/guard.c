// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard: a real-time thread that detaches a trial's policy at its deadline. It is never a task of the policy on
 * trial, allocates nothing and takes one lock for a few instructions. Loading the last known good is left to others.
 */
#include "guard.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define GUARD_PRIORITY 90	/* above the kernel's disable thread (50), below the kernel's own 99 */
#define GUARD_STACK (128 << 10)

static struct {
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool armed, firing, fired;
	int link_fd;
	long enable_seq;
	int64_t deadline_ms;
} guard = { .link_fd = -1 };

static int timer_fd = -1, event_fd = -1, state_fd = -1, seq_fd = -1, sysrq_fd = -1;

/* Read again from an open file of sysfs. */
static void reread(int fd, char *buf, size_t size)
{
	ssize_t n = fd >= 0 ? pread(fd, buf, size - 1, 0) : 0;

	buf[n > 0 ? n : 0] = 0;
}

static bool still_runs(long enable_seq)
{
	char state[16], seq[24];

	reread(state_fd, state, sizeof(state));
	reread(seq_fd, seq, sizeof(seq));
	return !strncmp(state, "enabled", 7) && atol(seq) == enable_seq;
}

static void detach(int link_fd, long enable_seq)
{
	bpf_link_detach(link_fd);
	if (still_runs(enable_seq) && sysrq_fd >= 0 && write(sysrq_fd, "S", 1) != 1)
		note("guard: sysrq-S: %s", strerror(errno));
}

static void fire_when_due(void)
{
	uint64_t one = 1;
	long enable_seq;
	int link_fd;

	pthread_mutex_lock(&guard.lock);
	if (!guard.armed || boottime_ms() < guard.deadline_ms) {
		pthread_mutex_unlock(&guard.lock);
		return;
	}
	guard.armed = false;
	guard.firing = true;
	link_fd = guard.link_fd;
	enable_seq = guard.enable_seq;
	pthread_mutex_unlock(&guard.lock);

	detach(link_fd, enable_seq);

	pthread_mutex_lock(&guard.lock);
	guard.firing = false;
	guard.fired = true;
	pthread_cond_broadcast(&guard.done);
	pthread_mutex_unlock(&guard.lock);
	if (write(event_fd, &one, sizeof(one)) < 0)
		note("guard: eventfd: %s", strerror(errno));
}

static void *run(void *unused)
{
	uint64_t ticks;

	for (;;)
		if (read(timer_fd, &ticks, sizeof(ticks)) == sizeof(ticks))
			fire_when_due();
	return unused;
}

static void init_lock(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&guard.lock, &attr);
	pthread_mutexattr_destroy(&attr);
	pthread_cond_init(&guard.done, NULL);
}

int guard_start(void)
{
	const struct sched_param priority = { .sched_priority = GUARD_PRIORITY };
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (timer_fd < 0 || event_fd < 0)
		return -errno;
	/* Absent without sched_ext; nothing is attached there. */
	state_fd = open("/sys/kernel/sched_ext/state", O_RDONLY | O_CLOEXEC);
	seq_fd = open("/sys/kernel/sched_ext/enable_seq", O_RDONLY | O_CLOEXEC);
	sysrq_fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
	still_runs(-1);		/* the kernel allocates its buffers now */
	init_lock();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, GUARD_STACK);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &priority);
	err = pthread_create(&thread, &attr, run, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

int guard_event_fd(void)
{
	return event_fd;
}

static void set_timer(int64_t at_ms)
{
	struct itimerspec spec = { .it_value = { .tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000 } };

	timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

void guard_arm(int link_fd, long enable_seq, int64_t deadline_ms)
{
	pthread_mutex_lock(&guard.lock);
	guard.armed = true;
	guard.fired = false;
	guard.link_fd = link_fd;
	guard.enable_seq = enable_seq;
	guard.deadline_ms = deadline_ms;
	pthread_mutex_unlock(&guard.lock);
	set_timer(deadline_ms);
}

bool guard_disarm(void)
{
	uint64_t events;
	bool fired;

	pthread_mutex_lock(&guard.lock);
	while (guard.firing)
		pthread_cond_wait(&guard.done, &guard.lock);
	fired = guard.fired;
	guard.armed = guard.fired = false;
	guard.link_fd = -1;
	pthread_mutex_unlock(&guard.lock);
	set_timer(0);
	if (read(event_fd, &events, sizeof(events)) < 0 && errno != EAGAIN)
		note("guard: eventfd: %s", strerror(errno));
	return !fired;
}
