/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcp_tools - see mcp.h.  Pure: one table, and what follows from it.
 */
#include <string.h>

#include "runtime/cli/mcp.h"

enum type { TEXT, TEXTS, VARIABLES, LINE, SECONDS, FLAG };

struct param {
	const char *name, *help;
	enum type type;
	bool required;
};

#define LINE_LAST    1000000000
#define SECONDS_LAST 86400

static const struct param exec_params[] = {
	{"command", "Shell script, run with /bin/sh -lc. Either this or argv.", TEXT, false},
	{"argv", "Program and its arguments, run without a shell. Either this or command.", TEXTS,
	 false},
	{"workdir",
	 "Directory to run in; relative ones are from the workspace. Default: the workspace.", TEXT,
	 false},
	{"env", "Variables to set, on top of those of the sandbox.", VARIABLES, false},
	{"timeoutSeconds", "The command is ended after so long, with all that it has started.",
	 SECONDS, false},
	{0},
};
static const struct param read_params[] = {
	{"path", "Path inside the sandbox; relative ones are from the workspace.", TEXT, true},
	{"offset", "First line, from 1.", LINE, false},
	{"limit", "How many lines. At most 2000 lines or 50 KiB come at once.", LINE, false},
	{0},
};
static const struct param write_params[] = {
	{"path",
	 "Path inside the sandbox; relative ones are from the workspace. Directories are made.",
	 TEXT, true},
	{"content", "The whole new content.", TEXT, true},
	{0},
};
static const struct param edit_params[] = {
	{"path", "Path inside the sandbox; relative ones are from the workspace.", TEXT, true},
	{"oldText",
	 "What to replace, byte by byte as it is in the file. Must be there exactly once, unless "
	 "replaceAll.",
	 TEXT, true},
	{"newText", "What to put there; may be empty.", TEXT, true},
	{"replaceAll", "Replace every occurrence.", FLAG, false},
	{0},
};

static const struct tool {
	const char *name, *title, *help;
	const struct param *params;
	bool read_only, destructive, idempotent, open_world;
} tools[OC_MCP_TOOLS] = {
	[OC_MCP_EXEC] = {"exec", "Run a command",
			 "Run a command in the sandbox. Answers with its output, standard output "
			 "and errors "
			 "together (the last 200000 characters), and its exit code. Every process "
			 "that it has "
			 "started ends with it.",
			 exec_params, false, true, false, true},
	[OC_MCP_READ] =
		{"read", "Read a file",
		 "Read lines of a text file, or an image (PNG, JPEG, GIF, WebP), in the sandbox.",
		 read_params, true, false, true, false},
	[OC_MCP_WRITE] = {"write", "Write a file",
			  "Create a file in the sandbox, or replace one as a whole.", write_params,
			  false, true, true, false},
	[OC_MCP_EDIT] =
		{"edit", "Edit a file",
		 "Replace a text in a file of the sandbox. Answers with the lines that changed.",
		 edit_params, false, true, false, false},
};

enum oc_mcp_tool oc_mcp_tool_find(const char *name)
{
	unsigned t = 0;

	while (t < OC_MCP_TOOLS && strcmp(tools[t].name, name) != 0)
		t++;
	return (enum oc_mcp_tool)t;
}

const char *oc_mcp_tool_name(enum oc_mcp_tool t)
{
	return tools[t].name;
}

/* --- the schemas --- */

static void pair(struct oc_json_writer *w, const char *key, const char *value)
{
	oc_jw_key(w, key);
	oc_jw_string(w, value);
}

static void range(struct oc_json_writer *w, const char *type, int64_t max)
{
	pair(w, "type", type);
	oc_jw_key(w, strcmp(type, "number") == 0 ? "exclusiveMinimum" : "minimum");
	oc_jw_int(w, strcmp(type, "number") == 0 ? 0 : 1);
	oc_jw_key(w, "maximum");
	oc_jw_int(w, max);
}

static void write_param(struct oc_json_writer *w, const struct param *p)
{
	oc_jw_key(w, p->name);
	oc_jw_object(w);
	switch (p->type) {
	case TEXT:
		pair(w, "type", "string");
		break;
	case TEXTS:
		pair(w, "type", "array");
		oc_jw_key(w, "minItems");
		oc_jw_int(w, 1);
		oc_jw_key(w, "items");
		oc_jw_object(w);
		pair(w, "type", "string");
		oc_jw_object_end(w);
		break;
	case VARIABLES:
		pair(w, "type", "object");
		oc_jw_key(w, "additionalProperties");
		oc_jw_object(w);
		pair(w, "type", "string");
		oc_jw_object_end(w);
		break;
	case LINE:
		range(w, "integer", LINE_LAST);
		break;
	case SECONDS:
		range(w, "number", SECONDS_LAST);
		break;
	case FLAG:
		pair(w, "type", "boolean");
		break;
	}
	pair(w, "description", p->help);
	oc_jw_object_end(w);
}

