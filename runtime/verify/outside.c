/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outside - see outside.h.
 */
#include "runtime/verify/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define MEET_SECONDS 60

void oc_outside_answer(int out, const struct oc_claims *claims, const char *probe,
		       const char *observed, const char *detail)
{
	for (size_t i = 0; i < claims->count; i++)
		if (claims->row[i].outside && strcmp(claims->row[i].probe, probe) == 0)
			dprintf(out,
				"{\"id\":%zu,\"probe\":\"%s\",\"observed\":\"%s\",\"detail\":\"%"
				"s\"}\n",
				i, probe, observed, detail);
}

static void refused_or_not(int out, const struct oc_claims *claims, const char *probe, int r, int e)
{
	oc_outside_answer(out, claims, probe,
			  r == 0  ? "allowed"
			  : r > 0 ? "error"
				  : "denied",
			  r == 0 ? "" : oc_errno_name(e));
}

/*
 * In a grandchild: enter the payload's user namespace, where we have every capability because it is
 * below ours, take the payload's ids (the owner of a new namespace must be mapped), and try. ENOSPC
 * is the limit of the namespace.
 */
static void nested(int out, const struct oc_claims *claims, const struct oc_plan *plan, pid_t pid)
{
	char path[64];
	int status;
	pid_t child;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	child = fork();
	if (child == 0) {
		oc_auto_close fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || setns(fd, CLONE_NEWUSER) < 0) {
			refused_or_not(out, claims, "nested.from-outside", 1, errno);
			_exit(0);
		}
		/* May be ours already, without privilege. */
		(void)!syscall(SYS_setresgid, plan->gid, plan->gid, plan->gid);
		(void)!syscall(SYS_setresuid, plan->uid, plan->uid, plan->uid);
		int r = unshare(CLONE_NEWUSER);
		refused_or_not(out, claims, "nested.from-outside", r, errno);
		_exit(0);
	}
	if (child > 0)
		(void)waitpid(child, &status, 0);
}

/* Where a controller ("" for v2) is mounted, and which part of its tree is seen there. */
static bool controller_mount(const char *table, const char *controller, char *point, char *top,
			     size_t size)
{
	for (const char *line = table; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		char text[2048], *opt, *type, *options;
		size_t len = strcspn(line, "\n");

		if (len >= sizeof(text))
			continue;
		memcpy(text, line, len);
		text[len] = '\0';
		opt = strstr(text, " - ");
		if (!opt)
			continue;
		type = opt + 3;
		options = strrchr(text, ' ');
		*opt = '\0';
		if (strncmp(type, *controller ? "cgroup " : "cgroup2 ", *controller ? 7 : 8) != 0)
			continue;
		char *save = NULL, *word, *found = *controller ? NULL : options;
		for (word = strtok_r(options + 1, ",", &save); word && !found;
		     word = strtok_r(NULL, ",", &save))
			if (strcmp(word, controller) == 0)
				found = word;
		char fmt[48];
		snprintf(fmt, sizeof(fmt), "%%*u %%*u %%*s %%%zus %%%zus", size - 1, size - 1);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		if (found && sscanf(text, fmt, top, point) == 2)
			return true;
#pragma GCC diagnostic pop
	}
	return false;
}

/* The cgroup of pid for a controller; "" is the v2 tree. */
static bool cgroup_of(const char *membership, const char *controller, char *path, size_t size)
{
	for (const char *line = membership; *line;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		const char *list = strchr(line, ':'), *at = list ? strchr(list + 1, ':') : NULL;
		size_t len = strcspn(line, "\n");

		if (!at || at > line + len)
			continue;
		bool found = !*controller && at == list + 1;
		for (const char *p = list + 1; *controller && p < at && !found;
		     p += strcspn(p, ",:") + 1)
			found = strcspn(p, ",:") == strlen(controller) &&
				strncmp(p, controller, strlen(controller)) == 0;
		size_t n = (size_t)(line + len - (at + 1));
		if (found && n < size) {
			memcpy(path, at + 1, n);
			path[n] = '\0';
			return true;
		}
	}
	return false;
}

/* "max", "max 100000", "-1", or what v1 says of memory: a number of pages that there cannot be. */
static bool unlimited(const char *value)
{
	return *value == 'm' || *value == '-' || strtoull(value, NULL, 10) >= (UINT64_C(1) << 62);
}

/*
 * Read a limit file of the payload's cgroup, v2 if the controller is there, else v1; or of the group above: in a sandbox that is
 * kept pid 1 and each call have one of their own in the sandbox's, which has the limits.
 */
static bool limit_file(const char *mounts, const char *membership, const char *controller,
		       const char *file2, const char *file1, char *value, size_t size)
{
	for (int v1 = 0; v1 < 2; v1++) {
		char point[512], top[512], path[1024], full[2200];
		const char *name = v1 ? controller : "", *rel;

		if (!controller_mount(mounts, name, point, top, sizeof(point)) ||
		    !cgroup_of(membership, name, path, sizeof(path)))
			continue;
		rel = path;
		if (strcmp(top, "/") != 0 && strncmp(path, top, strlen(top)) == 0)
			rel = path + strlen(top);
		snprintf(full, sizeof(full), "%s%s/%s", point, rel, v1 ? file1 : file2);
		bool found = oc_read_file_at(AT_FDCWD, full, value, size) > 0;
		if (found && unlimited(value) && strlen(rel) > 1) {
			char above[128];
			snprintf(full, sizeof(full), "%s%s/../%s", point, rel, v1 ? file1 : file2);
			if (oc_read_file_at(AT_FDCWD, full, above, sizeof(above)) > 0)
				snprintf(value, size, "%s", above);
		}
		if (found)
			return true;
	}
	return false;
}

