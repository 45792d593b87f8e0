/* SPDX-License-Identifier: Apache-2.0 */
/* tls, http, check: first bytes whole, in pieces and in records of every size, and what is refused. */
#include <stdlib.h>
#include <string.h>

#include "netns/policy/check.h"
#include "tests/unit/cm.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- a ClientHello, put together --- */

struct bytes {
	uint8_t b[OC_TLS_STREAM_MAX * 2];
	size_t n;
};

static void put(struct bytes *o, const void *p, size_t n)
{
	assert_true(o->n + n <= sizeof(o->b));
	memcpy(o->b + o->n, p, n);
	o->n += n;
}

static void put_be(struct bytes *o, unsigned bytes, size_t v)
{
	while (bytes-- > 0) {
		uint8_t c = (uint8_t)(v >> 8 * bytes);

		put(o, &c, 1);
	}
}

static void ext(struct bytes *o, unsigned type, const void *p, size_t n)
{
	put_be(o, 2, type);
	put_be(o, 2, n);
	put(o, p, n);
}

static void sni(struct bytes *o, const char *name)
{
	size_t n = strlen(name);

	put_be(o, 2, 0);
	put_be(o, 2, n + 5);
	put_be(o, 2, n + 3);
	put_be(o, 1, 0);
	put_be(o, 2, n);
	put(o, name, n);
}

/* The message around extensions (NULL: none at all). */
static void hello(struct bytes *o, const struct bytes *exts)
{
	size_t len = 2 + 32 + 1 + 32 + 2 + 6 + 2 + (exts ? 2 + exts->n : 0);

	o->n = 0;
	put_be(o, 1, 1);
	put_be(o, 3, len);
	put_be(o, 2, 0x0303);
	for (int i = 0; i < 32; i++)
		put_be(o, 1, (size_t)i);
	put_be(o, 1, 32);
	for (int i = 0; i < 32; i++)
		put_be(o, 1, 7);
	put_be(o, 2, 6);
	put(o, "\x0a\x0a\x13\x01\xc0\x2f", 6);
	put(o, "\x01\0", 2);
	if (exts) {
		put_be(o, 2, exts->n);
		put(o, exts->b, exts->n);
	}
}

static void records(struct bytes *o, const struct bytes *msg, size_t size)
{
	o->n = 0;
	for (size_t i = 0; i < msg->n; i += size) {
		size_t n = msg->n - i < size ? msg->n - i : size;

		put(o, "\x16\x03\x01", 3);
		put_be(o, 2, n);
		put(o, msg->b + i, n);
	}
}

/* Shown step bytes at a time from copies that end where they end. */
static enum oc_first read_tls(const struct bytes *s, size_t step, struct oc_tls_hello *out, struct oc_tls_reader *r)
{
	enum oc_first v = OC_FIRST_MORE;

	memset(r, 0, sizeof(*r));
	for (size_t n = 0; n < s->n && v == OC_FIRST_MORE;) {
		uint8_t *copy;

		n = s->n - n < step ? s->n : n + step;
		copy = malloc(n);
		memcpy(copy, s->b, n);
		v = oc_tls_read(r, copy, n, out);
		free(copy);
	}
	return v;
}

static struct bytes exts, msg, stream;
static struct oc_tls_hello out;
static struct oc_tls_reader reader;

static enum oc_first tls(void)
{
	hello(&msg, &exts);
	records(&stream, &msg, 16384);
	exts.n = 0;
	return read_tls(&stream, SIZE_MAX / 2, &out, &reader);
}

