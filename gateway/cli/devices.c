/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices - `openclaw devices list|approve|reject|remove|rename|rotate|revoke`: the device.* methods by hand.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/cli/cli.h"

static const char *text_of(const struct oc_json *v, const char *key, const char *otherwise)
{
	v = oc_json_get(v, key);
	return v && v->type == OC_JSON_STRING && *v->string ? v->string : otherwise;
}

static void scopes_text(struct oc_buf *b, const struct oc_json *v)
{
	bool first = true;

	for (const struct oc_json *e = v && v->type == OC_JSON_ARRAY ? v->child : NULL; e; e = e->next) {
		if (e->type != OC_JSON_STRING)
			continue;
		oc_buf_puts(b, first ? "" : ",");
		oc_out_text(b, strncmp(e->string, "operator.", 9) == 0 ? e->string + 9 : e->string);
		first = false;
	}
	if (first)
		oc_buf_puts(b, "-");
}

static void field(struct oc_buf *b, const struct oc_json *v, const char *key, const char *before)
{
	const char *s = text_of(v, key, NULL);

	if (!s)
		return;
	oc_buf_puts(b, before);
	oc_out_text(b, s);
}

static void list_text(struct oc_buf *b, const struct oc_json *v)
{
	const struct oc_json *pending = oc_json_get(v, "pending"), *paired = oc_json_get(v, "paired");

	oc_buf_printf(b, "Waiting for approval: %u\n", pending ? pending->count : 0);
	for (const struct oc_json *e = pending ? pending->child : NULL; e; e = e->next) {
		field(b, e, "requestId", "  ");
		oc_buf_puts(b, "\n");
		field(b, e, "displayName", "    ");
		field(b, e, "clientId", "    client ");
		field(b, e, "platform", " on ");
		field(b, e, "remoteIp", " from ");
		field(b, e, "reason", "; ");
		field(b, e, "role", "\n    role ");
		oc_buf_puts(b, ", scopes ");
		scopes_text(b, oc_json_get(e, "scopes"));
		oc_buf_puts(b, "\n");
	}
	oc_buf_printf(b, "Paired: %u\n", paired ? paired->count : 0);
	for (const struct oc_json *e = paired ? paired->child : NULL; e; e = e->next) {
		field(b, e, "deviceId", "  ");
		oc_buf_puts(b, "\n");
		field(b, e, text_of(e, "operatorLabel", NULL) ? "operatorLabel" : "displayName", "    ");
		field(b, e, "clientId", "    client ");
		field(b, e, "platform", " on ");
		oc_buf_puts(b, "\n    roles ");
		scopes_text(b, oc_json_get(e, "roles"));
		oc_buf_puts(b, ", scopes ");
		scopes_text(b, oc_json_get(e, "scopes"));
		oc_buf_puts(b, "\n");
	}
}

