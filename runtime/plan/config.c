/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - finds openclaw.json, the agent in it, and applies both sandbox objects.
 *
 * Reads agents.defaults.sandbox, agents.list[].sandbox (or agents.entries.<id>.sandbox), and of each agent id, default
 * and workspace.  Everything else in the file belongs to other programs.  The sandbox objects of all agents are checked,
 * not only the one that runs: a file is right or it is not.
 */
#include <stdlib.h>
#include <string.h>

#include "base/conftext.h"
#include "runtime/plan/internal.h"

#define MAX_AGENTS 4096

static int load_file(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	const struct oc_conf_options conf = {
		.include_roots = getenv("OPENCLAW_INCLUDE_ROOTS"),
		/* channels and models have variables that only the gateway's environment has */
		.keep_unset = true,
	};
	const char *named = b->opt->config ? "--config" : getenv("OPENCLAW_CONFIG_PATH") ? "OPENCLAW_CONFIG_PATH" : NULL;
	struct oc_err ignored;
	if (b->opt->no_config) {
		if (b->opt->config)
			return oc_fail(err, 0, "--config and --no-config contradict each other");
		return 0;
	}
	if (b->opt->config) {
		if (oc_path_given(b, "--config", b->opt->config, &plan->config_path, err) < 0)
			return -1;
	} else if (oc_conf_path(b->a, &conf, &plan->config_path, named ? err : &ignored) < 0) {
		/* no home: there is no usual place, and nobody named another */
		return named ? -1 : 0;
	}
	if (oc_conf_load(b->a, plan->config_path, &conf, &plan->config, err) < 0)
		return -1;
	if (!plan->config && named) {
		oc_fail(err, 0, "%s: there is no file %.300s", named, plan->config_path);
		return oc_err_hint(err, "make it, or say --no-config to run without a configuration");
	}
	return 0;
}

static int add_agent(struct oc_builder *b, const char *raw, const struct oc_json *entry, struct oc_err *err)
{
	const char *id = oc_agent_id(b->a, raw);
	for (size_t i = 0; i < b->agent_count; i++)
		if (strcmp(b->agent_ids[i], id) == 0)
			return oc_json_fail(b->a, entry, err, "the agent \"%s\" is there twice", id);
	b->agent_ids[b->agent_count] = id;
	b->agent_entries[b->agent_count++] = entry;
	return 0;
}

static int expect(struct oc_builder *b, const struct oc_json *v, enum oc_json_type type, struct oc_err *err)
{
	if (!v || v->type == type)
		return 0;
	return oc_json_fail(b->a, v, err, "must be %s, not %s", oc_json_type_name(type), oc_json_type_name(v->type));
}

static int collect_list(struct oc_builder *b, const struct oc_json *list, struct oc_err *err)
{
	for (const struct oc_json *e = list->child; e; e = e->next) {
		const struct oc_json *id = oc_json_get(e, "id");
		if (expect(b, e, OC_JSON_OBJECT, err) < 0)
			return -1;
		if (!id || id->type != OC_JSON_STRING)
			return oc_json_fail(b->a, id ? id : e, err, "an agent needs an id (a string)");
		if (add_agent(b, id->string, e, err) < 0)
			return -1;
	}
	return 0;
}

