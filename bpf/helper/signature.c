// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signatures of ssh-keygen, by whom /etc/fleetsched/allowed_signers names. The host's own ssh-keygen verifies them:
 * there is no cryptography here. It is asked twice, as Git does it: whose key this is, and whether that person's
 * signature is good in this namespace now. Only the second answer decides.
 */
#include "signature.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

#define FOLDER "/etc/fleetsched"
#define SIGNERS FOLDER "/allowed_signers"
#define SSH_KEYGEN "/usr/bin/ssh-keygen"
/*
 * For both questions. They take 20 ms on a real machine, and were seen to take more than 4 s on an emulated one that was
 * busy. The loop waits that long; a heartbeat is due every 15 s and must come within 30.
 */
#define VERIFY_MS 10000
#define OUTPUT_BYTES 1024

static char signer[256];

bool signature_required(void)
{
	struct stat st;

	return !lstat(SIGNERS, &st) || (errno != ENOENT && errno != ENOTDIR);
}

bool signature_missing(void)
{
	return !signature_required() && !access(FOLDER "/bootstrap", F_OK);
}

int signature_possible(struct failure *f)
{
	struct stat folder, file;

	if (lstat(FOLDER, &folder) || lstat(SIGNERS, &file) || !S_ISREG(file.st_mode) || !is_only_roots(&folder) ||
	    !is_only_roots(&file))
		return fail(f, "signers-unusable", "make both root's: chown root:root, chmod go-w; a link is not taken",
			    "%s is no file that root alone can write, in a folder that root alone can write", SIGNERS);
	if (access(SSH_KEYGEN, X_OK))
		return fail(f, "no-ssh-keygen", "install OpenSSH's client there",
			    "this host takes only what is signed, and %s, which verifies signatures, is not there", SSH_KEYGEN);
	return 0;
}

const char *signature_signer(void)
{
	return signer;
}

/* Bytes as a file that no folder has, so that nothing is left behind, whoever dies. Children inherit it. */
static int as_file(const void *data, size_t size)
{
	int fd = memfd_create("fleetsched", 0);
	size_t done = 0;
	ssize_t n;

	for (; fd >= 0 && done < size; done += (size_t)n) {
		n = write(fd, (const char *)data + done, size - done);
		if (n <= 0) {
			close(fd);
			return -1;
		}
	}
	return fd;
}

/* The child's exit code, or -1: it did not end in time, or not by itself. Then it is killed. */
static int wait_for(pid_t pid, int64_t deadline_ms)
{
	/* The compiler's headers are of a glibc that has no pidfd_open() yet. */
	struct pollfd child = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int64_t left = deadline_ms - boottime_ms();
	int status;
	bool over = child.fd >= 0 && poll(&child, 1, left > 0 ? (int)left : 0) == 1 && waitpid(pid, &status, WNOHANG) == pid;

	if (!over)
		child_end(pid);
	if (child.fd >= 0)
		close(child.fd);
	return over && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Run ssh-keygen. Its exit code, and in @output what it printed, as much as fits there. */
static int ask(char *const argv[], const void *input, size_t size, int64_t deadline_ms, char output[OUTPUT_BYTES],
	       struct failure *f)
{
	int pipe_fds[2] = { -1, -1 }, input_fd = as_file(input, size), code = -1;
	pid_t pid = -1;
	ssize_t n;

	/* What is too much for the pipe makes the child wait, and then be late. */
	if (input_fd >= 0 && !lseek(input_fd, 0, SEEK_SET) && !pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK))
		pid = child_start(argv, input_fd, pipe_fds[1], true);
	if (pid < 0) {
		fail(f, "verify-failed", "try again", "%s cannot be started: %s", argv[0], strerror(errno));
		goto out;
	}
	code = wait_for(pid, deadline_ms);
	n = read(pipe_fds[0], output, OUTPUT_BYTES - 1);
	output[n > 0 ? n : 0] = 0;
	if (code < 0)
		fail(f, "verify-timeout", "try again when the host is less busy", "%s did not end by itself within %d ms", argv[0],
		     VERIFY_MS);
out:
	if (input_fd >= 0)
		close(input_fd);
	close(pipe_fds[0]);	/* -1 when there is no pipe: nothing is closed */
	close(pipe_fds[1]);
	return code;
}

/* The last line: warnings about lines of the file come before the name. */
static void take_signer(char *output)
{
	char *line;

	output[strcspn(output, "\r")] = 0;
	while ((line = strrchr(output, '\n')) && !line[1])
		*line = 0;
	signer[0] = 0;
	strncat(signer, line ? line + 1 : output, sizeof(signer) - 1);	/* one that is cut is no signer */
}

static int refuse(const char *why, char *output, struct failure *f)
{
	output[strcspn(output, "\r\n")] = 0;
	return fail(f, "bad-signature", "sign it with a key that " SIGNERS " on the host names, and that is valid now",
		    "%s: %s", why, output);
}

static int verify(const char *namespace, const void *data, size_t size, const char *file, struct failure *f)
{
	char output[OUTPUT_BYTES], *arg_file = (char *)file, *arg_namespace = (char *)namespace;
	char *const find[] = { SSH_KEYGEN, "-Y", "find-principals", "-s", arg_file, "-f", SIGNERS, NULL };
	char *const check[] = { SSH_KEYGEN, "-Y", "verify", "-n", arg_namespace, "-s", arg_file, "-f", SIGNERS, "-I", signer, NULL };
	int64_t deadline_ms = boottime_ms() + VERIFY_MS;
	int code = ask(find, "", 0, deadline_ms, output, f);

	if (code > 0)
		return refuse("no allowed signer has made this signature", output, f);
	if (!code) {
		take_signer(output);
		code = ask(check, data, size, deadline_ms, output, f);
	}
	return code > 0 ? refuse("the signature does not fit what was signed", output, f) : code;
}

int signature_check(const char *namespace, const void *data, size_t size, const char *signature, struct failure *f)
{
	char file[40];
	int fd, err;

	if (signature_possible(f))
		return -1;
	fd = as_file(signature, strlen(signature));
	if (fd < 0)
		return fail(f, "verify-failed", "try again", "no room for the signature: %s", strerror(errno));
	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	err = verify(namespace, data, size, file, f);
	close(fd);
	return err;
}
