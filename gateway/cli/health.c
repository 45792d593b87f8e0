/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health - `openclaw health`, `status`, `logs`, `gateway call`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "gateway/cli/cli.h"
#include "gateway/server/server.h"

static const char *text_of(const struct oc_json *v, const char *key, const char *otherwise)
{
	v = oc_json_get(v, key);
	return v && v->type == OC_JSON_STRING ? v->string : otherwise;
}

static double number_of(const struct oc_json *v, const char *key, double otherwise)
{
	v = oc_json_get(v, key);
	return v && v->type == OC_JSON_NUMBER ? v->number : otherwise;
}

static void null_payload(struct oc_call *c, struct oc_json **v)
{
	if (!*v)
		*v = oc_arena_alloc(&c->arena, sizeof(**v));
}

int oc_cmd_call(int argc, char **argv)
{
	struct oc_remote r = {0};
	const char *params = NULL;
	bool final = false;
	char **operands;
	struct oc_err err = {0};
	struct oc_call c;
	struct oc_json *payload;
	oc_auto_buf text = {0};
	const struct oc_arg list[] = {
		{"params", 0, "JSON", "parameters (an object)", &params, NULL, false},
		{"expect-final", 0, NULL, "wait for the second answer of methods that have two", NULL,
		 &final, false},
		OC_REMOTE_ARGS(r),
	};
	const struct oc_args a = {.command = "openclaw gateway call", .operands = "METHOD",
				  .about = "Call a method of the gateway and print what it answers.",
				  .list = list, .count = sizeof(list) / sizeof(list[0]), .least = 1,
				  .most = 1};

	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	if (params) {
		oc_auto_arena arena = {0};
		struct oc_json *v;
		struct oc_json_writer w;
		if (oc_json_parse(&arena, params, strlen(params), "--params", &v, &err) < 0)
			return oc_out_fail(&err, r.json, 2);
		if (v->type != OC_JSON_OBJECT) {
			oc_fail(&err, 0, "--params: must be an object, not %s",
				oc_json_type_name(v->type));
			return oc_out_fail(&err, r.json, 2);
		}
		oc_jw_init(&w, &text, 0);
		oc_jw_value(&w, v);
	}
	int status = 0;
	if (oc_call_begin(&c, &r, "cli", &err) < 0 ||
	    oc_call(&c, operands[0], text.data ? text.data : "{}", final, &payload, &err) < 0) {
		status = oc_out_fail(&err, r.json, 1);
	} else {
		null_payload(&c, &payload);
		status = oc_out_json(payload);
	}
	oc_call_end(&c);
	return status;
}

static void health_text(struct oc_buf *b, const struct oc_json *v, double ms)
{
	const struct oc_json *agents = oc_json_get(v, "agents");

	oc_buf_printf(b, "Gateway: ok (%.1f ms)\n", ms);
	for (const struct oc_json *e = agents && agents->type == OC_JSON_ARRAY ? agents->child : NULL; e;
	     e = e->next) {
		const struct oc_json *d = oc_json_get(e, "isDefault");
		oc_buf_puts(b, "Agent: ");
		oc_out_text(b, text_of(e, "agentId", "?"));
		oc_buf_puts(b, d && d->boolean ? " (default)\n" : "\n");
	}
}

