/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress - what a sandbox may reach: options, profile and configuration become plan->egress.
 *
 * Lists add up over the layers, as binds do; the mode is that of the last layer that says one.  A
 * layer with allow rules and without a mode means "allowlist".  A layer that says "none" takes away
 * what the layers before it allowed (a later one that switches the network on again does not bring
 * it back), but not what they denied.
 *
 * Every rule is read here by the code that the broker decides with: what is not exactly a rule
 * stops the plan.  Must never: end with a network that no layer asked for.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/plan/keys.h"

/* The largest budgets that the broker takes. */
#define BUDGET_MAX (INT64_C(1) << 52)
#define NAMES_MAX  (INT64_C(1) << 16)

enum { ALLOW, DENY, PRIVATE };

/* --- one element, of whatever origin --- */

static int put(struct oc_arena *a, struct oc_settings *s, int which, const char *text,
	       oc_origin origin, struct oc_err *err)
{
	struct oc_egress_rows *rows = &s->egress.list[which];
	for (size_t i = 0; i < rows->count; i++)
		if (strcmp(rows->items[i].text, text) == 0)
			return 0;
	if (rows->count >= OC_EGRESS_RULES_MAX) {
		oc_fail(err, 0, "more than %u rules in one list", OC_EGRESS_RULES_MAX);
		return oc_err_hint(err, "\"*.NAME\" is everything below a name");
	}
	*oc_vec_add(a, rows) = (struct oc_egress_list_row){ text, origin };
	return 0;
}

static int add_rule(struct oc_arena *a, struct oc_settings *s, int which, const char *text,
		    bool ech, oc_origin origin, struct oc_err *err)
{
	struct oc_egress_rule *r;
	unsigned flags = (which == DENY ? OC_EGRESS_RULE_DENY : 0) | (ech ? OC_EGRESS_RULE_ECH : 0);
	if (oc_egress_rule_parse(text, strlen(text), flags, &r, err) < 0)
		return -1;
	const char *normal = oc_arena_strndup(a, r->text, strlen(r->text));
	free(r);
	return put(a, s, which, normal, origin, err);
}

static int add_class(struct oc_arena *a, struct oc_settings *s, const char *name, oc_origin origin,
		     struct oc_err *err)
{
	uint32_t mask = 0;
	if (oc_egress_class_add(&mask, name, err) < 0)
		return -1;
	return put(a, s, PRIVATE, oc_addr_class_name(oc_addr_class_parse(name)), origin, err);
}

static void set_mode(struct oc_settings *s, enum oc_egress_mode mode, bool said, oc_origin origin)
{
	struct oc_egress_settings *e = &s->egress;
	e->mode = mode;
	e->mode_origin = origin;
	e->mode_said |= said;
	if (mode == OC_EGRESS_NONE)
		e->list[ALLOW].count = e->list[PRIVATE].count = 0;
}

/* --- configuration and profiles --- */

static bool has(const struct oc_json *egress, const char *key)
{
	const struct oc_json *v = oc_json_get(egress, key);
	return v && v->count;
}

static int key_mode(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	static const char *const names[] = { "none", "allowlist", "open", NULL };
	int mode = oc_egress_mode_parse(v->string);
	const char *near;
	(void)arg;
	if (mode < 0) {
		near = oc_nearest(v->string, names);
		oc_json_fail(c->a, v, err, "\"%.100s\" is none of: none, allowlist, open",
			     v->string);
		return near ? oc_err_hint(err, "did you mean \"%s\"?", near) : -1;
	}
	if (mode == OC_EGRESS_NONE && (has(v->parent, "allow") || has(v->parent, "allowPrivate"))) {
		oc_json_fail(c->a, v, err,
			     "the mode is \"none\", but there are rules that allow something");
		return oc_err_hint(err, "set the mode to \"allowlist\", or take the rules out");
	}
	set_mode(c->s, (enum oc_egress_mode)mode, true, oc_keys_origin(c, v));
	return 0;
}

