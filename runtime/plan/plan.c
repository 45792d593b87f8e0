/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - options, profile and configuration become one value.
 *
 * Order, a later one wins: built-in default, profile, agents.defaults.sandbox, the agent's sandbox, flags.
 * Binds and egress rules add up; environment and ulimits add up by name; everything else is replaced whole.
 * There is no rule that a later layer may only narrow: configuration and command line are the operator's.
 * What nobody may widen has no key at all: capabilities, host namespaces, an unconfined filter.
 *
 * Reads; opens descriptors; changes nothing.
 */
#define _GNU_SOURCE 1 /* O_PATH, statx(2), memory and path helpers of glibc */
#include "runtime/plan/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/plan/guard.h"
#include "runtime/plan/internal.h"

#define MIB	    (UINT64_C(1) << 20)
#define MAX_ARGS    65536
#define MAX_TMPFS   (UINT64_C(1) << 40)
#define MAX_PIDS    UINT64_C(4194304) /* PID_MAX_LIMIT of 64-bit kernels */
#define MIN_MEMORY  (4 * MIB)	      /* below this not even the launcher's own child lives */

void *oc_vec_grow_(struct oc_arena *a, void *items, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return items;
	size_t bigger = *cap ? *cap * 2 : 16;
	char *out = oc_arena_array(a, bigger, size);
	if (count)
		memcpy(out, items, count * size);
	*cap = bigger;
	return out;
}

void oc_warn(struct oc_builder *b, const char *fmt, ...)
{
	va_list ap;
	if (b->warnings.count >= OC_MAX_WARNINGS)
		return;
	va_start(ap, fmt);
	*oc_vec_add(b->a, &b->warnings) = oc_arena_vprintf(b->a, fmt, ap);
	va_end(ap);
}

static void set_text(struct oc_settings *s, enum oc_setting_id id, const char *text, oc_origin origin)
{
	s->v[id] = (struct oc_setting){ .text = text, .origin = origin };
}

static void set_number(struct oc_settings *s, enum oc_setting_id id, uint64_t number, oc_origin origin)
{
	s->v[id] = (struct oc_setting){ .number = number, .origin = origin };
}

/* A default that asks for more than the caller may have would fail at the launch: it is cut to what there is. */
static void default_ulimit(struct oc_builder *b, const char *name, rlim_t soft, rlim_t hard)
{
	struct oc_ulimit *u = oc_vec_add(b->a, &b->s.ulimits);
	struct rlimit own;
	*u = (struct oc_ulimit){ oc_ulimit_resource(name), name, soft, hard, "default" };
	if (getuid() == 0 || getrlimit(OC_RLIMIT(u->resource), &own) < 0 || own.rlim_max >= hard)
		return;
	u->hard = own.rlim_max;
	u->soft = soft < own.rlim_max ? soft : own.rlim_max;
	u->origin = "default, cut to the caller's limit";
}

static void builtin_defaults(struct oc_builder *b)
{
	static const char origin[] = "default";
	struct oc_settings *s = &b->s;
	set_text(s, OC_S_SCOPE, "agent", origin);
	set_text(s, OC_S_ROOTFS, "host", origin);
	set_number(s, OC_S_READ_ONLY_ROOT, 1, origin);
	set_text(s, OC_S_WORKDIR, "/workspace", origin);
	set_number(s, OC_S_MEMORY, 1024 * MIB, origin);
	set_number(s, OC_S_PIDS, 256, origin);
	set_number(s, OC_S_CPUS, 1000, origin);
	set_number(s, OC_S_TIMEOUT, 0, origin);
	set_number(s, OC_S_IDLE, OC_DAY_MS, origin);
	set_number(s, OC_S_MAX_AGE, 7 * OC_DAY_MS, origin);
	set_number(s, OC_S_TMPFS_SIZE, 256 * MIB, origin);
	set_text(s, OC_S_SECCOMP, "default", origin);
	default_ulimit(b, "core", 0, 0);
	default_ulimit(b, "memlock", 8 * MIB, 8 * MIB);
	default_ulimit(b, "msgqueue", 819200, 819200);
	default_ulimit(b, "nofile", 1024, 2048);
}

