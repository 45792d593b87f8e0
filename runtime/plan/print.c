/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print - a plan as JSON, as text for people, and as a hash.
 *
 * Pure.  The three forms come from one walk over the same fields, so that what is hashed is what is shown.
 */
#define _GNU_SOURCE 1 /* memory helpers of glibc */
#include "base/sha256.h"
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "runtime/plan/internal.h"

static const char *const kind_names[] = {
	[OC_MOUNT_BIND] = "bind",   [OC_MOUNT_TMPFS] = "tmpfs", [OC_MOUNT_FILE] = "file", [OC_MOUNT_SYMLINK] = "symlink",
	[OC_MOUNT_DIR] = "dir",	    [OC_MOUNT_PROC] = "proc",	[OC_MOUNT_DEV] = "dev",	  [OC_MOUNT_SYSFS] = "sysfs",
};
static const char *const access_names[] = { "none", "ro", "rw", "overlay" };
static const char *const tty_names[] = { "auto", "yes", "no" };
static const char *const value_names[OC_V_COUNT] = {
	"profile", "agent", "session",	"scope",  "rootfs",  "workspace", "access", "workdir",	"user",	  "hostname",
	"memory",  "swap",  "pids",	"cpus",	  "timeout", "tty",	  "seccomp", "egress",	"readOnlyRoot",
	"disk",	   "idle",  "maxAge",
};

struct printer {
	struct oc_json_writer *w;
	const struct oc_plan *plan;
	bool origins; /* false: the canonical form that is hashed */
	/*
	 * Only what a sandbox is, not what one command in it is, nor who asks.  The agent and the session are in the scope key and in what the
	 * configuration made of them.  What is guarded in the workspace depends on what lies in it at this moment: a sandbox that stays is
	 * not another one because somebody has made a file.
	 */
	bool sandbox;
};

/* --- JSON --- */

static bool is_utf8(const char *s)
{
	size_t len = strlen(s);
	for (size_t i = 0, n; i < len; i += n)
		if ((n = oc_utf8_decode(s + i, len - i, NULL)) == 0)
			return false;
	return true;
}

/*
 * Paths are bytes.  The writer would put the same mark for every byte that is not UTF-8, and two plans would have one
 * hash; such a string is written as {"bytes": "<hex>"}.
 */
static void string(struct printer *p, const char *s)
{
	if (!s || is_utf8(s)) {
		oc_jw_string(p->w, s);
		return;
	}
	oc_auto_buf hex = { 0 };
	for (; *s; s++)
		oc_buf_printf(&hex, "%02x", (unsigned char)*s);
	oc_jw_object(p->w);
	oc_jw_key(p->w, "bytes");
	oc_jw_string(p->w, hex.data);
	oc_jw_object_end(p->w);
}

static const char *guard_kind(enum oc_guard_kind k)
{
	return k == OC_GUARD_RO ? "read-only" : k == OC_GUARD_PIN ? "pinned" : "hidden";
}

static void put_string(struct printer *p, const char *key, const char *s)
{
	oc_jw_key(p->w, key);
	string(p, s);
}

static void put_uint(struct printer *p, const char *key, uint64_t n)
{
	oc_jw_key(p->w, key);
	oc_jw_uint(p->w, n);
}

static void put_bool(struct printer *p, const char *key, bool v)
{
	oc_jw_key(p->w, key);
	oc_jw_bool(p->w, v);
}

static void put_origin(struct printer *p, oc_origin origin)
{
	if (p->origins)
		put_string(p, "origin", origin);
}

/* Content of a file that we make: its hash in the canonical form, its text for the reader. */
static void put_content(struct printer *p, const struct oc_mount *m)
{
	char hex[65];
	put_uint(p, "length", m->content_len);
	oc_sha256_hex(m->content, m->content_len, hex);
	put_string(p, "sha256", hex);
}

