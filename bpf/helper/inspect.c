// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether an object is a policy and nothing else, judged before libbpf or the kernel sees it.
 *
 * The bytes are whatever somebody with the fleet's key has sent. They must not look different to libbpf than to this
 * reader, so the form is that of one compiler's output: every section has a name from the lists, once, and the type that
 * the name stands for; no two share bytes; what points to another section points to the one that its name says. What no
 * compiler writes is refused even where it would be harmless.
 */
#include "inspect.h"

#include <elf.h>
#include <linux/btf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allowed.h"

#define MOST_SECTIONS 64
#define MOST_LINKS 32		/* from a type to what it is in the end */
#define MOST_MEMBERS 128	/* of a map's declaration or the ops table */
#define MOST_NAME 128		/* what is longer is no kernel function */
#define PERCPU_ARRAY 6
#define NAME_SHOWN "%.80s"
#define OPS_TYPE "sched_ext_ops"
#define INSTRUCTION 8
#define LISTED(list, name) listed(list, sizeof(list) / sizeof((list)[0]), name, strlen(name))
#define LISTED_NUMBER(list, number) listed_number(list, sizeof(list) / sizeof((list)[0]), number)

enum { CALL = 0x85, CALL_REGISTER = 0x8d, LOAD_IMMEDIATE = 0x18 };	/* opcodes */
enum { HELPER = 0, FUNCTION = 1 };	/* what a call's source register says it calls */

struct section {
	const char *name;
	const uint8_t *data;	/* NULL: it has no bytes in the file */
	uint64_t size, flags, entry;
	uint32_t type, link, info;
};

struct object {
	const uint8_t *data;
	size_t size;
	struct section sections[MOST_SECTIONS];
	unsigned int count;
	const char *strings;	/* of the type information; ends with a NUL */
	const uint8_t *types;
	uint32_t *at;		/* where in @types each type begins; there is no type 0 */
	uint32_t strings_size, types_size, type_count;
	char *reason;
};

/* A type of the type information, and what follows it. */
struct type {
	struct btf_type head;
	const uint8_t *tail;
	const char *name;
	unsigned int kind, items;
};

static int refuse(struct object *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct object *o, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(o->reason, REASON_BYTES, fmt, args);
	va_end(args);
	for (char *c = o->reason; *c; c++)
		if (*c < 0x20 || *c >= 0x7f)
			*c = '?';
	return -1;
}

static int unreadable(struct object *o, const char *why)
{
	return refuse(o, "not a readable BPF object: %s", why);
}

static int too_much_memory(struct object *o)
{
	return refuse(o, "more than %u bytes of maps and data", MOST_MEMORY);
}

static bool listed(const char *const *list, size_t count, const char *name, size_t length)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(list[i]) == length && !memcmp(list[i], name, length))
			return true;
	return false;
}

static bool listed_number(const unsigned int *list, size_t count, uint32_t number)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == number)
			return true;
	return false;
}

/* --- sections --- */

/* Whether every text in the table ends. */
static bool has_strings(const struct section *table)
{
	return table->type == SHT_STRTAB && table->size && !table->data[table->size - 1];
}

static const char *string_at(const struct section *table, uint64_t offset)
{
	return offset < table->size ? (const char *)table->data + offset : NULL;
}

static const struct section *find_section(const struct object *o, const char *name)
{
	for (unsigned int i = 1; i < o->count; i++)
		if (!strcmp(o->sections[i].name, name))
			return &o->sections[i];
	return NULL;
}

static bool is_header_good(const Elf64_Ehdr *h, size_t size)
{
	return !memcmp(h->e_ident, ELFMAG, SELFMAG) && h->e_ident[EI_CLASS] == ELFCLASS64 &&
	       h->e_ident[EI_DATA] == ELFDATA2LSB && h->e_ident[EI_VERSION] == EV_CURRENT && h->e_version == EV_CURRENT &&
	       h->e_type == ET_REL && h->e_machine == EM_BPF && h->e_phnum == 0 && h->e_shentsize == sizeof(Elf64_Shdr) &&
	       h->e_shnum >= 1 && h->e_shnum <= MOST_SECTIONS && h->e_shstrndx < h->e_shnum &&
	       h->e_shoff >= sizeof(*h) && h->e_shoff <= size && size - h->e_shoff >= h->e_shnum * sizeof(Elf64_Shdr);
}

