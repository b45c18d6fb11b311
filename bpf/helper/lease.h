/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel lease: after its time the kernel ends the scheduler, whatever userspace does. Shared with lease.bpf.c. */
#ifndef FLEETSCHED_LEASE_H
#define FLEETSCHED_LEASE_H

#define LEASE_EXIT_CODE 0x66736c73	/* "fsls": tells our own lease from another scx_bpf_exit() */

/* What the lease program is called with: run out after @ns, or cancel when 0. */
struct lease_args {
	unsigned long long ns;
};

#ifndef __bpf__
#include "util.h"

int lease_load(struct failure *f);	/* once; `lease-refused` when the kernel does not take it */
int lease_arm(int64_t ms);		/* from now; 0 or -errno */
void lease_cancel(void);
bool lease_ran_out(void);		/* it was armed, and its time is over */
#endif

#endif
