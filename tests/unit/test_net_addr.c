/* SPDX-License-Identifier: Apache-2.0 */
/* addr: every spelling of an address, every class, and a million random addresses against a second implementation. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "netns/policy/addr.h"
#include "tests/unit/cm.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_classes(void **state)
{
	(void)state;
	static const struct {
		const char *text, *class;
	} t[] = {
		{"8.8.8.8", "public"},
		{"0.0.0.0", "unspecified"},
		{"0.255.255.255", "unspecified"},
		{"1.0.0.0", "public"},
		{"9.255.255.255", "public"},
		{"10.0.0.0", "private"},
		{"10.255.255.255", "private"},
		{"11.0.0.0", "public"},
		{"100.63.255.255", "public"},
		{"100.64.0.0", "cgnat"},
		{"100.100.100.200", "metadata"},
		{"100.127.255.255", "cgnat"},
		{"100.128.0.0", "public"},
		{"126.255.255.255", "public"},
		{"127.0.0.1", "loopback"},
		{"127.255.255.255", "loopback"},
		{"128.0.0.0", "public"},
		{"168.63.129.16", "metadata"},
		{"169.253.255.255", "public"},
		{"169.254.0.1", "link-local"},
		{"169.254.169.254", "metadata"},
		{"169.254.169.253", "link-local"},
		{"169.254.170.2", "metadata"},
		{"169.255.0.0", "public"},
		{"172.15.255.255", "public"},
		{"172.16.0.0", "private"},
		{"172.31.255.255", "private"},
		{"172.32.0.0", "public"},
		{"191.255.255.255", "public"},
		{"192.0.0.1", "reserved"},
		{"192.0.0.192", "metadata"},
		{"192.0.1.0", "public"},
		{"192.0.2.1", "documentation"},
		{"192.31.196.1", "reserved"},
		{"192.52.193.1", "reserved"},
		{"192.88.99.1", "reserved"},
		{"192.88.100.1", "public"},
		{"192.167.255.255", "public"},
		{"192.168.0.0", "private"},
		{"192.169.0.0", "public"},
		{"192.175.48.1", "reserved"},
		{"198.17.255.255", "public"},
		{"198.18.0.0", "benchmark"},
		{"198.19.255.255", "benchmark"},
		{"198.20.0.0", "public"},
		{"198.51.100.7", "documentation"},
		{"203.0.113.7", "documentation"},
		{"203.0.114.0", "public"},
		{"223.255.255.255", "public"},
		{"224.0.0.251", "multicast"},
		{"239.255.255.255", "multicast"},
		{"240.0.0.0", "reserved"},
		{"255.255.255.254", "reserved"},
		{"255.255.255.255", "broadcast"},
		{"::", "unspecified"},
		{"::1", "loopback"},
		{"::2", "unspecified"}, /* 0.0.0.2, IPv4-compatible */
		{"2606:4700::1111", "public"},
		{"2000::", "public"},
		{"3fff:0fff::", "documentation"},
		{"3fff:1000::", "public"},
		{"4000::", "reserved"},
		{"1fff::", "reserved"},
		{"5f00::1", "reserved"},
		{"100::1", "reserved"},
		{"2001::", "broadcast"}, /* Teredo, 0 inverted */
		{"2001:0:1:2:3:4:f7f7:f7f7", "tunnel"}, /* Teredo of 8.8.8.8 */
		{"2001:0:1:2:3:4:f5ff:fffe", "private"}, /* Teredo of 10.0.0.1 */
		{"2001:1::1", "reserved"},
		{"2001:2::1", "benchmark"},
		{"2001:2:1::1", "reserved"},
		{"2001:3::1", "reserved"},
		{"2001:4:112::1", "reserved"},
		{"2001:10::1", "reserved"},
		{"2001:20::1", "reserved"},
		{"2001:30::1", "reserved"},
		{"2001:1ff::1", "reserved"},
		{"2001:200::1", "public"},
		{"2001:db8::1", "documentation"},
		{"2001:db9::1", "public"},
		{"2620:4f:8000::1", "reserved"},
		{"64:ff9b::8.8.8.8", "nat64"},
		{"64:ff9b::10.0.0.1", "private"},
		{"64:ff9b::169.254.169.254", "metadata"},
		{"64:ff9b::127.0.0.1", "loopback"},
		{"64:ff9b:0:1::8.8.8.8", "reserved"},
		{"64:ff9b:1::8.8.8.8", "reserved"},
		{"64:ff9b:1:ffff::1", "reserved"},
		{"::ffff:8.8.8.8", "public"},
		{"::ffff:127.0.0.1", "loopback"},
		{"::ffff:7f00:1", "loopback"},
		{"::ffff:169.254.169.254", "metadata"},
		{"::ffff:0:8.8.8.8", "tunnel"},
		{"::ffff:0:10.0.0.1", "private"},
		{"::8.8.8.8", "tunnel"},
		{"::127.0.0.1", "loopback"},
		{"::a9fe:a9fe", "metadata"},
		{"2002:808:808::1", "tunnel"},
		{"2002:7f00:1::", "loopback"},
		{"2002:c0a8:101::1", "private"},
		{"2002:a9fe:a9fe::", "metadata"},
		{"2606:4700::5efe:808:808", "tunnel"},
		{"2606:4700::200:5efe:808:808", "tunnel"},
		{"2606:4700::100:5efe:10.0.0.1", "private"},
		{"2606:4700::300:5efe:7f00:1", "loopback"},
		{"2606:4700::400:5efe:7f00:1", "public"},
		{"fe80::5efe:808:808", "link-local"},
		{"fe80::1", "link-local"},
		{"febf:ffff::1", "link-local"},
		{"fec0::1", "site-local"},
		{"feff::1", "site-local"},
		{"fe00::1", "reserved"},
		{"fbff::1", "reserved"},
		{"fc00::1", "unique-local"},
		{"fdff::1", "unique-local"},
		{"fd00:ec2::254", "metadata"},
		{"fd00:ec2::253", "unique-local"},
		{"fd20:ce::254", "metadata"},
		{"ff02::fb", "multicast"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"},
	};

	for (size_t i = 0; i < COUNT(t); i++) {
		struct oc_addr a;

		if (oc_addr_parse(t[i].text, strlen(t[i].text), &a) < 0)
			fail_msg("%s is not read", t[i].text);
		if (strcmp(oc_addr_class_name(oc_addr_classify(&a)), t[i].class) != 0)
			fail_msg("%s is %s, not %s", t[i].text,
				 oc_addr_class_name(oc_addr_classify(&a)), t[i].class);
	}
}

