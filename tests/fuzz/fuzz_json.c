/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_json - any bytes to the JSON5 reader; what it accepts must survive writer and reader.  Messages of RFC 8259 are JSON5,
 * and what the writer makes of them is such a message.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "tests/fuzz/fuzz_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(const char *text, size_t size)
{
	oc_auto_arena a = {0};
	oc_auto_buf out = {0};
	struct oc_err err = {0};
	struct oc_json *v, *again;
	struct oc_json_writer w;

	if (oc_json_parse_message(&a, text, size, "in", 1u << 20, &v, &err) < 0) {
		FUZZ_CHECK(!v && err.msg[0]);
		return;
	}
	/* But for NUL and half a surrogate pair. */
	if (!memmem(text, size, "\\u", 2))
		FUZZ_CHECK(oc_json_parse(&a, text, size, "in", &again, &err) == 0);
	oc_jw_init(&w, &out, 0);
	oc_jw_value(&w, v);
	FUZZ_CHECK(oc_json_parse_message(&a, out.data, out.len, "out", 8u << 20, &again, &err) == 0);
	/* What is too large for a number has become null. */
	FUZZ_CHECK(again->count == v->count);
	FUZZ_CHECK(again->type == v->type || (v->type == OC_JSON_NUMBER && !isfinite(v->number)));
	if (v->type == OC_JSON_STRING)
		FUZZ_CHECK(v->length >= strlen(v->string));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oc_auto_arena a = {0};
	struct oc_err err = {0};
	struct oc_json *v;

	check_message((const char *)data, size);
	if (oc_json_parse(&a, (const char *)data, size, "in", &v, &err) < 0) {
		FUZZ_CHECK(!v && err.msg[0] && memchr(err.msg, 0, sizeof(err.msg)));
		return 0;
	}
	fuzz_check_tree(v, NULL, 0, 0);
	fuzz_check_writer(&a, v, 0);
	fuzz_check_writer(&a, v, 2);
	int64_t n;
	if (oc_json_int(&a, v, -100, 100, &n, &err) == 0)
		FUZZ_CHECK(n >= -100 && n <= 100);
	for (const struct oc_json *c = v; c; c = c->child) /* the leftmost path is as good as any */
		fuzz_check_text(oc_json_path(&a, c));
	return 0;
}
