/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that compute until they are ended: `hogs NUMBER`. */
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int number = argc > 1 ? atoi(argv[1]) : 1;

	while (--number > 0 && fork() > 0)
		;
	prctl(PR_SET_NAME, "hog");
	for (;;)
		__asm__ volatile("");
}
