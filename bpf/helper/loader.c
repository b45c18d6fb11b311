// SPDX-License-Identifier: GPL-2.0-only
/* One policy object: accepted, given its parameters, loaded, attached, and asked why it ended. */
#include "loader.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inspect.h"
#include "kernel.h"
#include "program.h"

#define LOG_BYTES (64 << 10)	/* the verifier keeps the end of its log when it does not fit */
#define LOG_SHOWN 4096
#define DATA_BYTES_MAX (1u << 20)
#define LARGE_BYTES (64 << 10)

struct policy {
	struct program *program;		/* NULL: an object, and all that follows */
	struct bpf_object *object;
	struct bpf_map *ops_map;
	struct bpf_link *link;
	const struct bpf_map *exit_map;		/* NULL when the policy records no exit */
	const struct btf_type *exit_type;
	uint32_t exit_offset;
	unsigned int timeout_ms;
	char ops[128];
};

/* What libbpf complained about during the current load; it names missing kernel functions and failed relocations. */
static char complaints[2048];
static char verifier_log[LOG_BYTES];

static int take_complaint(enum libbpf_print_level level, const char *fmt, va_list args)
{
	size_t used = strlen(complaints);

	if (level == LIBBPF_WARN && used < sizeof(complaints) - 1)
		vsnprintf(complaints + used, sizeof(complaints) - used, fmt, args);
	return 0;
}

void loader_init(void)
{
	libbpf_set_print(take_complaint);
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);	/* else glibc raises it, and what was large once stays ours */
}

/* --- reading the object's own type information --- */

static const struct btf_type *skip_names(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	for (int i = 1; i < MOST_LINKS && type && (btf_is_mod(type) || btf_is_typedef(type)); i++)
		type = btf__type_by_id(btf, type->type);
	return type;
}

static const struct btf_type *find_section(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_DATASEC);

	return id < 0 ? NULL : btf__type_by_id(btf, (uint32_t)id);
}

static const struct btf_member *find_member(const struct btf *btf, const struct btf_type *type, const char *name)
{
	for (int i = 0; i < btf_vlen(type); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_members(type)[i].name_off), name))
			return &btf_members(type)[i];
	return NULL;
}

/* Where member @name of the ops struct lies in the map's value; NULL when the object does not declare it with @size. */
static void *ops_field(struct policy *p, const struct btf_type *type, const char *name, size_t size)
{
	const struct btf *btf = bpf_object__btf(p->object);
	const struct btf_member *m = find_member(btf, type, name);
	char *value;
	size_t total;

	if (!m || btf__resolve_size(btf, m->type) != (int64_t)size)
		return NULL;
	value = bpf_map__initial_value(p->ops_map, &total);
	return value && m->offset / 8 + size <= total ? value + m->offset / 8 : NULL;
}

/* --- accepting what inspect() has let through --- */

static int refused(struct failure *f, const char *why)
{
	return fail(f, "object-refused", "an object is one sched_ext_ops with its callbacks and maps, written against bpf/include",
		    "the object is refused: %s", why);
}

static const struct btf_type *ops_type(struct policy *p)
{
	const struct btf *btf = bpf_object__btf(p->object);
	const struct btf_type *section = btf ? find_section(btf, ".struct_ops.link") : NULL;
	const struct btf_type *type;

	if (!section || btf_vlen(section) != 1)
		return NULL;
	type = skip_names(btf, btf_var_secinfos(section)[0].type);
	type = type && btf_is_var(type) ? skip_names(btf, type->type) : NULL;
	if (!type || !btf_is_struct(type) || strcmp(btf__name_by_offset(btf, type->name_off), "sched_ext_ops"))
		return NULL;
	return type;
}

/* The kernel refuses an object that sets a callback which it does not know. Leaving the callback out is what the policy
 * of an older kernel would have done.
 */
static void fit_callbacks(struct policy *p, const struct btf_type *type)
{
	const struct btf *btf = bpf_object__btf(p->object);

	for (int i = 0; i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, btf_members(type)[i].name_off);
		const struct btf_type *member = skip_names(btf, btf_members(type)[i].type);
		void **callback = ops_field(p, type, name, sizeof(void *));

		if (!member || !btf_is_ptr(member) || !callback || !*callback)
			continue;
		if (!kernel_knows_op(name))
			*callback = NULL;
	}
}

