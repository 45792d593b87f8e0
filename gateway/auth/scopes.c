/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scopes - sets of rights, and what one right implies.  Pure.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/auth/internal.h"

static const char *full[] = {
	"operator.admin", "operator.approvals",	   "operator.pairing",
	"operator.read",  "operator.talk.secrets", "operator.write",
};
const struct oc_scopes oc_scopes_full = {.list = full, .count = sizeof(full) / sizeof(full[0])};

bool oc_scopes_has(const struct oc_scopes *s, const char *one)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->list[i], one) == 0)
			return true;
	return false;
}

bool oc_scopes_allow(const struct oc_scopes *s, const char *need)
{
	if (oc_scopes_has(s, need))
		return true;
	if (strncmp(need, "operator.", 9) != 0)
		return false;
	if (oc_scopes_has(s, "operator.admin"))
		return true;
	if (strcmp(need, "operator.read") == 0 || strcmp(need, "operator.talk") == 0)
		return oc_scopes_has(s, "operator.write");
	return false;
}

bool oc_scopes_cover(const struct oc_scopes *s, const struct oc_scopes *asked)
{
	for (size_t i = 0; i < asked->count; i++)
		if (!oc_scopes_allow(s, asked->list[i]))
			return false;
	return true;
}

void oc_scopes_add(struct oc_scopes *s, const struct oc_scopes *more)
{
	const char **list = reallocarray(s->list, s->count + more->count + 1, sizeof(*list));

	if (!list)
		oc_oom();
	s->list = list;
	for (size_t i = 0; i < more->count; i++) {
		if (oc_scopes_has(s, more->list[i]))
			continue;
		list[s->count] = strdup(more->list[i]);
		if (!list[s->count++])
			oc_oom();
	}
}

struct oc_scopes oc_scopes_copy(const struct oc_scopes *s)
{
	struct oc_scopes out = {0};
	oc_scopes_add(&out, s);
	return out;
}

void oc_scopes_free(struct oc_scopes *s)
{
	for (size_t i = 0; i < s->count; i++)
		free((void *)s->list[i]);
	free(s->list);
	*s = (struct oc_scopes){0};
}

struct oc_scopes oc_scopes_within(struct oc_arena *a, const struct oc_scopes *asked,
				  const struct oc_scopes *by)
{
	struct oc_scopes out = {.list = oc_arena_array(a, asked->count, sizeof(*out.list))};

	for (size_t i = 0; i < asked->count; i++)
		if (oc_scopes_allow(by, asked->list[i]) && !oc_scopes_has(&out, asked->list[i]))
			out.list[out.count++] = asked->list[i];
	return out;
}

struct oc_scopes oc_scopes_parse(struct oc_arena *a, const char *text)
{
	struct oc_scopes out = {.list = oc_arena_array(a, strlen(text) / 2 + 1, sizeof(*out.list))};

	while (*text) {
		text += strspn(text, ", \t");
		size_t n = strcspn(text, ", \t");
		if (n > 0)
			out.list[out.count++] = oc_arena_strndup(a, text, n);
		text += n;
	}
	return out;
}

void oc_scopes_write(struct oc_json_writer *w, const struct oc_scopes *s)
{
	oc_jw_array(w);
	for (size_t i = 0; i < s->count; i++)
		oc_jw_string(w, s->list[i]);
	oc_jw_array_end(w);
}

struct oc_scopes oc_scopes_capped(struct oc_arena *a, const struct oc_scopes *s,
				  const struct oc_auth_peer *peer)
{
	if (!peer->scopes_capped)
		return *s;
	struct oc_scopes cap = oc_scopes_parse(a, peer->scopes);
	/* Both ways: a cap of read leaves read of admin, a cap of admin leaves what there is. */
	struct oc_scopes out = oc_scopes_within(a, &cap, s), other = oc_scopes_within(a, s, &cap);
	const char **list = oc_arena_array(a, out.count + other.count, sizeof(*list));
	size_t n = 0;
	for (size_t i = 0; i < out.count; i++)
		list[n++] = out.list[i];
	for (size_t i = 0; i < other.count; i++)
		if (!oc_scopes_has(&out, other.list[i]))
			list[n++] = other.list[i];
	return (struct oc_scopes){.list = list, .count = n};
}

struct oc_scopes oc_scopes_of_user(struct oc_arena *a, const struct oc_config *c,
				   const struct oc_auth_peer *peer)
{
	for (size_t i = 0; i < c->auth.proxy.grant_count; i++) {
		const struct oc_config_grant *g = &c->auth.proxy.grants[i];
		bool same = strchr(g->user, '@') ? strcasecmp(g->user, peer->user) == 0
						 : strcmp(g->user, peer->user) == 0;
		if (same && peer->user[0]) {
			struct oc_scopes s = {.list = g->scopes.list, .count = g->scopes.count};
			return oc_scopes_capped(a, &s, peer);
		}
	}
	return (struct oc_scopes){0};
}
