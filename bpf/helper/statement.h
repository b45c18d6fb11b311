/* SPDX-License-Identifier: GPL-2.0-only */
/* What a signed assignment says, and whether it is for this host and this request. */
#ifndef FLEETSCHED_STATEMENT_H
#define FLEETSCHED_STATEMENT_H

#include "util.h"

#define STATEMENT_BYTES 8192

/* 0 when this host takes what is not signed, or the `try` that @request asks for is signed as it must be. */
int statement_check(json_t *request, struct failure *f);

/* Write into the state that what statement_check let pass was accepted; the caller saves the state. */
void statement_accept(void);
const char *statement_signer(void);	/* of what was let pass; "" when that was not signed */

void statement_facts(json_t *facts);	/* adds `signatures`, `group`, and the problems that go with them */

#endif
