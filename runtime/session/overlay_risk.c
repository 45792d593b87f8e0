/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay_risk - see overlay_risk.h.  Pure.
 */
#include "runtime/session/overlay_risk.h"

#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "runtime/plan/guard_names.h"

#define CI	"CI configuration"
#define BUILD	"build file"
#define PACKAGE "package file"
#define DOCKER	"container build file"
#define EDITOR	"editor configuration"
#define TEST	"test configuration that is code"
#define CODE	"loaded as code by a tool"
#define GIT	"part of a git directory"
#define HOOKS	"git hook"

/* Lower case, sorted by bytes.  A name that is a directory counts with all below it. */
static const struct {
	const char *name, *why;
} names[] = {
	{".appveyor.yml", CI},
	{".azure-pipelines", CI},
	{".babelrc", CODE},
	{".babelrc.js", CODE},
	{".buildkite", CI},
	{".builds", CI},
	{".ci", CI},
	{".circleci", CI},
	{".cirrus.yml", CI},
	{".drone.yml", CI},
	{".eslintrc.cjs", CODE},
	{".eslintrc.js", CODE},
	{".gitattributes", "git attributes (names filters)"},
	{".gitlab", CI},
	{".gitlab-ci.yml", CI},
	{".gitmodules", "git submodules"},
	{".mocharc.cjs", CODE},
	{".mocharc.js", CODE},
	{".prettierrc.js", CODE},
	{".semaphore", CI},
	{".travis.yml", CI},
	{".woodpecker", CI},
	{".woodpecker.yml", CI},
	{"agents.md", "instructions for coding agents"},
	{"appveyor.yml", CI},
	{"azure-pipelines.yml", CI},
	{"binding.gyp", BUILD},
	{"bitbucket-pipelines.yml", CI},
	{"build", BUILD},
	{"build.bazel", BUILD},
	{"build.rs", BUILD},
	{"build.sbt", BUILD},
	{"build.xml", BUILD},
	{"build.zig", BUILD},
	{"bunfig.toml", PACKAGE},
	{"cargo.toml", PACKAGE},
	{"claude.md", "instructions for coding agents"},
	{"cloudbuild.yaml", CI},
	{"cloudbuild.yml", CI},
	{"cmakelists.txt", BUILD},
	{"cmakepresets.json", BUILD},
	{"compose.yaml", DOCKER},
	{"compose.yml", DOCKER},
	{"composer.json", PACKAGE},
	{"configure", BUILD},
	{"configure.ac", BUILD},
	{"conftest.py", TEST},
	{"containerfile", DOCKER},
	{"default.nix", BUILD},
	{"deno.json", PACKAGE},
	{"deno.jsonc", PACKAGE},
	{"docker-compose.yaml", DOCKER},
	{"docker-compose.yml", DOCKER},
	{"dockerfile", DOCKER},
	{"flake.nix", BUILD},
	{"gemfile", PACKAGE},
	{"gemini.md", "instructions for coding agents"},
	{"gnumakefile", BUILD},
	{"gradle.properties", BUILD},
	{"gradlew", BUILD},
	{"gradlew.bat", BUILD},
	{"gruntfile.js", BUILD},
	{"gulpfile.js", BUILD},
	{"jenkinsfile", CI},
	{"jest.config.js", TEST},
	{"jest.config.ts", TEST},
	{"justfile", BUILD},
	{"lefthook.yaml", BUILD},
	{"lefthook.yml", BUILD},
	{"makefile", BUILD},
	{"makefile.am", BUILD},
	{"makefile.in", BUILD},
	{"meson.build", BUILD},
	{"mix.exs", PACKAGE},
	{"module.bazel", BUILD},
	{"mvnw", BUILD},
	{"noxfile.py", BUILD},
	{"nuget.config", PACKAGE},
	{"package.swift", PACKAGE},
	{"pipfile", PACKAGE},
	{"playwright.config.js", TEST},
	{"playwright.config.ts", TEST},
	{"podfile", PACKAGE},
	{"pom.xml", BUILD},
	{"pyproject.toml", PACKAGE},
	{"rakefile", BUILD},
	{"sconstruct", BUILD},
	{"setup.cfg", PACKAGE},
	{"setup.py", PACKAGE},
	{"shell.nix", BUILD},
	{"sitecustomize.py", CODE},
	{"snakefile", BUILD},
	{"taskfile.yaml", BUILD},
	{"taskfile.yml", BUILD},
	{"tox.ini", BUILD},
	{"usercustomize.py", CODE},
	{"vagrantfile", DOCKER},
	{"vitest.config.ts", TEST},
	{"workspace.bazel", BUILD},
	{"wscript", BUILD},
};