static bool share_bytes(const struct section *a, const struct section *b)
{
	return a->data && b->data && a->size && b->size && a->data < b->data + b->size && b->data < a->data + a->size;
}

static int read_sections(struct object *o)
{
	struct section table = { 0 };
	uint32_t names[MOST_SECTIONS];
	Elf64_Shdr header;
	Elf64_Ehdr head;

	if (o->size < sizeof(head))
		return unreadable(o, "it ends within its header");
	memcpy(&head, o->data, sizeof(head));
	if (!is_header_good(&head, o->size))
		return unreadable(o, "its header is not that of an object for BPF, little endian");
	table.data = o->data + head.e_shoff;
	table.size = head.e_shnum * sizeof(header);
	for (; o->count < head.e_shnum; o->count++) {
		struct section *s = &o->sections[o->count];

		memcpy(&header, table.data + o->count * sizeof(header), sizeof(header));
		*s = (struct section){ .size = header.sh_size, .flags = header.sh_flags, .entry = header.sh_entsize,
				       .type = header.sh_type, .link = header.sh_link, .info = header.sh_info };
		names[o->count] = header.sh_name;
		if (s->type == SHT_NOBITS || s->type == SHT_NULL)
			continue;
		if (header.sh_offset < sizeof(head) || header.sh_offset > o->size || s->size > o->size - header.sh_offset)
			return unreadable(o, "a section lies outside of it");
		s->data = o->data + header.sh_offset;
		for (unsigned int i = 0; i < o->count; i++)
			if (share_bytes(s, &o->sections[i]))
				return unreadable(o, "two sections share bytes");
		if (share_bytes(s, &table))
			return unreadable(o, "a section shares bytes with the table of sections");
	}
	if (o->sections[0].type != SHT_NULL || !has_strings(&o->sections[head.e_shstrndx]))
		return unreadable(o, "its sections have no names");
	for (unsigned int i = 0; i < o->count; i++) {
		o->sections[i].name = string_at(&o->sections[head.e_shstrndx], names[i]);
		if (!o->sections[i].name)
			return unreadable(o, "a section has no name");
	}
	return 0;
}

static uint32_t expected_type(const char *name)
{
	if (!strcmp(name, ".bss"))
		return SHT_NOBITS;
	if (!strcmp(name, ".symtab"))
		return SHT_SYMTAB;
	return !strcmp(name, ".strtab") || !strcmp(name, ".shstrtab") ? SHT_STRTAB : SHT_PROGBITS;
}

/* libbpf goes by the numbers of the sections, people by the names. */
static int judge_links(struct object *o, const struct section *s, const char *target)
{
	const struct section *symbols = find_section(o, ".symtab");
	size_t entry = s->type == SHT_REL ? sizeof(Elf64_Rel) : sizeof(Elf64_Sym);

	if (s->entry != entry || s->size % entry || s->link >= o->count)
		return unreadable(o, "a table of symbols or relocations has another form");
	if (s->type == SHT_SYMTAB)
		return has_strings(&o->sections[s->link]) ? 0 : unreadable(o, "its symbols have no names");
	if (&o->sections[s->link] != symbols || s->info >= o->count || strcmp(o->sections[s->info].name, target))
		return refuse(o, "section " NAME_SHOWN " relocates another one", s->name);
	return 0;
}

