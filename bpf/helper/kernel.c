// SPDX-License-Identifier: GPL-2.0-only
/* The truth about this host, read from the kernel at the moment of asking. */
#include "kernel.h"

#include <bpf/btf.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "observe.h"

#define SCX "/sys/kernel/sched_ext"

void kernel_look(struct kernel_now *now)
{
	if (read_text(SCX "/state", now->state, sizeof(now->state)) < 0) {
		*now = (struct kernel_now){ .state = "absent" };
		return;
	}
	if (read_text(SCX "/root/ops", now->ops, sizeof(now->ops)) < 0)
		now->ops[0] = 0;
	now->enable_seq = read_number(SCX "/enable_seq");
}

json_t *kernel_events(void)
{
	json_t *events = checked(json_object());
	char text[4096], *save = NULL;

	if (read_text(SCX "/root/events", text, sizeof(text)) <= 0)
		return events;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char name[64];
		long long value;

		if (sscanf(line, "%63[A-Z0-9_] %lld", name, &value) == 2)
			put(events, name, json_integer(value));
	}
	return events;
}

bool kernel_switches_all(void)
{
	return read_number(SCX "/switch_all") == 1;
}

json_t *kernel_json(void)
{
	struct kernel_now now;

	kernel_look(&now);
	return checked(json_pack("{s:s, s:o, s:I, s:b, s:o}", "state", now.state, "ops",
				 now.ops[0] ? json_text(now.ops, strlen(now.ops)) : json_null(), "enable_seq",
				 (json_int_t)now.enable_seq, "switch_all", kernel_switches_all(), "events",
				 kernel_events()));
}

json_t *kernel_pressure(void)
{
	char text[512];
	double avg10;

	if (read_text("/proc/pressure/cpu", text, sizeof(text)) <= 0 || sscanf(text, "some avg10=%lf", &avg10) != 1)
		return checked(json_null());
	return checked(json_pack("{s:f}", "cpu_some_avg10", avg10));
}

long kernel_hotplug_seq(void)
{
	return read_number(SCX "/hotplug_seq");
}

const char *kernel_boot_id(void)
{
	static char id[40];

	if (!id[0])
		read_text("/proc/sys/kernel/random/boot_id", id, sizeof(id));
	return id;
}

void kernel_release(char *buf, size_t size)
{
	struct utsname u;

	uname(&u);
	snprintf(buf, size, "%s", u.release);
}

void kernel_cpus(char *buf, size_t size)
{
	read_text("/sys/devices/system/cpu/online", buf, size);
}

bool kernel_has_sched_ext(void)
{
	return access(SCX "/state", R_OK) == 0;
}

bool kernel_started_with(const char *word, bool prefix)
{
	char text[4096], *save = NULL;

	if (read_text("/proc/cmdline", text, sizeof(text)) <= 0)
		return false;
	for (char *arg = strtok_r(text, " \n", &save); arg; arg = strtok_r(NULL, " \n", &save))
		if (prefix ? !strncmp(arg, word, strlen(word)) : !strcmp(arg, word))
			return true;
	return false;
}

const char *kernel_switched_off(void)
{
	if (kernel_started_with("fleetsched.off", false))
		return "fleetsched.off on the kernel command line";
	return access("/etc/fleetsched/off", F_OK) ? NULL : "/etc/fleetsched/off";
}

/* Some 7.1+ kernels carry BTF that still shows the implicit last argument of kfuncs; the verifier then refuses every
 * policy with "func_proto ... incompatible with vmlinux" (seen on Debian's 7.1.13, not on 7.2.13 and 7.3.4).
 */
static bool is_malformed(const struct btf *btf, const struct btf_type *func)
{
	const char *name = btf__name_by_offset(btf, func->name_off);
	const struct btf_type *proto = btf__type_by_id(btf, func->type);
	size_t n = strlen(name);

	if (strncmp(name, "scx_bpf_", 8) && strncmp(name, "__scx_bpf_", 10))
		return false;
	if ((n > 5 && !strcmp(name + n - 5, "_impl")) || !proto || !btf_is_func_proto(proto))
		return false;
	for (int i = 0; i < btf_vlen(proto); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_params(proto)[i].name_off), "aux"))
			return true;
	return false;
}

/* What the kernel's BTF says; it cannot change before a reboot, and reading it takes 10 MB, so it is read once. */
static struct {
	bool read;
	bool malformed;
	json_t *ops;	/* the members of struct sched_ext_ops, as an object's keys */
} in_btf;

static void read_btf(void)
{
	struct btf *btf;

	if (in_btf.read || !kernel_has_sched_ext())
		return;
	btf = btf__load_vmlinux_btf();
	if (!btf)
		return;
	in_btf.ops = checked(json_object());
	for (unsigned int i = 1; i < btf__type_cnt(btf); i++) {
		const struct btf_type *type = btf__type_by_id(btf, i);

		if (btf_is_func(type) && is_malformed(btf, type))
			in_btf.malformed = true;
		if (!btf_is_struct(type) || strcmp(btf__name_by_offset(btf, type->name_off), "sched_ext_ops"))
			continue;
		for (int m = 0; m < btf_vlen(type); m++)
			put(in_btf.ops, btf__name_by_offset(btf, btf_members(type)[m].name_off), json_true());
	}
	btf__free(btf);
	malloc_trim(0);
	in_btf.read = true;
}

bool kernel_btf_malformed(void)
{
	read_btf();
	return in_btf.malformed;
}

bool kernel_knows_op(const char *name)
{
	read_btf();
	return !in_btf.read || json_object_get(in_btf.ops, name);
}

static void distribution(char *buf, size_t size)
{
	char text[4096], *line;

	snprintf(buf, size, "unknown");
	if (read_text("/etc/os-release", text, sizeof(text)) <= 0)
		return;
	line = strstr(text, "PRETTY_NAME=");
	if (!line)
		return;
	line += strlen("PRETTY_NAME=");
	line += *line == '"' || *line == '\'';
	snprintf(buf, size, "%.*s", (int)strcspn(line, "\"'\n"), line);
}

json_t *kernel_facts(void)
{
	char name[128], cpus[256];
	struct utsname u;
	json_t *facts;

	uname(&u);
	distribution(name, sizeof(name));
	kernel_cpus(cpus, sizeof(cpus));
	facts = checked(json_pack("{s:s, s:s, s:o, s:s, s:I, s:I}", "kernel_release", u.release, "arch", u.machine, "distribution",
				  json_text(name, strlen(name)), "cpus_online", cpus, "cpu_count",
				  (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "memory_bytes",
				  (json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)));
	put(facts, "sched_ext", json_boolean(kernel_has_sched_ext()));
	put(facts, "btf", json_boolean(!access("/sys/kernel/btf/vmlinux", R_OK)));
	put(facts, "pressure", json_boolean(!access("/proc/pressure/cpu", R_OK)));
	put(facts, "observer", json_boolean(!access("/sys/kernel/btf/vmlinux", R_OK) && !observer_was_refused()));
	put(facts, "boot_id", json_string(kernel_boot_id()));
	return facts;
}