static int flag_layers(struct oc_builder *b, struct oc_err *err)
{
	const struct oc_plan_options *o = b->opt;
	for (size_t i = 0; i < o->allow_missing_count; i++) {
		int l = oc_layer_find(o->allow_missing[i]);
		if (l < 0)
			return oc_fail(err, 0, "--allow-missing %.200s: there is no such layer", o->allow_missing[i]);
		if (oc_layer_info((enum oc_layer)l)->essential) {
			oc_fail(err, 0, "--allow-missing %s: without it there is no sandbox", o->allow_missing[i]);
			return oc_err_hint(err, "`oc-sandbox doctor` says why the host does not give it");
		}
		b->s.may_be_missing |= OC_LAYER_BIT(l);
	}
	for (size_t i = 0; i < o->require_count; i++) {
		int l = oc_layer_find(o->require[i]);
		if (l < 0)
			return oc_fail(err, 0, "--require %.200s: there is no such layer", o->require[i]);
		b->s.may_be_missing &= ~OC_LAYER_BIT(l);
		b->s.require_cgroup |= l == OC_LAYER_CGROUP;
	}
	return 0;
}

static int flag_limits(struct oc_builder *b, struct oc_err *err)
{
	const struct oc_plan_options *o = b->opt;
	struct oc_settings *s = &b->s;
	uint64_t n;
	if (o->memory) {
		if (oc_parse_size(o->memory, &n, err) < 0)
			return oc_err_context(err, "--memory");
		set_number(s, OC_S_MEMORY, n, "--memory");
	}
	if (o->swap) {
		struct oc_setting *v = &s->v[OC_S_SWAP];
		*v = (struct oc_setting){ .origin = "--swap" };
		if (strcmp(o->swap, "unlimited") == 0 || strcmp(o->swap, "-1") == 0)
			v->swap_unit = OC_SWAP_UNLIMITED;
		else if (strcmp(o->swap, "0") != 0 && oc_parse_size(o->swap, &v->number, err) < 0)
			return oc_err_context(err, "--swap");
	}
	if (o->pids) {
		if (oc_parse_uint("--pids", o->pids, 1, MAX_PIDS, &n, err) < 0)
			return -1;
		set_number(s, OC_S_PIDS, n, "--pids");
	}
	if (o->cpus) {
		if (oc_parse_cpus(o->cpus, &n, err) < 0)
			return oc_err_context(err, "--cpus");
		set_number(s, OC_S_CPUS, n, "--cpus");
	}
	if (o->timeout) {
		if (oc_parse_duration(o->timeout, &n, err) < 0)
			return oc_err_context(err, "--timeout");
		set_number(s, OC_S_TIMEOUT, n, "--timeout");
	}
	if (o->idle) {
		if (oc_parse_age(o->idle, &n, err) < 0)
			return oc_err_context(err, "--idle");
		set_number(s, OC_S_IDLE, n, "--idle");
	}
	if (o->max_age) {
		if (oc_parse_age(o->max_age, &n, err) < 0)
			return oc_err_context(err, "--max-age");
		set_number(s, OC_S_MAX_AGE, n, "--max-age");
	}
	if (o->disk) {
		n = 0;
		if (strcmp(o->disk, "none") != 0 && oc_parse_size(o->disk, &n, err) < 0)
			return oc_err_context(err, "--disk");
		set_number(s, OC_S_DISK, n, "--disk");
	}
	for (size_t i = 0; i < o->ulimit_count; i++) {
		struct oc_ulimit u;
		if (oc_parse_ulimit(b->a, o->ulimits[i], &u, err) < 0)
			return oc_err_context(err, "--ulimit");
		u.origin = "--ulimit";
		oc_ulimit_put(b->a, s, &u);
	}
	return 0;
}

void oc_ulimit_put(struct oc_arena *a, struct oc_settings *s, const struct oc_ulimit *u)
{
	for (size_t i = 0; i < s->ulimits.count; i++) {
		if (s->ulimits.items[i].resource == u->resource) {
			s->ulimits.items[i] = *u;
			return;
		}
	}
	*oc_vec_add(a, &s->ulimits) = *u;
}

