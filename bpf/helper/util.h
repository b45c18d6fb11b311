/* SPDX-License-Identifier: GPL-2.0-only */
/* What every other file uses: failures, time, files, strings. */
#ifndef FLEETSCHED_UTIL_H
#define FLEETSCHED_UTIL_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define FLEETSCHED_VERSION "0.1.0"
#define LINE_BYTES 65536	/* the longest line of the protocol, newline included */
#define DIGEST_CHARS 64		/* SHA-256 in hexadecimal */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Why a request was refused; what the client reads. */
struct failure {
	const char *code;
	char message[512];
	const char *remedy;	/* static text, may be NULL */
	json_t *detail;		/* owned, may be NULL */
};

/* Fill @f and return -1, so that a caller can return it at once. */
int fail(struct failure *f, const char *code, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void failure_clear(struct failure *f);

/* One line to standard error, which is the service's journal. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

int64_t boottime_ms(void);			/* CLOCK_BOOTTIME: goes on during suspend */
void rfc3339_now(char out[32]);
int64_t rfc3339_to_seconds(const char *text);	/* -1 when it is not one */

/* Read a small file into @buf, always terminated, trailing newline removed. Length, or -errno. */
int read_text(const char *path, char *buf, size_t size);
long read_number(const char *path);		/* -1 when absent */
bool is_only_roots(const struct stat *st);	/* owned by root, writable by nobody else */
int make_dir(const char *path, mode_t mode);	/* 0 when it is there already */

/* Write @path so that after a crash it holds either the old or the new bytes: temporary file, fsync, rename, fsync. */
int write_durably(const char *path, const void *data, size_t size);
int sync_dir_of(const char *path);

/* The whole file, at most @limit bytes, to be freed by the caller; NULL with errno set. */
void *read_whole(const char *path, size_t limit, size_t *size);

void sha256_hex(const void *data, size_t size, char out[DIGEST_CHARS + 1]);
bool is_digest(const char *text);
bool is_name(const char *text, const char *extra);	/* [a-z0-9 and @extra]{1,63} */

/* A JSON string of bytes that may be anything: invalid UTF-8 and control characters but tab and newline become '?'. */
json_t *json_text(const char *bytes, size_t size);

/*
 * Without memory the process ends: the link closes and the kernel goes back to its own scheduler, which is the safe
 * outcome. So none of these ever returns NULL.
 */
void *allocate(size_t size) __attribute__((malloc, returns_nonnull));	/* zeroed */
json_t *checked(json_t *value) __attribute__((returns_nonnull));	/* @value, which is NULL without memory */
char *json_line(json_t *value, size_t flags) __attribute__((returns_nonnull));
void put(json_t *object, const char *key, json_t *value);		/* @object owns @value then */
json_t *copy_or_null(json_t *value);	/* deep copy, JSON null for NULL */

#endif