static void put_mount(struct printer *p, const struct oc_mount *m)
{
	char mode[16];
	oc_jw_object(p->w);
	put_string(p, "kind", kind_names[m->kind]);
	put_string(p, "target", m->target);
	if (m->source)
		put_string(p, "source", m->source);
	if (m->kind == OC_MOUNT_FILE)
		put_content(p, m);
	if (m->size_bytes)
		put_uint(p, "size", m->size_bytes);
	if (m->inodes)
		put_uint(p, "inodes", m->inodes);
	if (m->kind == OC_MOUNT_TMPFS || m->kind == OC_MOUNT_DIR || m->kind == OC_MOUNT_FILE) {
		snprintf(mode, sizeof(mode), "%04o", (unsigned)m->mode);
		put_string(p, "mode", mode);
	}
	put_bool(p, "readOnly", m->read_only);
	if (m->no_exec)
		put_bool(p, "noExec", true);
	if (m->map_owner)
		put_bool(p, "mapOwner", true);
	if (m->workspace)
		put_bool(p, "workspace", true);
	if (m->overlay)
		put_bool(p, "overlay", true);
	put_origin(p, m->origin);
	oc_jw_object_end(p->w);
}

static void put_limits(struct printer *p)
{
	const struct oc_plan *plan = p->plan;
	oc_jw_key(p->w, "limits");
	oc_jw_object(p->w);
	put_uint(p, "memoryBytes", plan->memory_bytes);
	oc_jw_key(p->w, "swapBytes");
	oc_jw_int(p->w, plan->swap_bytes);
	put_uint(p, "pids", plan->pids);
	put_uint(p, "cpuMillis", plan->cpu_millis);
	if (!p->sandbox)
		put_uint(p, "timeoutMs", plan->timeout_ms);
	put_uint(p, "tmpfsBytes", plan->tmpfs_bytes);
	if (plan->disk_bytes) {
		put_uint(p, "diskBytes", plan->disk_bytes);
		put_string(p, "diskBound", oc_plan_disk_bound(plan) == OC_DISK_HARD ? "hard" : "sampled");
	}
	/* Part of both hashes: when a sandbox ends by itself belongs to it, and a configuration that was changed shall take effect. */
	put_uint(p, "idleMs", plan->idle_ms);
	put_uint(p, "maxAgeMs", plan->max_age_ms);
	oc_jw_key(p->w, "ulimits");
	oc_jw_array(p->w);
	for (size_t i = 0; i < plan->ulimit_count; i++) {
		const struct oc_ulimit *u = &plan->ulimits[i];
		const rlim_t v[2] = { u->soft, u->hard };
		oc_jw_object(p->w);
		put_string(p, "name", u->name);
		for (int k = 0; k < 2; k++) {
			oc_jw_key(p->w, k ? "hard" : "soft");
			if (v[k] == RLIM_INFINITY)
				oc_jw_string(p->w, "unlimited");
			else
				oc_jw_uint(p->w, v[k]);
		}
		put_origin(p, u->origin);
		oc_jw_object_end(p->w);
	}
	oc_jw_array_end(p->w);
	oc_jw_object_end(p->w);
}

static void put_rows(struct printer *p, const char *key, const char *text, const struct oc_egress_list_row *row,
		     size_t count)
{
	oc_jw_key(p->w, key);
	oc_jw_array(p->w);
	for (size_t i = 0; i < count; i++) {
		oc_jw_object(p->w);
		put_string(p, text, row[i].text);
		put_origin(p, row[i].origin);
		oc_jw_object_end(p->w);
	}
	oc_jw_array_end(p->w);
}

static void put_budget(struct printer *p, const char *key, const struct oc_egress_budget *b,
		       const struct oc_egress_budget *rule)
{
	oc_jw_key(p->w, key);
	oc_jw_object(p->w);
	if (b->upload_bytes)
		put_uint(p, "uploadBytes", b->upload_bytes);
	if (b->connections)
		put_uint(p, "connections", b->connections);
	if (b->names)
		put_uint(p, "names", b->names);
	if (rule)
		put_budget(p, "rule", rule, NULL);
	oc_jw_object_end(p->w);
}

