/* SPDX-License-Identifier: Apache-2.0 */
/* dns, synth: messages as bytes, TCP in pieces, the table of addresses that stand for names. */
#include <stdlib.h>
#include <string.h>

#include "netns/policy/dns.h"
#include "netns/policy/synth.h"
#include "tests/unit/cm.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HEAD(flags, qd, an, ns, ar) "\x12\x34" flags "\0" qd "\0" an "\0" ns "\0" ar
#define Q1 HEAD("\x01\0", "\1", "\0", "\0", "\0")
#define OPT "\0\0\x29\x10\0\0\0\0\0\0\0"

static enum oc_dns_verdict parse(const char *p, size_t n, struct oc_dns_query *q)
{
	uint8_t *copy = malloc(n ? n : 1);
	enum oc_dns_verdict v;

	memcpy(copy, p, n);
	v = oc_dns_parse(copy, n, q);
	free(copy);
	return v;
}

static void test_queries(void **state)
{
	(void)state;
#define M(s) s, sizeof(s) - 1
	static const struct {
		const char *p;
		size_t n;
		enum oc_dns_verdict v;
		int rcode;
		const char *name; /* OK: name, BAD_NAME: shown */
	} t[] = {
		{M(Q1 "\3WwW\7example\3com\0\0\1\0\1"), OC_DNS_OK, 0, "www.example.com"},
		{M(Q1 "\1a\0\0\x41\0\1"), OC_DNS_OK, 0, "a"},
		{M(HEAD("\x01\0", "\1", "\0", "\0", "\1") "\1a\0\0\1\0\1" OPT), OC_DNS_OK, 0, "a"},
		{M(HEAD("\x01\0", "\1", "\0", "\0", "\1") "\1a\0\0\1\0\1" "\0\0\x29\4\xd0\0\0\x80\0\0\4\0\xa\0\0"), OC_DNS_OK, 0, "a"},
		{M(Q1 "\1a\0\0\xff\0\1"), OC_DNS_OK, 0, "a"}, /* ANY */
		{M(""), OC_DNS_DROP, 0, ""},
		{M("\x12\x34\x01\0\0\1\0\0\0\0\0"), OC_DNS_DROP, 0, ""},
		{M(HEAD("\x81\0", "\1", "\0", "\0", "\0") "\1a\0\0\1\0\1"), OC_DNS_DROP, 0, ""},
		{M(HEAD("\x28\0", "\1", "\0", "\0", "\0") "\1a\0\0\1\0\1"), OC_DNS_ERROR, OC_DNS_NOTIMP, ""},
		{M(HEAD("\x03\0", "\1", "\0", "\0", "\0") "\1a\0\0\1\0\1"), OC_DNS_ERROR, OC_DNS_FORMERR, ""},
		{M(HEAD("\x01\0", "\0", "\0", "\0", "\0")), OC_DNS_ERROR, OC_DNS_FORMERR, ""},
		{M(HEAD("\x01\0", "\2", "\0", "\0", "\0") "\1a\0\0\1\0\1\1b\0\0\1\0\1"), OC_DNS_ERROR, OC_DNS_FORMERR, ""},
		{M(HEAD("\x01\0", "\1", "\1", "\0", "\0") "\1a\0\0\1\0\1"), OC_DNS_ERROR, OC_DNS_FORMERR, ""},
		{M(HEAD("\x01\0", "\1", "\0", "\1", "\0") "\1a\0\0\1\0\1"), OC_DNS_ERROR, OC_DNS_FORMERR, ""},
		{M(Q1 "\1a\0\0\1\0\1x"), OC_DNS_ERROR, OC_DNS_FORMERR, ""}, /* something behind it */
		{M(Q1 "\1a\0\0\1\0"), OC_DNS_ERROR, OC_DNS_FORMERR, ""},
		{M(Q1 "\1a"), OC_DNS_ERROR, OC_DNS_FORMERR, ""},
		{M(Q1 "\xc0\x0c\0\1\0\1"), OC_DNS_ERROR, OC_DNS_FORMERR, ""}, /* points at itself */
		{M(Q1 "\1a\xc0\x0c\0\1\0\1"), OC_DNS_ERROR, OC_DNS_FORMERR, ""},
		{M(Q1 "\x41" "a\0\0\1\0\1"), OC_DNS_ERROR, OC_DNS_FORMERR, ""},
		{M(Q1 "\1a\0\0\1\0\3"), OC_DNS_ERROR, OC_DNS_REFUSED, ""}, /* CHAOS */
		{M(Q1 "\1a\0\0\xfc\0\1"), OC_DNS_ERROR, OC_DNS_REFUSED, ""}, /* AXFR */
		{M(HEAD("\x01\0", "\1", "\0", "\0", "\1") "\1a\0\0\1\0\1" "\0\0\x29\4\xd0\0\1\0\0\0\0"), OC_DNS_ERROR, OC_DNS_BADVERS, ""},
		{M(HEAD("\x01\0", "\1", "\0", "\0", "\2") "\1a\0\0\1\0\1" OPT OPT), OC_DNS_ERROR, OC_DNS_FORMERR, ""},
		{M(HEAD("\x01\0", "\1", "\0", "\0", "\1") "\1a\0\0\1\0\1" "\0\0\x29\4\xd0\0\0\0\0\0\1"), OC_DNS_ERROR, OC_DNS_FORMERR, ""},
		{M(Q1 "\0\0\1\0\1"), OC_DNS_BAD_NAME, OC_DNS_NXDOMAIN, "."},
		{M(Q1 "\3a b\0\0\1\0\1"), OC_DNS_BAD_NAME, OC_DNS_NXDOMAIN, "a\\032b"},
		{M(Q1 "\x0b" "example.com\0\0\1\0\1"), OC_DNS_BAD_NAME, OC_DNS_NXDOMAIN, "example\\.com"},
		{M(Q1 "\3a\0b\3com\0\0\1\0\1"), OC_DNS_BAD_NAME, OC_DNS_NXDOMAIN, "a\\000b.com"},
		{M(Q1 "\4\x1b[2J\0\0\1\0\1"), OC_DNS_BAD_NAME, OC_DNS_NXDOMAIN, "\\027[2J"},
		{M(Q1 "\3\\\xff@\0\0\1\0\1"), OC_DNS_BAD_NAME, OC_DNS_NXDOMAIN, "\\\\\\255@"},
		{M(Q1 "\3" "127" "\1" "0\1" "0\1" "1\0\0\1\0\1"), OC_DNS_BAD_NAME, OC_DNS_NXDOMAIN, "127.0.0.1"},
	};

	for (size_t i = 0; i < COUNT(t); i++) {
		struct oc_dns_query q;
		enum oc_dns_verdict v = parse(t[i].p, t[i].n, &q);

		if (v != t[i].v || q.rcode != t[i].rcode)
			fail_msg("query %zu: verdict %d, rcode %d", i, v, q.rcode);
		if (v == OC_DNS_OK)
			assert_string_equal(q.name, t[i].name);
		else
			assert_string_equal(q.name, "");
		if (v == OC_DNS_BAD_NAME)
			assert_string_equal(q.shown, t[i].name);
	}
	/* 255 bytes are the longest name, 256 are not one */
	for (unsigned last = 61; last <= 62; last++) {
		char m[400] = Q1;
		size_t n = 12;
		struct oc_dns_query q;
		uint8_t out[OC_DNS_ANSWER_MAX];

		for (int l = 0; l < 4; l++) {
			size_t len = l < 3 ? 63 : last;

			m[n++] = (char)len;
			memset(m + n, 'x', len);
			n += len;
		}
		memcpy(m + n, "\0\0\1\0\1", 5);
		n += 5;
		assert_int_equal(parse(m, n, &q), last == 61 ? OC_DNS_OK : OC_DNS_ERROR);
		if (last == 61) {
			assert_int_equal(strlen(q.name), 253);
			assert_int_equal(oc_dns_answer(&q, 0, (const uint8_t *)"\1\2\3\4", 1, 512, out), 12 + 259 + 16);
		}
	}
}

