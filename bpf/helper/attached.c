// SPDX-License-Identifier: GPL-2.0-only
/* What this helper has attached: one policy or none, and whether the kernel still runs it. */
#include "attached.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "boost.h"
#include "journal.h"
#include "kernel.h"
#include "lease.h"
#include "records.h"

#define HEARTBEAT_MS 30000	/* the kernel lease of a confirmed policy ... */
#define HEARTBEAT_EVERY_MS 15000	/* ... and how often it is renewed */
#define SETTLE_MS 10000		/* the most that the kernel is given to enable or disable */
#define EXIT_WAIT_MS 1000

struct attached now;

/* While a policy of ours is attached this thread must be no task of it. Checks that it starts are (reset on fork). */
static void set_real_time(bool on)
{
	const struct sched_param priority = { .sched_priority = on ? 1 : 0 };

	if (sched_setscheduler(0, on ? SCHED_FIFO | SCHED_RESET_ON_FORK : SCHED_OTHER, &priority))
		note("sched_setscheduler: %s", strerror(errno));
}

/*
 * sysfs does not announce the end of a policy, but a policy that is built with our headers does, in a ring buffer. The
 * one of the attached policy is the only thing in this epoll, and it speaks once: a policy that writes to its ring again
 * and again wakes nobody. One that spoke and goes on is looked for from then on, like one that tells nothing.
 */
int ends_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = epoll_create1(EPOLL_CLOEXEC);
	return fd;
}

static bool listen_to(const struct policy *policy)
{
	struct epoll_event once = { .events = EPOLLIN | EPOLLONESHOT };

	return !epoll_ctl(ends_fd(), EPOLL_CTL_ADD, policy_ring_fd(policy), &once);
}

void end_told(void)
{
	struct epoll_event told;

	epoll_wait(ends_fd(), &told, 1, 0);
	now.tells = false;
	now.next_look_ms = 0;
}

/* Wait until the kernel is neither enabling nor disabling. */
static void settle(struct kernel_now *kernel)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	int64_t until = boottime_ms() + SETTLE_MS;

	for (kernel_look(kernel); boottime_ms() < until; kernel_look(kernel)) {
		if (!strcmp(kernel->state, "enabled") || !strcmp(kernel->state, "disabled"))
			return;
		nanosleep(&pause, NULL);
	}
}

static bool is_in_kernel(void)
{
	struct kernel_now kernel;

	if (!now.policy)
		return false;
	kernel_look(&kernel);
	return !strcmp(kernel.state, "enabled") && kernel.enable_seq == now.enable_seq &&
	       !strcmp(kernel.ops, policy_ops(now.policy));
}

bool attached_is_true(void)
{
	return is_in_kernel() && policy_is_alive(now.policy);
}

/* Name of a scheduler that runs and is not ours; "" when there is none. */
void find_foreign(char *buf, size_t size)
{
	struct kernel_now kernel;

	kernel_look(&kernel);
	buf[0] = 0;
	if (kernel.ops[0] && strcmp(kernel.state, "disabling") && !is_in_kernel())
		strncat(buf, kernel.ops, size - 1);
}

struct policy *load_policy(json_t *assignment, json_t *program, struct failure *f)
{
	struct policy *policy;
	size_t size;
	void *data;

	if (program)
		return policy_of_program(program, text_of(assignment, "digest"), f);
	data = journal_read_object(text_of(assignment, "digest"), &size, f);
	if (!data)
		return NULL;
	policy = policy_load(data, size, json_object_get(assignment, "parameters"), f);
	free(data);
	return policy;
}

/* Attach @policy, which is freed on failure: -1, `attach-failed`, its exit record (or JSON null) in the detail. */
int attach_policy(struct policy *policy, json_t *assignment, struct failure *f)
{
	struct kernel_now before, after;
	json_t *exit;
	int err;

	set_real_time(true);	/* on 6.18 an attach from SCHED_OTHER under load took 61 s, from FIFO 0.2 s */
	settle(&before);
	err = policy_attach(policy);
	settle(&after);
	if (!err && !strcmp(after.state, "enabled") && after.enable_seq > before.enable_seq &&
	    !strcmp(after.ops, policy_ops(policy))) {
		now.policy = policy;
		now.assignment = copy_or_null(assignment);
		now.baseline = kernel_events();
		now.enable_seq = after.enable_seq;
		now.tells = listen_to(policy);
		now.attached_ms = boottime_ms();
		now.next_look_ms = now.next_beat_ms = 0;
		boost_detaching();
		return 0;
	}
	exit = policy_exit(policy, err ? 0 : EXIT_WAIT_MS);
	f->detail = checked(json_pack("{s:o, s:o*}", "exit", copy_or_null(exit), "log", policy_log(policy)));
	if (!strcmp(after.state, "enabled"))
		fail(f, "attach-failed", "stop its loader first", "%s did not come up: the scheduler %s took its place",
		     text_of(assignment, "policy"), after.ops);
	else
		fail(f, "attach-failed", NULL, "%s did not come up: %s%s%s", text_of(assignment, "policy"),
		     err && !exit ? strerror(-err) : reason_of(exit), text_of(exit, "message")[0] ? ": " : "",
		     text_of(exit, "message"));
	json_decref(exit);
	policy_free(policy);
	set_real_time(false);
	return -1;
}

/* Detach what runs, whether or not the kernel has let it go already. The policy is the caller's: it may hold a record. */
struct policy *let_go(void)
{
	struct policy *policy = now.policy;
	struct kernel_now kernel;

	policy_detach(policy);
	settle(&kernel);
	json_decref(now.assignment);
	json_decref(now.baseline);
	now.policy = NULL;
	now.assignment = now.baseline = NULL;
	return policy;
}

/* Detach for good. Returns the exit record, or NULL. */
json_t *detach_policy(void)
{
	struct policy *policy = let_go();
	json_t *exit;

	lease_cancel();
	exit = policy_exit(policy, EXIT_WAIT_MS);
	policy_free(policy);
	set_real_time(false);
	return exit;
}

void beat(void)
{
	int err = lease_arm(HEARTBEAT_MS);

	if (err)
		note("the kernel lease cannot be renewed: %s", strerror(-err));
	now.next_beat_ms = boottime_ms() + HEARTBEAT_EVERY_MS;
}