int oc_cmd_health(int argc, char **argv)
{
	struct oc_remote r = {0};
	bool verbose = false;
	char **operands;
	struct oc_err err = {0};
	struct oc_call c;
	struct oc_json *v;
	oc_auto_buf b = {0};
	const struct oc_arg list[] = {
		OC_REMOTE_ARGS(r),
		{"verbose", 'v', NULL, "print all of it", NULL, &verbose, false},
	};
	const struct oc_args a = {.command = "openclaw health", .operands = "",
				  .about = "Ask the gateway for its health.  Exit status 1: it does not "
					   "answer.",
				  .list = list, .count = sizeof(list) / sizeof(list[0])};

	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	int status;
	int64_t begin = oc_cli_mono_ms();
	if (oc_call_begin(&c, &r, "cli", &err) < 0 ||
	    oc_call(&c, "health", "{}", false, &v, &err) < 0) {
		status = oc_out_fail(&err, r.json, 1);
	} else {
		null_payload(&c, &v);
		if (!r.json)
			health_text(&b, v, (double)(oc_cli_mono_ms() - begin));
		status = r.json || verbose ? oc_out_flush(&b) | oc_out_json(v) : oc_out_flush(&b);
	}
	oc_call_end(&c);
	return status;
}

/* --- status --- */

static void local_part(struct oc_buf *b, const struct oc_config *c, bool all)
{
	char text[OC_ADDR_TEXT_MAX];

	oc_buf_puts(b, "Config: ");
	oc_out_text(b, c->path);
	oc_buf_puts(b, c->exists ? "\n" : " (not there: defaults)\n");
	oc_buf_puts(b, "State: ");
	oc_out_text(b, c->state_dir);
	oc_buf_printf(b, "\nAuth: %s", oc_config_auth_mode_name(c->auth.mode));
	if (c->auth.mode == OC_AUTH_TOKEN)
		oc_buf_printf(b, " (token from: %s)",
			      c->auth.token ? oc_config_from_name(c->auth.token_from) : "none yet");
	oc_buf_printf(b, "\nBind: %s, port %u (%s)\n", oc_config_bind_name(c->bind), c->port,
		      oc_config_from_name(c->port_from));
	if (!all)
		return;
	for (size_t i = 0; i < c->listen_count; i++)
		oc_buf_printf(b, "  listen %s%s\n", oc_addr_text(&c->listen[i].addr, text),
			      c->listen[i].optional ? " (if there is IPv6)" : "");
	oc_buf_printf(b, "TLS: %s\nTrusted proxies: %zu\nAgents:", c->tls.enabled ? "on" : "off",
		      c->trusted_proxy_count);
	for (size_t i = 0; i < c->agent_count; i++)
		oc_buf_printf(b, " %s%s", c->agents[i].id,
			      &c->agents[i] == c->default_agent ? "*" : "");
	oc_buf_puts(b, "\n");
	for (size_t i = 0; i < c->files.count; i++) {
		oc_buf_puts(b, "  file ");
		oc_out_text(b, c->files.list[i]);
		oc_buf_puts(b, "\n");
	}
	oc_buf_printf(b, "Warnings: %zu\n", c->warning_count);
	for (size_t i = 0; i < c->warning_count; i++) {
		oc_buf_puts(b, "  ");
		oc_out_text(b, c->warnings[i].text);
		oc_buf_puts(b, "\n");
	}
}