static void test_answers(void **state)
{
	(void)state;
	static const uint8_t addr[4] = {198, 18, 0, 1};
	struct oc_dns_query q;
	uint8_t out[OC_DNS_ANSWER_MAX];
	static const char a[] = "\x12\x34\x85\x80\0\1\0\1\0\0\0\0" "\1A\2bC\0\0\1\0\1" "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x12\0\1";
	static const char nodata[] = "\x12\x34\x85\x80\0\1\0\0\0\0\0\0" "\1A\2bC\0\0\1\0\1";
	static const char nx[] = "\x12\x34\x85\x83\0\1\0\0\0\0\0\1" "\1A\2bC\0\0\1\0\1" "\0\0\x29\x04\xd0\0\0\0\0\0\0";
	static const char cut[] = "\x12\x34\x87\x80\0\1\0\0\0\0\0\0" "\1A\2bC\0\0\1\0\1";

	assert_int_equal(parse(M(Q1 "\1A\2bC\0\0\1\0\1"), &q), OC_DNS_OK);
	assert_int_equal(oc_dns_answer(&q, OC_DNS_NOERROR, addr, 60, q.udp_size, out), sizeof(a) - 1);
	assert_memory_equal(out, a, sizeof(a) - 1);
	assert_int_equal(oc_dns_nodata(&q, q.udp_size, out), sizeof(nodata) - 1);
	assert_memory_equal(out, nodata, sizeof(nodata) - 1);
	assert_int_equal(oc_dns_answer(&q, OC_DNS_NOERROR, addr, 60, 30, out), sizeof(cut) - 1);
	assert_memory_equal(out, cut, sizeof(cut) - 1);
	assert_int_equal(parse(M(HEAD("\x01\0", "\1", "\0", "\0", "\1") "\1A\2bC\0\0\1\0\1" OPT), &q), OC_DNS_OK);
	assert_int_equal(q.udp_size, 4096);
	assert_int_equal(oc_dns_answer(&q, OC_DNS_NXDOMAIN, NULL, 60, 512, out), sizeof(nx) - 1);
	assert_memory_equal(out, nx, sizeof(nx) - 1);
	/* the upper bits of BADVERS are in the OPT */
	assert_int_equal(oc_dns_answer(&q, OC_DNS_BADVERS, NULL, 60, 512, out), sizeof(nx) - 1);
	assert_int_equal(out[3] & 15, 0);
	assert_int_equal(out[12 + 10 + 5], 1);
	/* what could not be read is not echoed */
	assert_int_equal(parse(M(Q1 "\xc0\x0c\0\1\0\1"), &q), OC_DNS_ERROR);
	assert_int_equal(oc_dns_answer(&q, q.rcode, NULL, 0, 512, out), 12);
	assert_int_equal(out[3] & 15, OC_DNS_FORMERR);
}

