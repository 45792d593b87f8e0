/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard against real git and real shells: every vector is planted, shown to run the planted command
 * on the host, and shown not to after the sweep.  And: ordinary git work loses nothing, and goes on
 * below the mounts that the scan asks for.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "tests/unit/guard_util.h"

struct vector {
	const char *name;
	const char *setup;   /* the owner, before the scan */
	const char *payload; /* in the sandbox */
	const char *trigger; /* the owner, afterwards */
	const char *home;    /* $HOME of the trigger, NULL: the usual */
};

#define REPO	   "git init -q . && echo a >a && git add a && git commit -qm a; "
#define FSM	   "core.fsmonitor $TOP/home/pwn"
#define HOOK(path) "cp $TOP/home/pwn " path "; "

static const struct vector vectors[] = {
	{"git hook", REPO, "mkdir -p .git/hooks; " HOOK(".git/hooks/post-commit"),
	 "git commit --allow-empty -qm b", NULL},
	{"git hook, directory replaced by a link", REPO,
	 "mkdir h; " HOOK("h/post-commit") "rm -r .git/hooks; ln -s ../h .git/hooks",
	 "git commit --allow-empty -qm b", NULL},
	{"disabled hook made executable",
	 REPO "cp $TOP/home/pwn .git/hooks/post-commit; chmod 644 .git/hooks/post-commit",
	 "chmod 755 .git/hooks/post-commit", "git commit --allow-empty -qm b", NULL},
	{"sample hook renamed", REPO,
	 "mkdir -p .git/hooks; " HOOK(
		 ".git/hooks/post-commit.sample") "mv .git/hooks/post-commit.sample "
						  ".git/hooks/post-commit",
	 "git commit --allow-empty -qm b", NULL},
	{"core.fsmonitor", REPO, "git config " FSM, "git status", NULL},
	{"core.fsmonitor behind a byte order mark and odd quoting", REPO,
	 "printf '\\357\\273\\277[CORE]fsMon\\\\\\n' >x; printf "
	 "'\\357\\273\\277[Core]\\n\\tFsMonitor = \"%s/home/\"p\\\\\\nwn ; c\\n' $TOP "
	 ">.git/config; rm x",
	 "git status", NULL},
	{"filter driver", REPO,
	 "git config filter.x.clean $TOP/home/pwn; echo '* filter=x' >.gitattributes; echo b >a",
	 "git add a", NULL},
	{"textconv", REPO,
	 "git config diff.x.textconv $TOP/home/pwn; echo '* diff=x' >.gitattributes; echo b >a",
	 "git --no-pager diff", NULL},
	{"alias", REPO, "git config alias.st '!'$TOP/home/pwn", "git st", NULL},
	{"included file of a new key", REPO,
	 "git config include.path ../inc; printf '[core]\\nfsmonitor=%s/home/pwn\\n' $TOP >inc",
	 "git status", NULL},
	{"included file that the owner named and did not have",
	 REPO "git config include.path ../team.gitconfig",
	 "printf '[core]\\nfsmonitor=%s/home/pwn\\n' $TOP >team.gitconfig", "git status", NULL},
	{"included file that the owner had",
	 REPO "git config include.path ../team.gitconfig; printf '[pull]\\nrebase=true\\n' "
	      ">team.gitconfig",
	 "printf '[core]\\nfsmonitor=%s/home/pwn\\n' $TOP >team.gitconfig", "git status", NULL},
	{"file included by an included file",
	 REPO
	 "git config include.path ../one; printf '[include]\\npath=conf/two\\n' >one; mkdir conf",
	 "printf '[core]\\nfsmonitor=%s/home/pwn\\n' $TOP >conf/two", "git status", NULL},
	{"config.worktree", REPO "git config extensions.worktreeConfig true",
	 "printf '[core]\\nfsmonitor=%s/home/pwn\\n' $TOP >.git/config.worktree", "git status",
	 NULL},
	{"core.hooksPath that did not exist", REPO "git config core.hooksPath .githooks",
	 "mkdir .githooks; " HOOK(".githooks/post-commit"), "git commit --allow-empty -qm b", NULL},
	{"core.hooksPath that existed",
	 REPO "git config core.hooksPath my/hooks; mkdir -p my/hooks; echo >my/hooks/x",
	 HOOK("my/hooks/post-commit"), "git commit --allow-empty -qm b", NULL},
	{"core.hooksPath through a link",
	 REPO "git config core.hooksPath hh; mkdir -p real; ln -s real hh",
	 HOOK("real/post-commit"), "git commit --allow-empty -qm b", NULL},
	{"core.hooksPath is the workspace", REPO "git config core.hooksPath ../ws",
	 HOOK("post-commit"), "git commit --allow-empty -qm b", NULL},
	{"relative core.hooksPath of the user",
	 "printf '[core]\\nhooksPath=.githooks\\n' >$HOME/.gitconfig; " REPO,
	 "mkdir .githooks; " HOOK(".githooks/post-commit"), "git commit --allow-empty -qm b", NULL},
	{"script that core.fsmonitor names",
	 REPO "mkdir tools; printf '#!/bin/sh\\n' >tools/f; chmod 755 tools/f; git config "
	      "core.fsmonitor tools/f",
	 "cp $TOP/home/pwn tools/f", "git status", NULL},
	{"script in a command line",
	 REPO "mkdir tools; echo cat >tools/f; git config filter.x.clean 'sh tools/f %f'",
	 "cp $TOP/home/pwn tools/f; echo '* filter=x' >.gitattributes; echo b >a", "git add a",
	 NULL},
	{"hooks of a new worktree",
	 REPO "mkdir .githooks; echo exit >.githooks/post-commit; chmod 755 .githooks/post-commit; "
	      "git add .; git commit -qm h; git config core.hooksPath .githooks",
	 "git worktree add -q wt; " HOOK("wt/.githooks/post-commit"),
	 "cd wt; git commit --allow-empty -qm b", NULL},
	{"commondir", REPO,
	 "mkdir c; mv .git/objects .git/refs c/; printf '[core]\\nfsmonitor=%s/home/pwn\\n' $TOP "
	 ">c/config; echo ../c >.git/commondir",
	 "git status", NULL},
	{".git file", REPO, "mv .git g; git --git-dir=g config " FSM "; echo 'gitdir: g' >.git",
	 "git status", NULL},
	{".git link", REPO, "mv .git g; git --git-dir=g config " FSM "; ln -s g .git", "git status",
	 NULL},
	{".git file to a place without HEAD but with commondir's store", REPO,
	 "mkdir d e; cp .git/HEAD d/; mv .git/objects .git/refs e/; printf "
	 "'[core]\\nfsmonitor=%s/home/pwn\\n' $TOP >e/config; echo ../e >d/commondir; rm -r .git; "
	 "echo 'gitdir: d' >.git",
	 "git status", NULL},
	{"new nested repository", "true", "mkdir sub; git init -q sub; git -C sub config " FSM,
	 "cd sub/; git status", NULL},
	{"bare repository", "true",
	 "git init -q --bare b; git --git-dir=b config core.bare false; git --git-dir=b config "
	 "core.worktree .; git --git-dir=b config " FSM,
	 "cd b; git status", NULL},
	{"bare repository far down", "true",
	 "mkdir -p p/q/r; git init -q --bare p/q/r/b; cd p/q/r/b; git config core.bare false; git "
	 "config core.worktree .; git config " FSM,
	 "cd p/q/r/b; git status", NULL},
	{"submodule directory", REPO,
	 "mkdir .git/modules; git clone -q --separate-git-dir .git/modules/s . s; git -C s "
	 "config " FSM,
	 "cd s; git status", NULL},
	{"worktree configuration", REPO "git config extensions.worktreeConfig true",
	 "git worktree add -q wt; git -C wt config --worktree " FSM, "cd wt; git status", NULL},
	{"nested repository whose parent is renamed", "mkdir -p p; git init -q p/s",
	 "mv p old; mkdir -p p; git init -q p/s; git -C p/s config " FSM, "cd p/s; git status",
	 NULL},
	{"rebase in progress", REPO "git commit --allow-empty -qm b",
	 "GIT_SEQUENCE_EDITOR=\"sed -i 1ibreak\" git rebase -q -i HEAD~1; echo \"exec "
	 "$TOP/home/pwn\" >>.git/rebase-merge/git-rebase-todo",
	 "git rebase --continue", NULL},
	{"configuration behind a directory that only its owner's name opens", "true",
	 "mkdir dark; git init -q dark/r; git -C dark/r config " FSM "; chmod 111 dark",
	 "cd dark/r; git status", NULL},
	{".bashrc", "true", "echo $TOP/home/pwn >.bashrc", "bash -ic true", "ws"},
	{".bash_profile", "true", "echo $TOP/home/pwn >.bash_profile", "bash -lc true", "ws"},
	{".profile as a link", "true", "echo $TOP/home/pwn >innocent; ln -s innocent .profile",
	 "bash -lc true", "ws"},
	{".profile that was changed", "echo true >.profile", "echo $TOP/home/pwn >>.profile",
	 "bash -lc true", "ws"},
	{".gitconfig", REPO, "git config -f .gitconfig " FSM, "git status", "ws"},
	{".config/git/config", REPO, "mkdir -p .config/git; git config -f .config/git/config " FSM,
	 "git status", "ws"},
	{".pdbrc", "echo 1 >x.py", "echo \"import os; os.system('$TOP/home/pwn')\" >.pdbrc",
	 "echo q | python3 -m pdb x.py", NULL},
};