static int judge_section(struct object *o, unsigned int number)
{
	const struct section *s = &o->sections[number];
	bool code = LISTED(allowed_code, s->name), data = LISTED(allowed_data, s->name);
	const char *target = strncmp(s->name, ".rel", 4) ? "" : s->name + 4;
	bool relocates = LISTED(allowed_code, target) || LISTED(allowed_data, target);

	for (unsigned int i = 1; i < number; i++)
		if (!strcmp(o->sections[i].name, s->name))
			return refuse(o, "section " NAME_SHOWN " is there twice", s->name);
	if (s->flags & SHF_EXECINSTR) {
		if (!code)
			return refuse(o, "section " NAME_SHOWN " holds a program that is no callback of a scheduler", s->name);
	} else if (s->flags & SHF_ALLOC ? !data : !relocates && !LISTED(allowed_description, s->name)) {
		return refuse(o, "section " NAME_SHOWN, s->name);
	} else if (!strcmp(s->name, ".rodata") && s->flags & SHF_WRITE) {
		return refuse(o, "section .rodata can be written");
	}
	if (s->type != (relocates ? SHT_REL : expected_type(s->name)) || s->flags & SHF_COMPRESSED)
		return refuse(o, "section " NAME_SHOWN " of another type", s->name);
	if (s->type == SHT_REL || s->type == SHT_SYMTAB)
		return judge_links(o, s, target);
	return 0;
}

/* --- instructions, symbols, relocations --- */

/*
 * In an object as the compiler leaves it, maps and functions are named by relocations. A source register that says
 * otherwise would name a file descriptor, a type or a function of whoever loads the object.
 */
static int judge_instructions(struct object *o, const struct section *s)
{
	if (s->size % INSTRUCTION)
		return unreadable(o, "its instructions end within one");
	for (uint64_t at = 0; at < s->size; at += INSTRUCTION) {
		unsigned int opcode = s->data[at], source = s->data[at + 1] >> 4, number = (unsigned int)(at / INSTRUCTION);
		int32_t value;

		memcpy(&value, s->data + at + 4, sizeof(value));
		if (opcode == CALL_REGISTER)
			return refuse(o, "call through a register in %s, instruction %u", s->name, number);
		if (opcode == CALL && source == HELPER && !LISTED_NUMBER(allowed_helpers, (uint32_t)value))
			return refuse(o, "BPF helper %d in %s, instruction %u", value, s->name, number);
		if (opcode == CALL && source != HELPER && source != FUNCTION)
			return refuse(o, "kernel function by number %d in %s, instruction %u", value, s->name, number);
		if (opcode == LOAD_IMMEDIATE && source)
			return refuse(o, "address of kind %u, number %d, in %s, instruction %u", source, value, s->name,
				      number);
		if (opcode != LOAD_IMMEDIATE)
			continue;
		at += INSTRUCTION;
		/* A program may begin in the middle of this one: its second half must be no instruction. */
		if (at >= s->size || memcmp(s->data + at, "\0\0\0", 4))
			return refuse(o, "an instruction of two halves without the second in %s, instruction %u", s->name,
				      number);
	}
	return 0;
}

/* The name that libbpf looks for in the kernel: without the last `___` and what follows, which tells declarations apart. */
static size_t kernel_name_length(const char *symbol)
{
	size_t length = strnlen(symbol, MOST_NAME);

	for (size_t i = length; i-- >= 5;)
		if (!memcmp(symbol + i - 3, "___", 3) && symbol[i - 4] != '_' && symbol[i] != '_')
			return i - 3;
	return length;
}

static int judge_symbol(struct object *o, const Elf64_Sym *symbol, const char *name)
{
	const struct section *s;

	if (symbol->st_shndx == SHN_UNDEF) {
		if (*name && !listed(allowed_kfuncs, sizeof(allowed_kfuncs) / sizeof(allowed_kfuncs[0]), name,
				     kernel_name_length(name)))
			return refuse(o, "kernel function or variable " NAME_SHOWN, name);
		return 0;
	}
	if (symbol->st_shndx == SHN_ABS && ELF64_ST_TYPE(symbol->st_info) == STT_FILE)
		return 0;
	s = symbol->st_shndx < o->count ? &o->sections[symbol->st_shndx] : NULL;
	if (!s || symbol->st_value > s->size || symbol->st_size > s->size - symbol->st_value ||
	    (s->flags & SHF_EXECINSTR && (symbol->st_value % INSTRUCTION || symbol->st_size % INSTRUCTION)))
		return refuse(o, "symbol " NAME_SHOWN " lies outside of its section", name);
	return 0;
}