static void test_tcp(void **state)
{
	(void)state;
	static const uint8_t s[] = "\0\3abc\0\1d\0\2ef";
	static const char *const want[] = {"abc", "d", "ef"};
	const uint8_t *msg;
	size_t len;

	for (size_t step = 1; step < sizeof(s); step++) {
		struct oc_dns_tcp t = {0};
		size_t at = 0, count = 0;

		while (at < sizeof(s) - 1) {
			size_t n = sizeof(s) - 1 - at < step ? sizeof(s) - 1 - at : step;
			ssize_t used = oc_dns_tcp_feed(&t, s + at, n, &msg, &len);

			assert_true(used > 0 && (size_t)used <= n);
			at += (size_t)used;
			if (!msg)
				continue;
			assert_true(count < 3 && len == strlen(want[count]));
			assert_memory_equal(msg, want[count++], len);
		}
		assert_int_equal(count, 3);
	}
	struct oc_dns_tcp t = {0};
	assert_int_equal(oc_dns_tcp_feed(&t, (const uint8_t *)"\0\0", 2, &msg, &len), -1);
	memset(&t, 0, sizeof(t));
	assert_int_equal(oc_dns_tcp_feed(&t, (const uint8_t *)"\4\xd1", 2, &msg, &len), -1);
	memset(&t, 0, sizeof(t));
	assert_int_equal(oc_dns_tcp_feed(&t, (const uint8_t *)"\4\xd0", 2, &msg, &len), 2);
}

