/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare - see prepare.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/helper.h"
#include "runtime/launch/overlay.h"
#include "runtime/launch/prepare.h"
#include "runtime/launch/sys.h"

/* Room for the largest program that the kernel takes. */
#define MAX_FILTER 4096

static int check_streams(const struct oc_launch_options *opt, struct oc_err *err)
{
	const int fds[3] = {opt->in, opt->out, opt->err};
	static const char *const name[3] = {"input", "output", "error"};

	for (int i = 0; i < 3; i++) {
		struct stat st;
		int flags = fcntl(fds[i], F_GETFL);
		if (flags < 0 || fstat(fds[i], &st) < 0) {
			oc_fail(err, errno, "standard %s is closed", name[i]);
			return oc_err_hint(err, "redirect it, for example from or to /dev/null");
		}
		/* A directory or a bare reference would be a way out of the root: openat(0, "..") (CVE-2024-21626). */
		if (S_ISDIR(st.st_mode) || (flags & O_PATH))
			return oc_fail(err, 0, "standard %s is a directory or a path reference",
				       name[i]);
	}
	return 0;
}

/* A file without a name (a here-document) is nobody else's; one that cannot be read again is passed as it is. */
static void find_input(struct oc_child *c)
{
	struct stat st;

	if (!c->privileged && fstat(c->stdio[0], &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    (fcntl(c->stdio[0], F_GETFL) & O_ACCMODE) == O_RDONLY)
		c->input_path = oc_fd_path(c->plan->arena, c->stdio[0]);
}

static void build_env(struct oc_child *c)
{
	const struct oc_plan *p = c->plan;

	char **envp = oc_arena_array(p->arena, p->env_count + 1, sizeof *envp);
	c->path_env = "/usr/bin:/bin";
	for (size_t i = 0; i < p->env_count; i++) {
		size_t n = strlen(p->env[i].name), v = strlen(p->env[i].value);
		char *s = oc_arena_alloc(p->arena, n + v + 2);
		memcpy(s, p->env[i].name, n);
		s[n] = '=';
		memcpy(s + n + 1, p->env[i].value, v + 1);
		envp[i] = s;
		if (strcmp(p->env[i].name, "PATH") == 0)
			c->path_env = s + n + 1;
	}
	c->envp = envp;
	c->argv = p->argv;
	c->workdir = p->workdir;
	c->exec_fd = c->opt->exec_fd;
}

/* A profile of the user's: compiled by the helper that has libseccomp, read back through a pipe. */
static int compile_filter(struct oc_child *c, const char *file, struct oc_err *err)
{
	int pipe_fd[2], errs[2];
	oc_auto_close helper = oc_helper_open("oc-seccompc", err);

	if (helper < 0)
		return -1;
	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return oc_fail(err, errno, "pipe");
	oc_auto_close in = pipe_fd[0], out = pipe_fd[1];
	if (pipe2(errs, O_CLOEXEC) < 0)
		return oc_fail(err, errno, "pipe");
	oc_auto_close err_in = errs[0], err_out = errs[1];
	pid_t pid = fork();
	if (pid < 0)
		return oc_fail(err, errno, "fork");
	if (pid == 0) {
		if (dup2(out, 1) < 0 || dup2(err_out, 2) < 0)
			_exit(126);
		char *const argv[] = {"oc-seccompc", (char *)(uintptr_t)file, NULL};
		oc_sys_execveat(helper, "", argv, environ, AT_EMPTY_PATH);
		_exit(127);
	}
	close(oc_steal_fd(&out));
	close(oc_steal_fd(&err_out));
	oc_auto_buf bytes = {0};
	oc_auto_buf text = {0};
	int r = oc_read_all(in, &bytes, MAX_FILTER * sizeof(struct sock_filter));
	int read_errno = errno, status = 0;
	oc_read_all(err_in, &text, 4096);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return oc_fail(err, 0, "cannot run oc-seccompc to compile %s", file);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		if (text.len && text.data[text.len - 1] == '\n')
			text.data[text.len - 1] = '\0';
		return oc_fail(err, 0, "%s", text.len ? text.data : "the profile did not compile");
	}
	if (r < 0)
		return oc_fail(err, read_errno, "cannot read the compiled profile %s", file);
	if (bytes.len == 0 || bytes.len % sizeof(struct sock_filter) != 0)
		return oc_fail(err, 0, "the compiled profile %s has an odd size", file);
	void *copy = oc_arena_alloc(c->plan->arena, bytes.len);
	memcpy(copy, bytes.data, bytes.len);
	c->filter = copy;
	c->filter_len = (unsigned short)(bytes.len / sizeof(struct sock_filter));
	return 0;
}

static int find_filter(struct oc_child *c, struct oc_err *err)
{
	const char *name = c->plan->seccomp;

	c->init_filter = oc_filter_find("init");
	if (!c->init_filter)
		return oc_fail(err, 0, "the filter of pid 1 is not in this program");
	if (name[0] == '/') {
		c->floor = oc_filter_find("floor");
		if (!c->floor)
			return oc_fail(err, 0, "the floor of the filters is not in this program");
		return compile_filter(c, name, err);
	}
	const struct oc_filter *f = oc_filter_find(name);
	if (!f)
		return oc_fail(err, 0, "there is no system call filter \"%s\"", name);
	c->filter = f->insns;
	c->filter_len = f->count;
	return 0;
}

