/* SPDX-License-Identifier: Apache-2.0 */
/* json: the JSON5 grammar as tables, limits, places, accessors, writer. */
#define _GNU_SOURCE 1
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/unit/cm.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct oc_arena arena;
static struct oc_err err;

static int teardown(void **state)
{
	(void)state;
	oc_arena_free(&arena);
	return 0;
}

static struct oc_json *parse_n(const char *text, size_t len)
{
	struct oc_json *v = (struct oc_json *)1;
	int rc;
	/* An exact copy: a read behind the end is seen by valgrind and ASan. */
	char *copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, text, len);
	memset(&err, 0, sizeof(err));
	rc = oc_json_parse(&arena, copy, len, "f", &v, &err);
	free(copy);
	assert_true(rc == 0 ? v != NULL : rc == -1 && v == NULL && err.msg[0]);
	return v;
}

static struct oc_json *parse(const char *text)
{
	return parse_n(text, strlen(text));
}

/* Input and its meaning as compact JSON; these were checked against the reference implementation.
 */
static void test_accepted(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} t[] = {
		{"null", "null"},
		{" true ", "true"},
		{"false//x", "false"},
		{"{}", "{}"},
		{"[]", "[]"},
		{"[1,2,]", "[1,2]"},
		{"{a:1,}", "{\"a\":1}"},
		{"{$:1,_:2,a1$:3}", "{\"$\":1,\"_\":2,\"a1$\":3}"},
		{"{null:1,true:2,Infinity:3}", "{\"null\":1,\"true\":2,\"Infinity\":3}"},
		{"{\\u0061b:1}", "{\"ab\":1}"},
		{"{a\\u0031:1}", "{\"a1\":1}"},
		{"{'q':\"d\"}", "{\"q\":\"d\"}"},
		{"{\"\":1}", "{\"\":1}"},
		{"{a\xC2\xA0:1}", "{\"a\":1}"},
		{"/*c*/[/**/1/***/,//x\n2/*\n*/]//", "[1,2]"},
		{"\xEF\xBB\xBF"
		 "1",
		 "1"},
		{"\xC2\xA0\xE2\x80\xA8\xE3\x80\x80\xE1\x9A\x80\v\f[]", "[]"},
		{"//a\r1", "1"},
		{"//a\xE2\x80\xA9"
		 "1",
		 "1"},
		/* numbers */
		{"0", "0"},
		{"-0", "-0"},
		{"+1", "1"},
		{".5", "0.5"},
		{"5.", "5"},
		{"5.e2", "500"},
		{"-.5e-1", "-0.050000000000000003"},
		{"1e400", "null"},
		{"0x1F", "31"},
		{"-0XfF", "-255"},
		{"0x123456789abcdef0123", "5.3730036427316852e+21"},
		{"123456789012345678901234567890", "123456789012345678901234567890"},
		{"1E+3", "1E+3"},
		{"0.10", "0.10"},
		{"[NaN,Infinity,-Infinity,+NaN]", "[null,null,null,null]"},
		/* strings */
		{"'\"'", "\"\\\"\""},
		{"\"'\\'\"", "\"''\""},
		{"'\\b\\f\\n\\r\\t\\v\\\\\\/'", "\"\\b\\f\\n\\r\\t\\u000b\\\\/\""},
		{"'\\a\\q\\\xC3\xA9'", "\"aq\xC3\xA9\""},
		{"'\\x41\\xe9'", "\"A\xC3\xA9\""},
		{"'\\u20aC'", "\"\xE2\x82\xAC\""},
		{"'\\uD83D\\ude00'", "\"\xF0\x9F\x98\x80\""},
		{"'a\\\nb\\\r\nc\\\rd\\\xE2\x80\xA8"
		 "e'",
		 "\"abcde\""},
		{"'\t\x01'", "\"\\t\\u0001\""},
		{"'\xE2\x80\xA8'", "\"\\u2028\""},
		{"'//'", "\"//\""},
		{"['/*',1]", "[\"/*\",1]"},
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		oc_auto_buf b = {0};
		struct oc_json_writer w;
		struct oc_json *v = parse(t[i].in);
		if (!v)
			print_message("# %s: %s\n", t[i].in, err.msg);
		assert_non_null(v);
		oc_jw_init(&w, &b, 0);
		oc_jw_value(&w, v);
		assert_string_equal(b.data, t[i].out);
		/* What we write we read, and the same comes out again. */
		oc_auto_buf b2 = {0};
		oc_jw_init(&w, &b2, 0);
		oc_jw_value(&w, parse(b.data));
		assert_string_equal(b2.data, b.data);
	}
}

