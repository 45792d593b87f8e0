/* SPDX-License-Identifier: Apache-2.0 */
/* guard_names - see guard_names.h.  Pure. */
#include "runtime/plan/guard_names.h"

#include <stdint.h>
#include <string.h>

/*
 * What is in the table: files that a program of the host runs or trusts because somebody enters or
 * opens the directory, or starts a shell, an editor, a coding agent, a version manager or a package
 * manager in it.
 *
 * What is not, and why:
 *  - AGENTS.md, SOUL.md, TOOLS.md, IDENTITY.md, USER.md, HEARTBEAT.md, MEMORY.md, memory/, skills/,
 * .openclaw/: what an assistant's workspace is made of.
 *  - Makefile, package.json, build.rs, conftest.py, .venv, node_modules, Dockerfile: the work
 * itself; whoever runs it, runs it.
 *  - .editorconfig, .gitattributes, .gitignore, .nvmrc, .node-version, .python-version,
 * .ruby-version: settings that name no program.
 *  - .gitmodules: git itself ignores commands in it ("update = !cmd") and refuses addresses that
 * could be options.
 *  - .env: too common as the work's own data, and no shell reads it unless a plugin is told to.
 *
 * Sorted by bytes; test_guard checks that.
 */
#define SHELL  "shell start-up file"
#define EDITOR "editor configuration"
#define AGENT  "coding agent configuration"
#define TOOLS  "version manager configuration"
#define PKG    "package manager configuration"
#define HOOKS  "commit hook configuration"
#define INTERP "interpreter start-up file"
#define HOME   "configuration of a home directory"

