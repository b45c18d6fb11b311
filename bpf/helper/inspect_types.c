// SPDX-License-Identifier: GPL-2.0-only
/* The maps and the ops table of an object, as its type information (BTF) describes them to libbpf. */
#include "inspect_object.h"

#include <linux/btf.h>
#include <stdlib.h>

#include "allowed.h"
#include "inspect.h"

#define OPS_TYPE "sched_ext_ops"
#define PERCPU_ARRAY 6
#define RING_BUFFER 27	/* its entries are bytes */
#define TASK_STORAGE 29
#define MOST_MEMBERS 128	/* of a map's declaration or the ops table */

/* --- reading types (the kernel's Documentation/bpf/btf.rst) --- */

/* As in every object of today; linux/btf.h has a longer one since Linux 7.1. */
struct header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t size, types_at, types_size, strings_at, strings_size;
};

/* A type of the type information, and what follows it. */
struct type {
	struct btf_type head;
	const uint8_t *tail;
	const char *name;
	unsigned int kind, items;
};

/* Bytes that follow a type's head, by its kind: so many, and so many for each item. Kind 0 is no type. */
static const struct { uint8_t fixed, item; } tails[] = {
	[BTF_KIND_INT] = { 4, 0 }, [BTF_KIND_ARRAY] = { 12, 0 }, [BTF_KIND_VAR] = { 4, 0 }, [BTF_KIND_DECL_TAG] = { 4, 0 },
	[BTF_KIND_STRUCT] = { 0, 12 }, [BTF_KIND_UNION] = { 0, 12 }, [BTF_KIND_DATASEC] = { 0, 12 },
	[BTF_KIND_ENUM] = { 0, 8 }, [BTF_KIND_FUNC_PROTO] = { 0, 8 }, [BTF_KIND_ENUM64] = { 0, 12 },
};

_Static_assert(sizeof(struct header) == 24 && sizeof(struct btf_type) == 12 && sizeof(struct btf_array) == 12 &&
	       sizeof(struct btf_member) == 12 && sizeof(struct btf_var_secinfo) == 12, "these are the file's own sizes");

static int index_types(struct object *o)
{
	struct btf_type t;
	uint64_t at = 0, tail;

	o->type_count = 1;
	while (at < o->types_size) {
		uint64_t left = o->types_size - at;
		unsigned int kind;

		if (left < sizeof(t))
			return unreadable(o, "its type information ends within a type");
		memcpy(&t, o->types + at, sizeof(t));
		kind = BTF_INFO_KIND(t.info);
		if (!kind || kind >= COUNT(tails) || t.name_off >= o->strings_size)
			return unreadable(o, "a type of its type information has another form");
		left -= sizeof(t);
		tail = tails[kind].fixed + tails[kind].item * (uint64_t)BTF_INFO_VLEN(t.info);
		if (tail > left)
			return unreadable(o, "its type information ends within a type");
		o->at[o->type_count++] = (uint32_t)at;
		at += sizeof(t) + tail;
	}
	return 0;
}

static int read_types(struct object *o)
{
	const struct section *s = find_section(o, ".BTF");
	struct header h;

	if (!s || s->size < sizeof(h))
		return unreadable(o, "it has no type information");
	memcpy(&h, s->data, sizeof(h));
	if (h.magic != BTF_MAGIC || h.version != BTF_VERSION || h.flags || h.size != sizeof(h) || h.types_at ||
	    h.strings_at != h.types_size || h.types_size % 4 || !h.strings_size ||
	    (uint64_t)sizeof(h) + h.types_size + h.strings_size != s->size || s->data[s->size - 1])
		return unreadable(o, "its type information has another form");
	o->types = s->data + sizeof(h);
	o->types_size = h.types_size;
	o->strings = (const char *)o->types + h.types_size;
	o->strings_size = h.strings_size;
	o->at = calloc(h.types_size / sizeof(struct btf_type) + 1, sizeof(*o->at));
	return o->at ? index_types(o) : unreadable(o, "there is no memory for its types");
}

