/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claims - the plan read as promises.  See claims.h.
 */
#include "runtime/verify/claims.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

struct oc_claim *oc_claims_add(struct oc_claims *c, const char *probe, const char *arg,
			       enum oc_expect expect, const char *text, const char *words)
{
	if (c->count == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 256;
		struct oc_claim *row = oc_arena_array(c->arena, cap, sizeof(*row));

		if (c->count)
			memcpy(row, c->row, c->count * sizeof(*row));
		c->row = row;
		c->cap = cap;
	}
	struct oc_claim *r = &c->row[c->count++];
	*r = (struct oc_claim){probe, arg, arg, expect, text, words, false};
	return r;
}

void oc_claims_add_outside(struct oc_claims *c, const char *probe, enum oc_expect expect,
			   const char *text, const char *words)
{
	oc_claims_add(c, probe, "", expect, text, words)->outside = true;
}

/* Short names: this file is a list of claims. */
static struct oc_claim *add(struct oc_claims *c, const char *probe, const char *arg,
			    enum oc_expect expect, const char *text, const char *words)
{
	return oc_claims_add(c, probe, arg, expect, text, words);
}

static void add_outside(struct oc_claims *c, const char *probe, enum oc_expect expect,
			const char *text, const char *words)
{
	oc_claims_add_outside(c, probe, expect, text, words);
}

static void namespaces(struct oc_claims *c, const struct oc_verify_bait *b)
{
	static const char *const probe[] = {"user.namespace", "mount.namespace",
					    "pid.namespace",  "ipc.namespace",
					    "uts.namespace",  "cgroup-namespace.namespace",
					    "net.namespace"};

	for (size_t i = 0; i < sizeof(probe) / sizeof(probe[0]); i++)
		add(c, probe[i], "", OC_EXPECT_IS_NOT, b->ns[i], "not the host's");
}

static void process(struct oc_claims *c, const struct oc_plan *p, const struct oc_verify_bait *b)
{
	struct oc_arena *a = c->arena;

	add(c, "user.ids", "", OC_EXPECT_GROUPS,
	    oc_arena_printf(a, "uid=%u,%u,%u gid=%u,%u,%u", p->uid, p->uid, p->uid, p->gid, p->gid,
			    p->gid),
	    oc_arena_printf(a, "uid %u, gid %u", p->uid, p->gid));
	add(c, "user.map", "", OC_EXPECT_IS,
	    oc_arena_printf(a, "uid=%u:1; gid=%u:1;", p->uid, p->gid), "one id, not root");
	add(c, "user.become-root", "", OC_EXPECT_REFUSED, "", "refused");
	add(c, "mount.table", oc_arena_printf(a, "%u:%u", b->root_major, b->root_minor),
	    OC_EXPECT_HAS, "shared=0,host-root=0", "no propagation, no host root")
		->object = "";
	add(c, "pid.visible", "", OC_EXPECT_AT_MOST, "4", "its own only");
	add(c, "pid.look-into-init", "", OC_EXPECT_REFUSED, "", "refused");
	add(c, "pid.init-signals", "", OC_EXPECT_IS, "alive", "it takes none from inside");
	add(c, "pid.signal-host", oc_arena_printf(a, "%d", getpid()), OC_EXPECT_REFUSED_AS, "ESRCH",
	    "no such process");
	add(c, "ipc.host-segment", oc_arena_printf(a, "%d", b->shm_id), OC_EXPECT_REFUSED, "",
	    "not there")
		->object = "segment";
	add(c, "uts.hostname", "", OC_EXPECT_IS, p->hostname, p->hostname);
	add(c, "cgroup-namespace.paths", "", OC_EXPECT_IS, "0", "no path of the host");
	add(c, "net.interfaces", "", OC_EXPECT_IS, "lo", "lo");
	add(c, "net.host-loopback", oc_arena_printf(a, "%u", b->port), OC_EXPECT_REFUSED, "",
	    "refused")
		->object = "127.0.0.1";
	add(c, "net.host-abstract", b->abstract_name, OC_EXPECT_REFUSED, "", "refused")->object =
		"socket";
	add(c, "nested.limit", "", OC_EXPECT_IS, "0", "no user namespaces");
	add_outside(c, "nested.from-outside", OC_EXPECT_REFUSED_AS, "ENOSPC",
		    "refused without the filter");
	add(c, "capabilities.sets", "", OC_EXPECT_IS,
	    "inheritable=000000000 permitted=000000000 effective=000000000 bounding=0 ambient=0",
	    "all empty");
	/* NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE and the locks of all four */
	add(c, "securebits.value", "", OC_EXPECT_IS, "0xef", "0xef");
	add(c, "no-new-privs.value", "", OC_EXPECT_IS, "1", "1");
	add(c, "keyring.session", "", OC_EXPECT_KEYRING, oc_arena_printf(a, "%ld", b->keyring),
	    "not the caller's");
	if (b->keys_readable)
		add_outside(c, "keyring.new", OC_EXPECT_IS, "new", "one of its own");
	add(c, "descriptors.cwd", "", OC_EXPECT_IS, p->workdir, p->workdir);
	for (size_t i = 0; i < p->ulimit_count; i++) {
		const struct oc_ulimit *u = &p->ulimits[i];
		/* No core file is a limit of 1 byte: launch says why. */
		bool no_core = u->resource == RLIMIT_CORE && u->hard == 0;
		const char *text = oc_arena_printf(a, "%llu:%llu", (unsigned long long)(no_core ? 1 : u->soft),
						   (unsigned long long)(no_core ? 1 : u->hard));

		add(c, "rlimits.value", oc_arena_printf(a, "%d", u->resource), OC_EXPECT_RLIMIT,
		    text, oc_arena_printf(a, "at most %s", text))
			->object = u->name;
	}
	add(c, "rlimits.raise", "", OC_EXPECT_REFUSED, "", "refused");
}

