// SPDX-License-Identifier: GPL-2.0-only
/* Fuzzed: whatever is staged as an object. */
#include "../inspect.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char reason[REASON_BYTES] = "";
	int refused = inspect(data, size, reason);

	if ((refused != 0) != (reason[0] != 0) || strlen(reason) >= REASON_BYTES)
		abort();	/* a refusal has a reason, and nothing else has one */
	return 0;
}