static int collect_agents(struct oc_builder *b, const struct oc_json *agents, struct oc_err *err)
{
	const struct oc_json *list = oc_json_get(agents, "list"), *entries = oc_json_get(agents, "entries");
	size_t n = (list ? list->count : 0) + (entries ? entries->count : 0);
	b->defaults = oc_json_get(agents, "defaults");
	if (expect(b, agents, OC_JSON_OBJECT, err) < 0 || expect(b, list, OC_JSON_ARRAY, err) < 0 ||
	    expect(b, entries, OC_JSON_OBJECT, err) < 0 || expect(b, b->defaults, OC_JSON_OBJECT, err) < 0)
		return -1;
	for (const struct oc_json *m = agents ? agents->child : NULL; m; m = m->next) {
		/* a dialect that some guides show: the agent directly below agents; its sandbox would be lost */
		if (m == list || m == entries || m == b->defaults || !oc_json_get(m, "sandbox"))
			continue;
		oc_json_fail(b->a, m, err, "an agent cannot be directly below \"agents\"");
		return oc_err_hint(err, "write it as agents.list[] with id \"%.100s\", or as agents.entries.%.100s", m->key,
				   m->key);
	}
	if (n > MAX_AGENTS)
		return oc_json_fail(b->a, agents, err, "more than %d agents", MAX_AGENTS);
	b->agent_ids = oc_arena_array(b->a, n, sizeof(*b->agent_ids));
	b->agent_entries = oc_arena_array(b->a, n, sizeof(*b->agent_entries));
	if (list && collect_list(b, list, err) < 0)
		return -1;
	for (const struct oc_json *e = entries ? entries->child : NULL; e; e = e->next)
		if (expect(b, e, OC_JSON_OBJECT, err) < 0 || add_agent(b, e->key, e, err) < 0)
			return -1;
	return 0;
}

static const char *default_agent(struct oc_builder *b, struct oc_err *err)
{
	for (size_t i = 0; i < b->agent_count; i++) {
		const struct oc_json *v = oc_json_get(b->agent_entries[i], "default");
		if (expect(b, v, OC_JSON_BOOL, err) < 0)
			return NULL;
		if (v && v->boolean)
			return b->agent_ids[i];
	}
	return b->agent_count ? b->agent_ids[0] : "main";
}

/* --agent must name an agent of the file, if the file names any. */
static int find_agent(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	if (oc_check_text("--agent", b->opt->agent, err) < 0)
		return -1;
	if (strlen(b->opt->agent) > 256)
		return oc_fail(err, 0, "--agent is longer than 256 bytes");
	plan->agent = oc_agent_id(b->a, b->opt->agent);
	plan->origin[OC_V_AGENT] = "--agent";
	for (size_t i = 0; i < b->agent_count; i++) {
		if (strcmp(b->agent_ids[i], plan->agent) == 0) {
			b->agent_entry = b->agent_entries[i];
			return 0;
		}
	}
	if (b->agent_count == 0)
		return 0;
	const char **names = oc_arena_array(b->a, b->agent_count + 1, sizeof(*names));
	memcpy(names, b->agent_ids, b->agent_count * sizeof(*names));
	const char *near = oc_nearest(plan->agent, names);
	oc_fail(err, 0, "there is no agent \"%s\" in %.300s", plan->agent, plan->config_path);
	return near ? oc_err_hint(err, "did you mean \"%s\"?", near) : oc_err_hint(err, "known: %s", names[0]);
}

static int workspace_text(struct oc_builder *b, const struct oc_json *v, struct oc_err *err)
{
	const char *s = v->string, *home = getenv("HOME");
	if (v->type != OC_JSON_STRING)
		return expect(b, v, OC_JSON_STRING, err);
	if (oc_keys_no_unset(b->a, v, err) < 0)
		return -1;
	if (s[0] == '~' && (s[1] == '/' || !s[1]) && home)
		s = oc_arena_printf(b->a, "%s%s", home, s + 1);
	if (oc_parse_path(b->a, "the workspace", s, &b->agent_workspace, err) < 0)
		return oc_err_context(err, "%s:%u: %s", v->file, v->line, oc_json_path(b->a, v));
	b->agent_workspace_origin = oc_origin_json(b->a, v);
	return 0;
}

/* agent.workspace, else for the default agent agents.defaults.workspace, else <state>/workspace[-<id>]. */
static int find_workspace(struct oc_builder *b, struct oc_err *err)
{
	const struct oc_json *own = oc_json_get(b->agent_entry, "workspace");
	const struct oc_json *common = oc_json_get(b->defaults, "workspace");
	const struct oc_conf_options conf = { 0 };
	const char *fallback = default_agent(b, err), *state;
	if (!fallback)
		return -1;
	bool is_default = strcmp(fallback, b->plan->agent) == 0;
	if (own)
		return workspace_text(b, own, err);
	if (common && is_default)
		return workspace_text(b, common, err);
	if (oc_conf_state_dir(b->a, &conf, &state, err) < 0)
		return -1;
	b->agent_workspace = is_default ? oc_arena_printf(b->a, "%s/workspace", state) :
					  oc_arena_printf(b->a, "%s/workspace-%s", state, b->plan->agent);
	b->agent_workspace_origin = "default";
	return 0;
}

