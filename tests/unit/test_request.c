/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command as it comes to the monitor: what is malformed, what is refused, what the runner gets.
 */
#include "tests/unit/cm.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/session/request.h"

static struct oc_env_var env[] = {
	{"PATH", "/usr/bin:/bin", "default"},
	{"HOME", "/workspace", "default"},
	{"PWD", "/workspace", "default"},
	{"LANG", "C.UTF-8", "default"},
};
static const struct oc_plan plan = {.env = env, .env_count = 4, .workdir = "/workspace"};

struct message {
	struct oc_wire_exec head;
	char strings[4096];
	size_t len;
};

static void add(struct message *m, const char *s)
{
	size_t n = strlen(s) + 1;

	assert_true(m->len + n <= sizeof m->strings);
	memcpy(m->strings + m->len, s, n);
	m->len += n;
	m->head.strings = (uint32_t)m->len;
}

/* `true x` in the sandbox's directory. */
static void begin(struct message *m, const char *cwd)
{
	memset(m, 0, sizeof *m);
	m->head = (struct oc_wire_exec){.magic = OC_WIRE_MAGIC, .tag = 7, .argc = 2};
	add(m, cwd);
	add(m, "true");
	add(m, "x");
}

static int head(const struct message *m, size_t len, size_t fds)
{
	struct oc_wire_exec h;
	struct oc_err err = {0};
	char *copy = malloc(len ? len : 1);

	/* A block of exactly that size: reading further is seen by ASan and valgrind. */
	assert_non_null(copy);
	memcpy(copy, m, len);
	int r = oc_request_head(copy, len, fds, &h, &err);
	assert_true(r == 0 || err.msg[0]);
	free(copy);
	return r;
}

static void heads(void **state)
{
	struct message m;
	size_t len;

	(void)state;
	begin(&m, "");
	len = sizeof m.head + m.len;
	assert_int_equal(head(&m, len, 3), 0);
	for (size_t n = 0; n < len; n++)
		assert_int_equal(head(&m, n, 3), -1);
	assert_int_equal(head(&m, len + 1, 3), -1);
	assert_int_equal(head(&m, len, 2), -1);
	assert_int_equal(head(&m, len, 4), -1);
	assert_int_equal(head(&m, len, 0), -1);
	m.head.flags = OC_WIRE_PTY;
	assert_int_equal(head(&m, len, 0), 0);
	assert_int_equal(head(&m, len, 3), -1);
	m.head.flags = OC_WIRE_BACKGROUND | OC_WIRE_PROGRAM;
	assert_int_equal(head(&m, len, 1), 0);
	m.head.flags = OC_WIRE_BLOB;
	assert_int_equal(head(&m, len, 4), -1);
	assert_int_equal(head(&m, sizeof m.head, 4), 0);
	m.head.flags = 1u << 31;
	assert_int_equal(head(&m, len, 3), -1);
	m.head.flags = 0;
	m.head.tag = 0;
	assert_int_equal(head(&m, len, 3), -1);
	m.head.tag = 7;
	m.head.reserved = 1;
	assert_int_equal(head(&m, len, 3), -1);
	m.head.reserved = 0;
	m.head.magic++;
	assert_int_equal(head(&m, len, 3), -1);
	m.head.magic--;
	m.head.strings = UINT32_MAX;
	assert_int_equal(head(&m, len, 3), -1);
}

/* NULL if it is taken, else why not. */
static const char *parse(const struct message *m, struct oc_request *r)
{
	static struct oc_err err;
	static char *copy;

	free(copy);
	copy = malloc(m->head.strings ? m->head.strings : 1);
	assert_non_null(copy);
	memcpy(copy, m->strings, m->head.strings);
	err = (struct oc_err){0};
	return oc_request_parse(&m->head, copy, r, &err) == 0 ? NULL : err.msg;
}

static void strings(void **state)
{
	struct oc_request r;
	struct message m;

	(void)state;
	begin(&m, "/tmp");
	assert_null(parse(&m, &r));
	assert_string_equal(r.cwd, "/tmp");
	assert_string_equal(r.argv, "true");
	assert_int_equal(r.argv_len, 7);
	assert_int_equal(r.env_len, 0);
	m.head.argc = 0;
	assert_non_null(parse(&m, &r));
	m.head.argc = 3;
	assert_non_null(parse(&m, &r));
	m.head.argc = UINT32_MAX;
	assert_non_null(parse(&m, &r));
	m.head.argc = 1;
	assert_non_null(strstr(parse(&m, &r), "follows"));
	m.head.argc = 2;
	m.head.envc = 1;
	assert_non_null(parse(&m, &r));
	m.head.envc = UINT32_MAX;
	assert_non_null(parse(&m, &r));
	m.head.envc = 0;
	/* No NUL at the end. */
	m.head.strings--;
	assert_non_null(parse(&m, &r));
	m.head.strings = 0;
	assert_non_null(parse(&m, &r));
	begin(&m, "tmp");
	assert_non_null(strstr(parse(&m, &r), "not absolute"));
	memset(&m, 0, sizeof m);
	m.head.argc = 1;
	add(&m, "");
	add(&m, "");
	assert_non_null(strstr(parse(&m, &r), "empty"));
}

