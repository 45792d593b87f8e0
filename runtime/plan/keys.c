/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys - from parsed configuration values to settings: the walk, and the keys of sandbox and sandbox.native.
 *
 * Strict: an unknown key, a wrong type or a value that cannot be kept is an error with its place.  A key that
 * would be skipped in silence is a hole in somebody's belief about the sandbox.
 */
#include "runtime/plan/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

#define WORD_MAX 48

int oc_keys_no_unset(struct oc_arena *a, const struct oc_json *v, struct oc_err *err)
{
	if (v->unset_env) {
		oc_json_fail(a, v, err, "names an environment variable that is not set: \"%.100s\"",
			     v->string ? v->string : "");
		return oc_err_hint(err, "set it, or write the value");
	}
	/* the depth of a configuration is bounded (OC_JSON_MAX_DEPTH) */
	for (const struct oc_json *m = v->child; m; m = m->next)
		if (oc_keys_no_unset(a, m, err) < 0)
			return -1;
	return 0;
}

oc_origin oc_origin_json(struct oc_arena *a, const struct oc_json *v)
{
	return oc_arena_printf(a, "%s:%u %s", v->file, v->line, oc_json_path(a, v));
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Levenshtein distance without regard to case; words longer than WORD_MAX are far from everything. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strnlen(a, WORD_MAX + 1), m = strnlen(b, WORD_MAX + 1), row[WORD_MAX + 1];
	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
			diagonal = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[m];
}

const char *oc_nearest(const char *word, const char *const *names)
{
	const char *best = NULL;
	size_t limit = strnlen(word, WORD_MAX) / 3 + 1, least = limit + 1;
	for (; *names; names++) {
		size_t d = distance(word, *names);
		if (d < least) {
			least = d;
			best = *names;
		}
	}
	return best;
}

/* Docker options that would take a layer away; somebody who writes one must hear why it is not there. */
static bool widens(const char *key)
{
	static const char *const names[] = {
		"capAdd",     "privileged", "devices",	   "device",	  "securityOpt",  "pid",	"pidMode",
		"ipc",	      "ipcMode",    "uts",	   "utsMode",	  "userns",	  "usernsMode", "cgroupns",
		"cgroupParent", "volumesFrom", "networkMode", "sysctls",   "deviceCgroupRules", "runtime", "mounts",
		"volumes",    "noNewPrivileges", "seccompUnconfined", "capabilities", "hostNetwork", "hostPid",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i], key) == 0)
			return true;
	return false;
}

static int unknown_key(struct oc_keys_ctx *c, const struct oc_json *v, const struct oc_key *table, struct oc_err *err)
{
	const char *names[64];
	size_t n = 0;
	for (; table->name && n < 63; table++)
		names[n++] = table->name;
	names[n] = NULL;
	if (widens(v->key)) {
		oc_json_fail(c->a, v, err, "this key would widen what the sandbox may do, and does not exist");
		return oc_err_hint(err, "take it out; a sandbox always runs without capabilities and without namespaces "
					"of the host");
	}
	oc_json_fail(c->a, v, err, "unknown key");
	const char *near = oc_nearest(v->key, names);
	return near ? oc_err_hint(err, "did you mean \"%s\"?", near) :
		      oc_err_hint(err, "take it out, or see oc-sandbox(1) for the keys that there are");
}

static int wrong_type(struct oc_keys_ctx *c, const struct oc_json *v, unsigned types, struct oc_err *err)
{
	oc_auto_buf want = { 0 };
	for (int t = 0; t <= OC_JSON_OBJECT; t++)
		if (types & 1u << t)
			oc_buf_printf(&want, "%s%s", want.len ? " or " : "",
				      oc_json_type_name((enum oc_json_type)t));
	return oc_json_fail(c->a, v, err, "must be %s, not %s", want.data, oc_json_type_name(v->type));
}

int oc_keys_walk(struct oc_keys_ctx *c, const struct oc_json *v, const struct oc_key *table, struct oc_err *err)
{
	if (v->type != OC_JSON_OBJECT)
		return wrong_type(c, v, OC_T_OBJECT, err);
	for (const struct oc_json *m = v->child; m; m = m->next) {
		const struct oc_key *k = table;
		while (k->name && strcmp(k->name, m->key) != 0)
			k++;
		if (!k->name)
			return unknown_key(c, m, table, err);
		if (!(k->types & 1u << m->type))
			return wrong_type(c, m, k->types, err);
		if (k->apply && k->apply(c, m, k->arg, err) < 0)
			return -1;
	}
	return 0;
}

