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

#include <stdarg.h>
#include <stdio.h>

#include "allowed.h"
#include "inspect_object.h"

#define MOST_NAME 128		/* what is longer is no kernel function */
#define INSTRUCTION 8

enum { CALL = 0x85, CALL_REGISTER = 0x8d, LOAD_IMMEDIATE = 0x18 };	/* opcodes */
enum { HELPER = 0, FUNCTION = 1 };	/* what a call's source register says it calls */

int refuse(struct object *o, const char *fmt, ...)
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

int unreadable(struct object *o, const char *why)
{
	return refuse(o, "not a readable BPF object: %s", why);
}

bool listed(const char *const *list, size_t count, const char *name, size_t length)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(list[i]) == length && !memcmp(list[i], name, length))
			return true;
	return false;
}

bool listed_number(const unsigned int *list, size_t count, uint32_t number)
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

const struct section *find_section(const struct object *o, const char *name)
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
	static const Elf64_Shdr none;
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
	if (memcmp(table.data, &none, sizeof(none)))
		return unreadable(o, "its first section is not empty");
	if (!has_strings(&o->sections[head.e_shstrndx]))
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
		if (*name && !listed(allowed_kfuncs, COUNT(allowed_kfuncs), name, kernel_name_length(name)))
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
	return judge_types(o);
}

int inspect(const void *data, size_t size, char reason[REASON_BYTES])
{
	struct object o = { .data = data, .size = size, .reason = reason };

	return judge(&o);
}
