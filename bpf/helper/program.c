// SPDX-License-Identifier: GPL-2.0-only
/*
 * A scheduler program that is installed on the host. It is a child of the helper in a cgroup of its own; the kernel ends
 * it when the helper dies. It loads and attaches its scheduler itself. The helper finds the link of that among the
 * child's files and keeps a descriptor of it: that proves whose scheduler came up, lets the guard detach it whatever the
 * child does, and keeps the kernel from telling "the program let go" and "the kernel ejected it" in the same way.
 */
#include "program.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "binary.h"
#include "cgroup.h"
#include "child.h"
#include "kernel.h"
#include "lease.h"
#include "loader.h"

#define OUTPUT_BYTES 4096	/* of the end of what it prints */
#define MESSAGE_BYTES 1000	/* of those, in the exit record */
#define LAST_WORDS_MS 500	/* for a program whose scheduler has ended, to say why and to go */
#define HOTPLUG_MS 2000		/* a scheduler that ends so soon after a CPU came or went ended because of it */
#define STOP_MS 2000		/* between SIGTERM and SIGKILL */
#define DISABLE_MS 10000	/* the most that the kernel is given to end a scheduler ... */
#define DETACHED_LOOKS 10	/* ... and how often the link is looked at then */
#define POLL_NS 10000000

struct program {
	json_t *value;		/* what was asked for: path and args */
	const char *path;
	int binary_fd;
	pid_t pid;		/* 0: not started, or reaped */
	int status;		/* of waitpid, once it is reaped */
	int output_fd, link_fd;
	long enable_seq;
	long hotplug_seq;	/* as last seen ... */
	int64_t hotplug_ms;	/* ... and when it had changed */
	json_t *exit;		/* why it ended */
	size_t used;
	char ops[128], output[OUTPUT_BYTES];
};

struct program *program_open(json_t *program, const char *digest, struct failure *f)
{
	struct program *p = allocate(sizeof(*p));

	p->output_fd = p->link_fd = -1;
	p->value = checked(json_deep_copy(program));
	p->path = json_string_value(json_object_get(p->value, "path"));
	p->binary_fd = binary_open(p->path, digest, f);
	if (p->binary_fd >= 0 && !cgroup_find())
		return p;
	if (p->binary_fd >= 0) {
		f->detail = checked(json_pack("{s:s}", "rule", "no-cgroup"));
		fail(f, "program-refused", "the helper runs as its systemd service says, with systemd 254 or later",
		     "the program %s is refused: its memory cannot be bounded on this host", p->path);
	}
	program_free(p);
	return NULL;
}

/* --- what it prints --- */

/* Keep the end of it. At most 64 KiB a call; who prints more waits. */
static void drain(struct program *p)
{
	char bytes[OUTPUT_BYTES];

	for (int i = 0; i < 16 && p->output_fd >= 0; i++) {
		ssize_t n = read(p->output_fd, bytes, sizeof(bytes));
		size_t kept;

		if (n <= 0)
			return;
		kept = p->used + (size_t)n > OUTPUT_BYTES ? OUTPUT_BYTES - (size_t)n : p->used;
		memmove(p->output, p->output + p->used - kept, kept);
		memcpy(p->output + kept, bytes, (size_t)n);
		p->used = kept + (size_t)n;
	}
}

json_t *program_log(const struct program *p)
{
	return json_text(p->output, p->used);
}

/* The last lines of it that fit a message, as one. */
static void last_words(const struct program *p, char out[MESSAGE_BYTES + 1])
{
	const char *start = p->output, *end = p->output + p->used, *line;
	size_t n = 0;

	while (end > start && (end[-1] == '\n' || end[-1] == ' '))
		end--;
	if (end - start > MESSAGE_BYTES) {
		start = end - MESSAGE_BYTES;
		line = memchr(start, '\n', (size_t)(end - start));
		start = line ? line + 1 : start;
	}
	for (; start < end && n < MESSAGE_BYTES - 1; start++) {
		out[n++] = *start == '\n' ? ';' : *start;
		if (*start == '\n')
			out[n++] = ' ';
	}
	out[n] = 0;
}

/* --- the child --- */

static void become(struct program *p, int output_fd, int procs_fd, pid_t parent) __attribute__((noreturn));
static void become(struct program *p, int output_fd, int procs_fd, pid_t parent)
{
	static char *const environment[] = { CHILD_PATH, CHILD_LANG, "SCX_TIMEOUT_MS=5000", NULL };	/* schedulers of scx heed it */
	json_t *args = json_object_get(p->value, "args"), *arg;
	char *argv[PROGRAM_ARGS + 2] = { (char *)p->path };
	size_t i;
	int fd;

	json_array_foreach(args, i, arg)
		argv[i + 1] = (char *)json_string_value(arg);
	setsid();
	umask(0022);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);	/* the helper's own must not protect it */
	if (fd < 0 || write(fd, "0", 1) != 1 || write(procs_fd, "0", 1) != 1 || prctl(PR_SET_PDEATHSIG, SIGKILL) ||
	    getppid() != parent || chdir("/"))
		_exit(126);
	child_settle(-1, output_fd);
	execveat(p->binary_fd, "", argv, environment, AT_EMPTY_PATH);
	note("%s: %s", p->path, strerror(errno));
	_exit(127);
}