int oc_keys_at(struct oc_keys_ctx *c, const struct oc_json *v, struct oc_err *err)
{
	return oc_err_context(err, "%s:%u: %s", v->file, v->line, oc_json_path(c->a, v));
}

oc_origin oc_keys_origin(struct oc_keys_ctx *c, const struct oc_json *v)
{
	return c->profile ? oc_arena_printf(c->a, "profile %s", c->profile) : oc_origin_json(c->a, v);
}

void oc_keys_set(struct oc_keys_ctx *c, int id, const char *text, uint64_t number, const struct oc_json *v)
{
	c->s->v[id] = (struct oc_setting){ .text = text, .number = number, .origin = oc_keys_origin(c, v) };
}

const char *oc_keys_text(struct oc_keys_ctx *c, const struct oc_json *v)
{
	const char *s = v->string;
	s += strspn(s, " \t\r\n");
	size_t len = strlen(s);
	while (len && strchr(" \t\r\n", s[len - 1]))
		len--;
	return oc_arena_strndup(c->a, s, len);
}

int oc_keys_strings(struct oc_keys_ctx *c, const struct oc_json *v, struct oc_err *err)
{
	for (const struct oc_json *m = v->child; m; m = m->next)
		if (m->type != OC_JSON_STRING)
			return wrong_type(c, m, OC_T_STRING, err);
	return 0;
}

int oc_key_bool(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	(void)err;
	oc_keys_set(c, arg, NULL, v->boolean, v);
	return 0;
}

int oc_key_size(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	uint64_t n;
	if (oc_parse_size(oc_keys_text(c, v), &n, err) < 0)
		return oc_keys_at(c, v, err);
	oc_keys_set(c, arg, NULL, n, v);
	return 0;
}

int oc_key_pids(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	int64_t n;
	if (oc_json_int(c->a, v, 1, 4194304, &n, err) < 0)
		return -1;
	oc_keys_set(c, arg, NULL, (uint64_t)n, v);
	return 0;
}

int oc_key_cpus(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	uint64_t millis;
	if (oc_parse_cpus(oc_keys_text(c, v), &millis, err) < 0)
		return oc_keys_at(c, v, err);
	oc_keys_set(c, arg, NULL, millis, v);
	return 0;
}

int oc_key_user(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	uid_t uid;
	gid_t gid;
	if (oc_parse_user(v->string, &uid, &gid, err) < 0)
		return oc_keys_at(c, v, err);
	oc_keys_set(c, arg, v->string, 0, v);
	return 0;
}

int oc_key_path(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	const char *path, *s = v->string;
	const char *home = getenv("HOME");
	/* only paths of the host begin with ~ */
	if (arg == OC_S_WORKSPACE_ROOT && s[0] == '~' && (s[1] == '/' || !s[1]) && home)
		s = oc_arena_printf(c->a, "%s%s", home, s + 1);
	if (oc_parse_path(c->a, "the value", s, &path, err) < 0)
		return oc_keys_at(c, v, err);
	oc_keys_set(c, arg, path, 0, v);
	return 0;
}

int oc_key_tmpfs(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	(void)arg;
	if (oc_keys_strings(c, v, err) < 0)
		return -1;
	if (v->count > OC_MAX_TMPFS)
		return oc_json_fail(c->a, v, err, "%u entries, the limit is %d", v->count, OC_MAX_TMPFS);
	c->s->tmpfs.count = 0;
	c->s->tmpfs_set = true;
	for (const struct oc_json *m = v->child; m; m = m->next) {
		struct oc_tmpfs_spec *t = oc_vec_add(c->a, &c->s->tmpfs);
		if (oc_parse_tmpfs(c->a, oc_keys_text(c, m), t, err) < 0)
			return oc_keys_at(c, m, err);
		t->origin = oc_keys_origin(c, m);
	}
	return 0;
}

int oc_key_env(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	(void)arg;
	for (const struct oc_json *m = v->child; m; m = m->next) {
		const char *value = m->string;
		if (m->type == OC_JSON_BOOL)
			value = m->boolean ? "true" : "false";
		else if (m->type != OC_JSON_STRING && m->type != OC_JSON_NUMBER)
			return wrong_type(c, m, OC_T_STRING, err);
		if (oc_env_config(c->b, c->s, m->key, value, oc_keys_origin(c, m), err) < 0)
			return oc_keys_at(c, m, err);
	}
	return 0;
}