int oc_cmd_status(int argc, char **argv)
{
	struct oc_remote r = {0};
	bool all = false, deep = false;
	char **operands;
	struct oc_err err = {0}, why = {0};
	struct oc_call c;
	struct oc_json *v = NULL;
	oc_auto_buf b = {0};
	oc_auto_config *cfg = NULL;
	struct oc_config_options opt = {.client = true};
	struct oc_server_holder h = {0};
	const struct oc_arg list[] = {
		OC_REMOTE_ARGS(r),
		{"all", 0, NULL, "everything that is known", NULL, &all, false},
		{"deep", 0, NULL, "accepted", NULL, &deep, true},
	};
	const struct oc_args a = {.command = "openclaw status", .operands = "",
				  .about = "The gateway of this host, its configuration, what it serves.",
				  .list = list, .count = sizeof(list) / sizeof(list[0])};

	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	if (oc_config_load(&opt, &cfg, &err) < 0)
		return oc_out_fail(&err, r.json, OC_EXIT_CONFIG);
	int running = oc_call_holder(cfg, &h, NULL);
	bool ok = oc_call_begin(&c, &r, "cli", &why) == 0 &&
		  oc_call(&c, "status", "{}", false, &v, &why) == 0;
	int status = ok ? 0 : 1;
	if (r.json) {
		null_payload(&c, &v);
		status = ok ? oc_out_json(v) : oc_out_fail(&why, true, 1);
		oc_call_end(&c);
		return status;
	}
	if (running == 1)
		oc_buf_printf(&b, "Gateway: running (pid %d, port %u)\n", (int)h.pid, h.port);
	else
		oc_buf_puts(&b, "Gateway: not running here\n");
	if (ok) {
		char age[24];
		double up = number_of(oc_json_get(c.hello, "snapshot"), "uptimeMs", 0);
		const struct oc_json *s = oc_json_get(v, "sessions");
		oc_buf_puts(&b, "Version: ");
		oc_out_text(&b, text_of(v, "runtimeVersion", "?"));
		oc_buf_printf(&b, "\nUp for: %s\nSessions: %.0f\n",
			      oc_out_age(age, up > 0 && up < 1e15 ? (int64_t)up : 0),
			      number_of(s, "count", 0));
	}
	local_part(&b, cfg, all);
	oc_out_flush(&b);
	if (!ok)
		oc_err_print(&why, "openclaw", 2);
	oc_call_end(&c);
	return status;
}

/* --- logs --- */

static void plain_line(struct oc_buf *b, const char *line)
{
	oc_auto_arena a = {0};
	struct oc_json *v;

	if (oc_json_parse_message(&a, line, strlen(line), "log", OC_JSON_MAX_BYTES, &v, NULL) < 0 ||
	    v->type != OC_JSON_OBJECT) {
		oc_out_text(b, line);
		oc_buf_puts(b, "\n");
		return;
	}
	const struct oc_json *meta = oc_json_get(v, "_meta");
	oc_auto_arena inner = {0};
	struct oc_json *name = NULL;
	const char *subsystem = text_of(meta, "name", text_of(v, "0", ""));
	if (oc_json_parse_message(&inner, subsystem, strlen(subsystem), "log", 4096, &name, NULL) == 0)
		subsystem = text_of(name, "subsystem", subsystem);
	oc_out_text(b, text_of(v, "time", text_of(meta, "date", "")));
	oc_buf_puts(b, " ");
	oc_out_text(b, text_of(meta, "logLevelName", "INFO"));
	oc_buf_puts(b, " [");
	oc_out_text(b, subsystem);
	oc_buf_puts(b, "] ");
	oc_out_text(b, text_of(v, "message", text_of(v, "1", "")));
	oc_buf_puts(b, "\n");
}

static void json_line(struct oc_buf *b, const char *line)
{
	oc_auto_arena a = {0};
	struct oc_json *v;
	struct oc_json_writer w;

	oc_jw_init(&w, b, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "type");
	if (oc_json_parse_message(&a, line, strlen(line), "log", OC_JSON_MAX_BYTES, &v, NULL) == 0 &&
	    v->type == OC_JSON_OBJECT) {
		oc_jw_string(&w, "log");
		oc_jw_key(&w, "entry");
		oc_jw_value(&w, v);
	} else {
		oc_jw_string(&w, "raw");
		oc_jw_key(&w, "raw");
		oc_jw_string(&w, line);
	}
	oc_jw_object_end(&w);
	oc_buf_puts(b, "\n");
}

struct tail {
	long limit, max_bytes, interval;
	bool follow, json, plain;
	int64_t cursor; /* -1: none yet */
};