static const struct oc_guard_name names[] = {
	{".aider.conf.yml", OC_NAME_ANY, AGENT}, /* lint-cmd, test-cmd */
	{".amazonq", OC_NAME_ANY, AGENT},	 /* mcp.json names programs */
	{".augment", OC_NAME_ANY, AGENT},
	{".autoenv.zsh", OC_NAME_ANY, SHELL}, /* sourced on cd */
	{".aws", OC_NAME_ROOT, HOME},	      /* credential_process */
	{".bash_aliases", OC_NAME_ROOT, SHELL},
	{".bash_login", OC_NAME_ROOT, SHELL},
	{".bash_logout", OC_NAME_ROOT, SHELL},
	{".bash_profile", OC_NAME_ROOT, SHELL},
	{".bashrc", OC_NAME_ROOT, SHELL},
	{".cargo/bin", OC_NAME_ROOT, HOME},   /* in PATH */
	{".cargo/config", OC_NAME_ROOT, PKG}, /* rustc-wrapper, linker, runner */
	{".cargo/config.toml", OC_NAME_ROOT, PKG},
	{".cargo/env", OC_NAME_ROOT, SHELL}, /* sourced by .profile */
	{".claude", OC_NAME_ANY, AGENT}, /* hooks of settings.json run at start (CVE-2026-25725) */
	{".claude.json", OC_NAME_ANY, AGENT},
	{".codex", OC_NAME_ANY, AGENT},
	{".config/autostart", OC_NAME_ROOT, HOME},
	{".config/direnv", OC_NAME_ROOT, SHELL},
	{".config/environment.d", OC_NAME_ROOT, HOME},
	{".config/fish", OC_NAME_ROOT, SHELL},
	{".config/git", OC_NAME_ROOT, "git configuration"},
	{".config/helix", OC_NAME_ROOT, EDITOR},
	{".config/jj", OC_NAME_ROOT, HOME},
	{".config/mise", OC_NAME_ROOT, TOOLS},
	{".config/mise.toml", OC_NAME_ROOT, TOOLS},
	{".config/nvim", OC_NAME_ROOT, EDITOR},
	{".config/systemd", OC_NAME_ROOT, HOME}, /* user units */
	{".config/zed", OC_NAME_ROOT, EDITOR},
	{".continue", OC_NAME_ANY, AGENT},
	{".crush.json", OC_NAME_ANY, AGENT},
	{".cshrc", OC_NAME_ROOT, SHELL},
	{".curlrc", OC_NAME_ROOT, HOME},	/* output files, proxies */
	{".cursor", OC_NAME_ANY, AGENT},	/* mcp.json, hooks.json (CVE-2025-59944) */
	{".devcontainer", OC_NAME_ANY, EDITOR}, /* initializeCommand runs on the host */
	{".devcontainer.json", OC_NAME_ANY, EDITOR},
	{".dir-locals-2.el", OC_NAME_ANY, EDITOR},
	{".dir-locals.el", OC_NAME_ANY, EDITOR}, /* eval forms */
	{".direnv", OC_NAME_DEPS, SHELL},	 /* cached shell code that is sourced again */
	{".docker", OC_NAME_ROOT, HOME},	 /* credsStore, cliPluginsExtraDirs */
	{".emacs", OC_NAME_ROOT, EDITOR},
	{".emacs.d", OC_NAME_ROOT, EDITOR},
	{".emacs.el", OC_NAME_ROOT, EDITOR},
	{".envrc", OC_NAME_DEPS, SHELL}, /* direnv */
	{".exrc", OC_NAME_ANY, EDITOR},
	{".factory", OC_NAME_ANY, AGENT},
	{".fleet", OC_NAME_ANY, EDITOR},
	{".gdbinit", OC_NAME_ANY, INTERP},
	{".gemini", OC_NAME_ANY, AGENT},
	{".ghci", OC_NAME_ANY, INTERP},
	{".gitconfig", OC_NAME_ROOT, "git configuration"},
	{".gnupg", OC_NAME_ROOT, HOME},
	{".gvimrc", OC_NAME_ANY, EDITOR},
	{".helix", OC_NAME_ANY, EDITOR}, /* language servers are started on opening a file */
	{".hg/hgrc", OC_NAME_DEPS,
	 "hg configuration"}, /* hooks and extensions, run by any hg command */
	{".hg/hgrc-not-shared", OC_NAME_DEPS, "hg configuration"},
	{".hg/sharedpath", OC_NAME_DEPS, "hg configuration"},
	{".husky", OC_NAME_ANY, HOOKS},
	{".huskyrc", OC_NAME_ANY, HOOKS},
	{".huskyrc.js", OC_NAME_ANY, HOOKS},
	{".huskyrc.json", OC_NAME_ANY, HOOKS},
	{".idea", OC_NAME_ANY, EDITOR},	   /* run configurations, start-up tasks, tool paths */
	{".inputrc", OC_NAME_ROOT, SHELL}, /* a key can be bound to a command line */
	{".irbrc", OC_NAME_ANY, INTERP},
	{".jj/repo/config.toml", OC_NAME_DEPS, "jj configuration"},
	{".jj/workspace-config.toml", OC_NAME_DEPS, "jj configuration"},
	{".junie", OC_NAME_ANY, AGENT},
	{".kiro", OC_NAME_ANY, AGENT},
	{".kshrc", OC_NAME_ROOT, SHELL},
	{".kube", OC_NAME_ROOT, HOME}, /* exec credential plug-ins */
	{".lefthook", OC_NAME_ANY, HOOKS},
	{".lefthook-local.yml", OC_NAME_ANY, HOOKS},
	{".lefthook.json", OC_NAME_ANY, HOOKS},
	{".lefthook.toml", OC_NAME_ANY, HOOKS},
	{".lefthook.yaml", OC_NAME_ANY, HOOKS},
	{".lefthook.yml", OC_NAME_ANY, HOOKS},
	{".lldbinit", OC_NAME_ANY, INTERP},
	{".local/bin", OC_NAME_ROOT, HOME}, /* in PATH */
	{".local/share/applications", OC_NAME_ROOT, HOME},
	{".local/share/bash-completion", OC_NAME_ROOT, SHELL},
	{".local/share/fish", OC_NAME_ROOT, SHELL},
	{".local/share/nvim", OC_NAME_ROOT, EDITOR},
	{".local/share/systemd", OC_NAME_ROOT, HOME},
	{".login", OC_NAME_ROOT, SHELL},
	{".logout", OC_NAME_ROOT, SHELL},
	{".lvimrc", OC_NAME_ANY, EDITOR},
	{".mailrc", OC_NAME_ROOT, HOME},
	{".mcp.json", OC_NAME_ANY, AGENT}, /* programs started as servers */
	{".mise", OC_NAME_ANY, TOOLS},
	{".mise.local.toml", OC_NAME_ANY, TOOLS},
	{".mise.toml", OC_NAME_ANY, TOOLS}, /* env, hooks on entering */
	{".netrc", OC_NAME_ROOT, HOME},	    /* macdef init runs in ftp */
	{".npmrc", OC_NAME_ANY,
	 PKG}, /* script-shell, node-options, git, registry with the user's token */
	{".nvim.lua", OC_NAME_ANY, EDITOR},
	{".nvimrc", OC_NAME_ANY, EDITOR},
	{".octaverc", OC_NAME_ANY, INTERP},
	{".oh-my-zsh", OC_NAME_ROOT, SHELL},
	{".opencode", OC_NAME_ANY, AGENT},
	{".openhands", OC_NAME_ANY, AGENT},
	{".pam_environment", OC_NAME_ROOT, SHELL},
	{".pdbrc", OC_NAME_ANY, INTERP},
	{".pdbrc.py", OC_NAME_ANY, INTERP},
	{".perldb", OC_NAME_ANY, INTERP},
	{".pnpmfile.cjs", OC_NAME_ANY, PKG}, /* code */
	{".pnpmfile.mjs", OC_NAME_ANY, PKG},
	{".pre-commit-config.yaml", OC_NAME_ANY, HOOKS},
	{".pre-commit-config.yml", OC_NAME_ANY, HOOKS},
	{".profile", OC_NAME_ROOT, SHELL},
	{".pryrc", OC_NAME_ANY, INTERP},
	{".psqlrc", OC_NAME_ROOT, HOME},
	{".qwen", OC_NAME_ANY, AGENT},
	{".renviron", OC_NAME_ANY, INTERP},
	{".roo", OC_NAME_ANY, AGENT},
	{".rprofile", OC_NAME_ANY, INTERP}, /* R runs it in any directory that it is started in */
	{".screenrc", OC_NAME_ROOT, HOME},
	{".sqliterc", OC_NAME_ROOT, HOME},
	{".ssh", OC_NAME_ROOT, HOME}, /* ProxyCommand, authorized_keys, rc */
	{".tcshrc", OC_NAME_ROOT, SHELL},
	{".terraform.d", OC_NAME_ROOT, HOME},
	{".terraformrc", OC_NAME_ROOT, HOME},
	{".tmux.conf", OC_NAME_ROOT, HOME},
	{".tool-versions", OC_NAME_ANY,
	 TOOLS}, /* "path:" versions run a program of that directory */
	{".trae", OC_NAME_ANY, AGENT},
	{".vim", OC_NAME_ANY, EDITOR},
	{".vimrc", OC_NAME_ANY, EDITOR},
	{".vs", OC_NAME_ANY, EDITOR},
	{".vscode", OC_NAME_ANY, EDITOR}, /* tasks on folderOpen, paths of tools, mcp.json */
	{".wgetrc", OC_NAME_ROOT, HOME},
	{".windsurf", OC_NAME_ANY, AGENT},
	{".xinitrc", OC_NAME_ROOT, SHELL},
	{".xprofile", OC_NAME_ROOT, SHELL},
	{".xsession", OC_NAME_ROOT, SHELL},
	{".xsessionrc", OC_NAME_ROOT, SHELL},
	{".yarnrc", OC_NAME_ANY, PKG},	   /* yarn-path */
	{".yarnrc.yml", OC_NAME_ANY, PKG}, /* yarnPath, plugins: code that any yarn command runs */
	{".zed", OC_NAME_ANY, EDITOR},
	{".zlogin", OC_NAME_ROOT, SHELL},
	{".zlogout", OC_NAME_ROOT, SHELL},
	{".zprofile", OC_NAME_ROOT, SHELL},
	{".zshenv", OC_NAME_ROOT, SHELL},
	{".zshrc", OC_NAME_ROOT, SHELL},
	{"bunfig.toml", OC_NAME_ANY, PKG}, /* preload */
	{"crush.json", OC_NAME_ANY, AGENT},
	{"lefthook-local.yml", OC_NAME_ANY, HOOKS},
	{"lefthook.json", OC_NAME_ANY, HOOKS},
	{"lefthook.toml", OC_NAME_ANY, HOOKS},
	{"lefthook.yaml", OC_NAME_ANY, HOOKS},
	{"lefthook.yml", OC_NAME_ANY, HOOKS},
	{"mise.local.toml", OC_NAME_ANY, TOOLS},
	{"mise.toml", OC_NAME_ANY, TOOLS},
	{"opencode.json", OC_NAME_ANY, AGENT},
	{"opencode.jsonc", OC_NAME_ANY, AGENT},
	{"pnpmfile.js", OC_NAME_ANY, PKG},
};