static bool get_type(const struct object *o, uint32_t id, struct type *t)
{
	if (!id || id >= o->type_count)
		return false;
	memcpy(&t->head, o->types + o->at[id], sizeof(t->head));
	t->tail = o->types + o->at[id] + sizeof(t->head);
	t->name = o->strings + t->head.name_off;
	t->kind = BTF_INFO_KIND(t->head.info);
	t->items = BTF_INFO_VLEN(t->head.info);
	return true;
}

/* A typedef or a qualifier: it is what another type is. */
static bool is_link(const struct type *t)
{
	return t->kind == BTF_KIND_TYPEDEF || t->kind == BTF_KIND_VOLATILE || t->kind == BTF_KIND_CONST ||
	       t->kind == BTF_KIND_RESTRICT || t->kind == BTF_KIND_TYPE_TAG;
}

/* What a type is, without its typedefs and qualifiers. */
static bool resolve(const struct object *o, uint32_t id, struct type *t)
{
	for (int i = 0; i < MOST_LINKS && get_type(o, id, t); i++) {
		if (!is_link(t))
			return true;
		id = t->head.type;
	}
	return false;
}

/* libbpf follows links, of whatever it comes across, for as long as there are any. */
static int judge_links(struct object *o)
{
	struct type t;

	for (uint32_t first = 1; first < o->type_count; first++) {
		uint32_t id = first;
		int links = 0;

		while (links < MOST_LINKS && get_type(o, id, &t) && is_link(&t)) {
			id = t.head.type;
			links++;
		}
		if (links == MOST_LINKS || id >= o->type_count)
			return refuse(o, "not a readable BPF object: type %u leads nowhere", id);
	}
	return 0;
}

/* Bytes of a value of the type; anything above MOST_MEMORY when it is too large, or has no size. */
static uint64_t size_of(const struct object *o, uint32_t id)
{
	uint64_t count = 1;
	struct type t;

	for (int i = 0; i < MOST_LINKS && resolve(o, id, &t); i++) {
		struct btf_array array;

		if (t.kind == BTF_KIND_PTR)
			return count * 8;
		if (t.kind == BTF_KIND_INT || t.kind == BTF_KIND_STRUCT || t.kind == BTF_KIND_UNION ||
		    t.kind == BTF_KIND_ENUM || t.kind == BTF_KIND_ENUM64 || t.kind == BTF_KIND_FLOAT)
			return count * t.head.size;
		if (t.kind != BTF_KIND_ARRAY)
			break;
		memcpy(&array, t.tail, sizeof(array));
		count *= array.nelems;
		if (count > MOST_MEMORY)
			break;
		id = array.type;
	}
	return UINT32_MAX;
}

/* --- maps --- */

struct member {
	const char *name;
	uint32_t type, bit;	/* @bit: where it begins */
};

static bool get_member(const struct object *o, const struct type *t, unsigned int number, struct member *m)
{
	struct btf_member raw;

	memcpy(&raw, t->tail + number * sizeof(raw), sizeof(raw));
	*m = (struct member){ .name = o->strings + raw.name_off, .type = raw.type, .bit = raw.offset };
	return raw.name_off < o->strings_size;
}

/* A number in a map's declaration: the length of the array that the member points to. */
static bool get_number(const struct object *o, uint32_t id, uint32_t *number)
{
	struct btf_array array;
	struct type t;

	if (!resolve(o, id, &t) || t.kind != BTF_KIND_PTR || !get_type(o, t.head.type, &t) || t.kind != BTF_KIND_ARRAY)
		return false;
	memcpy(&array, t.tail, sizeof(array));
	*number = array.nelems;
	return true;
}

struct map {
	const char *name, *unknown;	/* @unknown: a member that is not allowed */
	uint32_t type, entries, flags;
	uint64_t key, value;	/* bytes */
	bool pinned;
};

static bool read_map_member(const struct object *o, const struct member *m, struct map *map)
{
	uint64_t *bytes = !strcmp(m->name, "key") ? &map->key : &map->value;
	struct type t;

	if (!strcmp(m->name, "type"))
		return get_number(o, m->type, &map->type);
	if (!strcmp(m->name, "max_entries"))
		return get_number(o, m->type, &map->entries);
	if (!strcmp(m->name, "map_flags"))
		return get_number(o, m->type, &map->flags);
	if (!strcmp(m->name, "pinning")) {
		map->pinned = true;
	} else if (!strcmp(m->name, "key") || !strcmp(m->name, "value")) {
		if (!get_type(o, m->type, &t) || t.kind != BTF_KIND_PTR)
			return false;
		*bytes = size_of(o, t.head.type);
	} else {
		map->unknown = m->name;
	}
	return true;
}

