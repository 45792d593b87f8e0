/* SPDX-License-Identifier: MIT */
/*
 * cgroup - see cgroup.h.
 *
 * v1: every controller has its own tree under /sys/fs/cgroup/NAME; the leaf is made in each, below the caller's own group.
 * v2: a group with processes in it may not hand controllers to children, so the leaf is made beside the caller, below the nearest
 * ancestor that may be written and hands on what is needed.  On a hybrid host the controllers are where v1 has them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/cgroup.h"

static const char *const controller[OC_CG_COUNT] = {"memory", "pids", "cpu"};

#define BENEATH (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

void oc_cgroup_init(struct oc_cgroup *cg)
{
	memset(cg, 0, sizeof *cg);
	for (int i = 0; i < OC_CG_COUNT; i++)
		cg->parent[i] = cg->leaf[i] = cg->tasks[i] = -1;
}

static void close_all(struct oc_cgroup *cg)
{
	for (int i = 0; i < OC_CG_COUNT; i++) {
		oc_closep(&cg->parent[i]);
		oc_closep(&cg->leaf[i]);
		oc_closep(&cg->tasks[i]);
		cg->parent[i] = cg->leaf[i] = cg->tasks[i] = -1;
	}
	cg->kind = OC_CGROUP_NONE;
}

/* Path of our own group in the hierarchy of a controller ("" is v2) from /proc/self/cgroup; NULL if it is not there. */
static const char *own_path(char *text, const char *name, char *out, size_t size)
{
	size_t name_len = strlen(name);

	for (char *line = text; line && *line;) {
		char *end = strchr(line, '\n');
		char *list = strchr(line, ':');
		char *path = list ? strchr(list + 1, ':') : NULL;
		if (path && (!end || path < end)) {
			bool match = name_len == 0 && path == list + 1;
			for (char *p = list + 1; name_len && p < path;) {
				char *comma = memchr(p, ',', (size_t)(path - p));
				size_t n = (size_t)((comma ? comma : path) - p);
				match = match || (n == name_len && memcmp(p, name, n) == 0);
				p += n + 1;
			}
			size_t n = end ? (size_t)(end - path - 1) : strlen(path + 1);
			if (match && n < size) {
				memcpy(out, path + 1, n);
				out[n] = '\0';
				return out;
			}
		}
		line = end ? end + 1 : NULL;
	}
	return NULL;
}

static int write_value(int dir, const char *file, const char *value, struct oc_err *err)
{
	if (oc_write_file_at(dir, file, value) < 0)
		return oc_fail(err, errno, "cannot write %s to %s", value, file);
	return 0;
}

/* A name that nobody guesses and that says whose it is; left-overs of a killed monitor are found by it. */
static void make_name(struct oc_cgroup *cg)
{
	uint64_t r = 0;

	if (getrandom(&r, sizeof r, GRND_NONBLOCK) != (ssize_t)sizeof r)
		r = (uint64_t)time(NULL);
	snprintf(cg->name, sizeof cg->name, "oc-sandbox-%d-%08x", (int)getpid(), (unsigned)r);
}

/*
 * Left-overs: a monitor that was killed together with its janitor could not remove its leaf.  Any group of ours whose maker is
 * dead and which is empty goes away when the next sandbox is made beside it.  Only one tree is listed: a listing costs
 * as much as the group has files, and a parent without any child (link count 2) is not listed at all.
 */
static void sweep_dead(struct oc_cgroup *cg, int list)
{
	struct stat st;

	if (fstat(cg->parent[list], &st) < 0 || st.st_nlink <= 2)
		return;
	oc_auto_close dir = oc_openat2(cg->parent[list], ".", O_RDONLY | O_DIRECTORY, 0, BENEATH);
	_Alignas(struct dirent64) char buf[4096];
	ssize_t n;

	if (dir < 0)
		return;
	while ((n = getdents64(dir, buf, sizeof buf)) > 0) {
		for (ssize_t off = 0; off < n;) {
			struct dirent64 *d = (struct dirent64 *)(void *)(buf + off);
			int pid = 0;
			off += d->d_reclen;
			if (d->d_type != DT_DIR || sscanf(d->d_name, "oc-sandbox-%d-", &pid) != 1 ||
			    pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH)
				continue;
			for (int i = 0; i < OC_CG_COUNT; i++)
				if (cg->parent[i] >= 0) /* EBUSY: something still lives in it */
					unlinkat(cg->parent[i], d->d_name, AT_REMOVEDIR);
		}
	}
}