int oc_config_load(struct oc_builder *b, struct oc_err *err)
{
	if (load_file(b, err) < 0)
		return oc_err_step(err, "config");
	if (b->plan->config) {
		if (expect(b, b->plan->config, OC_JSON_OBJECT, err) < 0 ||
		    collect_agents(b, oc_json_get(b->plan->config, "agents"), err) < 0)
			return oc_err_step(err, "config");
	}
	if (!b->opt->agent)
		return 0;
	if (find_agent(b, err) < 0 || find_workspace(b, err) < 0)
		return oc_err_step(err, "config");
	return 0;
}

static const struct oc_json *profile_key(const struct oc_json *agent)
{
	return oc_json_get(oc_json_get(oc_json_get(agent, "sandbox"), "native"), "profile");
}

int oc_config_profile(struct oc_builder *b, const char **name, oc_origin *origin, struct oc_err *err)
{
	const struct oc_plan_options *o = b->opt;
	if (o->profile && o->profile_file)
		return oc_fail(err, 0, "--profile and --profile-file contradict each other");
	if (o->profile || o->profile_file) {
		*name = o->profile ? o->profile : o->profile_file;
		*origin = o->profile ? "--profile" : "--profile-file";
		return 0;
	}
	const struct oc_json *v = profile_key(b->agent_entry);
	if (!v)
		v = profile_key(b->defaults);
	*name = "default";
	*origin = "default";
	if (!v)
		return 0;
	if (expect(b, v, OC_JSON_STRING, err) < 0)
		return oc_err_step(err, "config");
	if (oc_keys_no_unset(b->a, v, err) < 0)
		return oc_err_step(err, "config");
	*name = v->string;
	*origin = oc_origin_json(b->a, v);
	return 0;
}

/* scope of one sandbox object, NULL if it says none */
static const char *scope_of(const struct oc_json *agent)
{
	const struct oc_json *sandbox = oc_json_get(agent, "sandbox");
	const struct oc_json *scope = oc_json_get(sandbox, "scope"), *old = oc_json_get(sandbox, "perSession");
	if (scope)
		return scope->type == OC_JSON_STRING ? scope->string : NULL;
	return old && old->type == OC_JSON_BOOL ? (old->boolean ? "session" : "shared") : NULL;
}

static bool shared_scope(const struct oc_builder *b)
{
	const char *scope = b->opt->scope;
	if (!scope)
		scope = scope_of(b->agent_entry);
	if (!scope)
		scope = scope_of(b->defaults);
	return scope && strcmp(scope, "shared") == 0;
}

int oc_config_apply(struct oc_builder *b, struct oc_err *err)
{
	const struct oc_json *common = oc_json_get(b->defaults, "sandbox");
	const struct oc_json *own = oc_json_get(b->agent_entry, "sandbox");
	if (common && oc_keys_sandbox(b, &b->s, common, false, err) < 0)
		return oc_err_step(err, "config");
	/* one sandbox for all agents cannot have the mounts and limits of one of them */
	if (own && oc_keys_sandbox(b, &b->s, own, shared_scope(b), err) < 0)
		return oc_err_step(err, "config");
	for (size_t i = 0; i < b->agent_count; i++) {
		const struct oc_json *other = oc_json_get(b->agent_entries[i], "sandbox");
		struct oc_settings unused = { 0 };
		size_t warnings = b->warnings.count;
		if (!other || other == own)
			continue;
		if (oc_keys_sandbox(b, &unused, other, false, err) < 0)
			return oc_err_step(err, "config");
		b->warnings.count = warnings;
	}
	return 0;
}
