// SPDX-License-Identifier: GPL-2.0-only
/* The kernel lease: loads lease.bpf.c and arms it. */
#include "lease.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>

extern const unsigned char lease_object[], lease_object_end[];	/* lease_object.S */

static struct bpf_object *object;
static int program = -1;
static int64_t ends_ms;		/* 0: not armed */

int lease_load(struct failure *f)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "fleetsched");
	struct bpf_program *prog;
	int err;

	if (program >= 0)
		return 0;
	object = bpf_object__open_mem(lease_object, (size_t)(lease_object_end - lease_object), &opts);
	err = object ? bpf_object__load(object) : -errno;
	prog = err ? NULL : bpf_object__find_program_by_name(object, "lease");
	if (prog)
		program = bpf_program__fd(prog);
	malloc_trim(0);
	if (program >= 0)
		return 0;
	bpf_object__close(object);
	object = NULL;
	return fail(f, "lease-refused", "without it a stopped helper could not end a trial; the helper attaches nothing",
		    "the kernel does not take the helper's lease program: %s", strerror(-err));
}

static int call(unsigned long long ns)
{
	struct lease_args args = { .ns = ns };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args, .ctx_size_in = sizeof(args));

	if (program < 0)
		return -ENOENT;
	if (bpf_prog_test_run_opts(program, &opts))
		return -errno;
	return opts.retval ? -EIO : 0;
}

int lease_arm(int64_t ms)
{
	ends_ms = boottime_ms() + ms;
	return call((unsigned long long)(ms > 0 ? ms : 1) * 1000000);
}

void lease_cancel(void)
{
	ends_ms = 0;
	if (program >= 0)
		call(0);
}

bool lease_ran_out(void)
{
	return ends_ms && boottime_ms() >= ends_ms;
}