/* By fork, for the reasons that child.c gives. */
static int spawn(struct program *p)
{
	int fds[2], procs_fd, err = cgroup_make();
	pid_t parent = getpid();

	if (err)
		return err;
	procs_fd = cgroup_open_procs();
	if (procs_fd < 0 || pipe2(fds, O_CLOEXEC | O_NONBLOCK)) {
		err = -errno;
		if (procs_fd >= 0)
			close(procs_fd);
		cgroup_end();
		return err;
	}
	fcntl(fds[1], F_SETFL, 0);
	p->output_fd = fds[0];
	p->pid = fork();
	if (!p->pid)
		become(p, fds[1], procs_fd, parent);
	err = p->pid < 0 ? -errno : 0;
	close(fds[1]);
	close(procs_fd);
	if (err) {
		p->pid = 0;
		cgroup_end();
	}
	return err;
}

static bool is_alive(struct program *p)
{
	drain(p);
	if (p->pid && waitpid(p->pid, &p->status, WNOHANG) == p->pid) {
		p->pid = 0;
		drain(p);
	}
	return p->pid > 0;
}

bool program_is_alive(struct program *p)
{
	long seq = kernel_hotplug_seq();

	if (seq != p->hotplug_seq) {
		p->hotplug_seq = seq;
		p->hotplug_ms = boottime_ms();
	}
	return is_alive(p);
}

/* --- its scheduler --- */

static bool is_in_kernel(const struct program *p)
{
	struct kernel_now kernel;

	kernel_look(&kernel);
	return !strcmp(kernel.state, "enabled") && kernel.enable_seq == p->enable_seq;
}

/* The link's id in an fdinfo file, 0 when it is no link. */
static unsigned int read_link_id(const char *path)
{
	char text[1024], *line;
	unsigned int id = 0;

	if (read_text(path, text, sizeof(text)) > 0 && (line = strstr(text, "link_id:")))
		sscanf(line, "link_id: %u", &id);
	return id;
}

