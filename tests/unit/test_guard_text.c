/* SPDX-License-Identifier: Apache-2.0 */
/* guard: what names mean, and what git's configuration text does: tables, and our reader held against git's. */
#define _GNU_SOURCE 1
#include "runtime/plan/guard_config.h"
#include "runtime/plan/guard_names.h"
#include "tests/unit/guard_util.h"

/* --- tables --- */

static void test_names(void **state)
{
	size_t n;
	const struct oc_guard_name *t = oc_guard_names(&n);
	static const char *const root[] = {".bashrc",
					   ".BASHRC",
					   ".gitconfig",
					   ".envrc",
					   ".vscode",
					   ".VSCode",
					   ".mcp.json",
					   ".Rprofile",
					   ".v\xc5\xbf"
					   "code",
					   ".mi\xc5\xbf"
					   "e.toml",
					   ".hus\xe2\x84\xaay",
					   "\xe2\x80\x8c.envrc",
					   ".env\xef\xbb\xbfrc",
					   ".ssh"};
	static const char *const not_root[] = {".bashrc", ".ssh", ".profile", ".gitconfig"};
	static const char *const free_names[] = {"AGENTS.md",
						 "SOUL.md",
						 "TOOLS.md",
						 "IDENTITY.md",
						 "USER.md",
						 "HEARTBEAT.md",
						 "MEMORY.md",
						 "memory",
						 "skills",
						 ".env",
						 ".editorconfig",
						 ".gitignore",
						 ".gitattributes",
						 ".gitmodules",
						 "Makefile",
						 "package.json",
						 ".venv",
						 ".github",
						 ".openclaw",
						 "bin",
						 ".envrc2",
						 ".\xff"
						 "envrc",
						 ".env\xc3\xa9rc",
						 "\xc5\xbf",
						 ""};

	(void)state;
	for (size_t i = 1; i < n; i++)
		if (strcmp(t[i - 1].name, t[i].name) >= 0)
			fail_msg("not sorted: %s", t[i].name);
	for (size_t i = 0; i < n; i++) {
		char fold[OC_GUARD_NAME_MAX + 1];
		oc_guard_fold(t[i].name, fold);
		assert_string_equal(fold, t[i].name);
		if (!strchr(t[i].name, '/')) {
			assert_ptr_equal(oc_guard_classify(t[i].name, 0, true, false).row, &t[i]);
			continue;
		}
		/* "a/b/c": by the way of its directories */
		char path[256], *save = NULL;
		unsigned char prefix = 0;
		struct oc_name_class c = {0};
		snprintf(path, sizeof(path), "%s", t[i].name);
		bool at_root = true;
		for (char *p = strtok_r(path, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
			c = oc_guard_classify(p, prefix, at_root, false);
			prefix = c.prefix;
			at_root = false;
		}
		assert_ptr_equal(c.row, &t[i]);
	}
	for (size_t i = 0; i < sizeof(root) / sizeof(root[0]); i++)
		if (!oc_guard_classify(root[i], 0, true, false).row)
			fail_msg("missed: %s", root[i]);
	for (size_t i = 0; i < sizeof(not_root) / sizeof(not_root[0]); i++)
		assert_null(oc_guard_classify(not_root[i], 0, false, false).row);
	for (size_t i = 0; i < sizeof(free_names) / sizeof(free_names[0]); i++)
		if (oc_guard_classify(free_names[i], 0, true, false).row)
			fail_msg("caught: %s", free_names[i]);
	assert_null(oc_guard_classify(".vscode", 0, false, true).row);
	assert_non_null(oc_guard_classify(".envrc", 0, false, true).row);
	assert_int_equal(oc_guard_classify(".g\xe2\x80\x8dit", 0, false, true).part, OC_GIT_DOTGIT);
	assert_int_equal(oc_guard_classify(".GIT", 0, false, false).part, OC_GIT_DOTGIT);
	assert_int_equal(oc_guard_classify("HOO\xe2\x84\xaas", 0, false, false).part, OC_GIT_HOOKS);
	char longest[700] = ".g";
	while (strlen(longest) < 240)
		strcat(longest, "\xe2\x80\x8c");
	strcat(longest, "it");
	assert_int_equal(oc_guard_classify(longest, 0, false, false).part, OC_GIT_DOTGIT);
}

static bool inert(const char *text)
{
	oc_auto_arena a = {0};
	const char *why = NULL;
	bool r = oc_gitconf_inert(&a, text, strlen(text), NULL, NULL, &why);

	if (!r)
		assert_non_null(why);
	return r;
}

static void test_inert(void **state)
{
	static const char *const good[] = {
		"",
		"# x\n",
		"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n",
		"[remote \"origin\"]\n\turl = https://example.org/a.git\n\tfetch = "
		"+refs/heads/*:refs/remotes/origin/*\n",
		"[remote \"o\"] url = git@example.org:a/b.git",
		"[remote \"o\"] url = ssh://git@example.org:22/x",
		"[remote \"o\"] url = ../up",
		"[remote \"o\"] url = /a/b c",
		"[remote \"o\"] url = file:///a",
		"[branch \"a/b\"] remote = origin\nmerge = refs/heads/a\nrebase = true",
		"[user] name = A \"; B\"\nemail = a@b",
		"[submodule \"x\"] url = ../x\nactive = true",
		"[core]\r\n\tbare = false\r\n",
		"[core] bare",
		"[core] fsmonitor = false",
		"[submodule \"x\"] update = rebase",
		"[remote \"o\"] tagopt = --no-tags",
		"\xef\xbb\xbf[core]bare=true",
		"[CORE] BARE=TRUE",
		"[pull] rebase = merges",
		"[remote.o] url = x",
	};
	static const char *const bad[] = {
		"[core] fsmonitor = true",
		"[core] fsmonitor",
		"[core] fsmonitor = x",
		"[core] hooksPath = x",
		"[core] sshCommand = x",
		"[core] editor = x",
		"[core] pager = x",
		"[core] gitProxy = x",
		"[core] askPass = x",
		"[core] attributesFile = x",
		"[core] worktree = /",
		"[include] path = x",
		"[includeIf \"gitdir:x\"] path = x",
		"[filter \"x\"] clean = x",
		"[diff] external = x",
		"[diff \"x\"] textconv = x",
		"[merge \"x\"] driver = x",
		"[alias] x = !y",
		"[credential] helper = x",
		"[remote \"o\"] url = ext::sh -c x",
		"[remote \"o\"] url = -x",
		"[remote \"o\"] url = ssh://-oProxyCommand=x/y",
		"[remote \"o\"] url = ssh://u@-oProxyCommand=x/y",
		"[remote \"o\"] url = -oP:x",
		"[remote \"o\"] url = foo://x",
		"[remote \"o\"] pushurl = fd::3",
		"[remote \"o\"] uploadpack = x",
		"[remote \"o\"] receivepack = x",
		"[remote \"o\"] vcs = x",
		"[branch \"b\"] remote = ext::x",
		"[remote \"ext::x\"] fetch = a",
		"[url \"ext::\"] insteadOf = https://",
		"[protocol] allow = always",
		"[protocol \"ext\"] allow = always",
		"[http] proxy = x",
		"[gpg] program = x",
		"[gpg \"ssh\"] program = x",
		"[submodule \"x\"] update = !x",
		"[safe] directory = *",
		"[pager] log = x",
		"[sequence] editor = x",
		"[trailer \"x\"] command = y",
		"[uploadpack] packObjectsHook = x",
		"[core] bare = $(x)",
		"[core",
		"[core]\nbare = \"x",
		"[core] bare = \\x",
		"x = y",
		"[a]b=c\n",
		"[core]\v bare=true",
		"[core]\nbare=true\rx",
		"[core]\rfsmonitor=x",
		"[remote \"o\nx\"] url=y",
		"[user] name = a\x01",
		"[init] templateDir = x",
		"[commit] gpgsign = true",
		"[lfs] customtransfer = x",
		"[remote] url = x",
		"[core \"x\"] bare = true",
		"[instaweb] httpd=x",
		"[man \"x\"] cmd=y",
		"[difftool \"x\"] cmd=y",
		"[core]\nbare=true;\n[core]fs\\\nmonitor=x",
		"[core]#\n fsmonitor=x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!inert(good[i]))
			fail_msg("not inert: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (inert(bad[i]))
			fail_msg("inert: %s", bad[i]);
	oc_auto_arena a = {0};
	const char *why;
	assert_false(oc_gitconf_inert(&a, "[core]\0bare=true", 16, NULL, NULL, &why));
	assert_true(oc_gittodo_inert(
		"pick 1 x\n# exec y\n\nlabel onto\nreset onto\nmerge -C a b\nu refs/heads/x\n",
		66));
	assert_false(oc_gittodo_inert("pick 1\nexec x\n", 14));
	assert_false(oc_gittodo_inert("pick 1\n\t x y", 12));
}

/* --- the reader against git's --- */

static int print_entry(void *ctx, const struct oc_gitconf_entry *e)
{
	struct oc_buf *b = ctx;

	oc_buf_printf(b, "%s%s%s.%s", e->section, e->sub ? "." : "", e->sub ? e->sub : "", e->key);
	if (e->value)
		oc_buf_printf(b, "\n%s", e->value);
	oc_buf_add(b, "", 1);
	return 0;
}

static void test_reader_like_git(void **state)
{
	static const char *const pieces[] = {"[core]",	 "[a \"b\"]", "[a \"b\\\"c\"]",
					     "[A.b]",	 "\n",	      "\n",
					     "key",	 "k-1",	      " = ",
					     "=",	 "v",	      "\"",
					     "\\\n",	 "\\t",	      "\\\"",
					     "\\",	 "#",	      ";",
					     " ",	 "\t",	      "\r\n",
					     "\r",	 "]",	      "[",
					     "x y",	 "  z",	      "é",
					     "[a]",	 "\\n",	      "\\b",
					     "1",	 ".",	      "-",
					     "[a \"\"]", "[ \"q\"]",  "[.]",
					     "[]",	 "[x.]",      "\xef\xbb\xbf"};
	unsigned seed = 12345, same = 0, refused = 0;

	(void)state;
	fresh();
	for (int round = 0; round < 800; round++) {
		oc_auto_buf text = {0}, ours = {0}, theirs = {0};
		char path[200];
		oc_buf_puts(&text, round % 3 ? "[s]\n" : "");
		/* Half of them in the form of lines, so that many are well formed. */
		for (int i = rand_r(&seed) % 4; round % 2 && i >= 0; i--) {
			static const char *const values[] = {
				"v", " ", "\t",	  "\"a b\"", "\"\"", "\\\n", "\\t", "\\\"", "\\\\",
				";", "#", "x  y", "\"; #\"", "=",    "[",    "\r",  "1"};
			oc_buf_puts(&text, i ? "Key" : "[T \"X\"] k-2 ");
			oc_buf_puts(&text, rand_r(&seed) % 5 ? "=" : "");
			for (int j = rand_r(&seed) % 6; j >= 0; j--)
				oc_buf_puts(&text, values[(unsigned)rand_r(&seed) %
							  (sizeof(values) / sizeof(values[0]))]);
			oc_buf_puts(&text, rand_r(&seed) % 5 ? "\n" : "\r\n");
		}
		for (int i = rand_r(&seed) % 14; round % 2 == 0 && i >= 0; i--)
			oc_buf_puts(&text, pieces[(unsigned)rand_r(&seed) %
						  (sizeof(pieces) / sizeof(pieces[0]))]);
		snprintf(path, sizeof(path), "%s/ws/c", top);
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(oc_write_all(fd, text.data, text.len), 0);
		close(fd);
		bool ok = oc_gitconf_parse(text.data, text.len, print_entry, &ours) == 0;
		bool git_ok = sh("git config --file c --list -z >out") == 0;
		if (ok && !git_ok)
			fail_msg("git refuses: %s", text.data);
		if (!ok) { /* being stricter is allowed, but rare */
			refused += git_ok;
			continue;
		}
		snprintf(path, sizeof(path), "%s/ws/out", top);
		fd = open(path, O_RDONLY);
		assert_int_equal(oc_read_all(fd, &theirs, 1 << 20), 0);
		close(fd);
		if (ours.len != theirs.len ||
		    (ours.len && memcmp(ours.data, theirs.data, ours.len) != 0))
			fail_msg("differs from git: %s", text.data);
		same++;
	}
	print_message("# %u equal, %u refused by us alone\n", same, refused);
	assert_true(same > 100);
	assert_true(refused < 60);
	drop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_inert),
		cmocka_unit_test(test_reader_like_git),
	};

	return cmocka_run_group_tests_name("guard_text", tests, NULL, NULL);
}
