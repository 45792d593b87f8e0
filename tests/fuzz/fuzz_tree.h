/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_tree - what holds for every tree that the readers give out; aborts if it does not. */
#ifndef OC_TESTS_FUZZ_TREE_H
#define OC_TESTS_FUZZ_TREE_H

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

#define FUZZ_CHECK(c)                                                                              \
	do {                                                                                       \
		if (!(c))                                                                          \
			abort();                                                                   \
	} while (0)

static inline void fuzz_check_text(const char *s)
{
	size_t len = strlen(s), n;
	for (size_t i = 0; i < len; i += n) {
		n = oc_utf8_decode(s + i, len - i, NULL);
		FUZZ_CHECK(n > 0);
	}
}

static inline void fuzz_check_tree(const struct oc_json *v, const struct oc_json *parent,
				   unsigned index, unsigned depth)
{
	unsigned n = 0;

	FUZZ_CHECK(v->parent == parent && v->index == index && v->line > 0 && v->column > 0 &&
		   v->file);
	FUZZ_CHECK(!parent || (parent->type == OC_JSON_OBJECT) == (v->key != NULL));
	FUZZ_CHECK(v->type == OC_JSON_ARRAY || v->type == OC_JSON_OBJECT || !v->child);
	if (v->key)
		fuzz_check_text(v->key);
	if (v->type == OC_JSON_STRING || v->type == OC_JSON_NUMBER)
		fuzz_check_text(v->string);
	if (v->type == OC_JSON_ARRAY || v->type == OC_JSON_OBJECT)
		FUZZ_CHECK(++depth <= OC_JSON_MAX_DEPTH);
	for (const struct oc_json *c = v->child; c; c = c->next)
		fuzz_check_tree(c, v, n++, depth);
	FUZZ_CHECK(v->count == n);
}

/* What is written can be read, and is written the same again. */
static inline void fuzz_check_writer(struct oc_arena *a, const struct oc_json *v, unsigned indent)
{
	oc_auto_buf one = {0}, two = {0};
	struct oc_json_writer w;
	struct oc_json *again;
	struct oc_err err;

	oc_jw_init(&w, &one, indent);
	oc_jw_value(&w, v);
	FUZZ_CHECK(w.depth == 0);
	fuzz_check_text(one.data);
	FUZZ_CHECK(strlen(one.data) == one.len);
	if (one.len > OC_JSON_MAX_BYTES)
		return;
	FUZZ_CHECK(oc_json_parse(a, one.data, one.len, "again", &again, &err) == 0);
	oc_jw_init(&w, &two, indent);
	oc_jw_value(&w, again);
	FUZZ_CHECK(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
}

#endif