static int judge_symbols(struct object *o)
{
	const struct section *table = find_section(o, ".symtab");
	Elf64_Sym symbol;

	if (!table)
		return unreadable(o, "it has no symbols");
	for (uint64_t at = 0; at < table->size; at += sizeof(symbol)) {
		const char *name;

		memcpy(&symbol, table->data + at, sizeof(symbol));
		name = string_at(&o->sections[table->link], symbol.st_name);
		if (!name)
			return unreadable(o, "a symbol has no name");
		if (judge_symbol(o, &symbol, name))
			return -1;
	}
	return 0;
}

static int judge_relocations(struct object *o, const struct section *s)
{
	const struct section *target = &o->sections[s->info];
	uint64_t symbols = o->sections[s->link].size / sizeof(Elf64_Sym);
	Elf64_Rel entry;

	for (uint64_t at = 0; at < s->size; at += sizeof(entry)) {
		memcpy(&entry, s->data + at, sizeof(entry));
		if (ELF64_R_SYM(entry.r_info) >= symbols || entry.r_offset % 4 || entry.r_offset >= target->size ||
		    (target->flags & SHF_EXECINSTR && entry.r_offset % INSTRUCTION))
			return refuse(o, "a relocation outside of section " NAME_SHOWN, target->name);
	}
	return 0;
}

/* Whether the compiler's symbols are put into bytes @from to @to of the section @name. */
static bool is_relocated(const struct object *o, const char *relocations, uint64_t from, uint64_t to)
{
	const struct section *s = find_section(o, relocations);
	Elf64_Rel entry;

	for (uint64_t at = 0; s && at < s->size; at += sizeof(entry)) {
		memcpy(&entry, s->data + at, sizeof(entry));
		if (entry.r_offset >= from && entry.r_offset < to)
			return true;
	}
	return false;
}

/* --- type information (the kernel's Documentation/bpf/btf.rst) --- */

/* Bytes that follow a type's head, by its kind: so many, and so many for each item. Kind 0 is no type. */
static const struct { uint8_t known, fixed, item; } tails[] = {
	[BTF_KIND_INT] = { 1, 4, 0 }, [BTF_KIND_PTR] = { 1, 0, 0 }, [BTF_KIND_ARRAY] = { 1, 12, 0 },
	[BTF_KIND_STRUCT] = { 1, 0, 12 }, [BTF_KIND_UNION] = { 1, 0, 12 }, [BTF_KIND_ENUM] = { 1, 0, 8 },
	[BTF_KIND_FWD] = { 1, 0, 0 }, [BTF_KIND_TYPEDEF] = { 1, 0, 0 }, [BTF_KIND_VOLATILE] = { 1, 0, 0 },
	[BTF_KIND_CONST] = { 1, 0, 0 }, [BTF_KIND_RESTRICT] = { 1, 0, 0 }, [BTF_KIND_FUNC] = { 1, 0, 0 },
	[BTF_KIND_FUNC_PROTO] = { 1, 0, 8 }, [BTF_KIND_VAR] = { 1, 4, 0 }, [BTF_KIND_DATASEC] = { 1, 0, 12 },
	[BTF_KIND_FLOAT] = { 1, 0, 0 }, [BTF_KIND_DECL_TAG] = { 1, 4, 0 }, [BTF_KIND_TYPE_TAG] = { 1, 0, 0 },
	[BTF_KIND_ENUM64] = { 1, 0, 12 },
};

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
		if (kind >= sizeof(tails) / sizeof(tails[0]) || !tails[kind].known || t.name_off >= o->strings_size)
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
	struct btf_header h;

	if (!s || s->size < sizeof(h) || s->size > o->size)
		return unreadable(o, "it has no type information");
	memcpy(&h, s->data, sizeof(h));
	if (h.magic != BTF_MAGIC || h.version != BTF_VERSION || h.flags || h.hdr_len != sizeof(h) || h.type_off ||
	    h.str_off != h.type_len || h.type_len % 4 || !h.str_len ||
	    (uint64_t)sizeof(h) + h.type_len + h.str_len != s->size || s->data[s->size - 1])
		return unreadable(o, "its type information has another form");
	o->types = s->data + sizeof(h);
	o->types_size = h.type_len;
	o->strings = (const char *)o->types + h.type_len;
	o->strings_size = h.str_len;
	o->at = calloc(h.type_len / sizeof(struct btf_type) + 1, sizeof(*o->at));
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