static void test_rejected(void **state)
{
	(void)state;
	static const struct {
		const char *in, *msg;
	} t[] = {
		{"", "f:1:1: unexpected end of file, expected a value"},
		{"  ", "f:1:3: unexpected end of file, expected a value"},
		{"//", "f:1:3: unexpected end of file, expected a value"},
		{"/", "f:1:1: unexpected '/', expected a value"},
		{"1 /* x\n", "f:1:3: this comment has no end"},
		{"/*/", "f:1:1: this comment has no end"},
		{"1 2", "f:1:3: unexpected '2', expected the end of the file"},
		{"1a", "f:1:2: unexpected 'a', expected the end of the file"},
		{"truex", "f:1:1: unexpected 't', expected a value"},
		{"nul", "f:1:1: unexpected 'n', expected a value"},
		{"undefined", "f:1:1: unexpected 'u', expected a value"},
		{"[,]", "f:1:2: unexpected ',', expected a value"},
		{"[1,,2]", "f:1:4: unexpected ',', expected a value"},
		{"[1 2]", "f:1:4: unexpected '2', expected ',' or ']'"},
		{"[1", "f:1:3: unexpected end of file, expected ',' or ']'"},
		{"[1}", "f:1:3: unexpected '}', expected ',' or ']'"},
		{"{,}", "f:1:2: unexpected ',', expected a key or '}'"},
		{"{a}", "f:1:3: unexpected '}', expected ':'"},
		{"{a:}", "f:1:4: unexpected '}', expected a value"},
		{"{a:1 b:2}", "f:1:6: unexpected 'b', expected ',' or '}'"},
		{"{1a:1}", "f:1:2: unexpected '1', expected a key or '}'"},
		{"{a-b:1}", "f:1:3: unexpected '-', expected ':'"},
		{"{\\x61:1}", "f:1:3: unexpected 'x', expected 'u'"},
		{"{\\u0031a:1}", "f:1:2: this character is not allowed in a key without quotes"},
		{"{a\\u0020b:1}", "f:1:3: this character is not allowed in a key without quotes"},
		{"{\xC3\xA9:1}", "f:1:2: a key with characters beyond ASCII needs quotes"},
		{"{\n a: 1,\n 'a': 2}", "f:3: a: this key is there twice"},
		{"{a:{b:[{c:1,\\u0063:2}]}}", "f:1: a.b[0].c: this key is there twice"},
		/* numbers */
		{".", "f:1:1: malformed number"},
		{"+", "f:1:1: malformed number"},
		{"- 1", "f:1:1: malformed number"},
		{"01", "f:1:1: malformed number"},
		{"00", "f:1:1: malformed number"},
		{"1e", "f:1:1: malformed number"},
		{"1e+", "f:1:1: malformed number"},
		{".e1", "f:1:1: malformed number"},
		{"--1", "f:1:1: malformed number"},
		{"Infinit", "f:1:1: malformed number"},
		{"0x", "f:1:3: unexpected end of file, expected a hexadecimal digit"},
		{"0xg", "f:1:3: unexpected 'g', expected a hexadecimal digit"},
		{"1.2.3", "f:1:4: unexpected '.', expected the end of the file"},
		{"1_0", "f:1:2: unexpected '_', expected the end of the file"},
		{"0b1", "f:1:2: unexpected 'b', expected the end of the file"},
		/* strings */
		{"'a", "f:1:1: this string has no end"},
		{"'a\"", "f:1:1: this string has no end"},
		{"'\\", "f:1:1: this string has no end"},
		{"'\\'", "f:1:1: this string has no end"},
		{"'a\nb'", "f:1:3: a string cannot go over the end of the line (write \\n, or end "
			   "the line with \\)"},
		{"'\\x4'", "f:1:5: unexpected ''', expected a hexadecimal digit"},
		{"'\\u123'", "f:1:7: unexpected ''', expected a hexadecimal digit"},
		{"'\\1'", "f:1:3: octal escapes are not allowed"},
		{"'\\9'", "f:1:3: octal escapes are not allowed"},
		{"'\\01'", "f:1:3: octal escapes are not allowed"},
		{"'\\0'", "f:1:3: a NUL character is not allowed"},
		{"'\\x00'", "f:1:6: a NUL character is not allowed"},
		{"'\\u0000'", "f:1:8: a NUL character is not allowed"},
		{"{\\u0000:1}", "f:1:8: a NUL character is not allowed"},
		{"'\\uD83D'", "f:1:8: half of a surrogate pair is not a character"},
		{"'\\uD83D\\u0041'", "f:1:14: half of a surrogate pair is not a character"},
		{"'\\uDE00\\uD83D'", "f:1:8: half of a surrogate pair is not a character"},
		/* bytes */
		{"\n '\xFF'", "f:2:3: byte 0xff: the text is not UTF-8"},
		{"//\xC0\xAF", "f:1:3: byte 0xc0: the text is not UTF-8"},
		{"'\xED\xA0\x80'", "f:1:2: byte 0xed: the text is not UTF-8"},
		{"'\xF0\x9F\x98'", "f:1:2: byte 0xf0: the text is not UTF-8"},
		{"\x1b", "f:1:1: unexpected character U+001B, expected a value"},
		{"\xC2\x85", "f:1:1: unexpected character U+0085, expected a value"},
		{"\xE1\xA0\x8E"
		 "1",
		 "f:1:1: unexpected '\xE1\xA0\x8E', expected a value"}, /* no longer Zs */
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		assert_null(parse(t[i].in));
		assert_string_equal(err.msg, t[i].msg);
	}
	assert_null(parse_n("1\n\0", 3));
	assert_string_equal(err.msg, "f:2:1: a NUL character is not allowed");
}

