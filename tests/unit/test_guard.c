/* SPDX-License-Identifier: Apache-2.0 */
/* guard: hostile trees, the quarantine, the journal.  Real directories. */
#define _GNU_SOURCE 1
#include "runtime/plan/guard.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

#include "runtime/plan/guard_config.h"
#include "runtime/plan/guard_names.h"
#include "tests/unit/guard_util.h"

/* --- hostile trees --- */

/* Chains of directories deeper than any path. */
static void deep(unsigned levels, const char *leaf)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/ws", top);
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	for (unsigned i = 0; i < levels; i++) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		int next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		if (i % 100 == 0)
			close(openat(fd, "mise.toml", O_CREAT | O_WRONLY, 0644));
		if (i % 3 == 0)
			mkdirat(fd, "e", 0755);
		close(fd);
		fd = next;
	}
	close(openat(fd, leaf, O_CREAT | O_WRONLY, 0644));
	close(fd);
}

static void test_deep(void **state)
{
	struct world w;
	struct rlimit few = {64, 64}, old;

	(void)state;
	fresh();
	assert_int_equal(world_scan(&w), 0);
	deep(10000, ".envrc");
	getrlimit(RLIMIT_NOFILE, &old);
	few.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	assert_int_equal(world_sweep(&w), 0);
	setrlimit(RLIMIT_NOFILE, &old);
	world_print(&w);
	assert_false(w.sweep.incomplete);
	assert_int_equal(w.sweep.count, 101);
	for (size_t i = 0; i < w.sweep.count; i++)
		assert_non_null(w.sweep.items[i].moved);
	world_free(&w);
	assert_int_equal(world_scan(&w), 0);
	assert_int_equal(w.count, 0);
	world_free(&w);
	drop();
}

static void test_names_of_all_kinds(void **state)
{
	struct world w;

	(void)state;
	fresh();
	assert_int_equal(world_scan(&w), 0);
	assert_int_equal(
		sh("mkdir \"$(printf 'a\\nb')\" \"$(printf '\\377\\376')\" ./-rf 'x\\y' && for d "
		   "in a?b \"$(printf '\\377\\376')\" ./-rf 'x\\y'; do echo >\"$d/.envrc\"; done;"
		   "mkdir -p .Git s/.GIT; printf '[core]fsmonitor=x' >.Git/Config; printf "
		   "'[core]fsmonitor=x' >s/.GIT/config;"
		   "mkfifo .vimrc; mkfifo .git; echo >.EnvRC; ln -s /etc .vscode; ln -s nothing "
		   ".zshrc; mkdir .bashrc; mkdir t; mkfifo t/.git"),
		0);
	assert_int_equal(world_sweep(&w), 0);
	world_print(&w);
	assert_false(w.sweep.incomplete);
	static const char *const want[] = {
		"a\nb/.envrc", "\xff\xfe/.envrc", "-rf/.envrc", "x\\y/.envrc",
		".Git/Config", "s/.GIT/config",	  ".vimrc",	".git",
		".EnvRC",      ".vscode",	  ".zshrc",	"t/.git"};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		if (!find_item(&w, want[i]))
			fail_msg("not moved: %s", want[i]);
	assert_true(there("../../etc/passwd") || access("/etc/passwd", F_OK) == 0);
	assert_true(there("ws/.bashrc")); /* an empty directory does nothing */
	assert_int_equal(w.sweep.count, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < w.sweep.count; i++)
		assert_int_equal(access(w.sweep.items[i].moved, F_OK) == 0 || errno == ENOENT, 1);
	world_free(&w);
	drop();
}

