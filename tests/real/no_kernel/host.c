// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host below the helper's state machine, as files of one folder (HOST): in place of loader.c, lease.c, preflight.c
 * and boost.c. An object is the name of its policy. One named "broken" does not attach.
 *
 *	sched_ext/	what the kernel says, as in /sys/kernel/sched_ext
 *	exit-NAME	kind in the exit record of the policy NAME; without it, that of a detach
 *	ring		a FIFO: the ring buffer that every policy has; without it none has one
 *	problem		what preflight has against the host
 */
#include "loader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boost.h"
#include "lease.h"
#include "preflight.h"

#define SCX HOST "/sched_ext"
#define WATCHDOG_MS 100

struct policy {
	char ops[32];
	long enable_seq;	/* 0: not attached */
	int ring_fd;
};

static void put_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file))
		abort();
}

void loader_init(void)
{
}

struct policy *policy_load(const void *data, size_t size, json_t *parameters, struct failure *f)
{
	struct policy *p = allocate(sizeof(*p));

	(void)parameters;
	(void)f;
	snprintf(p->ops, sizeof(p->ops), "%.*s", (int)size, (const char *)data);
	p->ring_fd = open(HOST "/ring", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return p;
}

struct policy *policy_of_program(json_t *program, const char *digest, struct failure *f)
{
	(void)program;
	fail(f, "program-changed", NULL, "there is no program %.12s here", digest);
	return NULL;
}

int policy_attach(struct policy *p)
{
	char text[24];

	if (!strcmp(p->ops, "broken"))
		return -22;
	p->enable_seq = read_number(SCX "/enable_seq") + 1;
	snprintf(text, sizeof(text), "%ld\n", p->enable_seq);
	put_file(SCX "/enable_seq", text);
	put_file(SCX "/root/ops", p->ops);
	put_file(SCX "/state", "enabled\n");
	return 0;
}

int policy_detach(struct policy *p)
{
	if (p->enable_seq && read_number(SCX "/enable_seq") == p->enable_seq) {
		put_file(SCX "/state", "disabled\n");
		put_file(SCX "/root/ops", "");
	}
	p->enable_seq = 0;
	return 0;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	policy_detach(p);
	if (p->ring_fd >= 0)
		close(p->ring_fd);
	free(p);
}

int policy_link_fd(const struct policy *p)
{
	(void)p;
	return -1;
}

int policy_ring_fd(const struct policy *p)
{
	return p->ring_fd;
}

bool policy_is_alive(struct policy *p)
{
	return p;
}

const char *policy_ops(const struct policy *p)
{
	return p->ops;
}

unsigned int policy_timeout_ms(const struct policy *p)
{
	(void)p;
	return WATCHDOG_MS;
}

json_t *exit_record(long long kind, long long code, const char *reason, const char *message)
{
	return checked(json_pack("{s:I, s:s, s:I, s:s, s:s}", "kind", (json_int_t)kind, "kind_name",
				 kind >= EXIT_ERROR ? "ERROR_STALL" : "UNREG", "code", (json_int_t)code, "reason", reason, "message",
				 message));
}

json_t *policy_exit(const struct policy *p, int wait_ms)
{
	char path[400];
	long kind;

	(void)wait_ms;
	snprintf(path, sizeof(path), HOST "/exit-%s", p->ops);
	kind = read_number(path);
	return kind > 0 ? exit_record(kind, 0, "runnable task stall", "sh[7] failed to run for 5.1s") :
			  exit_record(EXIT_UNREG, 0, "unregistered from user space", "");
}

json_t *policy_log(const struct policy *p)
{
	(void)p;
	return NULL;
}

int lease_load(struct failure *f)
{
	(void)f;
	return 0;
}

int lease_arm(int64_t ms)
{
	(void)ms;
	return 0;
}

void lease_cancel(void)
{
}

bool lease_ran_out(void)
{
	return false;
}

int preflight(bool of_good, struct failure *f)
{
	char problem[200];

	(void)of_good;
	if (read_text(HOST "/problem", problem, sizeof(problem)) <= 0)
		return 0;
	return fail(f, "other-loader", "systemctl disable --now scx.service", "%s", problem);
}

json_t *preflight_problems(void)
{
	return checked(json_array());
}

json_t *preflight_warnings(void)
{
	return checked(json_array());
}

void boost_detaching(void)
{
}