static void landlock(struct oc_claims *c, const struct oc_verify_bait *b)
{
	add(c, "landlock.domains", "", OC_EXPECT_IS, "1", "in one domain");
	add(c, "landlock.leaked-directory", "", OC_EXPECT_REFUSED, "", "refused");
	/* Scopes came with ABI 6 (kernel 6.12). */
	if (b->landlock_abi >= 6) {
		add(c, "landlock.host-socket", b->abstract_name, OC_EXPECT_REFUSED, "", "refused")
			->object = "socket";
		/* pid 1 of one that is kept wears the domain of its commands itself: see pid.init-signals. */
		if (!b->kept)
			add(c, "landlock.signal-init", "", OC_EXPECT_REFUSED, "", "refused");
	}
}

/* What every filter of ours refuses. */
static const struct {
	const char *probe;
	bool debug; /* a debugger needs it: open in profile build */
} seccomp_rule[] = {
	{"seccomp.mount", false},
	{"seccomp.umount2", false},
	{"seccomp.chroot", false},
	{"seccomp.open_tree", false},
	{"seccomp.fsconfig", false},
	{"seccomp.mount_setattr", false},
	{"seccomp.unshare", false},
	{"seccomp.setns", false},
	{"seccomp.clone-user", false},
	{"seccomp.clone-mnt", false},
	{"seccomp.clone-pid", false},
	{"seccomp.clone-net", false},
	{"seccomp.clone-ipc", false},
	{"seccomp.clone-uts", false},
	{"seccomp.clone-cgroup", false},
	{"seccomp.keyctl", false},
	{"seccomp.add_key", false},
	{"seccomp.request_key", false},
	{"seccomp.bpf", false},
	{"seccomp.io_uring_setup", false},
	{"seccomp.io_uring_enter", false},
	{"seccomp.io_uring_register", false},
	{"seccomp.userfaultfd", false},
	{"seccomp.perf_event_open", false},
	{"seccomp.ptrace", true},
	{"seccomp.process_vm_readv", true},
	{"seccomp.process_vm_writev", true},
	{"seccomp.pidfd_getfd", false},
	{"seccomp.kcmp", true},
	{"seccomp.name_to_handle_at", false},
	{"seccomp.fanotify_init", false},
	{"seccomp.settimeofday", false},
	{"seccomp.clock_settime", false},
	{"seccomp.prctl-set-mm", false},
	{"seccomp.personality-aslr", true},
	{"seccomp.personality-high", true},
	{"seccomp.personality-read-implies-exec", false},
	{"seccomp.socket-packet", false},
	{"seccomp.socket-packet-high", false},
	{"seccomp.socket-vsock", false},
	{"seccomp.socket-alg", false},
	{"seccomp.socket-key", false},
	{"seccomp.socket-rds", false},
	{"seccomp.socket-tipc", false},
	{"seccomp.socket-xdp", false},
	{"seccomp.socket-bluetooth", false},
	{"seccomp.socket-can", false},
	{"seccomp.socket-x25", false},
	{"seccomp.socket-nfc", false},
	{"seccomp.socket-netlink-audit", false},
	{"seccomp.socket-netlink-netfilter", false},
	{"seccomp.tiocsti", false},
	{"seccomp.tiocsti-high", false},
	{"seccomp.tioclinux", false},
	{"seccomp.tioccons", false},
#ifdef __x86_64__
	{"seccomp.iopl", false},
	{"seccomp.ioperm", false},
	{"seccomp.modify_ldt", false},
#endif
};

