/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest - agents (both dialects), session, hooks, logging.
 */
#include <string.h>

#include "base/fd.h"
#include "gateway/config/internal.h"

#define COUNT(x) (sizeof(x) / sizeof((x)[0]))
enum { agents_max = 4096, id_max = 64 };

/* Lower case; runs of anything but letters, digits, '_' and '-' become one '-'; no '-' at the ends; "main" if nothing stays. */
static const char *agent_id(struct oc_arena *a, const char *raw)
{
	char *out = oc_arena_alloc(a, strlen(raw) + 5);
	size_t n = 0;

	for (const char *p = raw; *p; p++) {
		char ch = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
		bool fine = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_' ||
			    ch == '-';
		if (fine)
			out[n++] = ch;
		else if (n > 0 && out[n - 1] != '-')
			out[n++] = '-';
	}
	size_t from = 0;
	while (from < n && out[from] == '-')
		from++;
	if (n - from > id_max)
		n = from + id_max;
	while (n > from && out[n - 1] == '-')
		n--;
	out[n] = 0;
	return n > from ? out + from : "main";
}

static int add_agent(struct oc_config_build *b, const char *raw, const struct oc_json *v,
		     struct oc_err *err)
{
	struct oc_config *c = b->c;
	struct oc_config_agent *agent = &c->agents[c->agent_count];

	if (v->type != OC_JSON_OBJECT)
		return oc_json_fail(b->a, v, err, "must be object, not %s",
				    oc_json_type_name(v->type));
	agent->id = agent_id(b->a, raw);
	for (size_t i = 0; i < c->agent_count; i++)
		if (strcmp(c->agents[i].id, agent->id) == 0)
			return oc_json_fail(b->a, v, err, "the agent \"%s\" is there twice",
					    agent->id);
	agent->node = v;
	agent->name = oc_config_string(v, "name", NULL);
	agent->workspace = oc_config_string(v, "workspace", NULL);
	agent->is_default = oc_config_bool(v, "default", false);
	c->agent_count++;
	if (!agent->is_default)
		return 0;
	if (c->default_agent && c->default_agent->is_default)
		return oc_json_fail(b->a, v, err, "\"%s\" and \"%s\" are both the default agent",
				    c->default_agent->id, agent->id);
	c->default_agent = agent;
	return 0;
}

static int agents(struct oc_config_build *b, struct oc_err *err)
{
	const struct oc_json *root = b->s->root, *list = oc_config_find(root, "agents.list"),
			     *map = oc_config_find(root, "agents.entries"), *from = list ? list : map;
	struct oc_config *c = b->c;

	if (list && map) {
		oc_json_fail(b->a, map, err, "agents.list is there too");
		return oc_err_hint(err, "keep one of the two");
	}
	c->agents_as_map = map != NULL;
	size_t n = from ? from->count : 0;
	if (n > agents_max)
		return oc_json_fail(b->a, from, err, "more than %d agents", agents_max);
	c->agents = oc_arena_array(b->a, n + 1, sizeof(*c->agents));
	for (const struct oc_json *v = from ? from->child : NULL; v; v = v->next) {
		const struct oc_json *id = oc_json_get(v, "id");
		if (id && id->type != OC_JSON_STRING)
			return oc_json_fail(b->a, id, err, "must be string, not %s",
					    oc_json_type_name(id->type));
		if (list && !id)
			return oc_json_fail(b->a, v, err, "an agent needs an id");
		if (add_agent(b, list ? id->string : v->key, v, err) < 0)
			return -1;
	}
	if (c->agent_count == 0) {
		c->agents[0] = (struct oc_config_agent){.id = "main", .is_default = true};
		c->agent_count = 1;
	}
	if (!c->default_agent)
		c->default_agent = &c->agents[0];
	return 0;
}

static int hooks(struct oc_config_build *b, struct oc_err *err)
{
	const struct oc_json *root = b->s->root, *v = oc_config_find(root, "hooks.token");
	struct oc_config *c = b->c;

	c->hooks.enabled = oc_config_bool(root, "hooks.enabled", false);
	if (v && v->type == OC_JSON_STRING && *v->string)
		c->hooks.token = v->string;
	for (size_t i = 0; i < b->s->secret_count; i++)
		if (strcmp(b->s->secrets[i].path, "hooks.token") == 0)
			c->hooks.token = b->s->secrets[i].value;
	c->hooks.path = "/hooks";
	if ((v = oc_config_find(root, "hooks.path"))) {
		size_t n = strlen(v->string);
		if (v->string[0] != '/' || n < 2 || strstr(v->string, "//") ||
		    strstr(v->string, "..") || strpbrk(v->string, "?#% \\"))
			return oc_json_fail(b->a, v, err, "must be a path like \"/hooks\"");
		c->hooks.path = oc_arena_strndup(b->a, v->string, n - (v->string[n - 1] == '/'));
	}
	return 0;
}

static int logging(struct oc_config_build *b, struct oc_err *err)
{
	static const char *const levels[] = {"silent", "fatal", "error", "warn",
					     "info",   "debug", "trace"};
	static const char *const styles[] = {"pretty", "json", "compact"};
	const struct oc_json *v;
	struct oc_config *c = b->c;
	unsigned level = OC_LOG_INFO, console = OC_LOG_INFO, style = 0;
	uint64_t max = 104857600;

	if (oc_config_enum(b, "logging.level", levels, COUNT(levels), &level, err) < 0 ||
	    oc_config_enum(b, "logging.consoleLevel", levels, COUNT(levels), &console, err) < 0 ||
	    oc_config_enum(b, "logging.consoleStyle", styles, COUNT(styles), &style, err) < 0 ||
	    oc_config_uint(b, "logging.maxFileBytes", 4096, UINT64_C(1) << 40, &max, err) < 0)
		return -1;
	if (b->s->env_log_level) {
		if (oc_config_word("OPENCLAW_LOG_LEVEL", b->s->env_log_level, levels, COUNT(levels),
				   &level, err) < 0)
			return -1;
		console = level;
	}
	c->log.level = (enum oc_log_level)level;
	c->log.console_level = (enum oc_log_level)console;
	c->log.console_json = style == 1;
	c->log.max_bytes = max;
	if ((v = oc_config_find(b->s->root, "logging.file"))) {
		const char *text = v->string;
		if (text[0] == '~' && text[1] == '/' && b->s->home)
			text = oc_arena_printf(b->a, "%s/%s", b->s->home, text + 2);
		c->log.file = oc_path_clean(b->a, text);
		if (!c->log.file)
			return oc_json_fail(b->a, v, err, "must be an absolute path without \"..\"");
	}
	return 0;
}

int oc_config_build_rest(struct oc_config_build *b, struct oc_err *err)
{
	static const char *const scopes[] = {"per-sender", "global"};
	unsigned scope = 0;

	if (oc_config_enum(b, "session.scope", scopes, COUNT(scopes), &scope, err) < 0)
		return -1;
	b->c->session_scope = scopes[scope];
	b->c->main_key = oc_config_string(b->s->root, "session.mainKey", "main");
	return agents(b, err) < 0 || hooks(b, err) < 0 || logging(b, err) < 0 ? -1 : 0;
}