/* One side of {soft, hard}; as docker's own reader has it, a negative number is 0. */
static int ulimit_side(struct oc_keys_ctx *c, const struct oc_json *v, rlim_t *out, struct oc_err *err)
{
	int64_t n;
	if (v->type != OC_JSON_NUMBER)
		return wrong_type(c, v, OC_T_NUMBER, err);
	if (oc_json_int(c->a, v, INT64_MIN / 1024, INT64_MAX / 1024, &n, err) < 0)
		return -1;
	*out = n < 0 ? 0 : (rlim_t)n;
	return 0;
}

static int ulimit_object(struct oc_keys_ctx *c, const struct oc_json *v, struct oc_ulimit *u, struct oc_err *err)
{
	const struct oc_json *soft = oc_json_get(v, "soft"), *hard = oc_json_get(v, "hard");
	for (const struct oc_json *m = v->child; m; m = m->next)
		if (m != soft && m != hard)
			return oc_json_fail(c->a, m, err, "unknown key: an ulimit has soft and hard");
	if (oc_parse_ulimit_value(v->key, "0", u, err) < 0)
		return oc_keys_at(c, v, err);
	if (!soft && !hard)
		return oc_json_fail(c->a, v, err, "soft or hard must be given");
	if (ulimit_side(c, soft ? soft : hard, &u->soft, err) < 0 || ulimit_side(c, hard ? hard : soft, &u->hard, err) < 0)
		return -1;
	if (u->soft > u->hard)
		return oc_json_fail(c->a, v, err, "the soft limit is above the hard limit");
	return 0;
}

int oc_key_ulimits(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	(void)arg;
	for (const struct oc_json *m = v->child; m; m = m->next) {
		struct oc_ulimit u;
		if (m->type == OC_JSON_OBJECT) {
			if (ulimit_object(c, m, &u, err) < 0)
				return -1;
		} else if (m->type != OC_JSON_STRING && m->type != OC_JSON_NUMBER) {
			return wrong_type(c, m, OC_T_NUMBER | OC_T_STRING | OC_T_OBJECT, err);
		} else if (oc_parse_ulimit_value(m->key, oc_keys_text(c, m), &u, err) < 0) {
			return oc_keys_at(c, m, err);
		}
		u.origin = oc_keys_origin(c, m);
		oc_ulimit_put(c->a, c->s, &u);
	}
	return 0;
}

int oc_key_binds(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	if (oc_keys_strings(c, v, err) < 0)
		return -1;
	if (v->count > OC_MAX_BINDS) {
		oc_json_fail(c->a, v, err, "%u binds, the limit is %d", v->count, OC_MAX_BINDS);
		return oc_err_hint(err, "bind a common parent directory");
	}
	for (const struct oc_json *m = v->child; m; m = m->next) {
		struct oc_bind_spec *spec = oc_vec_add(c->a, &c->s->binds);
		if (oc_parse_bind(c->a, oc_keys_text(c, m), arg == 1, spec, err) < 0)
			return oc_keys_at(c, m, err);
		spec->origin = oc_keys_origin(c, m);
		spec->from_config = !c->profile;
	}
	return 0;
}

/* --- native --- */

static int native_rootfs(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	if (strcmp(v->string, "host") != 0)
		return oc_key_path(c, v, arg, err);
	oc_keys_set(c, arg, "host", 0, v);
	return 0;
}

static int native_seccomp(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	const char *name = v->string;
	if (oc_check_seccomp(c->a, &name, err) < 0)
		return oc_keys_at(c, v, err);
	oc_keys_set(c, arg, name, 0, v);
	return 0;
}

static int native_hostname(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	if (oc_parse_hostname(v->string, err) < 0)
		return oc_keys_at(c, v, err);
	oc_keys_set(c, arg, v->string, 0, v);
	return 0;
}

static int native_timeout(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	uint64_t ms;
	if (oc_parse_duration(oc_keys_text(c, v), &ms, err) < 0)
		return oc_keys_at(c, v, err);
	oc_keys_set(c, arg, NULL, ms, v);
	return 0;
}