static void seccomp(struct oc_claims *c, const struct oc_plan *p)
{
	add(c, "seccomp.mode", "", OC_EXPECT_IS, "2", "a filter");
	/* Another person's profile allows what it allows: only that it is there is claimed. */
	if (p->seccomp && p->seccomp[0] == '/')
		return;
	for (size_t i = 0; i < sizeof(seccomp_rule) / sizeof(seccomp_rule[0]); i++)
		if (!seccomp_rule[i].debug || !p->debug_allowed)
			add(c, seccomp_rule[i].probe, "", OC_EXPECT_REFUSED, "", "refused");
	/* ENOSYS, or the C library's threads break: it falls back to clone, whose flags the filter
	 * can see. */
	add(c, "seccomp.clone3", "", OC_EXPECT_REFUSED_AS, "ENOSYS", "not implemented");
	for (size_t i = 0; i < p->mount_count; i++)
		if (p->mounts[i].kind == OC_MOUNT_TMPFS && !p->mounts[i].read_only &&
		    (p->mounts[i].mode & 0200)) {
			add(c, "seccomp.chmod-suid", p->mounts[i].target, OC_EXPECT_REFUSED, "",
			    "refused");
			add(c, "dev.make-node", p->mounts[i].target, OC_EXPECT_REFUSED, "",
			    "refused");
			break;
		}
#ifdef __x86_64__
	add(c, "seccomp.foreign-arch", "", OC_EXPECT_KILLED, "", "killed");
	add(c, "seccomp.x32", "", OC_EXPECT_KILLED, "", "killed");
#endif
}

static bool has_kind(const struct oc_plan *p, enum oc_mount_kind kind)
{
	for (size_t i = 0; i < p->mount_count; i++)
		if (p->mounts[i].kind == kind)
			return true;
	return false;
}

static void kernel_files(struct oc_claims *c, const struct oc_plan *p)
{
	static const char *const proc[] = {
		"/proc/kcore",	     "/proc/keys",	 "/proc/timer_list",
		"/proc/sched_debug", "/proc/interrupts", "/proc/latency_stats",
		"/proc/scsi",	     "/proc/acpi",	 "/proc/asound",    "/proc/bus",
	};
	static const char *const sys[] = {
		"/sys/firmware",
		"/sys/kernel/debug",
		"/sys/kernel/tracing",
		"/sys/fs/cgroup",
		"/sys/fs/bpf",
		"/sys/kernel/security",
		"/sys/devices/virtual/powercap",
	};
	static const char *const readonly[] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq",
					       "/proc/fs", "/proc/self"};

	if (has_kind(p, OC_MOUNT_PROC)) {
		add(c, "proc.own", "", OC_EXPECT_IS, "own", "of its own processes");
		for (size_t i = 0; i < sizeof(readonly) / sizeof(readonly[0]); i++) {
			struct stat st;

			if (stat(readonly[i], &st) == 0)
				add(c, "proc.flags", readonly[i], OC_EXPECT_HAS, "ro,proc",
				    "read-only");
		}
		for (size_t i = 0; i < sizeof(proc) / sizeof(proc[0]); i++)
			add(c, "masks.object", proc[i], OC_EXPECT_HIDDEN, "", "hidden");
	}
	if (has_kind(p, OC_MOUNT_SYSFS))
		for (size_t i = 0; i < sizeof(sys) / sizeof(sys[0]); i++)
			add(c, "masks.object", sys[i], OC_EXPECT_HIDDEN, "", "hidden");
}

/* Is there a row that decides what path shows: on it, above it (but the root), or below it? */
static bool row_on(const struct oc_plan *p, const char *path)
{
	for (size_t i = 0; i < p->mount_count; i++)
		if (strcmp(p->mounts[i].target, "/") != 0 &&
		    oc_path_below(path, p->mounts[i].target))
			return true;
	return false;
}

static bool row_below(const struct oc_plan *p, const char *path)
{
	for (size_t i = 0; i < p->mount_count; i++)
		if (oc_path_below(p->mounts[i].target, path))
			return true;
	return false;
}