static int too_much_memory(struct object *o)
{
	return refuse(o, "more than %u bytes of maps and data", MOST_MEMORY);
}

/* Bytes that a map may come to hold; anything above MOST_MEMORY when that is too much. */
static uint64_t memory_of(const struct map *map)
{
	uint64_t entries = map->entries ? map->entries : 1, each = map->key + map->value + (map->type == RING_BUFFER);

	each *= map->type == PERCPU_ARRAY ? ASSUMED_CPUS : map->type == TASK_STORAGE ? ASSUMED_TASKS : 1;
	return entries > MOST_MEMORY || each > MOST_MEMORY ? UINT32_MAX : entries * each;
}

static int judge_map(struct object *o, const struct type *variable, uint64_t *memory)
{
	struct map map = { .name = variable->name };
	struct type declared;
	struct member m;

	if (!resolve(o, variable->head.type, &declared) || declared.kind != BTF_KIND_STRUCT ||
	    declared.items > MOST_MEMBERS)
		return unreadable(o, "a map's declaration has another form");
	for (unsigned int i = 0; i < declared.items; i++)
		if (!get_member(o, &declared, i, &m) || !read_map_member(o, &m, &map))
			return unreadable(o, "a map's declaration has another form");
	if (!LISTED_NUMBER(allowed_map_types, map.type))
		return refuse(o, "map " NAME_SHOWN " of type %u", map.name, map.type);
	if (map.pinned)
		return refuse(o, "map " NAME_SHOWN " is pinned", map.name);
	if (map.unknown)
		return refuse(o, "member " NAME_SHOWN " of map " NAME_SHOWN, map.unknown, map.name);
	if (map.flags & ~ALLOWED_MAP_FLAGS)
		return refuse(o, "map_flags %#x of map " NAME_SHOWN, map.flags, map.name);
	*memory += memory_of(&map);
	return *memory > MOST_MEMORY ? too_much_memory(o) : 0;
}

/* --- the ops table --- */

/* Whether the compiler's symbols are put into bytes @from to @to of the ops table. */
static bool is_relocated(const struct object *o, uint64_t from, uint64_t to)
{
	const struct section *s = find_section(o, ".rel.struct_ops.link");
	Elf64_Rel entry;

	for (uint64_t at = 0; s && at < s->size; at += sizeof(entry)) {
		memcpy(&entry, s->data + at, sizeof(entry));
		if (entry.r_offset >= from && entry.r_offset < to)
			return true;
	}
	return false;
}

static int judge_flags(struct object *o, const struct member *m, const uint8_t *data)
{
	uint64_t flags;

	if (size_of(o, m->type) != sizeof(flags))
		return unreadable(o, "ops.flags is not 8 bytes long");
	memcpy(&flags, data, sizeof(flags));
	if (flags & ~(uint64_t)ALLOWED_OPS_FLAGS)
		return refuse(o, "ops.flags %#llx: only the bits of %#x may be set", (unsigned long long)flags,
			      ALLOWED_OPS_FLAGS);
	return 0;
}

static int judge_setting(struct object *o, const struct member *m, const uint8_t *data, unsigned int most)
{
	uint32_t value;

	if (size_of(o, m->type) != sizeof(value))
		return unreadable(o, "a number of its ops table is not 4 bytes long");
	memcpy(&value, data, sizeof(value));
	return value > most ? refuse(o, "ops.%s %u: at most %u", m->name, value, most) : 0;
}

static int judge_ops_member(struct object *o, const struct section *s, const struct member *m, uint64_t end)
{
	uint64_t at = m->bit / 8;
	bool used = is_relocated(o, at, end);

	if (m->bit % 8 || at > end || size_of(o, m->type) > end - at)
		return unreadable(o, "the members of its ops table overlap");
	for (uint64_t i = at; i < end; i++)
		used |= s->data[i];
	if (used && !LISTED(allowed_ops, m->name))
		return refuse(o, "member " NAME_SHOWN " of the ops table", m->name);
	if (!strcmp(m->name, "flags"))
		return judge_flags(o, m, s->data + at);
	for (unsigned int i = 0; i < COUNT(most_settings); i++)
		if (!strcmp(m->name, most_settings[i].name))
			return judge_setting(o, m, s->data + at, most_settings[i].most);
	return 0;
}

