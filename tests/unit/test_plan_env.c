/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1 /* nftw(3) */
#include "tests/unit/plan_test.h"

#define COUNT(x) (sizeof(x) / sizeof(*(x)))

static void names(void **state)
{
	static const char *const bad[] = {
		"LD_PRELOAD", "ld_preload", "LD_", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "BASH_FUNC_x", "ENV", "NODE_OPTIONS",
		"PYTHONPATH", "GIT_CONFIG_COUNT", "GIT_SSH_COMMAND", "NPM_CONFIG_REGISTRY", "npm_config_registry", "PATH",
		"Path", "HOME", "SHELL", "IFS", "PS4", "PROMPT_COMMAND", "http_proxy", "SSL_CERT_FILE", "TF_VAR_x", "CC",
		"CARGO_REGISTRIES_X_INDEX", "GLIBC_TUNABLES", "SSH_AUTH_SOCK", "GITHUB_TOKEN", "_JAVA_OPTIONS", "XDG_RUNTIME_DIR",
		"LUA_INIT_5_3", "RUSTUP_HOME", "ANSIBLE_CONFIG", "ZDOTDIR", "AWS_ACCESS_KEY_ID", "WINDIR", "ALL_PROXY",
		"OPENCLAW_SHELL", "PWD", "", "1A", "A-B", "A B", "A=B", "\xc3\x84", "A\n",
	};
	static const char *const good[] = { "FOO", "LANG", "LC_ALL", "TERM", "_", "a1_B", "TZ", "LDX", "MYLD_PRELOAD", "COLORTERM" };
	const char *why;
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		why = NULL;
		if (oc_env_allowed(bad[i], &why))
			fail_msg("\"%s\" is allowed", bad[i]);
		assert_non_null(why);
	}
	for (size_t i = 0; i < COUNT(good); i++)
		if (!oc_env_allowed(good[i], &why))
			fail_msg("\"%s\" is refused: %s", good[i], why);
	char longest[300];
	memset(longest, 'A', sizeof(longest) - 1);
	longest[255] = '\0';
	assert_true(oc_env_allowed(longest, &why));
	longest[255] = 'A';
	longest[256] = '\0';
	assert_false(oc_env_allowed(longest, &why));
}

static void secrets(void **state)
{
	static const char *const yes[] = { "GEMINI_API_KEY", "MY_TOKEN", "x_password", "DB_PRIVATE_KEY", "SECRET", "FOOSECRET",
					   "AWS_SECRET_ACCESS_KEY" };
	static const char *const no[] = { "TOKENS", "KEY", "PASSWORD_FILE", "LANG", "PUBLIC_KEY" };
	(void)state;
	for (size_t i = 0; i < COUNT(yes); i++)
		assert_true(oc_env_secret(yes[i]));
	for (size_t i = 0; i < COUNT(no); i++)
		assert_false(oc_env_secret(no[i]));
}

static void flags(void **state)
{
	static const char *const bad[] = { "LD_PRELOAD=x", "PATH=/x", "HOME=/x", "FOO", "=x", "FOO=\x1b[0m", "FOO=\x7f", "A B=1" };
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		pt_refused(&(struct oc_plan_options){ .no_config = true, .env = &bad[i], .env_count = 1 }, "--env");
	const char *pass = "NODE_OPTIONS", *token = "MY_TOKEN";
	setenv("NODE_OPTIONS", "--require=x", 1);
	setenv("MY_TOKEN", "t", 1);
	pt_refused(&(struct oc_plan_options){ .no_config = true, .env_pass = &pass, .env_pass_count = 1 }, "NODE_OPTIONS");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .env_pass = &token, .env_pass_count = 1 }, "credential");
	char *huge = malloc(200000);
	assert_non_null(huge);
	memset(huge, 'x', 199999);
	memcpy(huge, "FOO=", 4);
	huge[199999] = '\0';
	const char *big = huge;
	pt_refused(&(struct oc_plan_options){ .no_config = true, .env = &big, .env_count = 1 }, "longer than");
	free(huge);
}

static void from_nothing(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	const char *env[] = { "FOO=a\nb", "LANG=de_DE.UTF-8", "FOO=second", "EMPTY=" };
	const char *pass[] = { "PT_PASSED", "PT_NOT_SET" };
	(void)state;
	setenv("PT_PASSED", "1", 1);
	setenv("PT_CANARY", "leak", 1);
	setenv("LD_PRELOAD_CANARY", "leak", 1);
	pt_build(&plan, &a,
		 &(struct oc_plan_options){ .no_config = true, .tty = OC_TTY_NO, .env = env, .env_count = 4, .env_pass = pass,
					    .env_pass_count = 2 });
	assert_string_equal(pt_env(&plan, "FOO"), "second");
	assert_string_equal(pt_env(&plan, "LANG"), "de_DE.UTF-8");
	assert_string_equal(pt_env(&plan, "EMPTY"), "");
	assert_string_equal(pt_env(&plan, "PT_PASSED"), "1");
	assert_string_equal(pt_env(&plan, "HOME"), "/workspace");
	assert_string_equal(pt_env(&plan, "PWD"), "/workspace");
	assert_string_equal(pt_env(&plan, "TMPDIR"), "/tmp");
	assert_string_equal(pt_env(&plan, "OPENCLAW_SHELL"), "exec");
	assert_null(pt_env(&plan, "PT_CANARY"));
	assert_null(pt_env(&plan, "LD_PRELOAD_CANARY"));
	assert_null(pt_env(&plan, "PT_NOT_SET"));
	assert_null(pt_env(&plan, "TERM"));
	assert_non_null(plan.warnings);
	for (size_t i = 0; i < plan.env_count; i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(plan.env[i].name, plan.env[k].name);
	oc_plan_close(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(secrets),
		cmocka_unit_test(flags),
		cmocka_unit_test(from_nothing),
	};
	return cmocka_run_group_tests(tests, pt_setup, pt_teardown);
}