static void put_egress(struct printer *p)
{
	const struct oc_plan_egress *e = &p->plan->egress;
	oc_jw_key(p->w, "egress");
	oc_jw_object(p->w);
	put_string(p, "mode", oc_egress_mode_name(e->mode));
	if (e->mode != OC_EGRESS_NONE) {
		put_rows(p, "allow", "rule", e->allow, e->allow_count);
		put_rows(p, "deny", "rule", e->deny, e->deny_count);
		put_rows(p, "allowPrivate", "class", e->allow_private, e->allow_private_count);
		put_budget(p, "budgets", &e->budget, &e->rule_budget);
		oc_jw_key(p->w, "resolvers");
		oc_jw_array(p->w);
		for (size_t i = 0; i < e->resolver_count; i++)
			string(p, e->resolvers[i]);
		oc_jw_array_end(p->w);
	}
	oc_jw_object_end(p->w);
}

static void put_layers(struct printer *p)
{
	const struct oc_plan *plan = p->plan;
	oc_jw_key(p->w, "layers");
	oc_jw_object(p->w);
	for (int i = 0; i < OC_LAYER_COUNT; i++)
		put_string(p, oc_layer_info((enum oc_layer)i)->name,
			   plan->may_be_missing & OC_LAYER_BIT(i) ? "may be missing" : "required");
	oc_jw_object_end(p->w);
	put_bool(p, "requireCgroup", plan->require_cgroup);
}

/* Of a sandbox: what the profile and the configuration say.  What is given on the command line, and the terminal, is of a command. */
static bool env_of_sandbox(const struct oc_env_var *v)
{
	return strncmp(v->origin, "--env", 5) != 0 && strcmp(v->origin, "default") != 0;
}

static void put_env(struct printer *p)
{
	const struct oc_plan *plan = p->plan;
	oc_jw_key(p->w, "env");
	oc_jw_array(p->w);
	for (size_t i = 0; i < plan->env_count; i++) {
		if (p->sandbox && !env_of_sandbox(&plan->env[i]))
			continue;
		oc_jw_object(p->w);
		put_string(p, "name", plan->env[i].name);
		/* the hash depends on the value, the reader of a report does not need the credential */
		if (p->origins && oc_env_secret(plan->env[i].name))
			put_string(p, "value", "(hidden)");
		else
			put_string(p, "value", plan->env[i].value);
		put_origin(p, plan->env[i].origin);
		oc_jw_object_end(p->w);
	}
	oc_jw_array_end(p->w);
}

static void put_lists(struct printer *p)
{
	const struct oc_plan *plan = p->plan;
	oc_jw_key(p->w, "mounts");
	oc_jw_array(p->w);
	for (size_t i = 0; i < plan->mount_count; i++)
		put_mount(p, &plan->mounts[i]);
	oc_jw_array_end(p->w);
	if (p->sandbox) {
		put_env(p);
		return;
	}
	oc_jw_key(p->w, "guards");
	oc_jw_array(p->w);
	for (size_t i = 0; i < plan->guard_count; i++) {
		const struct oc_guard *g = &plan->guards[i];
		oc_jw_object(p->w);
		put_string(p, "kind", guard_kind(g->kind));
		put_string(p, "mount", plan->mounts[g->mount].target);
		put_string(p, "path", g->path);
		if (p->origins)
			put_string(p, "why", g->why);
		oc_jw_object_end(p->w);
	}
	oc_jw_array_end(p->w);
	put_env(p);
	oc_jw_key(p->w, "argv");
	oc_jw_array(p->w);
	for (char *const *arg = plan->argv; arg && *arg; arg++)
		string(p, *arg);
	oc_jw_array_end(p->w);
}

static void put_user(struct printer *p)
{
	const struct oc_plan *plan = p->plan;
	oc_jw_key(p->w, "user");
	oc_jw_object(p->w);
	put_uint(p, "uid", plan->uid);
	put_uint(p, "gid", plan->gid);
	put_uint(p, "hostUid", plan->host_uid);
	put_uint(p, "hostGid", plan->host_gid);
	oc_jw_object_end(p->w);
}

