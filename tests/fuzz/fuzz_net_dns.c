/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_net_dns - any bytes as a DNS message, on UDP and cut into pieces on TCP; every answer must be well-formed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netns/policy/dns.h"
#include "tests/fuzz/fuzz_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const uint8_t *p, size_t n, const struct oc_dns_query *q, unsigned rcode, bool addr,
			 size_t limit)
{
	size_t want = 12u + q->question_len;
	bool cut = p[2] & 2;

	FUZZ_CHECK(n <= OC_DNS_ANSWER_MAX && n <= (limit > want ? limit : want) && n >= want);
	FUZZ_CHECK((p[0] << 8 | p[1]) == q->id && (p[2] & 0x80) && (p[3] & 15) == (rcode & 15));
	FUZZ_CHECK(p[5] == (q->question_len > 0) && p[7] == (addr && !cut) && p[9] == 0);
	FUZZ_CHECK(p[11] == (q->edns && !cut));
	FUZZ_CHECK(memcmp(p + 12, q->question, q->question_len) == 0);
	if (!cut)
		FUZZ_CHECK(n == want + (addr ? 16u : 0u) + (q->edns ? 11u : 0u));
}

static void message(const uint8_t *data, size_t size)
{
	static const uint8_t addr[4] = {198, 18, 0, 1};
	static const unsigned rcodes[] = {OC_DNS_NOERROR, OC_DNS_NXDOMAIN, OC_DNS_REFUSED, OC_DNS_SERVFAIL};
	struct oc_dns_query q;
	uint8_t out[OC_DNS_ANSWER_MAX];
	enum oc_dns_verdict v = oc_dns_parse(data, size, &q);
	char again[OC_NAME_MAX + 1];

	FUZZ_CHECK(memchr(q.shown, 0, sizeof(q.shown)) && memchr(q.name, 0, sizeof(q.name)));
	for (const char *s = q.shown; *s; s++)
		FUZZ_CHECK(*s > 0x20 && *s < 0x7F);
	switch (v) {
	case OC_DNS_DROP:
		FUZZ_CHECK(size < 12 || (data[2] & 0x80));
		return;
	case OC_DNS_ERROR:
		FUZZ_CHECK(q.rcode != OC_DNS_NOERROR && !q.name[0]);
		break;
	case OC_DNS_BAD_NAME:
		FUZZ_CHECK(q.rcode == OC_DNS_NXDOMAIN && !q.name[0] && q.question_len > 4);
		break;
	case OC_DNS_OK:
		FUZZ_CHECK(q.name[0] && q.question_len == strlen(q.name) + 2 + 4 && q.udp_size >= 512);
		FUZZ_CHECK(oc_name_normalize(q.name, strlen(q.name), again) > 0 && strcmp(again, q.name) == 0);
		check_answer(out, oc_dns_answer(&q, 0, addr, 60, q.udp_size, out), &q, 0, true, q.udp_size);
		check_answer(out, oc_dns_answer(&q, 0, addr, 60, 40, out), &q, 0, true, 40);
	}
	for (size_t i = 0; i < sizeof(rcodes) / sizeof(rcodes[0]); i++)
		check_answer(out, oc_dns_answer(&q, rcodes[i], NULL, 0, 512, out), &q, rcodes[i], false, 512);
	check_answer(out, oc_dns_answer(&q, q.rcode, NULL, 0, 512, out), &q, q.rcode, false, 512);
}

/* Cut at step bytes: the same messages as in one piece. */
static void stream(const uint8_t *data, size_t size, size_t step)
{
	struct oc_dns_tcp t = {0};
	size_t at = 0, expect = 0;

	while (at < size) {
		size_t n = size - at < step ? size - at : step, len;
		const uint8_t *msg;
		ssize_t used = oc_dns_tcp_feed(&t, data + at, n, &msg, &len);

		if (used < 0)
			return;
		FUZZ_CHECK((size_t)used <= n && (used > 0 || msg));
		at += (size_t)used;
		if (!msg)
			continue;
		FUZZ_CHECK(expect + 2 + len == at && len > 0 && len <= OC_DNS_QUERY_MAX);
		FUZZ_CHECK(memcmp(msg, data + expect + 2, len) == 0);
		message(msg, len);
		expect = at;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		stream(data + 1, size - 1, (size_t)(data[0] >> 1) + 1);
	else
		message(data + 1, size - 1);
	return 0;
}
