/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path - the name of a place in the configuration.
 */
#include "gateway/config/path.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/config/config.h"

static int bad(const char *text, const char *why, struct oc_err *err)
{
	oc_fail(err, 0, "\"%.200s\" is no path of a key: %s", text, why);
	return oc_err_hint(err, "for example gateway.auth.mode, agents.list[0].name or "
				"env.vars[\"A.B\"]");
}

/* [3] or ["key"] or ['key']; *p stands on the bracket and then behind it. */
static const char *bracket(struct oc_arena *a, const char **p, struct oc_config_step *step)
{
	const char *s = *p + 1;

	if (*s == '"' || *s == '\'') {
		const char *end = strchr(s + 1, *s);
		if (!end || end[1] != ']')
			return "a quote is not closed";
		step->key = oc_arena_strndup(a, s + 1, (size_t)(end - s - 1));
		*p = end + 2;
		return NULL;
	}
	size_t n = strspn(s, "0123456789");
	if (n == 0 || n > 9 || s[n] != ']')
		return "in [ ] stands a number or a quoted key";
	step->key = NULL;
	step->index = (unsigned)strtoul(s, NULL, 10);
	*p = s + n + 1;
	return NULL;
}

int oc_config_path_parse(struct oc_arena *a, const char *text, struct oc_config_path *out,
			 struct oc_err *err)
{
	const char *p = text;

	*out = (struct oc_config_path){0};
	while (*p) {
		if (out->count == OC_CONFIG_PATH_MAX)
			return bad(text, "it has too many steps", err);
		struct oc_config_step *step = &out->step[out->count++];
		if (*p == '[') {
			const char *why = bracket(a, &p, step);
			if (why)
				return bad(text, why, err);
		} else {
			size_t n = strcspn(p, ".[");
			if (n == 0)
				return bad(text, "a key is empty", err);
			step->key = oc_arena_strndup(a, p, n);
			p += n;
		}
		if (*p == '.' && !*++p)
			return bad(text, "it ends with a dot", err);
		else if (*p && *p != '[' && p[-1] != '.')
			return bad(text, "behind ] comes a dot", err);
	}
	return out->count ? 0 : bad(text, "it is empty", err);
}

struct oc_json *oc_config_path_step(const struct oc_json *v, const struct oc_config_step *step)
{
	unsigned index = step->index;

	if (!v || (v->type != OC_JSON_OBJECT && v->type != OC_JSON_ARRAY))
		return NULL;
	if (v->type == OC_JSON_OBJECT)
		return step->key ? oc_json_get(v, step->key) : NULL;
	if (step->key) {
		size_t n = strspn(step->key, "0123456789");
		if (n == 0 || n > 9 || step->key[n])
			return NULL;
		index = (unsigned)strtoul(step->key, NULL, 10);
	}
	struct oc_json *m = v->child;
	while (m && index-- > 0)
		m = m->next;
	return m;
}

const struct oc_json *oc_config_at(const struct oc_config *c, const char *path)
{
	oc_auto_arena a = {0};
	struct oc_config_path steps;
	const struct oc_json *v = c->root;

	if (oc_config_path_parse(&a, path, &steps, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < steps.count && v; i++)
		v = oc_config_path_step(v, &steps.step[i]);
	return v;
}
