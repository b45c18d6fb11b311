/* SPDX-License-Identifier: GPL-2.0-only */
/* An object while it is judged: what inspect.c has read, for inspect_types.c. */
#ifndef FLEETSCHED_INSPECT_OBJECT_H
#define FLEETSCHED_INSPECT_OBJECT_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MOST_SECTIONS 64
#define NAME_SHOWN "%.80s"
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define LISTED(list, name) listed(list, COUNT(list), name, strlen(name))
#define LISTED_NUMBER(list, number) listed_number(list, COUNT(list), number)

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

/* Both return -1, so that a caller can return it at once. */
int refuse(struct object *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int unreadable(struct object *o, const char *why);

bool listed(const char *const *list, size_t count, const char *name, size_t length);
bool listed_number(const unsigned int *list, size_t count, uint32_t number);
const struct section *find_section(const struct object *o, const char *name);	/* NULL: there is none */

/* Read .BTF, judge the maps and the ops table that it describes: 0 or -1. */
int judge_types(struct object *o);

#endif