static int flag_mounts(struct oc_builder *b, struct oc_err *err)
{
	const struct oc_plan_options *o = b->opt;
	struct oc_settings *s = &b->s;
	if (o->bind_count > OC_MAX_BINDS) {
		oc_fail(err, 0, "%zu binds are given, the limit is %d", o->bind_count, OC_MAX_BINDS);
		return oc_err_hint(err, "bind a common parent directory");
	}
	if (o->tmpfs_count > OC_MAX_TMPFS)
		return oc_fail(err, 0, "%zu tmpfs mounts are given, the limit is %d", o->tmpfs_count, OC_MAX_TMPFS);
	for (size_t i = 0; i < o->bind_count; i++) {
		struct oc_bind_spec *spec = oc_vec_add(b->a, &s->binds);
		*spec = (struct oc_bind_spec){ .origin = "--bind" };
		if (oc_parse_bind(b->a, o->binds[i], false, spec, err) < 0)
			return oc_err_context(err, "--bind");
	}
	for (size_t i = 0; i < o->tmpfs_count; i++) {
		struct oc_tmpfs_spec spec;
		if (oc_parse_tmpfs(b->a, o->tmpfs[i], &spec, err) < 0)
			return oc_err_context(err, "--tmpfs");
		spec.origin = "--tmpfs";
		oc_tmpfs_put(b->a, s, &spec);
	}
	return 0;
}

void oc_tmpfs_put(struct oc_arena *a, struct oc_settings *s, const struct oc_tmpfs_spec *t)
{
	for (size_t i = 0; i < s->tmpfs.count; i++) {
		struct oc_tmpfs_spec *old = &s->tmpfs.items[i];
		/* twice from one place is a mistake that the overlap check reports */
		if (strcmp(old->target, t->target) == 0 && strcmp(old->origin, t->origin) != 0) {
			*old = *t;
			return;
		}
	}
	*oc_vec_add(a, &s->tmpfs) = *t;
}

static int flag_texts(struct oc_builder *b, struct oc_err *err)
{
	const struct oc_plan_options *o = b->opt;
	struct oc_settings *s = &b->s;
	uid_t uid;
	gid_t gid;
	const char *path = NULL;
	if (o->scope) {
		if (!oc_one_of(o->scope, "session", "agent", "shared"))
			return oc_fail(err, 0, "--scope must be session, agent or shared, not \"%.200s\"", o->scope);
		set_text(s, OC_S_SCOPE, o->scope, "--scope");
	}
	if (o->access) {
		if (!oc_one_of(o->access, "none", "ro", "rw") && strcmp(o->access, "overlay") != 0)
			return oc_fail(err, 0, "--access must be none, ro, rw or overlay, not \"%.200s\"", o->access);
		set_text(s, OC_S_ACCESS, o->access, "--access");
	}
	if (o->rootfs) {
		if (strcmp(o->rootfs, "host") != 0 && oc_path_given(b, "--rootfs", o->rootfs, &path, err) < 0)
			return -1;
		set_text(s, OC_S_ROOTFS, strcmp(o->rootfs, "host") == 0 ? "host" : path, "--rootfs");
	}
	if (o->workdir) {
		if (oc_parse_path(b->a, "--workdir", o->workdir, &path, err) < 0)
			return -1;
		set_text(s, OC_S_WORKDIR, path, "--workdir");
	}
	if (o->user) {
		if (oc_parse_user(o->user, &uid, &gid, err) < 0)
			return oc_err_context(err, "--user");
		set_text(s, OC_S_USER, o->user, "--user");
	}
	if (o->hostname) {
		if (oc_parse_hostname(o->hostname, err) < 0)
			return oc_err_context(err, "--hostname");
		set_text(s, OC_S_HOSTNAME, o->hostname, "--hostname");
	}
	if (o->seccomp) {
		const char *name = o->seccomp;
		if (oc_check_seccomp(b->a, &name, err) < 0)
			return oc_err_context(err, "--seccomp");
		set_text(s, OC_S_SECCOMP, name, "--seccomp");
	}
	if (o->sysfs)
		set_number(s, OC_S_SYSFS, 1, "--sysfs");
	return 0;
}

bool oc_one_of(const char *s, const char *a, const char *b, const char *c)
{
	return strcmp(s, a) == 0 || strcmp(s, b) == 0 || (c && strcmp(s, c) == 0);
}