/* "none" takes away what an outer layer says: 0. */
static int native_disk(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	if (strcmp(oc_keys_text(c, v), "none") != 0)
		return oc_key_size(c, v, arg, err);
	oc_keys_set(c, arg, NULL, 0, v);
	return 0;
}

static int native_swap(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	const char *s = oc_keys_text(c, v);
	uint64_t n = 0;
	enum oc_swap_unit unit = OC_SWAP_ADDITIONAL;
	if (strcmp(s, "unlimited") == 0 || strcmp(s, "-1") == 0)
		unit = OC_SWAP_UNLIMITED;
	else if (strcmp(s, "0") != 0 && oc_parse_size(s, &n, err) < 0)
		return oc_keys_at(c, v, err);
	oc_keys_set(c, arg, NULL, n, v);
	c->s->v[arg].swap_unit = unit;
	return 0;
}

static int native_layers(struct oc_keys_ctx *c, const struct oc_json *v, int require, struct oc_err *err)
{
	const char *names[OC_LAYER_COUNT + 1];
	for (int i = 0; i < OC_LAYER_COUNT; i++)
		names[i] = oc_layer_info((enum oc_layer)i)->name;
	names[OC_LAYER_COUNT] = NULL;
	if (oc_keys_strings(c, v, err) < 0)
		return -1;
	for (const struct oc_json *m = v->child; m; m = m->next) {
		int l = oc_layer_find(m->string);
		if (l < 0) {
			const char *near = oc_nearest(m->string, names);
			oc_json_fail(c->a, m, err, "there is no layer \"%.100s\"", m->string);
			return near ? oc_err_hint(err, "did you mean \"%s\"?", near) : -1;
		}
		if (require) {
			c->s->may_be_missing &= ~OC_LAYER_BIT(l);
			c->s->require_cgroup |= l == OC_LAYER_CGROUP;
		} else if (oc_layer_info((enum oc_layer)l)->essential) {
			oc_json_fail(c->a, m, err, "without the layer \"%s\" there is no sandbox", m->string);
			return oc_err_hint(err, "take it out of allowMissing");
		} else {
			c->s->may_be_missing |= OC_LAYER_BIT(l);
		}
	}
	return 0;
}

static int native_debug(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	if (c->profile)
		return oc_key_bool(c, v, arg, err);
	oc_json_fail(c->a, v, err, "only a profile can allow debuggers");
	return oc_err_hint(err, "set profile to \"build\"");
}

static int native_binds(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	if (c->profile)
		return oc_key_binds(c, v, arg, err);
	oc_json_fail(c->a, v, err, "binds of a configuration are in docker.binds");
	return oc_err_hint(err, "move the list to sandbox.docker.binds (source:target[:ro|rw])");
}

static const struct oc_key native_table[] = {
	{ "allowMissing", OC_T_ARRAY, native_layers, 0 },
	{ "binds", OC_T_ARRAY, native_binds, 0 },
	{ "cpus", OC_T_NUMBER | OC_T_STRING, oc_key_cpus, OC_S_CPUS },
	{ "debug", OC_T_BOOL, native_debug, OC_S_DEBUG },
	{ "description", OC_T_STRING, NULL, 0 },
	{ "disk", OC_T_NUMBER | OC_T_STRING, native_disk, OC_S_DISK },
	{ "egress", OC_T_OBJECT, oc_key_egress, 0 },
	{ "env", OC_T_OBJECT, oc_key_env, 0 },
	{ "hostname", OC_T_STRING, native_hostname, OC_S_HOSTNAME },
	{ "memory", OC_T_NUMBER | OC_T_STRING, oc_key_size, OC_S_MEMORY },
	{ "pids", OC_T_NUMBER, oc_key_pids, OC_S_PIDS },
	{ "profile", OC_T_STRING, NULL, 0 }, /* read before: oc_config_profile */
	{ "readOnlyRoot", OC_T_BOOL, oc_key_bool, OC_S_READ_ONLY_ROOT },
	{ "require", OC_T_ARRAY, native_layers, 1 },
	{ "rootfs", OC_T_STRING, native_rootfs, OC_S_ROOTFS },
	{ "seccomp", OC_T_STRING, native_seccomp, OC_S_SECCOMP },
	{ "swap", OC_T_NUMBER | OC_T_STRING, native_swap, OC_S_SWAP },
	{ "sysfs", OC_T_BOOL, oc_key_bool, OC_S_SYSFS },
	{ "timeout", OC_T_NUMBER | OC_T_STRING, native_timeout, OC_S_TIMEOUT },
	{ "tmpfs", OC_T_ARRAY, oc_key_tmpfs, 0 },
	{ "tmpfsSize", OC_T_NUMBER | OC_T_STRING, oc_key_size, OC_S_TMPFS_SIZE },
	{ "ulimits", OC_T_OBJECT, oc_key_ulimits, 0 },
	{ "user", OC_T_STRING, oc_key_user, OC_S_USER },
	{ "workdir", OC_T_STRING, oc_key_path, OC_S_WORKDIR },
	{ NULL, 0, NULL, 0 },
};