static bool run_trigger(const struct vector *v)
{
	char home[160];

	sh("rm -f $TOP/PWNED");
	snprintf(home, sizeof(home), "%s/%s", top, v->home ? v->home : "home");
	sh("HOME=%s; export HOME; %s", home, v->trigger);
	return there("PWNED");
}

static void test_vector(void **state)
{
	const struct vector *v = *state;
	struct world w;

	fresh();
	assert_int_equal(sh("%s", v->setup), 0);
	if (world_scan(&w) < 0)
		fail_msg("scan: %s", w.err.msg);
	sh("%s", v->payload);
	/*
	 * It is proved on a copy in the same place: the trigger may change the workspace. What an
	 * ordinary user cannot copy has a trigger that changes nothing.
	 */
	bool copied = sh("cd $TOP && cp -a ws copy && mv ws orig && mv copy ws") == 0;
	if (!run_trigger(v))
		fail_msg("the vector is not real");
	if (copied)
		assert_int_equal(sh("cd $TOP && rm -rf ws && mv orig ws"), 0);
	assert_int_equal(world_sweep(&w), 0);
	if (w.sweep.count == 0)
		fail_msg("nothing was found");
	assert_false(w.sweep.incomplete);
	if (run_trigger(v)) {
		world_print(&w);
		fail_msg("it still runs");
	}
	world_free(&w);
	drop();
}

