/* SPDX-License-Identifier: Apache-2.0 */
/* record: the lines, hostile text in them, and the calendar against the C library's. */
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "netns/policy/record.h"
#include "tests/unit/cm.h"

static void test_lines(void **state)
{
	(void)state;
	oc_auto_buf b = {0};
	struct oc_addr a = oc_addr_v4(10, 0, 0, 1);
	struct oc_record r = {.event = "query", .reason = OC_EGRESS_NAME_NOT_ALLOWED, .name = "a.example", .type = "A"};

	oc_record_write(&b, &r);
	assert_string_equal(b.data, "{\"time\":\"1970-01-01T00:00:00.000Z\",\"event\":\"query\",\"decision\":\"deny\","
				    "\"name\":\"a.example\",\"type\":\"A\",\"reason\":\"name-not-allowed\"}\n");
	b.len = 0;
	r = (struct oc_record){.time_ns = 1767323045678901234, .event = "connect", .allowed = true, .name = "a.example",
			       .addr = &a, .addr_class = OC_ADDR_PRIVATE, .port = 443, .protocol = "tls", .rule = "*.example",
			       .seen = "", .has_traffic = true, .sent = 1, .received = UINT64_MAX, .duration_us = 3400,
			       .dropped = 7};
	oc_record_write(&b, &r);
	assert_string_equal(b.data, "{\"time\":\"2026-01-02T03:04:05.678Z\",\"event\":\"connect\",\"decision\":\"allow\","
				    "\"name\":\"a.example\",\"address\":\"10.0.0.1\",\"class\":\"private\",\"port\":443,"
				    "\"protocol\":\"tls\",\"rule\":\"*.example\",\"reason\":\"allowed\",\"sent\":1,"
				    "\"received\":18446744073709551615,\"duration_us\":3400,\"dropped\":7}\n");
}

static void test_hostile(void **state)
{
	(void)state;
	oc_auto_buf b = {0};
	oc_auto_arena arena = {0};
	struct oc_json *v;
	struct oc_err err;
	char name[5000];
	struct oc_record r = {.event = "connect", .name = name};

	/* every byte but NUL, right-to-left override, C1, then three-byte characters over the cut */
	for (int i = 1; i < 256; i++)
		name[i - 1] = (char)i;
	memcpy(name + 255, "\xe2\x80\xae\xc2\x9b\"}\n{", 9);
	for (size_t i = 264; i + 3 < sizeof(name); i += 3)
		memcpy(name + i, "\xe2\x82\xac", 4);
	oc_record_write(&b, &r);
	assert_true(b.len < 4000 && b.data[b.len - 1] == '\n');
	for (size_t i = 0; i + 1 < b.len; i++)
		assert_true((unsigned char)b.data[i] >= 0x20 && b.data[i] != 0x7F);
	assert_null(strstr(b.data, "\xe2\x80\xae"));
	assert_null(strstr(b.data, "\xc2\x9b"));
	assert_int_equal(oc_json_parse(&arena, b.data, b.len, "line", &v, &err), 0);
	assert_int_equal(v->count, 5);
	const char *s = oc_json_get(v, "name")->string;
	assert_string_equal(s + strlen(s) - 6, "\xe2\x82\xac...");
}

static void test_time(void **state)
{
	(void)state;
	char ours[25], theirs[25];
	uint64_t seed = 1;

	for (int i = 0; i < 200000; i++) {
		time_t t;
		struct tm tm;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		t = (time_t)((seed >> 20) % 9223372036u); /* int64_t of nanoseconds ends in 2262 */
		gmtime_r(&t, &tm);
		strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S.007Z", &tm);
		oc_record_time((int64_t)t * 1000000000 + 7000000, ours);
		assert_string_equal(ours, theirs);
	}
	oc_record_time(-1, ours);
	assert_string_equal(ours, "1970-01-01T00:00:00.000Z");
	oc_record_time(INT64_MAX, ours);
	assert_string_equal(ours, "2262-04-11T23:47:16.854Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