/* Root: clone, flag and id-map a source while we have the privilege; the far side only attaches it. */
int oc_prepare_tree(const struct oc_child *c, const struct oc_mount *row, int fd, int *out,
		    struct oc_err *err)
{
	oc_auto_close tree = oc_sys_open_tree(
		fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	oc_auto_close ns = -1;
	struct mount_attr attr = {
		.attr_set = (uint64_t)MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			    (row->read_only ? MOUNT_ATTR_RDONLY : 0) |
			    (row->no_exec ? MOUNT_ATTR_NOEXEC : 0),
		.propagation = MS_PRIVATE,
	};

	if (tree < 0)
		return oc_fail(err, errno, "cannot clone %s", row->source);
	if (row->map_owner && row->owner_uid != c->plan->host_uid) {
		ns = oc_ids_map_namespace(row->owner_uid, c->plan->host_uid, row->owner_gid,
					  c->plan->host_gid, err);
		if (ns < 0)
			return oc_err_context(err, "%s", row->source);
		attr.attr_set |= (uint64_t)MOUNT_ATTR_IDMAP;
		attr.userns_fd = (__u64)(unsigned)ns;
	}
	if (oc_sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0) {
		oc_fail(err, errno, "cannot set the flags of %s", row->source);
		if (ns >= 0)
			oc_err_hint(err, "its file system may not support id-mapped mounts; run "
					 "oc-sandbox as the owner of the directory instead of root");
		return -1;
	}
	*out = oc_steal_fd(&tree);
	return 0;
}

static int prepare_mounts(struct oc_child *c, struct oc_err *err)
{
	const struct oc_plan *p = c->plan;

	c->mounts = oc_arena_array(p->arena, p->mount_count ? p->mount_count : 1, sizeof *c->mounts);
	for (size_t i = 0; i < p->mount_count; i++)
		c->mounts[i] = (struct oc_child_mount){.tree_fd = -1, .at_fd = -1};
	for (size_t i = 0; i < p->mount_count; i++) {
		struct oc_mount *row = &p->mounts[i];
		if (row->kind != OC_MOUNT_BIND)
			continue;
		if (row->fd < 0 && p->scratch_dir && strcmp(row->source, p->scratch_dir) == 0) {
			/* The scope's private directory comes to life with its first sandbox. */
			row->fd = oc_mkdir_path(row->source, 0700, err);
			if (row->fd < 0)
				return oc_err_context(err, "scratch directory");
			struct stat st;
			if (fstat(row->fd, &st) < 0)
				return oc_fail(err, errno, "%s", row->source);
			row->dev = st.st_dev;
			row->ino = st.st_ino;
			row->is_dir = true;
			row->owner_uid = st.st_uid;
			row->owner_gid = st.st_gid;
		}
		if (row->fd >= 0 && c->privileged &&
		    oc_prepare_tree(c, row, row->fd, &c->mounts[i].tree_fd, err) < 0)
			return -1;
		if (row->overlay && oc_overlay_prepare(c, row, err) < 0)
			return -1;
	}
	return 0;
}

static uint64_t namespace_flags(const struct oc_child *c)
{
	static const struct {
		enum oc_layer layer;
		uint64_t flag;
	} map[] = {
		{OC_LAYER_USER, CLONE_NEWUSER},	    {OC_LAYER_MOUNT, CLONE_NEWNS},
		{OC_LAYER_PID, CLONE_NEWPID},	    {OC_LAYER_IPC, CLONE_NEWIPC},
		{OC_LAYER_UTS, CLONE_NEWUTS},
		{OC_LAYER_CGROUP_NS, CLONE_NEWCGROUP},
	};
	uint64_t flags = 0;

	for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
		if (c->state[map[i].layer] == OC_STATE_MISSING)
			continue;
#ifdef OC_TEST_WEAKEN
		if (c->drop && strcmp(c->drop, oc_layer_info(map[i].layer)->name) == 0)
			continue;
#endif
		flags |= map[i].flag;
	}
	return flags;
}

int oc_prepare_child(struct oc_child *c, const struct oc_plan *plan, const struct oc_launch_options *opt,
		     struct oc_err *err)
{
	memset(c, 0, sizeof *c);
	c->plan = plan;
	c->opt = opt;
	c->status_fd = c->root_fd = c->null_fd = c->empty_dir_fd = c->ruleset_fd = c->proc_fd = c->sys_fd = -1;
	c->dev_fd = c->shm_fd = c->overlay.lock_fd = c->overlay.tree_fd = -1;
	c->pty_master = c->pty_slave = c->parent_fd = -1;
	c->stdio[0] = opt->in;
	c->stdio[1] = opt->out;
	c->stdio[2] = opt->err;
	c->privileged = geteuid() == 0;
#ifdef OC_TEST_WEAKEN
	c->drop = getenv("OC_TEST_DROP");
#endif
	c->umask = umask(0);
	umask(c->umask);
	if (check_streams(opt, err) < 0)
		return oc_err_step(err, "streams");
	if (find_filter(c, err) < 0)
		return oc_err_step(err, "seccomp");
	if (prepare_mounts(c, err) < 0)
		return oc_err_step(err, "rootfs");
	build_env(c);
	find_input(c);
	c->clone_flags = namespace_flags(c);
	c->aside.want_net = c->state[OC_LAYER_NET] != OC_STATE_MISSING;
	for (size_t i = 0; i < plan->mount_count; i++)
		c->aside.net_in_line |= plan->mounts[i].kind == OC_MOUNT_SYSFS;
#ifdef OC_TEST_WEAKEN
	if (c->drop && strcmp(c->drop, "net") == 0)
		c->aside.want_net = false;
#endif
	return 0;
}

void oc_prepare_close(struct oc_child *c)
{
	for (size_t i = 0; c->mounts && i < c->plan->mount_count; i++)
		oc_closep(&c->mounts[i].tree_fd);
	c->mounts = NULL;
	oc_closep(&c->overlay.tree_fd);
	c->overlay.tree_fd = -1;
}
