/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_gitconfig - any bytes to the git configuration reader, the judge of it, the rebase list, the
 * name comparison and the journal reader.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/plan/guard.h"
#include "runtime/plan/guard_config.h"
#include "runtime/plan/guard_names.h"

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static int check_entry(void *ctx, const struct oc_gitconf_entry *e)
{
	unsigned *dangerous = ctx;

	CHECK(e->section && e->key);
	for (const char *p = e->section; *p; p++)
		CHECK(*p < 'A' || *p > 'Z');
	for (const char *p = e->key; *p; p++)
		CHECK(*p < 'A' || *p > 'Z');
	CHECK(!strchr(e->key, '.') && !strchr(e->section, '.'));
	if (!oc_gitconf_entry_inert(e, NULL, NULL))
		++*dangerous;
	/* The short list of what must never pass, said a second time in other words. */
	if (strncmp(e->section, "include", 7) == 0 || strcmp(e->key, "hookspath") == 0 ||
	    strcmp(e->key, "sshcommand") == 0 || strcmp(e->section, "filter") == 0 ||
	    strcmp(e->section, "alias") == 0 ||
	    (e->value && strstr(e->value, "::") && strcmp(e->key, "url") == 0))
		CHECK(!oc_gitconf_entry_inert(e, NULL, NULL));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oc_auto_arena a = {0};
	const char *why = NULL, *text = (const char *)data;
	unsigned dangerous = 0;

	int rc = oc_gitconf_parse(text, size, check_entry, &dangerous);
	bool inert = oc_gitconf_inert(&a, text, size, NULL, NULL, &why);
	CHECK(!inert || (rc == 0 && dangerous == 0));
	CHECK(inert || why);
	oc_gittodo_inert(text, size);

	char name[OC_GUARD_NAME_MAX + 1], folded[OC_GUARD_NAME_MAX + 1], again[OC_GUARD_NAME_MAX + 1];
	size_t n = size < OC_GUARD_NAME_MAX ? size : OC_GUARD_NAME_MAX;
	memcpy(name, data, n);
	name[n] = '\0';
	oc_guard_fold(name, folded);
	CHECK(strlen(folded) <= strlen(name));
	oc_guard_fold(folded, again);
	struct oc_name_class c =
		oc_guard_classify(name, size ? data[0] % 8 : 0, size & 1, size & 2);
	/* A name that folds to a row's is that row. */
	struct oc_name_class d =
		oc_guard_classify(folded, size ? data[0] % 8 : 0, size & 1, size & 2);
	CHECK(strcmp(folded, again) != 0 || (c.row == d.row && c.part == d.part));

	struct oc_json *v;
	struct oc_guard_baseline *b;
	struct oc_err err;
	if (oc_json_parse(&a, text, size, "in", &v, &err) == 0 &&
	    oc_guard_baseline_read(&a, v, &b, &err) == 0) {
		oc_auto_buf out = {0};
		struct oc_json_writer w;
		oc_jw_init(&w, &out, 0);
		oc_guard_baseline_write(b, &w);
		CHECK(oc_json_parse(&a, out.data, out.len, "again", &v, &err) == 0);
		CHECK(oc_guard_baseline_read(&a, v, &b, &err) == 0);
	}
	return 0;
}
