/* SPDX-License-Identifier: Apache-2.0 */
/* mcp: lines, JSON-RPC, versions, batches, jobs that end in any order, and the arguments of every tool. */
#define _GNU_SOURCE 1
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/mcp.h"
#include "tests/unit/cm.h"

static struct oc_mcp m;
static char seen[4096]; /* what was called and cancelled */

static void on_call(void *ctx, struct oc_mcp_job *job, enum oc_mcp_tool tool, const struct oc_json *args)
{
	const struct oc_json *command = oc_json_get(args, "command");
	size_t n = strlen(seen);

	(void)ctx;
	snprintf(seen + n, sizeof seen - n, "%s(%s)%s;", oc_mcp_tool_name(tool), command ? command->string : "",
		 job->id);
	if (command && strcmp(command->string, "now") == 0)
		oc_mcp_finish_error(&m, job, "no \x1B");
}

static void on_cancel(void *ctx, struct oc_mcp_job *job)
{
	size_t n = strlen(seen);

	(void)ctx;
	snprintf(seen + n, sizeof seen - n, "cancel %s;", job->id);
	oc_mcp_finish(&m, job, NULL);
}

static const struct oc_mcp_ops ops = {on_call, on_cancel};

static int setup(void **state)
{
	(void)state;
	m = (struct oc_mcp){.ops = &ops, .instructions = "be \"good\""};
	seen[0] = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (m.jobs)
		oc_mcp_finish(&m, m.jobs, NULL);
	oc_mcp_close(&m);
	return 0;
}

static void tell(const char *line)
{
	oc_buf_free(&m.out);
	oc_mcp_feed(&m, line, strlen(line));
	oc_mcp_feed(&m, "\n", 1);
}

/* ' stands for ". */
static const char *quoted(const char *s)
{
	static struct oc_buf b;

	oc_buf_free(&b);
	oc_buf_puts(&b, s);
	for (char *p = b.data; *p; p++)
		if (*p == '\'')
			*p = '"';
	return b.data;
}

static void says(const char *line, const char *want)
{
	tell(quoted(line));
	want = quoted(want);
	const char *got = m.out.data ? m.out.data : "";
	if (*want ? !strstr(got, want) : *got)
		fail_msg("%s\n  gave %.800s\n  and not %s", line, got, want);
}

static void finish(const char *id, const char *result)
{
	struct oc_mcp_job *j = m.jobs;
	oc_auto_buf b = {0};

	while (j && strcmp(j->id, quoted(id)) != 0)
		j = j->next;
	assert_non_null(j);
	oc_buf_puts(&b, quoted(result));
	oc_mcp_finish(&m, j, &b);
}

#define HELLO(v) "{'jsonrpc':'2.0','id':0,'method':'initialize','params':{'protocolVersion':'" v "'}}"
#define CALL(id, args) "{'jsonrpc':'2.0','id':" id ",'method':'tools/call','params':{'name':'exec','arguments':{" args "}}}"

static void test_versions(void **state)
{
	static const char *const known[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "2024-10-07"};

	for (size_t i = 0; i < 5; i++) {
		char line[200], want[100];
		setup(state);
		snprintf(line, sizeof line, HELLO("%s"), known[i]);
		snprintf(want, sizeof want, "'result':{'protocolVersion':'%s'", known[i]);
		says(line, want);
		says("{'jsonrpc':'2.0','id':1,'method':'tools/list'}", i < 3 ? "'readOnlyHint':true" : "'name':'edit'");
		if (i >= 3 && strstr(m.out.data, "Hint"))
			fail_msg("annotations in %s", known[i]);
		says("[]", i == 2 ? "an empty batch" : "has no batches");
		says(CALL("2", ""), i == 0 ? "'isError':true" : "-32602");
		teardown(state);
	}
	setup(state);
	says(HELLO("2099-01-01"), "'protocolVersion':'2025-11-25'");
	assert_non_null(strstr(m.out.data, "\"instructions\":\"be \\\"good\\\"\""));
	assert_non_null(strstr(m.out.data, "\"capabilities\":{\"tools\":{}}"));
	says(HELLO("2025-11-25"), "initialize was called already");
	teardown(state);
	setup(state);
	says("{'jsonrpc':'2.0','id':0,'method':'initialize','params':{}}", "protocolVersion is missing");
	says("{'jsonrpc':'2.0','id':0,'method':'initialize'}", "'code':-32602");
}

