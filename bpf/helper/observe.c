// SPDX-License-Identifier: GPL-2.0-only
/*
 * The observer: loads observe.bpf.c when somebody asks, keeps it attached while somebody looks, and says what it counted.
 *
 * What it counts only grows, so any number of clients can look at the same time: each remembers what was there when it
 * began, and is told the difference.
 */
#include "observe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tally.h"

#define KEPT_MS 60000		/* in memory, detached: loading takes 10 MB and some of a second */
#define CGROUP_SHOWN 255
#define FILEID_KERNFS 0xfe	/* exportfs.h: a handle that is the number of a file of kernfs */
#define SLOTS_BYTES ((OBSERVER_KEYS + 1) * sizeof(struct observer_slot))

extern const unsigned char observe_object[], observe_object_end[];	/* observe_object.S */

struct observation {
	bool by_key;
	int64_t started_ms;
	unsigned int forks, used;
	struct observer_tally host;	/* the whole host's at the start, or when last told */
	struct observer_tally *slots;	/* each slot's at the start, @used and slot 0 */
};

/* In the order of attaching: a wakeup must not be seen before the switch that ends its wait. */
static const char *const programs[] = { "observe_switch", "observe_wakeup", "observe_fork" };

static struct {
	struct bpf_object *object;	/* NULL: not loaded */
	struct bpf_link *links[ARRAY_SIZE(programs)];
	struct observer_slot *slots;	/* shared with the kernel */
	int control, keys;		/* maps */
	size_t users, users_by_key;
	int64_t unused_ms;		/* since when nobody uses it */
	bool refused;
} observer;

/* --- loading and attaching --- */

static void unload(void)
{
	if (observer.slots)
		munmap(observer.slots, SLOTS_BYTES);
	observer.slots = NULL;
	bpf_object__close(observer.object);
	observer.object = NULL;
}

static int load(void)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "fleetsched");
	void *slots;
	int err;

	observer.object = bpf_object__open_mem(observe_object, (size_t)(observe_object_end - observe_object), &opts);
	err = observer.object ? bpf_object__load(observer.object) : -errno;
	malloc_trim(0);		/* the kernel's BTF was parsed */
	if (err)
		return err;
	observer.control = bpf_object__find_map_fd_by_name(observer.object, ".bss");
	observer.keys = bpf_object__find_map_fd_by_name(observer.object, "keys");
	slots = mmap(NULL, SLOTS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_object__find_map_fd_by_name(observer.object, "slots"), 0);
	if (slots == MAP_FAILED)
		return -errno;
	observer.slots = slots;
	return 0;
}

static struct observer_control read_control(void)
{
	struct observer_control control = { 0 };
	uint32_t zero = 0;

	bpf_map_lookup_elem(observer.control, &zero, &control);
	if (control.used > OBSERVER_KEYS)	/* CPUs may have asked for the last slot at the same time */
		control.used = OBSERVER_KEYS;
	return control;
}

/* Forget the keys of earlier periods, so that there is room for those of this one. */
static int start_afresh(void)
{
	struct observer_control control = { 0 };
	struct timespec now;
	char key[sizeof(struct observer_slot)];
	uint32_t zero = 0;

	while (!bpf_map_get_next_key(observer.keys, NULL, key))
		if (bpf_map_delete_elem(observer.keys, key))
			return -errno;
	memset(observer.slots, 0, (read_control().used + 1) * sizeof(*observer.slots));
	clock_gettime(CLOCK_MONOTONIC, &now);
	control.started_ns = (unsigned long long)now.tv_sec * 1000000000 + (unsigned long long)now.tv_nsec;
	return bpf_map_update_elem(observer.control, &zero, &control, 0) ? -errno : 0;
}

static void detach(void)
{
	for (size_t i = ARRAY_SIZE(programs); i-- > 0;) {
		bpf_link__destroy(observer.links[i]);
		observer.links[i] = NULL;
	}
	observer.unused_ms = boottime_ms();
}

static int attach(void)
{
	int err = start_afresh();

	for (size_t i = 0; !err && i < ARRAY_SIZE(programs); i++) {
		observer.links[i] = bpf_program__attach(bpf_object__find_program_by_name(observer.object, programs[i]));
		err = observer.links[i] ? 0 : -errno;
	}
	if (err)
		detach();
	return err;
}

static int use(struct failure *f)
{
	int err = observer.object ? 0 : load();

	if (!err && !observer.users)
		err = attach();
	observer.refused = err != 0;
	if (!err) {
		observer.users++;
		return 0;
	}
	unload();
	return fail(f, "no-observer", "leave runQueueLatency out for this host; everything else works",
		    "the kernel does not take the helper's observer: %s", strerror(-err));
}

bool observer_was_refused(void)
{
	return observer.refused;
}

int64_t observer_next_ms(void)
{
	return observer.object && !observer.users ? observer.unused_ms + KEPT_MS : -1;
}

void observer_tick(void)
{
	int64_t next = observer_next_ms();

	if (next >= 0 && boottime_ms() >= next)
		unload();
}