static void test_limits(void **state)
{
	(void)state;
	oc_auto_buf b = {0};

	for (int depth = 63; depth <= 66; depth++) {
		oc_buf_free(&b);
		for (int i = 0; i < depth; i++)
			oc_buf_puts(&b, i % 2 ? "{a:" : "[");
		oc_buf_puts(&b, "1");
		for (int i = depth; i-- > 0;)
			oc_buf_puts(&b, i % 2 ? "}" : "]");
		assert_int_equal(parse(b.data) != NULL, depth <= OC_JSON_MAX_DEPTH);
	}
	assert_non_null(strstr(err.msg, "nested deeper than 64 levels"));

	oc_buf_free(&b);
	oc_buf_puts(&b, "[");
	for (unsigned i = 1; i < OC_JSON_MAX_NODES; i++)
		oc_buf_puts(&b, "0,");
	struct oc_json *v = parse(b.data);
	assert_null(v); /* no ']' yet, but not too many */
	assert_null(strstr(err.msg, "more than"));
	oc_buf_puts(&b, "0]");
	assert_null(parse(b.data));
	assert_non_null(strstr(err.msg, "more than 200000 values"));
	oc_arena_free(&arena);

	oc_buf_free(&b);
	oc_buf_printf(&b, "%*s", (int)OC_JSON_MAX_BYTES, "1");
	assert_non_null(parse(b.data));
	oc_buf_puts(&b, " ");
	assert_null(parse(b.data));
	assert_non_null(strstr(err.msg, "larger than"));

	/* Many keys, all different but for the last: found, and quickly. */
	oc_buf_free(&b);
	oc_buf_puts(&b, "{");
	for (int i = 0; i < 90000; i++)
		oc_buf_printf(&b, "k%d:0,", i);
	oc_buf_puts(&b, "\nk7:1}");
	assert_null(parse(b.data));
	assert_string_equal(err.msg, "f:2: k7: this key is there twice");
}

