/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs - an unpacked image as the root of the sandbox.
 *
 * The root itself stays a file system of our own; the entries of the image are mounted in it one by one.  So
 * /proc, /dev, /tmp, /run, /workspace and /agent are always ours whatever the image has there (CVE-2026-41579), no mount
 * point is ever made in the image, and a link of the image is a link of our root: it can only lead inside.
 *
 * The image is hostile: its names are any bytes, its files may be links or devices, it may be changed while we look.
 */
#define _GNU_SOURCE 1 /* O_PATH, statx(2), memory and path helpers of glibc */
#include "runtime/plan/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

#define MAX_ENTRIES 128
#define MAX_PASSWD  (256u << 10)
#define ENTRY_FLAGS (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

static bool ours(const char *name)
{
	static const char *const names[] = { "proc", "sys", "dev", "tmp", "run", "workspace", "agent" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static int add_entry(struct oc_builder *b, int root, const char *root_path, const char *name, oc_origin origin,
		     struct oc_err *err)
{
	char text[4096];
	struct stat st;
	if (oc_check_text("a name in the image", name, err) < 0)
		return -1;
	const char *target = oc_arena_printf(b->a, "/%s", name);
	ssize_t n = readlinkat(root, name, text, sizeof(text) - 1);
	if (n >= 0) {
		text[n] = '\0';
		oc_mount_add(b, OC_MOUNT_SYMLINK, target, oc_arena_strdup(b->a, text), origin);
		return 0;
	}
	int fd = oc_openat2(root, name, O_PATH | O_NOFOLLOW, 0, ENTRY_FLAGS);
	if (fd < 0 || fstat(fd, &st) < 0 || !(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))) {
		/* sockets, devices and what vanished are not part of a file system image */
		oc_closep(&fd);
		return 0;
	}
	/* the descriptor that was looked at is the one that is mounted: the image may change under us */
	struct oc_mount *m = oc_mount_add(b, OC_MOUNT_BIND, target, oc_arena_printf(b->a, "%s/%s", root_path, name),
					  origin);
	m->fd = fd;
	m->read_only = true;
	return oc_source_identify(m, err);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the image's top directory, sorted: the plan (and its hash) must not depend on the order on disk. */
static int list_names(struct oc_builder *b, int root, const char ***names, size_t *count, struct oc_err *err)
{
	OC_VEC(const char *) found = { 0 };
	int fd = oc_openat2(root, ".", O_RDONLY | O_DIRECTORY, 0, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		int e = errno;
		oc_closep(&fd);
		return oc_fail(err, e, "read the directory of --rootfs");
	}
	for (struct dirent *e; found.count <= MAX_ENTRIES && (e = readdir(dir));) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && !ours(e->d_name))
			*oc_vec_add(b->a, &found) = oc_arena_strdup(b->a, e->d_name);
	}
	closedir(dir);
	if (found.count > MAX_ENTRIES)
		return oc_fail(err, 0, "the top directory of --rootfs has more than %d entries", MAX_ENTRIES);
	if (found.count)
		qsort(found.items, found.count, sizeof(*found.items), compare_names);
	*names = found.items;
	*count = found.count;
	return 0;
}

/* A file of ours over one of the image, if the image has it as a regular file; etc is the image's. */
static void over(struct oc_builder *b, int etc, const char *name, const char *text)
{
	struct stat st;
	if (fstatat(etc, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		oc_mount_file(b, oc_arena_printf(b->a, "/etc/%s", name), text, strlen(text));
}

/* The image's list of users with the payload in it: programs that ask for their own name must get one. */
static void over_users(struct oc_builder *b, int etc, const char *name, unsigned id, const char *line)
{
	oc_auto_close fd = oc_openat2(etc, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, ENTRY_FLAGS);
	struct stat st;
	oc_auto_buf text = { 0 };
	char field[16];
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || oc_read_all(fd, &text, MAX_PASSWD) < 0)
		return;
	if (text.data && memchr(text.data, '\0', text.len))
		return;
	snprintf(field, sizeof(field), ":%u:", id);
	for (const char *p = text.data; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		const char *first = strchr(p, ':'), *second = first ? strchr(first + 1, ':') : NULL;
		if (second && strncmp(second, field, strlen(field)) == 0 && !memchr(p, '\n', (size_t)(second - p)))
			return;
	}
	if (text.data && text.len && text.data[text.len - 1] != '\n')
		oc_buf_puts(&text, "\n");
	oc_buf_puts(&text, line);
	over(b, etc, name, oc_arena_strndup(b->a, text.data, text.len));
}

static int etc_rows(struct oc_builder *b, int root, struct oc_err *err)
{
	const struct oc_plan *plan = b->plan;
	oc_auto_close etc = oc_openat2(root, "etc", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, ENTRY_FLAGS);
	if (etc < 0) {
		if (errno == ENOENT)
			return oc_etc_rows(b, err);
		oc_fail(err, errno, "%.300s/etc", plan->rootfs_path);
		return oc_err_hint(err, "etc of the image must be a directory, not a link");
	}
	over(b, etc, "hosts", oc_etc_hosts(b));
	over(b, etc, "hostname", oc_arena_printf(b->a, "%s\n", plan->hostname));
	over(b, etc, "resolv.conf", oc_etc_resolv(b));
	over_users(b, etc, "passwd", plan->uid,
		   oc_arena_printf(b->a, "agent:x:%u:%u:sandbox:/workspace:/bin/sh\n", plan->uid, plan->gid));
	over_users(b, etc, "group", plan->gid, oc_arena_printf(b->a, "agent:x:%u:\n", plan->gid));
	return 0;
}

int oc_rootfs_rows(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	struct oc_mount top = { .kind = OC_MOUNT_BIND, .target = "/", .source = plan->rootfs_path, .fd = -1 };
	oc_origin origin = plan->origin[OC_V_ROOTFS];
	const char **names = NULL;
	size_t count = 0;
	if (oc_source_open(b, &top, OC_SOURCE_ROOTFS, true, err) < 0)
		return oc_err_context(err, "rootfs");
	oc_auto_close root = top.fd;
	plan->rootfs_path = top.source;
	if (list_names(b, root, &names, &count, err) < 0)
		return -1;
	if (count == 0)
		return oc_fail(err, 0, "rootfs %.300s is empty", plan->rootfs_path);
	for (size_t i = 0; i < count; i++)
		if (add_entry(b, root, plan->rootfs_path, names[i], origin, err) < 0)
			return oc_err_context(err, "rootfs %.300s", plan->rootfs_path);
	return etc_rows(b, root, err);
}
