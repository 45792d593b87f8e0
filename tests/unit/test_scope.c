/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who serves a scope, and the registry: many callers at once, what dead ones leave, and what is not
 * ours.  As root in a mount namespace of its own, with an empty /run.
 */
#include "tests/unit/plan_test.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "runtime/session/activity.h"
#include "runtime/session/remove.h"
#include "runtime/session/scope.h"

#define CALLERS 8

static char top[32], run[48];
static bool root;
static struct oc_arena arena;
static struct shared {
	int inside, wrong;
} * shared;

static int begin(void **state)
{
	(void)state;
	strcpy(top, "/tmp/oc-scope-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	root = geteuid() == 0;
	if (root &&
	    (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	     mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0)) {
		perror("mount namespace");
		return -1;
	}
	setenv("XDG_RUNTIME_DIR", top, 1);
	snprintf(run, sizeof run, "%s/oc-sandbox", root ? "/run" : top);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	return shared == MAP_FAILED ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	oc_arena_free(&arena);
	return nftw(top, pt_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static void write_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
}

/* What a monitor leaves in the registry while it lives; pid and start_time as they should be, or
 * not. */
static int register_as(const char *key, const char *more, pid_t pid, unsigned long long start,
		       char id[13])
{
	struct oc_err err = {0};
	char text[1024];
	int run_fd = oc_rundir_make(top, &err), dir = oc_rundir_new(run_fd, id, &err);

	if (dir < 0)
		abort();
	snprintf(text, sizeof text,
		 "{\"version\":2,\"id\":\"%s\",\"pid\":%d,\"startTime\":%llu,\"agent\":\"main\","
		 "\"scopeKey\":\"%s\","
		 "\"created\":\"2026-11-22T03:00:00.000Z\",\"keep\":true,\"sandboxHash\":\"abc\"%s}"
		 "\n",
		 id, (int)pid, start, key, more);
	write_file(dir, "info.json", text);
	close(run_fd);
	return dir;
}

static int make_entry(const char *key, char id[13])
{
	return register_as(key, "", getpid(), oc_rundir_start_time(getpid()), id);
}

static const char *scope_file(const char *key)
{
	static char path[128];
	struct oc_scope s;
	struct oc_door d;
	struct oc_err err = {0};
	bool live;

	assert_int_equal(oc_scope_lock(&s, &arena, top, key, &d, &live, &err), 0);
	snprintf(path, sizeof path, "%s/%s", run, s.name);
	if (live)
		oc_door_close(&d);
	oc_scope_unlock(&s);
	return path;
}

/* --- many at once --- */

/* Locked and let go a thousand times, the file gone each time: never two inside. */
static void test_one_at_a_time(void **state)
{
	(void)state;
	*shared = (struct shared){0};
	for (int i = 0; i < CALLERS; i++)
		if (fork() == 0) {
			for (int k = 0; k < 100; k++) {
				struct oc_scope s;
				struct oc_door d;
				bool live;
				if (oc_scope_lock(&s, &arena, top, "agent:turns", &d, &live, NULL) <
					    0 ||
				    live)
					_exit(1);
				if (__atomic_add_fetch(&shared->inside, 1, __ATOMIC_SEQ_CST) != 1)
					shared->wrong++;
				if (k % 8 == 0)
					sched_yield();
				__atomic_sub_fetch(&shared->inside, 1, __ATOMIC_SEQ_CST);
				oc_scope_unlock(&s);
			}
			_exit(0);
		}
	for (int i = 0, status; i < CALLERS; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(shared->wrong, 0);
	assert_int_equal(access(scope_file("agent:turns"), F_OK), -1);
}

struct told {
	char id[13];
	bool made;
	pid_t pid;
};

/* As oc_keep_obtain does it, with a process for a sandbox. */
static _Noreturn void caller(const char *key, int out, int go)
{
	struct told t = {.pid = getpid()};
	struct oc_scope s;
	struct oc_door d;
	bool live;
	char byte;

	(void)!read(go, &byte, 1);
	if (oc_scope_lock(&s, &arena, top, key, &d, &live, NULL) < 0)
		_exit(1);
	if (live) {
		strcpy(t.id, d.id);
	} else {
		t.made = true;
		(void)make_entry(key, t.id);
		if (oc_scope_set(&s, t.id, NULL) < 0)
			_exit(2);
	}
	oc_scope_unlock(&s);
	(void)!write(out, &t, sizeof t);
	if (t.made)
		pause();
	_exit(0);
}

static void test_callers_get_one(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		char key[32], id[13] = "";
		int out[2], go[2], made = 0;
		pid_t maker = 0;
		snprintf(key, sizeof key, "agent:round%d", round % 3);
		assert_int_equal(pipe(out), 0);
		assert_int_equal(pipe(go), 0);
		for (int i = 0; i < CALLERS; i++)
			if (fork() == 0) {
				close(go[1]);
				caller(key, out[1], go[0]);
			}
		close(go[0]);
		close(go[1]);
		close(out[1]);
		for (int i = 0; i < CALLERS; i++) {
			struct told t;
			assert_int_equal(read(out[0], &t, sizeof t), (ssize_t)sizeof t);
			if (t.made) {
				made++;
				maker = t.pid;
			}
			if (id[0])
				assert_string_equal(t.id, id);
			strcpy(id, t.id);
		}
		close(out[0]);
		assert_int_equal(made, 1);
		assert_true(oc_scope_peek(top, key));
		/* Nothing of it is removed by anybody: the next round finds what a kill -9 leaves.
		 */
		kill(maker, SIGKILL);
		while (wait(NULL) > 0)
			;
		assert_false(oc_scope_peek(top, key));
	}
	assert_int_equal(oc_scope_sweep(top), 3);
	assert_int_equal(oc_scope_sweep(top), 0);
}

static void test_set_and_forget(void **state)
{
	struct oc_scope s;
	struct oc_door d;
	struct oc_err err = {0};
	char id[13], other[13] = "0123456789ab";
	bool live;

	(void)state;
	int dir = make_entry("agent:x", id);
	assert_false(oc_scope_peek(top, "agent:x"));
	assert_int_equal(oc_scope_lock(&s, &arena, top, "agent:x", &d, &live, &err), 0);
	assert_false(live);
	assert_int_equal(oc_scope_set(&s, id, &err), 0);
	/* Held: it is not forgotten, and nobody waits. */
	oc_scope_forget(top, "agent:x", id);
	oc_scope_unlock(&s);
	assert_true(oc_scope_peek(top, "agent:x"));
	assert_false(oc_scope_peek(top, "agent:y"));
	oc_scope_forget(top, "agent:x", other);
	assert_int_equal(oc_scope_lock(&s, &arena, top, "agent:x", &d, &live, &err), 0);
	assert_true(live);
	assert_string_equal(d.id, id);
	assert_true(d.keep && d.dir_fd >= 0);
	oc_door_close(&d);
	oc_scope_unlock(&s);
	assert_true(oc_scope_peek(top, "agent:x"));
	oc_scope_forget(top, "agent:x", id);
	assert_false(oc_scope_peek(top, "agent:x"));
	/* The id of a live one of another scope is none of this one. */
	const char *path = scope_file("agent:y");
	char text[16];
	snprintf(text, sizeof text, "%s\n", id);
	write_file(AT_FDCWD, path, text);
	assert_int_equal(oc_scope_lock(&s, &arena, top, "agent:y", &d, &live, &err), 0);
	assert_false(live);
	oc_scope_unlock(&s);
	close(dir);
	struct oc_door_scan scan;
	assert_int_equal(oc_door_scan(&arena, top, NULL, NULL, &scan, &err), 0);
	assert_int_equal(scan.dead_count, 1);
}

static void test_foreign_scope_files(void **state)
{
	struct oc_scope s;
	struct oc_door d;
	struct stat st;
	bool live;
	static const char *const text[] = {"hello\n", "0123456789ab", "0123456789AB\n",
					   "0123456789ab\n\n", "{\"version\":3}\n"};

	(void)state;
	const char *path = scope_file("agent:f");
	const size_t texts = sizeof text / sizeof text[0];
	for (size_t i = 0; i < texts + 6; i++) {
		struct oc_err err = {0};
		char other[64];
		snprintf(other, sizeof other, "%s/other", run);
		if (i == texts + 5 && !root)
			break;
		if (i < texts)
			write_file(AT_FDCWD, path, text[i]);
		else if (i == texts)
			assert_int_equal(symlink(other, path), 0);
		else if (i == texts + 1)
			assert_int_equal(mkdir(path, 0700), 0);
		else if (i == texts + 2)
			assert_int_equal(mkfifo(path, 0600), 0);
		else
			write_file(AT_FDCWD, path, "");
		if (i == texts + 3)
			assert_int_equal(chmod(path, 0620), 0);
		if (i == texts + 4)
			assert_int_equal(link(path, other), 0);
		if (i == texts + 5)
			assert_int_equal(chown(path, 65534, 65534), 0);
		alarm(5);
		assert_int_equal(oc_scope_lock(&s, &arena, top, "agent:f", &d, &live, &err), -1);
		alarm(0);
		if (!strstr(err.msg, path) || !err.hint[0])
			oc_err_print(&err, "test", 2);
		assert_non_null(strstr(err.msg, path));
		assert_true(err.hint[0]);
		assert_int_equal(s.fd, -1);
		assert_false(oc_scope_peek(top, "agent:f"));
		oc_scope_forget(top, "agent:f", "0123456789ab");
		assert_int_equal(oc_scope_sweep(top), 0);
		/* It stays, and a link leads nowhere. */
		assert_int_equal(lstat(path, &st), 0);
		if (i == texts)
			assert_int_equal(access(other, F_OK), -1);
		unlink(other);
		assert_int_equal(S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path), 0);
	}
}

/* --- the registry --- */

static void expect_trouble(const char *id, const char *says)
{
	struct oc_door_scan scan;
	struct oc_door d;
	struct oc_err err = {0};

	assert_int_equal(oc_door_scan(&arena, top, NULL, NULL, &scan, &err), 0);
	assert_int_equal(scan.count, 1);
	assert_int_equal(scan.trouble_count, 1);
	assert_string_equal(scan.trouble[0].id, id);
	if (!strstr(scan.trouble[0].err.msg, says))
		oc_err_print(&scan.trouble[0].err, "test", 2);
	assert_non_null(strstr(scan.trouble[0].err.msg, says));
	assert_non_null(strstr(scan.trouble[0].err.msg, run));
	assert_true(scan.trouble[0].err.hint[0]);
	/* Who names it hears the same; nobody else does. */
	assert_int_equal(oc_door_find(&arena, top, id, &d, &err), -1);
	assert_non_null(strstr(err.msg, says));
	assert_int_equal(oc_door_find(&arena, top, "main", &d, &err), 0);
	oc_door_close(&d);
}

static void test_foreign_entries(void **state)
{
	static const char *const bad[] = {
		"{\"version\":3}",
		"garbage",
		"[]",
		"{}",
		"{\"version\":\"2\"}",
		"{\"version\":2,\"pid\":1,\"startTime\":1,\"created\":\"x\",\"keep\":true}",
		"{\"version\":1,\"pid\":99999999999,\"startTime\":1,\"created\":\"x\"}",
		"{\"version\":2,\"pid\":1,\"startTime\":1,\"created\":\"x\",\"idleMs\":-1}",
		"{\"version\":1,\"pid\":1,\"created\":\"x\"}",
	};
	char good[13], id[13], path[128];
	struct oc_err err = {0};

	(void)state;
	int dir = make_entry("agent:main", good);
	int run_fd = oc_rundir_make(top, &err), entry = oc_rundir_new(run_fd, id, &err);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		write_file(entry, "info.json", bad[i]);
		expect_trouble(id, i == 0 ? "version 3" : "info.json");
	}
	/* Not a file: neither waited for nor followed. */
	unlinkat(entry, "info.json", 0);
	assert_int_equal(mkfifoat(entry, "info.json", 0600), 0);
	alarm(5);
	expect_trouble(id, "not a file");
	unlinkat(entry, "info.json", 0);
	assert_int_equal(symlinkat("/etc/passwd", entry, "info.json"), 0);
	expect_trouble(id, "info.json");
	alarm(0);
	unlinkat(entry, "info.json", 0);
	/* It is being made: that is not told.  Unless that takes too long. */
	struct oc_door_scan scan;
	assert_int_equal(oc_door_scan(&arena, top, NULL, NULL, &scan, &err), 0);
	assert_int_equal(scan.trouble_count, 0);
	assert_int_equal(futimens(entry, (struct timespec[2]){{.tv_sec = 1}, {.tv_sec = 1}}), 0);
	expect_trouble(id, "no info.json");
	/* Version 1, of an oc-sandbox before kept ones. */
	write_file(entry, "info.json",
		   "{\"version\":1,\"pid\":1,\"startTime\":1,\"agent\":null,\"created\":\"x\"}");
	assert_int_equal(oc_door_scan(&arena, top, NULL, NULL, &scan, &err), 0);
	assert_int_equal(scan.count, 2);
	assert_false(scan.all[1].keep);
	assert_int_equal(fchmod(entry, 0755), 0);
	expect_trouble(id, "open to other users");
	/* Dead, with something of somebody's in it. */
	write_file(entry, "notes", "x");
	assert_int_equal(fchmod(entry, 0700), 0);
	close(entry);
	expect_trouble(id, "not ours");
	snprintf(path, sizeof path, "%s/%s/notes", run, id);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(oc_door_scan(&arena, top, NULL, NULL, &scan, &err), 0);
	assert_int_equal(scan.trouble_count, 0);
	assert_int_equal(scan.dead_count, 1);
	/* No directory at all. */
	snprintf(path, sizeof path, "%s/%s", run, id);
	assert_int_equal(symlink("/etc", path), 0);
	expect_trouble(id, "not a directory");
	assert_int_equal(unlink(path), 0);
	write_file(AT_FDCWD, path, "");
	expect_trouble(id, "not a directory");
	assert_int_equal(unlink(path), 0);
	close(run_fd);
	close(dir);
}