/* A path that the operator asked for by name may be the host's. */
static bool bound(const struct oc_plan *p, const char *path)
{
	for (size_t i = 0; i < p->mount_count; i++)
		if (p->mounts[i].kind == OC_MOUNT_BIND && strcmp(p->mounts[i].target, "/") != 0 &&
		    oc_path_below(path, p->mounts[i].target))
			return true;
	return false;
}

static void root(struct oc_claims *c, const struct oc_plan *p)
{
	static const char *const hidden[] = {"/root", "/home", "/var",	 "/var/lib", "/run",
					     "/srv",  "/mnt",  "/media", "/boot",    "/opt",
					     "/sys",  "/tmp",  "/etc",	 "/dev"};

	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		struct stat st;

		if (stat(hidden[i], &st) < 0 || bound(p, hidden[i]))
			continue;
		bool empty = p->rootfs == OC_ROOTFS_HOST && !row_on(p, hidden[i]) &&
			     !row_below(p, hidden[i]);
		add(c, "rootfs.object",
		    oc_arena_printf(c->arena, "%llu %llu %s", (unsigned long long)st.st_dev,
				    (unsigned long long)st.st_ino, hidden[i]),
		    empty ? OC_EXPECT_EMPTY : OC_EXPECT_NOT_HOST, "",
		    empty ? "nothing" : "not the host's")
			->object = hidden[i];
	}
	add(c, "rootfs.flags", "/", OC_EXPECT_HAS,
	    p->read_only_root ? "ro,nosuid,nodev" : "nosuid,nodev",
	    p->read_only_root ? "read-only, nosuid, nodev" : "nosuid, nodev");
	if (p->read_only_root)
		add(c, "rootfs.write", "/", OC_EXPECT_REFUSED, "", "refused");
}

static void bind_row(struct oc_claims *c, const struct oc_mount *m)
{
	struct stat st;
	const char *flags;

	/* Built-in rows: those of what this host does not have are not there. */
	if (stat(m->source, &st) < 0)
		return;
	flags = oc_arena_printf(c->arena, "%snosuid,nodev%s",
				m->read_only   ? "ro,"
				: m->workspace ? "rw,"
					       : "",
				m->no_exec ? ",noexec" : "");
	add(c, "mount.flags", m->target, OC_EXPECT_HAS, flags, flags);
	add(c, "mount.point", m->target, OC_EXPECT_IS, "yes", "a mount of its own");
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return;
	if (m->read_only)
		add(c, "mount.write", m->target, OC_EXPECT_REFUSED, "", "refused");
	else if (m->workspace)
		add(c, "mount.write", m->target, OC_EXPECT_ALLOWED, "", "possible");
}

static void mounts(struct oc_claims *c, const struct oc_plan *p)
{
	for (size_t i = 0; i < p->mount_count; i++) {
		const struct oc_mount *m = &p->mounts[i];
		const char *flags;
		bool covered = false;

		for (size_t k = i + 1; k < p->mount_count && !covered; k++)
			covered = oc_path_below(m->target, p->mounts[k].target);
		if (covered)
			continue;
		switch (m->kind) {
		case OC_MOUNT_BIND:
			if (strcmp(m->target, "/") != 0)
				bind_row(c, m);
			break;
		case OC_MOUNT_TMPFS:
			flags = oc_arena_printf(c->arena, "%s,nosuid,nodev%s,tmpfs",
						m->read_only ? "ro" : "rw",
						m->no_exec ? ",noexec" : "");
			add(c, "mount.flags", m->target, OC_EXPECT_HAS, flags, flags);
			if (m->read_only)
				add(c, "mount.write", m->target, OC_EXPECT_REFUSED, "", "refused");
			else if (m->mode & 0200)
				add(c, "mount.write", m->target, OC_EXPECT_ALLOWED, "", "possible");
			break;
		case OC_MOUNT_FILE:
			add(c, "mount.write", m->target, OC_EXPECT_REFUSED, "", "refused");
			break;
		case OC_MOUNT_DIR:
			if (p->read_only_root)
				add(c, "mount.write", m->target, OC_EXPECT_REFUSED, "", "refused");
			break;
		case OC_MOUNT_SYMLINK:
			break;
		case OC_MOUNT_PROC:
			add(c, "proc.flags", m->target, OC_EXPECT_HAS,
			    "ro,nosuid,nodev,noexec,proc", "read-only, nosuid, nodev, noexec");
			break;
		case OC_MOUNT_DEV:
			add(c, "dev.nodes", "", OC_EXPECT_DEVICES,
			    "fd=l full=c1:7 null=c1:3 ptmx=l pts=d random=c1:8 shm=d stderr=l "
			    "stdin=l stdout=l "
			    "tty=c5:0 urandom=c1:9 zero=c1:5",
			    "the usual 13 names");
			add(c, "dev.terminals", "", OC_EXPECT_IS, "0", "no terminal of others");
			add(c, "dev.flags", "/dev/pts", OC_EXPECT_HAS, "nosuid,noexec",
			    "nosuid, noexec");
			add(c, "dev.flags", "/dev/shm", OC_EXPECT_HAS,
			    "rw,nosuid,nodev,noexec,tmpfs", "rw,nosuid,nodev,noexec,tmpfs");
			add(c, "dev.write", "/dev", OC_EXPECT_REFUSED, "", "refused");
			add(c, "dev.write", "/dev/shm", OC_EXPECT_ALLOWED, "", "possible");
			break;
		case OC_MOUNT_SYSFS:
			add(c, "mount.flags", m->target, OC_EXPECT_HAS,
			    "ro,nosuid,nodev,noexec,sysfs", "read-only, nosuid, nodev, noexec");
			break;
		}
	}
}