static void test_tls_good(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 50, 16384}, steps[] = {1, 2, 5, 6, 100, 100000};

	ext(&exts, 0x1a1a, "", 0);
	sni(&exts, "Www.Example.COM");
	ext(&exts, 16, "\0\x0c\x02h2\x08http/1.1", 14);
	ext(&exts, 0x2a2a, "\0", 1);
	hello(&msg, &exts);
	for (size_t i = 0; i < COUNT(sizes); i++)
		for (size_t j = 0; j < COUNT(steps); j++) {
			records(&stream, &msg, sizes[i]);
			size_t len = stream.n;
			put(&stream, "\x17\x03\x03\0\x05", 5); /* early data is not looked at */
			assert_int_equal(read_tls(&stream, steps[j], &out, &reader), OC_FIRST_OK);
			assert_string_equal(out.name, "www.example.com");
			assert_true(out.has_name && !out.ech && out.alpn_h2 && out.alpn_http1 && !out.alpn_other);
			assert_int_equal(out.length, len);
		}
	/* all but the last byte is never enough */
	records(&stream, &msg, 16384);
	stream.n--;
	assert_int_equal(read_tls(&stream, 1, &out, &reader), OC_FIRST_MORE);
	/* longer than a record: a hello of 40,000 bytes */
	put_be(&exts, 2, 21);
	put_be(&exts, 2, 40000);
	memset(exts.b + exts.n, 0, 40000);
	exts.n += 40000;
	ext(&exts, 0xfe0d, "x", 1);
	assert_int_equal(tls(), OC_FIRST_OK);
	assert_true(out.ech);
	assert_string_equal(out.name, "www.example.com");
	/* without any extension */
	hello(&msg, NULL);
	records(&stream, &msg, 16384);
	assert_int_equal(read_tls(&stream, 9, &out, &reader), OC_FIRST_OK);
	assert_false(out.has_name);
	ext(&exts, 0xffce, "x", 1);
	assert_int_equal(tls(), OC_FIRST_OK);
	assert_true(out.ech && !out.has_name);
}

static void bad(const char *why)
{
	enum oc_first v = tls();

	if (v != OC_FIRST_BAD || !strstr(reader.why, why))
		fail_msg("%d (%s), not \"%s\"", v, reader.why ? reader.why : "", why);
}

static void test_tls_bad(void **state)
{
	(void)state;
	static const char *const names[] = {"", "a b", "a\r\nb", "a..b", "10.0.0.1", "127.1", "\xc3\xbc.example", "*.example", "a/b"};

	sni(&exts, "a.example");
	sni(&exts, "a.example");
	bad("twice");
	assert_true(reader.two_names);
	ext(&exts, 0x1a1a, "", 0);
	ext(&exts, 0x1a1a, "", 0);
	bad("twice");
	assert_false(reader.two_names);
	ext(&exts, 0, "\0\x08\0\0\1a\0\0\1b", 10);
	bad("more than one name");
	assert_true(reader.two_names);
	ext(&exts, 0, "\0\x04\0\0\1", 5); /* list longer than the extension */
	bad("malformed");
	ext(&exts, 0, "\0\x04\1\0\1a", 6); /* another type */
	bad("malformed");
	ext(&exts, 0, "", 0);
	bad("malformed");
	ext(&exts, 0, "\0\x05\0\0\1aX", 7);
	bad("more than one");
	ext(&exts, 0, "\0\x04\0\0\1aX", 7);
	bad("malformed");
	ext(&exts, 0, "\0\x06\0\0\3a\0b", 8);
	bad("not a host name");
	ext(&exts, 16, "\0\x01\0", 3);
	bad("ALPN");
	for (size_t i = 0; i < COUNT(names); i++) {
		sni(&exts, names[i]);
		bad(i == 0 ? "malformed" : "not a host name");
	}
	put(&exts, "\0\x2b\0\x09\1", 5);
	bad("longer than the message");
	for (unsigned i = 0; i <= OC_TLS_EXTENSIONS_MAX; i++)
		ext(&exts, 100 + i, "", 0);
	bad("too many");
	put(&exts, "\0\x15\xff\xff", 4);
	exts.n += 0xffff;
	bad("too long");

	/* records */
	static const struct {
		const char *p;
		size_t n;
		enum oc_first v;
		const char *why;
	} t[] = {
		{"G", 1, OC_FIRST_OTHER, NULL},
		{"\x16\x02", 2, OC_FIRST_OTHER, NULL},
		{"\x80\x2e\x01\x03\x01", 5, OC_FIRST_OTHER, NULL}, /* SSL 2 */
		{"\x15\x03\x01\0\2\2\x28", 7, OC_FIRST_OTHER, NULL},
		{"\x16\x03\x01\0\0", 5, OC_FIRST_BAD, "empty"},
		{"\x16\x03\x01\x40\x01", 5, OC_FIRST_BAD, "too long"},
		{"\x16\x03\x01\0\x04\x02", 6, OC_FIRST_BAD, "no ClientHello"},
		{"\x16\x03\x01\0\1\1\x14\x03\x03\0\1\1", 12, OC_FIRST_BAD, "another record"},
		{"\x16\x03\x01\0\1\1\x16\x04", 8, OC_FIRST_BAD, "version"},
		{"\x16\x03\x01\0\4\1\1\0\0", 9, OC_FIRST_BAD, "too long"},
		{"\x16\x03\x01\0\4\1\0\0\0", 9, OC_FIRST_BAD, "too short"},
		{"\x16\x03\x01\0\5\1\0\0\0\0", 10, OC_FIRST_BAD, "another message"},
		{"\x16\x03\x01\0", 4, OC_FIRST_MORE, NULL},
	};
	for (size_t i = 0; i < COUNT(t); i++)
		for (size_t step = 1; step < 20; step += 18) {
			stream.n = 0;
			put(&stream, t[i].p, t[i].n);
			if (read_tls(&stream, step, &out, &reader) != t[i].v ||
			    (t[i].why && !strstr(reader.why, t[i].why)))
				fail_msg("record %zu: %s", i, reader.why ? reader.why : "");
		}
	/* a thousand bytes of handshake for every five of header, for ever */
	hello(&msg, NULL);
	msg.b[1] = 0;
	msg.b[2] = 0xbf;
	msg.n = 12000;
	records(&stream, &msg, 1);
	assert_true(stream.n > OC_TLS_STREAM_MAX);
	assert_int_equal(read_tls(&stream, 1000, &out, &reader), OC_FIRST_BAD);
}