static void test_find(void **state)
{
	char a[13], b[13], c[13];
	struct oc_door d;
	struct oc_err err = {0};

	(void)state;
	int fd[3] = {make_entry("agent:main:x", a), make_entry("agent:main:y", b),
		     make_entry("agent:main:y", c)};
	const char *const words[] = {a, "agent:main:x"};
	for (int i = 0; i < 2; i++) {
		assert_int_equal(oc_door_find(&arena, top, words[i], &d, &err), 0);
		assert_string_equal(d.id, a);
		assert_true(d.dir_fd >= 0);
		oc_door_close(&d);
	}
	assert_int_equal(oc_door_find(&arena, top, "main", &d, &err), -1);
	assert_non_null(strstr(err.msg, a));
	assert_non_null(strstr(err.msg, "agent:main:y"));
	assert_int_equal(oc_door_find(&arena, top, "agent:main:y", &d, &err), -1);
	assert_null(strstr(err.msg, a));
	assert_non_null(strstr(err.msg, c));
	assert_int_equal(oc_door_find(&arena, top, NULL, &d, &err), -1);
	assert_int_equal(oc_door_find(&arena, top, "nobody", &d, &err), -1);
	close(fd[0]);
	/* The whole id of a dead one. */
	assert_int_equal(oc_door_find(&arena, top, a, &d, &err), -1);
	assert_non_null(strstr(err.msg, "has ended"));
	close(fd[1]);
	close(fd[2]);
}