struct operation {
	const char *name, *method, *operands, *about, *done;
	const char *keys[2]; /* of the operands */
	size_t least;
};
static const struct operation operations[] = {
	{"list", "device.pair.list", "", "Devices that are paired, and requests that wait.", NULL,
	 {NULL}, 0},
	{"approve", "device.pair.approve", "[REQUEST]",
	 "Let a device in.  Without REQUEST: the only one that waits.", "approved", {"requestId"}, 0},
	{"reject", "device.pair.reject", "[REQUEST]", "Refuse a request.", "rejected", {"requestId"}, 0},
	{"remove", "device.pair.remove", "DEVICE", "Forget a device; its connections end.", "removed",
	 {"deviceId"}, 1},
	{"rename", "device.pair.rename", "DEVICE LABEL", "Give a device a name of your own.", "renamed",
	 {"deviceId", "label"}, 2},
	{"rotate", "device.token.rotate", "DEVICE [ROLE]",
	 "Make the token of a device worthless and give it a new one at its next connect.", "rotated",
	 {"deviceId", "role"}, 1},
	{"revoke", "device.token.revoke", "DEVICE [ROLE]",
	 "Make the token of a device worthless; the role must be approved again.", "revoked",
	 {"deviceId", "role"}, 1},
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* The one request that waits; a beginning of an id is enough as long as it is clear. */
static int complete(struct oc_call *c, const char *key, const char *given, const char **out,
		    struct oc_err *err)
{
	bool request = strcmp(key, "requestId") == 0;
	struct oc_json *v;
	const struct oc_json *found = NULL;
	unsigned n = 0;

	if (oc_call(c, "device.pair.list", "{}", false, &v, err) < 0)
		return -1;
	const struct oc_json *list = oc_json_get(v, request ? "pending" : "paired");
	for (const struct oc_json *e = list ? list->child : NULL; e; e = e->next) {
		const char *id = text_of(e, key, "");
		if (given && strcmp(id, given) == 0) {
			*out = id;
			return 0;
		}
		if (!given || (strlen(given) >= 4 && strncmp(id, given, strlen(given)) == 0)) {
			found = e;
			n++;
		}
	}
	if (n == 1) {
		*out = text_of(found, key, "");
		return 0;
	}
	if (n > 1)
		oc_fail(err, 0, "%u %s: say which", n, request ? "requests wait" : "devices fit");
	else
		oc_fail(err, 0, "%s%s%s", request ? "no request waits" : "no such device",
			given ? ": " : "", given ? given : "");
	return oc_err_hint(err, "`openclaw devices list` shows them");
}

static int perform(struct oc_call *c, const struct operation *o, int n, char **operands,
		   struct oc_json **v, struct oc_err *err)
{
	oc_auto_buf params = {0};
	struct oc_json_writer w;

	oc_jw_init(&w, &params, 0);
	oc_jw_object(&w);
	for (size_t i = 0; i < 2 && o->keys[i]; i++) {
		const char *value = (int)i < n ? operands[i] : NULL;
		if (strcmp(o->keys[i], "role") == 0)
			value = value ? value : "operator";
		else if (strcmp(o->keys[i], "label") != 0 &&
			 complete(c, o->keys[i], value, &value, err) < 0)
			return -1;
		oc_jw_key(&w, o->keys[i]);
		oc_jw_string(&w, value);
	}
	oc_jw_object_end(&w);
	return oc_call(c, o->method, params.data, false, v, err);
}

static int run(const struct operation *o, int argc, char **argv)
{
	struct oc_remote r = {0};
	char command[64], **operands;
	struct oc_err err = {0};
	struct oc_call c;
	struct oc_json *v;
	oc_auto_buf b = {0};
	const struct oc_arg list[] = {OC_REMOTE_ARGS(r)};
	size_t most = 0;

	snprintf(command, sizeof(command), "openclaw devices %s", o->name);
	while (most < 2 && o->keys[most])
		most++;
	const struct oc_args a = {.command = command, .operands = o->operands, .about = o->about,
				  .list = list, .count = sizeof(list) / sizeof(list[0]),
				  .least = o->least, .most = most};
	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	int status;
	if (oc_call_begin(&c, &r, "cli", &err) < 0 || perform(&c, o, n, operands, &v, &err) < 0) {
		status = oc_out_fail(&err, r.json, 1);
	} else if (r.json) {
		status = oc_out_json(v);
	} else {
		if (o->done)
			oc_buf_printf(&b, "%s\n", o->done);
		else
			list_text(&b, v);
		status = oc_out_flush(&b);
	}
	oc_call_end(&c);
	return status;
}

static int cmd(int argc, char **argv)
{
	for (size_t i = 0; i < OPERATIONS; i++)
		if (strcmp(operations[i].name, argv[0]) == 0)
			return run(&operations[i], argc, argv);
	return 2;
}

int oc_cmd_devices(int argc, char **argv)
{
	struct oc_command commands[OPERATIONS];

	for (size_t i = 0; i < OPERATIONS; i++)
		commands[i] = (struct oc_command){operations[i].name, cmd, operations[i].about};
	return oc_command_run("openclaw devices", commands, OPERATIONS, argc - 1, argv + 1);
}
