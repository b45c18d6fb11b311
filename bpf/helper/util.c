// SPDX-License-Identifier: GPL-2.0-only
/* What every other file uses: failures, time, files, strings. */
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int fail(struct failure *f, const char *code, const char *remedy, const char *fmt, ...)
{
	va_list args;

	f->code = code;
	f->remedy = remedy;
	va_start(args, fmt);
	vsnprintf(f->message, sizeof(f->message), fmt, args);
	va_end(args);
	return -1;
}

void failure_clear(struct failure *f)
{
	json_decref(f->detail);
	memset(f, 0, sizeof(*f));
}

void note(const char *fmt, ...)
{
	char line[1024];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;	/* a journal that is gone must not stop the helper */
}

int64_t boottime_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void rfc3339_now(char out[32])
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int64_t rfc3339_to_seconds(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	return end && !*end ? (int64_t)timegm(&tm) : -1;
}

int read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = 0;

	buf[0] = 0;
	if (fd < 0)
		return -errno;
	while (used < size - 1 && (n = read(fd, buf + used, size - 1 - used)) > 0)
		used += (size_t)n;
	if (n < 0)
		used = 0;
	close(fd);
	while (used && (buf[used - 1] == '\n' || buf[used - 1] == 0))
		used--;
	buf[used] = 0;
	return n < 0 ? -EIO : (int)used;
}

long read_number(const char *path)
{
	char text[32], *end;
	long value;

	if (read_text(path, text, sizeof(text)) <= 0)
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	return errno || *end ? -1 : value;
}

bool is_only_roots(const struct stat *st)
{
	return st->st_uid == 0 && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

int make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode) && errno != EEXIST)
		return -errno;
	return chmod(path, mode) ? -errno : 0;
}

int sync_dir_of(const char *path)
{
	char copy[512];
	int fd, err = 0;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return -ENAMETOOLONG;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd))
		err = -errno;
	close(fd);
	return err;
}

int write_durably(const char *path, const void *data, size_t size)
{
	char temporary[512];
	const char *p = data;
	int fd, err = 0;

	if (snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0) {
			err = -errno;
			break;
		}
		p += n;
		size -= (size_t)n;
	}
	if (!err && fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(temporary, path))
		err = -errno;
	if (err) {
		unlink(temporary);
		return err;
	}
	return sync_dir_of(path);
}

void *read_whole(const char *path, size_t limit, size_t *size)
{
	struct stat st;
	char *data = NULL;
	size_t used = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st))
		goto error;
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size > limit) {
		errno = EFBIG;
		goto error;
	}
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		goto error;
	while (used < (size_t)st.st_size) {
		ssize_t n = read(fd, data + used, (size_t)st.st_size - used);

		if (n < 0)
			goto error;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	data[used] = 0;
	*size = used;
	close(fd);
	return data;
error:
	free(data);
	close(fd);
	return NULL;
}

void sha256_hex(const void *data, size_t size, char out[DIGEST_CHARS + 1])
{
	SHA256_CTX context;

	SHA256_Init(&context);
	SHA256_Update(&context, data, size);
	SHA256_End(&context, out);
}

bool is_digest(const char *text)
{
	return strlen(text) == DIGEST_CHARS && strspn(text, "0123456789abcdef") == DIGEST_CHARS;
}

bool is_name(const char *text, const char *extra)
{
	size_t n = strlen(text);

	if (n < 1 || n > 63)
		return false;
	for (; *text; text++)
		if (!(*text >= 'a' && *text <= 'z') && !(*text >= '0' && *text <= '9') && !strchr(extra, *text))
			return false;
	return true;
}

/* Length of the valid UTF-8 sequence at @p, 0 when there is none. Overlong forms and surrogates count as invalid. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : 0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

json_t *json_text(const char *bytes, size_t size)
{
	char *copy = allocate(size + 1);
	json_t *text;

	for (size_t i = 0; i < size;) {
		size_t n = utf8_length((const unsigned char *)bytes + i, size - i);

		if (n == 0 || (n == 1 && (unsigned char)bytes[i] < 0x20 && bytes[i] != '\n' && bytes[i] != '\t')) {
			copy[i++] = '?';
			continue;
		}
		memcpy(copy + i, bytes + i, n);
		i += n;
	}
	text = checked(json_stringn(copy, size));
	free(copy);
	return text;
}

static void die_without_memory(void)
{
	note("out of memory");
	abort();
}

void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		die_without_memory();
	return memory;
}

json_t *checked(json_t *value)
{
	if (!value)
		die_without_memory();
	return value;
}

char *json_line(json_t *value, size_t flags)
{
	char *text = json_dumps(value, flags);

	if (!text)
		die_without_memory();
	return text;
}

void put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, checked(value)))
		die_without_memory();
}

json_t *copy_or_null(json_t *value)
{
	return checked(value ? json_deep_copy(value) : json_null());
}
