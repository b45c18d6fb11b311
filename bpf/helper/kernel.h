/* SPDX-License-Identifier: GPL-2.0-only */
/* The truth about this host, read from the kernel at the moment of asking. */
#ifndef FLEETSCHED_KERNEL_H
#define FLEETSCHED_KERNEL_H

#include "util.h"

struct kernel_now {
	char state[16];		/* disabled, enabling, enabled, disabling, absent */
	char ops[128];		/* name of the root scheduler, "" when there is none */
	long enable_seq;	/* successful enables since boot */
};

void kernel_look(struct kernel_now *now);
json_t *kernel_events(void);	/* the root scheduler's counters; {} when none runs */
json_t *kernel_json(void);
json_t *kernel_pressure(void);	/* {"cpu_some_avg10": percent}, JSON null without PSI */
long kernel_hotplug_seq(void);
bool kernel_switches_all(void);	/* does the scheduler have every task, not only those that ask for it? */
bool kernel_knows_op(const char *name);	/* is it a member of this kernel's struct sched_ext_ops? */

const char *kernel_boot_id(void);
void kernel_release(char *buf, size_t size);
void kernel_cpus(char *buf, size_t size);	/* online CPUs as the kernel lists them, "0-1" */
const char *kernel_switched_off(void);		/* what switches fleetsched off on this host, NULL when nothing does */

bool kernel_has_sched_ext(void);
bool kernel_btf_malformed(void);		/* the verifier of such a kernel refuses every policy */
bool kernel_started_with(const char *word, bool prefix);	/* on the kernel's command line */
json_t *kernel_facts(void);			/* `facts` without its problems and warnings */

#endif
