/* SPDX-License-Identifier: Apache-2.0 */
/* Unified diffs, and what a terminal is shown of hostile text. */
#include "tests/unit/cm.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/session/textdiff.h"

static void expect(const char *a, const char *b, const char *want)
{
	struct oc_buf out = {0};

	oc_textdiff(a, strlen(a), b, strlen(b), &out);
	assert_string_equal(out.data ? out.data : "", want);
	oc_buf_free(&out);
}

static void test_small(void **state)
{
	(void)state;
	expect("", "", "");
	expect("a\n", "a\n", "");
	expect("", "a\n", "@@ -0,0 +1 @@\n+a\n");
	expect("a\n", "", "@@ -1 +0,0 @@\n-a\n");
	expect("a\nb\nc\n", "a\nx\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
	expect("a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
	expect("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n10\n",
	       "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n");
}

static void test_two_hunks(void **state)
{
	(void)state;
	expect("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
	       "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
	/* Six lines between them: one hunk. */
	expect("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
	       "@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n");
}

static void test_escape(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"plain \t \xc3\xa4", "plain \t \xc3\xa4"},
		{"\x1b]0;x\x07", "\\x1b]0;x\\x07"},
		{"\xe2\x80\xae"
		 "exe",
		 "\\xe2\\x80\\xae"
		 "exe"},
		{"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},
		{"\xc2\x9b"
		 "1m",
		 "\\xc2\\x9b"
		 "1m"},
		{"\xff\xfe", "\\xff\\xfe"},
		{"a\r", "a\\x0d"},
		{"\x7f", "\\x7f"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct oc_buf out = {0};
		oc_textdiff_escape(rows[i].in, strlen(rows[i].in), &out);
		assert_string_equal(out.data, rows[i].out);
		oc_buf_free(&out);
	}
	expect("x\x1b[2J\n", "y\xe2\x80\xae\n", "@@ -1 +1 @@\n-x\\x1b[2J\n+y\\xe2\\x80\\xae\n");
}

static void test_is_text(void **state)
{
	(void)state;
	assert_true(oc_textdiff_is_text(NULL, 0));
	assert_true(oc_textdiff_is_text("a\xff", 2));
	assert_false(oc_textdiff_is_text("a\0b", 3));
}

/* Carry a diff out: every line of a and of b is in it at its place. */
static void carry_out(const char *a, const char *b)
{
	struct oc_buf out = {0}, got = {0};
	const char *p = a;
	size_t line = 1;

	oc_textdiff(a, strlen(a), b, strlen(b), &out);
	for (char *l = out.data, *next; l && *l; l = next) {
		next = strchr(l, '\n') + 1;
		if (l[0] == '@') {
			size_t from = strtoul(l + 4, NULL, 10);
			for (; line < from; line++) {
				const char *nl = strchr(p, '\n') + 1;
				oc_buf_add(&got, p, (size_t)(nl - p));
				p = nl;
			}
			continue;
		}
		size_t n = (size_t)(next - l) - 1;
		if (l[0] != '+') {
			assert_memory_equal(p, l + 1, n);
			p += n;
			line++;
		}
		if (l[0] != '-')
			oc_buf_add(&got, l + 1, n);
	}
	oc_buf_puts(&got, p);
	assert_string_equal(got.data ? got.data : "", b);
	oc_buf_free(&out);
	oc_buf_free(&got);
}

static uint32_t next_random(uint32_t *r)
{
	*r = *r * 1664525u + 1013904223u;
	return *r >> 16;
}

static void test_random(void **state)
{
	uint32_t r = 1;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct oc_buf a = {0}, b = {0};
		uint32_t kinds = 1 + next_random(&r) % 6;
		for (uint32_t n = 1 + next_random(&r) % 30; n > 0; n--) {
			char c = (char)('a' + next_random(&r) % kinds);
			uint32_t what = next_random(&r) % 8;
			if (what != 0)
				oc_buf_printf(&a, "%c\n", c);
			if (what != 1)
				oc_buf_printf(&b, "%c\n", what == 2 ? 'z' : c);
		}
		oc_buf_puts(&a, "");
		oc_buf_puts(&b, "");
		carry_out(a.data ? a.data : "", b.data ? b.data : "");
		oc_buf_free(&a);
		oc_buf_free(&b);
	}
}

/* Two texts that have nothing in common: the bound on the work, and still a right answer. */
static void test_far_apart(void **state)
{
	struct oc_buf a = {0}, b = {0};

	(void)state;
	oc_buf_puts(&a, "same\n");
	oc_buf_puts(&b, "same\n");
	for (int i = 0; i < 20000; i++) {
		oc_buf_printf(&a, "a%d\n", i);
		oc_buf_printf(&b, "b%d\n", i);
	}
	oc_buf_puts(&a, "end\n");
	oc_buf_puts(&b, "end\n");
	carry_out(a.data, b.data);
	oc_buf_free(&a);
	oc_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),  cmocka_unit_test(test_two_hunks),
		cmocka_unit_test(test_escape), cmocka_unit_test(test_is_text),
		cmocka_unit_test(test_random), cmocka_unit_test(test_far_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
