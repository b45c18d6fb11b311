/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that compute until they are ended: `hogs NUMBER`.
 *
 * They look at the clock now and then, as most programs do: emulated CPUs take turns, and one that does nothing that an
 * emulator has to look at keeps its turn for too long.
 */
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int number = argc > 1 ? atoi(argv[1]) : 1;

	while (--number > 0 && fork() > 0)
		;
	prctl(PR_SET_NAME, "hog");
	for (;;) {
		struct timespec now;

		for (int i = 0; i < 3000; i++)
			__asm__ volatile("");
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
}