static int tail_once(struct oc_call *c, struct tail *t, struct oc_err *err)
{
	oc_auto_buf params = {0}, b = {0};
	struct oc_json *v;

	oc_buf_printf(&params, "{\"limit\":%ld,\"maxBytes\":%ld", t->limit, t->max_bytes);
	if (t->cursor >= 0)
		oc_buf_printf(&params, ",\"cursor\":%lld", (long long)t->cursor);
	oc_buf_puts(&params, "}");
	if (oc_call(c, "logs.tail", params.data, false, &v, err) < 0)
		return -1;
	const struct oc_json *lines = oc_json_get(v, "lines"), *reset = oc_json_get(v, "reset");
	if (t->json && t->cursor < 0) {
		struct oc_json_writer w;
		oc_jw_init(&w, &b, 0);
		oc_jw_object(&w);
		oc_jw_key(&w, "type");
		oc_jw_string(&w, "meta");
		oc_jw_key(&w, "file");
		oc_jw_string(&w, text_of(v, "file", ""));
		oc_jw_object_end(&w);
		oc_buf_puts(&b, "\n");
	}
	if (reset && reset->boolean && t->cursor >= 0)
		oc_buf_puts(&b, t->json ? "{\"type\":\"notice\",\"message\":\"the log was rotated\"}\n"
					: "-- the log was rotated\n");
	for (const struct oc_json *l = lines && lines->type == OC_JSON_ARRAY ? lines->child : NULL; l;
	     l = l->next) {
		if (l->type != OC_JSON_STRING)
			continue;
		if (t->json)
			json_line(&b, l->string);
		else
			plain_line(&b, l->string);
	}
	double cursor = number_of(v, "cursor", 0);
	t->cursor = cursor >= 0 && cursor < 9e15 ? (int64_t)cursor : 0;
	return oc_out_flush(&b) ? oc_fail(err, EPIPE, "standard output") : 0;
}

int oc_cmd_logs(int argc, char **argv)
{
	struct oc_remote r = {0};
	const char *limit = NULL, *bytes = NULL, *interval = NULL;
	struct tail t = {.limit = 200, .max_bytes = 250000, .interval = 1000, .cursor = -1};
	bool utc = false;
	char **operands;
	struct oc_err err = {0};
	struct oc_call c;
	const struct oc_arg list[] = {
		{"follow", 'f', NULL, "go on with what is written later", NULL, &t.follow, false},
		{"limit", 'n', "N", "so many lines (200)", &limit, NULL, false},
		{"max-bytes", 0, "N", "at most so many bytes (250000)", &bytes, NULL, false},
		{"interval", 0, "MS", "with --follow: how often to ask (1000)", &interval, NULL, false},
		{"plain", 0, NULL, "accepted: it is always plain", NULL, &t.plain, true},
		{"utc", 0, NULL, "accepted: times are as they were written", NULL, &utc, true},
		OC_REMOTE_ARGS(r),
	};
	const struct oc_args a = {.command = "openclaw logs", .operands = "",
				  .about = "The end of the gateway's log.  --json prints one document a "
					   "line.",
				  .list = list, .count = sizeof(list) / sizeof(list[0])};

	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	if ((limit && oc_args_number(&a, "limit", limit, 1, 5000, &t.limit) < 0) ||
	    (bytes && oc_args_number(&a, "max-bytes", bytes, 1, 1000000, &t.max_bytes) < 0) ||
	    (interval && oc_args_number(&a, "interval", interval, 100, 60000, &t.interval) < 0))
		return 2;
	t.json = r.json;
	int status = 0;
	if (oc_call_begin(&c, &r, "cli", &err) < 0 || tail_once(&c, &t, &err) < 0)
		status = 1;
	while (status == 0 && t.follow) {
		struct timespec pause = {.tv_sec = t.interval / 1000,
					 .tv_nsec = t.interval % 1000 * 1000000};
		nanosleep(&pause, NULL);
		oc_arena_free(&c.arena);
		c.arena = (struct oc_arena){0};
		if (tail_once(&c, &t, &err) < 0)
			status = 1;
	}
	if (status)
		oc_out_fail(&err, r.json, 1);
	oc_call_end(&c);
	return status;
}