/* What a type is, without its typedefs and qualifiers. */
static bool resolve(const struct object *o, uint32_t id, struct type *t)
{
	for (int i = 0; i < MOST_LINKS && get_type(o, id, t); i++) {
		if (t->kind != BTF_KIND_TYPEDEF && t->kind != BTF_KIND_VOLATILE && t->kind != BTF_KIND_CONST &&
		    t->kind != BTF_KIND_RESTRICT && t->kind != BTF_KIND_TYPE_TAG)
			return true;
		id = t->head.type;
	}
	return false;
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

/* --- maps and the ops table --- */

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
	if (map.entries > MOST_MEMORY || map.key > MOST_MEMORY || map.value > MOST_MEMORY)
		*memory = UINT32_MAX;
	else
		*memory += (map.entries ? map.entries : 1) * (map.key + map.value) *
			   (map.type == PERCPU_ARRAY ? ASSUMED_CPUS : 1);
	return *memory > MOST_MEMORY ? too_much_memory(o) : 0;
}

static int judge_ops_member(struct object *o, const struct section *s, const struct member *m, uint64_t end)
{
	uint64_t at = m->bit / 8, flags;
	bool used = is_relocated(o, ".rel.struct_ops.link", at, end);

	if (m->bit % 8 || at > end || size_of(o, m->type) > end - at)
		return unreadable(o, "the members of its ops table overlap");
	for (uint64_t i = at; i < end; i++)
		used |= s->data[i];
	if (used && !LISTED(allowed_ops, m->name))
		return refuse(o, "member " NAME_SHOWN " of the ops table", m->name);
	if (strcmp(m->name, "flags"))
		return 0;
	if (size_of(o, m->type) != sizeof(flags))
		return unreadable(o, "ops.flags is not 8 bytes long");
	memcpy(&flags, s->data + at, sizeof(flags));
	if (flags & ~(uint64_t)ALLOWED_OPS_FLAGS)
		return refuse(o, "ops.flags %#llx: only the bits of %#x may be set", (unsigned long long)flags,
			      ALLOWED_OPS_FLAGS);
	return 0;
}

/* The one variable of .struct_ops.link, which is all of that section. */
static int judge_ops(struct object *o, const struct type *variable)
{
	const struct section *s = find_section(o, ".struct_ops.link");
	struct member m, next;
	struct type t;

	if (!resolve(o, variable->head.type, &t) || t.kind != BTF_KIND_STRUCT || strncmp(t.name, OPS_TYPE, strlen(OPS_TYPE)))
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

static int judge_types(struct object *o)
{
	const char *seen[MOST_SECTIONS];
	unsigned int lists = 0;
	uint64_t memory = 0;
	struct type t;
	bool ops = false;

	for (unsigned int i = 1; i < o->count; i++)
		if (LISTED(allowed_data, o->sections[i].name) && (memory += o->sections[i].size) > MOST_MEMORY)
			return too_much_memory(o);
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

static int judge(struct object *o)
{
	if (read_sections(o))
		return -1;
	for (unsigned int i = 1; i < o->count; i++)
		if (judge_section(o, i))
			return -1;
	for (unsigned int i = 1; i < o->count; i++)
		if (o->sections[i].flags & SHF_EXECINSTR && judge_instructions(o, &o->sections[i]))
			return -1;
	if (judge_symbols(o))
		return -1;
	for (unsigned int i = 1; i < o->count; i++)
		if (o->sections[i].type == SHT_REL && judge_relocations(o, &o->sections[i]))
			return -1;
	return read_types(o) || judge_types(o) ? -1 : 0;
}

int inspect(const void *data, size_t size, char reason[REASON_BYTES])
{
	struct object o = { .data = data, .size = size, .reason = reason };
	int result = judge(&o);

	free(o.at);
	return result;
}
