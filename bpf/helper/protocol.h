/* SPDX-License-Identifier: GPL-2.0-only */
/* The verbs: bytes of one connection in, answers out. */
#ifndef FLEETSCHED_PROTOCOL_H
#define FLEETSCHED_PROTOCOL_H

#include "server.h"

/* Take one line or one chunk from @data; returns the bytes taken, 0 when more are needed. */
size_t protocol_consume(struct connection *c, const char *data, size_t size);
void protocol_drop(struct connection *c);	/* forget a staging in progress */

void answer(struct connection *c, json_int_t id, json_t *result);	/* consumes @result */
void answer_failure(struct connection *c, json_int_t id, struct failure *f);	/* clears @f */

#endif