/* What inet_aton(3), URL parsers and resolvers read as an address and this must not. */
static void test_not_literals(void **state)
{
	(void)state;
	static const char *const t[] = {
		"",	       ".",		"1",		   "127.1",	      "127.0.1",
		"2130706433",  "0x7f000001",	"017700000001",	   "0x7f.1",	      "0177.0.0.1",
		"127.0.0.01",  "127.0.0.1.",	"127.0.0.1 ",	   " 127.0.0.1",      "127.0.0.256",
		"127..0.1",    "127.0.0.",	".127.0.0.1",	   "127.0.0.1.1",     "0x7f.0x0.0x0.0x1",
		"00.0.0.0",    "+1.2.3.4",	"1.2.3.-4",	   "1.2.3.4/32",      "1.2.3.4:80",
		"1,2,3,4",     "127.0.0.0x1",	"1e1.1.1.1",	   "0000127.0.0.1",   "[::1]",
		"::1%lo",      "::1%251",	":::",		   ":",		      ":1",
		"1:",	       "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4::5:6:7:8", "1::2::3",
		"12345::",     "g::",		"::1.2.3",	   "::1.2.3.4.5",     "::01.2.3.4",
		"::256.1.1.1", "1.2.3.4::",	"::1.2.3.4:5",	   "1:2:3:4:5:6:7:1.2.3.4", "::ffff:0x7f.1",
		"::1 ",	       "0:0:0:0:0:0:0:0:", "::0x1",
	};
	struct oc_addr a;

	for (size_t i = 0; i < COUNT(t); i++)
		if (oc_addr_parse(t[i], strlen(t[i]), &a) == 0)
			fail_msg("\"%s\" is read as an address", t[i]);
	assert_int_equal(oc_addr_parse("127.0.0.1\0", 10, &a), -1);
	assert_int_equal(oc_addr_parse("1\0.0.0.1", 8, &a), -1);
}

