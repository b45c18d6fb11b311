// SPDX-License-Identifier: GPL-2.0-only
/* What keeps this host from running a policy, and what may make one look bad. */
#include "preflight.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "journal.h"
#include "kernel.h"

#define CGROUPS "/sys/fs/cgroup"
#define WANTS "/etc/systemd/system/multi-user.target.wants/"
#define WANTS_GRAPHICAL "/etc/systemd/system/graphical.target.wants/"
#define FREE_BYTES_WANTED (4ULL << 20)	/* room for an object, the state and a history file */
#define MEMORY_WANTED (32LL << 20)	/* the helper's 16 MB while it loads a policy, and the policy's own maps */
#define MOST_CGROUPS 1024		/* that are looked at; the helper must not be busy for long */
#define CGROUP_DEPTH 6
#define MOST_TASKS 8192
#define PF_KTHREAD 0x00200000u		/* in /proc/PID/stat */

struct obstacle {
	const char *code;
	const char *message;
	const char *remedy;
	bool (*present)(void);
};

/* Which one: put behind the message of the obstacle that has just been found. */
static char found[256];

static bool has_no_sched_ext(void)
{
	return !kernel_has_sched_ext();
}

static bool is_switched_off(void)
{
	return kernel_switched_off() != NULL;
}

static bool has_isolated_cpus(void)
{
	char cpus[256];

	return kernel_started_with("isolcpus=", true) && read_text("/sys/devices/system/cpu/isolated", cpus, sizeof(cpus)) > 0;
}

static bool is_confidential(void)
{
	char text[128];

	return read_text("/sys/kernel/security/lockdown", text, sizeof(text)) > 0 && strstr(text, "[confidentiality]");
}

static bool is_container(void)
{
	return !access("/run/systemd/container", F_OK) || !access("/.dockerenv", F_OK) ||
	       !access("/run/.containerenv", F_OK);
}

static bool refuses_fifo(void)
{
	struct sched_param now = { 0 }, fifo = { .sched_priority = 1 };
	int policy = sched_getscheduler(0);

	sched_getparam(0, &now);
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &fifo))
		return true;
	sched_setscheduler(0, policy, &now);
	return false;
}

/* The unit's MemoryMax, or that of a slice above it. The helper in a trial must not be the one that is killed. */
static bool has_little_memory(void)
{
	char text[600], path[700], *end;
	long limit;

	if (read_text("/proc/self/cgroup", text, sizeof(text)) <= 0 || strncmp(text, "0::/", 4))
		return false;
	for (end = strrchr(text, '/'); end && text[4]; *end = 0, end = strrchr(text, '/')) {
		snprintf(path, sizeof(path), CGROUPS "%s/memory.max", text + 3);
		limit = read_number(path);	/* "max" is no number */
		if (limit >= 0 && limit < MEMORY_WANTED) {
			snprintf(found, sizeof(found), ": %ld MiB for %.200s", limit >> 20, text + 3);
			return true;
		}
	}
	return false;
}

static bool has_little_disk(void)
{
	struct statvfs fs;

	return !statvfs(journal_dir(), &fs) && (uint64_t)fs.f_bavail * fs.f_frsize < FREE_BYTES_WANTED;
}

static bool has_scx_service(void)
{
	return !access(WANTS "scx.service", F_OK) || !access(WANTS_GRAPHICAL "scx.service", F_OK) ||
	       !access(CGROUPS "/system.slice/scx.service", F_OK);
}

static bool has_scx_loader(void)
{
	return !access(WANTS "scx_loader.service", F_OK) || !access(WANTS_GRAPHICAL "scx_loader.service", F_OK) ||
	       !access(CGROUPS "/system.slice/scx_loader.service", F_OK);
}

/* --- warnings --- */

static bool has_share(const char *cgroup, const char *file, const char *usual)
{
	char path[600], text[64];

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	if (read_text(path, text, sizeof(text)) <= 0 || !strncmp(text, usual, 3))
		return false;
	snprintf(found, sizeof(found), ": %.150s has %.20s %.40s", cgroup, file, text);
	return true;
}