static void test_http(void **state)
{
	(void)state;
#define H "Host: a.example\r\n"
	static const struct {
		const char *head;
		enum oc_first v;
		const char *says; /* BAD: why; OK: host */
	} t[] = {
		{"GET / HTTP/1.1\r\n" H "\r\n", OC_FIRST_OK, "a.example"},
		{"GET / HTTP/1.0\r\nhOsT:A.Example.:8080 \t\r\n\r\nbody\0", OC_FIRST_OK, "a.example"},
		{"POST /a?b HTTP/1.1\r\nX: y\r\n" H "Content-Length: 1\r\n\r\nx", OC_FIRST_OK, "a.example"},
		{"GET http://a.example/x HTTP/1.1\r\n" H "\r\n", OC_FIRST_OK, "a.example"},
		{"GET HTTP://A.example:80?x HTTP/1.1\r\n" H "\r\n", OC_FIRST_OK, "a.example"},
		{"OPTIONS * HTTP/1.1\r\n" H "\r\n", OC_FIRST_OK, "a.example"},
		{"CONNECT a.example:443 HTTP/1.1\r\n" H "\r\n", OC_FIRST_OK, "a.example"},
		{"GET / HTTP/1.1\r\nX: \xff\xfe\r\n" H "\r\n", OC_FIRST_OK, "a.example"},
		{"GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n", OC_FIRST_OK, ""},
		{"GET / HTTP/1.1\r\n" H, OC_FIRST_MORE, NULL},
		{"GET / HTTP/1.1\r\n" H "\r", OC_FIRST_MORE, NULL},
		{"GET", OC_FIRST_MORE, NULL},
		{"GET / HTTP/1.1\r\n\r\n", OC_FIRST_BAD, "no Host"},
		{"GET http://a.example/ HTTP/1.1\r\n\r\n", OC_FIRST_BAD, "no Host"},
		{"GET / HTTP/1.1\r\nHost:\r\n\r\n", OC_FIRST_BAD, "empty"},
		{"GET / HTTP/1.1\r\nHost: \t \r\n\r\n", OC_FIRST_BAD, "empty"},
		{"GET / HTTP/1.1\r\n" H H "\r\n", OC_FIRST_BAD, "more than one"},
		{"GET / HTTP/1.1\r\n" H "hOST: b.example\r\n\r\n", OC_FIRST_BAD, "more than one"},
		{"GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n", OC_FIRST_BAD, "no host"},
		{"GET / HTTP/1.1\r\nHost: a.example b\r\n\r\n", OC_FIRST_BAD, "no host"},
		{"GET / HTTP/1.1\r\nHost: u@a.example\r\n\r\n", OC_FIRST_BAD, "no host"},
		{"GET / HTTP/1.1\r\nHost: a.example:\r\n\r\n", OC_FIRST_BAD, "no host"},
		{"GET / HTTP/1.1\r\nHost: a.example:99999\r\n\r\n", OC_FIRST_BAD, "no host"},
		{"GET / HTTP/1.1\r\nHost: a.example%00.b\r\n\r\n", OC_FIRST_BAD, "no host"},
		{"GET / HTTP/1.1\r\nHost: 127.1\r\n\r\n", OC_FIRST_BAD, "no host"},
		{"GET / HTTP/1.1\r\nHost : a.example\r\n\r\n", OC_FIRST_BAD, "blank in front"},
		{"GET / HTTP/1.1\r\nX: y\r\n Host: b.example\r\n" H "\r\n", OC_FIRST_BAD, "folded"},
		{"GET / HTTP/1.1\r\n\tHost: b.example\r\n" H "\r\n", OC_FIRST_BAD, "folded"},
		{"GET / HTTP/1.1\r\n: y\r\n" H "\r\n", OC_FIRST_BAD, "no name"},
		{"GET / HTTP/1.1\r\nnothing\r\n" H "\r\n", OC_FIRST_BAD, "no name"},
		{"GET / HTTP/1.1\n" H "\r\n", OC_FIRST_BAD, "LF alone"},
		{"GET / HTTP/1.1\r\nX: y\nHost: b.example\r\n" H "\r\n", OC_FIRST_BAD, "LF alone"},
		{"GET / HTTP/1.1\r\nX: y\rHost: b.example\r\n" H "\r\n", OC_FIRST_BAD, "CR within"},
		{"GET / HTTP/1.1\r\nX: y\r\r\n" H "\r\n", OC_FIRST_BAD, "CR within"},
		{"GET / HTTP/1.1\r\nX: \x01\r\n" H "\r\n", OC_FIRST_BAD, "control"},
		{"GET http://b.example/ HTTP/1.1\r\n" H "\r\n", OC_FIRST_BAD, "different"},
		{"GET http://a.example@b.example/ HTTP/1.1\r\n" H "\r\n", OC_FIRST_BAD, "no host"},
		{"GET http://a.example\\@b.example/ HTTP/1.1\r\n" H "\r\n", OC_FIRST_BAD, "no host"},
		{"GET http:///x HTTP/1.1\r\n" H "\r\n", OC_FIRST_BAD, "no host"},
		{"GET ftp://a.example/ HTTP/1.1\r\n" H "\r\n", OC_FIRST_BAD, "none of the forms"},
		{"GET * HTTP/1.1\r\n" H "\r\n", OC_FIRST_BAD, "none of the forms"},
		{"GET a.example HTTP/1.1\r\n" H "\r\n", OC_FIRST_BAD, "none of the forms"},
		{"CONNECT b.example:443 HTTP/1.1\r\n" H "\r\n", OC_FIRST_BAD, "different"},
		{"CONNECT a.example HTTP/1.1\r\n" H "\r\n", OC_FIRST_BAD, "CONNECT"},
		{"GET / x HTTP/1.1\r\n" H "\r\n", OC_FIRST_BAD, "blank too many"},
		{"GET  HTTP/1.1\r\n" H "\r\n", OC_FIRST_BAD, "no target"},
		{"GET HTTP/1.1\r\n" H "\r\n", OC_FIRST_BAD, "no target"},
		{"GET / HTTP/1.2\r\n" H "\r\n", OC_FIRST_BAD, "not HTTP/1.0"},
		{"GET / HTTP/2.0\r\n" H "\r\n", OC_FIRST_BAD, "not HTTP/1"},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", OC_FIRST_BAD, "not HTTP/1"},
		{"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", OC_FIRST_OTHER, NULL},
		{"EHLO a.example\r\n", OC_FIRST_OTHER, NULL},
		{"GET /\r\n", OC_FIRST_OTHER, NULL},
		{"\r\nGET / HTTP/1.1\r\n", OC_FIRST_OTHER, NULL},
		{"\x01", OC_FIRST_OTHER, NULL},
		{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", OC_FIRST_OTHER, NULL},
	};

	for (size_t i = 0; i < COUNT(t); i++) {
		size_t len = strlen(t[i].head);

		for (size_t step = 1; step <= len; step = step == len ? len + 1 : step * 7 < len ? step * 7 : len) {
			struct oc_http_reader r = {0};
			struct oc_http_head head;
			enum oc_first v = OC_FIRST_MORE;

			for (size_t n = 0; n < len && v == OC_FIRST_MORE;) {
				uint8_t *copy;

				n = len - n < step ? len : n + step;
				copy = malloc(n);
				memcpy(copy, t[i].head, n);
				v = oc_http_read(&r, copy, n, &head);
				free(copy);
			}
			if (v != t[i].v || (v == OC_FIRST_BAD && !strstr(r.why, t[i].says)))
				fail_msg("\"%s\" by %zu: %d %s", t[i].head, step, v, r.why ? r.why : "");
			if (v == OC_FIRST_OK)
				assert_string_equal(head.host.name, t[i].says);
		}
	}
	/* NUL, and a head without end */
	struct oc_http_reader r = {0};
	struct oc_http_head head;
	assert_int_equal(oc_http_read(&r, (const uint8_t *)"GET /\0 HTTP/1.1\r\n", 17, &head), OC_FIRST_BAD);
	size_t n = OC_HTTP_HEAD_MAX + 10;
	uint8_t *big = malloc(n);
	memset(big, 'a', n);
	memcpy(big, "GET /", 5);
	memset(&r, 0, sizeof(r));
	assert_int_equal(oc_http_read(&r, big, OC_HTTP_HEAD_MAX - 1, &head), OC_FIRST_MORE);
	assert_int_equal(oc_http_read(&r, big, OC_HTTP_HEAD_MAX, &head), OC_FIRST_BAD);
	free(big);
}

static enum oc_egress_reason check(enum oc_egress_check kind, bool ech, const char *name, const char *addr,
				   const void *p, size_t n)
{
	struct oc_egress_answer a = {.allowed = true, .check = kind, .ech = ech};
	struct oc_check c = {0};
	enum oc_egress_reason reason;
	struct oc_addr x = {0};
	enum oc_first v;

	if (addr)
		assert_int_equal(oc_addr_parse(addr, strlen(addr), &x), 0);
	v = oc_check_read(&c, &a, name, addr ? &x : NULL, p, n, &reason);
	assert_true(v == OC_FIRST_OK || v == OC_FIRST_BAD);
	assert_int_equal(v == OC_FIRST_OK, reason == OC_EGRESS_ALLOWED);
	return reason;
}

static void test_check(void **state)
{
	(void)state;
	static const char get[] = "GET / HTTP/1.1\r\n" H "\r\n", ip[] = "GET / HTTP/1.1\r\nHost: 10.0.0.1:81\r\n\r\n";
	struct oc_check c = {0};
	struct oc_egress_answer no = {.reason = OC_EGRESS_DENIED}, yes = {.allowed = true, .check = OC_EGRESS_CHECK_NAME};
	enum oc_egress_reason why;
	const enum oc_egress_check name = OC_EGRESS_CHECK_NAME, address = OC_EGRESS_CHECK_ADDRESS;

	assert_int_equal(check(name, false, "a.example", NULL, get, sizeof(get) - 1), OC_EGRESS_ALLOWED);
	assert_int_equal(check(name, false, "b.example", NULL, get, sizeof(get) - 1), OC_EGRESS_NAME_MISMATCH);
	assert_int_equal(check(name, false, "", NULL, ip, sizeof(ip) - 1), OC_EGRESS_NAME_MISMATCH);
	assert_int_equal(check(name, false, "a.example", NULL, ip, sizeof(ip) - 1), OC_EGRESS_NAME_MISMATCH);
	assert_int_equal(check(address, false, NULL, "10.0.0.1", ip, sizeof(ip) - 1), OC_EGRESS_ALLOWED);
	assert_int_equal(check(address, false, NULL, "10.0.0.2", ip, sizeof(ip) - 1), OC_EGRESS_NAME_MISMATCH);
	assert_int_equal(check(address, false, NULL, "10.0.0.1", get, sizeof(get) - 1), OC_EGRESS_NAME_MISMATCH);
	assert_int_equal(check(address, false, NULL, NULL, get, sizeof(get) - 1), OC_EGRESS_NAME_MISMATCH);
	assert_int_equal(check(name, false, "a.example", NULL, "SSH-2.0-x y\r\n", 13), OC_EGRESS_NOT_TLS_OR_HTTP);
	assert_int_equal(check(OC_EGRESS_CHECK_NONE, false, NULL, NULL, "", 0), OC_EGRESS_ALLOWED);
	assert_int_equal(check(name, false, "a.example", NULL, "PRI * HTTP/2.0\r\n\r\n", 18), OC_EGRESS_HTTP2_CLEARTEXT);
	assert_int_equal(check(name, false, "a.example", NULL, "GET / HTTP/1.1\r\n\r\n", 18), OC_EGRESS_NO_NAME);
	sni(&exts, "a.example");
	tls();
	assert_int_equal(check(name, false, "a.example", NULL, stream.b, stream.n), OC_EGRESS_ALLOWED);
	assert_int_equal(check(name, false, "b.example", NULL, stream.b, stream.n), OC_EGRESS_NAME_MISMATCH);
	assert_int_equal(check(address, false, NULL, "10.0.0.1", stream.b, stream.n), OC_EGRESS_NAME_MISMATCH);
	sni(&exts, "a.example");
	ext(&exts, 0xfe0d, "x", 1);
	tls();
	assert_int_equal(check(name, false, "a.example", NULL, stream.b, stream.n), OC_EGRESS_ECH);
	assert_int_equal(check(name, true, "a.example", NULL, stream.b, stream.n), OC_EGRESS_ALLOWED);
	assert_int_equal(check(name, true, "b.example", NULL, stream.b, stream.n), OC_EGRESS_NAME_MISMATCH);
	ext(&exts, 16, "\0\3\2h2", 5);
	tls();
	assert_int_equal(check(name, false, "a.example", NULL, stream.b, stream.n), OC_EGRESS_NO_NAME);
	assert_int_equal(check(address, false, NULL, "10.0.0.1", stream.b, stream.n), OC_EGRESS_ALLOWED);
	sni(&exts, "a.example");
	sni(&exts, "b.example");
	tls();
	assert_int_equal(check(name, false, "a.example", NULL, stream.b, stream.n), OC_EGRESS_TWO_NAMES);

	assert_int_equal(oc_check_read(&c, &yes, "a.example", NULL, (const uint8_t *)"", 0, &why), OC_FIRST_MORE);
	assert_int_equal(oc_check_read(&c, &yes, "a.example", NULL, (const uint8_t *)"G", 1, &why), OC_FIRST_MORE);
	assert_int_equal(oc_check_read(&c, &no, "a.example", NULL, (const uint8_t *)"G", 1, &why), OC_FIRST_BAD);
	assert_int_equal(why, OC_EGRESS_DENIED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_good),
		cmocka_unit_test(test_tls_bad),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