int oc_check_seccomp(struct oc_arena *a, const char **name, struct oc_err *err)
{
	if (oc_one_of(*name, "default", "strict", "build"))
		return 0;
	if (**name == '/')
		return oc_parse_path(a, "a seccomp profile", *name, name, err);
	oc_fail(err, 0, "\"%.200s\" is not a seccomp profile", *name);
	return oc_err_hint(err, "default, strict, build, or the absolute path of a profile in OCI JSON; "
				"a sandbox without a filter does not exist");
}

/* A path of the command line may be relative to where the caller is; the plan has it absolute. */
int oc_path_given(struct oc_builder *b, const char *what, const char *s, const char **out, struct oc_err *err)
{
	char cwd[PATH_MAX];
	if (oc_check_text(what, s, err) < 0)
		return -1;
	if (*s != '/') {
		if (!getcwd(cwd, sizeof(cwd)) || *cwd != '/')
			return oc_fail(err, errno, "%s \"%.200s\": the current directory has no path", what, s);
		s = oc_arena_printf(b->a, "%s/%s", cwd, s);
	}
	return oc_parse_path(b->a, what, s, out, err);
}

static int workspace(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	const struct oc_setting *access_set = &b->s.v[OC_S_ACCESS];
	const struct oc_setting *root = &b->s.v[OC_S_WORKSPACE_ROOT];
	const char *word = access_set->text;

	plan->origin[OC_V_ACCESS] = access_set->origin ? access_set->origin : "default";
	if (b->opt->workspace) {
		plan->origin[OC_V_WORKSPACE] = "--workspace";
		if (oc_path_given(b, "--workspace", b->opt->workspace, &plan->workspace, err) < 0)
			return -1;
		/* who names a directory and no access wants to work in it */
		if (!b->opt->access && (!plan->agent || !access_set->origin)) {
			word = "rw";
			plan->origin[OC_V_ACCESS] = "--workspace";
		}
	} else if (plan->agent) {
		plan->workspace = b->agent_workspace;
		plan->origin[OC_V_WORKSPACE] = b->agent_workspace_origin;
	} else {
		plan->origin[OC_V_WORKSPACE] = "default";
		if (b->opt->access && strcmp(word, "none") != 0)
			return oc_fail(err, 0, "--access %s needs --workspace or --agent", word);
		word = "none";
	}
	plan->access = !word || strcmp(word, "none") == 0 ? OC_ACCESS_NONE :
		       strcmp(word, "ro") == 0		  ? OC_ACCESS_RO :
		       strcmp(word, "overlay") == 0	  ? OC_ACCESS_OVERLAY :
							    OC_ACCESS_RW;
	if (!plan->agent || plan->access == OC_ACCESS_RW || plan->access == OC_ACCESS_OVERLAY)
		return 0;
	if (root->text)
		plan->scratch_dir = oc_arena_printf(b->a, "%s/%s", root->text, plan->slug);
	else
		plan->scratch_dir = oc_arena_printf(b->a, "%s/sandboxes/%s", plan->state_dir, plan->slug);
	return 0;
}