static void test_numeric(void **state)
{
	(void)state;
	static const char *const yes[] = {"1", "127.1", "2130706433", "0x7f000001", "0x", "a.0x1f", "x.09",
					  "017700000001", "127.0.0.1.", "a.b.12"};
	static const char *const no[] = {"", ".", "a", "1a", "0xg", "1.a", "x0.1x", "12.example"};

	for (size_t i = 0; i < COUNT(yes); i++)
		assert_true(oc_addr_looks_numeric(yes[i], strlen(yes[i])));
	for (size_t i = 0; i < COUNT(no); i++)
		assert_false(oc_addr_looks_numeric(no[i], strlen(no[i])));
}

static void test_text(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} t[] = {
		{"1:0:0:2:0:0:0:3", "1:0:0:2::3"}, {"0:0:0:0:0:0:0:0", "::"},
		{"1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0"}, {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"1:0:0:0:0:0:0:0", "1::"}, {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
		{"::FFFF:102:304", "::ffff:1.2.3.4"}, {"::1", "::1"}, {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
	};
	char text[OC_ADDR_TEXT_MAX];
	struct oc_addr a;

	for (size_t i = 0; i < COUNT(t); i++) {
		assert_int_equal(oc_addr_parse(t[i].in, strlen(t[i].in), &a), 0);
		assert_string_equal(oc_addr_text(&a, text), t[i].out);
	}
}

/* --- the second implementation: an address as a text of 0 and 1, the table as texts --- */

struct bits_row {
	const char *net;
	int bits;
	const char *class;
};

/* The table of the specification, in its order of precedence: the first that fits. */
static const struct bits_row naive4[] = {
	{"255.255.255.255", 32, "broadcast"}, {"169.254.169.254", 32, "metadata"},
	{"169.254.170.2", 32, "metadata"},    {"169.254.170.23", 32, "metadata"},
	{"169.254.0.23", 32, "metadata"},     {"169.254.42.42", 32, "metadata"},
	{"100.100.100.200", 32, "metadata"},  {"168.63.129.16", 32, "metadata"},
	{"192.0.0.192", 32, "metadata"},      {"0.0.0.0", 8, "unspecified"},
	{"10.0.0.0", 8, "private"},	      {"172.16.0.0", 12, "private"},
	{"192.168.0.0", 16, "private"},	      {"100.64.0.0", 10, "cgnat"},
	{"127.0.0.0", 8, "loopback"},	      {"169.254.0.0", 16, "link-local"},
	{"192.0.0.0", 24, "reserved"},	      {"192.0.2.0", 24, "documentation"},
	{"198.51.100.0", 24, "documentation"}, {"203.0.113.0", 24, "documentation"},
	{"192.88.99.0", 24, "reserved"},      {"192.31.196.0", 24, "reserved"},
	{"192.52.193.0", 24, "reserved"},     {"192.175.48.0", 24, "reserved"},
	{"198.18.0.0", 15, "benchmark"},      {"224.0.0.0", 4, "multicast"},
	{"240.0.0.0", 4, "reserved"},	      {NULL, 0, "public"},
};
static const struct bits_row naive6[] = {
	{"::", 128, "unspecified"},	   {"::1", 128, "loopback"},
	{"::ffff:0:0", 96, "4:96:mapped"}, {"::ffff:0:0:0", 96, "4:96:tunnel"},
	{"::", 96, "4:96:tunnel"},	   {"64:ff9b::", 96, "4:96:nat64"},
	{"2002::", 16, "4:16:tunnel"},	   {"2001::", 32, "4:inverted"},
	{"fd00:ec2::254", 128, "metadata"}, {"fd00:ec2::23", 128, "metadata"},
	{"fd20:ce::254", 128, "metadata"}, {"fd00:42::42", 128, "metadata"},
	{"fe80::", 10, "link-local"},	   {"fc00::", 7, "unique-local"},
	{"fec0::", 10, "site-local"},	   {"ff00::", 8, "multicast"},
	{"2001:2::", 48, "benchmark"},	   {"2001:db8::", 32, "documentation"},
	{"3fff::", 20, "documentation"},   {"2001::", 23, "reserved"},
	{"2620:4f:8000::", 48, "reserved"}, {"2000::", 3, "isatap?"},
	{NULL, 0, "reserved"},
};

static void bits_of(const uint8_t *b, int bytes, char out[129])
{
	for (int i = 0; i < bytes * 8; i++)
		out[i] = (b[i / 8] >> (7 - i % 8)) & 1 ? '1' : '0';
	out[bytes * 8] = '\0';
}

struct naive_row {
	char bits[129];
	const char *class;
};
static struct naive_row rows4[COUNT(naive4)], rows6[COUNT(naive6)];

static void load(const struct bits_row *from, size_t n, int family, struct naive_row *to)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t b[16] = {0};

		to[i].class = from[i].class;
		if (!from[i].net)
			continue;
		assert_int_equal(inet_pton(family, from[i].net, b), 1);
		bits_of(b, family == AF_INET ? 4 : 16, to[i].bits);
		to[i].bits[from[i].bits] = '\0';
	}
}

