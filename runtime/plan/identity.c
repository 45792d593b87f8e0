/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - which sandbox this is: agent, session, scope key, slug, state directory, user ids.
 *
 * May read the environment (for the state directory) and the caller's ids.  No name is looked up.
 */
#include "runtime/plan/internal.h"

#include "base/sha256.h"
#include <string.h>
#include <unistd.h>

#include "base/conftext.h"

static void sha256_hex(const char *s, char out[65])
{
	oc_sha256_hex(s, strlen(s), out);
}

static bool is_word(char c, bool dot)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || (dot && c == '.');
}

/* Lower case, runs of other bytes to one '-', '-' trimmed at both ends, at most max bytes. */
static char *word(struct oc_arena *a, const char *s, bool dot, size_t max)
{
	char *out = oc_arena_alloc(a, strlen(s) + 1), *p = out;
	bool gap = false;
	for (; *s; s++) {
		char c = (char)(*s >= 'A' && *s <= 'Z' ? *s - 'A' + 'a' : *s);
		if (is_word(c, dot)) {
			*p++ = c;
			gap = false;
		} else if (!gap) {
			*p++ = '-';
			gap = true;
		}
	}
	*p = '\0';
	while (*out == '-')
		out++;
	while (p > out && p[-1] == '-')
		*--p = '\0';
	if ((size_t)(p - out) > max)
		out[max] = '\0';
	return out;
}

const char *oc_agent_id(struct oc_arena *a, const char *raw)
{
	const char *id = word(a, raw, false, 64);
	return *id ? id : "main";
}

const char *oc_scope_slug(struct oc_arena *a, const char *key)
{
	char hex[65];
	const char *stem = word(a, key, true, 32);
	sha256_hex(key, hex);
	return oc_arena_printf(a, "%s-%.8s", *stem ? stem : "session", hex);
}

static int state_dir(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	const struct oc_conf_options conf = { 0 };
	struct oc_err ignored;
	const char *dir;
	/* without an agent nothing is kept, so a caller without a home is fine */
	if (oc_conf_state_dir(b->a, &conf, &dir, b->opt->agent ? err : &ignored) < 0)
		return b->opt->agent ? -1 : 0;
	return oc_parse_path(b->a, "the state directory", dir, &plan->state_dir, err);
}

/* A session key is kept as it is: it is hashed, and shown. "name" means agent:<id>:name. */
static int session_key(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	const char *s = b->opt->session;
	if (!s)
		return 0;
	if (oc_check_text("--session", s, err) < 0)
		return -1;
	if (strlen(s) > 512)
		return oc_fail(err, 0, "--session is longer than 512 bytes");
	if (!plan->agent)
		return oc_fail(err, 0, "--session needs --agent: a session belongs to an agent");
	if (strncmp(s, "agent:", 6) == 0) {
		const char *prefix = oc_arena_printf(b->a, "agent:%s:", plan->agent);
		if (strncmp(s, prefix, strlen(prefix)) != 0)
			return oc_fail(err, 0, "session \"%.200s\" does not belong to agent %s", s, plan->agent);
		plan->session = s;
	} else {
		plan->session = strcmp(s, "global") == 0 ? s : oc_arena_printf(b->a, "agent:%s:%s", plan->agent, s);
	}
	plan->origin[OC_V_SESSION] = "--session";
	return 0;
}

int oc_identity_scope(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	const struct oc_setting *scope = &b->s.v[OC_S_SCOPE];
	if (state_dir(b, err) < 0 || session_key(b, err) < 0)
		return -1;
	if (!plan->agent) {
		if (b->opt->scope)
			return oc_fail(err, 0, "--scope needs --agent");
		plan->slug = "oneshot";
		plan->origin[OC_V_SCOPE] = "no --agent";
		return 0;
	}
	plan->scope = scope->text;
	plan->origin[OC_V_SCOPE] = scope->origin;
	if (strcmp(scope->text, "shared") == 0)
		plan->scope_key = "shared";
	else if (strcmp(scope->text, "agent") == 0)
		plan->scope_key = oc_arena_printf(b->a, "agent:%s", plan->agent);
	else
		plan->scope_key = plan->session ? plan->session : oc_arena_printf(b->a, "agent:%s:main", plan->agent);
	plan->slug = oc_scope_slug(b->a, plan->scope_key);
	return 0;
}

int oc_identity_ids(struct oc_builder *b, const struct oc_mount *workspace, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	const struct oc_setting *user = &b->s.v[OC_S_USER];
	uid_t uid = getuid();
	gid_t gid = getgid();

	plan->host_uid = uid;
	plan->host_gid = gid;
	plan->origin[OC_V_USER] = "caller";
	if (uid == 0) {
		/* an id that nobody has, the same for the same sandbox, so that what it leaves can be told apart */
		char hex[65] = "";
		uid_t low = 0;
		sha256_hex(plan->scope_key ? plan->scope_key : plan->workspace ? plan->workspace : "oneshot", hex);
		for (int i = 0; i < 6; i++)
			low = low * 16 + (uid_t)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
		plan->host_uid = plan->host_gid = 0x70000000 + low;
		uid = gid = 1000;
		plan->origin[OC_V_USER] = "default (root gives an ordinary id)";
		if (workspace && workspace->fd >= 0 && workspace->owner_uid != 0 && workspace->owner_uid != (uid_t)-1) {
			uid = workspace->owner_uid;
			gid = workspace->owner_gid && workspace->owner_gid != (gid_t)-1 ? workspace->owner_gid :
											(gid_t)uid;
			plan->origin[OC_V_USER] = "owner of the workspace";
		}
	} else if (gid == 0) {
		/* an ordinary user in group 0: inside, the group has another number */
		gid = (gid_t)uid;
	}
	plan->uid = uid;
	plan->gid = gid;
	if (!user->origin)
		return 0;
	plan->origin[OC_V_USER] = user->origin;
	return oc_parse_user(user->text, &plan->uid, &plan->gid, err);
}
