// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replacing the helper by another build of it, which must prove itself before it is kept.
 *
 * The new bytes are written as PATH.new, and this helper detaches its policy, stops cleanly and executes them: the same
 * process for systemd, with the real socket and state. A child with the old code, the watcher, stays and asks the new
 * helper over the socket. Only when it says hello with the bytes and the version that were sent, and runs what ran before,
 * does the watcher keep PATH as PATH.previous and rename PATH.new to PATH. So PATH is at every moment a helper that has
 * answered on this host, and whatever else happens ends in it: a new helper that exits ends the service, one that hangs
 * or talks nonsense is killed by the watcher, a power cut kills both; each time systemd starts PATH. Nothing new has to
 * work for that, neither a unit nor the new bytes, and no file has to be put back. Until then the host runs its last known
 * good or, between two helpers, the kernel's own scheduler, exactly as when a helper crashes.
 *
 * Renaming first and restarting by systemd was the other way: then something would have to put the old bytes back, and
 * that something would have to survive the stop of the service and a power cut.
 */
#include "upgrade.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "attached.h"
#include "fence.h"
#include "good.h"
#include "journal.h"
#include "kernel.h"
#include "records.h"
#include "server.h"
#include "signature.h"
#include "trial.h"

#ifdef __aarch64__
#define MACHINE EM_AARCH64
#else
#define MACHINE EM_X86_64
#endif
#define ANSWER_MS 30000		/* how long the new helper has; restoring a policy took up to 4 s under emulation */
#define ASK_EVERY_MS 200
#define SPACE_LEFT (1u << 20)	/* that an upgrade leaves free beside the helper */
#define OWN_BYTES (64u << 20)	/* more than any build of the helper, sanitized ones included */
#define NAMESPACE "fleetsched-helper"

static char **own_arguments;
static char own_digest[DIGEST_CHARS + 1];
static bool due;

int upgrade_init(char **arguments)
{
	size_t size;
	void *bytes = read_whole("/proc/self/exe", OWN_BYTES, &size);

	own_arguments = arguments;
	if (!bytes)
		return -errno;
	sha256_hex(bytes, size, own_digest);
	free(bytes);
	return 0;
}

const char *upgrade_own_digest(void)
{
	return own_digest;
}

bool upgrade_is_due(void)
{
	return due;
}

static void path_with(char *path, size_t size, const char *suffix)
{
	snprintf(path, size, "%s%s", own_arguments[0], suffix);
}

/* Where the watcher writes why it gave up, for the old helper's history. */
static void reason_path(char *path, size_t size)
{
	snprintf(path, size, "%s/upgrade-failed", journal_dir());
}

/* --- what is refused --- */

static bool parse_version(const char *text, unsigned int parts[3])
{
	int end = 0;

	return strlen(text) < VERSION_CHARS && strspn(text, "0123456789.") == strlen(text) &&
	       sscanf(text, "%9u.%9u.%9u%n", &parts[0], &parts[1], &parts[2], &end) == 3 && !text[end];
}

/* Below, equal or above zero, as numbers; one that is unreadable is older than all. */
static int compare_versions(const char *a, const char *b)
{
	unsigned int left[3] = { 0 }, right[3] = { 0 };

	if (!parse_version(a, left) || !parse_version(b, right))
		return (int)parse_version(a, left) - (int)parse_version(b, right);
	for (int i = 0; i < 3; i++)
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	return 0;
}

/* The highest version that has ever proved itself on this host. */
static const char *highest_version(void)
{
	const char *recorded_one = json_string_value(recorded("highest_version"));

	return recorded_one && compare_versions(recorded_one, FLEETSCHED_VERSION) > 0 ? recorded_one : FLEETSCHED_VERSION;
}

static int check_space(size_t size, struct failure *f)
{
	char copy[512], *folder;
	struct statvfs fs;

	path_with(copy, sizeof(copy), "");
	folder = dirname(copy);
	if (statvfs(folder, &fs) || (uint64_t)fs.f_bavail * fs.f_frsize >= size + SPACE_LEFT)
		return 0;
	return fail(f, "disk-full", "free some space there", "no room for another helper in %s", folder);
}

