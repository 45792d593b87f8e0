/* SPDX-License-Identifier: Apache-2.0 */
/* err: filling, context, cutting, and printing of hostile text. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/unit/cm.h"

static char printed[8192];

static const char *print(const struct oc_err *err)
{
	int p[2];
	assert_int_equal(pipe(p), 0);
	oc_err_print(err, "prog", p[1]);
	close(p[1]);
	ssize_t n = read(p[0], printed, sizeof(printed) - 1);
	close(p[0]);
	assert_true(n >= 0);
	printed[n] = 0;
	return printed;
}

static void test_fill(void **state)
{
	(void)state;
	struct oc_err e;
	memset(&e, 'x', sizeof(e));

	assert_int_equal(oc_fail(&e, ENOENT, "open '%s'", "/a"), -1);
	assert_string_equal(e.msg, "open '/a': No such file or directory");
	assert_int_equal(e.errnum, ENOENT);
	assert_string_equal(e.step, "");
	assert_string_equal(e.hint, "");
	assert_int_equal(oc_fail(&e, 99999, "x"), -1);
	assert_string_equal(e.msg, "x: error 99999");
	assert_int_equal(oc_fail(&e, 0, "plain %d", 5), -1);
	assert_string_equal(e.msg, "plain 5");
	assert_int_equal(oc_err_context(&e, "in %s", "f"), -1);
	assert_string_equal(e.msg, "in f: plain 5");
	assert_int_equal(oc_err_hint(&e, "first"), -1);
	assert_int_equal(oc_err_hint(&e, "second"), -1);
	assert_string_equal(e.hint, "first");
	assert_int_equal(oc_err_step(&e, "landlock"), -1);
	assert_int_equal(oc_err_step(&e, "other"), -1);
	assert_string_equal(e.step, "landlock");
	assert_string_equal(print(&e), "prog: landlock: in f: plain 5\nprog: hint: first\n");

	assert_int_equal(oc_fail(NULL, 1, "x"), -1);
	assert_int_equal(oc_err_context(NULL, "x"), -1);
	assert_int_equal(oc_err_hint(NULL, "x"), -1);
	assert_int_equal(oc_err_step(NULL, "x"), -1);
}

static void test_cut(void **state)
{
	(void)state;
	struct oc_err e;
	char big[5000];
	memset(big, 'p', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;

	/* A long object does not hide the cause. */
	oc_fail(&e, EACCES, "open '%s'", big);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_non_null(strstr(e.msg, "ppp...: Permission denied"));
	/* Neither does a long context; the end of the message stays as far as it fits. */
	oc_fail(&e, EACCES, "short");
	oc_err_context(&e, "%s", big);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_non_null(strstr(e.msg, "ppp...short: Permission denied"));
	/* Long and long: each has its half. */
	oc_fail(&e, 0, "%s", big);
	oc_err_context(&e, "%s", big);
	assert_true(strlen(e.msg) < sizeof(e.msg));
	assert_non_null(strstr(e.msg, "ppp......ppp"));
	oc_fail(&e, 0, "a");
	oc_err_hint(&e, "%s", big);
	assert_int_equal(strlen(e.hint), sizeof(e.hint) - 1);
	oc_err_step(&e, big);
	assert_int_equal(strlen(e.step), sizeof(e.step) - 1);

	/* Every length around the limits, with and without a tail, stays in its array and valid. */
	for (int n = 0; n < 1400; n++) {
		char utf8[1500];
		for (int i = 0; i < n; i++)
			utf8[i] = "\xE2\x82\xAC"[i % 3]; /* euro signs */
		utf8[n / 3 * 3] = 0;
		oc_fail(&e, n % 2 ? EIO : 0, "%s", utf8);
		assert_true(strlen(e.msg) < sizeof(e.msg));
		assert_null(strstr(print(&e), "\\x"));
		oc_err_context(&e, "%s", utf8);
		assert_true(strlen(e.msg) < sizeof(e.msg));
		assert_null(strstr(print(&e), "\\x"));
		if (n % 2)
			assert_string_equal(e.msg + strlen(e.msg) - 18, "Input/output error");
	}
}

static void test_print_escapes(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} t[] = {
		{"a\nb", "prog: a\\x0ab\n"},
		{"\x1b[2J", "prog: \\x1b[2J\n"},
		{"\x7f", "prog: \\x7f\n"},
		{"\xC2\x9B"
		 "1m",
		 "prog: \\xc2\\x9b1m\n"},			   /* C1 CSI */
		{"\xE2\x80\xAEgnp", "prog: \\xe2\\x80\\xaegnp\n"}, /* right-to-left override */
		{"\xC3\xA9\xF0\x9F\x98\x80", "prog: \xC3\xA9\xF0\x9F\x98\x80\n"},
		{"\xC0\xAF", "prog: \\xc0\\xaf\n"},
		{"\xED\xA0\x80", "prog: \\xed\\xa0\\x80\n"},
		{"\xF4\x90\x80\x80", "prog: \\xf4\\x90\\x80\\x80\n"},
		{"\xE2\x82", "prog: \\xe2\\x82\n"},
		{"\xFFz", "prog: \\xffz\n"},
	};
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct oc_err e;
		oc_fail(&e, 0, "%s", t[i].in);
		assert_string_equal(print(&e), t[i].out);
	}
	/* The worst case fits, and texts without an end do not lead out of the struct. */
	struct oc_err e;
	memset(&e, 0x01, sizeof(e));
	assert_int_equal(strlen(print(&e)), (6 + 32 * 4 + 2 + 640 * 4 + 1) + (12 + 320 * 4 + 1));
	oc_err_context(&e, "x");
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
}

static void test_print_keeps_errno(void **state)
{
	(void)state;
	struct oc_err e;
	oc_fail(&e, 0, "x");
	errno = 4242;
	oc_err_print(&e, "prog", -1);
	assert_int_equal(errno, 4242);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_print_escapes),
		cmocka_unit_test(test_print_keeps_errno),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