static void test_messages(void **state)
{
	(void)state;
	says("{", "{'jsonrpc':'2.0','id':null,'error':{'code':-32700");
	says("{'id':1,}", "-32700");
	says("\xFF", "-32700");
	says("{\"a\":\"\x01\"}", "-32700");
	says("", "");
	says(" \t\r", "");
	says("1", "-32600");
	says("{}", "'id':null,'error':{'code':-32600,'message':'method is missing'");
	says("{'jsonrpc':'1.0','id':7,'method':'ping'}", "'id':7,'error':{'code':-32600");
	says("{'jsonrpc':'2.0','id':null,'method':'ping'}", "'id':null,'error':{'code':-32600");
	says("{'jsonrpc':'2.0','id':[],'method':'ping'}", "'id':null,'error':{'code':-32600");
	says("{'jsonrpc':'2.0','id':7,'method':'none'}", "'id':7,'error':{'code':-32601,'message':'Method not found: none'");
	says("{'jsonrpc':'2.0','id':7,'method':'pi\\u0000ng'}", "-32600");
	says("{'jsonrpc':'2.0','id':7,'method':'tools/list','params':[]}", "-32602");
	says("{'jsonrpc':'2.0','id':7,'method':'tools/list','params':{'cursor':'x'}}", "-32602");
	says("{'jsonrpc':'2.0','id':'a\\u0000\\n\xC3\xA9','method':'ping'}", "{'jsonrpc':'2.0','id':'a\\u0000\\n\xC3\xA9','result':{}}\n");
	says("{'jsonrpc':'2.0','id':-1.50e2,'method':'ping'}", "'id':-1.50e2,'result'");
	says("{'jsonrpc':'2.0','method':'notifications/none'}", "");
	says("{'jsonrpc':'2.0','id':7,'result':{}}", "");
	says("{'jsonrpc':'2.0','id':7,'error':{}}", "");
	says("{'jsonrpc':'2.0','method':'notifications/cancelled','params':{'requestId':[]}}", "");
	/* An id that is too long to be remembered. */
	oc_auto_buf b = {0};
	oc_buf_puts(&b, "{'jsonrpc':'2.0','method':'ping','id':'");
	for (int i = 0; i < OC_MCP_ID_MAX; i++)
		oc_buf_puts(&b, "x");
	oc_buf_puts(&b, "'}");
	says(b.data, "-32600");
}