static const struct {
	const char *suffix, *why;
} suffixes[] = {
	{".code-workspace", EDITOR},
	{".desktop", "desktop entry"},
	{".gradle", BUILD},
	{".gradle.kts", BUILD},
	{".mk", BUILD},
	{".cmake", BUILD},
	{".pth", CODE},
	{".gemspec", PACKAGE},
	{".csproj", BUILD},
	{".vcxproj", BUILD},
	{".targets", BUILD},
	{".props", BUILD},
	{".service", "system service"},
	{".sublime-project", EDITOR},
};

static const char *const code[] = {"js", "cjs", "mjs", "ts", "cts", "mts"};

static const char *by_table(const char *folded)
{
	size_t lo = 0, hi = sizeof names / sizeof names[0], len = strlen(folded);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(folded, names[mid].name);
		if (c == 0)
			return names[mid].why;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		size_t n = strlen(suffixes[i].suffix);
		if (len > n && strcmp(folded + len - n, suffixes[i].suffix) == 0)
			return suffixes[i].why;
	}
	/* webpack.config.mjs and its like: whatever the tool, its configuration is a program. */
	const char *dot = strrchr(folded, '.'), *config = strstr(folded, ".config.");
	if (dot && config && config != folded && config + 7 == dot)
		for (size_t i = 0; i < sizeof code / sizeof code[0]; i++)
			if (strcmp(dot + 1, code[i]) == 0)
				return CODE;
	/* Dockerfile.dev, Jenkinsfile.release */
	if (strncmp(folded, "dockerfile.", 11) == 0)
		return DOCKER;
	return strncmp(folded, "jenkinsfile.", 12) == 0 ? CI : NULL;
}

static const char *in_git(const char *folded, enum oc_git_part part)
{
	switch (part) {
	case OC_GIT_HOOKS:
		return HOOKS;
	case OC_GIT_CONFIG:
		return "git configuration";
	case OC_GIT_DOTGIT:
	case OC_GIT_COMMONDIR:
	case OC_GIT_REMOTES:
	case OC_GIT_REBASE:
	case OC_GIT_TODO:
		return GIT;
	case OC_GIT_NONE:
	case OC_GIT_HEAD:
	case OC_GIT_OBJECTS:
	case OC_GIT_REFS:
	case OC_GIT_LOGS:
		break;
	}
	return strcmp(folded, "attributes") == 0 || strcmp(folded, "alternates") == 0 ||
			       strcmp(folded, "gitdir") == 0 || strcmp(folded, "grafts") == 0
		       ? GIT
		       : NULL;
}

/* .github/workflows and the like; the rest of .github is text for people. */
static const char *in_forge(const char *folded)
{
	return strcmp(folded, "workflows") == 0 || strcmp(folded, "actions") == 0 ||
			       strncmp(folded, "dependabot.", 11) == 0 ||
			       strncmp(folded, "renovate.", 9) == 0
		       ? CI
		       : NULL;
}

const char *oc_risk_name(const struct oc_risk_dir *dir, const char *name, bool git_dir,
			 struct oc_risk_dir *below)
{
	struct oc_name_class c = oc_guard_classify(name, dir->prefix, !dir->below_root, dir->deps);
	char folded[OC_GUARD_NAME_MAX + 1];
	const char *why = dir->why;

