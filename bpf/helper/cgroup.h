/* SPDX-License-Identifier: GPL-2.0-only */
/* The cgroup of a scheduler program: bounds its memory and its processes, and ends all of them at once. */
#ifndef FLEETSCHED_CGROUP_H
#define FLEETSCHED_CGROUP_H

#include "util.h"

#define PROGRAM_MEMORY_MIB 512	/* schedulers take 20 to 200 MiB; a published leak reached 34 GB */

int cgroup_find(void);		/* -errno where systemd has given the helper no cgroup to divide */
int cgroup_make(void);		/* empty and bounded, beside the helper's own; 0 or -errno; after cgroup_find */
int cgroup_open_procs(void);	/* writing "0" there enters it; -1 with errno */
bool cgroup_ran_out_of_memory(void);
void cgroup_end(void);		/* kill what is in it, wait until all of it is gone, and remove it */

#endif