/* --- what must not be lost --- */

static void test_ordinary_work(void **state)
{
	struct world w;

	(void)state;
	fresh();
	assert_int_equal(sh("git init -q up && cd up && mkdir -p src && echo x >src/x && git add . "
			    "&& git commit -qm x && mkdir $TOP/other && mv $TOP/ws/up $TOP/other/"),
			 0);
	assert_int_equal(sh(REPO "git config core.hooksPath .githooks; mkdir .githooks; echo true "
				 ">.githooks/pre-commit; chmod 755 .githooks/pre-commit;"
				 "mkdir .vscode; echo '{}' >.vscode/settings.json; git add .; git "
				 "commit -qm setup; git init -q two; echo '# me' >AGENTS.md"),
			 0);
	assert_int_equal(world_scan(&w), 0);
	assert_int_equal(
		sh("set -e; F='-c protocol.file.allow=always';"
		   "git clone -q file://$TOP/other/up clone; cd clone; echo y >y; git add y; git "
		   "commit -qm y; git branch z; git checkout -q z;"
		   "git checkout -q -b t --track origin/HEAD; git stash -q || true; git config "
		   "user.name me; git $F fetch -q; git gc -q;"
		   "git worktree add -q ../clone-wt; git worktree add -q wt2; git $F submodule "
		   "--quiet add file://$TOP/other/up sub; git commit -qm sub;"
		   "git clone -q --bare . ../bare.git; git clone -q --mirror . ../mirror.git; cd "
		   "..;"
		   "git clone -q --depth 1 file://$TOP/other/up shallow; git $F clone -q "
		   "--filter=blob:none file://$TOP/other/up partial;"
		   "git worktree add -q wt; git checkout -q -b side; echo b >b; git add b; git -c "
		   "core.hooksPath=/none commit -qm b; git checkout -q -; git merge -q side;"
		   "git -C two $F submodule --quiet add file://$TOP/other/up sub;"
		   "mkdir -p memory skills/one; echo >SOUL.md; echo >TOOLS.md; echo >MEMORY.md; "
		   "echo >memory/1.md; echo >skills/one/SKILL.md;"
		   "python3 -m venv --without-pip .venv; printf 'all:\\n' >Makefile; echo '*.o' "
		   ">.gitignore; echo '* text' >.gitattributes"),
		0);
	assert_int_equal(
		sh("set -e; for i in $(seq 100); do mkdir -p node_modules/p$i/lib "
		   "node_modules/p$i/.vscode; (cd node_modules/p$i;"
		   "echo '{}' >package.json; echo 1 >.npmrc; echo 1 >.vscode/settings.json; for j "
		   "in $(seq 98); do echo $j >lib/$j.js; done); done"),
		0);
	assert_int_equal(world_sweep(&w), 0);
	world_print(&w);
	assert_int_equal(w.sweep.count, 0);
	assert_false(w.sweep.incomplete);
	assert_false(there("state/quarantine"));
	assert_int_equal(sh("set -e; for d in . clone clone-wt clone/wt2 clone/sub shallow partial "
			    "wt two two/sub bare.git; do git -C $d log -1 >/dev/null 2>&1 || [ $d "
			    "= two ]; done; git status"),
			 0);
	world_free(&w);

	/* And what is there now can be scanned and swept again. */
	assert_int_equal(world_scan(&w), 0);
	assert_int_equal(world_sweep(&w), 0);
	assert_int_equal(w.sweep.count, 0);
	world_free(&w);
	drop();
}

