/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd - descriptors: ownership, and paths that become descriptors once.
 *
 * The only callers of open-by-path.  Everything that is resolved is resolved by openat2(2) with
 * the flags named here; from then on descriptors travel.
 */
#ifndef OC_BASE_FD_H
#define OC_BASE_FD_H

#include <linux/openat2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"

static inline void oc_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define oc_auto_close __attribute__((cleanup(oc_closep))) int

/* Give ownership away: returns *fd and leaves -1. */
static inline int oc_steal_fd(int *fd)
{
	int r = *fd;
	*fd = -1;
	return r;
}
static inline void oc_freep(void *p)
{
	extern void free(void *);
	free(*(void **)p);
}
#define oc_auto_free __attribute__((cleanup(oc_freep)))

/* openat2(2) without the struct; O_CLOEXEC is added.  Returns the descriptor or -1 with errno. */
int oc_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);

/* Read all of fd, at most max bytes (more is EFBIG), appended to out. Returns 0 or -1 with errno. */
int oc_read_all(int fd, struct oc_buf *out, size_t max);
/* Write all, retrying short writes and EINTR. Returns 0 or -1 with errno. */
int oc_write_all(int fd, const void *data, size_t len);
/* Read a small file (procfs, sysfs, cgroupfs) below dirfd into buf, NUL-terminated, trailing newline removed. */
ssize_t oc_read_file_at(int dirfd, const char *path, char *buf, size_t size);
/* Write a string to an existing file below dirfd with one write(2). */
int oc_write_file_at(int dirfd, const char *path, const char *s);

/*
 * Replace dirfd/name atomically: temporary file in the same directory (random name, O_EXCL, mode), write,
 * fsync, rename, fsync of the directory.  name has no '/'.
 */
int oc_atomic_write_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode, struct oc_err *err);

/*
 * mkdir -p by descriptors: path is absolute; components that exist must be directories and not links.
 * Returns an O_PATH descriptor of the last one. New ones get mode.
 */
int oc_mkdir_path(const char *path, mode_t mode, struct oc_err *err);

/* The path that the kernel has for fd (readlink of /proc/self/fd/N); in the arena; NULL with errno if it is deleted or unreachable. */
char *oc_fd_path(struct oc_arena *a, int fd);

/* Lexical clean-up of an absolute path: "//", ".", trailing "/"; ".." and relative paths are errors (returns NULL). */
char *oc_path_clean(struct oc_arena *a, const char *path);
/* True if path is dir or below it; both clean. */
bool oc_path_below(const char *path, const char *dir);

#endif
