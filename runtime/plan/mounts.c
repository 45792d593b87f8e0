/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts - the list of what the payload sees, in the order in which launch makes it.
 *
 * Opens sources (O_PATH) and reads small files of the host; changes nothing.
 */
#define _GNU_SOURCE 1 /* O_PATH, statx(2), memory and path helpers of glibc */
#include "runtime/plan/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sha256.h"

#define TMPFS_INODES 65536
#define SHM_BYTES    (UINT64_C(64) << 20)

struct oc_mount *oc_mount_add(struct oc_builder *b, enum oc_mount_kind kind, const char *target, const char *source,
			      oc_origin origin)
{
	struct oc_mount *m = oc_vec_add(b->a, &b->mounts);
	m->kind = kind;
	m->target = target;
	m->source = source;
	m->origin = origin;
	m->fd = -1;
	return m;
}

int oc_mount_host(struct oc_builder *b, const char *path, struct oc_err *err)
{
	struct oc_mount *m = oc_mount_add(b, OC_MOUNT_BIND, path, path, "default");
	m->read_only = m->optional = true;
	if (oc_source_open(b, m, OC_SOURCE_BUILTIN, true, err) == 0)
		return 0;
	b->mounts.count--;
	return err->errnum == ENOENT || err->errnum == ENOTDIR || err->errnum == EACCES ? 0 : -1;
}

/* /bin, /lib and so on: links into /usr where the host has them so, else the directories. */
static int usr_link(struct oc_builder *b, const char *path, struct oc_err *err)
{
	char text[64];
	ssize_t n = readlink(path, text, sizeof(text) - 1);
	if (n < 0)
		return errno == ENOENT ? 0 : oc_mount_host(b, path, err);
	text[n] = '\0';
	const char *rest = text[0] == '/' ? text + 1 : text;
	if (strncmp(rest, "usr/", 4) == 0 && !strstr(rest, ".."))
		oc_mount_add(b, OC_MOUNT_SYMLINK, path, oc_arena_strdup(b->a, text), "default");
	else
		return oc_mount_host(b, path, err);
	return 0;
}

