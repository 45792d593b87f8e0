/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_gwconfig - a snapshot from hostile text (the tree is the input), packed again; and edits of hostile text.
 *
 * fuzz-sources: gateway/config/auth.c gateway/config/edit.c gateway/config/gateway.c gateway/config/load.c
 *   gateway/config/mask.c gateway/config/near.c gateway/config/path.c gateway/config/read.c gateway/config/rest.c
 *   gateway/config/schema.c gateway/config/secret.c gateway/config/state.c gateway/config/values.c
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config.h"
#include "gateway/config/edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

static void snapshot(const char *text, size_t size)
{
	static const char head[] = "{\"stateDir\":\"/s\",\"path\":\"/s/c\",\"exists\":true,\"files\":[],\"secrets\":[],"
				   "\"own\":[],\"unset\":[],\"flags\":{},\"tree\":";
	oc_auto_arena a = {0};
	oc_auto_buf b = {0}, one = {0}, masked = {0};
	struct oc_json *v;
	struct oc_json_writer w;
	struct oc_config *c;
	struct oc_err err = {0};

	if (oc_json_parse(&a, text, size, "f", &v, &err) < 0)
		return;
	oc_buf_puts(&b, head);
	oc_jw_init(&w, &b, 0);
	oc_jw_value(&w, v);
	oc_buf_puts(&b, "}");
	if (oc_config_unpack(b.data, b.len, &c, &err) < 0) {
		check(err.msg[0] != 0);
		return;
	}
	check(c->agent_count > 0 && c->default_agent && c->listen_count > 0);
	check(!c->exposed || c->auth.mode != OC_AUTH_NONE);
	oc_config_pack(c, &one);
	oc_jw_init(&w, &masked, 0);
	oc_config_write_masked(&w, c->root);
	check(oc_config_needs_restart(c, c) == NULL);
	oc_config_unref(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const paths[] = {"gateway.port", "a", "a.b", "a[0]", "agents.list[1].id"};
	const char *text = (const char *)data;

	snapshot(text, size);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		for (int set = 0; set < 2; set++) {
			oc_auto_buf out = {0};
			struct oc_err err = {0};
			bool changed;
			if (oc_config_edit(text, size, "f", paths[i], set ? "1" : NULL, &out, &changed, &err) < 0)
				continue;
			/* What was written is there, or gone, when it is read again. */
			oc_auto_arena a = {0};
			struct oc_json *v;
			if (changed && out.len)
				check(oc_json_parse(&a, out.data, out.len, "f", &v, &err) == 0);
		}
	return 0;
}
