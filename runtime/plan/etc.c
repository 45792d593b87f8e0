/* SPDX-License-Identifier: Apache-2.0 */
/*
 * etc - the /etc of a sandbox that shows the host's /usr.
 *
 * Few files are ours (they would tell about the host, or must name the payload), few are the
 * host's (programs do not start or cannot verify TLS without them).  Never a key, a private
 * directory, or a list of the host's users.
 *
 * Every row costs about 10 us of each launch, so what has a built-in fallback is left out:
 * /etc/profile, /etc/shells, /etc/host.conf, /etc/inputrc, /etc/terminfo, /etc/mime.types.
 */
#define _GNU_SOURCE 1 /* O_PATH, statx(2), memory and path helpers of glibc */
#include "runtime/plan/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

const char *oc_etc_passwd(struct oc_builder *b)
{
	/* the overflow id is what a file of anyone else is shown as */
	return oc_arena_printf(b->a,
			       "agent:x:%u:%u:sandbox:/workspace:/bin/sh\n"
			       "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
			       b->plan->uid, b->plan->gid);
}

const char *oc_etc_group(struct oc_builder *b)
{
	return oc_arena_printf(b->a, "agent:x:%u:\nnogroup:x:65534:\n", b->plan->gid);
}

const char *oc_etc_hosts(struct oc_builder *b)
{
	oc_auto_buf text = { 0 };
	oc_buf_printf(&text, "127.0.0.1\tlocalhost %s\n::1\tlocalhost ip6-localhost ip6-loopback\n", b->plan->hostname);
	for (size_t i = 0; i < b->s.hosts.count; i++) {
		/* checked when it was read: one ':' splits name and address */
		const char *line = b->s.hosts.items[i].text, *colon = strchr(line, ':');
		oc_buf_printf(&text, "%s\t%.*s\n", colon + 1, (int)(colon - line), line);
	}
	return oc_arena_strndup(b->a, text.data, text.len);
}

const char *oc_etc_resolv(struct oc_builder *b)
{
	/*
	 * The broker answers port 53 of every address, loopback too.  127.0.0.1 is also what libraries
	 * ask that find no file.  AAAA answers are empty, so glibc need not ask; and it answers at once,
	 * or never (musl does not see that a port is closed, and waits).
	 */
	if (b->plan->egress.mode != OC_EGRESS_NONE)
		return "nameserver 127.0.0.1\noptions no-aaaa timeout:2 attempts:3\n";
	if (b->s.dns.count == 0)
		return "# no name service in this sandbox\n";
	oc_auto_buf text = { 0 };
	for (size_t i = 0; i < b->s.dns.count; i++)
		oc_buf_printf(&text, "nameserver %s\n", b->s.dns.items[i].text);
	return oc_arena_strndup(b->a, text.data, text.len);
}

void oc_mount_file(struct oc_builder *b, const char *target, const char *content, size_t len)
{
	struct oc_mount *m = oc_mount_add(b, OC_MOUNT_FILE, target, NULL, "default");
	m->content = content;
	m->content_len = len;
	m->mode = 0444;
	m->read_only = true;
}

static void text_file(struct oc_builder *b, const char *target, const char *text)
{
	oc_mount_file(b, target, text, strlen(text));
}

static void link_row(struct oc_builder *b, const char *target, const char *text)
{
	oc_mount_add(b, OC_MOUNT_SYMLINK, target, text, "default");
}

/* A small file of the host, by value: cheaper than a mount, and it cannot change under us. */
static void copied_file(struct oc_builder *b, const char *path, size_t max)
{
	oc_auto_close fd = oc_openat2(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, RESOLVE_NO_MAGICLINKS);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || (size_t)st.st_size > max)
		return;
	char *text = oc_arena_alloc(b->a, (size_t)st.st_size + 1);
	ssize_t n = read(fd, text, (size_t)st.st_size);
	if (n > 0)
		oc_mount_file(b, path, text, (size_t)n);
}

static void localtime_row(struct oc_builder *b)
{
	static const char zones[] = "/usr/share/zoneinfo/";
	char text[256];
	ssize_t n = readlink("/etc/localtime", text, sizeof(text) - 1);
	if (n < 0) {
		copied_file(b, "/etc/localtime", 64 << 10);
		return;
	}
	text[n] = '\0';
	const char *path = strncmp(text, "../usr/", 7) == 0 ? text + 2 : text;
	const char *clean = *path == '/' ? oc_path_clean(b->a, path) : NULL;
	if (clean && strncmp(clean, zones, sizeof(zones) - 1) == 0)
		link_row(b, "/etc/localtime", clean);
}

/* Debian and Fedora keep the configuration that a JDK cannot start without in /etc/java-N-openjdk. */
static int java_rows(struct oc_builder *b, struct oc_err *err)
{
	DIR *dir = opendir("/usr/lib/jvm");
	int r = 0, rows = 0;
	if (!dir)
		return 0;
	for (struct dirent *e; r == 0 && rows < 8 && (e = readdir(dir));) {
		static const char stem[] = "java-", tail[] = "-openjdk-";
		const char *end = strstr(e->d_name, tail);
		if (strncmp(e->d_name, stem, sizeof(stem) - 1) != 0 || !end)
			continue;
		r = oc_mount_host(b, oc_arena_printf(b->a, "/etc/%.*s-openjdk", (int)(end - e->d_name), e->d_name),
				  err);
		rows++;
	}
	closedir(dir);
	return r;
}

int oc_etc_rows(struct oc_builder *b, struct oc_err *err)
{
	/* directories and files of the host that are mounted as they are */
	static const char *const host[] = {
		"/etc/ld.so.cache",   "/etc/alternatives",    "/etc/ssl/certs",
		"/etc/ca-certificates/extracted", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted",
	};
	struct oc_mount *m = oc_mount_add(b, OC_MOUNT_DIR, "/etc", NULL, "default");
	m->mode = 0755;
	text_file(b, "/etc/passwd", oc_etc_passwd(b));
	text_file(b, "/etc/group", oc_etc_group(b));
	text_file(b, "/etc/hosts", oc_etc_hosts(b));
	text_file(b, "/etc/hostname", oc_arena_printf(b->a, "%s\n", b->plan->hostname));
	text_file(b, "/etc/resolv.conf", oc_etc_resolv(b));
	text_file(b, "/etc/nsswitch.conf",
		  "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\n"
		  "services: files\n");
	link_row(b, "/etc/os-release", "../usr/lib/os-release");
	link_row(b, "/etc/mtab", "../proc/self/mounts");
	localtime_row(b);
	copied_file(b, "/etc/services", 64 << 10);
	copied_file(b, "/etc/protocols", 16 << 10);
	copied_file(b, "/etc/ssl/openssl.cnf", 64 << 10);
	copied_file(b, "/etc/pki/tls/openssl.cnf", 64 << 10);
	for (size_t i = 0; i < sizeof(host) / sizeof(*host); i++)
		if (oc_mount_host(b, host[i], err) < 0)
			return -1;
	return java_rows(b, err);
}
