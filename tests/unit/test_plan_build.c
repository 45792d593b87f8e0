/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1 /* nftw(3) */
#include "base/json.h"
#include "tests/unit/plan_test.h"

#define COUNT(x) (sizeof(x) / sizeof(*(x)))

static void defaults(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	(void)state;
	pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true });
	assert_string_equal(plan.slug, "oneshot");
	assert_null(plan.agent);
	assert_null(plan.scope_key);
	assert_null(plan.scratch_dir);
	assert_int_equal(plan.memory_bytes, 1u << 30);
	assert_int_equal(plan.swap_bytes, 0);
	assert_int_equal(plan.pids, 256);
	assert_int_equal(plan.cpu_millis, 1000);
	assert_int_equal(plan.timeout_ms, 0);
	assert_true(plan.read_only_root);
	assert_true(plan.uid != 0 && plan.gid != 0 && plan.host_uid != 0 && plan.host_gid != 0);
	assert_int_equal(plan.required, OC_LAYER_BIT(OC_LAYER_COUNT) - 1);
	assert_int_equal(plan.may_be_missing, 0);
	assert_false(plan.debug_allowed);
	for (int i = 0; i < OC_V_COUNT; i++)
		if (i != OC_V_AGENT && i != OC_V_SESSION)
			assert_non_null(plan.origin[i]);
	static const char *const shown[] = { "/usr", "/etc", "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/resolv.conf",
					     "/etc/nsswitch.conf", "/proc", "/dev", "/tmp", "/var/tmp", "/run", "/workspace" };
	for (size_t i = 0; i < COUNT(shown); i++)
		assert_non_null(pt_mount(&plan, shown[i]));
	static const char *const hidden[] = { "/sys", "/home", "/root", "/var", "/srv", "/mnt", "/opt", "/etc/shadow", "/etc/ssl",
					      "/etc/ssl/private", "/etc/machine-id", "/etc/ssh", "/boot" };
	for (size_t i = 0; i < COUNT(hidden); i++)
		assert_null(pt_mount(&plan, hidden[i]));
	oc_plan_close(&plan);
}

/* The rows that are ours alone never overlap: the launch path relies on it and does not check. */
static void no_overlap(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	(void)state;
	pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true, .sysfs = true });
	for (size_t i = 0; i < plan.mount_count; i++) {
		for (size_t k = 0; k < plan.mount_count; k++) {
			const struct oc_mount *m = &plan.mounts[i], *above = &plan.mounts[k];
			size_t n = strlen(above->target);
			if (i == k || strncmp(m->target, above->target, n) != 0)
				continue;
			assert_string_not_equal(m->target, above->target);
			if (m->target[n] == '/') {
				assert_true(above->kind == OC_MOUNT_DIR || above->kind == OC_MOUNT_TMPFS);
				assert_true(k < i);
			}
		}
		if (plan.mounts[i].kind == OC_MOUNT_BIND)
			assert_true(plan.mounts[i].fd >= 0 && plan.mounts[i].read_only);
	}
	oc_plan_close(&plan);
}

static void flags(void **state)
{
	static const struct {
		struct oc_plan_options o;
		const char *want;
	} rows[] = {
		{ { .memory = "x" }, "--memory" },	{ { .memory = "1m" }, "smallest" },	{ { .swap = "x" }, "--swap" },
		{ { .pids = "0" }, "--pids" },		{ { .pids = "-1" }, "--pids" },		{ { .pids = "4194305" }, "--pids" },
		{ { .cpus = "0" }, "--cpus" },		{ { .timeout = "x" }, "--timeout" },	{ { .user = "0" }, "--user" },
		{ { .user = "4294967295" }, "--user" }, { { .hostname = "a/b" }, "--hostname" }, { { .workdir = "x" }, "--workdir" },
		{ { .workdir = "/a/.." }, "--workdir" }, { { .seccomp = "off" }, "--seccomp" }, { { .access = "rwx" }, "--access" },
		{ { .access = "rw" }, "needs --workspace" }, { { .scope = "agent" }, "needs --agent" },
		{ { .scope = "x" }, "--scope" },	{ { .session = "x" }, "needs --agent" },
		{ { .agent = "" }, "--agent" },		{ { .agent = "a\nb" }, "control byte" },
		{ { .agent = "main", .session = "agent:other:x" }, "does not belong" },
		{ { .profile = "default", .profile_file = "x" }, "contradict" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct oc_plan_options o = rows[i].o;
		o.no_config = true;
		pt_refused(&o, rows[i].want);
	}
	static const char *const essential[] = { "mount", "pid", "net", "rootfs", "capabilities", "no-new-privs", "user" };
	for (size_t i = 0; i < COUNT(essential); i++)
		pt_refused(&(struct oc_plan_options){ .no_config = true, .allow_missing = &essential[i], .allow_missing_count = 1 },
			   "no sandbox");
	const char *none = "nothing";
	pt_refused(&(struct oc_plan_options){ .no_config = true, .allow_missing = &none, .allow_missing_count = 1 }, "no such");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .require = &none, .require_count = 1 }, "no such");
}

