/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload - the attacker's program: named attempts that are made inside a sandbox.
 *
 * Every attempt prints one line for each thing it tried, "ok WHAT" when it was held back and "BAD WHAT" when it got
 * through, and the program exits 1 when one got through, 2 when it could not even try.  It never cleans up after itself: what
 * it leaves is what the tests look for.  The same program run outside of a sandbox must succeed where it safely can.
 */
#ifndef OC_TESTS_ATTACK_PAYLOAD_H
#define OC_TESTS_ATTACK_PAYLOAD_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

struct attempt {
	const char *name;
	void (*run)(int argc, char **argv);
	const char *what;
};
extern const struct attempt attempts_files[], attempts_process[], attempts_kernel[], attempts_bombs[],
	attempts_network[], attempts_sessions[];

__attribute__((format(printf, 1, 2))) void held(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void broke(const char *fmt, ...);
/* The attempt cannot be made here: ends the program with 2. */
_Noreturn __attribute__((format(printf, 1, 2))) void cannot(const char *fmt, ...);
/* r < 0: held, with errno.  Else broke. */
void must_fail(const char *what, long r);
const char *argument(int argc, char **argv, int i, const char *otherwise);
/* Run fn in a child; its wait status. */
int in_child(void (*fn)(void *), void *ctx);

#endif
