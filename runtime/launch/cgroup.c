/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup - see cgroup.h.
 *
 * v1: every controller has its own tree under /sys/fs/cgroup/NAME; the leaf is made in each, below the caller's own group.
 * v2: a group with processes in it may not hand controllers to children, so the leaf is made beside the caller, below the nearest
 * ancestor that may be written and hands on what is needed.  A delegated group in which only we are is emptied first: we move to a
 * sub-group.  On a hybrid host the controllers are where v1 has them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/cgroup.h"
#include "runtime/launch/delegate.h"

static const char *const controller[OC_CG_COUNT] = {"pids", "memory", "cpu"};

const char *oc_cgroup_controller(int i)
{
	return controller[i];
}

#define OWN_MAX 3072
#define BENEATH (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

void oc_cgroup_init(struct oc_cgroup *cg)
{
	memset(cg, 0, sizeof *cg);
	for (int i = 0; i < OC_CG_COUNT; i++)
		cg->parent[i] = cg->leaf[i] = cg->tasks[i] = -1;
	cg->init = -1;
}

static void close_all(struct oc_cgroup *cg)
{
	for (int i = 0; i < OC_CG_COUNT; i++) {
		oc_closep(&cg->parent[i]);
		oc_closep(&cg->leaf[i]);
		oc_closep(&cg->tasks[i]);
		cg->parent[i] = cg->leaf[i] = cg->tasks[i] = -1;
	}
	oc_closep(&cg->init);
	cg->init = -1;
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
 * Remove a group with the groups in it, which have none: in a leaf there is only what cgroup_call.c and keep_room() make.  A
 * group that is gone is removed.  Returns 0 or -1 with errno, EBUSY: something still lives in it.
 */
static int remove_group(int parent, const char *name)
{
	_Alignas(struct dirent64) char buf[4096];
	ssize_t n;

	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY) /* both processes and groups */
		return -1;
	oc_auto_close dir = oc_openat2(parent, name, O_RDONLY | O_DIRECTORY, 0, BENEATH);
	while (dir >= 0 && (n = getdents64(dir, (void *)buf, sizeof buf)) > 0) {
		for (ssize_t off = 0; off < n;) {
			struct dirent64 *d = (struct dirent64 *)(void *)(buf + off);
			off += d->d_reclen;
			if (d->d_type == DT_DIR && d->d_name[0] != '.')
				unlinkat(dir, d->d_name, AT_REMOVEDIR);
		}
	}
	return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

/*
 * Left-overs: a monitor that was killed together with its janitor could not remove its leaf.  Any group of ours whose maker is
 * dead and which is empty goes away when the next sandbox is made beside it.  Of the trees with the same parent (bits of trees) only
 * one is listed: a listing costs as much as the group has files, and a parent without any child (link count 2) is not listed
 * at all.  In that one it is removed last, or a rest in the others would not be found again.
 */
static void sweep_dead(struct oc_cgroup *cg, int list, unsigned trees)
{
	struct stat st;

	if (fstat(cg->parent[list], &st) < 0 || st.st_nlink <= 2)
		return;
	oc_auto_close dir = oc_openat2(cg->parent[list], ".", O_RDONLY | O_DIRECTORY, 0, BENEATH);
	_Alignas(struct dirent64) char buf[4096];
	ssize_t n;

	if (dir < 0)
		return;
	while ((n = getdents64(dir, (void *)buf, sizeof buf)) > 0) {
		for (ssize_t off = 0; off < n;) {
			struct dirent64 *d = (struct dirent64 *)(void *)(buf + off);
			int pid = 0;
			off += d->d_reclen;
			if (d->d_type != DT_DIR || sscanf(d->d_name, "oc-sandbox-%d-", &pid) != 1 ||
			    pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH)
				continue;
			char inner[2 * sizeof d->d_name + 2]; /* see pin() */
			snprintf(inner, sizeof inner, "%s/%s", d->d_name, d->d_name);
			for (int k = OC_CG_COUNT - 1; k >= 0; k--) {
				int i = (list + k) % OC_CG_COUNT;
				if (cg->parent[i] >= 0 && (trees & OC_CG_BIT(i))) { /* EBUSY: something still lives in it */
					remove_group(cg->parent[i], inner);
					remove_group(cg->parent[i], d->d_name);
				}
			}
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

/* Our own group is not of the same name in each tree: each place is swept by those who make theirs there. */
static void sweep_v1(struct oc_cgroup *cg, char own[OC_CG_COUNT][OWN_MAX])
{
	unsigned done = 0;

	for (int i = 0; i < OC_CG_COUNT; i++) {
		unsigned trees = 0;
		for (int k = i; k < OC_CG_COUNT; k++)
			if (!(done & OC_CG_BIT(k)) && strcmp(own[i], own[k]) == 0)
				trees |= OC_CG_BIT(k);
		if (!(done & OC_CG_BIT(i)))
			sweep_dead(cg, i, trees);
		done |= trees;
	}
}

static int create_v1(struct oc_cgroup *cg, const struct oc_plan *plan, char *self, struct oc_err *err)
{
	char path[4096], own[OC_CG_COUNT][OWN_MAX];

	for (int i = 0; i < OC_CG_COUNT; i++) {
		if (!own_path(self, controller[i], own[i], sizeof own[i])) {
			oc_fail(err, 0, "the host has no %s controller", controller[i]);
			return oc_err_hint(err, "enable it in the kernel, or --allow-missing cgroup");
		}
		snprintf(path, sizeof path, "/sys/fs/cgroup/%s%.*s", controller[i], OWN_MAX - 1, own[i]);
		cg->parent[i] = oc_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0,
					   RESOLVE_NO_MAGICLINKS);
		struct statfs fs;
		if (cg->parent[i] < 0 || fstatfs(cg->parent[i], &fs) < 0)
			return oc_fail(err, errno, "cannot open %s", path);
		if (fs.f_type != CGROUP_SUPER_MAGIC)
			return oc_fail(err, 0, "%s is not a cgroup", path);
	}
	cg->kind = OC_CGROUP_V1;
	sweep_v1(cg, own);
	for (int i = 0; i < OC_CG_COUNT; i++) {
		if (make_leaf(cg, i, err) < 0)
			return -1;
		cg->tasks[i] = oc_openat2(cg->leaf[i], "tasks", O_WRONLY, 0, BENEATH);
		if (cg->tasks[i] < 0)
			return oc_fail(err, errno, "cannot open tasks of the %s controller",
				       controller[i]);
	}
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

/* --- v2: where the leaf is made --- */

#define ROOT "/sys/fs/cgroup"
#define MONITOR "oc-monitor"

/* Memory first: of the three it is the one that the kernel refuses to a group with processes. */
static const int order[OC_CG_COUNT] = {OC_CG_MEMORY, OC_CG_PIDS, OC_CG_CPU};

struct place {
	int dir;
	unsigned mask; /* controllers that it hands to its children */
	bool settled;
};

static bool has_processes(int dir)
{
	char list[16];

	return oc_read_file_at(dir, "cgroup.procs", list, sizeof list) != 0; /* EFBIG: more than fit */
}

/* Hand our controllers to the children of dir.  Returns those that are handed on afterwards. */
static unsigned hand_on(int dir)
{
	char list[512];
	unsigned mask = 0;

	if (oc_read_file_at(dir, "cgroup.subtree_control", list, sizeof list) < 0)
		return 0;
	for (int n = 0; n < OC_CG_COUNT; n++) {
		int i = order[n];
		char word[16] = "+";
		strncat(word, controller[i], sizeof word - 2);
		/*
		 * Without the memory controller a group with processes would become the root of a threaded tree, in which no
		 * process can be started.  Only the root group (no cgroup.type) may have both.
		 */
		if (n == 1 && !mask && faccessat(dir, "cgroup.type", F_OK, 0) == 0 && has_processes(dir))
			return 0;
		if (has_word(list, controller[i]) || oc_write_file_at(dir, "cgroup.subtree_control", word) == 0)
			mask |= OC_CG_BIT(i);
		else if (errno == EBUSY || errno == EACCES)
			return mask; /* processes in it, or not ours: so it is for the others */
	}
	return mask;
}

/* Write every process of a group to another one. */
static void move_all(int from, int to)
{
	char list[256];

	if (oc_read_file_at(from, "cgroup.procs", list, sizeof list) < 0)
		return;
	for (char *save = NULL, *pid = strtok_r(list, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save))
		oc_write_file_at(to, "cgroup.procs", pid);
}

/* Only we are in the group, and children of ours (the janitor). */
static bool alone(int dir)
{
	char list[256];

	if (oc_read_file_at(dir, "cgroup.procs", list, sizeof list) <= 0)
		return false;
	for (char *save = NULL, *p = strtok_r(list, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
		int pid = 0;
		siginfo_t si;
		/* 0 is a process of another pid namespace. */
		if (sscanf(p, "%d", &pid) != 1 || pid <= 0)
			return false;
		if (pid != getpid() && waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0)
			return false;
	}
	return true;
}

/* Back from the sub-group.  While controllers are handed on, processes may not enter the group. */
static void unsettle(int dir)
{
	oc_auto_close sub = oc_openat2(dir, MONITOR, O_RDONLY | O_DIRECTORY, 0, BENEATH);

	if (sub < 0)
		return;
	for (int i = 0; i < OC_CG_COUNT; i++) {
		char word[16] = "-";
		strncat(word, controller[i], sizeof word - 2);
		oc_write_file_at(dir, "cgroup.subtree_control", word);
	}
	move_all(sub, dir);
	unlinkat(dir, MONITOR, AT_REMOVEDIR);
}

/* Make room in a delegated group: we go to a sub-group, and the leaf is made beside it. */
static unsigned settle(int dir)
{
	if (faccessat(dir, "cgroup.procs", W_OK, AT_EACCESS) < 0 || !alone(dir) || mkdirat(dir, MONITOR, 0755) < 0)
		return 0;
	oc_auto_close sub = oc_openat2(dir, MONITOR, O_RDONLY | O_DIRECTORY, 0, BENEATH);
	if (sub >= 0)
		move_all(dir, sub);
	unsigned mask = hand_on(dir);
	if (!mask)
		unsettle(dir);
	return mask;
}

/* systemd marks what it delegates; the root of a cgroup namespace is delegated by whoever made it. */
static bool is_delegated(int dir, const char *path)
{
	char mark[4];

	return strcmp(path, ROOT) == 0 || (fgetxattr(dir, "trusted.delegate", mark, sizeof mark) == 1 && *mark == '1') ||
	       (fgetxattr(dir, "user.delegate", mark, sizeof mark) == 1 && *mark == '1');
}

static void keep_better(struct place *best, int *dir, unsigned mask, bool settled)
{
	if (__builtin_popcount(mask) <= (best->dir < 0 ? 0 : __builtin_popcount(best->mask)))
		return;
	oc_closep(&best->dir);
	*best = (struct place){.dir = oc_steal_fd(dir), .mask = mask, .settled = settled};
}

/* From our own group upwards, the first that may be written and hands on the most; or the first that hands on anything. */
static void look_up(const char *own, bool nearest, bool may_settle, struct place *best)
{
	char path[4096];

	snprintf(path, sizeof path, ROOT "%s", own);
	for (bool first = true; best->mask != OC_CG_ALL; first = false) {
		oc_auto_close dir = oc_openat2(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, 0);
		if (dir >= 0 && faccessat(dir, "cgroup.procs", W_OK, AT_EACCESS) == 0 &&
		    faccessat(dir, ".", W_OK, AT_EACCESS) == 0) {
			unsigned mask = hand_on(dir);
			bool settled = false;
			if (!mask && first && (may_settle || is_delegated(dir, path)))
				settled = (mask = settle(dir)) != 0;
			keep_better(best, &dir, mask, settled);
			if (settled || (nearest && best->dir >= 0))
				return;
		}
		char *slash = strrchr(path, '/');
		if ((size_t)(slash - path) < strlen(ROOT))
			return;
		*slash = '\0';
	}
}

/* An ancestor can only hand on what it has: switch the controllers on from the top.  What is not ours stays as it is. */
static void switch_on(const char *own)
{
	char path[4096];

	snprintf(path, sizeof path, ROOT "%s", own);
	for (char *p = path + strlen(ROOT); (p = strchr(p, '/')); p++) {
		*p = '\0';
		oc_auto_close dir = oc_openat2(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, 0);
		*p = '/';
		if (dir >= 0)
			hand_on(dir);
	}
}

/* Our own group on v2, "" for the root. */
static int own_v2(char *self, char *own, size_t size, struct oc_err *err)
{
	if (!own_path(self, "", own, size))
		return oc_fail(err, 0, "the own cgroup is not in /proc/self/cgroup");
	if (strstr(own, "/.."))
		return oc_fail(err, 0, "the own cgroup lies outside of the visible tree");
	if (strcmp(own, "/") == 0)
		*own = '\0';
	return 0;
}

/* The user manager puts us into a scope that is ours. */
static int ask_manager(const struct oc_cgroup *cg, char *own, size_t size, struct oc_err *err)
{
	char unit[sizeof cg->name + 8], self[8192];

	snprintf(unit, sizeof unit, "%s.scope", cg->name);
	if (oc_delegate_scope(unit, err) < 0)
		return -1;
	if (oc_read_file_at(AT_FDCWD, "/proc/self/cgroup", self, sizeof self) < 0)
		return oc_fail(err, errno, "cannot read /proc/self/cgroup");
	if (own_v2(self, own, size, err) < 0)
		return -1;
	if (!strstr(own, unit))
		return oc_fail(err, 0, "the systemd user manager made %s but did not move us there", unit);
	return 0;
}

/* The cheap ways first: most callers already stand below a group that hands all on. */
static int find_parent_v2(struct oc_cgroup *cg, char *own, size_t size, struct oc_err *err)
{
	struct place best = {.dir = -1};
	struct oc_err why = {0};

	/*
	 * The nearest: further up our caller's own limits would not hold for the sandbox.  What it lacks its ancestors may
	 * have and not hand on yet.
	 */
	look_up(own, true, false, &best);
	if (best.mask != OC_CG_ALL && !best.settled && (best.dir >= 0 || geteuid() == 0)) {
		switch_on(own);
		look_up(own, false, false, &best);
	}
	if (best.dir < 0)
		look_up(own, false, true, &best);
	if (best.dir < 0 && geteuid() != 0 && ask_manager(cg, own, size, &why) == 0) {
		look_up(own, false, true, &best);
		/* The scope goes as a whole; going back first would cost a grace period of RCU, as each move does. */
		cg->delegated = best.settled;
		best.settled = false;
	}
	if (best.dir < 0) {
		oc_fail(err, 0, "no cgroup above %s may be written and hands on memory, pids or cpu%s%s", *own ? own : "/",
			why.msg[0] ? "; " : "", why.msg);
		return oc_err_hint(err, "run below a delegated cgroup (systemd: Delegate=yes), see `oc-sandbox doctor`");
	}
	cg->parent[0] = best.dir;
	cg->settled = best.settled;
	cg->delegated |= best.settled;
	cg->missing = OC_CG_ALL & ~best.mask;
	return 0;
}

static int limits_v2(struct oc_cgroup *cg, const struct oc_plan *plan, struct oc_err *err)
{
	int dir = cg->leaf[0];
	char v[48];

	if (!(cg->missing & OC_CG_BIT(OC_CG_MEMORY))) {
		snprintf(v, sizeof v, "%llu", (unsigned long long)plan->memory_bytes);
		if (write_value(dir, "memory.max", v, err) < 0)
			return -1;
		/*
		 * One process that is over the limit would be killed alone and leave a half-dead command.  With groups in the leaf
		 * each of them is such a unit.
		 */
		if (!cg->nested && oc_write_file_at(dir, "memory.oom.group", "1") < 0 && errno != ENOENT)
			return oc_fail(err, errno, "cannot set memory.oom.group");
		snprintf(v, sizeof v, "%lld", (long long)plan->swap_bytes);
		/* The file is missing when the kernel accounts no swap: then there is nothing to limit it with. */
		if (plan->swap_bytes >= 0 && oc_write_file_at(dir, "memory.swap.max", v) < 0 && errno != ENOENT)
			return oc_fail(err, errno, "cannot limit swap");
	}
	snprintf(v, sizeof v, "%llu", (unsigned long long)plan->pids);
	if (!(cg->missing & OC_CG_BIT(OC_CG_PIDS)) && write_value(dir, "pids.max", v, err) < 0)
		return -1;
	snprintf(v, sizeof v, "%llu 100000", (unsigned long long)plan->cpu_millis * 100);
	if (!(cg->missing & OC_CG_BIT(OC_CG_CPU)) && write_value(dir, "cpu.max", v, err) < 0)
		return -1;
	return 0;
}

/* Hand on all that we have to the groups in dir. */
static int hand_all_on(const struct oc_cgroup *cg, int dir, struct oc_err *err)
{
	char words[32] = "";

	for (int n = 0; n < OC_CG_COUNT; n++)
		if (!(cg->missing & OC_CG_BIT(order[n]))) {
			size_t len = strlen(words);
			snprintf(words + len, sizeof words - len, "%s+%s", len ? " " : "", controller[order[n]]);
		}
	return write_value(dir, "cgroup.subtree_control", words, err);
}

/*
 * Outside of what it has delegated, systemd takes a controller back as soon as no unit of its own needs it, and our limit goes
 * with it (seen: cpu, systemd 252, when a unit with CPUQuota ends).  The kernel refuses that while a group below hands the
 * controller on: so the leaf is made in a group that does nothing else.
 */
static int pin(struct oc_cgroup *cg, struct oc_err *err)
{
	struct oc_err taken = {0};

	cg->parent[1] = oc_steal_fd(&cg->parent[0]);
	if (make_leaf(cg, 1, err) < 0)
		return -1;
	cg->parent[0] = oc_steal_fd(&cg->leaf[1]);
	if (hand_all_on(cg, cg->parent[0], &taken) == 0)
		return 0;
	/* Taken back since we have looked. */
	hand_on(cg->parent[1]);
	return hand_all_on(cg, cg->parent[0], err);
}

/*
 * A group with processes in it may hand nothing on: pid 1 is born in a group beside those of the runners.  The limits stay on the
 * leaf; but who passes its own group's limit, or the largest where the leaf's is passed, dies alone: not pid 1.
 */
static int keep_room(struct oc_cgroup *cg, struct oc_err *err)
{
	if (hand_all_on(cg, cg->leaf[0], err) < 0)
		return -1;
	if (mkdirat(cg->leaf[0], "init", 0755) < 0)
		return oc_fail(err, errno, "cannot make a cgroup for pid 1");
	cg->init = oc_openat2(cg->leaf[0], "init", O_RDONLY | O_DIRECTORY, 0, BENEATH);
	if (cg->init < 0)
		return oc_fail(err, errno, "cannot open the new cgroup of pid 1");
	return 0;
}

static int create_v2(struct oc_cgroup *cg, const struct oc_plan *plan, char *self, struct oc_err *err)
{
	char own[3072];

	if (own_v2(self, own, sizeof own, err) < 0 || find_parent_v2(cg, own, sizeof own, err) < 0)
		return -1;
	sweep_dead(cg, 0, OC_CG_BIT(0) | OC_CG_BIT(1));
	if ((!cg->delegated && pin(cg, err) < 0) || make_leaf(cg, 0, err) < 0 ||
	    (cg->nested && keep_room(cg, err) < 0))
		return -1;
	cg->kind = OC_CGROUP_V2;
	snprintf(cg->detail, sizeof cg->detail, "v2:");
	for (int n = 0; n < OC_CG_COUNT; n++)
		if (!(cg->missing & OC_CG_BIT(order[n]))) {
			size_t len = strlen(cg->detail);
			snprintf(cg->detail + len, sizeof cg->detail - len, "%s %s", cg->detail[len - 1] == ':' ? "" : ",",
				 controller[order[n]]);
		}
	return limits_v2(cg, plan, err);
}

bool oc_cgroup_unified(void)
{
	struct statfs fs;

	return statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
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

int oc_cgroup_oom_event(const struct oc_cgroup *cg)
{
	char text[64];

	if (cg->kind != OC_CGROUP_V1)
		return -1;
	oc_auto_close control = oc_openat2(cg->leaf[OC_CG_MEMORY], "memory.oom_control", O_RDONLY, 0, BENEATH);
	oc_auto_close event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (control < 0 || event < 0)
		return -1;
	snprintf(text, sizeof text, "%d %d", event, control);
	if (oc_write_file_at(cg->leaf[OC_CG_MEMORY], "cgroup.event_control", text) < 0)
		return -1;
	return oc_steal_fd(&event);
}

int oc_cgroup_remove(struct oc_cgroup *cg)
{
	int failed = 0;

	for (int n = 0; n < OC_CG_COUNT; n++) {
		/* v1: what sweep_dead() lists, last: it finds what a killed janitor has left.  v2: from the inside. */
		int i = cg->kind == OC_CGROUP_V1 ? OC_CG_COUNT - 1 - n : n;
		if (cg->parent[i] < 0)
			continue; /* by name: a leaf may have been made and not opened yet */
		/* The last exit is accounted a moment after it can be waited for. */
		for (int try = 0; remove_group(cg->parent[i], cg->name) < 0; try++) {
			if (errno != EBUSY || try == 200) {
				failed = errno;
				break;
			}
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		}
	}
	if (cg->settled)
		unsettle(cg->parent[0]);
	cg->settled = false;
	close_all(cg);
	errno = failed;
	return failed ? -1 : 0;
}