static const char *naive_lookup(const struct naive_row *rows, const char *bits)
{
	while (strncmp(bits, rows->bits, strlen(rows->bits)) != 0)
		rows++;
	return rows->class;
}

static const char *naive_class(const char *bits)
{
	char four[33] = "";
	const char *c, *inner;

	if (strlen(bits) == 32)
		return naive_lookup(rows4, bits);
	c = naive_lookup(rows6, bits);
	if (strcmp(c, "isatap?") == 0) {
		/* 000000xx 00000000 0101111011111110 in the interface identifier */
		if (strncmp(bits + 64, "000000", 6) != 0 ||
		    strncmp(bits + 72, "00000000" "01011110" "11111110", 24) != 0)
			return "public";
		c = "4:96:tunnel";
	}
	if (strncmp(c, "4:", 2) != 0)
		return c;
	memcpy(four, bits + (strncmp(c, "4:16:", 5) == 0 ? 16 : 96), 32);
	if (strcmp(c, "4:inverted") == 0) {
		for (int i = 0; i < 32; i++)
			four[i] = four[i] == '0' ? '1' : '0';
		c = "4:96:tunnel";
	}
	inner = naive_lookup(rows4, four);
	if (strcmp(inner, "public") != 0 || strcmp(c + 5, "mapped") == 0)
		return inner;
	return c + 5;
}

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* Half of them anywhere, half within or next to a row of the table: random bits alone would never meet one. */
static void random_address(uint64_t *s, struct oc_addr *a)
{
	uint64_t r = next_random(s);
	int v6 = r & 1;

	memset(a, 0, sizeof(*a));
	a->family = v6 ? 6 : 4;
	for (int i = 0; i < (v6 ? 16 : 4); i++)
		a->b[i] = (uint8_t)(next_random(s) >> 24);
	if (r & 2) {
		const char *bits = v6 ? rows6[(r >> 8) % COUNT(rows6)].bits : rows4[(r >> 8) % COUNT(rows4)].bits;
		size_t n = strlen(bits);

		for (size_t i = 0; i < n; i++) {
			a->b[i / 8] = (uint8_t)(a->b[i / 8] & ~(0x80 >> i % 8));
			if (bits[i] == '1')
				a->b[i / 8] = (uint8_t)(a->b[i / 8] | 0x80 >> i % 8);
		}
		if ((r & 4) && n > 0) /* the neighbour */
			a->b[(n - 1) / 8] = (uint8_t)(a->b[(n - 1) / 8] ^ 0x80 >> (n - 1) % 8);
	}
	if (v6 && (r & 8)) { /* with an interesting IPv4 address at one of the places for it */
		const char *bits = rows4[(r >> 20) % COUNT(rows4)].bits;
		int at = (r & 16) ? 12 : 2, flip = (r & 32) ? 0xFF : 0;

		for (size_t i = 0; bits[i]; i++) {
			uint8_t *b = &a->b[(size_t)at + i / 8];

			*b = (uint8_t)(*b & ~(0x80 >> i % 8));
			if ((bits[i] == '1') != (flip != 0))
				*b = (uint8_t)(*b | 0x80 >> i % 8);
		}
	}
	if (v6 && (r & 0xC0) == 0xC0)
		memcpy(a->b + 8, "\x02\x00\x5e\xfe", 4);
}

