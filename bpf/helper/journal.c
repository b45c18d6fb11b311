// SPDX-License-Identifier: GPL-2.0-only
/* What survives the helper: the state file, the objects, the history. */
#include "journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"

#define HISTORY_BYTES (256 << 10)	/* the file is turned over beyond this; one old file is kept */
#define SPACE_LEFT (512 << 10)		/* for the state and the history, beside an object */
#define SPARE_OBJECTS 16		/* objects that nothing names, kept for a cheap return */

static char base[256];
static json_t *state;
static json_t *history;			/* the newest HISTORY_ENTRIES, oldest first */

static void path_of(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", base, name);
}

const char *journal_dir(void)
{
	return base;
}

json_t *journal_state(void)
{
	return state;
}

void journal_set(const char *key, json_t *value)
{
	if (value)
		put(state, key, value);
	else
		json_object_del(state, key);
}

static int cannot_write(struct failure *f, int err, const char *what)
{
	return fail(f, err == -ENOSPC || err == -EDQUOT ? "disk-full" : "state-unwritable", "free some space under /var/lib",
		    "cannot write %s under %s: %s", what, base, strerror(-err));
}

int journal_save(struct failure *f)
{
	char path[300], *text = json_line(state, JSON_INDENT(1));
	int err;

	path_of(path, sizeof(path), "state.json");
	err = write_durably(path, text, strlen(text));
	free(text);
	return err ? cannot_write(f, err, "the state") : 0;
}

/* What the file has may be anything; what is taken from it must have the shapes that the code relies on. */
static bool is_entry(json_t *value)
{
	return !json_unpack_ex(value, NULL, JSON_VALIDATE_ONLY, "{s:s, s:s, s:I, s:s, s:o, s:o, s:o, s:s}", "at", "boot_id",
			       "boottime_ms", "event", "assignment", "run", "exit", "detail");
}

static bool is_state(json_t *value, json_error_t *error)
{
	json_t *held;
	size_t i;

	if (json_unpack_ex(value, error, JSON_VALIDATE_ONLY,
			   "{s?{s:{}}, s?{s:{}}, s?{s:{s:{}}}, s?{s:s, s:{}}, s?{s:s, s:{}, s:s}, s?[], s?[], s?{s:s, s:I, s:I, s:s},"
			   " s?I, s?I}",
			   "last_known_good", "assignment", "previous", "assignment", "voided", "record", "assignment", "trial", "id",
			   "assignment", "last_trial", "id", "assignment", "outcome", "held", "boots", "lease", "owner", "token",
			   "ends_ms", "boot_id", "token", "trial_count"))
		return false;
	json_array_foreach(json_object_get(value, "held"), i, held)
		if (json_unpack_ex(held, error, JSON_VALIDATE_ONLY, "{s:{}, s:s, s:o, s:s}", "assignment", "why", "exit", "at"))
			return false;
	return true;
}

static void remember(json_t *entry)
{
	json_array_append_new(history, entry);
	if (json_array_size(history) > HISTORY_ENTRIES)
		json_array_remove(history, 0);
}

static void load_history(const char *name)
{
	char path[300], line[16384];
	FILE *file;

	path_of(path, sizeof(path), name);
	file = fopen(path, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		json_t *entry = json_loads(line, 0, NULL);

		if (is_entry(entry))	/* a line cut off by a crash is left out */
			remember(entry);
		else
			json_decref(entry);
	}
	fclose(file);
}

static void load_state(void)
{
	char path[300], bad[300];
	json_error_t error;

	path_of(path, sizeof(path), "state.json");
	state = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (state && is_state(state, &error))
		return;
	json_decref(state);
	state = checked(json_object());
	if (access(path, F_OK)) {
		if (json_array_size(history))
			journal_add("service-start", NULL, NULL, NULL, "the state file is missing: nothing is remembered");
		return;
	}
	path_of(bad, sizeof(bad), "state.json.bad");
	if (rename(path, bad))
		note("%s: %s", path, strerror(errno));
	journal_add("service-start", NULL, NULL, NULL, "the state file was unreadable and is kept as %s: line %d: %s", bad,
		    error.line, error.text);
}

int journal_open(const char *dir, struct failure *f)
{
	char objects[300];
	int err;

	snprintf(base, sizeof(base), "%s", dir);
	path_of(objects, sizeof(objects), "objects");
	err = make_dir(base, 0700);
	if (!err)
		err = make_dir(objects, 0700);
	if (err)
		return cannot_write(f, err, "the state folder");
	history = checked(json_array());
	load_history("history.old.jsonl");
	load_history("history.jsonl");
	load_state();
	return 0;
}

