/* SPDX-License-Identifier: Apache-2.0 */
/* What of a change the host would run or trust: tables. */
#include "tests/unit/cm.h"

#include <string.h>
#include <sys/stat.h>

#include "runtime/session/overlay_risk.h"

/* Of a path, each of whose directories is an ordinary one. */
static const char *why(const char *path, bool git_dir)
{
	struct oc_risk_dir dir = {0}, below;
	char name[256];

	for (;;) {
		size_t n = strcspn(path, "/");
		memcpy(name, path, n);
		name[n] = '\0';
		const char *w = oc_risk_name(&dir, name, git_dir && !path[n], &below);
		if (!path[n])
			return w;
		dir = below;
		path += n + 1;
	}
}

static void test_names(void **state)
{
	static const struct {
		const char *path;
		bool risky;
	} rows[] = {
		{"src/main.c", false},
		{"README.md", false},
		{".git/hooks/pre-commit", true},
		{".git/hooks/deep/er", true},
		{".GIT/Hooks/x", true},
		{".git/config", true},
		{".git/config.worktree", true},
		{".git/objects/ab/cdef", false},
		{".git/HEAD", false},
		{".git/refs/heads/main", false},
		{".git/info/attributes", true},
		{".git/modules/sub/hooks/x", true},
		{".git/modules/sub/config", true},
		{".git", true},
		{"sub/.git", true},
		{"sub/.git/commondir", true},
		{"config", false},
		{"hooks/x", false},
		{".github/workflows/ci.yml", true},
		{".github/ISSUE_TEMPLATE/bug.md", false},
		{".GitHub/Workflows/x", true},
		{".gitea/workflows/x", true},
		{".gitlab-ci.yml", true},
		{"sub/.gitlab-ci.yml", true},
		{".circleci/config.yml", true},
		{"Jenkinsfile", true},
		{"Jenkinsfile.nightly", true},
		{"Makefile", true},
		{"a/b/GNUmakefile", true},
		{"rules.mk", true},
		{"CMakeLists.txt", true},
		{"setup.py", true},
		{"conftest.py", true},
		{"build.rs", true},
		{"BUILD", true},
		{"build/out.o", false},
		{"Dockerfile.dev", true},
		{"x.pth", true},
		{".vscode/tasks.json", true},
		{".idea/x/y", true},
		{".claude/settings.json", true},
		{"AGENTS.md", true},
		{".envrc", true},
		{".bashrc", true},
		{"sub/.bashrc", false}, /* nobody's home */
		{"node_modules/p/Makefile", false},
		{"node_modules/p/.envrc", true},
		{".mcp\xe2\x80\x8b.json", true}, /* a code point that some file systems leave out */
		{"package.json", false},	 /* by its content */
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if ((why(rows[i].path, false) != NULL) != rows[i].risky)
			fail_msg("%s: %s", rows[i].path,
				 why(rows[i].path, false) ? why(rows[i].path, false) : "nothing");
	/* A bare repository. */
	assert_non_null(why("bare/config", true));
	assert_non_null(why("bare/hooks", true));
	assert_null(why("bare/description", true));
}

static void test_links(void **state)
{
	static const struct {
		const char *target;
		size_t depth;
		bool risky;
	} rows[] = {
		{"a", 0, false},       {"./a/b", 0, false},	 {"../a", 1, false},
		{"../../a", 2, false}, {"/etc/passwd", 0, true}, {"../a", 0, true},
		{"../../a", 1, true},  {"a/../../b", 3, true},	 {"a/..", 3, true},
		{"..", 1, false},      {"..//../x", 1, true},	 {"", 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if ((oc_risk_link(rows[i].target, rows[i].depth) != NULL) != rows[i].risky)
			fail_msg("%s at %zu", rows[i].target, rows[i].depth);
}

static void test_programs(void **state)
{
	(void)state;
	assert_null(oc_risk_program(S_IFREG | 0644, "ab", 2));
	assert_null(oc_risk_program(S_IFREG | 0644, "#", 1));
	assert_non_null(oc_risk_program(S_IFREG | 0644, "#!", 2));
	assert_non_null(oc_risk_program(S_IFREG | 0755, "", 0));
	assert_non_null(oc_risk_program(S_IFREG | 0641, "", 0));
}

static const char *package(const char *a, const char *b)
{
	return oc_risk_package(a, a ? strlen(a) : 0, b, strlen(b));
}

static void test_package(void **state)
{
	(void)state;
	assert_null(package("{\"version\":\"1\",\"scripts\":{\"a\":\"b\"}}",
			    "{\"scripts\":{\"a\":\"b\"},\"version\":\"2\"}"));
	assert_null(package(NULL, "{\"name\":\"x\"}"));
	assert_non_null(package(NULL, "{\"scripts\":{\"install\":\"x\"}}"));
	assert_non_null(package("{\"scripts\":{\"a\":\"b\"}}", "{\"scripts\":{\"a\":\"c\"}}"));
	assert_non_null(package("{}", "{\"dependencies\":{\"a\":\"1\"}}"));
	assert_non_null(package("{}", "{\"bin\":\"x\"}"));
	assert_non_null(package("{}", "not json"));
	assert_non_null(package("not json", "{}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_package),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
