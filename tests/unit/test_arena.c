/* SPDX-License-Identifier: Apache-2.0 */
/* arena: alignment, zeroing, large blocks, overflow, out of memory; buf: growth and termination. */
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "tests/unit/cm.h"

static void test_alloc(void **state)
{
	(void)state;
	oc_auto_arena a = {0};
	unsigned char *p[2000];
	size_t len[2000];

	for (size_t i = 0; i < 2000; i++) {
		len[i] = i % 7 == 0 ? 0 : i * 37 % 3000;
		if (i % 500 == 499)
			len[i] = 1 << 20; /* a block of its own */
		p[i] = oc_arena_alloc(&a, len[i]);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
		for (size_t k = 0; k < len[i]; k++)
			assert_int_equal(p[i][k], 0);
		memset(p[i], (int)(i & 0xFF), len[i]);
	}
	for (size_t i = 0; i < 2000; i++)
		for (size_t k = 0; k < len[i]; k++)
			assert_int_equal(p[i][k], i & 0xFF);
	oc_arena_free(&a);
	assert_null(a.head);
	assert_non_null(oc_arena_alloc(&a, 1)); /* usable again */
}

static void test_strings(void **state)
{
	(void)state;
	oc_auto_arena a = {0};
	char big[1000];
	memset(big, 'y', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;

	assert_string_equal(oc_arena_strdup(&a, ""), "");
	assert_string_equal(oc_arena_strdup(&a, "abc"), "abc");
	assert_string_equal(oc_arena_strndup(&a, "abc", 2), "ab");
	assert_string_equal(oc_arena_strndup(&a, "abc", 9), "abc");
	assert_string_equal(oc_arena_printf(&a, "%d-%s", 7, "x"), "7-x");
	char *s = oc_arena_printf(&a, "<%s>", big);
	assert_int_equal(strlen(s), sizeof(big) + 1);
	assert_int_equal(s[sizeof(big)], '>');
	for (int n = 250; n < 262; n++)
		assert_int_equal(strlen(oc_arena_printf(&a, "%*s", n, "")), n);
}

static int status_of(void (*fn)(void))
{
	int p[2], status = 0;
	char text[64] = "";
	assert_int_equal(pipe(p), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(p[1], STDERR_FILENO);
		close(p[0]);
		close(p[1]);
		fn();
		_exit(0);
	}
	close(p[1]);
	assert_true(read(p[0], text, sizeof(text) - 1) >= 0);
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 125)
		assert_non_null(strstr(text, "out of memory\n"));
	return WEXITSTATUS(status);
}

static void array_overflow(void)
{
	struct oc_arena a = {0};
	oc_arena_array(&a, SIZE_MAX / 2, 3);
}

static void huge(void)
{
	struct oc_arena a = {0};
	oc_arena_alloc(&a, SIZE_MAX - 8);
}

static void huge_buf(void)
{
	struct oc_buf b = {0};
	oc_buf_puts(&b, "x");
	oc_buf_add(&b, "", SIZE_MAX);
}

static void fine(void)
{
	struct oc_arena a = {0};
	oc_arena_array(&a, 10, 10);
	oc_arena_free(&a);
}

static void test_oom(void **state)
{
	(void)state;
	assert_int_equal(status_of(array_overflow), 125);
	assert_int_equal(status_of(huge), 125);
	assert_int_equal(status_of(huge_buf), 125);
	assert_int_equal(status_of(fine), 0);
}

static void test_buf(void **state)
{
	(void)state;
	oc_auto_buf b = {0};

	oc_buf_add(&b, NULL, 0);
	assert_string_equal(b.data, "");
	oc_buf_puts(&b, "ab");
	oc_buf_add(&b, "\0c", 2);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "ab\0c", 5);
	oc_buf_free(&b);
	assert_null(b.data);
	for (int i = 0; i < 3000; i++)
		oc_buf_printf(&b, "%04d", i);
	assert_int_equal(b.len, 12000);
	assert_memory_equal(b.data + 4 * 2999, "2999", 5);
	oc_buf_printf(&b, "%70000s", "e");
	assert_int_equal(b.len, 82000);
	assert_int_equal(b.data[b.len - 1], 'e');
	assert_int_equal(b.data[b.len], 0);
	for (int n = 60; n < 70; n++) { /* around the room that printf makes first */
		oc_buf_free(&b);
		oc_buf_printf(&b, "%*s", n * 2, "z");
		assert_int_equal(strlen(b.data), n * 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_oom),
		cmocka_unit_test(test_buf),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
