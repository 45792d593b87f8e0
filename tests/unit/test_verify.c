/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification: which answers fulfil which claims, and that every layer's probes see it when there
 * is no sandbox at all.
 */
#include "tests/unit/cm.h"

#include <string.h>
#include <sys/wait.h>

#include "runtime/verify/claims.h"

static bool holds(enum oc_expect expect, const char *text, const char *observed, const char *detail)
{
	const struct oc_claim c = {.probe = "x.y",
				   .arg = "",
				   .object = "",
				   .expect = expect,
				   .text = text,
				   .words = ""};
	struct oc_mount dev[] = {{.kind = OC_MOUNT_BIND, .target = "/dev/kvm"},
				 {.kind = OC_MOUNT_BIND, .target = "/dev/net/tun"}};
	const struct oc_plan plan = {.uid = 1000, .gid = 1000, .mounts = dev, .mount_count = 2};

	return oc_claim_holds(&c, &plan, observed, detail);
}

static void test_judge(void **state)
{
	static const struct {
		bool holds;
		enum oc_expect expect;
		const char *text, *observed, *detail;
	} row[] = {
		{true, OC_EXPECT_REFUSED, "", "denied", "EPERM"},
		{true, OC_EXPECT_REFUSED, "", "absent", "ENOENT"},
		{true, OC_EXPECT_REFUSED, "", "killed", "SIGSYS"},
		{false, OC_EXPECT_REFUSED, "", "allowed", "0"},
		{false, OC_EXPECT_REFUSED, "", "error", "EPERM"},
		{false, OC_EXPECT_REFUSED, "", "none", ""},
		{false, OC_EXPECT_REFUSED, "", "", ""},
		{false, OC_EXPECT_REFUSED, "", "deniedx", "EPERM"},
		{true, OC_EXPECT_REFUSED_AS, "ENOSPC", "denied", "ENOSPC"},
		{false, OC_EXPECT_REFUSED_AS, "ENOSPC", "denied", "EPERM"},
		{false, OC_EXPECT_REFUSED_AS, "ENOSPC", "absent", "ENOSPC"},
		{true, OC_EXPECT_KILLED, "", "killed", "SIGSYS"},
		{false, OC_EXPECT_KILLED, "", "denied", "ENOSYS"},
		{true, OC_EXPECT_ALLOWED, "", "allowed", "3"},
		{false, OC_EXPECT_ALLOWED, "", "denied", "EROFS"},
		{true, OC_EXPECT_IS, "0", "value", "0"},
		{false, OC_EXPECT_IS, "0", "value", "00"},
		{false, OC_EXPECT_IS, "0", "allowed", "0"},
		{true, OC_EXPECT_IS_NOT, "net:[1]", "value", "net:[2]"},
		{false, OC_EXPECT_IS_NOT, "net:[1]", "value", "net:[1]"},
		{false, OC_EXPECT_IS_NOT, "net:[1]", "value", ""},
		{false, OC_EXPECT_IS_NOT, "", "value", "net:[2]"},
		{false, OC_EXPECT_IS_NOT, "net:[1]", "error", "net:[2]"},
		{true, OC_EXPECT_HAS, "ro,nosuid,nodev", "value", "ro,nosuid,nodev,noexec,tmpfs"},
		{false, OC_EXPECT_HAS, "ro,nosuid,nodev", "value", "rw,nosuid,nodev"},
		{false, OC_EXPECT_HAS, "ro,nodev", "value", "ro,nosuid,nodevice"},
		{true, OC_EXPECT_HAS, "shared=0,host-root=0", "value",
		 "mounts=31 shared=0 host-root=0"},
		{false, OC_EXPECT_HAS, "shared=0,host-root=0", "value",
		 "mounts=31 shared=0 host-root=1"},
		{true, OC_EXPECT_AT_MOST, "4", "value", "4"},
		{false, OC_EXPECT_AT_MOST, "4", "value", "5"},
		{false, OC_EXPECT_AT_MOST, "4", "value", ""},
		{false, OC_EXPECT_AT_MOST, "4", "value", "max"},
		{false, OC_EXPECT_AT_MOST, "4", "value", "3x"},
		{false, OC_EXPECT_AT_MOST, "4", "value", "-1"},
		{true, OC_EXPECT_HIDDEN, "", "masked", "null device"},
		{false, OC_EXPECT_HIDDEN, "", "present", "file"},
		{true, OC_EXPECT_EMPTY, "", "empty", ""},
		{false, OC_EXPECT_EMPTY, "", "other", "3 entries"},
		{true, OC_EXPECT_NOT_HOST, "", "other", "3 entries"},
		{false, OC_EXPECT_NOT_HOST, "", "host", ""},
		{true, OC_EXPECT_RLIMIT, "1024:2048", "value", "1024:1024"},
		{false, OC_EXPECT_RLIMIT, "1024:2048", "value", "1024:2049"},
		{false, OC_EXPECT_RLIMIT, "1024:2048", "value", "1025:2048"},
		{false, OC_EXPECT_RLIMIT, "1024:2048", "value", "0"},
		{true, OC_EXPECT_DEVICES, "null=c1:3 pts=d", "value", "null=c1:3 pts=d"},
		{true, OC_EXPECT_DEVICES, "null=c1:3 pts=d", "value",
		 "kvm=c10:232 net=d null=c1:3 pts=d"},
		{false, OC_EXPECT_DEVICES, "null=c1:3 pts=d", "value",
		 "null=c1:3 pts=d vda=b254:0"},
		{false, OC_EXPECT_DEVICES, "null=c1:3 pts=d", "value", "null=c1:5 pts=d"},
		{false, OC_EXPECT_DEVICES, "null=c1:3 pts=d", "value", "null=c1:3"},
		{false, OC_EXPECT_DEVICES, "null=c1:3 pts=d", "value", "ne=d null=c1:3 pts=d"},
		{true, OC_EXPECT_GROUPS, "uid=1 gid=1", "value", "uid=1 gid=1 groups="},
		{true, OC_EXPECT_GROUPS, "uid=1 gid=1", "value", "uid=1 gid=1 groups=65534,1000"},
		{false, OC_EXPECT_GROUPS, "uid=1 gid=1", "value", "uid=1 gid=1 groups=65534,27"},
		{false, OC_EXPECT_GROUPS, "uid=1 gid=1", "value", "uid=1 gid=0 groups="},
		{true, OC_EXPECT_KEYRING, "7", "denied", "ENOSYS"},
		{true, OC_EXPECT_KEYRING, "7", "value", "8"},
		{false, OC_EXPECT_KEYRING, "7", "value", "7"},
		{false, OC_EXPECT_KEYRING, "7", "error", ""},
		{true, OC_EXPECT_CPU, "1000", "value", "cpu_ms=400 wall_ms=400 workers=2"},
		{false, OC_EXPECT_CPU, "1000", "value", "cpu_ms=800 wall_ms=400 workers=2"},
		{true, OC_EXPECT_CPU, "2000", "value", "cpu_ms=800 wall_ms=400 workers=2"},
		{false, OC_EXPECT_CPU, "1000", "value", "cpu_ms=0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (holds(row[i].expect, row[i].text, row[i].observed, row[i].detail) !=
		    row[i].holds)
			fail_msg("row %zu: %s %s against %s", i, row[i].observed, row[i].detail,
				 row[i].text);
}

/* In place of oc_launch_run: no sandbox. */
static int run_bare(const struct oc_plan *plan, const struct oc_launch_options *opt,
		    struct oc_result *res, struct oc_err *err)
{
	int status = 0;
	pid_t pid = fork();

	(void)err;
	memset(res, 0, sizeof(*res));
	if (pid == 0) {
		char *const env[] = {NULL};
		int in = fcntl(opt->in, F_DUPFD, 500), out = fcntl(opt->out, F_DUPFD, 500);

		dup2(in, 0);
		dup2(out, 1);
		dup2(out, 2);
		close(in);
		close(out);
		fexecve(opt->exec_fd, plan->argv, env);
		_exit(127);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	return 0;
}

static int run_nothing(const struct oc_plan *plan, const struct oc_launch_options *opt,
		       struct oc_result *res, struct oc_err *err)
{
	(void)plan;
	(void)opt;
	(void)err;
	memset(res, 0, sizeof(*res));
	return 0;
}

static const char *probe_path(void)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);

	assert_true(n > 0);
	path[n] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(path, '/') = '\0';
	strcat(path, "/oc-probe");
	return path;
}

