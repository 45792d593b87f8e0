/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1 /* nftw(3) */
#include "tests/unit/plan_test.h"

#define COUNT(x) (sizeof(x) / sizeof(*(x)))

struct row {
	const char *text;
	uint64_t value; /* 0: refused */
};

static void sizes(void **state)
{
	static const struct row rows[] = {
		{ "1", 1 }, { "123", 123 }, { "64k", 65536 }, { "64K", 65536 }, { "512m", 512u << 20 }, { "1g", 1u << 30 },
		{ "1.5g", 1610612736 }, { "0.5k", 512 }, { "10b", 10 }, { "1gb", 1u << 30 }, { "1GiB", 1u << 30 },
		{ "4611686018427387904", UINT64_C(1) << 62 }, { "1t", UINT64_C(1) << 40 },
		{ "", 0 }, { "0", 0 }, { "0g", 0 }, { "0.0001", 0 }, { "-1", 0 }, { "+1", 0 }, { " 1", 0 }, { "1 ", 0 },
		{ "1gg", 0 }, { "g", 0 }, { ".5g", 0 }, { "1.g", 0 }, { "1.1234567890g", 0 }, { "0x10", 0 }, { "1e3", 0 },
		{ "4611686018427387905", 0 }, { "18446744073709551616", 0 }, { "99999999999999999999g", 0 },
		{ "18446744073709551615t", 0 }, { "1,5g", 0 }, { "nan", 0 }, { "1b2", 0 }, { "1bb", 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t v = 0;
		struct oc_err err = { 0 };
		int r = oc_parse_size(rows[i].text, &v, &err);
		if ((r == 0) != (rows[i].value != 0) || (r == 0 && v != rows[i].value))
			fail_msg("size \"%s\": %d %llu", rows[i].text, r, (unsigned long long)v);
		assert_true(r == 0 || (err.msg[0] && err.hint[0]));
	}
}

static void durations(void **state)
{
	static const struct row rows[] = {
		{ "90", 90000 }, { "90s", 90000 }, { "5m", 300000 }, { "2h", 7200000 }, { "1.5s", 1500 }, { "250ms", 250 },
		{ "0.001", 1 }, { "3162240000", UINT64_C(3162240000000) },
		{ "", 0 }, { "0", 0 }, { "0ms", 0 }, { "0.0001s", 0 }, { "-1", 0 }, { "5d", 0 }, { "5 s", 0 }, { "5ss", 0 },
		{ "s", 0 }, { "3162240001", 0 }, { "18446744073709551615h", 0 }, { "1e3", 0 }, { "msec", 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t v = 0;
		int r = oc_parse_duration(rows[i].text, &v, NULL);
		if ((r == 0) != (rows[i].value != 0) || (r == 0 && v != rows[i].value))
			fail_msg("time \"%s\": %d %llu", rows[i].text, r, (unsigned long long)v);
	}
}

/* Of sandboxes that stay: days, too, and 0 is a value. */
static void ages(void **state)
{
	static const struct row rows[] = {
		{ "1d", 86400000 }, { "7d", 7 * 86400000 }, { "1.5d", 129600000 }, { "24h", 86400000 }, { "90", 90000 },
		{ "36600d", UINT64_C(3162240000000) },
	};
	static const char *const bad[] = { "", "d", "0d", "-1", "1 d", "1dd", "36601d", "0.000000001d", "00", "Never", "1w" };
	uint64_t v;
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(oc_parse_age(rows[i].text, &v, NULL), 0);
		assert_int_equal(v, rows[i].value);
	}
	for (int i = 0; i < 2; i++) {
		v = 1;
		assert_int_equal(oc_parse_age(i ? "0" : "never", &v, NULL), 0);
		assert_int_equal(v, 0);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct oc_err err = { 0 };
		if (oc_parse_age(bad[i], &v, &err) == 0)
			fail_msg("age \"%s\" is %llu", bad[i], (unsigned long long)v);
		assert_true(err.hint[0]);
	}
}

/* CVE-2026-30892: an id that is read as another one. */
static void users(void **state)
{
	static const char *const bad[] = {
		"", "0", "0:0", "1:0", "0:1", "+1", "-1", " 1", "1 ", "1:", ":1", "1:2:3", "01", "1:01", "0x1", "1e3",
		"4294967295", "4294967296", "1:4294967295", "18446744073709551617", "root", "1000:users", "1\n", "1:+2", "00",
	};
	uid_t uid;
	gid_t gid;
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (oc_parse_user(bad[i], &uid, &gid, NULL) == 0)
			fail_msg("user \"%s\" was taken as %u:%u", bad[i], uid, gid);
	assert_int_equal(oc_parse_user("1000", &uid, &gid, NULL), 0);
	assert_true(uid == 1000 && gid == 1000);
	assert_int_equal(oc_parse_user("1:4294967294", &uid, &gid, NULL), 0);
	assert_true(uid == 1 && gid == 4294967294u);
}

static void ulimits(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_ulimit u;
	static const char *const bad[] = { "", "nofile", "nofile=", "=1", "files=1", "nofile=2:1", "nofile=1:2:3",
					   "nofile=-2", "nofile=1:", "nofile=:1", "nofile=unlimited:5", "nofile= 1",
					   "nofile=18446744073709551615", "NOFILE=1" };
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (oc_parse_ulimit(&a, bad[i], &u, NULL) == 0)
			fail_msg("ulimit \"%s\" was taken", bad[i]);
	assert_int_equal(oc_parse_ulimit(&a, "nofile=10:20", &u, NULL), 0);
	assert_true(u.resource == RLIMIT_NOFILE && u.soft == 10 && u.hard == 20);
	assert_int_equal(oc_parse_ulimit(&a, "core=0", &u, NULL), 0);
	assert_true(u.resource == RLIMIT_CORE && u.soft == 0 && u.hard == 0);
	assert_int_equal(oc_parse_ulimit(&a, "fsize=1:unlimited", &u, NULL), 0);
	assert_true(u.hard == RLIM_INFINITY);
}

static void binds(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_bind_spec s;
	static const char *const bad[] = { "", "a", "a:/b", "/a:b", "/a:/b:rx", "/a:/b:ro:", "/a:/b:/c", "/a:/b:ro:rw",
					   "/a/../b:/c", "/a:/b/..", ":/b", "/a:", "/a\n:/b", "/a:/b\x7f", "/a:ro:/b" };
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (oc_parse_bind(&a, bad[i], false, &s, NULL) == 0)
			fail_msg("bind \"%s\" was taken: %s at %s", bad[i], s.source, s.target);
	assert_int_equal(oc_parse_bind(&a, "/a//b/./c/:/d/", false, &s, NULL), 0);
	assert_string_equal(s.source, "/a/b/c");
	assert_string_equal(s.target, "/d");
	assert_true(s.read_only);
	assert_int_equal(oc_parse_bind(&a, "/a:rw", false, &s, NULL), 0);
	assert_string_equal(s.target, "/a");
	assert_false(s.read_only);
	/* docker: a target is needed, and without a mode it is writable */
	assert_true(oc_parse_bind(&a, "/a", true, &s, NULL) < 0);
	assert_true(oc_parse_bind(&a, "/a:ro", true, &s, NULL) < 0);
	assert_int_equal(oc_parse_bind(&a, "/a:/b", true, &s, NULL), 0);
	assert_false(s.read_only);
	assert_int_equal(oc_parse_bind(&a, "/a:/b:ro", true, &s, NULL), 0);
	assert_true(s.read_only);
}

static void tmpfs(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_tmpfs_spec t;
	static const char *const bad[] = { "", "tmp", "/tmp:", "/tmp:,", "/tmp:size", "/tmp:size=", "/tmp:size=0",
					   "/tmp:size=-1", "/tmp:mode=888", "/tmp:mode=4755", "/tmp:mode=", "/tmp:suid",
					   "/tmp:dev", "/tmp:uid=0", "/tmp:size=1m,", "/a/..", "/tmp:mpol=bind:0",
					   "/tmp:nr_inodes=0", "/tmp:nr_inodes=5g", "/tmp:rw=1", "/tmp\t" };
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (oc_parse_tmpfs(&a, bad[i], &t, NULL) == 0)
			fail_msg("tmpfs \"%s\" was taken", bad[i]);
	assert_int_equal(oc_parse_tmpfs(&a, "/x:size=1m,mode=0700,noexec,nosuid,nodev,nr_inodes=1k", &t, NULL), 0);
	assert_true(t.size_bytes == 1 << 20 && t.mode == 0700 && !t.exec && t.inodes == 1024);
	assert_int_equal(oc_parse_tmpfs(&a, "/x", &t, NULL), 0);
	assert_true(t.size_bytes == 0 && t.mode == (mode_t)-1 && t.exec);
}

static void others(void **state)
{
	uint64_t v;
	static const char *const bad_cpus[] = { "", "0", "0.001", "-1", "1,5", "5000", "1m", "0x1", "inf" };
	static const char *const bad_hosts[] = { "", "-a", ".a", "a b", "a\n", "\xc3\xa4", "a/b",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	(void)state;
	for (size_t i = 0; i < COUNT(bad_cpus); i++)
		assert_true(oc_parse_cpus(bad_cpus[i], &v, NULL) < 0);
	assert_int_equal(oc_parse_cpus("0.5", &v, NULL), 0);
	assert_int_equal(v, 500);
	for (size_t i = 0; i < COUNT(bad_hosts); i++)
		assert_true(oc_parse_hostname(bad_hosts[i], NULL) < 0);
	assert_int_equal(oc_parse_hostname("agent-main.1", NULL), 0);
	assert_true(oc_parse_uint("x", "00", 0, 5, &v, NULL) < 0);
	assert_true(oc_parse_uint("x", "6", 0, 5, &v, NULL) < 0);
	assert_int_equal(oc_parse_uint("x", "5", 0, 5, &v, NULL), 0);
}

static void layers(void **state)
{
	(void)state;
	for (int i = 0; i < OC_LAYER_COUNT; i++) {
		const struct oc_layer_info *info = oc_layer_info((enum oc_layer)i);
		assert_true(info->name && info->summary);
		assert_int_equal(oc_layer_find(info->name), i);
	}
	assert_int_equal(oc_layer_find("nothing"), -1);
	assert_int_equal(oc_layer_find(""), -1);
	assert_true(oc_layer_info(OC_LAYER_NET)->essential);
	assert_false(oc_layer_info(OC_LAYER_CGROUP)->essential);
}

static void slugs(void **state)
{
	oc_auto_arena a = { 0 };
	(void)state;
	/* printf agent:main | sha256sum */
	assert_string_equal(oc_scope_slug(&a, "agent:main"), "agent-main-f331f052");
	assert_string_equal(oc_agent_id(&a, "  My Agent! "), "my-agent");
	assert_string_equal(oc_agent_id(&a, "../.."), "main");
	assert_string_equal(oc_agent_id(&a, ""), "main");
	assert_non_null(strstr(oc_scope_slug(&a, "\xff\xff"), "session-"));
	assert_null(strchr(oc_scope_slug(&a, "agent:x/../../etc"), '/'));
	assert_int_equal(strlen(oc_scope_slug(&a, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")), 41);
	assert_string_not_equal(oc_scope_slug(&a, "a/b"), oc_scope_slug(&a, "a-b"));
}

static void nearest(void **state)
{
	static const char *const names[] = { "memory", "memorySwap", "network", NULL };
	(void)state;
	assert_string_equal(oc_nearest("memroy", names), "memory");
	assert_string_equal(oc_nearest("Network", names), "network");
	assert_null(oc_nearest("zzzzzzzz", names));
	assert_null(oc_nearest("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),  cmocka_unit_test(durations), cmocka_unit_test(ages), cmocka_unit_test(users),
		cmocka_unit_test(ulimits), cmocka_unit_test(binds),    cmocka_unit_test(tmpfs),
		cmocka_unit_test(others), cmocka_unit_test(layers),    cmocka_unit_test(slugs),
		cmocka_unit_test(nearest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