static int rule_object(struct oc_keys_ctx *c, const struct oc_json *v, const char **text, bool *ech,
		       struct oc_err *err)
{
	const struct oc_json *rule = oc_json_get(v, "rule"), *word = oc_json_get(v, "ech");
	for (const struct oc_json *m = v->child; m; m = m->next) {
		if (m != rule && m != word) {
			oc_json_fail(c->a, m, err, "unknown key");
			return oc_err_hint(err, "a rule has \"rule\" and \"ech\"");
		}
		if (m->type != OC_JSON_STRING)
			return oc_json_fail(c->a, m, err, "must be string, not %s",
					    oc_json_type_name(m->type));
	}
	if (!rule)
		return oc_json_fail(c->a, v, err, "\"rule\" must be given");
	if (word && !oc_one_of(word->string, "allow", "refuse", NULL))
		return oc_json_fail(c->a, word, err, "\"%.100s\" is none of: allow, refuse",
				    word->string);
	*text = rule->string;
	*ech = word && strcmp(word->string, "allow") == 0;
	return 0;
}

static int key_rules(struct oc_keys_ctx *c, const struct oc_json *v, int which, struct oc_err *err)
{
	for (const struct oc_json *m = v->child; m; m = m->next) {
		const char *text = m->string;
		bool ech = false;
		if (m->type == OC_JSON_OBJECT && which == ALLOW) {
			if (rule_object(c, m, &text, &ech, err) < 0)
				return -1;
		} else if (m->type != OC_JSON_STRING) {
			return oc_json_fail(c->a, m, err, "must be string%s, not %s",
					    which == ALLOW ? " or object" : "",
					    oc_json_type_name(m->type));
		}
		oc_origin origin = oc_keys_origin(c, m);
		int r = which == PRIVATE ? add_class(c->a, c->s, text, origin, err)
					 : add_rule(c->a, c->s, which, text, ech, origin, err);
		if (r < 0)
			return oc_keys_at(c, m, err);
	}
	return 0;
}

enum { BUDGET_BYTES, BUDGET_CONNECTIONS, BUDGET_NAMES, BUDGET_OF_RULE = 4 };

static int budget_number(struct oc_keys_ctx *c, const struct oc_json *v, int arg,
			 struct oc_err *err)
{
	struct oc_egress_settings *e = &c->s->egress;
	struct oc_egress_budget *b = arg & BUDGET_OF_RULE ? &e->rule_budget : &e->budget;
	uint64_t bytes = 0;
	int64_t n = 0;
	if ((arg & 3) == BUDGET_BYTES) {
		if (oc_parse_size(oc_keys_text(c, v), &bytes, err) < 0)
			return oc_keys_at(c, v, err);
		if (bytes > BUDGET_MAX)
			return oc_json_fail(c->a, v, err, "is above %lld", (long long)BUDGET_MAX);
		b->upload_bytes = bytes;
		return 0;
	}
	/* 0 is "no budget" to the broker, and "nothing" to a reader */
	int64_t most = (arg & 3) == BUDGET_NAMES ? NAMES_MAX : BUDGET_MAX;
	if (oc_json_int(c->a, v, 1, most, &n, err) < 0)
		return oc_err_hint(err, "without the key there is no such limit");
	*((arg & 3) == BUDGET_NAMES ? &b->names : &b->connections) = (uint64_t)n;
	return 0;
}

static int key_rule_budget(struct oc_keys_ctx *c, const struct oc_json *v, int arg,
			   struct oc_err *err)
{
	static const struct oc_key table[] = {
		{ "connections", OC_T_NUMBER, budget_number, BUDGET_OF_RULE | BUDGET_CONNECTIONS },
		{ "names", OC_T_NUMBER, budget_number, BUDGET_OF_RULE | BUDGET_NAMES },
		{ "uploadBytes", OC_T_NUMBER | OC_T_STRING, budget_number,
		  BUDGET_OF_RULE | BUDGET_BYTES },
		{ NULL, 0, NULL, 0 },
	};
	(void)arg;
	return oc_keys_walk(c, v, table, err);
}