/* A pid is somebody else's by now: he is not taken for the monitor. */
static void test_pid_reuse(void **state)
{
	char id[13];
	struct oc_door d;
	struct oc_err err = {0};

	(void)state;
	pid_t victim = fork();
	if (victim == 0) {
		pause();
		_exit(0);
	}
	int dir = register_as("agent:r", "", victim, oc_rundir_start_time(victim) + 1, id);
	assert_int_equal(oc_door_find(&arena, top, id, &d, &err), 0);
	assert_int_equal(oc_door_watch(&d), -1);
	oc_door_close(&d);
	close(dir);
	dir = register_as("agent:r", "", victim, oc_rundir_start_time(victim), id);
	assert_int_equal(oc_door_find(&arena, top, id, &d, &err), 0);
	int watch = oc_door_watch(&d);
	assert_true(watch >= 0);
	close(watch);
	oc_door_close(&d);
	close(dir);
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	/* It is dead, and the number is nobody's. */
	assert_int_equal(oc_door_watch(&d), -1);
}

static void test_activity(void **state)
{
	struct oc_activity seen;
	struct oc_err err = {0};
	char id[13];

	(void)state;
	int dir = make_entry("agent:a", id);
	assert_int_equal(oc_activity_read(dir, &seen), -1);
	struct oc_activity *p = oc_activity_make(dir, &err);
	assert_non_null(p);
	assert_null(oc_activity_make(dir, &err));
	assert_int_equal(oc_activity_read(dir, &seen), 0);
	assert_int_equal(seen.state, OC_ACTIVITY_STARTING);
	oc_activity_note(p, OC_ACTIVITY_READY, 3);
	assert_int_equal(oc_activity_read(dir, &seen), 0);
	assert_int_equal(seen.state, OC_ACTIVITY_READY);
	assert_int_equal(seen.calls, 3);
	seen.used_ns -= 5000000000;
	assert_int_equal(oc_activity_idle_ms(&seen), 0);
	seen.calls = 0;
	assert_in_range(oc_activity_idle_ms(&seen), 5000, 6000);
	write_file(dir, "activity", "nonsense");
	assert_int_equal(oc_activity_read(dir, &seen), -1);
	close(dir);
	assert_int_equal(munmap(p, sizeof *p), 0);
}