static void make_plan(struct oc_plan *plan, struct oc_arena *a)
{
	/* Smaller than anything that a bare process has. */
	static const char *const ulimits[] = {"nofile=8:8"};
	const struct oc_plan_options opt = {
		.no_config = true, .access = "none", .ulimits = ulimits, .ulimit_count = 1};
	struct oc_err err;

	if (oc_plan_build(plan, a, &opt, &err) < 0)
		fail_msg("plan: %s", err.msg);
}

static void test_bare(void **state)
{
	oc_auto_arena a = {0};
	struct oc_plan plan;
	struct oc_verify_report rep;
	struct oc_err err = {0};
	unsigned ok[OC_LAYER_COUNT] = {0}, bad[OC_LAYER_COUNT] = {0};

	(void)state;
	make_plan(&plan, &a);
	if (oc_verify_with(&plan, probe_path(), run_bare, &rep, &err) < 0)
		fail_msg("verify: %s", err.msg);
	oc_plan_close(&plan);
	assert_true(rep.count > 100);
	for (size_t i = 0; i < rep.count; i++) {
		const struct oc_verify_row *r = &rep.rows[i];

		/* The part before the dot must be a layer. */
		if (r->layer >= OC_LAYER_COUNT)
			fail_msg("%s is of no layer", r->probe);
		(r->verdict == OC_VERDICT_OK ? ok : bad)[r->layer]++;
		/* What the filter refuses is refused by nothing else. */
		if (r->layer == OC_LAYER_SECCOMP && r->verdict == OC_VERDICT_OK &&
		    strcmp(r->probe, "seccomp.iopl") && strcmp(r->probe, "seccomp.ioperm") &&
		    strcmp(r->probe, "seccomp.foreign-arch"))
			fail_msg("%s: %s %s", r->probe, r->observed, r->detail);
	}
	for (int l = 0; l < OC_LAYER_COUNT; l++)
		if (bad[l] == 0)
			fail_msg("without a sandbox nothing of layer %s differs",
				 oc_layer_info((enum oc_layer)l)->name);
	assert_int_not_equal(rep.differs, 0);
}