/* The new helper attaches what runs as at any start. What it would leave off runs only as long as this helper does. */
static int check_running(struct failure *f)
{
	char why[600];

	if (!now.policy)
		return 0;
	good_would_stay_off(why, sizeof(why));
	if (!why[0])
		return 0;
	return fail(f, "stays-off", "put that right; or restart fleetsched-host there and apply, which confirms it as the host is now",
		    "what runs on this host would not come back after the upgrade: %s", why);
}

int upgrade_may(json_t *request, struct failure *f)
{
	const char *version = text_of(request, "version");
	unsigned int parts[3];

	if (fence_check(number_of(request, "token"), "used", f))
		return -1;
	host_look();
	if (host_trial_id()[0]) {
		f->detail = checked(json_pack("{s:o}", "trial", host_trial()));
		return fail(f, "trial-in-progress", "wait until it has ended", "the trial %s is in progress", host_trial_id());
	}
	if (!parse_version(version, parts))
		return fail(f, "bad-request", NULL, "upgrade cannot take this value of version");
	if (compare_versions(version, highest_version()) < 0)
		return fail(f, "downgrade", "bring a helper that is not older", "helper %s is older than %s, which has run on this host",
			    version, highest_version());
	if (signature_required() && !text_of(request, "signature")[0])
		return fail(f, "unsigned", "give the controller a signing key (sign.key)",
			    "this host takes only signed helpers, and this one is not signed");
	if (signature_missing())	/* else the restricted key would be root's */
		return fail(f, "unsigned", "`fleetsched bootstrap --allowed-signers FILE` tells it who signs helpers",
			    "the fleet's key is restricted on this host, which then takes only signed helpers, and it knows no signers");
	return check_running(f) || check_space((size_t)number_of(request, "size"), f) ? -1 : 0;
}

/* What the kernel would refuse to execute, and what needs libraries of the host, which it may not have. */
static int check_elf(const unsigned char *data, size_t size, struct failure *f)
{
	Elf64_Ehdr header;
	Elf64_Phdr program;
	bool good = size >= sizeof(header);

	memset(&header, 0, sizeof(header));
	if (good)
		memcpy(&header, data, sizeof(header));
	good = good && !memcmp(header.e_ident, ELFMAG, SELFMAG) && header.e_ident[EI_CLASS] == ELFCLASS64 &&
	       header.e_ident[EI_DATA] == ELFDATA2LSB && (header.e_type == ET_EXEC || header.e_type == ET_DYN) &&
	       header.e_machine == MACHINE && header.e_phentsize == sizeof(program) && header.e_phnum &&
	       header.e_phoff <= size && header.e_phnum * sizeof(program) <= size - header.e_phoff && header.e_shoff <= size &&
	       (size_t)header.e_shnum * header.e_shentsize <= size - header.e_shoff;	/* linkers write these last */
	for (size_t i = 0; good && i < header.e_phnum; i++) {
		memcpy(&program, data + header.e_phoff + i * sizeof(program), sizeof(program));
		good = program.p_type != PT_INTERP && program.p_offset <= size && program.p_filesz <= size - program.p_offset;
	}
	if (good)
		return 0;
	return fail(f, "not-a-helper", "bring a helper that was built for this host's architecture",
		    "the bytes are no whole, static program for this architecture");
}

/* --- bringing the bytes --- */