static int scalars(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	const struct oc_setting *v = b->s.v;
	const struct oc_setting *swap = &v[OC_S_SWAP], *memory = &v[OC_S_MEMORY];
	plan->rootfs = strcmp(v[OC_S_ROOTFS].text, "host") == 0 ? OC_ROOTFS_HOST : OC_ROOTFS_DIR;
	plan->rootfs_path = plan->rootfs == OC_ROOTFS_DIR ? v[OC_S_ROOTFS].text : NULL;
	plan->origin[OC_V_ROOTFS] = v[OC_S_ROOTFS].origin;
	plan->read_only_root = v[OC_S_READ_ONLY_ROOT].number != 0;
	plan->origin[OC_V_READ_ONLY_ROOT] = v[OC_S_READ_ONLY_ROOT].origin;
	plan->workdir = v[OC_S_WORKDIR].text;
	plan->origin[OC_V_WORKDIR] = v[OC_S_WORKDIR].origin;
	plan->hostname = v[OC_S_HOSTNAME].text ? v[OC_S_HOSTNAME].text : plan->slug;
	plan->origin[OC_V_HOSTNAME] = v[OC_S_HOSTNAME].text ? v[OC_S_HOSTNAME].origin : "slug";
	plan->memory_bytes = memory->number;
	plan->origin[OC_V_MEMORY] = memory->origin;
	plan->pids = v[OC_S_PIDS].number;
	plan->origin[OC_V_PIDS] = v[OC_S_PIDS].origin;
	plan->cpu_millis = v[OC_S_CPUS].number;
	plan->origin[OC_V_CPUS] = v[OC_S_CPUS].origin;
	plan->timeout_ms = v[OC_S_TIMEOUT].number;
	plan->origin[OC_V_TIMEOUT] = v[OC_S_TIMEOUT].origin;
	plan->idle_ms = v[OC_S_IDLE].number;
	plan->origin[OC_V_IDLE] = v[OC_S_IDLE].origin;
	plan->max_age_ms = v[OC_S_MAX_AGE].number;
	plan->origin[OC_V_MAX_AGE] = v[OC_S_MAX_AGE].origin;
	plan->tmpfs_bytes = v[OC_S_TMPFS_SIZE].number;
	plan->seccomp = v[OC_S_SECCOMP].text;
	plan->origin[OC_V_SECCOMP] = v[OC_S_SECCOMP].origin;
	plan->debug_allowed = v[OC_S_DEBUG].number != 0;
	plan->tty = b->opt->tty;
	plan->origin[OC_V_TTY] = b->opt->tty == OC_TTY_AUTO ? "default" : "--tty";
	if (plan->memory_bytes < MIN_MEMORY)
		return oc_fail(err, 0, "%s: memory of %llu bytes is below the smallest that works, 4m", memory->origin,
			       (unsigned long long)plan->memory_bytes);
	if (plan->tmpfs_bytes > MAX_TMPFS)
		return oc_fail(err, 0, "%s: tmpfsSize is above 1t", v[OC_S_TMPFS_SIZE].origin);

	/* docker: memorySwap is memory and swap together; memory alone gives as much swap again */
	plan->origin[OC_V_SWAP] = swap->origin ? swap->origin : memory->docker ? memory->origin : "default";
	if (!swap->origin)
		plan->swap_bytes = memory->docker ? (int64_t)plan->memory_bytes : 0;
	else if (swap->swap_unit == OC_SWAP_UNLIMITED)
		plan->swap_bytes = -1;
	else if (swap->swap_unit == OC_SWAP_ADDITIONAL)
		plan->swap_bytes = (int64_t)swap->number;
	else if (swap->number >= plan->memory_bytes)
		plan->swap_bytes = (int64_t)(swap->number - plan->memory_bytes);
	else if (memory->docker)
		return oc_fail(err, 0, "%s: memorySwap counts memory and swap together and is below memory (%s)",
			       swap->origin, memory->origin);
	return 0;
}

static int ulimits(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	plan->ulimits = b->s.ulimits.items;
	plan->ulimit_count = b->s.ulimits.count;
	if (getuid() == 0)
		return 0;
	for (size_t i = 0; i < plan->ulimit_count; i++) {
		const struct oc_ulimit *u = &plan->ulimits[i];
		struct rlimit own;
		if (strncmp(u->origin, "default", 7) == 0 || getrlimit(OC_RLIMIT(u->resource), &own) < 0 ||
		    u->hard <= own.rlim_max)
			continue;
		oc_fail(err, 0, "%s: ulimit %s: %llu is above the caller's own hard limit of %llu", u->origin, u->name,
			(unsigned long long)u->hard, (unsigned long long)own.rlim_max);
		return oc_err_hint(err, "only root can raise it");
	}
	return 0;
}

static int arguments(struct oc_builder *b, struct oc_err *err)
{
	static char *const none[] = { NULL };
	char *const *argv = b->opt->argv ? b->opt->argv : none;
	size_t n = 0;
	while (argv[n])
		if (++n > MAX_ARGS)
			return oc_fail(err, 0, "the command has more than %d arguments", MAX_ARGS);
	if (n && !*argv[0])
		return oc_fail(err, 0, "the command is empty");
	b->plan->argv = argv;
	return 0;
}