/* The one variable of .struct_ops.link, which is all of that section. */
static int judge_ops(struct object *o, const struct type *variable)
{
	const struct section *s = find_section(o, ".struct_ops.link");
	struct member m, next;
	struct type t;

	if (!resolve(o, variable->head.type, &t) || t.kind != BTF_KIND_STRUCT ||
	    strncmp(t.name, OPS_TYPE, strlen(OPS_TYPE)))
		return refuse(o, "a set of callbacks that is no struct " OPS_TYPE);
	if (t.head.size != s->size)
		return refuse(o, "an ops table that is not all of its section");
	if (BTF_INFO_KFLAG(t.head.info) || t.items < 1 || t.items > MOST_MEMBERS)
		return unreadable(o, "its ops table has another form");
	for (unsigned int i = 0; i < t.items; i++) {
		bool last = i + 1 == t.items;

		if (!get_member(o, &t, i, &m) || (!last && !get_member(o, &t, i + 1, &next)))
			return unreadable(o, "a member of its ops table has no name");
		if (!last && next.bit / 8 > s->size)
			return unreadable(o, "a member lies outside of its ops table");
		if (judge_ops_member(o, s, &m, last ? s->size : next.bit / 8))
			return -1;
	}
	return strcmp(t.name, OPS_TYPE) ? refuse(o, "struct " NAME_SHOWN " as the ops table", t.name) : 0;
}

/* The variables of one section, as its type information has them. */
static int judge_variables(struct object *o, const struct type *list, uint64_t *memory)
{
	const struct section *s = find_section(o, list->name);
	bool maps = !strcmp(list->name, ".maps"), ops = !strcmp(list->name, ".struct_ops.link");
	struct btf_var_secinfo item;
	struct type variable;

	if (!strcmp(list->name, ".ksyms"))
		return 0;	/* they are symbols without a section */
	if (!s || !LISTED(allowed_data, list->name))
		return refuse(o, "variables of section " NAME_SHOWN, list->name);
	if (ops ? list->items != 1 : maps && list->items > MOST_MAPS)
		return refuse(o, ops ? "more than one set of callbacks" : "more maps than %u", MOST_MAPS);
	for (unsigned int i = 0; i < list->items; i++) {
		memcpy(&item, list->tail + i * sizeof(item), sizeof(item));
		if (!get_type(o, item.type, &variable) || variable.kind != BTF_KIND_VAR ||
		    (uint64_t)item.offset + item.size > s->size)
			return refuse(o, "a variable outside of section " NAME_SHOWN, list->name);
		if ((maps && judge_map(o, &variable, memory)) || (ops && judge_ops(o, &variable)))
			return -1;
	}
	return 0;
}

static int judge_all_variables(struct object *o)
{
	const char *seen[MOST_SECTIONS];
	unsigned int lists = 0;
	uint64_t memory = 0;
	struct type t;
	bool ops = false;

	for (unsigned int i = 1; i < o->count; i++) {
		const struct section *s = &o->sections[i];

		if (!LISTED(allowed_data, s->name))
			continue;
		if (s->size > MOST_MEMORY - memory)
			return too_much_memory(o);
		memory += s->size;
	}
	for (uint32_t id = 1; get_type(o, id, &t); id++) {
		if (t.kind != BTF_KIND_DATASEC)
			continue;
		for (unsigned int i = 0; i < lists; i++)
			if (!strcmp(seen[i], t.name))
				return refuse(o, "variables of section " NAME_SHOWN " are there twice", t.name);
		if (judge_variables(o, &t, &memory))
			return -1;
		seen[lists++] = t.name;
		ops |= !strcmp(t.name, ".struct_ops.link");
	}
	return ops ? 0 : refuse(o, "no struct " OPS_TYPE " in .struct_ops.link");
}

int judge_types(struct object *o)
{
	int result = read_types(o) || judge_links(o) || judge_all_variables(o) ? -1 : 0;

	free(o->at);
	return result;
}