static int make_leaf(struct oc_cgroup *cg, int i, struct oc_err *err)
{
	if (mkdirat(cg->parent[i], cg->name, 0755) < 0)
		return oc_fail(err, errno, "cannot make a cgroup of the %s controller", controller[i]);
	cg->leaf[i] = oc_openat2(cg->parent[i], cg->name, O_RDONLY | O_DIRECTORY, 0, BENEATH);
	if (cg->leaf[i] < 0)
		return oc_fail(err, errno, "cannot open the new cgroup of %s", controller[i]);
	return 0;
}

static int limits_v1(struct oc_cgroup *cg, const struct oc_plan *plan, struct oc_err *err)
{
	char v[32];
	int m = cg->leaf[OC_CG_MEMORY];

	snprintf(v, sizeof v, "%llu", (unsigned long long)plan->memory_bytes);
	if (write_value(m, "memory.limit_in_bytes", v, err) < 0)
		return -1;
	if (plan->swap_bytes >= 0) {
		snprintf(v, sizeof v, "%llu",
			 (unsigned long long)(plan->memory_bytes + (uint64_t)plan->swap_bytes));
		/* The file is missing when the kernel accounts no swap: then there is nothing to limit it with. */
		if (oc_write_file_at(m, "memory.memsw.limit_in_bytes", v) < 0 && errno != ENOENT)
			return oc_fail(err, errno, "cannot limit swap");
	}
	snprintf(v, sizeof v, "%llu", (unsigned long long)plan->pids);
	if (write_value(cg->leaf[OC_CG_PIDS], "pids.max", v, err) < 0)
		return -1;
	snprintf(v, sizeof v, "%llu", (unsigned long long)plan->cpu_millis * 100);
	if (write_value(cg->leaf[OC_CG_CPU], "cpu.cfs_period_us", "100000", err) < 0)
		return -1;
	return write_value(cg->leaf[OC_CG_CPU], "cpu.cfs_quota_us", v, err);
}

static int create_v1(struct oc_cgroup *cg, const struct oc_plan *plan, char *self, struct oc_err *err)
{
	char path[4096], own[3072];

	for (int i = 0; i < OC_CG_COUNT; i++) {
		if (!own_path(self, controller[i], own, sizeof own)) {
			oc_fail(err, 0, "the host has no %s controller", controller[i]);
			return oc_err_hint(err, "enable it in the kernel, or --allow-missing cgroup");
		}
		snprintf(path, sizeof path, "/sys/fs/cgroup/%s%s", controller[i], own);
		cg->parent[i] = oc_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0,
					   RESOLVE_NO_MAGICLINKS);
		struct statfs fs;
		if (cg->parent[i] < 0 || fstatfs(cg->parent[i], &fs) < 0)
			return oc_fail(err, errno, "cannot open %s", path);
		if (fs.f_type != CGROUP_SUPER_MAGIC)
			return oc_fail(err, 0, "%s is not a cgroup", path);
	}
	sweep_dead(cg, OC_CG_PIDS);
	for (int i = 0; i < OC_CG_COUNT; i++) {
		if (make_leaf(cg, i, err) < 0)
			return -1;
		cg->tasks[i] = oc_openat2(cg->leaf[i], "tasks", O_WRONLY, 0, BENEATH);
		if (cg->tasks[i] < 0)
			return oc_fail(err, errno, "cannot open tasks of the %s controller",
				       controller[i]);
	}
	cg->kind = OC_CGROUP_V1;
	snprintf(cg->detail, sizeof cg->detail, "v1: memory, pids, cpu");
	return limits_v1(cg, plan, err);
}

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += n)
		if ((p == list || p[-1] == ' ') && (p[n] == '\0' || p[n] == ' '))
			return true;
	return false;
}