static int accept_ops(struct policy *p, struct failure *f)
{
	const struct btf_type *type = ops_type(p);
	struct bpf_map *map;
	char *name;
	uint32_t *timeout;
	uint64_t *hotplug;

	bpf_object__for_each_map(map, p->object)
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			p->ops_map = map;
	if (!type || !p->ops_map)
		return refused(f, "it has no single sched_ext_ops in .struct_ops.link");
	name = ops_field(p, type, "name", sizeof(p->ops));
	timeout = ops_field(p, type, "timeout_ms", sizeof(*timeout));
	hotplug = ops_field(p, type, "hotplug_seq", sizeof(*hotplug));
	if (!name || !memchr(name, 0, sizeof(p->ops)) || !name[0])
		return refused(f, "it has no name");
	for (const char *c = name; *c; c++)
		if (*c <= 0x20 || *c >= 0x7f)
			return refused(f, "its name is not printable");
	if (!timeout)
		return refused(f, "its sched_ext_ops does not declare timeout_ms");
	if (*timeout == 0 || *timeout > TIMEOUT_MS_MAX)
		*timeout = TIMEOUT_MS_MAX;
	if (hotplug && kernel_hotplug_seq() > 0)
		*hotplug = (uint64_t)kernel_hotplug_seq();
	p->timeout_ms = *timeout;
	memcpy(p->ops, name, sizeof(p->ops));
	fit_callbacks(p, type);
	return 0;
}

/* --- parameters --- */

static bool fits(json_int_t value, const struct btf_type *type)
{
	unsigned int bits = type->size * 8;

	if (btf_is_int(type) && btf_int_encoding(type) & BTF_INT_BOOL)
		return value == 0 || value == 1;
	if (btf_is_int(type) && btf_int_encoding(type) & BTF_INT_SIGNED)
		return bits >= 64 || (value >= -(1LL << (bits - 1)) && value < 1LL << (bits - 1));
	return value >= 0 && (bits >= 64 || value < 1LL << bits);
}

static int set_parameter(struct policy *p, const char *name, json_int_t value, struct failure *f)
{
	const struct btf *btf = bpf_object__btf(p->object);
	const struct btf_type *section = find_section(btf, ".rodata");
	struct bpf_map *map = bpf_object__find_map_by_name(p->object, ".rodata");
	size_t size = 0;
	char *data = map ? bpf_map__initial_value(map, &size) : NULL;

	for (int i = 0; section && data && i < btf_vlen(section); i++) {
		const struct btf_var_secinfo *info = &btf_var_secinfos(section)[i];
		const struct btf_type *var = btf__type_by_id(btf, info->type);
		const struct btf_type *type = var && btf_is_var(var) ? skip_names(btf, var->type) : NULL;

		if (!type || strcmp(btf__name_by_offset(btf, var->name_off), name))
			continue;
		if (!(btf_is_int(type) || btf_is_any_enum(type)) || type->size > 8 || (size_t)info->offset + type->size > size)
			return fail(f, "bad-parameter", NULL, "the parameter %s is no integer in the object", name);
		if (!fits(value, type))
			return fail(f, "bad-parameter", NULL, "the parameter %s = %lld does not fit its %u bytes", name,
				    (long long)value, type->size);
		memcpy(data + info->offset, &value, type->size);	/* little endian, as every target of the helper */
		return 0;
	}
	return fail(f, "bad-parameter", "compare the policy's declared parameters with its source",
		    "the object has no parameter named %s", name);
}

static int set_parameters(struct policy *p, json_t *parameters, struct failure *f)
{
	const char *name;
	json_t *value;

	json_object_foreach(parameters, name, value)
		if (set_parameter(p, name, json_integer_value(value), f))
			return -1;
	return 0;
}

/* --- the exit record --- */