static bool any_has_share(const char *cgroup, int depth, int *left)
{
	struct dirent *entry;
	char path[512];
	bool yes = false;
	DIR *dir;

	if (--*left < 0 || has_share(cgroup, "cpu.max", "max") || has_share(cgroup, "cpu.weight", "100"))
		return *left >= 0;
	dir = depth ? opendir(cgroup) : NULL;
	while (dir && !yes && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", cgroup, entry->d_name) < (int)sizeof(path))
			yes = any_has_share(path, depth - 1, left);
	if (dir)
		closedir(dir);
	return yes;
}

static bool uses_cpu_controller(void)
{
	int left = MOST_CGROUPS;

	return any_has_share(CGROUPS, CGROUP_DEPTH, &left);
}

/* A program's thread with a real-time class; the kernel's own do not stay busy. */
static bool is_busy_real_time(const char *pid, const char *tid)
{
	int policy = sched_getscheduler(atoi(tid)) & ~SCHED_RESET_ON_FORK;
	char path[600], text[512], *after;
	unsigned int flags = 0;

	if ((policy != SCHED_FIFO && policy != SCHED_RR) || atoi(pid) == getpid())
		return false;
	snprintf(path, sizeof(path), "/proc/%s/stat", tid);
	if (read_text(path, text, sizeof(text)) <= 0)
		return false;
	after = strrchr(text, ')');
	if (!after || sscanf(after, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1 || flags & PF_KTHREAD)
		return false;
	*after = 0;
	snprintf(found, sizeof(found), ": %.64s, process %s", strchr(text, '(') + 1, pid);
	return true;
}

static bool has_real_time_thread(const char *pid, int *left)
{
	char path[300];
	struct dirent *task;
	bool yes = false;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	tasks = opendir(path);
	while (tasks && !yes && --*left > 0 && (task = readdir(tasks)))
		yes = task->d_name[0] != '.' && is_busy_real_time(pid, task->d_name);
	if (tasks)
		closedir(tasks);
	return yes;
}

static void version(int *major, int *minor)
{
	struct utsname u;

	uname(&u);
	*major = *minor = 0;
	sscanf(u.release, "%d.%d", major, minor);
}

static bool starves_beside_rt(void)
{
	int major, minor, left = MOST_TASKS;
	struct dirent *process;
	bool yes = false;
	DIR *proc;

	version(&major, &minor);
	if (has_no_sched_ext() || major >= 7)
		return false;
	proc = opendir("/proc");
	while (proc && !yes && left > 0 && (process = readdir(proc)))
		if (process->d_name[0] >= '1' && process->d_name[0] <= '9')
			yes = has_real_time_thread(process->d_name, &left);
	if (proc)
		closedir(proc);
	return yes;
}

static bool attaches_slowly(void)
{
	int major, minor;
	double load;

	version(&major, &minor);
	if (has_no_sched_ext() || major != 6 || minor < 16 || minor > 18 || getloadavg(&load, 1) != 1)
		return false;
	snprintf(found, sizeof(found), ": load average %.1f", load);
	return load > (double)sysconf(_SC_NPROCESSORS_ONLN);
}

/* In the order in which `try` looks. */
static const struct obstacle problems[] = {
	{ "no-sched-ext", "this kernel has no sched_ext (/sys/kernel/sched_ext is absent)",
	  "boot a kernel with CONFIG_SCHED_CLASS_EXT, 6.16 or newer", has_no_sched_ext },
	{ "malformed-btf", "this kernel's BTF shows the hidden argument of the scheduler's functions, so it refuses every policy",
	  "boot another kernel; Debian's 7.1.13 has this fault, 7.2.13 has not", kernel_btf_malformed },
	{ "isolcpus", "the kernel was started with isolcpus=, which sched_ext refuses",
	  "use cpusets instead of isolcpus= and reboot", has_isolated_cpus },
	{ "lockdown", "lockdown=confidentiality keeps policies from recording why they ended", "use lockdown=integrity",
	  is_confidential },
	{ "container", "the helper runs inside a container; schedulers belong to the machine",
	  "install the helper on the host itself", is_container },
	{ "fifo-refused", "the kernel refuses SCHED_FIFO to the helper, so it could not revert a stalling policy",
	  "without RT_GROUP_SCHED, or with cpu.rt_runtime_us for the service's cgroup", refuses_fifo },
	{ "memory-limit", "the helper's unit may use less than 32 MiB, and a policy is loaded in that", "raise MemoryMax= of "
	  "fleetsched-host.service, or of the slice that it is in", has_little_memory },
	{ "disk-full", "less than 4 MiB are free where the helper keeps its state", "free some space under /var/lib",
	  has_little_disk },
	{ "other-loader", "scx.service, another loader of schedulers, is enabled or runs", "systemctl disable --now scx.service",
	  has_scx_service },
	{ "other-loader", "scx_loader.service, another loader of schedulers, is enabled or runs",
	  "systemctl disable --now scx_loader.service", has_scx_loader },
	{ "switched-off", "fleetsched is switched off on this host (fleetsched.off or /etc/fleetsched/off)",
	  "remove /etc/fleetsched/off, or boot without fleetsched.off", is_switched_off },
};

static const struct obstacle warnings[] = {
	{ "cgroup-cpu", "cgroups share out CPU time here, and most policies do not look at cpu.max and cpu.weight",
	  "choose a policy that does, or expect their limits not to hold", uses_cpu_controller },
	{ "rt-starvation", "before 7.0 a busy real-time task can make the kernel eject an innocent policy, and here is one",
	  "prefer a 7.0 kernel or newer where real-time tasks run", starves_beside_rt },
	{ "slow-attach", "on 6.16 to 6.18 the kernel takes long to attach a policy when more tasks run than there are CPUs",
	  "the helper attaches with a real-time priority, which helps; a 6.19 kernel or newer does not need it", attaches_slowly },
};

static bool is_present(const struct obstacle *o)
{
	found[0] = 0;
	return o->present();
}

/* A full disk keeps no last known good off: it is written down already. */
int preflight(bool of_good, struct failure *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(problems); i++)
		if (!(of_good && problems[i].present == has_little_disk) && is_present(&problems[i]))
			return fail(f, problems[i].code, problems[i].remedy, "%s%s", problems[i].message, found);
	return 0;
}

static json_t *present(const struct obstacle *list, size_t count)
{
	json_t *all = checked(json_array());
	char message[512];

	for (size_t i = 0; i < count; i++) {
		if (!is_present(&list[i]))
			continue;
		snprintf(message, sizeof(message), "%s%s", list[i].message, found);
		json_array_append_new(all, checked(json_pack("{s:s, s:o, s:s}", "code", list[i].code, "message",
							     json_text(message, strlen(message)), "remedy", list[i].remedy)));
	}
	return all;
}

json_t *preflight_problems(void)
{
	return present(problems, ARRAY_SIZE(problems));
}

json_t *preflight_warnings(void)
{
	return present(warnings, ARRAY_SIZE(warnings));
}
