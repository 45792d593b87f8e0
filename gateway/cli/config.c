/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - `openclaw config get|set|unset|validate|file`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cli/cli.h"
#include "gateway/config/edit.h"

static int get(int argc, char **argv)
{
	bool json = false;
	char **operands;
	struct oc_err err = {0};
	oc_auto_config *c = NULL;
	oc_auto_buf b = {0};
	struct oc_json_writer w;
	struct oc_config_options opt = {.client = true};
	const struct oc_arg list[] = {
		{"json", 0, NULL, "print JSON, a text in quotes", NULL, &json, false}};
	const struct oc_args a = {.command = "openclaw config get", .operands = "[KEY]",
				  .about = "Print a value, or all of the file.  Secrets are masked.",
				  .list = list, .count = 1, .most = 1};

	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	if (oc_config_load(&opt, &c, &err) < 0)
		return oc_out_fail(&err, json, OC_EXIT_CONFIG);
	const struct oc_json *v = n ? oc_config_at(c, operands[0]) : c->root;
	if (!v) {
		oc_fail(&err, 0, "%s is not set", operands[0]);
		if (!c->exists)
			oc_err_hint(&err, "there is no %s", c->path);
		return oc_out_fail(&err, json, 1);
	}
	if (!json && v->type == OC_JSON_STRING) {
		oc_out_text(&b, oc_config_is_secret(v) ? OC_CONFIG_REDACTED : v->string);
	} else {
		oc_jw_init(&w, &b, 2);
		oc_config_write_masked(&w, v);
	}
	oc_buf_puts(&b, "\n");
	return oc_out_flush(&b);
}

/* What was given, as JSON: JSON5 if it is that, else a text. */
static int value_text(const char *given, bool strict, struct oc_buf *out, struct oc_err *err)
{
	oc_auto_arena a = {0};
	struct oc_json *v;
	struct oc_json_writer w;

	oc_jw_init(&w, out, 0);
	if (oc_json_parse(&a, given, strlen(given), "VALUE", &v, strict ? err : NULL) == 0)
		oc_jw_value(&w, v);
	else if (strict)
		return -1;
	else
		oc_jw_string(&w, given);
	if (strstr(out->data, OC_CONFIG_REDACTED))
		return oc_fail(err, 0, "\"" OC_CONFIG_REDACTED "\" stands for a secret and is none");
	return 0;
}

static int report(const char *what, bool json, struct oc_config *after)
{
	oc_auto_buf b = {0};

	if (json)
		oc_buf_printf(&b, "{\"ok\":true,\"result\":\"%s\"}\n", what);
	else
		oc_buf_printf(&b, "%s\n", what);
	if (after && !json)
		oc_out_warnings(after);
	oc_config_unref(after);
	return oc_out_flush(&b);
}

static int set(int argc, char **argv)
{
	bool json = false, strict = false, text = false, changed;
	char **operands;
	struct oc_err err = {0};
	oc_auto_buf value = {0};
	struct oc_config *after;
	struct oc_config_options opt = {0};
	const struct oc_arg list[] = {
		{"strict-json", 0, NULL, "VALUE must be JSON", NULL, &strict, false},
		{"text", 0, NULL, "VALUE is a text, whatever it looks like", NULL, &text, false},
		{"json", 0, NULL, "print one JSON document", NULL, &json, false},
	};
	const struct oc_args a = {
		.command = "openclaw config set", .operands = "KEY VALUE",
		.about = "Set one value; comments and everything else in the file stay.  VALUE is "
			 "JSON5, or a text if it is not.  A file that would be wrong is not written.",
		.list = list, .count = sizeof(list) / sizeof(list[0]), .least = 2, .most = 2};

	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	if (text) {
		struct oc_json_writer w;
		oc_jw_init(&w, &value, 0);
		oc_jw_string(&w, operands[1]);
	} else if (value_text(operands[1], strict, &value, &err) < 0) {
		return oc_out_fail(&err, json, 2);
	}
	if (oc_config_edit_file(&opt, operands[0], value.data, &changed, &after, &err) < 0)
		return oc_out_fail(&err, json, 1);
	return report("set", json, after);
}