	oc_guard_fold(name, folded);
	if (!why && (dir->git || git_dir))
		why = in_git(folded, c.part);
	if (!why && c.row)
		why = c.row->why;
	if (!why && dir->forge)
		why = in_forge(folded);
	if (!why && !dir->git && !dir->deps)
		why = by_table(folded);
	*below = (struct oc_risk_dir){
		.prefix = c.prefix,
		.deps = dir->deps || c.deps,
		.git = dir->git || c.part == OC_GIT_DOTGIT || (git_dir && !dir->git),
		.forge = strcmp(folded, ".github") == 0 || strcmp(folded, ".gitea") == 0 ||
			 strcmp(folded, ".forgejo") == 0,
		.below_root = true,
		/* "build" is a file of Bazel's, and the directory into which everybody builds. */
		.why = strcmp(folded, "build") == 0 && !dir->why ? NULL : why,
	};
	/* As a file or a link it says where the git directory is. */
	if (!why && c.part == OC_GIT_DOTGIT)
		why = GIT;
	return why;
}

const char *oc_risk_fold(const char *name, char out[OC_RISK_NAME_MAX])
{
	_Static_assert(OC_RISK_NAME_MAX == OC_GUARD_NAME_MAX + 1, "room for a name");
	oc_guard_fold(name, out);
	return out;
}

const char *oc_risk_program(mode_t mode, const char *head, size_t len)
{
	if (mode & 0111)
		return "executable";
	return len >= 2 && head[0] == '#' && head[1] == '!' ? "script" : NULL;
}

const char *oc_risk_link(const char *target, size_t depth)
{
	bool down = false;

	if (target[0] == '/')
		return "link that leads outside of the workspace";
	for (const char *p = target; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			/* Back up behind a name that may be a link itself: no text says where that
			 * ends. */
			if (down || depth == 0)
				return "link that leads outside of the workspace";
			depth--;
		} else if (n && !(n == 1 && p[0] == '.')) {
			down = true;
		}
		p += n;
		p += strspn(p, "/");
	}
	return NULL;
}

/* Keys of package.json with what npm, yarn, pnpm, bun and hook managers run or fetch. */
static const char *const package_keys[] = {
	"scripts",
	"dependencies",
	"devDependencies",
	"optionalDependencies",
	"peerDependencies",
	"bundleDependencies",
	"overrides",
	"resolutions",
	"bin",
	"gypfile",
	"packageManager",
	"workspaces",
	"husky",
	"lint-staged",
	"simple-git-hooks",
	"pre-commit",
	"config",
	"pnpm",
	"trustedDependencies",
	"patchedDependencies",
	"prettier",
	"eslintConfig",
	"babel",
	"jest",
	"main",
	"exports",
	"imports",
};

static void value_text(const struct oc_json *v, struct oc_buf *out)
{
	struct oc_json_writer w;

	oc_jw_init(&w, out, 0);
	if (v)
		oc_jw_value(&w, v);
	else
		oc_jw_null(&w);
}

const char *oc_risk_package(const char *a, size_t a_len, const char *b, size_t b_len)
{
	oc_auto_arena arena = {0};
	struct oc_json *was = NULL, *is = NULL;

	if (oc_json_parse(&arena, b, b_len, "new", &is, NULL) < 0 ||
	    (a && oc_json_parse(&arena, a, a_len, "old", &was, NULL) < 0))
		return PACKAGE;
	for (size_t i = 0; i < sizeof package_keys / sizeof package_keys[0]; i++) {
		oc_auto_buf x = {0}, y = {0};
		value_text(oc_json_get(was, package_keys[i]), &x);
		value_text(oc_json_get(is, package_keys[i]), &y);
		if (x.len != y.len || memcmp(x.data, y.data, x.len) != 0)
			return i == 0 ? "package scripts" : PACKAGE;
	}
	return NULL;
}