static void write_schema(struct oc_json_writer *w, const struct param *params)
{
	oc_jw_key(w, "inputSchema");
	oc_jw_object(w);
	pair(w, "type", "object");
	oc_jw_key(w, "properties");
	oc_jw_object(w);
	for (const struct param *p = params; p->name; p++)
		write_param(w, p);
	oc_jw_object_end(w);
	oc_jw_key(w, "required");
	oc_jw_array(w);
	for (const struct param *p = params; p->name; p++)
		if (p->required)
			oc_jw_string(w, p->name);
	oc_jw_array_end(w);
	oc_jw_key(w, "additionalProperties");
	oc_jw_bool(w, false);
	oc_jw_object_end(w);
}

void oc_mcp_tools_write(struct oc_json_writer *w, bool annotations)
{
	oc_jw_key(w, "tools");
	oc_jw_array(w);
	for (unsigned i = 0; i < OC_MCP_TOOLS; i++) {
		const struct tool *t = &tools[i];
		oc_jw_object(w);
		pair(w, "name", t->name);
		pair(w, "description", t->help);
		write_schema(w, t->params);
		if (annotations) {
			oc_jw_key(w, "annotations");
			oc_jw_object(w);
			pair(w, "title", t->title);
			oc_jw_key(w, "readOnlyHint");
			oc_jw_bool(w, t->read_only);
			oc_jw_key(w, "destructiveHint");
			oc_jw_bool(w, t->destructive);
			oc_jw_key(w, "idempotentHint");
			oc_jw_bool(w, t->idempotent);
			oc_jw_key(w, "openWorldHint");
			oc_jw_bool(w, t->open_world);
			oc_jw_object_end(w);
		}
		oc_jw_object_end(w);
	}
	oc_jw_array_end(w);
}

/* --- the check --- */

/* A text that becomes a C string; content of files may have a NUL in it. */
static int check_text(const struct oc_json *v, const char *name, bool any, struct oc_err *err)
{
	if (v->type != OC_JSON_STRING)
		return oc_fail(err, 0, "%s must be a string, not %s", name,
			       oc_json_type_name(v->type));
	if (!any && strlen(v->string) != v->length)
		return oc_fail(err, 0, "%s has a NUL character in it", name);
	return 0;
}

static int check_members(const struct param *p, const struct oc_json *v, struct oc_err *err)
{
	const bool object = p->type == VARIABLES;

	if (v->type != (object ? OC_JSON_OBJECT : OC_JSON_ARRAY))
		return oc_fail(err, 0, "%s must be an %s, not %s", p->name,
			       object ? "object" : "array", oc_json_type_name(v->type));
	if (!object && v->count == 0)
		return oc_fail(err, 0, "%s is empty", p->name);
	for (const struct oc_json *m = v->child; m; m = m->next) {
		if (object && (!*m->key || strchr(m->key, '=')))
			return oc_fail(err, 0, "%s: \"%.100s\" is no name of a variable", p->name,
				       m->key);
		if (check_text(m, p->name, false, err) < 0)
			return -1;
	}
	return 0;
}

static int check_param(const struct param *p, const struct oc_json *v, struct oc_err *err)
{
	/* What a file is to hold. */
	bool any = p->required && strcmp(p->name, "path") != 0;

	switch (p->type) {
	case TEXT:
		return check_text(v, p->name, any, err);
	case TEXTS:
	case VARIABLES:
		return check_members(p, v, err);
	case LINE:
		if (v->type != OC_JSON_NUMBER || !(v->number >= 1 && v->number <= LINE_LAST) ||
		    v->number != (double)(int64_t)v->number)
			return oc_fail(err, 0, "%s must be a whole number from 1 to %d", p->name,
				       LINE_LAST);
		return 0;
	case SECONDS:
		if (v->type != OC_JSON_NUMBER || !(v->number > 0 && v->number <= SECONDS_LAST))
			return oc_fail(err, 0, "%s must be a number above 0, up to %d", p->name,
				       SECONDS_LAST);
		return 0;
	case FLAG:
		if (v->type != OC_JSON_BOOL)
			return oc_fail(err, 0, "%s must be true or false", p->name);
		return 0;
	}
	return oc_fail(err, 0, "%s", p->name);
}

static const struct param *find(const struct param *params, const char *name)
{
	for (const struct param *p = params; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static int unknown(const struct param *params, const char *name, struct oc_err *err)
{
	oc_auto_buf all = {0};

	for (const struct param *p = params; p->name; p++)
		oc_buf_printf(&all, "%s%s", p == params ? "" : ", ", p->name);
	return oc_fail(err, 0, "there is no argument \"%.60s\"; there are %s", name, all.data);
}

int oc_mcp_tool_check(enum oc_mcp_tool t, const struct oc_json *args, struct oc_err *err)
{
	const struct param *params = tools[t].params;

	for (const struct oc_json *v = args ? args->child : NULL; v; v = v->next) {
		const struct param *p = find(params, v->key);
		if (!p)
			return unknown(params, v->key, err);
		if (check_param(p, v, err) < 0)
			return -1;
	}
	for (const struct param *p = params; p->name; p++)
		if (p->required && !oc_json_get(args, p->name))
			return oc_fail(err, 0, "%s is missing", p->name);
	const struct oc_json *path = oc_json_get(args, "path");
	if (path && path->length == 0)
		return oc_fail(err, 0, "path is empty");
	if (t == OC_MCP_EXEC && !oc_json_get(args, "command") == !oc_json_get(args, "argv"))
		return oc_fail(err, 0, "command or argv: one of them, and only one");
	return 0;
}