/* A payload that says nothing has proved nothing. */
static void test_silent(void **state)
{
	oc_auto_arena a = {0};
	struct oc_plan plan;
	struct oc_verify_report rep;
	struct oc_err err = {0};

	(void)state;
	make_plan(&plan, &a);
	assert_int_equal(oc_verify_with(&plan, probe_path(), run_nothing, &rep, &err), 0);
	oc_plan_close(&plan);
	assert_int_equal(rep.differs, rep.count);
	for (size_t i = 0; i < rep.count; i++)
		assert_int_equal(rep.rows[i].verdict, OC_VERDICT_UNTRIED);
}

static void test_no_probe(void **state)
{
	oc_auto_arena a = {0};
	struct oc_plan plan;
	struct oc_verify_report rep;
	struct oc_err err = {0};

	(void)state;
	make_plan(&plan, &a);
	assert_int_equal(oc_verify_with(&plan, "/nonexistent/oc-probe", run_bare, &rep, &err), -1);
	assert_non_null(strstr(err.msg, "/nonexistent/oc-probe"));
	assert_string_equal(err.step, "verify");
	oc_plan_close(&plan);
}

/* Names from a workspace must not reach the terminal as they are. */
static void test_report(void **state)
{
	oc_auto_buf out = {0};
	oc_auto_buf json = {0};
	struct oc_json_writer w;
	struct oc_verify_row rows[] = {
		{OC_LAYER_MOUNT, "mount.write", "/w/\033[2J\n", "refused", "allowed", "\xff",
		 OC_VERDICT_DIFFERS},
		{OC_LAYER_NNP, "no-new-privs.value", "", "1", "value", "1", OC_VERDICT_OK},
	};
	struct oc_verify_report rep = {.rows = rows, .count = 2, .differs = 1};

	(void)state;
	oc_verify_text(&rep, false, &out);
	assert_non_null(strstr(out.data, "differs  mount.write /w/\\x1b[2J\\x0a "));
	assert_non_null(strstr(out.data, "\nok       no-new-privs.value"));
	assert_non_null(strstr(out.data, "2 tried: 1 as claimed, 1 not, 0 "));
	assert_null(strchr(out.data, 033));
	out.len = 0;
	oc_verify_text(&rep, true, &out);
	assert_null(strstr(out.data, "no-new-privs"));

	oc_jw_init(&w, &json, 0);
	oc_verify_json(&rep, &w);
	assert_non_null(strstr(json.data, "\"ok\":false"));
	assert_non_null(strstr(json.data, "\"verdict\":\"differs\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),  cmocka_unit_test(test_bare),
		cmocka_unit_test(test_silent), cmocka_unit_test(test_no_probe),
		cmocka_unit_test(test_report),
	};

	if (cm_skip_without_openat2())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