static void test_tree(void **state)
{
	(void)state;
	struct oc_json *v = parse("{\n  agents: {list: [{}, {\r\n\t'a b': 0x10, \"x-y\": [true, "
				  "'n\\\nl', 5]}]},\r  z: null}");
	assert_non_null(v);
	assert_int_equal(v->count, 2);
	assert_null(v->parent);
	assert_string_equal(oc_json_path(&arena, v), "");
	struct oc_json *list = oc_json_get(oc_json_get(v, "agents"), "list");
	assert_int_equal(list->count, 2);
	struct oc_json *two = list->child->next, *ab = oc_json_get(two, "a b"),
		       *xy = oc_json_get(two, "x-y");
	assert_string_equal(oc_json_path(&arena, two), "agents.list[1]");
	assert_string_equal(oc_json_path(&arena, ab), "agents.list[1][\"a b\"]");
	assert_string_equal(ab->string, "0x10");
	assert_int_equal(ab->line, 3);
	assert_int_equal(ab->column, 9);
	assert_string_equal(ab->file, "f");
	struct oc_json *last = xy->child->next->next;
	assert_string_equal(oc_json_path(&arena, last), "agents.list[1].x-y[2]");
	assert_int_equal(last->line, 4); /* the continued line counts */
	assert_int_equal(last->column, 5);
	assert_int_equal(last->index, 2);
	assert_true(xy->child->boolean);
	assert_int_equal(oc_json_get(v, "z")->line, 5); /* CR alone is an end of line */
	assert_null(oc_json_get(v, "none"));
	assert_null(oc_json_get(list, "x"));
	assert_null(oc_json_get(NULL, "x"));
	assert_int_equal(oc_json_fail(&arena, last, &err, "bad %d", 1), -1);
	assert_string_equal(err.msg, "f:4: agents.list[1].x-y[2]: bad 1");
	oc_json_fail(&arena, v, &err, "bad");
	assert_string_equal(err.msg, "f:1: bad");
	static const char *const names[] = {"null",   "boolean", "number",
					    "string", "array",	 "object"};
	for (int i = 0; i < 6; i++)
		assert_string_equal(oc_json_type_name((enum oc_json_type)i), names[i]);
}

static void test_int(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		int64_t min, max, out;
		bool ok;
	} t[] = {
		{"5", 0, 10, 5, true},
		{"0", 0, 10, 0, true},
		{"10", 0, 10, 10, true},
		{"11", 0, 10, 0, false},
		{"-1", 0, 10, 0, false},
		{"-0", 0, 10, 0, true},
		{"1e3", 0, 5000, 1000, true},
		{"5.0", 0, 10, 5, true},
		{"0x10", 0, 99, 16, true},
		{"1.5", 0, 10, 0, false},
		{"9007199254740991", 0, INT64_MAX, 9007199254740991, true},
		{"-9007199254740991", INT64_MIN, 0, -9007199254740991, true},
		{"9007199254740992", 0, INT64_MAX, 0, false},
		{"9007199254740993", 0, INT64_MAX, 0, false},
		{"1e300", INT64_MIN, INT64_MAX, 0, false},
		{"NaN", INT64_MIN, INT64_MAX, 0, false},
		{"Infinity", INT64_MIN, INT64_MAX, 0, false},
		{"-Infinity", INT64_MIN, INT64_MAX, 0, false},
		{"'5'", 0, 10, 0, false},
		{"true", 0, 10, 0, false},
		{"null", 0, 10, 0, false},
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		int64_t n = -77;
		assert_int_equal(oc_json_int(&arena, parse(t[i].in), t[i].min, t[i].max, &n, &err),
				 t[i].ok ? 0 : -1);
		assert_int_equal(n, t[i].ok ? t[i].out : -77);
	}
}

static void write_sample(struct oc_json_writer *w)
{
	oc_jw_object(w);
	oc_jw_key(w, "a\"");
	oc_jw_array(w);
	oc_jw_int(w, INT64_MIN);
	oc_jw_uint(w, UINT64_MAX);
	oc_jw_bool(w, true);
	oc_jw_null(w);
	oc_jw_string(w, NULL);
	oc_jw_array(w);
	oc_jw_array_end(w);
	oc_jw_object(w);
	oc_jw_object_end(w);
	oc_jw_array_end(w);
	oc_jw_key(w, "b");
	oc_jw_string(w, "x");
	oc_jw_object_end(w);
}