static void limits(int out, const struct oc_claims *claims, pid_t pid)
{
	oc_auto_buf mounts = {0};
	oc_auto_buf membership = {0};
	char path[64], v[128], w[128];
	unsigned long long quota, period;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	oc_auto_close m = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	oc_auto_close c = open(path, O_RDONLY | O_CLOEXEC);
	if (m < 0 || c < 0 || oc_read_all(m, &mounts, 4u << 20) < 0 ||
	    oc_read_all(c, &membership, 65536) < 0 || !mounts.data || !membership.data)
		return;
	if (limit_file(mounts.data, membership.data, "memory", "memory.max",
		       "memory.limit_in_bytes", v, sizeof(v)))
		oc_outside_answer(out, claims, "cgroup.memory-max", "value", v);
	if (limit_file(mounts.data, membership.data, "pids", "pids.max", "pids.max", v, sizeof(v)))
		oc_outside_answer(out, claims, "cgroup.pids-max", "value", v);
	if (!limit_file(mounts.data, membership.data, "cpu", "cpu.max", "cpu.cfs_quota_us", v,
			sizeof(v)))
		return;
	if (sscanf(v, "%llu %llu", &quota, &period) == 2 ||
	    (limit_file(mounts.data, membership.data, "cpu", "-", "cpu.cfs_period_us", w,
			sizeof(w)) &&
	     v[0] != '-' && sscanf(v, "%llu", &quota) == 1 && sscanf(w, "%llu", &period) == 1)) {
		snprintf(v, sizeof(v), "%llu", period ? quota * 1000 / period : 0);
		oc_outside_answer(out, claims, "cgroup.cpu-millis", "value", v);
	} else {
		oc_outside_answer(out, claims, "cgroup.cpu-millis", "value", "no limit");
	}
}

/* Session keyrings of the payload's id on the host; its own is new. */
struct serials {
	unsigned serial[4096];
	size_t count;
};

/*
 * /proc/keys shows what the reader may view, and the owner may: so it is read with the payload's
 * host id.  Through a pipe, because the id cannot be taken back.
 */
static void session_keyrings(const struct oc_plan *plan, struct serials *s)
{
	int p[2];

	s->count = 0;
	if (pipe2(p, O_CLOEXEC) < 0)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		oc_auto_buf text = {0};
		oc_auto_close fd = -1;

		(void)!syscall(SYS_setresgid, plan->host_gid, plan->host_gid, plan->host_gid);
		(void)!syscall(SYS_setresuid, plan->host_uid, plan->host_uid, plan->host_uid);
		fd = open("/proc/keys", O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && oc_read_all(fd, &text, 4u << 20) == 0 && text.data)
			(void)!oc_write_all(p[1], text.data, text.len);
		_exit(0);
	}
	close(p[1]);
	oc_auto_buf text = {0};
	(void)!oc_read_all(p[0], &text, 4u << 20);
	close(p[0]);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	/* "1f2e3d4c I--Q---     1 perm 3f030000  1000  1000 keyring   _ses: empty" */
	for (const char *line = text.data; line && *line;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		unsigned serial, uid;
		char type[16], name[16];

		if (sscanf(line, "%x %*s %*s %*s %*s %u %*u %15s %15s", &serial, &uid, type,
			   name) == 4 &&
		    uid == plan->host_uid && strcmp(type, "keyring") == 0 &&
		    strncmp(name, "_ses:", 5) == 0 &&
		    s->count < sizeof(s->serial) / sizeof(s->serial[0]))
			s->serial[s->count++] = serial;
	}
}

static void keyring(int out, const struct oc_claims *claims, const struct oc_plan *plan,
		    const struct serials *before)
{
	struct serials now;
	bool found = false;

	session_keyrings(plan, &now);
	for (size_t i = 0; i < now.count && !found; i++) {
		bool old = false;

		for (size_t k = 0; k < before->count && !old; k++)
			old = before->serial[k] == now.serial[i];
		found = !old;
	}
	oc_outside_answer(out, claims, "keyring.new", "value", found ? "new" : "the caller's");
}

/* The kernel tells who sent the byte, as a number of our own pid namespace. */
static pid_t meet(int sock)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	struct timeval tv = {.tv_sec = MEET_SECONDS};
	struct ucred cred;

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
		return -1;
	memcpy(&cred, CMSG_DATA(c), sizeof(cred));
	return cred.pid;
}

void oc_outside_run(int sock, int pipe, int out, int started, const struct oc_claims *claims,
		    const struct oc_plan *plan)
{
	char buf[65536];
	struct serials before;
	ssize_t n;
	pid_t pid;

	/* Before there is a sandbox. */
	session_keyrings(plan, &before);
	(void)!write(started, "S", 1);
	close(started);
	pid = meet(sock);

	if (pid > 0) {
		nested(out, claims, plan, pid);
		limits(out, claims, pid);
		keyring(out, claims, plan, &before);
		if (plan->egress.mode != OC_EGRESS_NONE)
			oc_outside_net(out, claims, pid);
		(void)!send(sock, "G", 1, MSG_NOSIGNAL);
	}
	while ((n = read(pipe, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && oc_write_all(out, buf, (size_t)n) < 0)
			return;
}