static void test_lines(void **state)
{
	static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r\n";
	static const char pong[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n";
	char *big = malloc(OC_MCP_LINE_MAX + 10);

	(void)state;
	for (size_t i = 0; i < sizeof ping - 1; i++)
		oc_mcp_feed(&m, ping + i, 1);
	assert_string_equal(m.out.data, pong);
	memset(big, ' ', OC_MCP_LINE_MAX + 10);
	oc_buf_free(&m.out);
	oc_mcp_feed(&m, big, OC_MCP_LINE_MAX);
	assert_int_equal(m.out.len, 0);
	oc_mcp_feed(&m, big, 10);
	oc_mcp_feed(&m, big, 10);
	assert_non_null(strstr(m.out.data, "\"code\":-32700,\"message\":\"a message of more than 8 MiB\""));
	assert_int_equal(m.in.len, 0);
	oc_buf_free(&m.out);
	oc_mcp_feed(&m, "x\n", 2);
	oc_mcp_feed(&m, ping, sizeof ping - 1);
	assert_string_equal(m.out.data, pong);
	/* As large as may be. */
	memcpy(big, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"", 39);
	big[OC_MCP_LINE_MAX - 1] = '}';
	big[OC_MCP_LINE_MAX] = '\n';
	oc_buf_free(&m.out);
	oc_mcp_feed(&m, big, OC_MCP_LINE_MAX + 1);
	assert_string_equal(m.out.data, pong);
	free(big);
}

static void test_jobs(void **state)
{
	(void)state;
	says(CALL("1", "'command':'a'"), "");
	says(CALL("'1'", "'command':'b'"), "");
	says(CALL("1", "'command':'c'"), "'id':1,'error':{'code':-32600,'message':'a request with this id still runs'");
	says(CALL("2", "'command':'now'"), "'id':2,'result':{'content':[{'type':'text','text':'no \\u001b'}],'isError':true}}\n");
	oc_buf_free(&m.out);
	finish("'1'", "{'x':2}");
	finish("1", "{'x':1}");
	assert_string_equal(m.out.data, "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{\"x\":2}}\n"
					"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"x\":1}}\n");
	says(CALL("1", "'command':'d'"), "");
	says("{'jsonrpc':'2.0','method':'notifications/cancelled','params':{'requestId':'1'}}", "");
	says("{'jsonrpc':'2.0','method':'notifications/cancelled','params':{'requestId':1,'reason':'x'}}", "");
	says("{'jsonrpc':'2.0','method':'notifications/cancelled','params':{'requestId':1}}", "");
	assert_string_equal(seen, "exec(a)1;exec(b)\"1\";exec(now)2;exec(d)1;cancel 1;");
	assert_int_equal(m.job_count, 0);
	for (int i = 0; i < OC_MCP_CALLS_MAX; i++) {
		char line[200];
		snprintf(line, sizeof line, CALL("%d", "'command':''"), 100 + i);
		says(line, "");
	}
	says(CALL("99", "'command':''"), "'id':99,'result':{'content':[{'type':'text','text':'too many calls");
}

static void test_batches(void **state)
{
	(void)state;
	says("[" CALL("1", "'command':'a'") "]", "has no batches");
	says(HELLO("2025-03-26"), "2025-03-26");
	says("[{'jsonrpc':'2.0','method':'notifications/initialized'}]", "");
	says("[1,{'jsonrpc':'2.0','id':1,'method':'ping'}]",
	     "[{'jsonrpc':'2.0','id':null,'error':{'code':-32600,'message':'a message must be an object'}},"
	     "{'jsonrpc':'2.0','id':1,'result':{}}]\n");
	says("[" CALL("1", "'command':'a'") ",{'jsonrpc':'2.0','id':2,'method':'ping'}," CALL("3", "'command':'now'") ","
	     CALL("4", "'command':'b'") "]", "");
	finish("4", "{}");
	assert_int_equal(m.out.len, 0);
	finish("1", "{}");
	assert_non_null(m.out.data);
	assert_int_equal(m.out.data[0], '[');
	assert_non_null(strstr(m.out.data, "{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":{}},{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}]\n"));
	/* One that is cancelled has no answer, and the others do not wait for it. */
	says("[" CALL("1", "'command':'a'") "]", "");
	says("{'jsonrpc':'2.0','method':'notifications/cancelled','params':{'requestId':1}}", "");
	says("[" CALL("1", "'command':'a'") ",{'jsonrpc':'2.0','id':2,'method':'ping'}]", "");
	says("{'jsonrpc':'2.0','method':'notifications/cancelled','params':{'requestId':1}}",
	     "[{'jsonrpc':'2.0','id':2,'result':{}}]\n");
	oc_auto_buf many = {0};
	for (int i = 0; i <= OC_MCP_BATCH_MAX; i++)
		oc_buf_puts(&many, i ? ",1" : "[1");
	oc_buf_puts(&many, "]");
	says(many.data, "too many messages");
}

static void bad(const char *tool, const char *args, const char *want)
{
	oc_auto_buf b = {0};

	oc_buf_printf(&b, "{'jsonrpc':'2.0','id':1,'method':'tools/call','params':{'name':'%s','arguments':%s}}", tool, args);
	says(b.data, want);
	assert_int_equal(m.job_count, 0);
}

static void test_arguments(void **state)
{
	(void)state;
	says(HELLO("2025-06-18"), "2025-06-18");
	bad("none", "{}", "'code':-32602,'message':'Unknown tool: none'");
	bad("exec", "[]", "arguments must be an object");
	bad("exec", "{}", "command or argv");
	bad("exec", "{'command':'a','argv':['b']}", "command or argv");
	bad("exec", "{'command':1}", "exec: command must be a string, not number");
	bad("exec", "{'command':'a\\u0000'}", "has a NUL");
	bad("exec", "{'argv':[]}", "argv is empty");
	bad("exec", "{'argv':['a',null]}", "argv must be a string, not null");
	bad("exec", "{'argv':'a'}", "argv must be an array, not string");
	bad("exec", "{'command':'a','env':[]}", "env must be an object");
	bad("exec", "{'command':'a','env':{'A=B':'c'}}", "is no name of a variable");
	bad("exec", "{'command':'a','env':{'':'c'}}", "is no name of a variable");
	bad("exec", "{'command':'a','env':{'A':1}}", "env must be a string");
	bad("exec", "{'command':'a','timeoutSeconds':0}", "timeoutSeconds must be a number above 0");
	bad("exec", "{'command':'a','timeoutSeconds':1e400}", "timeoutSeconds must be");
	bad("exec", "{'command':'a','timeout':1}", "there is no argument \\'timeout\\'");
	bad("read", "{}", "path is missing");
	bad("read", "{'path':''}", "path is empty");
	bad("read", "{'path':'a\\u0000b'}", "has a NUL");
	bad("read", "{'path':'a','offset':0}", "whole number from 1");
	bad("read", "{'path':'a','limit':2.5}", "whole number from 1");
	bad("write", "{'path':'a'}", "content is missing");
	bad("edit", "{'path':'a','oldText':'b'}", "newText is missing");
	bad("edit", "{'path':'a','oldText':'b','newText':'c','replaceAll':'yes'}", "replaceAll must be true or false");
	says("{'jsonrpc':'2.0','id':1,'method':'tools/call','params':{'name':'write','arguments':{'path':'a','content':'\\u0000'}}}", "");
	says("{'jsonrpc':'2.0','id':2,'method':'tools/call'}", "name is missing");
	assert_string_equal(seen, "write()1;");
}

/* The schemas say what the check does. */
static void test_schemas(void **state)
{
	oc_auto_arena a = {0};
	struct oc_json *v;
	struct oc_err err = {0};

	(void)state;
	says("{'jsonrpc':'2.0','id':1,'method':'tools/list'}", "'additionalProperties':false");
	assert_int_equal(oc_json_parse_message(&a, m.out.data, m.out.len, "x", 1 << 20, &v, &err), 0);
	const struct oc_json *tools = oc_json_get(oc_json_get(v, "result"), "tools");
	assert_int_equal(tools->count, OC_MCP_TOOLS);
	for (const struct oc_json *t = tools->child; t; t = t->next) {
		const struct oc_json *schema = oc_json_get(t, "inputSchema");
		assert_string_equal(oc_json_get(schema, "type")->string, "object");
		for (const struct oc_json *r = oc_json_get(schema, "required")->child; r; r = r->next)
			assert_non_null(oc_json_get(oc_json_get(schema, "properties"), r->string));
		assert_non_null(oc_json_get(oc_json_get(t, "annotations"), "destructiveHint"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jobs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batches, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_schemas, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
