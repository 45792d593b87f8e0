/* SPDX-License-Identifier: Apache-2.0 */
/* fd: opening, whole reads and writes, atomic replacement, directories, paths - in a real
 * directory. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "tests/unit/cm.h"

static char top[64];
static int top_fd;

static int remove_tree(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	while (d && (e = readdir(d))) {
		char sub[512];
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		if (unlink(sub) < 0)
			remove_tree(sub);
	}
	if (d)
		closedir(d);
	return rmdir(path);
}

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/oc-test-fd-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	top_fd = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return top_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	close(top_fd);
	return remove_tree(top);
}

static void put(const char *name, const char *text)
{
	int fd = openat(top_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(oc_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void test_openat2(void **state)
{
	(void)state;
	put("f", "x");
	assert_int_equal(symlinkat("/etc/passwd", top_fd, "out"), 0);
	int fd = oc_openat2(top_fd, "f", O_RDONLY, 0, RESOLVE_BENEATH);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	int moved = oc_steal_fd(&fd);
	assert_int_equal(fd, -1);
	close(moved);
	assert_int_equal(oc_openat2(top_fd, "out", O_RDONLY, 0, RESOLVE_BENEATH), -1);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(oc_openat2(top_fd, "out", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(oc_openat2(top_fd, "none", O_RDONLY, 0, 0), -1);
	assert_int_equal(errno, ENOENT);
}

static void test_read_write(void **state)
{
	(void)state;
	oc_auto_buf b = {0};
	char buf[8];
	oc_auto_free char *big = malloc(100000);
	assert_non_null(big);
	memset(big, 'q', 100000);

	oc_auto_close fd = memfd_create("t", MFD_CLOEXEC);
	assert_int_equal(oc_write_all(fd, big, 100000), 0);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(oc_read_all(fd, &b, 100000), 0);
	assert_int_equal(b.len, 100000);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(oc_read_all(fd, &b, 99999), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(oc_read_all(-1, &b, 10), -1);
	assert_int_equal(oc_write_all(-1, "x", 1), -1);
	assert_int_equal(errno, EBADF);

	put("v", "1234567\n"); /* with the newline one byte too long */
	assert_int_equal(oc_read_file_at(top_fd, "v", buf, sizeof(buf)), -1);
	assert_int_equal(errno, EFBIG);
	put("v", "123456\n");
	assert_int_equal(oc_read_file_at(top_fd, "v", buf, sizeof(buf)), 6);
	assert_string_equal(buf, "123456");
	put("v", "1234567");
	assert_int_equal(oc_read_file_at(top_fd, "v", buf, sizeof(buf)), 7);
	put("v", "");
	assert_int_equal(oc_read_file_at(top_fd, "v", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	put("v", "a\n\n");
	assert_int_equal(oc_read_file_at(top_fd, "v", buf, sizeof(buf)), 2);
	assert_int_equal(oc_read_file_at(top_fd, "out", buf, sizeof(buf)), -1);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(oc_read_file_at(top_fd, "v", buf, 0), -1);

	assert_int_equal(oc_write_file_at(top_fd, "v", "zz"), 0);
	assert_int_equal(oc_read_file_at(top_fd, "v", buf, sizeof(buf)),
			 2); /* not truncated: "zz\n" */
	assert_int_equal(oc_write_file_at(top_fd, "missing", "zz"), -1);
	assert_int_equal(errno, ENOENT);

	char comm[32];
	oc_auto_close proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(oc_read_file_at(proc, "self/comm", comm, sizeof(comm)) > 0);
	assert_int_equal(oc_read_file_at(proc, "self/root/etc/passwd", comm, sizeof(comm)),
			 -1); /* magic link */
	assert_true(oc_read_file_at(AT_FDCWD, "/proc/self/comm", comm, sizeof(comm)) > 0);
}

static int entries(void)
{
	int n = 0;
	DIR *d = opendir(top);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void test_atomic_write(void **state)
{
	(void)state;
	struct oc_err e;
	struct stat st;
	char buf[16];
	mode_t old = umask(077);

	assert_int_equal(oc_atomic_write_at(top_fd, "conf", "one", 3, 0644, &e), 0);
	umask(old);
	assert_int_equal(fstatat(top_fd, "conf", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	ino_t before = st.st_ino;
	int n = entries();
	assert_int_equal(oc_atomic_write_at(top_fd, "conf", "two2", 4, 0600, &e), 0);
	assert_int_equal(fstatat(top_fd, "conf", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(st.st_ino != before);
	assert_int_equal(oc_read_file_at(top_fd, "conf", buf, sizeof(buf)), 4);
	assert_string_equal(buf, "two2");
	assert_int_equal(entries(), n);

	/* A link is replaced, not followed. */
	assert_int_equal(symlinkat("conf", top_fd, "lnk"), 0);
	assert_int_equal(oc_atomic_write_at(top_fd, "lnk", "new", 3, 0600, &e), 0);
	assert_int_equal(oc_read_file_at(top_fd, "conf", buf, sizeof(buf)), 4);
	n = entries();
	/* A failure leaves nothing behind. */
	assert_int_equal(mkdirat(top_fd, "isdir", 0700), 0);
	assert_int_equal(oc_atomic_write_at(top_fd, "isdir", "x", 1, 0600, &e), -1);
	assert_int_equal(e.errnum, EISDIR);
	assert_int_equal(entries(), n + 1);
	static const char *const bad[] = {"", ".", "..", "a/b", "/abs"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(oc_atomic_write_at(top_fd, bad[i], "x", 1, 0600, &e), -1);
}

static void test_mkdir_path(void **state)
{
	(void)state;
	oc_auto_arena a = {0};
	struct oc_err e;
	struct stat st;
	mode_t old = umask(077);

	oc_auto_close fd = oc_mkdir_path(oc_arena_printf(&a, "%s//m/./n/o/", top), 0755, &e);
	umask(old);
	assert_true(fd >= 0);
	assert_int_equal(fstatat(top_fd, "m/n/o", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_string_equal(oc_fd_path(&a, fd), oc_arena_printf(&a, "%s/m/n/o", top));
	oc_auto_close again = oc_mkdir_path(oc_arena_printf(&a, "%s/m/n", top), 0700, &e);
	assert_true(again >= 0);
	assert_int_equal(fstatat(top_fd, "m/n", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755); /* one that exists keeps its mode */

	assert_int_equal(symlinkat("m", top_fd, "mlink"), 0);
	assert_int_equal(oc_mkdir_path(oc_arena_printf(&a, "%s/mlink/x", top), 0700, &e), -1);
	assert_true(e.errnum == ELOOP || e.errnum == ENOTDIR);
	assert_true(e.hint[0] != 0);
	assert_int_equal(symlinkat("nowhere", top_fd, "dangling"), 0);
	assert_int_equal(oc_mkdir_path(oc_arena_printf(&a, "%s/dangling", top), 0700, &e), -1);
	put("plain", "");
	assert_int_equal(oc_mkdir_path(oc_arena_printf(&a, "%s/plain", top), 0700, &e), -1);
	assert_int_equal(e.errnum, ENOTDIR);
	assert_int_equal(oc_mkdir_path(oc_arena_printf(&a, "%s/m/../z", top), 0700, &e), -1);
	assert_int_equal(oc_mkdir_path("relative", 0700, &e), -1);
	assert_int_equal(oc_mkdir_path("", 0700, &e), -1);
	char longname[400];
	memset(longname, 'l', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = 0;
	assert_int_equal(oc_mkdir_path(oc_arena_printf(&a, "%s/%s", top, longname), 0700, &e), -1);
	assert_int_equal(e.errnum, ENAMETOOLONG);
}

static void test_fd_path(void **state)
{
	(void)state;
	oc_auto_arena a = {0};

	/* A name that looks like the kernel's mark is a name. */
	put("n (deleted)", "");
	oc_auto_close fd = openat(top_fd, "n (deleted)", O_RDONLY | O_CLOEXEC);
	assert_string_equal(oc_fd_path(&a, fd), oc_arena_printf(&a, "%s/n (deleted)", top));
	/* A deleted file, while another one has the name that the kernel then shows. */
	put("n", "");
	oc_auto_close gone = openat(top_fd, "n", O_RDONLY | O_CLOEXEC);
	assert_int_equal(unlinkat(top_fd, "n", 0), 0);
	assert_null(oc_fd_path(&a, gone));
	assert_int_equal(errno, ENOENT);
	oc_auto_close mem = memfd_create("t", MFD_CLOEXEC);
	assert_null(oc_fd_path(&a, mem));
	int p[2];
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_null(oc_fd_path(&a, p[0]));
	close(p[0]);
	close(p[1]);
	assert_null(oc_fd_path(&a, -1));
	oc_auto_close root = open("/", O_PATH | O_CLOEXEC);
	assert_string_equal(oc_fd_path(&a, root), "/");
}

static void test_paths(void **state)
{
	(void)state;
	oc_auto_arena a = {0};
	static const struct {
		const char *in, *out;
	} t[] = {
		{"/", "/"},	  {"//", "/"},		{"/.", "/"},	     {"/./", "/"},
		{"/a", "/a"},	  {"/a/", "/a"},	{"//a///b", "/a/b"}, {"/a/./b/.", "/a/b"},
		{"/...", "/..."}, {"/a/..b", "/a/..b"}, {"/.a", "/.a"},	     {"/a/b../", "/a/b.."},
		{"/..", NULL},	  {"/a/..", NULL},	{"/a/../b", NULL},   {"/../a", NULL},
		{"", NULL},	  {"a", NULL},		{"./a", NULL},	     {"~/a", NULL},
	};
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const char *out = oc_path_clean(&a, t[i].in);
		if (t[i].out)
			assert_string_equal(out, t[i].out);
		else
			assert_null(out);
	}
	static const struct {
		const char *path, *dir;
		bool below;
	} u[] = {
		{"/a", "/a", true}, {"/a/b", "/a", true},  {"/ab", "/a", false},
		{"/", "/a", false}, {"/a", "/a/b", false}, {"/a", "/", true},
		{"/", "/", true},   {"/b/a", "/a", false},
	};
	for (size_t i = 0; i < sizeof(u) / sizeof(u[0]); i++)
		assert_int_equal(oc_path_below(u[i].path, u[i].dir), u[i].below);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openat2),	     cmocka_unit_test(test_read_write),
		cmocka_unit_test(test_atomic_write), cmocka_unit_test(test_mkdir_path),
		cmocka_unit_test(test_fd_path),	     cmocka_unit_test(test_paths),
	};
	if (cm_skip_without_openat2())
		return 0;
	return cmocka_run_group_tests(tests, setup, teardown);
}