static void test_links_are_not_followed(void **state)
{
	struct world w;

	(void)state;
	fresh();
	assert_int_equal(
		sh("mkdir -p $TOP/outside/.vscode $TOP/outside/sub; echo >$TOP/outside/.envrc; "
		   "echo >$TOP/outside/x; mkdir -p p/q; echo >p/q/.envrc"),
		0);
	assert_int_equal(world_scan(&w), 0);
	assert_non_null(find_guard(&w, "p/q/.envrc"));
	assert_int_equal(
		sh("ln -s $TOP/outside o; mv p p2; ln -s $TOP/outside p; ln -s $TOP/outside/x "
		   ".vimrc; mkdir r; ln -s ../.. r/up; ln -s . loop; echo 'gitdir: "
		   "/proc/self/cwd/x' >r/.git;"
		   "mkdir g; echo \"gitdir: $TOP/outside\" >g/.git; mkdir h; echo 'gitdir: ../o/x' "
		   ">h/.git; mkdir n; echo 'gitdir: /no-such-top/.git/worktrees/n' >n/.git;"
		   "mkdir -p $TOP/state/quarantine; ln -s $TOP/outside/x "
		   "$TOP/state/quarantine/0001-.vimrc"),
		0);
	assert_int_equal(world_sweep(&w), 0);
	world_print(&w);
	assert_true(there("outside/.envrc") && there("outside/.vscode") && there("outside/x"));
	assert_true(there("ws/p2/q/.envrc")); /* moved with its parent, unchanged */
	assert_null(find_item(&w, "n/.git"));
	assert_non_null(find_item(&w, ".vimrc"));
	assert_non_null(find_item(&w, "r/.git"));
	assert_non_null(find_item(&w, "g/.git"));
	assert_non_null(find_item(&w, "h/.git"));
	assert_int_equal(w.sweep.count, 4);
	assert_false(there("ws/.vimrc"));
	assert_true(there("state/quarantine/0001-.vimrc"));
	world_free(&w);
	drop();
}

static void test_changed_and_unchanged(void **state)
{
	struct world w;

	(void)state;
	fresh();
	assert_int_equal(sh("mkdir -p .vscode/x .idea .husky d; echo 1 >.vscode/a; echo 2 "
			    ">.vscode/x/b; echo 3 >.idea/c; echo 4 >.envrc; echo 5 >d/.envrc; echo "
			    "6 >.npmrc; ln -s d/l .vimrc; echo 7 >.tool-versions"),
			 0);
	assert_int_equal(world_scan(&w), 0);
	assert_int_equal(
		sh("echo 9 >.vscode/x/b; echo 9 >.vscode/new; mkdir .vscode/y; echo >.vscode/y/z; "
		   "cp -p .envrc t; mv t .envrc; chmod 755 .npmrc; rm .vimrc; ln -s d/m .vimrc;"
		   "touch .tool-versions; mkdir e; cp d/.envrc e/; rm d/.envrc; mkdir -p f/.idea; "
		   "cp .idea/c f/.idea/; mv .husky k; mkdir .husky; echo >.husky/pre-commit"),
		0);
	assert_int_equal(world_sweep(&w), 0);
	world_print(&w);
	static const char *const want[] = {".vscode/x/b", ".vscode/new", ".vscode/y",
					   ".npmrc",	  ".vimrc",	 ".husky"};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		if (!find_item(&w, want[i]))
			fail_msg("not moved: %s", want[i]);
	assert_int_equal(w.sweep.count, sizeof(want) / sizeof(want[0]));
	assert_true(there("ws/.vscode/a") && there("ws/.idea/c") && there("ws/.envrc") &&
		    there("ws/e/.envrc") && there("ws/.tool-versions"));
	world_free(&w);
	drop();
}

static void test_hard_links(void **state)
{
	static const char *const setup[] = {
		"echo >.envrc; ln .envrc x",
		"git init -q .; ln .git/config x",
		"git init -q .; echo >.git/hooks/pre-commit; ln .git/hooks/pre-commit x",
		"mkdir .vscode; echo >x; ln x .vscode/tasks.json",
		"git init -q .; git config core.fsmonitor ./f; echo >f; ln f x",
		"mkdir d; echo 'gitdir: ../g' >d/.git; ln d/.git x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(setup) / sizeof(setup[0]); i++) {
		struct world w;
		fresh();
		sh("%s", setup[i]);
		assert_int_equal(world_scan(&w), -1);
		assert_non_null(strstr(w.err.msg, "hard links"));
		assert_true(w.err.hint[0] != 0);
		world_free(&w);
		drop();
	}
	/* One that the payload made of a file that would otherwise stay does not stop the next
	 * start. */
	struct world w;
	fresh();
	assert_int_equal(world_scan(&w), 0);
	sh("git init -q r; ln r/.git/config x");
	assert_int_equal(world_sweep(&w), 0);
	assert_non_null(find_item(&w, "r/.git/config"));
	world_free(&w);
	assert_int_equal(world_scan(&w), 0);
	world_free(&w);
	drop();
}