static void agents(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	struct oc_plan_options o = { .no_config = true, .agent = "main" };
	(void)state;
	pt_build(&plan, &a, &o);
	assert_string_equal(plan.scope_key, "agent:main");
	assert_string_equal(plan.slug, "agent-main-f331f052");
	assert_true(plan.access == OC_ACCESS_NONE);
	assert_string_equal(plan.scratch_dir, pt_path("home/.openclaw/sandboxes/agent-main-f331f052"));
	const struct oc_mount *m = pt_mount(&plan, "/workspace");
	assert_true(m->kind == OC_MOUNT_BIND && !m->read_only && m->fd == -1);
	assert_string_equal(m->source, plan.scratch_dir);
	assert_null(pt_mount(&plan, "/agent"));
	/* planning makes nothing */
	assert_true(access(pt_path("home/.openclaw"), F_OK) < 0);
	oc_plan_close(&plan);
	o.scope = "session";
	o.session = "Tele gram/../1";
	pt_build(&plan, &a, &o);
	assert_string_equal(plan.session, "agent:main:Tele gram/../1");
	assert_null(strchr(plan.slug, '/'));
	oc_plan_close(&plan);
	o.access = "rw";
	pt_refused(&o, "No such file");
	unsetenv("HOME");
	o.access = NULL;
	pt_refused(&o, "");
	pt_build(&plan, &a, &(struct oc_plan_options){ 0 });
	assert_null(plan.state_dir);
	oc_plan_close(&plan);
	setenv("HOME", pt_path("home"), 1);
}

static void hash_of(const struct oc_plan_options *o, char out[65])
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	pt_build(&plan, &a, o);
	oc_plan_hash(&plan, out);
	assert_int_equal(strlen(out), 64);
	oc_plan_close(&plan);
}

static void hashes(void **state)
{
	char one[65], two[65];
	char *const argv1[] = { "a", "b", NULL }, *const argv2[] = { "a b", NULL };
	char *const raw1[] = { "\xff", NULL }, *const raw2[] = { "\xfe", NULL };
	const char *env1 = "FOO_TOKEN=1", *env2 = "FOO_TOKEN=2";
	struct oc_plan_options o = { .no_config = true, .tty = OC_TTY_NO }, p = o;
	(void)state;
	hash_of(&o, one);
	hash_of(&o, two);
	assert_string_equal(one, two);
	/* where a value comes from is no part of it */
	p.memory = "1024m";
	hash_of(&p, two);
	assert_string_equal(one, two);
	p.memory = "1025m";
	hash_of(&p, two);
	assert_string_not_equal(one, two);
	o.argv = argv1;
	p = o;
	p.argv = argv2;
	hash_of(&o, one);
	hash_of(&p, two);
	assert_string_not_equal(one, two);
	/* bytes that are not UTF-8 are told apart */
	o.argv = raw1;
	p.argv = raw2;
	hash_of(&o, one);
	hash_of(&p, two);
	assert_string_not_equal(one, two);
	o.env = &env1;
	p = o;
	p.env = &env2;
	o.env_count = p.env_count = 1;
	hash_of(&o, one);
	hash_of(&p, two);
	assert_string_not_equal(one, two);
}

static bool same_sandbox(const struct oc_plan_options *x, const struct oc_plan_options *y)
{
	oc_auto_arena a = { 0 };
	struct oc_plan one, two;
	char hash[2][65];
	pt_build(&one, &a, x);
	pt_build(&two, &a, y);
	oc_plan_sandbox_hash(&one, hash[0]);
	oc_plan_sandbox_hash(&two, hash[1]);
	oc_plan_close(&one);
	oc_plan_close(&two);
	return strcmp(hash[0], hash[1]) == 0;
}