static void write_entry(const char *line)
{
	char path[300], old[300];
	char last = '\n';	/* of the file: another character when a crash or a full disk has cut its last line off */
	struct stat st;
	int fd;

	path_of(path, sizeof(path), "history.jsonl");
	path_of(old, sizeof(old), "history.old.jsonl");
	if (!stat(path, &st) && st.st_size > HISTORY_BYTES && rename(path, old))
		note("%s: %s", old, strerror(errno));
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || (lseek(fd, -1, SEEK_END) >= 0 && read(fd, &last, 1) < 0) ||
	    dprintf(fd, last == '\n' ? "%s\n" : "\n%s\n", line) < 0 || fdatasync(fd))
		note("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

void journal_add(const char *event, json_t *assignment, const char *run, json_t *exit, const char *fmt, ...)
{
	char detail[512], at[32], *line;
	va_list args;
	json_t *entry;

	va_start(args, fmt);
	vsnprintf(detail, sizeof(detail), fmt, args);
	va_end(args);
	rfc3339_now(at);
	entry = checked(json_pack("{s:s, s:s, s:I, s:s, s:o, s:s?, s:o, s:o}", "at", at, "boot_id", kernel_boot_id(),
				  "boottime_ms", (json_int_t)boottime_ms(), "event", event, "assignment",
				  copy_or_null(assignment), "run", run, "exit", copy_or_null(exit), "detail",
				  json_text(detail, strlen(detail))));
	line = json_line(entry, JSON_COMPACT);
	note("%s: %s", event, detail);
	write_entry(line);
	free(line);
	remember(entry);
}

json_t *journal_history(size_t limit)
{
	json_t *entries = checked(json_array());
	size_t total = json_array_size(history);

	for (size_t i = total > limit ? total - limit : 0; i < total; i++)
		json_array_append(entries, json_array_get(history, i));
	return entries;
}

void journal_object_path(const char *digest, char *path, size_t size)
{
	snprintf(path, size, "%s/objects/%s", base, digest);
}

bool journal_has_object(const char *digest)
{
	char path[400];

	journal_object_path(digest, path, sizeof(path));
	return !access(path, R_OK);
}

int journal_check_space(size_t size, struct failure *f)
{
	struct statvfs fs;

	if (statvfs(base, &fs) || (uint64_t)fs.f_bavail * fs.f_frsize >= size + SPACE_LEFT)
		return 0;
	return cannot_write(f, -ENOSPC, "the object");
}

void *journal_read_object(const char *digest, size_t *size, struct failure *f)
{
	char path[400], found[DIGEST_CHARS + 1];
	void *data;

	journal_object_path(digest, path, sizeof(path));
	data = read_whole(path, OBJECT_BYTES, size);
	if (!data) {
		fail(f, "not-staged", "send it with `stage` first", "the object %.12s is not on this host", digest);
		return NULL;
	}
	sha256_hex(data, *size, found);
	if (strcmp(found, digest)) {
		free(data);
		unlink(path);
		fail(f, "not-staged", "send it with `stage` again", "the object %.12s was damaged on disk and is dropped", digest);
		return NULL;
	}
	return data;
}

/* Does @value, or anything inside it, name @digest? Digests are 64 hex digits and occur nowhere else by chance. */
static bool names(json_t *value, const char *digest)
{
	const char *key;
	json_t *inner;
	size_t i;

	if (json_is_string(value))
		return !strcmp(json_string_value(value), digest);
	if (json_is_object(value))
		json_object_foreach(value, key, inner)
			if (names(inner, digest))
				return true;
	if (json_is_array(value))
		json_array_foreach(value, i, inner)
			if (names(inner, digest))
				return true;
	return false;
}

/*
 * Drop the oldest of the objects that nothing names, but never @kept, when there are more than SPARE_OBJECTS of them.
 * What is younger than now was written before the clock was set back.
 */
static bool drop_one_spare(const char *kept)
{
	char dir[300], oldest[400] = "", path[600];
	struct timespec oldest_time = { 0 };
	time_t now = time(NULL);
	struct dirent *entry;
	int spare = 0;
	DIR *d;

	path_of(dir, sizeof(dir), "objects");
	d = opendir(dir);
	if (!d)
		return false;
	while ((entry = readdir(d))) {
		struct stat st;

		if (!is_digest(entry->d_name) || names(state, entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (stat(path, &st))
			continue;
		spare++;
		if (!strcmp(entry->d_name, kept))
			continue;
		if (st.st_mtim.tv_sec > now)
			st.st_mtim.tv_sec = 0;
		if (!oldest[0] || st.st_mtim.tv_sec < oldest_time.tv_sec ||
		    (st.st_mtim.tv_sec == oldest_time.tv_sec && st.st_mtim.tv_nsec < oldest_time.tv_nsec)) {
			oldest_time = st.st_mtim;
			journal_object_path(entry->d_name, oldest, sizeof(oldest));
		}
	}
	closedir(d);
	return spare > SPARE_OBJECTS && !unlink(oldest);
}

int journal_write_object(const char *digest, const void *data, size_t size, struct failure *f)
{
	char path[400];
	int err;

	journal_object_path(digest, path, sizeof(path));
	err = write_durably(path, data, size);
	if (err)
		return cannot_write(f, err, "the object");
	while (drop_one_spare(digest))
		;
	return 0;
}
