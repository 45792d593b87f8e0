/* SPDX-License-Identifier: Apache-2.0 */
/* dns - RFC 1035 messages, as little of them as can be. */
#include "netns/policy/dns.h"

#include <stdio.h>
#include <string.h>

#define HEADER 12u
#define CLASS_IN 1u
#define CLASS_ANY 255u

/* flags, RFC 1035 4.1.1 and RFC 2535 */
#define QR 0x8000u
#define OPCODE 0x7800u
#define AA 0x0400u
#define TC 0x0200u
#define RD 0x0100u
#define RA 0x0080u
#define CD 0x0010u

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint8_t *put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

/* One label in the text form of RFC 4343: \. \\ and \DDD for what is not printable. */
static size_t show_label(char *out, size_t at, size_t size, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = p[i];

		if (size - at < 5)
			return at;
		if (c == '.' || c == '\\') {
			out[at++] = '\\';
			out[at++] = (char)c;
		} else if (c <= 0x20 || c >= 0x7F) {
			at += (size_t)snprintf(out + at, size - at, "\\%03u", c);
		} else {
			out[at++] = (char)c;
		}
	}
	return at;
}

/* Length of the name at p[at..n) with its root label, 0 if it is malformed; fills name (or rcode) and shown. */
static size_t parse_name(const uint8_t *p, size_t at, size_t n, struct oc_dns_query *q)
{
	char text[256];
	size_t start = at, len = 0, shown = 0;
	bool dot_within = false;

	for (;;) {
		size_t label;

		if (at >= n)
			return 0;
		label = p[at++];
		if (label == 0)
			break;
		/* 0xC0: compressed; 0x40 and 0x80 never came to be (RFC 6891 5). */
		if (label > OC_NAME_LABEL_MAX || n - at < label || at - start + label + 1 > 255)
			return 0;
		if (len > 0) {
			text[len++] = '.';
			if (sizeof(q->shown) - shown > 1)
				q->shown[shown++] = '.';
		}
		dot_within |= memchr(p + at, '.', label) != NULL;
		memcpy(text + len, p + at, label);
		len += label;
		shown = show_label(q->shown, shown, sizeof(q->shown), p + at, label);
		at += label;
	}
	q->shown[shown] = '\0';
	/* "a.b" as one label would read as two. */
	if (dot_within || oc_name_normalize(text, len, q->name) < 0) {
		q->name[0] = '\0';
		q->rcode = OC_DNS_NXDOMAIN;
	}
	if (len == 0)
		memcpy(q->shown, ".", 2);
	return at - start;
}

/*
 * What may stand behind the question: one OPT (RFC 6891), whose options say nothing that matters here, and a
 * signature (TSIG, SIG(0)), which is not answered.
 */
static bool parse_additional(const uint8_t *p, size_t at, size_t n, unsigned count,
			     struct oc_dns_query *q, unsigned *version)
{
	while (count-- > 0) {
		unsigned type, len;

		/* The owner of an OPT is the root; that of a signature is a name without compression. */
		while (at < n && p[at] != 0) {
			if (p[at] > OC_NAME_LABEL_MAX)
				return false;
			at += 1u + p[at];
		}
		if (n < 11 || at > n - 11)
			return false;
		type = get16(p + at + 1);
		len = get16(p + at + 9);
		if (type == OC_DNS_TYPE_OPT) {
			if (q->edns) /* RFC 6891 6.1.1: more than one is FORMERR */
				return false;
			q->edns = true;
			if (get16(p + at + 3) > 512)
				q->udp_size = (uint16_t)get16(p + at + 3);
			*version = p[at + 6];
		}
		at += 11;
		if (n - at < len)
			return false;
		at += len;
	}
	return at == n;
}

static enum oc_dns_verdict error(struct oc_dns_query *q, uint8_t rcode)
{
	q->rcode = rcode;
	q->name[0] = '\0';
	return OC_DNS_ERROR;
}

enum oc_dns_verdict oc_dns_parse(const uint8_t *p, size_t n, struct oc_dns_query *q)
{
	unsigned flags, version = 0;
	size_t len;

