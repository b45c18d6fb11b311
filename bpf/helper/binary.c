// SPDX-License-Identifier: GPL-2.0-only
/* The file of a scheduler program: may it be started, and is it the one that was meant? */
#include "binary.h"

#include <errno.h>
#include <fcntl.h>
#include <sha256.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "signature.h"

#define PATH_CHARS 512	/* protocol.c takes no longer one */

static int refused(struct failure *f, const char *rule, const char *path, const char *why)
{
	f->detail = checked(json_pack("{s:s}", "rule", rule));
	return fail(f, "program-refused",
		    "a program is an ELF file of root's that nobody else can write, in folders of which the same is true",
		    "the program %s is refused: %s", path, why);
}

/* None of its folders may be a link, or in the hands of others. What root does meanwhile is root's own affair. */
static int check_folders(const char *path, struct failure *f)
{
	char folder[PATH_CHARS + 1];
	struct stat st;

	for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
		snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path);
		if (lstat(folder, &st))
			return refused(f, "missing", path, strerror(errno));
		if (!S_ISDIR(st.st_mode))
			return refused(f, "not-a-folder", path, "a part of its path is a link, or no folder");
		if (!is_only_roots(&st))
			return refused(f, "folder-not-roots", path, "somebody else than root may change a folder of its path");
	}
	return 0;
}

static int check_file(int fd, const char *path, struct failure *f)
{
	char magic[4];
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return refused(f, "not-a-file", path, "it is no regular file");
	if (!is_only_roots(&st))
		return refused(f, "not-roots", path, "it is not root's, or others than root may write it");
	if (!(st.st_mode & S_IXUSR))
		return refused(f, "not-executable", path, "it is not executable");
	if (st.st_mode & (S_ISUID | S_ISGID))
		return refused(f, "setuid", path, "it is setuid or setgid");
	if (pread(fd, magic, sizeof(magic), 0) != sizeof(magic) || memcmp(magic, "\177ELF", sizeof(magic)))
		return refused(f, "not-elf", path, "it is no ELF program; what a script runs would not be checked");
	return 0;
}

/*
 * Whoever has a restricted key chooses the arguments, and a shell is an ELF program of root's, too. Where nobody signs them,
 * only what is named as schedulers are can be started: root alone gives names in these folders.
 */
static int check_name(const char *path, struct failure *f)
{
	if (!signature_missing() || !strncmp(strrchr(path, '/') + 1, "scx_", 4))
		return 0;
	return refused(f, "not-scx", path,
		       "the fleet's key is restricted on this host, which knows no signers: its name has to begin with scx_");
}

static int check_digest(int fd, const char *path, const char *digest, struct failure *f)
{
	uint8_t buffer[16384];
	char found[DIGEST_CHARS + 1];
	SHA256_CTX context;
	off_t at = 0;
	ssize_t n;

	SHA256_Init(&context);
	while ((n = pread(fd, buffer, sizeof(buffer), at)) > 0) {
		SHA256_Update(&context, buffer, (size_t)n);
		at += n;
	}
	SHA256_End(&context, found);
	if (n < 0)
		return refused(f, "unreadable", path, strerror(errno));
	if (!strcmp(found, digest))
		return 0;
	f->detail = checked(json_pack("{s:s}", "digest", found));
	return fail(f, "program-changed", "install the version that the policy is locked to, or lock the policy anew",
		    "the program %s is not the one of the lock: its SHA-256 is %.12s, not %.12s", path, found, digest);
}

int binary_open(const char *path, const char *digest, struct failure *f)
{
	int fd;

	if (check_name(path, f) || check_folders(path, f))
		return -1;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);	/* without waiting, if it is a pipe */
	if (fd < 0)
		return errno == ELOOP ? refused(f, "not-a-file", path, "it is a link")
				      : refused(f, "missing", path, strerror(errno));
	if (!check_file(fd, path, f) && !check_digest(fd, path, digest, f))
		return fd;
	close(fd);
	return -1;
}
