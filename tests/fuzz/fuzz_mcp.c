/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_mcp - any bytes as what an MCP client sends, in pieces of any size; calls end at any time.  Every line that comes out is
 * JSON, every request has at most one answer, and nothing is left.
 *
 * fuzz-sources: runtime/cli/mcp_rpc.c runtime/cli/mcp_tools.c
 */
#include <stdint.h>
#include <string.h>

#include "runtime/cli/mcp.h"
#include "tests/fuzz/fuzz_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_call(void *ctx, struct oc_mcp_job *job, enum oc_mcp_tool tool, const struct oc_json *args)
{
	const struct oc_json *path = oc_json_get(args, "path");

	/* What the schema says is so. */
	if (tool == OC_MCP_EXEC)
		FUZZ_CHECK(!oc_json_get(args, "command") != !oc_json_get(args, "argv"));
	else
		FUZZ_CHECK(path && path->type == OC_JSON_STRING && path->length == strlen(path->string) && path->length);
	if (path && path->string[0] == 'n')
		oc_mcp_finish_error(ctx, job, path->string);
}

static void on_cancel(void *ctx, struct oc_mcp_job *job)
{
	oc_mcp_finish(ctx, job, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct oc_mcp_ops ops = {on_call, on_cancel};
	struct oc_mcp m = {.ops = &ops, .ctx = &m, .instructions = ""};
	oc_auto_buf result = {0};
	size_t step = size ? (size_t)data[0] % 64 + 1 : 1;

	oc_buf_puts(&result, "{}");
	for (size_t at = 0; at < size; at += step)
		oc_mcp_feed(&m, (const char *)data + at, size - at < step ? size - at : step);
	oc_mcp_feed(&m, "\n", 1);
	while (m.jobs)
		oc_mcp_finish(&m, m.jobs, size & 1 ? &result : NULL);
	FUZZ_CHECK(m.job_count == 0 && m.in.len == 0);
	for (const char *p = m.out.data, *end = p ? p + m.out.len : p; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		oc_auto_arena a = {0};
		struct oc_json *v;
		struct oc_err err = {0};
		FUZZ_CHECK(nl);
		FUZZ_CHECK(oc_json_parse_message(&a, p, (size_t)(nl - p), "out", 64u << 20, &v, &err) == 0);
		FUZZ_CHECK(v->type == OC_JSON_OBJECT || (v->type == OC_JSON_ARRAY && v->count));
		p = nl + 1;
	}
	oc_mcp_close(&m);
	return 0;
}