	memset(q, 0, sizeof(*q));
	q->udp_size = 512;
	if (n < HEADER)
		return OC_DNS_DROP;
	flags = get16(p + 2);
	/* An answer to an answer is how two servers talk for ever. */
	if (flags & QR)
		return OC_DNS_DROP;
	q->id = (uint16_t)get16(p);
	q->rd = flags & RD;
	q->cd = flags & CD;
	if (flags & OPCODE)
		return error(q, OC_DNS_NOTIMP);
	if (n > OC_DNS_QUERY_MAX || (flags & TC) || get16(p + 4) != 1 || get16(p + 6) != 0 ||
	    get16(p + 8) != 0)
		return error(q, OC_DNS_FORMERR);
	len = parse_name(p, HEADER, n, q);
	if (len == 0 || n - HEADER - len < 4)
		return error(q, OC_DNS_FORMERR);
	q->type = (uint16_t)get16(p + HEADER + len);
	q->class = (uint16_t)get16(p + HEADER + len + 2);
	q->question_len = (uint16_t)(len + 4);
	memcpy(q->question, p + HEADER, q->question_len);
	if (get16(p + 10) > 2 ||
	    !parse_additional(p, HEADER + q->question_len, n, get16(p + 10), q, &version))
		return error(q, OC_DNS_FORMERR);
	if (version != 0)
		return error(q, OC_DNS_BADVERS);
	if (q->class != CLASS_IN && q->class != CLASS_ANY)
		return error(q, OC_DNS_REFUSED); /* CHAOS asks for the version of the server */
	/* Meta types: TKEY, TSIG, zone transfers.  ANY is one type more that has no answer. */
	if (q->type == 0 || q->type == OC_DNS_TYPE_OPT || (q->type >= 249 && q->type <= 254))
		return error(q, OC_DNS_REFUSED);
	return q->name[0] ? OC_DNS_OK : OC_DNS_BAD_NAME;
}

size_t oc_dns_answer(const struct oc_dns_query *q, unsigned rcode, const uint8_t *addr, uint32_t ttl,
		     size_t limit, uint8_t out[OC_DNS_ANSWER_MAX])
{
	size_t len = HEADER + q->question_len + (addr ? 16u : 0u) + (q->edns ? 11u : 0u);
	unsigned flags = QR | AA | RA | (q->rd ? RD : 0) | (q->cd ? CD : 0) | (rcode & 15);
	bool cut = len > limit;
	uint8_t *w = out;

	w = put16(w, q->id);
	w = put16(w, flags | (cut ? TC : 0));
	w = put16(w, q->question_len > 0);
	w = put16(w, addr && !cut);
	w = put16(w, 0);
	w = put16(w, q->edns && !cut);
	if (q->question_len > 0) {
		memcpy(w, q->question, q->question_len);
		w += q->question_len;
	}
	if (cut)
		return (size_t)(w - out);
	if (addr) {
		w = put16(w, 0xC000u | HEADER); /* the name of the question */
		w = put16(w, OC_DNS_TYPE_A);
		w = put16(w, CLASS_IN);
		w = put16(w, ttl >> 16);
		w = put16(w, ttl & 0xFFFF);
		w = put16(w, 4);
		memcpy(w, addr, 4);
		w += 4;
	}
	if (q->edns) {
		*w++ = 0;
		w = put16(w, OC_DNS_TYPE_OPT);
		w = put16(w, OC_DNS_QUERY_MAX);
		*w++ = (uint8_t)(rcode >> 4);
		*w++ = 0; /* version; DO is not echoed: nothing is signed here */
		w = put16(w, 0);
		w = put16(w, 0);
	}
	return (size_t)(w - out);
}

ssize_t oc_dns_tcp_feed(struct oc_dns_tcp *t, const uint8_t *p, size_t n, const uint8_t **msg,
			size_t *len)
{
	size_t used = 0, want;

	*msg = NULL;
	*len = 0;
	/* The message that the last call gave away. */
	if (t->have >= 2 && t->have == 2 + get16(t->buf))
		t->have = 0;
	while (used < n && t->have < 2)
		t->buf[t->have++] = p[used++];
	if (t->have < 2)
		return (ssize_t)used;
	want = get16(t->buf);
	if (want == 0 || want > OC_DNS_QUERY_MAX)
		return -1;
	want = want + 2 - t->have;
	if (want > n - used)
		want = n - used;
	memcpy(t->buf + t->have, p + used, want);
	t->have += want;
	used += want;
	if (t->have == 2 + get16(t->buf)) {
		*msg = t->buf + 2;
		*len = t->have - 2;
	}
	return (ssize_t)used;
}

const char *oc_dns_type_name(uint16_t type, char buf[16])
{
	static const struct {
		uint16_t type;
		const char *name;
	} names[] = {
		{1, "A"},	 {2, "NS"},	{5, "CNAME"}, {6, "SOA"},	 {10, "NULL"},
		{12, "PTR"},	 {13, "HINFO"}, {15, "MX"},   {16, "TXT"},	 {28, "AAAA"},
		{33, "SRV"},	 {35, "NAPTR"}, {43, "DS"},   {44, "SSHFP"},	 {48, "DNSKEY"},
		{52, "TLSA"},	 {64, "SVCB"},	{65, "HTTPS"}, {251, "IXFR"}, {252, "AXFR"},
		{255, "ANY"},	 {257, "CAA"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return names[i].name;
	snprintf(buf, 16, "TYPE%u", type);
	return buf;
}