static void find_exit_record(struct policy *p)
{
	const struct btf *btf = bpf_object__btf(p->object);

	for (uint32_t id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *section = btf__type_by_id(btf, id);
		const struct bpf_map *map;

		if (!btf_is_datasec(section))
			continue;
		map = bpf_object__find_map_by_name(p->object, btf__name_by_offset(btf, section->name_off));
		for (int i = 0; map && i < btf_vlen(section); i++) {
			const struct btf_var_secinfo *info = &btf_var_secinfos(section)[i];
			const struct btf_type *var = btf__type_by_id(btf, info->type);
			const struct btf_type *type = var && btf_is_var(var) ? skip_names(btf, var->type) : NULL;

			if (!type || !btf_is_struct(type) ||
			    strcmp(btf__name_by_offset(btf, type->name_off), "user_exit_info"))
				continue;
			p->exit_map = map;
			p->exit_type = type;
			p->exit_offset = info->offset;
			return;
		}
	}
}

/* Bytes of member @name inside @value, and their number; NULL when there is no such member. */
static const char *exit_member(const struct policy *p, const char *value, size_t total, const char *name, size_t *size)
{
	const struct btf *btf = bpf_object__btf(p->object);
	const struct btf_member *m = find_member(btf, p->exit_type, name);
	int64_t bytes = m ? btf__resolve_size(btf, m->type) : -1;
	size_t at = m ? p->exit_offset + m->offset / 8 : 0;

	if (bytes <= 0 || at + (size_t)bytes > total)
		return NULL;
	*size = (size_t)bytes;
	return value + at;
}

static long long exit_number(const struct policy *p, const char *value, size_t total, const char *name)
{
	size_t size;
	const char *bytes = exit_member(p, value, total, name, &size);
	int32_t narrow = 0;
	int64_t wide = 0;

	if (bytes && size == sizeof(narrow)) {
		memcpy(&narrow, bytes, sizeof(narrow));
		return narrow;
	}
	if (bytes && size == sizeof(wide))
		memcpy(&wide, bytes, sizeof(wide));
	return wide;
}

static const char *kind_name(long long kind)
{
	static const struct { int kind; const char *name; } names[] = {
		{ 0, "NONE" }, { 1, "DONE" }, { 64, "UNREG" }, { 65, "UNREG_BPF" }, { 66, "UNREG_KERN" }, { 67, "SYSRQ" },
		{ 68, "PARENT" }, { 69, "PARENT_KILL" }, { 1024, "ERROR" }, { 1025, "ERROR_BPF" }, { 1026, "ERROR_STALL" },
		{ 1027, "ERROR_REENQ" }, { 1028, "ERROR_RESCUE" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].kind == kind)
			return names[i].name;
	return kind >= EXIT_ERROR ? "ERROR" : "UNKNOWN";
}

json_t *exit_record(long long kind, long long code, const char *reason, const char *message)
{
	return checked(json_pack("{s:I, s:s, s:I, s:o, s:o}", "kind", (json_int_t)kind, "kind_name", kind_name(kind), "code",
				 (json_int_t)code, "reason", json_text(reason, strlen(reason)), "message",
				 json_text(message, strlen(message))));
}

static void exit_string(const struct policy *p, const char *value, size_t total, const char *name, char out[1025])
{
	size_t size;
	const char *bytes = exit_member(p, value, total, name, &size);

	snprintf(out, 1025, "%.*s", bytes ? (int)strnlen(bytes, size) : 0, bytes ? bytes : "");
}

/* Where the kernel was when it found the fault, a line a call, the innermost first. */
static void add_trace(const struct policy *p, const char *value, size_t total, json_t *record)
{
	json_t *trace = checked(json_array());
	char text[1025], *save = NULL;

	exit_string(p, value, total, "bt", text);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strcmp(line, "0x0"))
			json_array_append_new(trace, json_text(line, strlen(line)));
	if (json_array_size(trace))
		put(record, "trace", json_incref(trace));
	json_decref(trace);
}

/* By lookup: libbpf's own copy of the data does not change after load. */
static json_t *read_exit(const struct policy *p)
{
	size_t total = bpf_map__value_size(p->exit_map);
	char *value = total && total <= DATA_BYTES_MAX ? malloc(total) : NULL;
	char reason[1025], message[1025];
	json_t *record = NULL;
	uint32_t key = 0;
	long long kind;

	if (!value || bpf_map_lookup_elem(bpf_map__fd(p->exit_map), &key, value))
		goto out;
	kind = exit_number(p, value, total, "kind");
	if (!kind)
		goto out;
	exit_string(p, value, total, "reason", reason);
	exit_string(p, value, total, "msg", message);
	record = exit_record(kind, exit_number(p, value, total, "exit_code"), reason, message);
	add_trace(p, value, total, record);
out:
	free(value);
	return record;
}