static void test_writer(void **state)
{
	(void)state;
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	oc_jw_init(&w, &b, 0);
	write_sample(&w);
	assert_string_equal(
		b.data,
		"{\"a\\\"\":[-9223372036854775808,18446744073709551615,true,null,null,[],{}],"
		"\"b\":\"x\"}");
	oc_buf_puts(&b, "\n"); /* one document per line from one writer */
	size_t first = b.len;
	oc_jw_int(&w, 1);
	assert_string_equal(b.data + first, "1");
	oc_buf_free(&b);
	oc_jw_init(&w, &b, 2);
	write_sample(&w);
	assert_string_equal(b.data,
			    "{\n  \"a\\\"\": [\n    -9223372036854775808,\n    "
			    "18446744073709551615,\n    true,\n"
			    "    null,\n    null,\n    [],\n    {}\n  ],\n  \"b\": \"x\"\n}");

	static const struct {
		const char *in, *out;
	} t[] = {
		{"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\""},
		{"\xC2\x9B", "\"\\u009b\""},
		{"\xE2\x80\xAE", "\"\\u202e\""},
		{"a\xFF"
		 "b",
		 "\"a\xEF\xBF\xBD"
		 "b\""},
		{"\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
		{"\xF0\x9F\x98\x80\xE2\x82", "\"\xF0\x9F\x98\x80\xEF\xBF\xBD\xEF\xBF\xBD\""},
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		oc_buf_free(&b);
		oc_jw_init(&w, &b, 0);
		oc_jw_string(&w, t[i].in);
		assert_string_equal(b.data, t[i].out);
	}
	oc_buf_free(&b);
	oc_jw_init(&w, &b, 0);
	oc_jw_value(&w, NULL);
	assert_string_equal(b.data, "null");
}

/* Messages of a protocol: what RFC 8259 has, all of it, and nothing else. */
static void test_message(void **state)
{
	static const char *const good[] = {
		"{}", " [ ] \r\n", "[1,-0,0.5,1e9,-1.25E-3]", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
		"{\"a\":{\"b\":[null,true,false]}}", "\"\\ud83d\\ude00\"",
	};
	static const char *const bad[] = {
		"", "{a:1}", "{'a':1}", "['a']", "[1,]", "{\"a\":1,}", "[,]", "/**/1", "//\n1", "+1", ".5", "5.",
		"-", "01", "0x1", "Infinity", "NaN", "-Infinity", "\"\\x41\"", "\"\\'\"", "\"\\\n\"", "\"\t\"",
		"\"\\0\"", "\"\\v\"", "1 2", "\v1", "\xC2\xA0" "1", "{\"a\":1 \"b\":2}", "{\"a\\u0000\":1}", "\"\xFF\"", "1.e5",
		"[1 2]", "tru", "{\"a\"}", "\"\\u12\"", "5.e", "-.5",
	};
	struct oc_json *v;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (oc_json_parse_message(&arena, good[i], strlen(good[i]), "m", 1000, &v, &err) < 0)
			fail_msg("%s: %s", good[i], err.msg);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (oc_json_parse_message(&arena, bad[i], strlen(bad[i]), "m", 1000, &v, &err) == 0)
			fail_msg("%s was taken", bad[i]);
	const char *s = "[\"a\\u0000b\",\"\\ud800x\",\"\\ud800\\u0041\",\"\\udc00\"]";
	assert_int_equal(oc_json_parse_message(&arena, s, strlen(s), "m", strlen(s), &v, &err), 0);
	assert_int_equal(v->child->length, 3);
	assert_memory_equal(v->child->string, "a\0b", 4);
	assert_string_equal(v->child->next->string, "\xEF\xBF\xBDx");
	assert_string_equal(v->child->next->next->string, "\xEF\xBF\xBD" "A");
	assert_string_equal(v->child->next->next->next->string, "\xEF\xBF\xBD");
	assert_int_equal(oc_json_parse_message(&arena, s, strlen(s), "m", strlen(s) - 1, &v, &err), -1);

	oc_auto_buf b = {0};
	struct oc_json_writer w;
	oc_jw_init(&w, &b, 0);
	oc_jw_bytes(&w, "a\0\xFF", 3);
	assert_string_equal(b.data, "\"a\\u0000\xEF\xBF\xBD\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_accepted, teardown),
		cmocka_unit_test_teardown(test_rejected, teardown),
		cmocka_unit_test_teardown(test_limits, teardown),
		cmocka_unit_test_teardown(test_tree, teardown),
		cmocka_unit_test_teardown(test_int, teardown),
		cmocka_unit_test_teardown(test_writer, teardown),
		cmocka_unit_test_teardown(test_message, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