/* --- what a payload leaves --- */

static void test_remove(void **state)
{
	char path[64], outside[64], keep[80];
	struct oc_err err = {0};
	struct stat st;

	(void)state;
	snprintf(path, sizeof path, "%s/scratch", top);
	snprintf(outside, sizeof outside, "%s/outside", top);
	snprintf(keep, sizeof keep, "%s/keep", outside);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mkdir(outside, 0700), 0);
	write_file(AT_FDCWD, keep, "x");
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(symlinkat(outside, fd, "link"), 0);
	assert_int_equal(symlinkat("../outside/keep", fd, "file"), 0);
	assert_int_equal(mkfifoat(fd, "fifo", 0), 0);
	assert_int_equal(mkdirat(fd, ".removed-000000000000", 0700), 0);
	assert_int_equal(mkdirat(fd, "closed", 0700), 0);
	assert_int_equal(mkdirat(fd, "closed/in", 0), 0);
	assert_int_equal(fchmodat(fd, "closed", 0, 0), 0);
	for (int i = 0; i < 3000; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		close(openat(fd, name, O_CREAT | O_WRONLY, 0));
	}
	/* Deeper than any path and than there are descriptors. */
	for (int i = 0; i < 6000; i++) {
		assert_int_equal(mkdirat(fd, "deep", 0700), 0);
		int next = openat(fd, "deep", O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(oc_remove_dir(path, &err), 0);
	assert_int_equal(lstat(path, &st), -1);
	assert_int_equal(lstat(keep, &st), 0);
	assert_int_equal(oc_remove_dir(path, &err), 0);
	/* A link in its place is not followed, and no rest is left beside it. */
	assert_int_equal(symlink(outside, path), 0);
	assert_int_equal(oc_remove_dir(path, &err), -1);
	assert_non_null(strstr(err.msg, path));
	assert_int_equal(lstat(keep, &st), 0);
	assert_int_equal(oc_remove_rest(top), 0);
	snprintf(keep, sizeof keep, "%s/.removed-0123456789ab", top);
	assert_int_equal(mkdir(keep, 0700), 0);
	assert_int_equal(oc_remove_rest(top), 1);
	assert_int_equal(oc_remove_dir("/", &err), -1);
	assert_int_equal(oc_remove_dir("relative", &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_at_a_time),	cmocka_unit_test(test_callers_get_one),
		cmocka_unit_test(test_set_and_forget),	cmocka_unit_test(test_foreign_scope_files),
		cmocka_unit_test(test_foreign_entries), cmocka_unit_test(test_find),
		cmocka_unit_test(test_pid_reuse),	cmocka_unit_test(test_activity),
		cmocka_unit_test(test_remove),
	};

	if (cm_skip_without_openat2())
		return 0;
	return cmocka_run_group_tests(tests, begin, end);
}
