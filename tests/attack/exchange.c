/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange - swap two names for ever, as fast as it goes: the other half of a race.
 *
 *   exchange SECONDS A B [C D]...   renameat2(RENAME_EXCHANGE) of each pair in turn
 *
 * Prints how often it swapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 4 || argc % 2 != 0)
		return 2;
	time_t end = time(NULL) + atol(argv[1]);
	unsigned long n = 0;

	while (time(NULL) < end)
		for (int k = 0; k < 500; k++)
			for (int i = 2; i < argc; i += 2)
				n += syscall(SYS_renameat2, AT_FDCWD, argv[i], AT_FDCWD, argv[i + 1], 2) == 0;
	printf("%lu\n", n);
	return n == 0;
}