/* Directories that rows have in front of their name; the index from 1 is the prefix of
 * oc_guard_classify. */
static const struct {
	const char *path;
	enum oc_name_where where;
} prefixes[] = {
	{".cargo", OC_NAME_ROOT},	{".config", OC_NAME_ROOT}, {".local", OC_NAME_ROOT},
	{".local/share", OC_NAME_ROOT}, {".hg", OC_NAME_DEPS},	   {".jj", OC_NAME_DEPS},
	{".jj/repo", OC_NAME_DEPS},
};

static const struct {
	const char *name;
	enum oc_git_part part;
} git_parts[] = {
	{".git", OC_GIT_DOTGIT},
	{"head", OC_GIT_HEAD},
	{"objects", OC_GIT_OBJECTS},
	{"refs", OC_GIT_REFS},
	{"logs", OC_GIT_LOGS},
	{"commondir", OC_GIT_COMMONDIR},
	{"config", OC_GIT_CONFIG},
	{"config.worktree", OC_GIT_CONFIG},
	{"hooks", OC_GIT_HOOKS},
	{"remotes", OC_GIT_REMOTES},
	{"branches", OC_GIT_REMOTES},
	{"rebase-merge", OC_GIT_REBASE},
	{"git-rebase-todo", OC_GIT_TODO},
	{"git-rebase-todo.backup", OC_GIT_TODO},
};