static void test_random(void **state)
{
	(void)state;
	uint64_t seed = 0x9E3779B97F4A7C15u;
	unsigned seen[OC_ADDR_CLASSES] = {0};
	char bits[129], text[OC_ADDR_TEXT_MAX], theirs[INET6_ADDRSTRLEN];

	load(naive4, COUNT(naive4), AF_INET, rows4);
	load(naive6, COUNT(naive6), AF_INET6, rows6);
	for (int i = 0; i < 1000000; i++) {
		struct oc_addr a, back;
		enum oc_addr_class c;
		uint8_t b[16];

		random_address(&seed, &a);
		bits_of(a.b, a.family == 4 ? 4 : 16, bits);
		c = oc_addr_classify(&a);
		seen[c]++;
		oc_addr_text(&a, text);
		if (strcmp(oc_addr_class_name(c), naive_class(bits)) != 0)
			fail_msg("%s: %s, and the second implementation says %s", text,
				 oc_addr_class_name(c), naive_class(bits));
		/* and the text against the C library's */
		assert_int_equal(inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, b), 1);
		assert_memory_equal(b, a.b, a.family == 4 ? 4 : 16);
		inet_ntop(a.family == 4 ? AF_INET : AF_INET6, a.b, theirs, sizeof(theirs));
		assert_int_equal(oc_addr_parse(theirs, strlen(theirs), &back), 0);
		assert_true(oc_addr_equal(&a, &back));
	}
	for (int c = 0; c < OC_ADDR_CLASSES; c++)
		assert_true(seen[c] > 100);
}

/* Texts made of the pieces of addresses: exactly what inet_pton(3) takes is taken. */
static void test_same_as_libc(void **state)
{
	(void)state;
	static const char *const piece[] = {"0", "1", "10", "255", "256", "01", "00", ".", ".", ".", ":", ":",
					    "::", "ffff", "f", "12345", "G", "1.2.3.4", "127.0.0.1", "%", "x", " "};
	uint64_t seed = 88172645463325252u;
	unsigned taken = 0;

	for (int i = 0; i < 1000000; i++) {
		unsigned n = (unsigned)(next_random(&seed) % 17) + 1;
		char text[128] = "";
		size_t len = 0;
		struct oc_addr a;
		uint8_t b[16] = {0};
		int family, ours, theirs;

		for (unsigned j = 0; j < n; j++) {
			const char *s = piece[(next_random(&seed) >> 16) % COUNT(piece)];

			memcpy(text + len, s, strlen(s) + 1);
			len += strlen(s);
		}
		family = strchr(text, ':') ? AF_INET6 : AF_INET;
		ours = oc_addr_parse(text, len, &a) == 0;
		theirs = inet_pton(family, text, b) == 1;
		if (ours != theirs)
			fail_msg("\"%s\": %d, and inet_pton says %d", text, ours, theirs);
		if (ours)
			assert_memory_equal(a.b, b, 16);
		taken += (unsigned)ours;
	}
	assert_true(taken > 1000);
}

static void test_names_class(void **state)
{
	(void)state;
	static const struct {
		const char *net;
		unsigned bits;
		enum oc_addr_class c;
		int yes;
	} t[] = {
		{"10.0.0.0", 8, OC_ADDR_PRIVATE, 1}, {"10.1.2.3", 32, OC_ADDR_PRIVATE, 1},
		{"0.0.0.0", 0, OC_ADDR_PRIVATE, 0}, {"8.0.0.0", 6, OC_ADDR_PRIVATE, 0},
		{"169.254.0.0", 16, OC_ADDR_LINK_LOCAL, 1}, {"169.254.0.0", 16, OC_ADDR_METADATA, 0},
		{"169.254.169.254", 32, OC_ADDR_METADATA, 1}, {"169.254.169.254", 31, OC_ADDR_METADATA, 0},
		{"127.0.0.1", 32, OC_ADDR_LOOPBACK, 1}, {"fd00::", 8, OC_ADDR_UNIQUE_LOCAL, 1},
		{"::", 0, OC_ADDR_UNIQUE_LOCAL, 0}, {"64:ff9b::a00:1", 128, OC_ADDR_PRIVATE, 1},
	};

	for (size_t i = 0; i < COUNT(t); i++) {
		struct oc_addr a;

		assert_int_equal(oc_addr_parse(t[i].net, strlen(t[i].net), &a), 0);
		if (oc_addr_net_names_class(&a, t[i].bits, t[i].c) != t[i].yes)
			fail_msg("%s/%u and %s", t[i].net, t[i].bits, oc_addr_class_name(t[i].c));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),	    cmocka_unit_test(test_not_literals),
		cmocka_unit_test(test_numeric),	    cmocka_unit_test(test_text),
		cmocka_unit_test(test_random),	    cmocka_unit_test(test_same_as_libc),
		cmocka_unit_test(test_names_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
