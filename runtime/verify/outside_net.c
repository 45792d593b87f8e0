/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outside_net - the broker of the running probe, as the host sees it.
 *
 * The monitor is our parent, the broker is its child.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "netns/setup/setup.h"
#include "runtime/verify/outside.h"

static pid_t parent_of(const char *pid)
{
	char path[64], text[1024];

	snprintf(path, sizeof path, "/proc/%s/stat", pid);
	if (oc_read_file_at(AT_FDCWD, path, text, sizeof text) <= 0)
		return -1;
	/* The name in parentheses may hold anything. */
	char *p = strrchr(text, ')');
	return p && strlen(p) > 4 ? (pid_t)strtol(p + 4, NULL, 10) : -1;
}

/* By its argument list: until Linux 6.14 the name of what execveat started was a number. */
static pid_t find_broker(pid_t monitor)
{
	DIR *proc = opendir("/proc");
	pid_t found = -1;

	for (struct dirent *e; proc && found < 0 && (e = readdir(proc));) {
		char path[280], text[64];
		if (!isdigit((unsigned char)e->d_name[0]) || parent_of(e->d_name) != monitor)
			continue;
		snprintf(path, sizeof path, "/proc/%s/cmdline", e->d_name);
		if (oc_read_file_at(AT_FDCWD, path, text, sizeof text) > 0 &&
		    strcmp(text, "oc-egress") == 0)
			found = (pid_t)strtol(e->d_name, NULL, 10);
	}
	if (proc)
		closedir(proc);
	return found;
}

/* The words behind "Key:" of a status file, tabs as spaces. */
static bool field(const char *status, const char *key, char *out, size_t size)
{
	const size_t len = strlen(key);

	for (const char *line = status; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, key, len) != 0 || line[len] != ':')
			continue;
		const char *p = line + len + 1;
		p += strspn(p, "\t ");
		size_t n = strcspn(p, "\n");
		if (n >= size)
			return false;
		memcpy(out, p, n);
		out[n] = '\0';
		return true;
	}
	return false;
}

static void answer_field(int out, const struct oc_claims *claims, const char *status,
			 const char *key, const char *probe)
{
	char value[128];

	if (field(status, key, value, sizeof value))
		oc_outside_answer(out, claims, probe, "value", value);
}

static void privileges(int out, const struct oc_claims *claims, pid_t broker)
{
	static const char *const set[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
	char path[64], status[8192], value[128];
	bool none = true;

	snprintf(path, sizeof path, "/proc/%d/status", (int)broker);
	if (oc_read_file_at(AT_FDCWD, path, status, sizeof status) <= 0)
		return;
	answer_field(out, claims, status, "Seccomp", "net.broker-filter");
	answer_field(out, claims, status, "NoNewPrivs", "net.broker-no-new-privs");
	for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) {
		if (!field(status, set[i], value, sizeof value))
			return;
		none = none && strspn(value, "0") == strlen(value);
	}
	oc_outside_answer(out, claims, "net.broker-capabilities", "value", none ? "0" : "some");
	if (field(status, "Uid", value, sizeof value)) {
		value[strcspn(value, "\t ")] = '\0';
		oc_outside_answer(out, claims, "net.broker-user", "value", value);
	}
}

static void namespaces(int out, const struct oc_claims *claims, pid_t broker)
{
	static const char *const name[] = {"mnt", "ipc", "uts"};
	char own[64] = "";

	for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
		char path[64];
		struct stat ours, its;
		snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)broker, name[i]);
		if (stat(path, &its) < 0)
			return;
		snprintf(path, sizeof path, "/proc/self/ns/%s", name[i]);
		if (stat(path, &ours) < 0)
			return;
		if (ours.st_ino != its.st_ino)
			snprintf(own + strlen(own), sizeof own - strlen(own), "%s%s",
				 *own ? " " : "", name[i]);
	}
	oc_outside_answer(out, claims, "net.broker-namespaces", "value", own);
}

/* Inode numbers of the sockets that listen in the payload's namespace on the ports of the capture.
 */
static size_t listeners(pid_t payload, unsigned long inode[16])
{
	static const char *const table[] = {"tcp", "tcp6", "udp", "udp6"};
	size_t count = 0;

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		char path[64];
		oc_auto_buf text = {0};
		snprintf(path, sizeof path, "/proc/%d/net/%s", (int)payload, table[i]);
		oc_auto_close fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || oc_read_all(fd, &text, 1u << 20) < 0 || !text.data)
			continue;
		for (const char *line = text.data; *line && count < 16;
		     line += strcspn(line, "\n"), line += *line == '\n') {
			unsigned port;
			unsigned long n;
			if (sscanf(line, "%*u: %*[0-9A-F]:%x %*s %*s %*s %*s %*s %*u %*u %lu",
				   &port, &n) == 2 &&
			    n && (port == OC_NET_PORT_TCP || port == OC_NET_PORT_DNS))
				inode[count++] = n;
		}
	}
	return count;
}

/* How many descriptors of a process are among them; -1: it cannot be looked at. */
static long held(pid_t pid, const unsigned long *inode, size_t count)
{
	char path[64];
	long n = 0;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	if (!dir)
		return -1;
	for (struct dirent *e; (e = readdir(dir));) {
		char link[64] = "";
		unsigned long got;
		if (readlinkat(dirfd(dir), e->d_name, link, sizeof link - 1) > 0 &&
		    sscanf(link, "socket:[%lu]", &got) == 1)
			for (size_t i = 0; i < count; i++)
				n += inode[i] == got;
	}
	closedir(dir);
	return n;
}

/* Of the monitor, the payload and, where it may be seen, pid 1. */
static void sockets(int out, const struct oc_claims *claims, pid_t payload)
{
	unsigned long inode[16];
	char pid[16], text[24];
	size_t count = listeners(payload, inode);

	snprintf(pid, sizeof pid, "%d", (int)payload);
	long monitor = held(getppid(), inode, count), inside = held(payload, inode, count);
	long init = held(parent_of(pid), inode, count);
	if (count < 2 || monitor < 0 || inside < 0)
		return;
	snprintf(text, sizeof text, "%ld", monitor + inside + (init > 0 ? init : 0));
	oc_outside_answer(out, claims, "net.sockets", "value", text);
}

void oc_outside_net(int out, const struct oc_claims *claims, pid_t payload)
{
	pid_t broker = find_broker(getppid());

	sockets(out, claims, payload);
	if (broker > 0) {
		privileges(out, claims, broker);
		namespaces(out, claims, broker);
	}
}