/*
 * What the host would later run or trust in its directories that the command may write: the workspace and every writable bind; and the sockets in whatever is shown.  The
 * scope's scratch directory is nobody's working directory, it is left out.
 */
static int guards(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	for (size_t i = 0; i < plan->mount_count; i++) {
		struct oc_mount *m = &plan->mounts[i];
		struct oc_guard *found, *all;
		size_t n;
		/*
		 * Nothing in an overlay reaches the host before somebody applies it, who is told what the host would run or trust;
		 * and its sockets and fifos are objects of its own, no way to whoever listens on those below.
		 */
		if (m->overlay)
			continue;
		if (m->kind != OC_MOUNT_BIND || m->fd < 0 || !m->is_dir || strncmp(m->origin, "default", 7) == 0)
			continue;
		if ((m->read_only ? oc_guard_sockets(b->a, m->fd, &found, &n, err)
				  : oc_guard_scan(b->a, m->fd, &found, &n, &m->guard_baseline, err)) < 0)
			return oc_err_context(err, "%.200s", m->source);
		all = oc_arena_array(b->a, plan->guard_count + n + 1, sizeof *all);
		if (plan->guard_count)
			memcpy(all, plan->guards, plan->guard_count * sizeof *all);
		if (n)
			memcpy(all + plan->guard_count, found, n * sizeof *all);
		for (size_t k = 0; k < n; k++)
			all[plan->guard_count + k].mount = i;
		plan->guards = all;
		plan->guard_count += n;
		m->guarded = n > 0;
	}
	return 0;
}

static int build(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	const char *profile;
	oc_origin profile_origin;

	builtin_defaults(b);
	if (oc_config_load(b, err) < 0 || oc_config_profile(b, &profile, &profile_origin, err) < 0 ||
	    oc_profile_apply(b, profile, profile_origin, err) < 0 || oc_config_apply(b, err) < 0)
		return -1;
	if (flag_texts(b, err) < 0 || flag_limits(b, err) < 0 || flag_mounts(b, err) < 0 || flag_layers(b, err) < 0 ||
	    oc_egress_flags(b, err) < 0 || oc_env_flags(b, err) < 0)
		return -1;
	if (oc_identity_scope(b, err) < 0 || scalars(b, err) < 0 || oc_egress_finish(b, err) < 0 || ulimits(b, err) < 0 || workspace(b, err) < 0 ||
	    arguments(b, err) < 0)
		return -1;
	if (oc_mounts_workspace(b, err) < 0 || oc_disk_finish(b, err) < 0)
		return -1;
	if (oc_identity_ids(b, b->mounts.count ? &b->mounts.items[0] : NULL, err) < 0 || oc_mounts_finish(b, err) < 0)
		return -1;
	plan->mounts = b->mounts.items;
	plan->mount_count = b->mounts.count;
	plan->may_be_missing = b->s.may_be_missing;
	plan->required = (OC_LAYER_BIT(OC_LAYER_COUNT) - 1) & ~plan->may_be_missing;
	plan->require_cgroup = b->s.require_cgroup;
	if (guards(b, err) < 0 || oc_env_finish(b, err) < 0)
		return -1;
	if (b->warnings.count) {
		*oc_vec_add(b->a, &b->warnings) = NULL;
		plan->warnings = b->warnings.items;
	}
	return 0;
}

int oc_plan_build(struct oc_plan *plan, struct oc_arena *a, const struct oc_plan_options *opt, struct oc_err *err)
{
	struct oc_builder b = { .plan = plan, .a = a, .opt = opt };
	struct oc_err own;
	*plan = (struct oc_plan){ .arena = a };
	if (!err)
		err = &own;
	int r = build(&b, err);
	if (r < 0) {
		/* the rows may not have reached the plan yet */
		plan->mounts = b.mounts.items;
		plan->mount_count = b.mounts.count;
		oc_plan_close(plan);
		oc_err_step(err, "plan");
	}
	return r;
}

void oc_plan_close(struct oc_plan *plan)
{
	for (size_t i = 0; i < plan->mount_count; i++) {
		oc_closep(&plan->mounts[i].fd);
		plan->mounts[i].fd = -1;
	}
}