static void test_synth(void **state)
{
	(void)state;
	struct oc_synth *s = oc_synth_new();
	struct oc_addr first, second, a, held;
	char name[64], text[OC_ADDR_TEXT_MAX];

	assert_non_null(s);
	assert_int_equal(oc_synth_give(s, "a.example", 0, &first), 0);
	assert_string_equal(oc_addr_text(&first, text), "198.18.0.1");
	assert_int_equal(oc_synth_give(s, "b.example", 0, &second), 0);
	assert_int_equal(oc_synth_give(s, "a.example", 5, &a), 0);
	assert_true(oc_addr_equal(&a, &first) && !oc_addr_equal(&a, &second));
	assert_string_equal(oc_synth_name(s, &second), "b.example");
	a = oc_addr_v4(198, 18, 0, 3);
	assert_null(oc_synth_name(s, &a));
	assert_int_equal(oc_synth_hold(s, &a, 0), -1);
	a = oc_addr_v4(198, 20, 0, 1);
	assert_false(oc_synth_is(&a));
	assert_null(oc_synth_name(s, &a));
	for (unsigned i = 2; i < OC_SYNTH_NAMES - 1; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		assert_int_equal(oc_synth_give(s, name, 10, &a), 0);
	}
	/* full: nothing is old enough */
	assert_int_equal(oc_synth_give(s, "x.example", 20, &a), -1);
	assert_int_equal(oc_synth_hold(s, &first, 10), 0);
	held = first;
	assert_int_equal(oc_synth_give(s, "x.example", 10 + OC_SYNTH_HOLD, &a), 0);
	/* b.example was the oldest that nobody held; its address means nothing now */
	assert_null(oc_synth_name(s, &second));
	assert_false(oc_addr_equal(&a, &second));
	assert_string_equal(oc_synth_name(s, &a), "x.example");
	assert_string_equal(oc_synth_name(s, &held), "a.example");
	/* years of new names: the held one stays, no address stands for two, all are found again */
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t now = 1000 + (uint64_t)i * OC_SYNTH_HOLD;

		snprintf(name, sizeof(name), "y%u.example", i);
		assert_int_equal(oc_synth_give(s, name, now, &a), 0);
		assert_true(oc_synth_is(&a) && !oc_addr_equal(&a, &held));
		assert_string_equal(oc_synth_name(s, &a), name);
		assert_int_equal(oc_synth_give(s, name, now, &second), 0);
		assert_true(oc_addr_equal(&a, &second));
	}
	assert_string_equal(oc_synth_name(s, &held), "a.example");
	assert_int_equal(oc_synth_count(s), OC_SYNTH_NAMES - 1);
	for (unsigned i = 0, found = 0; i < 1u << 17; i++) {
		uint32_t n = OC_SYNTH_NET + i;
		const char *has;

		a = oc_addr_v4((uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n);
		has = oc_synth_name(s, &a);
		if (has) {
			found++;
			assert_int_equal(oc_synth_give(s, has, 1, &second), 0);
			assert_true(oc_addr_equal(&a, &second));
		}
		if (i == (1u << 17) - 1)
			assert_int_equal(found, oc_synth_count(s));
	}
	oc_synth_release(s, &held, 1);
	oc_synth_release(s, &held, 1); /* once too often */
	oc_synth_free(s);
	oc_synth_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_synth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
