/* SPDX-License-Identifier: GPL-2.0-only */
/* The file of a scheduler program: may it be started, and is it the one that was meant? */
#ifndef FLEETSCHED_BINARY_H
#define FLEETSCHED_BINARY_H

#include "util.h"

/* A descriptor of the program, checked; what is started through it cannot be another one. -1 and @f filled:
 * `program-refused` (detail: rule), `program-changed` (detail: digest).
 */
int binary_open(const char *path, const char *digest, struct failure *f);

#endif