static int key_budgets(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	static const struct oc_key table[] = {
		{ "connections", OC_T_NUMBER, budget_number, BUDGET_CONNECTIONS },
		{ "names", OC_T_NUMBER, budget_number, BUDGET_NAMES },
		{ "rule", OC_T_OBJECT, key_rule_budget, 0 },
		{ "uploadBytes", OC_T_NUMBER | OC_T_STRING, budget_number, BUDGET_BYTES },
		{ NULL, 0, NULL, 0 },
	};
	(void)arg;
	return oc_keys_walk(c, v, table, err);
}

static const struct oc_key egress_table[] = {
	{ "allow", OC_T_ARRAY, key_rules, ALLOW },
	{ "allowPrivate", OC_T_ARRAY, key_rules, PRIVATE },
	{ "budgets", OC_T_OBJECT, key_budgets, 0 },
	{ "deny", OC_T_ARRAY, key_rules, DENY },
	{ "mode", OC_T_STRING, NULL, 0 }, /* taken before the others */
	{ NULL, 0, NULL, 0 },
};

int oc_key_egress(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	const struct oc_json *mode = oc_json_get(v, "mode");
	(void)arg;
	/* "none" empties the lists of earlier layers, and those only */
	if (mode && mode->type == OC_JSON_STRING && key_mode(c, mode, 0, err) < 0)
		return -1;
	if (oc_keys_walk(c, v, egress_table, err) < 0)
		return -1;
	if (!mode && has(v, "allow"))
		set_mode(c->s, OC_EGRESS_ALLOWLIST, false,
			 oc_keys_origin(c, oc_json_get(v, "allow")));
	return 0;
}

/* v is docker.network; native.egress of its object, in front of it or behind, may differ. */
static int docker_none(struct oc_keys_ctx *c, const struct oc_json *v, struct oc_err *err)
{
	const struct oc_json *sandbox = v->parent ? v->parent->parent : NULL;
	const struct oc_json *egress = oc_json_get(oc_json_get(sandbox, "native"), "egress");
	const struct oc_json *mode = oc_json_get(egress, "mode");
	bool on = mode ? mode->type == OC_JSON_STRING && strcmp(mode->string, "none") != 0
		       : has(egress, "allow");
	if (!on) {
		set_mode(c->s, OC_EGRESS_NONE, true, oc_keys_origin(c, v));
		return 0;
	}
	/* with scope "shared" the docker keys of one agent do not count */
	if (c->skip_docker)
		return 0;
	oc_json_fail(c->a, v, err,
		     "the network is \"none\", but native.egress of the same sandbox wants one");
	return oc_err_hint(err, "take one of them out");
}

int oc_key_docker_network(struct oc_keys_ctx *c, const struct oc_json *v, int arg,
			  struct oc_err *err)
{
	const char *name = oc_keys_text(c, v);
	(void)arg;
	if (strcasecmp(name, "none") == 0)
		return docker_none(c, v, err);
	if (strcasecmp(name, "bridge") == 0) {
		c->s->egress.bridge = v;
		return 0;
	}
	if (strcasecmp(name, "host") == 0)
		oc_json_fail(c->a, v, err,
			     "the network of the host is never shared with a sandbox");
	else if (strncasecmp(name, "container:", 10) == 0)
		oc_json_fail(c->a, v, err,
			     "the network of another container is never shared with a sandbox");
	else
		oc_json_fail(c->a, v, err,
			     "there is no network \"%.100s\": a sandbox has one of its own", name);
	return oc_err_hint(err,
			   "use \"none\", or say in sandbox.native.egress what may be reached");
}

/* --- the command line --- */

static int flag_rules(struct oc_builder *b, int which, const char *option, const char *const *list,
		      size_t count, struct oc_err *err)
{
	for (size_t i = 0; i < count; i++) {
		int r = which == PRIVATE
				? add_class(b->a, &b->s, list[i], option, err)
				: add_rule(b->a, &b->s, which, list[i], false, option, err);
		if (r < 0)
			return oc_err_context(err, "%s", option);
	}
	return 0;
}

/* The option among those of the command line that needs a network, or NULL. */
static const char *wants_network(const struct oc_plan_options *o)
{
	return o->allow_count		? "--allow"
	       : o->deny_count		? "--deny"
	       : o->allow_private_count ? "--allow-private"
					: NULL;
}

