/* SPDX-License-Identifier: GPL-2.0-only */
/* Signatures of ssh-keygen, by whom /etc/fleetsched/allowed_signers names. */
#ifndef FLEETSCHED_SIGNATURE_H
#define FLEETSCHED_SIGNATURE_H

#include "util.h"

#define SIGNATURE_BYTES 4096	/* of an armored signature */

bool signature_required(void);	/* whether this host has a file of signers, usable or not */
bool signature_missing(void);	/* whether `bootstrap` restricted the fleet's key here, and nobody signs what it brings */

/* Whether signatures can be verified here: `signers-unusable`, `no-ssh-keygen`. */
int signature_possible(struct failure *f);

/*
 * Whether an allowed signer has made @signature over these bytes in this namespace, with a key that is valid now:
 * -1 with `bad-signature`, `verify-timeout`, `verify-failed`, or what signature_possible says. Waits 10 s at most.
 */
int signature_check(const char *namespace, const void *data, size_t size, const char *signature, struct failure *f);

const char *signature_signer(void);	/* who made the last one that was good */

#endif