/* Who may join a sandbox that stays: what is of one command makes no difference, everything else does. */
static void sandbox_hashes(void **state)
{
	char *const argv[] = { "a", NULL };
	static const char *const env[] = { "A=1" }, *const bind[] = { "/usr/share:/mnt/x" }, *const tmpfs[] = { "/mnt/y" },
				 *const rule[] = { "web.example" }, *const layer[] = { "landlock" }, *const ulimit[] = { "nofile=64" };
	const struct oc_plan_options o = { .no_config = true, .tty = OC_TTY_NO, .agent = "main" };
	const struct {
		struct oc_plan_options with;
		bool same;
	} rows[] = {
		{ { .argv = argv }, true },
		{ { .env = env, .env_count = 1 }, true },
		{ { .workdir = "/tmp" }, true },
		{ { .timeout = "5s" }, true },
		{ { .tty = OC_TTY_YES }, true },
		{ { .session = "a" }, true }, /* scope agent */
		{ { .memory = "1024m" }, true },
		{ { .session = "a", .scope = "session" }, false },
		{ { .scope = "shared" }, false },
		{ { .memory = "512m" }, false },
		{ { .pids = "77" }, false },
		{ { .cpus = "2" }, false },
		{ { .swap = "1g" }, false },
		{ { .disk = "64m" }, false },
		{ { .idle = "1h" }, false },
		{ { .max_age = "1h" }, false },
		{ { .hostname = "other" }, false },
		{ { .user = "1234" }, false },
		{ { .seccomp = "strict" }, false },
		{ { .profile = "build" }, false },
		{ { .sysfs = true }, false },
		{ { .access = "ro" }, false },
		{ { .binds = bind, .bind_count = 1 }, false },
		{ { .tmpfs = tmpfs, .tmpfs_count = 1 }, false },
		{ { .allow = rule, .allow_count = 1 }, false },
		{ { .allow_missing = layer, .allow_missing_count = 1 }, false },
		{ { .ulimits = ulimit, .ulimit_count = 1 }, false },
	};
	(void)state;
	pt_mkdir("home/.openclaw");
	pt_mkdir("home/.openclaw/workspace");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct oc_plan_options p = rows[i].with;
		p.no_config = true;
		p.agent = "main";
		p.tty = p.tty ? p.tty : OC_TTY_NO;
		if (same_sandbox(&o, &p) != rows[i].same)
			fail_msg("row %zu", i);
	}
	/* Agents that share one. */
	struct oc_plan_options x = o, y = o;
	x.scope = y.scope = "shared";
	x.workspace = y.workspace = pt_mkdir("ws");
	x.access = y.access = "rw";
	y.agent = "other";
	assert_true(same_sandbox(&x, &y));
}

static void printed(void **state)
{
	oc_auto_arena a = { 0 };
	oc_auto_buf json = { 0 }, text = { 0 };
	struct oc_plan plan;
	struct oc_json_writer w;
	struct oc_json *v;
	struct oc_err err;
	const char *env[] = { "MY_TOKEN=hunter2", "NOTE=line\nbreak" };
	char *const argv[] = { "sh", "-c", "\x1b]0;x\x07 \xe2\x80\xae \xff", NULL };
	(void)state;
	pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true, .env = env, .env_count = 2, .argv = argv });
	oc_jw_init(&w, &json, 2);
	oc_plan_json(&plan, &w);
	assert_int_equal(oc_json_parse(&a, json.data, json.len, "plan", &v, &err), 0);
	assert_non_null(oc_json_get(v, "planHash"));
	assert_int_equal(oc_json_get(v, "mounts")->count, plan.mount_count);
	assert_string_equal(oc_json_get(oc_json_get(v, "origins"), "memory")->string, "default");
	assert_null(strstr(json.data, "hunter2"));
	oc_plan_text(&plan, &text);
	assert_null(strstr(text.data, "hunter2"));
	/* nothing that a terminal would obey */
	for (const char *p = text.data; *p; p++)
		assert_true(*p == '\n' || ((unsigned char)*p >= 0x20 && *p != 0x7f));
	assert_null(strstr(text.data, "\xe2\x80\xae"));
	assert_non_null(strstr(text.data, "line\\x0abreak"));
	oc_plan_close(&plan);
}

static void descriptors(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	int before = pt_open_count();
	(void)state;
	pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true, .workspace = pt_mkdir("fds") });
	assert_true(pt_open_count() > before);
	for (size_t i = 0; i < plan.mount_count; i++)
		if (plan.mounts[i].fd >= 0)
			assert_true(fcntl(plan.mounts[i].fd, F_GETFD) & FD_CLOEXEC);
	oc_plan_close(&plan);
	assert_int_equal(pt_open_count(), before);
	oc_plan_close(&plan);
	char **argv = calloc(70000, sizeof(*argv));
	assert_non_null(argv);
	for (int i = 0; i < 69999; i++)
		argv[i] = (char[]){ "x" };
	pt_refused(&(struct oc_plan_options){ .no_config = true, .argv = argv }, "arguments");
	free(argv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults), cmocka_unit_test(no_overlap), cmocka_unit_test(flags),
		cmocka_unit_test(agents),   cmocka_unit_test(hashes),	  cmocka_unit_test(sandbox_hashes), cmocka_unit_test(printed),
		cmocka_unit_test(descriptors),
	};
	return cmocka_run_group_tests(tests, pt_setup, pt_teardown);
}