static void test_modes_and_devices(void **state)
{
	struct world w;
	struct stat st;
	char path[200];

	(void)state;
	fresh();
	assert_int_equal(sh("cp /bin/true old; chmod 4755 old; sleep 0.02"), 0);
	assert_int_equal(world_scan(&w), 0);
	assert_int_equal(sh("mkdir d; cp /bin/true d/new; chmod 4711 d/new; cp /bin/true g; chmod "
			    "2755 g; mkdir s; chmod 2775 s"),
			 0);
	bool node = sh("mknod d/null c 1 3 && mknod blk b 7 0") == 0;
	assert_int_equal(world_sweep(&w), 0);
	world_print(&w);
	assert_non_null(find_item(&w, "d/new"));
	assert_non_null(find_item(&w, "g"));
	snprintf(path, sizeof(path), "%s/ws/d/new", top);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	snprintf(path, sizeof(path), "%s/ws/old", top);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 04755); /* the owner's own, from before */
	if (node) {
		assert_false(there("ws/d/null"));
		assert_false(there("ws/blk"));
	}
	assert_int_equal(w.sweep.count, node ? 4 : 2);
	world_free(&w);
	drop();
}

/* --- the quarantine --- */

static void test_no_room(void **state)
{
	struct world w;

	(void)state;
	fresh();
	assert_int_equal(world_scan(&w), 0);
	sh("echo >.envrc; mkdir -p .vscode; echo >.vscode/t; echo >$TOP/state/quarantine");
	assert_int_equal(world_sweep(&w), 0);
	world_print(&w);
	assert_int_equal(w.sweep.count, 2);
	assert_null(w.sweep.items[0].moved);
	assert_false(there("ws/.envrc"));
	assert_false(there("ws/.vscode"));
	world_free(&w);
	drop();
}

static void test_other_file_system(void **state)
{
	struct world w;
	struct stat st;
	char path[300];

	(void)state;
	if (stat("/dev/shm", &st) < 0)
		skip();
	fresh();
	snprintf(quarantine, sizeof(quarantine), "/dev/shm/oc-guard-test.%d/q", (int)getpid());
	assert_int_equal(world_scan(&w), 0);
	assert_int_equal(sh("echo secret >.envrc; truncate -s 1T .npmrc; mkdir -p .vscode/a/b; "
			    "echo x >.vscode/a/b/c; chmod 4755 .vscode/a/b/c; ln -s /etc/passwd "
			    ".vscode/l; mkfifo .vscode/f;"
			    "chmod 555 .vscode/a/b; mkdir .idea; echo >.idea/x; head -c 300M "
			    "/dev/zero >.idea/big; mkdir .zed; echo >.zed/x"),
			 0);
	deep(0, ".exrc");
	assert_int_equal(world_sweep(&w), 0);
	world_print(&w);
	assert_int_equal(w.sweep.count, 6);
	assert_false(w.sweep.incomplete);
	const struct oc_quarantined *q = find_item(&w, ".vscode");
	assert_non_null(q);
	assert_non_null(q->moved);
	snprintf(path, sizeof(path), "%s/a/b/c", q->moved);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07077, 0);
	snprintf(path, sizeof(path), "%s/f", q->moved);
	assert_int_equal(lstat(path, &st), -1);
	snprintf(path, sizeof(path), "%s/l", q->moved);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	q = find_item(&w, ".npmrc");
	assert_non_null(q->moved);
	assert_int_equal(lstat(q->moved, &st), 0);
	assert_true(st.st_blocks < 100);
	q = find_item(&w, ".idea"); /* too big to copy: renamed where it is */
	assert_null(q->moved);
	static const char *const gone[] = {".envrc", ".npmrc", ".vscode", ".idea", ".zed", ".exrc"};
	for (size_t i = 0; i < 6; i++)
		assert_false(there("ws/%s", gone[i]));
	world_free(&w);
	snprintf(path, sizeof(path), "rm -rf /dev/shm/oc-guard-test.%d", (int)getpid());
	assert_int_equal(system(path), 0);
	drop();
}

static void test_quarantine_in_workspace(void **state)
{
	struct world w;

	(void)state;
	fresh();
	snprintf(quarantine, sizeof(quarantine), "%s/ws/.state/q", top);
	assert_int_equal(world_scan(&w), 0);
	sh("mkdir -p a/.vscode; echo >a/.vscode/.envrc");
	assert_int_equal(world_sweep(&w), 0);
	assert_int_equal(w.sweep.count, 1);
	assert_int_equal(world_sweep(&w), 0);
	assert_int_equal(w.sweep.count, 0);
	world_free(&w);
	drop();
}

