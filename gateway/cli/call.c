/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call - connect to the gateway as the command line, call a method, wait for its answer.
 *
 * The gateway of this host is found by the configuration, and by the record of the one that runs (its port may be 0 there).
 * With --url no credential of the configuration leaves this process: it would go to whoever listens there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "gateway/cli/cli.h"
#include "gateway/server/server.h"

enum { protocol = 4, response_max = 32 << 20 };

int oc_call_holder(const struct oc_config *c, struct oc_server_holder *out, struct oc_err *err)
{
	*out = (struct oc_server_holder){0};
	oc_auto_close fd = oc_openat2(AT_FDCWD, c->state_dir, O_RDONLY | O_DIRECTORY, 0, 0);
	if (fd < 0 && (errno == ENOENT || errno == EACCES))
		return 0;
	if (fd < 0)
		return oc_fail(err, errno, "state directory '%s'", c->state_dir);
	return oc_server_holder(fd, out, err);
}

static const char *local_url(struct oc_call *c)
{
	struct oc_server_holder h;
	struct oc_addr addr = c->config->listen[0].addr;
	uint16_t port = c->config->port;
	char text[OC_ADDR_TEXT_MAX];

	if (oc_call_holder(c->config, &h, NULL) == 1 && h.port)
		port = h.port;
	/* Loopback is always served but where a single other address was asked for. */
	for (size_t i = 0; i < c->config->listen_count; i++)
		if (oc_addr_classify(&c->config->listen[i].addr) == OC_ADDR_LOOPBACK)
			addr = c->config->listen[i].addr;
	if (oc_addr_classify(&addr) == OC_ADDR_LOOPBACK ||
	    oc_addr_classify(&addr) == OC_ADDR_UNSPECIFIED)
		addr = oc_addr_v4(127, 0, 0, 1);
	oc_addr_text(&addr, text);
	return oc_arena_printf(&c->arena, "%s://%s%s%s:%u", c->config->tls.enabled ? "wss" : "ws",
			       addr.family == 6 ? "[" : "", text, addr.family == 6 ? "]" : "", port);
}

struct who {
	const char *url, *token, *password, *ca;
};

static int choose(struct oc_call *c, const struct oc_remote *r, struct who *w, struct oc_err *err)
{
	const struct oc_config *cfg = c->config;
	const char *env = getenv("OPENCLAW_GATEWAY_URL");
	const struct oc_json *remote = oc_config_at(cfg, "gateway.remote.url"),
			     *mode = oc_config_at(cfg, "gateway.mode");

	*w = (struct who){.url = r->url, .token = r->token, .password = r->password};
	if (r->url)
		return 0;
	if (env && *env) {
		/* Whoever set this variable may have set those beside it. */
		w->url = env;
		if (!w->token && cfg->auth.token_from == OC_FROM_ENV)
			w->token = cfg->auth.token;
		if (!w->password && cfg->auth.password_from == OC_FROM_ENV)
			w->password = cfg->auth.password;
		return 0;
	}
	if (mode && mode->type == OC_JSON_STRING && strcmp(mode->string, "remote") == 0) {
		if (!remote || remote->type != OC_JSON_STRING) {
			oc_fail(err, 0, "gateway.mode is remote, and there is no gateway.remote.url");
			return oc_err_hint(err, "set it, or name the gateway with --url");
		}
		const struct oc_json *t = oc_config_at(cfg, "gateway.remote.token"),
				     *p = oc_config_at(cfg, "gateway.remote.password");
		w->url = remote->string;
		if (!w->token && t && t->type == OC_JSON_STRING && !t->unset_env)
			w->token = t->string;
		if (!w->password && p && p->type == OC_JSON_STRING && !p->unset_env)
			w->password = p->string;
		return 0;
	}
	w->url = local_url(c);
	w->ca = cfg->tls.enabled ? cfg->tls.cert : NULL;
	if (!w->token)
		w->token = cfg->auth.token;
	if (!w->password)
		w->password = cfg->auth.password;
	return 0;
}

static void member(struct oc_json_writer *w, const char *key, const char *s)
{
	oc_jw_key(w, key);
	oc_jw_string(w, s);
}

static void connect_params(struct oc_json_writer *w, const struct who *who, const char *mode)
{
	static const char *const scopes[] = {"operator.admin", "operator.approvals",
					     "operator.pairing", "operator.read", "operator.write"};
	oc_jw_object(w);
	oc_jw_key(w, "minProtocol");
	/* A probe may look at an older gateway. */
	oc_jw_int(w, strcmp(mode, "probe") == 0 ? 3 : protocol);
	oc_jw_key(w, "maxProtocol");
	oc_jw_int(w, protocol);
	oc_jw_key(w, "client");
	oc_jw_object(w);
	member(w, "id", "cli");
	member(w, "version", PACKAGE_VERSION);
	member(w, "platform", "linux");
	member(w, "mode", mode);
	oc_jw_object_end(w);
	member(w, "role", "operator");
	oc_jw_key(w, "scopes");
	oc_jw_array(w);
	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
		oc_jw_string(w, scopes[i]);
	oc_jw_array_end(w);
	if (who->token || who->password) {
		oc_jw_key(w, "auth");
		oc_jw_object(w);
		if (who->token)
			member(w, "token", who->token);
		if (who->password)
			member(w, "password", who->password);
		oc_jw_object_end(w);
	}
	oc_jw_object_end(w);
}