static int host_rows(struct oc_builder *b, struct oc_err *err)
{
	static const char *const links[] = { "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32" };
	struct oc_mount *usr = oc_mount_add(b, OC_MOUNT_BIND, "/usr", "/usr", "default");
	usr->read_only = true;
	if (oc_source_open(b, usr, OC_SOURCE_BUILTIN, true, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		if (usr_link(b, links[i], err) < 0)
			return -1;
	return oc_etc_rows(b, err);
}

static void tmpfs_row(struct oc_builder *b, const struct oc_tmpfs_spec *t)
{
	struct oc_mount *m = oc_mount_add(b, OC_MOUNT_TMPFS, t->target, NULL, t->origin);
	bool run = strcmp(t->target, "/run") == 0;
	m->size_bytes = t->size_bytes ? t->size_bytes : b->plan->tmpfs_bytes;
	m->inodes = t->inodes ? t->inodes : TMPFS_INODES;
	m->mode = t->mode != (mode_t)-1 ? t->mode : run ? 0755 : 01777;
	m->no_exec = !t->exec;
}

/* A place of our own choice below a bind that does not have it is left out: nobody asked for it. */
static bool place_exists(const struct oc_builder *b, const char *target)
{
	for (size_t i = 0; i < b->mounts.count; i++) {
		const struct oc_mount *m = &b->mounts.items[i];
		if (m->kind != OC_MOUNT_BIND || m->fd < 0 || !oc_path_below(target, m->target))
			continue;
		oc_auto_close fd = oc_openat2(m->fd, target + strlen(m->target) + 1,
						  O_PATH | O_DIRECTORY | O_NOFOLLOW, 0,
						  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
		return fd >= 0;
	}
	return true;
}

static int tmpfs_rows(struct oc_builder *b, struct oc_err *err)
{
	static const char *const usual[] = { "/tmp", "/var/tmp", "/run" };
	const struct oc_settings *s = &b->s;
	if (s->tmpfs.count > OC_MAX_TMPFS)
		return oc_fail(err, 0, "%zu tmpfs mounts are given, the limit is %d", s->tmpfs.count, OC_MAX_TMPFS);
	for (size_t i = 0; i < 3 && !s->tmpfs_set; i++) {
		bool replaced = false;
		for (size_t k = 0; k < s->tmpfs.count; k++)
			replaced |= strcmp(s->tmpfs.items[k].target, usual[i]) == 0;
		for (size_t k = 0; k < s->binds.count; k++)
			replaced |= strcmp(s->binds.items[k].target, usual[i]) == 0;
		if (!replaced && place_exists(b, usual[i]))
			tmpfs_row(b, &(struct oc_tmpfs_spec){
					     .target = usual[i], .mode = (mode_t)-1, .exec = true, .origin = "default" });
	}
	bool reserved = s->v[OC_S_RESERVED_TARGETS].number != 0;
	for (size_t i = 0; i < s->tmpfs.count; i++) {
		if (oc_target_check(s->tmpfs.items[i].target, reserved, err) < 0)
			return oc_err_context(err, "%s", s->tmpfs.items[i].origin);
		tmpfs_row(b, &s->tmpfs.items[i]);
	}
	return 0;
}

static struct oc_mount *bind_row(struct oc_builder *b, const char *source, const char *target, bool read_only,
				 oc_origin origin)
{
	struct oc_mount *m = oc_mount_add(b, OC_MOUNT_BIND, target, source, origin);
	m->read_only = read_only;
	return m;
}

/* True if a bind or tmpfs of the user takes this reserved place (dangerouslyAllowReservedContainerTargets). */
static bool taken(const struct oc_builder *b, const char *target)
{
	const struct oc_settings *s = &b->s;
	if (!s->v[OC_S_RESERVED_TARGETS].number)
		return false;
	for (size_t i = 0; i < s->binds.count; i++)
		if (strcmp(s->binds.items[i].target, target) == 0)
			return true;
	for (size_t i = 0; i < s->tmpfs.count; i++)
		if (strcmp(s->tmpfs.items[i].target, target) == 0)
			return true;
	return false;
}

/*
 * Named by the scope and by the directory below: the changes of one are none of another.  Without an agent by the directory alone,
 * so that `oc-sandbox diff -w DIR` finds them.
 */
static int overlay_store(struct oc_builder *b, const struct oc_mount *m, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	const struct oc_setting *root = &b->s.v[OC_S_WORKSPACE_ROOT];
	char hex[65];

	/* A copy has the owner of what it is a copy of, and that one must have an id inside: EOVERFLOW. */
	if (getuid() != 0 && (m->owner_uid != getuid() || m->owner_gid != getgid()))
		oc_warn(b, "%.300s belongs to another user or group: what in it does, too, cannot be changed in an overlay",
			m->source);
	if (!plan->state_dir) {
		oc_fail(err, 0, "access overlay needs a state directory, and there is no home directory");
		return oc_err_hint(err, "set HOME or OPENCLAW_STATE_DIR");
	}
	const char *parent = plan->agent && root->text ? root->text : oc_arena_printf(b->a, "%s/sandboxes", plan->state_dir);
	if (plan->agent) {
		oc_sha256_hex(plan->workspace, strlen(plan->workspace), hex);
		plan->overlay_dir = oc_arena_printf(b->a, "%s/%s.%.8s.overlay", parent, plan->slug, hex);
	} else {
		plan->overlay_dir = oc_arena_printf(b->a, "%s/%s.overlay", parent, oc_scope_slug(b->a, plan->workspace));
	}
	if (!oc_path_below(plan->overlay_dir, plan->workspace) && !oc_path_below(plan->workspace, plan->overlay_dir))
		return 0;
	oc_fail(err, 0, "the changes of the workspace %.300s would be kept inside of it", plan->workspace);
	return oc_err_hint(err, "set OPENCLAW_STATE_DIR to a directory elsewhere");
}

static int own_workspace(struct oc_builder *b, const char *target, bool read_only, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	struct oc_mount *m = bind_row(b, plan->workspace, target, read_only, plan->origin[OC_V_WORKSPACE]);
	m->workspace = true;
	m->map_owner = getuid() == 0;
	if (oc_source_open(b, m, OC_SOURCE_WORKSPACE, true, err) < 0)
		return oc_err_context(err, "workspace (%s)", m->origin);
	plan->workspace = m->source;
	m->overlay = plan->access == OC_ACCESS_OVERLAY;
	return m->overlay ? overlay_store(b, m, err) : 0;
}

/*
 * spec tools-sandbox-audit 1.4.  none: /workspace is the scratch directory of the scope, writable.
 * ro: /workspace is the scratch directory, read-only, and /agent the agent's workspace, read-only.
 * rw: /workspace is the agent's workspace; overlay: a copy of it that keeps its changes elsewhere.  Without an agent there is no scratch directory: /workspace is
 * --workspace (rw or ro), or else an empty directory in memory.
 */
int oc_mounts_workspace(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	if (plan->access != OC_ACCESS_NONE && plan->workspace) {
		bool agent_dir = plan->access == OC_ACCESS_RO && plan->agent;
		const char *target = agent_dir ? "/agent" : "/workspace";
		if (!taken(b, target) && own_workspace(b, target, plan->access == OC_ACCESS_RO, err) < 0)
			return -1;
		if (!agent_dir)
			return 0;
	}
	if (taken(b, "/workspace")) {
		plan->scratch_dir = NULL;
		return 0;
	}
	if (plan->scratch_dir) {
		/* made by launch: there is nothing to open yet, and planning must not make it */
		struct oc_mount *m = bind_row(b, plan->scratch_dir, "/workspace", plan->access == OC_ACCESS_RO,
					      plan->origin[OC_V_SCOPE]);
		m->map_owner = getuid() == 0;
		m->is_dir = true;
		return 0;
	}
	struct oc_mount *m = oc_mount_add(b, OC_MOUNT_TMPFS, "/workspace", NULL, "default");
	m->size_bytes = plan->tmpfs_bytes;
	m->inodes = TMPFS_INODES;
	m->mode = 0700;
	return 0;
}

static int bind_rows(struct oc_builder *b, struct oc_err *err)
{
	const struct oc_settings *s = &b->s;
	bool reserved = s->v[OC_S_RESERVED_TARGETS].number != 0;
	bool outside = s->v[OC_S_EXTERNAL_SOURCES].number != 0;
	for (size_t i = 0; i < s->binds.count; i++) {
		const struct oc_bind_spec *spec = &s->binds.items[i];
		struct oc_mount *m = bind_row(b, spec->source, spec->target, spec->read_only, spec->origin);
		if (oc_target_check(m->target, reserved, err) < 0 ||
		    oc_source_open(b, m, OC_SOURCE_BIND, outside || !spec->from_config, err) < 0)
			return oc_err_context(err, "%s", spec->origin);
		/* root would otherwise hand files of root to a payload that may only read them by mode */
		m->map_owner = getuid() == 0 && (!m->read_only || m->owner_uid != 0);
	}
	return 0;
}

int oc_mounts_finish(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	if (b->s.binds.count > OC_MAX_BINDS) {
		oc_fail(err, 0, "%zu binds are given, the limit is %d", b->s.binds.count, OC_MAX_BINDS);
		return oc_err_hint(err, "bind a common parent directory");
	}
	if ((plan->rootfs == OC_ROOTFS_DIR ? oc_rootfs_rows(b, err) : host_rows(b, err)) < 0)
		return -1;
	oc_mount_add(b, OC_MOUNT_PROC, "/proc", NULL, "default")->read_only = true;
	struct oc_mount *dev = oc_mount_add(b, OC_MOUNT_DEV, "/dev", NULL, "default");
	dev->size_bytes = plan->tmpfs_bytes < SHM_BYTES ? plan->tmpfs_bytes : SHM_BYTES;
	if (b->s.v[OC_S_SYSFS].number)
		oc_mount_add(b, OC_MOUNT_SYSFS, "/sys", NULL, b->s.v[OC_S_SYSFS].origin)->read_only = true;
	if (bind_rows(b, err) < 0 || tmpfs_rows(b, err) < 0 || oc_targets_arrange(b, err) < 0)
		return -1;
	return 0;
}