static const char *with_env(const char *variable)
{
	struct oc_request r;
	struct message m;

	begin(&m, "");
	m.head.envc = 1;
	add(&m, variable);
	return parse(&m, &r);
}

static void environment(void **state)
{
	static const char *const good[] = {"A=",      "A=b",	   "TERM=xterm",
					   "X_1=a=b", "L=a\nb\tc", "CERT=\xff\xfe"};
	static const char *const bad[] = {"",
					  "A",
					  "=",
					  "=x",
					  "LD_PRELOAD=x",
					  "PATH=/evil",
					  "HOME=/",
					  "PWD=/",
					  "ld_preload=x",
					  "BASH_ENV=x",
					  "1A=x",
					  "A B=x",
					  "A=\x1b[2J",
					  "NODE_OPTIONS=x",
					  "A=\x7f",
					  "GIT_CONFIG_COUNT=1"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_null(with_env(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_non_null(with_env(bad[i]));
	char name[400];
	memset(name, 'A', sizeof name);
	memcpy(name + 300, "=x", 3);
	assert_non_null(with_env(name));
}

/* The strings that the runner gets, with '|' in place of NUL. */
static const char *build(struct message *m, struct oc_call_run *run)
{
	static char text[8192];
	struct oc_request r;
	struct oc_err err = {0};
	oc_auto_buf out = {0};

	assert_null(parse(m, &r));
	assert_int_equal(oc_request_build(&r, &plan, &out, &err), 0);
	memcpy(run, out.data, sizeof *run);
	assert_int_equal(run->strings, out.len - sizeof *run);
	memcpy(text, out.data + sizeof *run, run->strings);
	assert_int_equal(text[run->strings - 1], '\0');
	uint32_t n = 0;
	for (uint32_t i = 0; i < run->strings; i++)
		if (!text[i]) {
			n++;
			text[i] = '|';
		}
	text[run->strings] = '\0';
	assert_int_equal(n, 1 + run->argc + run->envc);
	return text;
}

static void messages_to_the_runner(void **state)
{
	struct oc_call_run run;
	struct message m;

	(void)state;
	begin(&m, "");
	assert_string_equal(build(&m, &run), "/workspace|true|x|PATH=/usr/bin:/bin|HOME=/workspace|"
					     "PWD=/workspace|LANG=C.UTF-8|");
	assert_int_equal(run.type, OC_CALL_RUN);
	assert_int_equal(run.flags, OC_CALL_STREAMS);
	begin(&m, "/tmp");
	m.head.envc = 3;
	add(&m, "LANG=de");
	add(&m, "B=1");
	add(&m, "B=2");
	assert_string_equal(build(&m, &run), "/tmp|true|x|PATH=/usr/bin:/bin|HOME=/workspace|"
					     "PWD=/tmp|LANG=de|B=2|");
	m.head.flags = OC_WIRE_CLEAR_ENV | OC_WIRE_BACKGROUND;
	assert_string_equal(build(&m, &run), "/tmp|true|x|LANG=de|B=2|");
	assert_int_equal(run.flags, OC_CALL_STREAMS);
	m.head.flags = OC_WIRE_CLEAR_ENV | OC_WIRE_PTY;
	m.head.rows = 10;
	m.head.cols = 20;
	assert_string_equal(build(&m, &run), "/tmp|true|x|LANG=de|B=2|TERM=dumb|");
	assert_int_equal(run.flags, OC_CALL_PTY);
	assert_int_equal(run.rows * 1000 + run.cols, 10020);
	begin(&m, "");
	m.head.flags = OC_WIRE_PROGRAM;
	build(&m, &run);
	assert_int_equal(run.flags, OC_CALL_STREAMS | OC_CALL_PROGRAM);
	/* A name that begins like another one is another one. */
	begin(&m, "");
	m.head.envc = 1;
	add(&m, "LANGUAGE=de");
	assert_non_null(strstr(build(&m, &run), "LANG=C.UTF-8|LANGUAGE=de|"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads),
		cmocka_unit_test(strings),
		cmocka_unit_test(environment),
		cmocka_unit_test(messages_to_the_runner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
