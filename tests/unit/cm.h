/* SPDX-License-Identifier: Apache-2.0 */
/* cm - what cmocka.h needs before it, and the one reason to skip. */
#ifndef OC_TESTS_CM_H
#define OC_TESTS_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * True, with a TAP line that says so, if openat2(2) is missing: valgrind before 3.21 has not got
 * it. A kernel that can run the program always has.
 */
static inline int cm_skip_without_openat2(void)
{
	if (syscall(SYS_openat2, -1, "", NULL, 0) < 0 && errno != ENOSYS)
		return 0;
	puts("1..0 # SKIP no openat2(2)");
	return 1;
}

#endif