int oc_keys_native(struct oc_builder *b, struct oc_settings *s, const struct oc_json *v, const char *profile,
		   struct oc_err *err)
{
	struct oc_keys_ctx c = { .b = b, .a = b->a, .s = s, .profile = profile };
	const struct oc_json *own = profile ? oc_json_get(v, "profile") : NULL;
	if (own)
		return oc_json_fail(b->a, own, err, "a profile cannot name another profile");
	return oc_keys_walk(&c, v, native_table, err);
}

/* --- sandbox --- */

static int word_of(struct oc_keys_ctx *c, const struct oc_json *v, const char *const *words, struct oc_err *err)
{
	oc_auto_buf all = { 0 };
	for (const char *const *w = words; *w; w++) {
		if (strcmp(*w, v->string) == 0)
			return 0;
		oc_buf_printf(&all, "%s%s", all.len ? ", " : "", *w);
	}
	const char *near = oc_nearest(v->string, words);
	oc_json_fail(c->a, v, err, "\"%.100s\" is none of: %s", v->string, all.data);
	return near ? oc_err_hint(err, "did you mean \"%s\"?", near) : -1;
}

enum { WORD_MODE, WORD_SCOPE, WORD_ACCESS, WORD_VISIBILITY };

static int sandbox_word(struct oc_keys_ctx *c, const struct oc_json *v, int which, struct oc_err *err)
{
	static const char *const mode[] = { "off", "non-main", "all", NULL };
	static const char *const scope[] = { "session", "agent", "shared", NULL };
	static const char *const access[] = { "none", "ro", "rw", "overlay", NULL };
	static const char *const visibility[] = { "spawned", "all", NULL };
	static const char *const *const words[] = { mode, scope, access, visibility };
	if (word_of(c, v, words[which], err) < 0)
		return -1;
	if (which == WORD_SCOPE)
		oc_keys_set(c, OC_S_SCOPE, v->string, 0, v);
	else if (which == WORD_ACCESS)
		oc_keys_set(c, OC_S_ACCESS, v->string, 0, v);
	return 0;
}

/* The old spelling of scope; counts only where scope is not given. */
static int sandbox_per_session(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	(void)arg;
	(void)err;
	if (!oc_json_get(v->parent, "scope"))
		oc_keys_set(c, OC_S_SCOPE, v->boolean ? "session" : "shared", 0, v);
	return 0;
}

static int sandbox_backend(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	static const char *const names[] = { "native", "docker", "podman", "ssh", "openshell", NULL };
	(void)arg;
	if (word_of(c, v, names, err) < 0)
		return -1;
	if (strcmp(v->string, "ssh") != 0 && strcmp(v->string, "openshell") != 0)
		return 0;
	oc_json_fail(c->a, v, err, "the backend \"%s\" is not supported: this program runs commands on this machine",
		     v->string);
	return oc_err_hint(err, "use \"docker\" or take the key out: the docker keys are carried out natively");
}

static int sandbox_unsupported(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	(void)arg;
	if (v->count == 0)
		return 0;
	oc_json_fail(c->a, v, err, "the backend \"%s\" is not supported", v->key);
	return oc_err_hint(err, "take the key out");
}

static int sandbox_docker(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	(void)arg;
	if (!c->skip_docker)
		return oc_keys_walk(c, v, oc_keys_table_docker, err);
	struct oc_settings unused = { 0 };
	struct oc_keys_ctx aside = *c;
	aside.s = &unused;
	return oc_keys_walk(&aside, v, oc_keys_table_docker, err);
}

static int sandbox_native(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	(void)arg;
	return oc_keys_walk(c, v, native_table, err);
}

