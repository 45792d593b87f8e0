/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_wire - any bytes as a command for the monitor of a kept sandbox: what is taken must come out
 * for the runner with the counts that it says, with no variable that is refused, and nothing of it
 * may be lost.
 *
 * fuzz-sources: runtime/session/request.c
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/session/request.h"
#include "tests/fuzz/fuzz_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct oc_env_var env[] = {
	{"PATH", "/usr/bin:/bin", "default"},
	{"PWD", "/workspace", "default"},
	{"LANG", "C.UTF-8", "default"},
};
static const struct oc_plan plan = {.env = env, .env_count = 3, .workdir = "/workspace"};

static void check_name(const char *variable)
{
	const char *eq = strchr(variable, '='), *why;
	char name[256];

	FUZZ_CHECK(eq && eq > variable && eq - variable < 256);
	memcpy(name, variable, (size_t)(eq - variable));
	name[eq - variable] = '\0';
	for (size_t i = 0; i < plan.env_count; i++)
		if (strcmp(name, env[i].name) == 0)
			return;
	FUZZ_CHECK(oc_env_allowed(name, &why));
}

static void check_built(const struct oc_request *r, const struct oc_buf *out)
{
	struct oc_call_run run;
	const char *p = out->data + sizeof run, *end = out->data + out->len;

	memcpy(&run, out->data, sizeof run);
	FUZZ_CHECK(run.strings == out->len - sizeof run && run.argc == r->head.argc);
	FUZZ_CHECK(p[0] == '/' && end[-1] == '\0');
	for (uint32_t i = 0; i < 1 + run.argc + run.envc; i++) {
		FUZZ_CHECK(p < end);
		if (i > run.argc)
			check_name(p);
		p += strlen(p) + 1;
	}
	FUZZ_CHECK(p == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oc_wire_exec h;
	struct oc_request r;
	struct oc_err err = {0};
	oc_auto_buf out = {0};

	if (size < 1)
		return 0;
	/* The head as it is, or one that fits what follows, so that the strings are reached. */
	char *m = malloc(size - 1 + sizeof h);
	FUZZ_CHECK(m != NULL);
	size_t len = size - 1;
	if (data[0] & 1) {
		memcpy(m, data + 1, len);
	} else {
		h = (struct oc_wire_exec){.magic = OC_WIRE_MAGIC,
					  .tag = 1,
					  .flags = data[0] & 2 ? OC_WIRE_CLEAR_ENV : 0,
					  .argc = data[0] >> 5,
					  .envc = data[0] >> 2 & 7,
					  .strings = (uint32_t)len};
		memcpy(m, &h, sizeof h);
		memcpy(m + sizeof h, data + 1, len);
		len += sizeof h;
	}
	m = realloc(m, len ? len : 1);
	FUZZ_CHECK(m != NULL);
	if (oc_request_head(m, len, 3, &h, &err) == 0 && !(h.flags & OC_WIRE_BLOB) &&
	    oc_request_parse(&h, m + sizeof h, &r, &err) == 0 &&
	    oc_request_build(&r, &plan, &out, &err) == 0)
		check_built(&r, &out);
	free(m);
	return 0;
}
