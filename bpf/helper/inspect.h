/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether an object is a policy and nothing else, judged before libbpf or the kernel sees it. */
#ifndef FLEETSCHED_INSPECT_H
#define FLEETSCHED_INSPECT_H

#include <stddef.h>

#define REASON_BYTES 256
#define MOST_LINKS 32	/* typedefs and qualifiers from any type to what it is in the end, itself included */

/* 0 when the object has only what allowed.h lists. Else -1, and @reason says what is not allowed, or not readable. */
int inspect(const void *data, size_t size, char reason[REASON_BYTES]);

#endif