/* Hours or days, also in parts; 0 is never. */
static int prune_after(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	const double unit = (double)OC_DAY_MS / (arg == OC_S_IDLE ? 24 : 1);
	double ms = v->number * unit;

	if (!(v->number >= 0))
		return oc_json_fail(c->a, v, err, "must not be negative");
	if (ms > (double)OC_AGE_MAX_MS)
		return oc_json_fail(c->a, v, err, "is more than a century");
	if (c->skip_docker)
		return 0;
	/* What is asked for is no "never", however short it is. */
	oc_keys_set(c, arg, NULL, v->number > 0 && ms < 1 ? 1 : (uint64_t)ms, v);
	return 0;
}

static int sandbox_prune(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	static const struct oc_key table[] = {
		{ "idleHours", OC_T_NUMBER, prune_after, OC_S_IDLE },
		{ "maxAgeDays", OC_T_NUMBER, prune_after, OC_S_MAX_AGE },
		{ NULL, 0, NULL, 0 },
	};
	(void)arg;
	return oc_keys_walk(c, v, table, err);
}

/* The sandboxed browser is another program's: names and types are checked, nothing is used. */
static int sandbox_browser(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	static const struct oc_key table[] = {
		{ "allowHostControl", OC_T_BOOL, NULL, 0 },   { "allowedControlHosts", OC_T_ARRAY, NULL, 0 },
		{ "allowedControlPorts", OC_T_ARRAY, NULL, 0 }, { "allowedControlUrls", OC_T_ARRAY, NULL, 0 },
		{ "autoStart", OC_T_BOOL, NULL, 0 },	      { "autoStartTimeoutMs", OC_T_NUMBER, NULL, 0 },
		{ "binds", OC_T_ARRAY, NULL, 0 },	      { "cdpPort", OC_T_NUMBER, NULL, 0 },
		{ "cdpSourceRange", OC_T_STRING, NULL, 0 },   { "containerPrefix", OC_T_STRING, NULL, 0 },
		{ "enableNoVnc", OC_T_BOOL, NULL, 0 },	      { "enabled", OC_T_BOOL, NULL, 0 },
		{ "headless", OC_T_BOOL, NULL, 0 },	      { "image", OC_T_STRING, NULL, 0 },
		{ "network", OC_T_STRING, NULL, 0 },	      { "noVncEnabled", OC_T_BOOL, NULL, 0 },
		{ "noVncPort", OC_T_NUMBER, NULL, 0 },	      { "vncPort", OC_T_NUMBER, NULL, 0 },
		{ NULL, 0, NULL, 0 },
	};
	(void)arg;
	return oc_keys_walk(c, v, table, err);
}

static const struct oc_key sandbox_table[] = {
	{ "backend", OC_T_STRING, sandbox_backend, 0 },
	{ "browser", OC_T_OBJECT, sandbox_browser, 0 },
	{ "docker", OC_T_OBJECT, sandbox_docker, 0 },
	{ "mode", OC_T_STRING, sandbox_word, WORD_MODE },
	{ "native", OC_T_OBJECT, sandbox_native, 0 },
	{ "openshell", OC_T_OBJECT, sandbox_unsupported, 0 },
	{ "perSession", OC_T_BOOL, sandbox_per_session, 0 },
	{ "prune", OC_T_OBJECT, sandbox_prune, 0 },
	{ "scope", OC_T_STRING, sandbox_word, WORD_SCOPE },
	{ "sessionToolsVisibility", OC_T_STRING, sandbox_word, WORD_VISIBILITY },
	{ "ssh", OC_T_OBJECT, sandbox_unsupported, 0 },
	{ "workspaceAccess", OC_T_STRING, sandbox_word, WORD_ACCESS },
	{ "workspaceRoot", OC_T_STRING, oc_key_path, OC_S_WORKSPACE_ROOT },
	{ NULL, 0, NULL, 0 },
};

int oc_keys_sandbox(struct oc_builder *b, struct oc_settings *s, const struct oc_json *v, bool skip_docker,
		    struct oc_err *err)
{
	struct oc_keys_ctx c = { .b = b, .a = b->a, .s = s, .skip_docker = skip_docker };
	if (oc_keys_no_unset(b->a, v, err) < 0)
		return -1;
	return oc_keys_walk(&c, v, sandbox_table, err);
}