static void put_plan(struct printer *p)
{
	const struct oc_plan *plan = p->plan;
	oc_jw_object(p->w);
	put_uint(p, "version", 1);
	put_string(p, "profile", plan->profile);
	if (!p->sandbox) {
		put_string(p, "agent", plan->agent);
		put_string(p, "session", plan->session);
	}
	put_string(p, "scope", plan->scope);
	put_string(p, "scopeKey", plan->scope_key);
	put_string(p, "slug", plan->slug);
	put_string(p, "stateDir", plan->state_dir);
	put_string(p, "scratchDir", plan->scratch_dir);
	if (plan->overlay_dir)
		put_string(p, "overlayDir", plan->overlay_dir);
	put_string(p, "rootfs", plan->rootfs == OC_ROOTFS_HOST ? "host" : plan->rootfs_path);
	put_bool(p, "readOnlyRoot", plan->read_only_root);
	put_string(p, "workspace", plan->workspace);
	put_string(p, "access", access_names[plan->access]);
	if (!p->sandbox)
		put_string(p, "workdir", plan->workdir);
	put_string(p, "hostname", plan->hostname);
	put_user(p);
	put_limits(p);
	if (!p->sandbox)
		put_string(p, "tty", tty_names[plan->tty]);
	put_string(p, "seccomp", plan->seccomp);
	put_bool(p, "debugAllowed", plan->debug_allowed);
	put_egress(p);
	put_layers(p);
	put_lists(p);
	if (p->origins) {
		oc_jw_key(p->w, "origins");
		oc_jw_object(p->w);
		for (int i = 0; i < OC_V_COUNT; i++)
			if (plan->origin[i])
				put_string(p, value_names[i], plan->origin[i]);
		oc_jw_object_end(p->w);
		put_string(p, "config", plan->config ? plan->config_path : NULL);
		oc_jw_key(p->w, "warnings");
		oc_jw_array(p->w);
		for (const char *const *s = plan->warnings; s && *s; s++)
			string(p, *s);
		oc_jw_array_end(p->w);
		char hash[65];
		oc_plan_hash(plan, hash);
		put_string(p, "planHash", hash);
		oc_plan_sandbox_hash(plan, hash);
		put_string(p, "sandboxHash", hash);
	}
	oc_jw_object_end(p->w);
}

void oc_plan_json(const struct oc_plan *plan, struct oc_json_writer *w)
{
	put_plan(&(struct printer){ .w = w, .plan = plan, .origins = true });
}

static void hash_plan(const struct oc_plan *plan, bool sandbox, char out[65])
{
	oc_auto_buf text = { 0 };
	struct oc_json_writer w;
	oc_jw_init(&w, &text, 0);
	put_plan(&(struct printer){ .w = &w, .plan = plan, .sandbox = sandbox });
	oc_sha256_hex(text.data, text.len, out);
}

void oc_plan_hash(const struct oc_plan *plan, char out[65])
{
	hash_plan(plan, false, out);
}

void oc_plan_sandbox_hash(const struct oc_plan *plan, char out[65])
{
	hash_plan(plan, true, out);
}

/* --- text --- */

/* Whatever a name holds, the operator's terminal sees printable text. */
static void escaped(struct oc_buf *out, const char *s)
{
	size_t len = strlen(s);
	for (size_t i = 0; i < len;) {
		uint32_t cp = 0;
		size_t n = oc_utf8_decode(s + i, len - i, &cp);
		/* C0, DEL, C1; marks that turn the direction of text; line and paragraph separators */
		bool bad = n == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x200b && cp <= 0x200f) ||
			   (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff;
		if (bad)
			for (size_t k = 0; k < (n ? n : 1); k++)
				oc_buf_printf(out, "\\x%02x", (unsigned char)s[i + k]);
		else
			oc_buf_add(out, s + i, n);
		i += n ? n : 1;
	}
}

static void pad(struct oc_buf *out, size_t from, size_t width)
{
	do
		oc_buf_puts(out, " ");
	while (out->len - from < width);
}