int oc_egress_flags(struct oc_builder *b, struct oc_err *err)
{
	const struct oc_plan_options *o = b->opt;
	const char *wants = wants_network(o);
	if (o->egress) {
		int mode = oc_egress_mode_parse(o->egress);
		if (mode < 0)
			return oc_fail(err, 0,
				       "--egress must be none, allowlist or open, not \"%.200s\"",
				       o->egress);
		if (mode == OC_EGRESS_NONE && wants)
			return oc_fail(err, 0, "--egress none and %s contradict each other", wants);
		set_mode(&b->s, (enum oc_egress_mode)mode, true, "--egress");
	} else if (o->allow_count) {
		set_mode(&b->s, OC_EGRESS_ALLOWLIST, true, "--allow");
	}
	if (wants && b->s.egress.mode == OC_EGRESS_NONE) {
		oc_fail(err, 0, "%s is given, but the sandbox has no network", wants);
		return oc_err_hint(err, "say with --allow what may be reached, or --egress open");
	}
	if (flag_rules(b, ALLOW, "--allow", o->allow, o->allow_count, err) < 0 ||
	    flag_rules(b, DENY, "--deny", o->deny, o->deny_count, err) < 0)
		return -1;
	return flag_rules(b, PRIVATE, "--allow-private", o->allow_private, o->allow_private_count,
			  err);
}

/* --- the plan --- */

/* docker.dns in the form of the broker's "resolvers". */
static void resolvers(struct oc_builder *b)
{
	struct oc_plan_egress *p = &b->plan->egress;
	const char **out = oc_arena_array(b->a, b->s.dns.count + 1, sizeof(*out));
	for (size_t i = 0; i < b->s.dns.count; i++) {
		const char *s = b->s.dns.items[i].text;
		out[i] = strchr(s, ':') ? oc_arena_printf(b->a, "[%s]:53", s) : s;
	}
	p->resolvers = out;
	p->resolver_count = b->s.dns.count;
}

static int check_size(const struct oc_egress_settings *e, struct oc_err *err)
{
	size_t bytes = 0;
	for (int i = 0; i < OC_EGRESS_LISTS; i++)
		for (size_t k = 0; k < e->list[i].count; k++)
			bytes += strlen(e->list[i].items[k].text) + 3; /* quotes and a comma */
	if (bytes <= OC_EGRESS_TEXT_ALL_MAX)
		return 0;
	oc_fail(err, 0, "the egress rules are %zu bytes, the limit is %u", bytes,
		OC_EGRESS_TEXT_ALL_MAX);
	return oc_err_hint(err, "\"*.NAME\" is everything below a name");
}

int oc_egress_finish(struct oc_builder *b, struct oc_err *err)
{
	struct oc_egress_settings *e = &b->s.egress;
	struct oc_plan_egress *p = &b->plan->egress;
	b->plan->origin[OC_V_EGRESS] = e->mode_origin ? e->mode_origin : "default";
	if (e->bridge && !e->mode_said) {
		oc_json_fail(b->a, e->bridge, err,
			     "network \"bridge\" does not say what may be reached");
		oc_err_hint(err, "set sandbox.native.egress.mode to \"allowlist\", \"open\" or "
				 "\"none\"");
		return oc_err_step(err, "config");
	}
	if (e->mode == OC_EGRESS_NONE)
		return 0;
	if (e->mode == OC_EGRESS_ALLOWLIST && e->list[ALLOW].count == 0) {
		oc_warn(b, "%s: the egress allowlist has no rule, so the sandbox has no network",
			e->mode_origin);
		return 0;
	}
	if (check_size(e, err) < 0)
		return -1;
	p->mode = e->mode;
	p->allow = e->list[ALLOW].items;
	p->allow_count = e->list[ALLOW].count;
	p->deny = e->list[DENY].items;
	p->deny_count = e->list[DENY].count;
	p->allow_private = e->list[PRIVATE].items;
	p->allow_private_count = e->list[PRIVATE].count;
	p->budget = e->budget;
	p->rule_budget = e->rule_budget;
	resolvers(b);
	return 0;
}