static int open_scheduler_link(unsigned int id)
{
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof(info);
	int fd = id ? bpf_link_get_fd_by_id(id) : -1;

	if (fd >= 0 && (bpf_link_get_info_by_fd(fd, &info, &size) || info.type != BPF_LINK_TYPE_STRUCT_OPS)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The link that the child itself holds. */
static int find_link(const struct program *p)
{
	char folder[64], path[400];
	struct dirent *entry;
	int fd = -1;
	DIR *d;

	snprintf(folder, sizeof(folder), "/proc/%d/fdinfo", (int)p->pid);
	d = opendir(folder);
	while (d && fd < 0 && (entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		fd = open_scheduler_link(read_link_id(path));
	}
	if (d)
		closedir(d);
	return fd;
}

/* Did userspace detach it: the guard, or somebody by hand? After an ejection the link still names its map. */
static bool is_detached(const struct program *p)
{
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof(info);

	return p->link_fd >= 0 && !bpf_link_get_info_by_fd(p->link_fd, &info, &size) && !info.struct_ops.map_id;
}

/*
 * From 6.19 on the kernel attaches in a thread of its own, and the program, by then a task of its own scheduler, comes to
 * hold the link when that lets it run. So that the trial of a scheduler that stalls everything begins, and ends at its
 * deadline, the program is real-time for these moments; threads that are already stay as they are.
 */
static void set_urgent(const struct program *p, bool on)
{
	const int ours = SCHED_FIFO | SCHED_RESET_ON_FORK;
	const struct sched_param priority = { .sched_priority = on ? 1 : 0 };
	struct dirent *entry;
	char folder[64];
	DIR *d;

	snprintf(folder, sizeof(folder), "/proc/%d/task", (int)p->pid);
	d = opendir(folder);
	while (d && (entry = readdir(d))) {
		pid_t task = (pid_t)atoi(entry->d_name);
		int class = task > 0 ? sched_getscheduler(task) : -1;

		if (on ? class == SCHED_OTHER : class == ours)
			sched_setscheduler(task, on ? ours : SCHED_OTHER, &priority);
	}
	if (d)
		closedir(d);
}

int program_start(struct program *p)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	int64_t until = boottime_ms() + PROGRAM_START_MS;
	bool up, urgent = false;
	struct kernel_now kernel;
	long before;
	int err;

	kernel_look(&kernel);
	before = kernel.enable_seq;
	p->hotplug_seq = kernel_hotplug_seq();
	err = spawn(p);
	while (!err) {
		kernel_look(&kernel);
		up = !strcmp(kernel.state, "enabled") && kernel.enable_seq > before;
		if (up && (p->link_fd = find_link(p)) >= 0) {
			set_urgent(p, false);
			p->enable_seq = kernel.enable_seq;
			memcpy(p->ops, kernel.ops, sizeof(p->ops));
			if (kernel_switches_all())
				return 0;
			p->exit = exit_record(EXIT_ERROR, 0, "it switches only some tasks, which starves them", "");
			err = -ENOTSUP;
			break;
		}
		if (up && !urgent) {
			urgent = true;
			set_urgent(p, true);
		}
		if (!is_alive(p))
			err = -ECHILD;
		else if (boottime_ms() >= until)
			err = -ETIMEDOUT;
		else
			nanosleep(&pause, NULL);
	}
	if (err == -ETIMEDOUT)
		p->exit = exit_record(EXIT_ERROR, 0, "its scheduler did not come up", "");
	program_stop(p);
	return err;
}

int program_link_fd(const struct program *p)
{
	return p->link_fd;
}

const char *program_ops(const struct program *p)
{
	return p->ops;
}

/* --- its end --- */

static bool wait_for_end(struct program *p, int ms)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	int64_t until = boottime_ms() + ms;

	while (is_alive(p)) {
		if (boottime_ms() >= until)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* Until the kernel has let go altogether, a detach looks like an ejection: the link names no map only then. */
static bool was_detached(struct program *p)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	int64_t until = boottime_ms() + DISABLE_MS;
	struct kernel_now kernel;

	if (p->link_fd < 0)
		return false;
	for (kernel_look(&kernel); !strcmp(kernel.state, "disabling") && boottime_ms() < until; kernel_look(&kernel)) {
		drain(p);
		nanosleep(&pause, NULL);
	}
	for (int i = 0; i < DETACHED_LOOKS && !is_detached(p); i++)
		nanosleep(&pause, NULL);	/* between the end and the link's letting go */
	return is_detached(p);
}

/* Why it ends, from what can be known. Its own exit record is in a map that only it can read; it usually prints it. */
static json_t *judge(struct program *p)
{
	char words[MESSAGE_BYTES + 1], reason[128] = "the kernel ended its scheduler";
	bool here = is_in_kernel(p), detached = here ? is_detached(p) : was_detached(p), leased = lease_ran_out();
	bool hotplugged = kernel_hotplug_seq() != p->hotplug_seq || boottime_ms() - p->hotplug_ms < HOTPLUG_MS;

	if (!here)
		wait_for_end(p, LAST_WORDS_MS);
	else if (is_alive(p))
		return exit_record(EXIT_UNREG, 0, "unregistered from user space", "");
	if (detached)
		return exit_record(EXIT_UNREG, 0, "unregistered from user space", "");
	if (!here && leased && p->ops[0])
		return exit_record(EXIT_UNREG_BPF, LEASE_EXIT_CODE, "unregistered from BPF", "the fleetsched lease ran out");
	if (!here && p->ops[0] && hotplugged)
		return exit_record(EXIT_UNREG_KERN, EXIT_ACT_RESTART, "unregistered from the main kernel", "a CPU came or went");
	last_words(p, words);
	if (cgroup_ran_out_of_memory())
		snprintf(reason, sizeof(reason), "the program used more than its %d MiB of memory", PROGRAM_MEMORY_MIB);
	else if ((here || !p->ops[0]) && WIFSIGNALED(p->status))
		snprintf(reason, sizeof(reason), "the program was killed by signal %d (%s)", WTERMSIG(p->status),
			 strsignal(WTERMSIG(p->status)));
	else if (here || !p->ops[0])
		snprintf(reason, sizeof(reason), "the program ended with status %d", WEXITSTATUS(p->status));
	return exit_record(EXIT_ERROR, 0, reason, words);
}

/* The scheduler first, by its link; then the program. Killing comes last. */
void program_stop(struct program *p)
{
	if (p->output_fd < 0)	/* never started, or stopped before */
		return;
	if (!p->exit)
		p->exit = judge(p);
	if (p->link_fd >= 0)
		bpf_link_detach(p->link_fd);
	if (p->pid) {
		kill(p->pid, SIGTERM);
		kill(p->pid, SIGCONT);	/* a stopped one would not hear it */
		wait_for_end(p, STOP_MS);
	}
	cgroup_end();
	wait_for_end(p, STOP_MS);
	if (p->link_fd >= 0)
		close(p->link_fd);
	close(p->output_fd);
	p->link_fd = p->output_fd = -1;
}

json_t *program_exit(const struct program *p)
{
	return p->exit ? json_incref(p->exit) : NULL;
}

void program_free(struct program *p)
{
	if (!p)
		return;
	program_stop(p);
	if (p->binary_fd >= 0)
		close(p->binary_fd);
	json_decref(p->exit);
	json_decref(p->value);
	free(p);
}