enum { COL_NAME = 14, COL_VALUE = 46 };

/* "  name          value                     (origin)" */
static void line(struct oc_buf *out, const char *name, const char *value, oc_origin origin)
{
	size_t start = out->len;
	oc_buf_puts(out, "  ");
	escaped(out, name);
	pad(out, start, 2 + COL_NAME);
	escaped(out, value);
	if (origin) {
		pad(out, start, 2 + COL_NAME + COL_VALUE);
		oc_buf_puts(out, "(");
		escaped(out, origin);
		oc_buf_puts(out, ")");
	}
	oc_buf_puts(out, "\n");
}

static void size_text(char out[32], uint64_t n)
{
	static const char units[] = "\0kmgt";
	int u = 0;
	while (u < 4 && n && n % 1024 == 0) {
		n /= 1024;
		u++;
	}
	snprintf(out, 32, "%llu%.1s", (unsigned long long)n, units + u);
}

static void ulimit_text(char *out, size_t size, rlim_t v)
{
	if (v == RLIM_INFINITY)
		snprintf(out, size, "unlimited");
	else
		snprintf(out, size, "%llu", (unsigned long long)v);
}

static void age_text(char out[64], uint64_t ms)
{
	static const struct {
		uint64_t ms;
		const char *unit;
	} units[] = { { OC_DAY_MS, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" }, { 1, "ms" } };
	int u = 0;
	if (!ms) {
		snprintf(out, 64, "never");
		return;
	}
	/* a day is 24h, as it is written in most places; two days are 2d */
	while (ms % units[u].ms != 0 || (u == 0 && ms < 2 * OC_DAY_MS))
		u++;
	snprintf(out, 64, "%llu%s", (unsigned long long)(ms / units[u].ms), units[u].unit);
}

static void text_limits(const struct oc_plan *plan, struct oc_buf *out)
{
	char v[64], soft[24], hard[24];
	oc_buf_puts(out, "\nLimits\n");
	size_text(v, plan->memory_bytes);
	line(out, "memory", v, plan->origin[OC_V_MEMORY]);
	if (plan->swap_bytes < 0)
		snprintf(v, sizeof(v), "unlimited");
	else
		size_text(v, (uint64_t)plan->swap_bytes);
	line(out, "swap", v, plan->origin[OC_V_SWAP]);
	snprintf(v, sizeof(v), "%llu", (unsigned long long)plan->pids);
	line(out, "pids", v, plan->origin[OC_V_PIDS]);
	snprintf(v, sizeof(v), "%llu.%03llu", (unsigned long long)plan->cpu_millis / 1000,
		 (unsigned long long)plan->cpu_millis % 1000);
	line(out, "cpus", v, plan->origin[OC_V_CPUS]);
	snprintf(v, sizeof(v), "%llu.%03llu s", (unsigned long long)plan->timeout_ms / 1000,
		 (unsigned long long)plan->timeout_ms % 1000);
	line(out, "timeout", plan->timeout_ms ? v : "none", plan->origin[OC_V_TIMEOUT]);
	if (plan->disk_bytes) {
		char size[32];
		size_text(size, plan->disk_bytes);
		snprintf(v, sizeof(v), "%s, %s", size,
			 oc_plan_disk_bound(plan) == OC_DISK_HARD ? "hard (in memory)" : "sampled");
		line(out, "disk", v, plan->origin[OC_V_DISK]);
	}
	age_text(v, plan->idle_ms);
	line(out, "idle", v, plan->origin[OC_V_IDLE]);
	age_text(v, plan->max_age_ms);
	line(out, "max age", v, plan->origin[OC_V_MAX_AGE]);
	for (size_t i = 0; i < plan->ulimit_count; i++) {
		const struct oc_ulimit *u = &plan->ulimits[i];
		ulimit_text(soft, sizeof(soft), u->soft);
		ulimit_text(hard, sizeof(hard), u->hard);
		snprintf(v, sizeof(v), "%s:%s", soft, hard);
		line(out, u->name, v, u->origin);
	}
}

static void text_mount(const struct oc_mount *m, struct oc_buf *out)
{
	char size[32];
	oc_auto_buf v = { 0 };
	oc_buf_puts(&v, kind_names[m->kind]);
	if (m->kind == OC_MOUNT_BIND || m->kind == OC_MOUNT_SYSFS || m->kind == OC_MOUNT_PROC)
		oc_buf_puts(&v, m->overlay ? " overlay" : m->read_only ? " ro" : " rw");
	if (m->no_exec)
		oc_buf_puts(&v, " noexec");
	if (m->kind == OC_MOUNT_TMPFS) {
		size_text(size, m->size_bytes);
		oc_buf_printf(&v, " %04o %s", (unsigned)m->mode, size);
	}
	if (m->kind == OC_MOUNT_FILE)
		oc_buf_printf(&v, " %zu bytes", m->content_len);
	if (m->source && strcmp(m->source, m->target) != 0)
		oc_buf_printf(&v, " %s %s", m->kind == OC_MOUNT_SYMLINK ? "->" : "of", m->source);
	if (m->map_owner)
		oc_buf_puts(&v, ", owner shown as the payload");
	size_t start = out->len;
	oc_buf_puts(out, "  ");
	escaped(out, m->target);
	pad(out, start, 30);
	escaped(out, v.data);
	pad(out, start, 30 + 32);
	oc_buf_puts(out, "(");
	escaped(out, m->origin);
	oc_buf_puts(out, ")\n");
}

static void text_identity(const struct oc_plan *plan, struct oc_buf *out)
{
	const oc_origin *o = plan->origin;
	char v[64];
	oc_buf_puts(out, "Sandbox\n");
	line(out, "profile", plan->profile, o[OC_V_PROFILE]);
	if (plan->agent)
		line(out, "agent", plan->agent, o[OC_V_AGENT]);
	if (plan->session)
		line(out, "session", plan->session, o[OC_V_SESSION]);
	line(out, "scope", plan->scope ? plan->scope : "one-shot", o[OC_V_SCOPE]);
	if (plan->scope_key)
		line(out, "scope key", plan->scope_key, NULL);
	line(out, "slug", plan->slug, NULL);
	line(out, "state", plan->state_dir ? plan->state_dir : "none", NULL);
	line(out, "hostname", plan->hostname, o[OC_V_HOSTNAME]);
	snprintf(v, sizeof(v), "%u:%u (on the host %u:%u)", plan->uid, plan->gid, plan->host_uid, plan->host_gid);
	line(out, "user", v, o[OC_V_USER]);
	line(out, "terminal", tty_names[plan->tty], o[OC_V_TTY]);
	oc_buf_puts(out, "\nFiles\n");
	line(out, "rootfs", plan->rootfs == OC_ROOTFS_HOST ? "host" : plan->rootfs_path, o[OC_V_ROOTFS]);
	line(out, "root", plan->read_only_root ? "read-only" : "writable (a copy that is thrown away)",
	     o[OC_V_READ_ONLY_ROOT]);
	line(out, "workspace", plan->workspace ? plan->workspace : "none (in memory)", o[OC_V_WORKSPACE]);
	line(out, "access", access_names[plan->access], o[OC_V_ACCESS]);
	if (plan->scratch_dir)
		line(out, "scratch", plan->scratch_dir, NULL);
	if (plan->overlay_dir)
		line(out, "changes", plan->overlay_dir, NULL);
	line(out, "workdir", plan->workdir, o[OC_V_WORKDIR]);
}

static void text_rows(struct oc_buf *out, const char *name, const struct oc_egress_list_row *row, size_t count)
{
	for (size_t i = 0; i < count; i++)
		line(out, name, row[i].text, row[i].origin);
}

static void text_budget(struct oc_buf *out, const char *name, const struct oc_egress_budget *b)
{
	char size[32];
	oc_auto_buf v = { 0 };
	size_text(size, b->upload_bytes);
	if (b->upload_bytes)
		oc_buf_printf(&v, "%s sent", size);
	if (b->connections)
		oc_buf_printf(&v, "%s%llu connections", v.len ? ", " : "", (unsigned long long)b->connections);
	if (b->names)
		oc_buf_printf(&v, "%s%llu names", v.len ? ", " : "", (unsigned long long)b->names);
	if (v.len)
		line(out, name, v.data, NULL);
}

static void text_egress(const struct oc_plan *plan, struct oc_buf *out)
{
	static const char *const text[] = {
		[OC_EGRESS_NONE] = "none (loopback only)",
		[OC_EGRESS_ALLOWLIST] = "allowlist (what the rules name, nothing else)",
		[OC_EGRESS_OPEN] = "open (all public addresses)",
	};
	const struct oc_plan_egress *e = &plan->egress;
	line(out, "network", text[e->mode], plan->origin[OC_V_EGRESS]);
	text_rows(out, "  allow", e->allow, e->allow_count);
	text_rows(out, "  deny", e->deny, e->deny_count);
	text_rows(out, "  private", e->allow_private, e->allow_private_count);
	text_budget(out, "  at most", &e->budget);
	text_budget(out, "  each rule", &e->rule_budget);
	for (size_t i = 0; i < e->resolver_count; i++)
		line(out, "  resolver", e->resolvers[i], NULL);
}

void oc_plan_text(const struct oc_plan *plan, struct oc_buf *out)
{
	char hash[65];
	text_identity(plan, out);
	text_limits(plan, out);
	oc_buf_puts(out, "\nIsolation\n");
	text_egress(plan, out);
	line(out, "seccomp", plan->seccomp, plan->origin[OC_V_SECCOMP]);
	if (plan->debug_allowed)
		line(out, "debuggers", "may trace processes inside", plan->origin[OC_V_PROFILE]);
	for (int i = 0; i < OC_LAYER_COUNT; i++) {
		const struct oc_layer_info *info = oc_layer_info((enum oc_layer)i);
		bool missing = plan->may_be_missing & OC_LAYER_BIT(i);
		size_t start = out->len;
		oc_buf_printf(out, "  %s", info->name);
		pad(out, start, 20);
		oc_buf_printf(out, "%s%s%s\n", info->summary, missing ? "; may be missing" : "",
			      i == OC_LAYER_CGROUP && !plan->require_cgroup ? "; stand-ins where the host gives none" : "");
	}
	oc_buf_puts(out, "\nMounts\n");
	for (size_t i = 0; i < plan->mount_count; i++)
		text_mount(&plan->mounts[i], out);
	if (plan->guard_count)
		oc_buf_puts(out, "\nGuarded in writable directories\n");
	for (size_t i = 0; i < plan->guard_count; i++) {
		const struct oc_guard *g = &plan->guards[i];
		oc_auto_buf path = { 0 };
		oc_buf_printf(&path, "%s/%s", plan->mounts[g->mount].target, g->path);
		line(out, guard_kind(g->kind), path.data, g->why);
	}
	oc_buf_puts(out, "\nEnvironment\n");
	for (size_t i = 0; i < plan->env_count; i++)
		line(out, plan->env[i].name, oc_env_secret(plan->env[i].name) ? "(hidden)" : plan->env[i].value,
		     plan->env[i].origin);
	if (plan->argv && plan->argv[0]) {
		oc_buf_puts(out, "\nCommand\n ");
		for (char *const *arg = plan->argv; *arg; arg++) {
			oc_buf_puts(out, " ");
			escaped(out, *arg);
		}
		oc_buf_puts(out, "\n");
	}
	if (plan->warnings)
		oc_buf_puts(out, "\nWarnings\n");
	for (const char *const *s = plan->warnings; s && *s; s++) {
		oc_buf_puts(out, "  ");
		escaped(out, *s);
		oc_buf_puts(out, "\n");
	}
	oc_plan_hash(plan, hash);
	oc_buf_printf(out, "\nPlan %s\n", hash);
}