/* --- the mounts that the scan asks for --- */

static void mount_guards(const struct world *w)
{
	char path[4400];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(77);
	for (size_t i = 0; i < w->count; i++) {
		snprintf(path, sizeof(path), "%s/ws/%s", top, w->guards[i].path);
		if (mount(path, path, NULL, MS_BIND, NULL) < 0)
			_exit(78);
		if (w->guards[i].kind == OC_GUARD_RO &&
		    mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
			_exit(79);
	}
}

static const char *const forbidden[] = {
	"echo x >>.git/config",
	"rm .git/config",
	"mv .git/config c",
	"git config a.b c",
	"ln .git/config c",
	"mv .git g",
	"rm -rf .git/hooks",
	"echo >.git/hooks/pre-commit",
	"mv .git/hooks h",
	"mv deep/er d",
	"mv deep d",
	"mv deep/er/repo r",
	"echo >>deep/er/repo/.git/config",
	"echo >>.envrc",
	"mv .envrc e",
	"ln -f a .envrc",
	"mv .vscode v",
	"echo >.vscode/tasks.json",
	"echo >>conf/hooks/pre-commit",
	"echo >>team",
	"mv team t",
	"echo >>tools/f",
	"chmod 777 tools/f",
	"truncate -s0 .git/worktrees/wt/commondir",
	"echo >wt/.git",
	"echo >.git/config.worktree",
	"cp a .git/config",
	"mv a .git/config",
	"mv a .envrc",
};
static const char work[] =
	"set -e; echo 2 >a; git commit -qam two; git branch br; git checkout -q br; echo 3 >c; git "
	"add c; git commit -qm c; git checkout -q -; git merge -q br;"
	"git tag t; git gc -q; echo 4 >a; git stash -q; git stash pop -q; git reset -q --hard; git "
	"worktree add -q wt2; git -C wt2 commit -q --allow-empty -m w;"
	"git clone -q . clone; git -C clone commit -q --allow-empty -m w; git -C deep/er/repo "
	"commit -q --allow-empty -m w; git reflog expire --expire=now --all;"
	"git fetch -q ./clone; git rebase -q HEAD; git cherry-pick --allow-empty HEAD >/dev/null "
	"2>&1 || git cherry-pick --abort; git pack-refs --all; git fsck";

static void test_mounts(void **state)
{
	struct world w;

	(void)state;
	fresh();
	assert_int_equal(
		sh(REPO "git config core.hooksPath conf/hooks; git config include.path ../team; "
			"git config core.fsmonitor false; git config alias.x '!sh tools/f';"
			"mkdir -p conf/hooks tools .vscode; echo >.vscode/settings.json; echo true "
			">conf/hooks/pre-commit; echo >team; echo >tools/f; echo >.envrc;"
			"git config extensions.worktreeConfig true; touch .git/config.worktree;"
			"git worktree add -q wt; mkdir -p deep/er; git init -q deep/er/repo"),
		0);
	assert_int_equal(world_scan(&w), 0);
	static const struct {
		const char *path;
		enum oc_guard_kind kind;
	} want[] = {
		{".git", OC_GUARD_PIN},
		{".git/config", OC_GUARD_RO},
		{".git/hooks", OC_GUARD_RO},
		{"conf/hooks", OC_GUARD_RO},
		{"team", OC_GUARD_RO},
		{"tools/f", OC_GUARD_RO},
		{"deep", OC_GUARD_PIN},
		{"deep/er", OC_GUARD_PIN},
		{"deep/er/repo", OC_GUARD_PIN},
		{"deep/er/repo/.git", OC_GUARD_PIN},
		{"deep/er/repo/.git/config", OC_GUARD_RO},
		{"wt/.git", OC_GUARD_RO},
		{".git/worktrees/wt/commondir", OC_GUARD_RO},
		{".vscode", OC_GUARD_RO},
		{".envrc", OC_GUARD_RO},
		{".git/config.worktree", OC_GUARD_RO},
		{".git/worktrees/wt", OC_GUARD_PIN},
	};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const struct oc_guard *g = find_guard(&w, want[i].path);
		if (!g || g->kind != want[i].kind)
			fail_msg("%s is not guarded as it should be", want[i].path);
		assert_true(g->ino != 0);
	}
	for (size_t i = 1; i < w.count; i++) { /* shallow first */
		const char *p = w.guards[i - 1].path, *q = w.guards[i].path;
		unsigned l = 0, r = 0;
		for (; *p; p++)
			l += *p == '/';
		for (; *q; q++)
			r += *q == '/';
		assert_true(l <= r);
	}
	pid_t pid = fork();
	if (pid == 0) {
		mount_guards(&w);
		for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
			if (sh("%s", forbidden[i]) == 0) {
				fprintf(stderr, "# went through: %s\n", forbidden[i]);
				_exit(80);
			}
		if (sh("%s", work) != 0) {
			fprintf(stderr, "# work does not go on\n");
			_exit(81);
		}
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("# skip: a mount namespace needs root\n");
		skip();
	}
	if (WEXITSTATUS(status) != 0) {
		sh("tail -5 $TOP/log >&2");
		fail_msg("status %d", WEXITSTATUS(status));
	}
	assert_int_equal(world_sweep(&w), 0);
	world_print(&w);
	assert_int_equal(w.sweep.count, 0);
	world_free(&w);
	drop();
}

#define NVECTORS (sizeof(vectors) / sizeof(vectors[0]))

int main(void)
{
	struct CMUnitTest tests[NVECTORS + 2];

	if (cm_skip_without_openat2())
		return 0;
	for (size_t i = 0; i < NVECTORS; i++)
		tests[i] = (struct CMUnitTest){.name = vectors[i].name,
					       .test_func = test_vector,
					       .initial_state = (void *)&vectors[i]};
	tests[NVECTORS] = (struct CMUnitTest)cmocka_unit_test(test_ordinary_work);
	tests[NVECTORS + 1] = (struct CMUnitTest)cmocka_unit_test(test_mounts);
	return _cmocka_run_group_tests("guard_git", tests, NVECTORS + 2, NULL, NULL);
}