/* As an ordinary user: the payload has the same ids and takes rights away. */
static void test_rights(void **state)
{
	(void)state;
	fresh();
	char line[512];
	snprintf(line, sizeof(line), "chmod 755 %s; chown -R 65534:65534 %s", top, top);
	if (geteuid() == 0)
		assert_int_equal(system(line), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct world w;
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(1);
		sh("mkdir -p own/x; echo >own/x/.envrc; chmod 0 own");
		if (world_scan(&w) < 0)
			_exit(2);
		sh("mkdir -p ro dark/er; echo >ro/.envrc; chmod 555 ro; mkdir -p .vscode/d; echo "
		   ">.vscode/d/x; chmod 555 .vscode/d; chmod 500 .vscode; echo >dark/er/.envrc; "
		   "chmod 0 dark/er; chmod 111 dark;"
		   "mkdir t; echo '{}' >t/.npmrc; chmod 0 t/.npmrc; cp /bin/true t/s; chmod 4000 "
		   "t/s; mkdir ro/.husky; echo >.zshrc; chmod 0 .zshrc");
		sh("chmod 755 ro; mkdir ro/.idea; echo >ro/.idea/x; chmod 0 ro/.idea; chmod 555 "
		   "ro");
		if (world_sweep(&w) < 0)
			_exit(3);
		for (size_t i = 0; i < w.sweep.count; i++)
			fprintf(stderr, "# %s -> %s: %s\n", w.sweep.items[i].path,
				w.sweep.items[i].moved, w.sweep.items[i].why);
		if (w.sweep.incomplete) {
			fprintf(stderr, "# %s\n", w.sweep.incomplete_why);
			_exit(4);
		}
		static const char *const want[] = {"ro/.envrc", ".vscode", "dark/er/.envrc",
						   "t/.npmrc",	"t/s",	   ".zshrc",
						   "ro/.idea"};
		for (size_t i = 0; i < 7; i++)
			if (!find_item(&w, want[i]) || (i != 4 && !find_item(&w, want[i])->moved))
				_exit(10 + (int)i);
		struct stat st;
		snprintf(line, sizeof(line), "%s/ws/own", top);
		if (lstat(line, &st) < 0 || (st.st_mode & 0777) != 0) /* the owner's, from before */
			_exit(5);
		_exit(w.sweep.count == 7 ? 0 : 6);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	drop();
}

static void test_many(void **state)
{
	struct world w;
	char path[200];

	(void)state;
	fresh();
	assert_int_equal(world_scan(&w), 0);
	snprintf(path, sizeof(path), "%s/ws", top);
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	/* More than are listed, and no two alike for a file system that ignores joiners. */
	for (unsigned i = 0; i < 12000; i++) {
		snprintf(path, sizeof(path), ".env\xe2\x80\x8crc");
		for (unsigned b = 0; b < 14; b++)
			strcat(path, i >> b & 1 ? "\xe2\x80\x8c" : "\xe2\x80\x8d");
		close(openat(fd, path, O_CREAT | O_WRONLY, 0644));
	}
	close(fd);
	assert_int_equal(world_sweep(&w), 0);
	assert_int_equal(w.sweep.count, 10000);
	assert_true(w.sweep.incomplete);
	assert_non_null(strstr(w.sweep.incomplete_why, "2000 more"));
	world_free(&w);
	assert_int_equal(world_scan(&w), 0);
	assert_int_equal(world_sweep(&w), 0);
	assert_int_equal(w.sweep.count, 0);
	world_free(&w);
	drop();
}

static void test_mount_is_not_entered(void **state)
{
	struct world w;
	char path[200];

	(void)state;
	fresh();
	sh("mkdir m");
	snprintf(path, sizeof(path), "%s/ws/m", top);
	if (mount("none", path, "tmpfs", 0, "size=1m") < 0)
		skip();
	int rc = world_scan(&w);
	sh("echo >m/.envrc");
	int rc2 = world_sweep(&w);
	bool kept = there("ws/m/.envrc");
	umount(path);
	assert_int_equal(rc, 0);
	assert_int_equal(rc2, 0);
	assert_true(kept);
	assert_true(w.sweep.incomplete);
	world_free(&w);
	drop();
}

/* --- the journal --- */

static void test_journal(void **state)
{
	struct world w;

	(void)state;
	fresh();
	assert_int_equal(sh("git init -q .; git config core.fsmonitor ./f; echo >f; mkdir .vscode "
			    "\"$(printf 'a%%\\nb\\377 c')\"; echo 1 >.vscode/a; echo >\"$(printf "
			    "'a%%\\nb\\377 c/.envrc')\"; ln -s x .vimrc;"
			    "echo 'ref: refs/heads/x' >.git/HEAD"),
			 0);
	assert_int_equal(world_scan(&w), 0);
	oc_auto_buf out = {0}, again = {0};
	struct oc_json_writer jw;
	oc_jw_init(&jw, &out, 0);
	oc_guard_baseline_write(w.base, &jw);
	struct oc_json *v;
	struct oc_guard_baseline *b;
	assert_int_equal(oc_json_parse(&w.a, out.data, out.len, "journal", &v, &w.err), 0);
	assert_int_equal(oc_guard_baseline_read(&w.a, v, &b, &w.err), 0);
	oc_jw_init(&jw, &again, 0);
	oc_guard_baseline_write(b, &jw);
	assert_string_equal(out.data, again.data);
	w.base = b;
	assert_int_equal(world_sweep(&w), 0);
	world_print(&w);
	assert_int_equal(w.sweep.count, 0);
	sh("echo 2 >.vscode/a; echo 2 >f");
	assert_int_equal(world_sweep(&w), 0);
	assert_non_null(find_item(&w, ".vscode/a"));
	assert_non_null(find_item(&w, "f"));
	assert_int_equal(w.sweep.count, 2);
	/* Damaged: an error, never a baseline of half the rows. */
	static const char *const bad[] = {
		"{}",
		"[]",
		"{version:2,seconds:1,nanoseconds:1,rows:[]}",
		"{version:1,seconds:1,nanoseconds:1,rows:[1]}",
		"{version:1,seconds:1,nanoseconds:1,rows:['0 644 1 1 1 1.1 zz a']}",
		"{version:1,seconds:1,nanoseconds:1,rows:['0 644 1 1 1 1.1 - a%0']}",
		"{version:1,seconds:1,nanoseconds:1,rows:['9 644 1 1 1 1.1 - a']}",
		"{version:1,seconds:1,nanoseconds:1,rows:['0 644 -1 1 1 1.1 - a']}",
		"{version:1,seconds:1,nanoseconds:1,rows:['']}",
		"{version:1,seconds:1,nanoseconds:-1,rows:[]}"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(oc_json_parse(&w.a, bad[i], strlen(bad[i]), "bad", &v, &w.err), 0);
		if (oc_guard_baseline_read(&w.a, v, &b, &w.err) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_true(w.err.msg[0] != 0);
	}
	world_free(&w);
	drop();
}

/* A git configuration that was planted next to everything that git looks for. */
static void test_git_parts(void **state)
{
	struct world w;

	(void)state;
	fresh();
	assert_int_equal(sh("git init -q r"), 0);
	assert_int_equal(world_scan(&w), 0);
	assert_int_equal(sh("cd r/.git; mkdir -p remotes branches; echo 'URL: ext::sh' >remotes/o; "
			    "echo x >branches/b; echo ../../c >commondir; mkdir config.worktree;"
			    "mkdir -p refs/heads/release refs/heads/config; echo x "
			    ">refs/heads/release/mise.toml; echo x >refs/heads/config/hooks; echo "
			    "x >refs/heads/lefthook.yml;"
			    "mkdir -p worktrees/w; echo x >worktrees/w/HEAD; echo ../../.. "
			    ">worktrees/w/commondir; ln -s x rebase-merge; mkdir objects/q; echo "
			    ">objects/q/.envrc;"
			    "truncate -s 2M ../../big; mkdir -p ../../n/.git; cp ../../big "
			    "../../n/.git/config"),
			 0);
	assert_int_equal(world_sweep(&w), 0);
	world_print(&w);
	static const char *const want[] = {"r/.git/remotes",
					   "r/.git/branches/b",
					   "r/.git/commondir",
					   "r/.git/config.worktree",
					   "r/.git/worktrees/w/commondir",
					   "r/.git/rebase-merge",
					   "r/.git/objects/q/.envrc",
					   "n/.git/config"};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		if (!find_item(&w, want[i]))
			fail_msg("not moved: %s", want[i]);
	assert_int_equal(w.sweep.count, sizeof(want) / sizeof(want[0]));
	world_free(&w);
	drop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_names_of_all_kinds),
		cmocka_unit_test(test_links_are_not_followed),
		cmocka_unit_test(test_changed_and_unchanged),
		cmocka_unit_test(test_hard_links),
		cmocka_unit_test(test_modes_and_devices),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_other_file_system),
		cmocka_unit_test(test_quarantine_in_workspace),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_mount_is_not_entered),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_git_parts),
	};

	if (cm_skip_without_openat2())
		return 0;
	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