static void guards(struct oc_claims *c, const struct oc_plan *p)
{
	for (size_t i = 0; i < p->guard_count; i++) {
		const struct oc_guard *g = &p->guards[i];
		const char *path =
			oc_arena_printf(c->arena, "%s/%s", p->mounts[g->mount].target, g->path);

		add(c, "mount.point", path, OC_EXPECT_IS, "yes",
		    oc_arena_printf(c->arena, "cannot be moved away (%s)", g->why));
		if (g->kind == OC_GUARD_RO)
			add(c, "mount.write", path, OC_EXPECT_REFUSED_AS, "EROFS",
			    oc_arena_printf(c->arena, "read-only (%s)", g->why));
	}
}

static void cgroup(struct oc_claims *c, const struct oc_plan *p)
{
	struct oc_arena *a = c->arena;
	const char *text = oc_arena_printf(a, "%llu", (unsigned long long)p->memory_bytes);

	add_outside(c, "cgroup.memory-max", OC_EXPECT_AT_MOST, text, text);
	text = oc_arena_printf(a, "%llu", (unsigned long long)p->pids);
	add_outside(c, "cgroup.pids-max", OC_EXPECT_AT_MOST, text, text);
	text = oc_arena_printf(a, "%llu", (unsigned long long)p->cpu_millis);
	add_outside(c, "cgroup.cpu-millis", OC_EXPECT_AT_MOST, text, text);
}

void oc_claims_build(struct oc_claims *c, const struct oc_plan *plan,
		     const struct oc_verify_bait *bait)
{
	/* First: its answer is made before the probe takes any descriptor, and has number 0. */
	add(c, "descriptors.open", "", OC_EXPECT_IS, "0,1,2", "0, 1, 2");
	namespaces(c, bait);
	process(c, plan, bait);
	oc_claims_net(c, plan);
	root(c, plan);
	mounts(c, plan);
	guards(c, plan);
	kernel_files(c, plan);
	landlock(c, bait);
	seccomp(c, plan);
	cgroup(c, plan);
}

void oc_claims_limits(struct oc_claims *c, const struct oc_plan *plan, const struct oc_plan *real)
{
	struct oc_arena *a = c->arena;
	const uint64_t m = plan->memory_bytes;

	add(c, "cgroup.pids", oc_arena_printf(a, "%llu", (unsigned long long)plan->pids + 16),
	    OC_EXPECT_REFUSED, "",
	    oc_arena_printf(a, "at most %llu%s", (unsigned long long)plan->pids,
			    plan->pids == real->pids ? "" : ", tried in place of the real limit"))
		->object = "";
	add(c, "cgroup.cpu", "400", OC_EXPECT_CPU,
	    oc_arena_printf(a, "%llu", (unsigned long long)plan->cpu_millis),
	    oc_arena_printf(a, "%llu.%03llu processors",
			    (unsigned long long)plan->cpu_millis / 1000,
			    (unsigned long long)plan->cpu_millis % 1000))
		->object = "";
	/* Last: it may be the end of the sandbox. */
	add(c, "cgroup.memory",
	    oc_arena_printf(a, "%llu", (unsigned long long)(m + m / 4 + (64u << 20))),
	    OC_EXPECT_REFUSED, "",
	    oc_arena_printf(a, "at most %llu MiB%s", (unsigned long long)m >> 20,
			    m == real->memory_bytes ? "" : ", tried in place of the real limit"))
		->object = "";
}