/* Executable, and with the label of the helper that it is to replace, without which SELinux would not let it be started. */
static int make_executable(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	char label[256];
	ssize_t n = getxattr(own_arguments[0], "security.selinux", label, sizeof(label));

	if (fd < 0 || fchmod(fd, 0755) || (n > 0 && fsetxattr(fd, "security.selinux", label, (size_t)n, 0)) || fsync(fd))
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

/* On disk before anything changes, so that whichever helper starts next knows what was going on. */
static int write_marker(json_t *request, struct failure *f)
{
	json_t *running = host_running();
	int err;

	journal_set("upgrade", json_pack("{s:O, s:O, s:s, s:O?, s:I, s:s}", "sha256", json_object_get(request, "digest"), "version",
					 json_object_get(request, "version"), "before", FLEETSCHED_VERSION, "running",
					 json_object_get(running, "assignment"), "pid", (json_int_t)getpid(), "boot_id",
					 kernel_boot_id()));
	json_decref(running);
	err = journal_save(f);
	if (err)
		journal_set("upgrade", NULL);
	return err;
}

int upgrade_take(json_t *request, const void *data, size_t size, struct failure *f)
{
	char path[512];
	int err;

	/* Once more: the bytes may have taken long to arrive. Nothing reads them before their signature is known to be good. */
	if (upgrade_may(request, f) ||
	    (signature_required() && signature_check(NAMESPACE, data, size, text_of(request, "signature"), f)) ||
	    check_elf(data, size, f))
		return -1;
	path_with(path, sizeof(path), ".new");
	err = write_durably(path, data, size);
	if (!err)
		err = make_executable(path);
	if (err)
		fail(f, err == -ENOSPC || err == -EDQUOT ? "disk-full" : "state-unwritable", "is its file system full or read-only?",
		     "cannot write %s: %s", path, strerror(-err));
	if (err || write_marker(request, f)) {
		unlink(path);
		return -1;
	}
	journal_add("upgrade", NULL, NULL, NULL, "from %s to %s, %.12s%s%s", FLEETSCHED_VERSION, text_of(request, "version"),
		    text_of(request, "digest"), signature_required() ? ", signed by " : "",
		    signature_required() ? signature_signer() : "");
	due = true;
	return 0;
}

/* --- the watcher --- */

/* The result in one line of @text, which moves on behind it; NULL when it is no good answer. Owned. */
static json_t *take_result(char **text)
{
	char *end = strchr(*text, '\n');
	json_t *answer = end ? json_loadb(*text, (size_t)(end - *text), 0, NULL) : NULL;
	json_t *result = json_incref(json_object_get(answer, "result"));

	json_decref(answer);
	if (end)
		*text = end + 1;
	return result;
}

/* Send two requests and read two lines, until the time is over. False when they do not come. */
static bool ask(const char *socket_path, char *text, size_t size, int64_t end_ms)
{
	static const char requests[] = "{\"id\":1,\"verb\":\"hello\",\"protocol\":2,\"client\":\"the helper before\"}\n"
				       "{\"id\":2,\"verb\":\"status\"}\n";
	struct pollfd fd = { .fd = connect_to(socket_path), .events = POLLIN };
	size_t used = 0, lines = 0;
	int64_t left;

	if (fd.fd >= 0 && send(fd.fd, requests, sizeof(requests) - 1, MSG_NOSIGNAL) == sizeof(requests) - 1)
		while (lines < 2 && used < size - 1 && (left = end_ms - boottime_ms()) > 0 && poll(&fd, 1, (int)left) > 0) {
			ssize_t n = recv(fd.fd, text + used, size - 1 - used, MSG_DONTWAIT);

			if (n <= 0)
				break;
			for (ssize_t i = 0; i < n; i++)
				lines += text[used + (size_t)i] == '\n';
			used += (size_t)n;
		}
	text[used] = 0;
	if (fd.fd >= 0)
		close(fd.fd);
	return lines >= 2;
}

/* Why the new helper, which has answered @text, is not good; NULL: it is what was sent, and runs what ran before. */
static const char *judge(char *text)
{
	json_t *wanted = recorded("upgrade"), *runs = json_object_get(wanted, "running");
	json_t *hello = take_result(&text), *status = take_result(&text);
	const char *why = NULL;

	if (!hello || !status)
		why = "it does not speak the helper's protocol";
	else if (strcmp(text_of(hello, "sha256"), text_of(wanted, "sha256")) ||
		 strcmp(text_of(hello, "helper"), text_of(wanted, "version")))
		why = "it says that it is another helper";
	else if (!json_is_null(runs) && !json_equal(assignment_of(json_object_get(status, "running")), runs))
		why = "it does not run what ran before";
	json_decref(hello);
	json_decref(status);
	return why;
}

static int put_in_place(void)
{
	char new[512], previous[512];

	path_with(new, sizeof(new), ".new");
	path_with(previous, sizeof(previous), ".previous");
	unlink(previous);
	if (link(own_arguments[0], previous) || rename(new, own_arguments[0]))
		return -errno;
	return sync_dir_of(own_arguments[0]);
}

/* Returns why the new helper is not kept; NULL: it is in its place. Either way it has been asked until it answered. */
static const char *await_proof(pid_t helper, const char *socket_path)
{
	static char text[2 * LINE_BYTES + 1];
	const struct timespec pause = { .tv_nsec = ASK_EVERY_MS * 1000000L };
	int64_t end_ms = boottime_ms() + ANSWER_MS;
	const char *why;

	while (!ask(socket_path, text, sizeof(text), end_ms)) {
		if (getppid() != helper || boottime_ms() >= end_ms)
			return "it did not answer in time";
		nanosleep(&pause, NULL);
	}
	why = judge(text);
	return why ? why : put_in_place() ? "it could not be put in its place" : NULL;
}

/* A child of the process that now is the new helper; the code is the old one's. */
static _Noreturn void watch_over(pid_t helper, const char *socket_path)
{
	const char *why;
	char path[512];
	sigset_t none;

	/* Everything of the helper is given up, its state's lock above all; a stop of the service ends this at once. */
	closefrom(STDERR_FILENO + 1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	why = await_proof(helper, socket_path);
	if (why && getppid() == helper) {
		reason_path(path, sizeof(path));
		write_durably(path, why, strlen(why));
		kill(helper, SIGKILL);
	} else if (!why) {
		kill(helper, SIGHUP);
	}
	_exit(why != NULL);
}

void upgrade_begin(const char *socket_path)
{
	pid_t helper = getpid(), watcher = fork();
	char path[512];

	if (!watcher)
		watch_over(helper, socket_path);
	path_with(path, sizeof(path), ".new");
	if (watcher > 0)	/* never without */
		execv(path, own_arguments);
	note("the new helper cannot be started: %s", strerror(errno));
}

/* --- how it ended --- */

static void upgraded(void)
{
	json_t *marker = json_incref(recorded("upgrade"));

	journal_set("highest_version", json_string(highest_version()));
	journal_set("upgrade", NULL);
	save_or_note();
	journal_add("upgraded", NULL, NULL, NULL, "from %s to %s, %.12s", text_of(marker, "before"), FLEETSCHED_VERSION, own_digest);
	json_decref(marker);
}

static void not_upgraded(void)
{
	json_t *marker = json_incref(recorded("upgrade"));
	char path[512], why[256];

	reason_path(path, sizeof(path));
	if (read_text(path, why, sizeof(why)) <= 0)
		snprintf(why, sizeof(why), "it ended, or the host went down, before it had answered");
	unlink(path);
	path_with(path, sizeof(path), ".new");
	unlink(path);
	journal_set("upgrade", NULL);
	save_or_note();
	journal_add("upgrade-failed", NULL, NULL, NULL, "to %s, %.12s: %s; %s is back", text_of(marker, "version"),
		    text_of(marker, "sha256"), why, FLEETSCHED_VERSION);
	json_decref(marker);
}

/* This process began as the old helper and waits for the watcher's word. */
static bool on_probation(json_t *marker)
{
	return number_of(marker, "pid") == getpid() && !strcmp(text_of(marker, "boot_id"), kernel_boot_id());
}

void upgrade_at_start(void)
{
	json_t *marker = recorded("upgrade");

	if (marker && strcmp(text_of(marker, "sha256"), own_digest)) {
		not_upgraded();
	} else if (marker && !on_probation(marker)) {
		upgraded();
	} else if (!marker && strcmp(text_of(journal_state(), "highest_version"), highest_version())) {
		journal_set("highest_version", json_string(highest_version()));
		save_or_note();
	}
}

void upgrade_accepted(pid_t watcher)
{
	int status;

	if (recorded("upgrade") && waitpid(watcher, &status, 0) == watcher && WIFEXITED(status) && !WEXITSTATUS(status))
		upgraded();
}