const char *const oc_git_hook_names[] = {
	"applypatch-msg",
	"commit-msg",
	"fsmonitor-watchman",
	"p4-changelist",
	"p4-post-changelist",
	"p4-pre-submit",
	"p4-prepare-changelist",
	"post-applypatch",
	"post-checkout",
	"post-commit",
	"post-index-change",
	"post-merge",
	"post-receive",
	"post-rewrite",
	"post-update",
	"pre-applypatch",
	"pre-auto-gc",
	"pre-commit",
	"pre-merge-commit",
	"pre-push",
	"pre-rebase",
	"pre-receive",
	"prepare-commit-msg",
	"proc-receive",
	"push-to-checkout",
	"reference-transaction",
	"sendemail-validate",
	"update",
	NULL,
};

const struct oc_guard_name *oc_guard_names(size_t *count)
{
	*count = sizeof(names) / sizeof(names[0]);
	return names;
}

/* One code point of valid UTF-8, or -1; *n bytes. */
static int32_t decode(const unsigned char *s, size_t *n)
{
	static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = s[0] < 0x80	     ? 1
		     : (s[0] & 0xe0) == 0xc0 ? 2
		     : (s[0] & 0xf0) == 0xe0 ? 3
		     : (s[0] & 0xf8) == 0xf0 ? 4
					     : 0;

	*n = 1;
	if (len == 0)
		return -1;
	int32_t c = len == 1 ? s[0] : s[0] & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len])
		return -1;
	*n = len;
	return c;
}

/* Default ignorable code points of Unicode, which HFS+ and casefolding file systems (before
 * Linux 6.13) leave out. */
static bool ignorable(int32_t c)
{
	return c == 0xad || c == 0x34f || c == 0x61c || (c >= 0x115f && c <= 0x1160) ||
	       (c >= 0x17b4 && c <= 0x17b5) || (c >= 0x180b && c <= 0x180f) ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0x3164 || (c >= 0xfe00 && c <= 0xfe0f) ||
	       c == 0xfeff || c == 0xffa0 || (c >= 0xfff0 && c <= 0xfff8) ||
	       (c >= 0x1bca0 && c <= 0x1bca3) || (c >= 0x1d173 && c <= 0x1d17a) ||
	       (c >= 0xe0000 && c <= 0xe0fff);
}