/* Hand our controllers to the children of dir. True if all are there (afterwards). */
static bool hand_on(int dir, bool try)
{
	char list[512];

	if (oc_read_file_at(dir, "cgroup.subtree_control", list, sizeof list) < 0)
		return false;
	for (int i = 0; i < OC_CG_COUNT; i++) {
		if (has_word(list, controller[i]))
			continue;
		char word[16] = "+";
		strncat(word, controller[i], sizeof word - 2);
		if (!try || oc_write_file_at(dir, "cgroup.subtree_control", word) < 0)
			return false;
	}
	return true;
}

/*
 * The group that the leaf is made in: from our own upwards, the first that may be written and hands on the
 * controllers, or can be made to.  An ancestor can only hand on what it has, so as root switch them on from the top.
 */
static int find_parent_v2(const char *own, struct oc_err *err)
{
	char path[4096];
	int r = snprintf(path, sizeof path, "/sys/fs/cgroup%s", own);

	if (r < 0 || (size_t)r >= sizeof path)
		return oc_fail(err, ENAMETOOLONG, "own cgroup");
	if (geteuid() == 0) {
		for (char *p = path + strlen("/sys/fs/cgroup"); (p = strchr(p, '/')); p++) {
			*p = '\0';
			oc_auto_close dir =
				oc_openat2(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, 0);
			*p = '/';
			if (dir < 0 || !hand_on(dir, true))
				break; /* a group with processes: nothing below it can have them */
		}
	}
	for (;;) {
		oc_auto_close dir = oc_openat2(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, 0);
		if (dir >= 0 && faccessat(dir, "cgroup.procs", W_OK, AT_EACCESS) == 0 &&
		    faccessat(dir, ".", W_OK, AT_EACCESS) == 0 && hand_on(dir, true))
			return oc_steal_fd(&dir);
		char *slash = strrchr(path, '/');
		if (!slash || (size_t)(slash - path) < strlen("/sys/fs/cgroup"))
			break;
		*slash = '\0';
	}
	oc_fail(err, EACCES, "no cgroup above %s may be written and hands on memory, pids and cpu", own);
	return oc_err_hint(err, "run below a delegated cgroup (systemd: Delegate=yes), see "
				"`oc-sandbox doctor`");
}

static int create_v2(struct oc_cgroup *cg, const struct oc_plan *plan, char *self, struct oc_err *err)
{
	char own[3072], v[48];

	if (!own_path(self, "", own, sizeof own))
		return oc_fail(err, 0, "the own cgroup is not in /proc/self/cgroup");
	if (strstr(own, ".."))
		return oc_fail(err, 0, "the own cgroup lies outside of the visible tree");
	int parent = find_parent_v2(strcmp(own, "/") == 0 ? "" : own, err);
	if (parent < 0)
		return -1;
	cg->parent[0] = parent;
	sweep_dead(cg, 0);
	if (make_leaf(cg, 0, err) < 0)
		return -1;
	cg->kind = OC_CGROUP_V2;
	snprintf(cg->detail, sizeof cg->detail, "v2: memory, pids, cpu");
	snprintf(v, sizeof v, "%llu", (unsigned long long)plan->memory_bytes);
	if (write_value(cg->leaf[0], "memory.max", v, err) < 0)
		return -1;
	/* One process that is over the limit would be killed alone and leave a half-dead command. */
	if (oc_write_file_at(cg->leaf[0], "memory.oom.group", "1") < 0 && errno != ENOENT)
		return oc_fail(err, errno, "cannot set memory.oom.group");
	if (plan->swap_bytes >= 0) {
		snprintf(v, sizeof v, "%llu", (unsigned long long)plan->swap_bytes);
		if (oc_write_file_at(cg->leaf[0], "memory.swap.max", v) < 0 && errno != ENOENT)
			return oc_fail(err, errno, "cannot limit swap");
	}
	snprintf(v, sizeof v, "%llu", (unsigned long long)plan->pids);
	if (write_value(cg->leaf[0], "pids.max", v, err) < 0)
		return -1;
	snprintf(v, sizeof v, "%llu 100000", (unsigned long long)plan->cpu_millis * 100);
	return write_value(cg->leaf[0], "cpu.max", v, err);
}