/* --- what was counted --- */

static struct observer_tally whole_host(void)
{
	struct observer_tally sum = { 0 };
	unsigned int used = read_control().used;

	for (size_t i = 0; i <= used; i++)
		tally_add(&sum, &observer.slots[i].tally);
	return sum;
}

/* The cgroup's path below the mount; null when it is gone, or the host has no cgroup v2. */
static json_t *cgroup_path(unsigned long long id)
{
	struct {
		struct file_handle handle;
		unsigned long long id;
	} __attribute__((packed, aligned(8))) name = { .id = id };
	static const char *const mounts[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };
	char link[32], path[4096];
	json_t *found = NULL;

	name.handle.handle_bytes = sizeof(id);
	name.handle.handle_type = FILEID_KERNFS;
	for (size_t i = 0; !found && i < ARRAY_SIZE(mounts); i++) {
		int mount = open(mounts[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int fd = mount < 0 ? -1 : open_by_handle_at(mount, &name.handle, O_PATH | O_CLOEXEC);
		size_t top = strlen(mounts[i]);
		ssize_t n = -1;

		if (fd >= 0) {
			snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
			n = readlink(link, path, sizeof(path));
			close(fd);
		}
		if (n >= 0 && (size_t)n <= top)
			found = json_string("/");
		else if (n >= 0)
			found = json_text(path + top + 1, (size_t)n - top - 1 < CGROUP_SHOWN ? (size_t)n - top - 1 : CGROUP_SHOWN);
		if (mount >= 0)
			close(mount);
	}
	return checked(found ? found : json_null());
}

/* --- observations --- */

struct observation *observation_start(bool by_key, struct failure *f)
{
	struct observation *o;

	if (by_key && observer.users_by_key) {
		fail(f, "busy", "wait until it is over, a minute at most", "somebody else observes this host at this moment");
		return NULL;
	}
	if (use(f))
		return NULL;
	o = allocate(sizeof(*o));
	o->by_key = by_key;
	o->started_ms = boottime_ms();
	o->host = whole_host();
	if (by_key) {
		struct observer_control control = read_control();

		observer.users_by_key++;
		o->forks = control.forks;
		o->used = control.used;
		o->slots = allocate((o->used + 1) * sizeof(*o->slots));
		for (size_t i = 0; i <= o->used; i++)
			o->slots[i] = observer.slots[i].tally;
	}
	return o;
}

json_t *observation_since_last(struct observation *o)
{
	struct observer_tally now = whole_host(), since = now;

	tally_subtract(&since, &o->host);
	o->host = now;
	return tally_run_queue(&since);
}

static struct observer_tally tally_of(const struct observation *o, size_t slot)
{
	struct observer_tally t = observer.slots[slot].tally;

	if (slot <= o->used)
		tally_subtract(&t, &o->slots[slot]);
	return t;
}

struct busy {
	unsigned int slot;
	unsigned long long on_ns;
};

static int by_time(const void *a, const void *b)
{
	const struct busy *x = a, *y = b;

	return x->on_ns < y->on_ns ? 1 : x->on_ns > y->on_ns ? -1 : (int)x->slot - (int)y->slot;
}

/* The keys that were on a CPU, the longest first. */
static size_t sort_keys(const struct observation *o, unsigned int used, struct busy found[OBSERVER_KEYS])
{
	size_t n = 0;

	for (unsigned int i = 1; i <= used; i++) {
		struct observer_tally t = tally_of(o, i);

		if (tally_switches(&t))
			found[n++] = (struct busy){ .slot = i, .on_ns = t.on_ns };
	}
	qsort(found, n, sizeof(*found), by_time);
	return n;
}

json_t *observation_result(const struct observation *o, size_t top)
{
	struct observer_control control = read_control();
	struct observer_tally host = whole_host(), others = tally_of(o, 0);
	static struct busy found[OBSERVER_KEYS];
	size_t n = sort_keys(o, control.used, found);
	json_t *keys = checked(json_array());

	tally_subtract(&host, &o->host);
	for (size_t i = 0; i < n && i < top; i++) {
		const struct observer_slot *slot = &observer.slots[found[i].slot];
		struct observer_tally t = tally_of(o, found[i].slot);
		json_t *key = tally_json(&t);

		put(key, "cgroup", cgroup_path(slot->cgroup));
		put(key, "command", json_text(slot->comm, strnlen(slot->comm, OBSERVER_COMM)));
		json_array_append_new(keys, key);
	}
	return checked(json_pack("{s:I, s:I, s:I, s:I, s:o, s:o}", "elapsed_ms", (json_int_t)(boottime_ms() - o->started_ms),
				 "forks", (json_int_t)(control.forks - o->forks), "keys_seen", (json_int_t)n, "unkeyed_switches",
				 (json_int_t)tally_switches(&others), "host", tally_json(&host), "keys", keys));
}

void observation_free(struct observation *o)
{
	if (!o)
		return;
	observer.users_by_key -= o->by_key;
	if (--observer.users == 0)
		detach();
	free(o->slots);
	free(o);
}