void oc_guard_fold(const char *name, char out[OC_GUARD_NAME_MAX + 1])
{
	const unsigned char *s = (const unsigned char *)name;
	size_t len = 0;

	while (*s && len < OC_GUARD_NAME_MAX) {
		if (*s < 0x80) {
			out[len++] = (char)(*s >= 'A' && *s <= 'Z' ? *s + 32 : *s);
			s++;
			continue;
		}
		size_t n;
		int32_t c = decode(s, &n);
		if (c == 0x17f) { /* long s and the Kelvin sign fold to ASCII letters */
			out[len++] = 's';
		} else if (c == 0x212a) {
			out[len++] = 'k';
		} else if (!ignorable(c)) {
			for (size_t i = 0; i < n && len < OC_GUARD_NAME_MAX; i++)
				out[len++] = (char)s[i];
		}
		s += n;
	}
	out[len] = '\0';
}

static const struct oc_guard_name *find_row(const char *dir, const char *name)
{
	char key[2 * OC_GUARD_NAME_MAX + 2];
	size_t dlen = dir ? strlen(dir) : 0, nlen = strlen(name);

	if (dir) {
		memcpy(key, dir, dlen);
		key[dlen++] = '/';
	}
	memcpy(key + dlen, name, nlen + 1);
	size_t lo = 0, hi = sizeof(names) / sizeof(names[0]);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(key, names[mid].name);
		if (c == 0)
			return &names[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static unsigned char find_prefix(const char *dir, const char *name, bool root)
{
	size_t dlen = dir ? strlen(dir) : 0;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		const char *p = prefixes[i].path;
		if (dir) {
			if (strncmp(p, dir, dlen) == 0 && p[dlen] == '/' &&
			    strcmp(p + dlen + 1, name) == 0)
				return (unsigned char)(i + 1);
		} else if (strcmp(p, name) == 0 && (root || prefixes[i].where != OC_NAME_ROOT)) {
			return (unsigned char)(i + 1);
		}
	}
	return 0;
}

/* Most names of a tree are told apart by their first byte alone. */
static bool worth_a_look(const char *name, unsigned char prefix)
{
	if (prefix)
		return true;
	switch (name[0]) {
	case '.':
	case 'b':
	case 'B':
	case 'c':
	case 'C':
	case 'g':
	case 'G':
	case 'h':
	case 'H':
	case 'l':
	case 'L':
	case 'm':
	case 'M':
	case 'n':
	case 'N':
	case 'o':
	case 'O':
	case 'p':
	case 'P':
	case 'r':
	case 'R':
		return true;
	default: /* 0xe2 and others: could begin with a code point that is left out */
		return (unsigned char)name[0] >= 0x80;
	}
}

struct oc_name_class oc_guard_classify(const char *name, unsigned char prefix, bool root, bool deps)
{
	struct oc_name_class c = {0};
	char folded[OC_GUARD_NAME_MAX + 1];

	if (!worth_a_look(name, prefix))
		return c;
	oc_guard_fold(name, folded);
	for (size_t i = 0; i < sizeof(git_parts) / sizeof(git_parts[0]); i++)
		if (strcmp(folded, git_parts[i].name) == 0)
			c.part = git_parts[i].part;
	const char *dir = prefix ? prefixes[prefix - 1].path : NULL;
	const struct oc_guard_name *row = dir ? find_row(dir, folded) : NULL;
	if (!row && (row = find_row(NULL, folded)) && row->where == OC_NAME_ROOT && !root)
		row = NULL;
	if (row && row->where == OC_NAME_ANY && deps)
		row = NULL;
	c.row = row;
	c.prefix = dir ? find_prefix(dir, folded, false) : 0;
	if (!c.prefix)
		c.prefix = find_prefix(NULL, folded, root);
	c.deps = strcmp(folded, "node_modules") == 0;
	return c;
}