json_t *policy_exit(const struct policy *p, int wait_ms)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	int64_t until = boottime_ms() + wait_ms;
	json_t *record = NULL;

	if (p->program)
		return program_exit(p->program);
	while (p->exit_map && !(record = read_exit(p)) && boottime_ms() < until)
		nanosleep(&pause, NULL);
	return record;
}

/* --- loading and attaching --- */

static int load_failed(struct failure *f, int err)
{
	size_t n = strlen(verifier_log), shown = n > LOG_SHOWN ? LOG_SHOWN : n;
	size_t c = strlen(complaints);
	char log[LOG_SHOWN + sizeof(complaints)];

	snprintf(log, sizeof(log), "%s%s", complaints, verifier_log + n - shown);
	n = strlen(log);
	shown = n > LOG_SHOWN ? LOG_SHOWN : n;
	f->detail = checked(json_pack("{s:o}", "log", json_text(log + n - shown, shown)));
	return fail(f, "load-failed", "the log in the error's detail is the kernel verifier's", "the kernel does not take the object: %s%s",
		    strerror(-err), c || n ? "" : " (no log)");
}

struct policy *policy_load(const void *data, size_t size, json_t *parameters, struct failure *f)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "policy", .kernel_log_buf = verifier_log,
		    .kernel_log_size = sizeof(verifier_log));
	struct policy *p = allocate(sizeof(*p));
	char reason[REASON_BYTES];
	int err;

	complaints[0] = verifier_log[0] = 0;
	if (inspect(data, size, reason)) {
		refused(f, reason);
		goto error;
	}
	p->object = bpf_object__open_mem(data, size, &opts);
	if (!p->object) {
		refused(f, "it is no BPF object that libbpf can read");
		goto error;
	}
	if (accept_ops(p, f) || set_parameters(p, parameters, f))
		goto error;
	find_exit_record(p);
	err = bpf_object__load(p->object);
	if (err) {
		load_failed(f, err);
		goto error;
	}
	malloc_trim(0);		/* the kernel's BTF was parsed: 10 MB that are locked in memory otherwise */
	return p;
error:
	policy_free(p);
	malloc_trim(0);
	return NULL;
}

struct policy *policy_of_program(json_t *program, const char *digest, struct failure *f)
{
	struct policy *p = allocate(sizeof(*p));

	p->timeout_ms = TIMEOUT_MS_MAX;		/* what the program is told to use */
	p->program = program_open(program, digest, f);
	if (p->program)
		return p;
	policy_free(p);
	return NULL;
}

int policy_attach(struct policy *p)
{
	if (p->program)
		return program_start(p->program);
	p->link = bpf_map__attach_struct_ops(p->ops_map);
	return p->link ? 0 : -errno;
}

int policy_link_fd(const struct policy *p)
{
	if (p->program)
		return program_link_fd(p->program);
	return p->link ? bpf_link__fd(p->link) : -1;
}

int policy_ring_fd(const struct policy *p)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, p->object)
		if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
			return bpf_map__fd(map);
	return -1;
}

/* bpf_link_detach returns when the kernel's scheduler has every task; closing the link alone may not wait. */
int policy_detach(struct policy *p)
{
	int err = 0;

	if (p->program)
		program_stop(p->program);
	if (!p->link)
		return 0;
	if (bpf_link_detach(bpf_link__fd(p->link)))
		err = -errno;
	bpf_link__destroy(p->link);
	p->link = NULL;
	return err;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	policy_detach(p);
	program_free(p->program);
	bpf_object__close(p->object);
	free(p);
}

bool policy_is_alive(struct policy *p)
{
	return !p->program || program_is_alive(p->program);
}

json_t *policy_log(const struct policy *p)
{
	return p->program ? program_log(p->program) : NULL;
}

const char *policy_ops(const struct policy *p)
{
	return p->program ? program_ops(p->program) : p->ops;
}

unsigned int policy_timeout_ms(const struct policy *p)
{
	return p->timeout_ms;
}