int oc_cgroup_create(struct oc_cgroup *cg, const struct oc_plan *plan, struct oc_err *err)
{
	struct statfs fs;
	char self[8192];

	make_name(cg);
	if (statfs("/sys/fs/cgroup", &fs) < 0) {
		oc_fail(err, errno, "there is no cgroup file system at /sys/fs/cgroup");
		return oc_err_hint(err, "mount it, or --allow-missing cgroup");
	}
	if (oc_read_file_at(AT_FDCWD, "/proc/self/cgroup", self, sizeof self) < 0)
		return oc_fail(err, errno, "cannot read /proc/self/cgroup");
	int r = fs.f_type == CGROUP2_SUPER_MAGIC ? create_v2(cg, plan, self, err)
						 : create_v1(cg, plan, self, err);
	if (r < 0) {
		oc_cgroup_remove(cg);
		return -1;
	}
	return 0;
}

static uint64_t read_number(int dir, const char *file)
{
	char buf[64];
	uint64_t n = 0;

	if (dir < 0 || oc_read_file_at(dir, file, buf, sizeof buf) < 0)
		return 0;
	for (const char *p = buf; *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	return n;
}

/* Value behind "key " in a file of lines. */
static uint64_t read_keyed(int dir, const char *file, const char *key)
{
	char buf[2048];
	size_t n = strlen(key);
	uint64_t v = 0;

	if (dir < 0 || oc_read_file_at(dir, file, buf, sizeof buf) < 0)
		return 0;
	for (const char *p = buf; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, n) == 0 && p[n] == ' ') {
			for (p += n + 1; *p >= '0' && *p <= '9'; p++)
				v = v * 10 + (uint64_t)(*p - '0');
			return v;
		}
	}
	return 0;
}

void oc_cgroup_usage(const struct oc_cgroup *cg, struct oc_cgroup_usage *u)
{
	memset(u, 0, sizeof *u);
	if (cg->kind == OC_CGROUP_V1) {
		u->memory_peak = read_number(cg->leaf[OC_CG_MEMORY], "memory.max_usage_in_bytes");
		u->memory_now = read_number(cg->leaf[OC_CG_MEMORY], "memory.usage_in_bytes");
		u->oom_kills = read_keyed(cg->leaf[OC_CG_MEMORY], "memory.oom_control", "oom_kill");
		u->pids_peak = read_number(cg->leaf[OC_CG_PIDS], "pids.peak");
		u->pids_refused = read_keyed(cg->leaf[OC_CG_PIDS], "pids.events", "max");
	} else if (cg->kind == OC_CGROUP_V2) {
		u->memory_peak = read_number(cg->leaf[0], "memory.peak");
		u->memory_now = read_number(cg->leaf[0], "memory.current");
		u->oom_kills = read_keyed(cg->leaf[0], "memory.events", "oom_kill");
		u->pids_peak = read_number(cg->leaf[0], "pids.peak");
		u->pids_refused = read_keyed(cg->leaf[0], "pids.events", "max");
		u->cpu_user_us = read_keyed(cg->leaf[0], "cpu.stat", "user_usec");
		u->cpu_system_us = read_keyed(cg->leaf[0], "cpu.stat", "system_usec");
	}
}

int oc_cgroup_remove(struct oc_cgroup *cg)
{
	int failed = 0;

	for (int i = 0; i < OC_CG_COUNT; i++) {
		if (cg->parent[i] < 0 || cg->leaf[i] < 0)
			continue;
		/* The last exit is accounted a moment after it can be waited for. */
		for (int try = 0; unlinkat(cg->parent[i], cg->name, AT_REMOVEDIR) < 0; try++) {
			if (errno != EBUSY || try == 200) {
				failed = errno;
				break;
			}
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		}
	}
	close_all(cg);
	errno = failed;
	return failed ? -1 : 0;
}