static int unset(int argc, char **argv)
{
	bool json = false, changed;
	char **operands;
	struct oc_err err = {0};
	struct oc_config *after;
	struct oc_config_options opt = {0};
	const struct oc_arg list[] = {
		{"json", 0, NULL, "print one JSON document", NULL, &json, false}};
	const struct oc_args a = {.command = "openclaw config unset", .operands = "KEY",
				  .about = "Remove one key.", .list = list, .count = 1, .least = 1,
				  .most = 1};

	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	if (oc_config_edit_file(&opt, operands[0], NULL, &changed, &after, &err) < 0)
		return oc_out_fail(&err, json, 1);
	if (!changed) {
		oc_fail(&err, 0, "%s is not set", operands[0]);
		return oc_out_fail(&err, json, 1);
	}
	return report("unset", json, after);
}

static int validate(int argc, char **argv)
{
	bool json = false;
	const char *file = NULL;
	char **operands;
	struct oc_err err = {0};
	oc_auto_config *c = NULL;
	oc_auto_buf b = {0};
	struct oc_config_options opt = {0};
	const struct oc_arg list[] = {
		{"config", 0, "FILE", "the file, in place of the usual one", &file, NULL, false},
		{"json", 0, NULL, "print one JSON document", NULL, &json, false},
	};
	const struct oc_args a = {.command = "openclaw config validate", .operands = "",
				  .about = "Say whether the gateway would start with this file.  Exit "
					   "status 78: no.",
				  .list = list, .count = sizeof(list) / sizeof(list[0])};

	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	opt.flags.config_path = file;
	if (oc_config_load(&opt, &c, &err) < 0)
		return oc_out_fail(&err, json, OC_EXIT_CONFIG);
	if (json) {
		struct oc_json_writer w;
		oc_jw_init(&w, &b, 2);
		oc_jw_object(&w);
		oc_jw_key(&w, "ok");
		oc_jw_bool(&w, true);
		oc_jw_key(&w, "path");
		oc_jw_string(&w, c->path);
		oc_jw_key(&w, "exists");
		oc_jw_bool(&w, c->exists);
		oc_jw_key(&w, "warnings");
		oc_jw_array(&w);
		for (size_t i = 0; i < c->warning_count; i++) {
			oc_jw_object(&w);
			oc_jw_key(&w, "path");
			oc_jw_string(&w, c->warnings[i].path);
			oc_jw_key(&w, "message");
			oc_jw_string(&w, c->warnings[i].text);
			oc_jw_object_end(&w);
		}
		oc_jw_array_end(&w);
		oc_jw_object_end(&w);
		oc_buf_puts(&b, "\n");
		return oc_out_flush(&b);
	}
	oc_out_warnings(c);
	oc_buf_printf(&b, "%s: %s\n", c->path, c->exists ? "valid" : "not there: defaults");
	return oc_out_flush(&b);
}

static int file(int argc, char **argv)
{
	char **operands;
	struct oc_err err = {0};
	oc_auto_arena arena = {0};
	oc_auto_buf b = {0};
	struct oc_conf_options conf = {0};
	const char *path;
	const struct oc_args a = {.command = "openclaw config file", .operands = "",
				  .about = "Print the path of the file."};

	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	if (oc_conf_path(&arena, &conf, &path, &err) < 0)
		return oc_out_fail(&err, false, 1);
	oc_buf_printf(&b, "%s\n", path);
	return oc_out_flush(&b);
}

static const struct oc_command commands[] = {
	{"get", get, "print a value; secrets are masked"},
	{"set", set, "set a value; comments stay"},
	{"unset", unset, "remove a key"},
	{"validate", validate, "say whether the gateway would start with it"},
	{"file", file, "print the path of the file"},
};

int oc_cmd_config(int argc, char **argv)
{
	return oc_command_run("openclaw config", commands, sizeof(commands) / sizeof(commands[0]),
			      argc - 1, argv + 1);
}