static int next_message(struct oc_call *c, int64_t deadline, struct oc_json **out,
			struct oc_err *err)
{
	const char *text;
	size_t len;

	if (oc_ws_receive(c->ws, deadline, &text, &len, err) < 0)
		return -1;
	return oc_json_parse_message(&c->arena, text, len, "gateway", response_max, out, err);
}

static const char *text_of(const struct oc_json *v, const char *key)
{
	v = oc_json_get(v, key);
	return v && v->type == OC_JSON_STRING ? v->string : "";
}

static int refused(struct oc_call *c, const struct oc_json *res, struct oc_err *err)
{
	const struct oc_json *e = oc_json_get(res, "error");
	const char *code, *hint;

	c->code = text_of(e, "code");
	c->details = oc_json_get(e, "details");
	oc_fail(err, 0, "the gateway says: %s (%s)", text_of(e, "message"), c->code);
	code = text_of(c->details, "code");
	hint = text_of(c->details, "remediationHint");
	if (*hint)
		oc_err_hint(err, "%s", hint);
	else if (strncmp(code, "AUTH_TOKEN", 10) == 0)
		oc_err_hint(err, "give the gateway's token: --token, or OPENCLAW_GATEWAY_TOKEN");
	else if (strncmp(code, "AUTH_PASSWORD", 13) == 0)
		oc_err_hint(err, "give the gateway's password: --password, or "
				 "OPENCLAW_GATEWAY_PASSWORD");
	else if (strcmp(code, "MISSING_SCOPE") == 0)
		oc_err_hint(err, "from another machine, or through a proxy, this command has no "
				 "rights: run it on the gateway's host");
	return -1;
}

static int request(struct oc_call *c, const char *method, const char *params, bool expect_final,
		   struct oc_json **payload, struct oc_err *err)
{
	int64_t deadline = oc_cli_mono_ms() + c->timeout_ms;
	oc_auto_buf b = {0};
	struct oc_json_writer w;
	char id[16];

	snprintf(id, sizeof(id), "%u", ++c->next);
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	member(&w, "type", "req");
	member(&w, "id", id);
	member(&w, "method", method);
	if (params) {
		/* whole and checked before: the caller's */
		oc_jw_key(&w, "params");
		oc_buf_puts(&b, params);
	}
	oc_buf_puts(&b, "}");
	c->code = NULL;
	c->details = NULL;
	if (oc_ws_send(c->ws, b.data, b.len, err) < 0)
		return -1;
	for (;;) {
		struct oc_json *v;
		if (next_message(c, deadline, &v, err) < 0)
			return -1;
		const struct oc_json *ok = oc_json_get(v, "ok");
		if (strcmp(text_of(v, "type"), "res") != 0 || strcmp(text_of(v, "id"), id) != 0)
			continue;
		if (!ok || ok->type != OC_JSON_BOOL || !ok->boolean)
			return refused(c, v, err);
		*payload = oc_json_get(v, "payload");
		if (expect_final && strcmp(text_of(*payload, "status"), "accepted") == 0)
			continue;
		return 0;
	}
}

int oc_call_begin(struct oc_call *c, const struct oc_remote *r, const char *mode,
		  struct oc_err *err)
{
	struct oc_config_options opt = {.client = true};
	struct oc_ws_target target;
	struct who who;
	struct oc_json *v;
	oc_auto_buf params = {0};
	struct oc_json_writer w;

	*c = (struct oc_call){.timeout_ms = 10000};
	if (r->timeout) {
		char *end;
		c->timeout_ms = strtol(r->timeout, &end, 10);
		if (*end || c->timeout_ms < 1 || c->timeout_ms > 86400000)
			return oc_fail(err, 0, "--timeout: a number of milliseconds, not \"%s\"",
				       r->timeout);
	}
	int64_t deadline = oc_cli_mono_ms() + c->timeout_ms;
	if (oc_config_load(&opt, &c->config, err) < 0 || choose(c, r, &who, err) < 0)
		return -1;
	c->url = who.url;
	if (oc_ws_url(who.url, &target, err) < 0 ||
	    oc_ws_open(&c->ws, &target, who.ca, deadline, err) < 0)
		return -1;
	do {
		if (next_message(c, deadline, &v, err) < 0)
			return -1;
	} while (strcmp(text_of(v, "event"), "connect.challenge") != 0);
	oc_jw_init(&w, &params, 0);
	connect_params(&w, &who, mode);
	oc_buf_puts(&params, "");
	return request(c, "connect", params.data, false, &c->hello, err);
}

int oc_call(struct oc_call *c, const char *method, const char *params, bool expect_final,
	    struct oc_json **payload, struct oc_err *err)
{
	return request(c, method, params, expect_final, payload, err);
}

void oc_call_end(struct oc_call *c)
{
	oc_ws_close(c->ws);
	oc_config_unref(c->config);
	oc_arena_free(&c->arena);
	*c = (struct oc_call){0};
}
