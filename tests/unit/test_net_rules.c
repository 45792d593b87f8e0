/* SPDX-License-Identifier: Apache-2.0 */
/* names, rules: the grammar as tables, what is refused and why, and what a set of rules decides. */
#include <stdlib.h>
#include <string.h>

#include "netns/policy/rules.h"
#include "tests/unit/cm.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_names(void **state)
{
	(void)state;
	static const char l63[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	static const struct {
		const char *in, *out; /* out NULL: error */
		int error;
	} t[] = {
		{"Example.COM", "example.com", 0},
		{"example.com.", "example.com", 0},
		{"_acme._tcp.example.com", "_acme._tcp.example.com", 0},
		{"a_b.example", "a_b.example", 0},
		{"r3---sn-x.example", "r3---sn-x.example", 0},
		{"1.2.3.example", "1.2.3.example", 0},
		{"XN--BCHER-KVA.example", "xn--bcher-kva.example", 0},
		{"db", "db", 0},
		{"", NULL, OC_NAME_EMPTY},
		{".", NULL, OC_NAME_LABEL_EMPTY},
		{"..", NULL, OC_NAME_LABEL_EMPTY},
		{".a", NULL, OC_NAME_LABEL_EMPTY},
		{"a..b", NULL, OC_NAME_LABEL_EMPTY},
		{"a.b..", NULL, OC_NAME_LABEL_EMPTY},
		{"a b", NULL, OC_NAME_BYTE},
		{"a%00.example", NULL, OC_NAME_BYTE},
		{"a@b.example", NULL, OC_NAME_BYTE},
		{"a/b", NULL, OC_NAME_BYTE},
		{"a:b", NULL, OC_NAME_BYTE},
		{"a\r\nb", NULL, OC_NAME_BYTE},
		{"*.a", NULL, OC_NAME_BYTE},
		{"b\xc3\xbc" "cher.example", NULL, OC_NAME_NOT_ASCII},
		{"ex\xe3\x80\x82" "ample", NULL, OC_NAME_NOT_ASCII}, /* ideographic full stop */
		{"\xff", NULL, OC_NAME_NOT_ASCII},
		{"-a.example", NULL, OC_NAME_HYPHEN},
		{"a-.example", NULL, OC_NAME_HYPHEN},
		{"a.-", NULL, OC_NAME_HYPHEN},
		{"127.1", NULL, OC_NAME_NUMERIC},
		{"2130706433", NULL, OC_NAME_NUMERIC},
		{"0x7f.1", NULL, OC_NAME_NUMERIC},
		{"a.0x1f", NULL, OC_NAME_NUMERIC},
		{"10.0.0.1", NULL, OC_NAME_NUMERIC},
		{"xn--.example", NULL, OC_NAME_HYPHEN},
		{"xn--a", NULL, OC_NAME_PUNYCODE},
		{"xn--99999999999.example", NULL, OC_NAME_PUNYCODE},
		{"xn--abc-.example", NULL, OC_NAME_HYPHEN},
	};
	char out[OC_NAME_MAX + 1], in[600];

	for (size_t i = 0; i < COUNT(t); i++) {
		int n = oc_name_normalize(t[i].in, strlen(t[i].in), out);

		if (t[i].out ? n < 0 || strcmp(out, t[i].out) != 0 : n != t[i].error || out[0])
			fail_msg("\"%s\": %d \"%s\"", t[i].in, n, out);
	}
	assert_int_equal(oc_name_normalize("a\0b", 3, out), OC_NAME_BYTE);
	assert_int_equal(oc_name_normalize(l63, 63, out), 63);
	snprintf(in, sizeof(in), "%sa.example", l63);
	assert_int_equal(oc_name_normalize(in, strlen(in), out), OC_NAME_LABEL_LONG);
	/* 253 is the end, with and without the dot */
	snprintf(in, sizeof(in), "%s.%s.%s.%.61s.", l63, l63, l63, l63);
	assert_int_equal(oc_name_normalize(in, strlen(in), out), 253);
	snprintf(in, sizeof(in), "%s.%s.%s.%.62s", l63, l63, l63, l63);
	assert_int_equal(oc_name_normalize(in, strlen(in), out), OC_NAME_LONG);
	/* RFC 3492 7.1 and others, in both directions */
	static const struct {
		const char *utf8, *ascii;
	} idn[] = {
		{"b\xc3\xbc" "cher.example", "xn--bcher-kva.example"},
		{"\xe4\xbb\x96\xe4\xbb\xac\xe4\xb8\xba\xe4\xbb\x80\xe4\xb9\x88\xe4\xb8\x8d\xe8\xaf\xb4\xe4\xb8\xad\xe6\x96\x87",
		 "xn--ihqwcrb4cv8a8dqg056pqjye"},
		{"\xd0\xbf\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80.Example", "xn--e1afmkfd.example"},
		{"stra\xc3\x9f" "e.example", "xn--strae-oqa.example"},
	};
	for (size_t i = 0; i < COUNT(idn); i++) {
		assert_int_equal(oc_name_to_ascii(idn[i].utf8, strlen(idn[i].utf8), out), strlen(idn[i].ascii));
		assert_string_equal(out, idn[i].ascii);
	}
	/* upper case would have to be mapped */
	assert_true(oc_name_to_ascii("B\xc3\x9c" "cher", 7, out) < 0);
	assert_true(oc_name_to_ascii("a\xcc\x81.x", 5, out) < 0);
}

static void test_suffix(void **state)
{
	(void)state;
	static const char *const yes[] = {"com", "anything", "co.uk", "com.au", "github.io", "s3.amazonaws.com",
					  "s3.eu-west-1.amazonaws.com", "s3-us-west-2.amazonaws.com",
					  "s3.dualstack.us-east-1.amazonaws.com", "workers.dev", "in-addr.arpa"};
	static const char *const no[] = {"example.com", "bbc.co.uk", "me.github.io", "amazonaws.com",
					 "bucket.s3.amazonaws.com", "s3x.amazonaws.com", "uk.example", "o.uk"};

	for (size_t i = 0; i < COUNT(yes); i++)
		if (!oc_name_is_public_suffix(yes[i]))
			fail_msg("%s", yes[i]);
	for (size_t i = 0; i < COUNT(no); i++)
		if (oc_name_is_public_suffix(no[i]))
			fail_msg("%s", no[i]);
	assert_true(oc_name_is_special("metadata.google.internal"));
	assert_true(oc_name_is_special("x.localhost"));
	assert_true(oc_name_is_special("printer.local"));
	assert_false(oc_name_is_special("local.example"));
	assert_false(oc_name_below("example.com", "example.com"));
	assert_false(oc_name_below("badexample.com", "example.com"));
	assert_true(oc_name_below("a.b.example.com", "example.com"));
}

static void test_rules_read(void **state)
{
	(void)state;
	static const struct {
		const char *in, *text;
		unsigned flags;
	} t[] = {
		{"example.com", "example.com", 0},
		{"Example.COM.", "example.com", 0},
		{"example.com:443", "example.com:443", 0},
		{"example.com:443,80", "example.com", 0},
		{"example.com:8080-8090,8091,22", "example.com:22,8080-8091", 0},
		{"example.com:1-65535", "example.com:1-65535", 0},
		{"example.com:5-9,1-20,7", "example.com:1-20", 0},
		{"*.Example.com", "*.example.com", 0},
		{"*.example.co.uk:443", "*.example.co.uk:443", 0},
		{"tcp:git.example:22", "tcp:git.example:22", 0},
		{"tcp:git.example:80,443", "tcp:git.example:80,443", 0},
		{"tcp:*.example.com:22", "tcp:*.example.com:22", 0},
		{"tcp:10.0.0.0/8:5432", "tcp:10.0.0.0/8:5432", 0},
		{"10.1.2.3", "10.1.2.3/32", 0},
		{"10.1.2.3:8080", "10.1.2.3/32:8080", 0},
		{"0.0.0.0/0:22", "0.0.0.0/0:22", 0},
		{"[2001:DB8:0::1]:443", "[2001:db8::1]/128:443", 0},
		{"[fd00::]/8:5432", "[fd00::]/8:5432", 0},
		{"tcp:[fd00::1]:5432", "tcp:[fd00::1]/128:5432", 0},
		{"169.254.169.254/32:80", "169.254.169.254/32:80", 0},
		{"ech:example.com", "ech:example.com", 0},
		{"example.com", "ech:example.com", OC_EGRESS_RULE_ECH},
		{"db:5432", "db:5432", 0},
		{"github.io", "github.io", 0},
		{"xn--bcher-kva.example", "xn--bcher-kva.example", 0},
		{"*.com", "*.com", OC_EGRESS_RULE_DENY},
		{"evil.example", "evil.example", OC_EGRESS_RULE_DENY},
		{"evil.example:1-65535", "evil.example", OC_EGRESS_RULE_DENY},
		{"224.0.0.0/4", "224.0.0.0/4", OC_EGRESS_RULE_DENY},
	};

	for (size_t i = 0; i < COUNT(t); i++) {
		struct oc_egress_rule *r;
		struct oc_err err = {0};

		if (oc_egress_rule_parse(t[i].in, strlen(t[i].in), t[i].flags, &r, &err) < 0)
			fail_msg("%s", err.msg);
		assert_string_equal(r->text, t[i].text);
		free(r);
	}
}

static void test_rules_refused(void **state)
{
	(void)state;
	static const struct {
		const char *in, *says; /* says: in message or hint */
		unsigned flags;
	} t[] = {
		{"", "empty", 0},
		{"*", "everything", 0},
		{"*:443", "everything", 0},
		{"*.", "empty", 0},
		{"*.*", "first label", 0},
		{"*.*.example.com", "first label", 0},
		{"a.*.example.com", "first label", 0},
		{"*example.com", "first label", 0},
		{"*.com", "anyone can register", 0},
		{"*.co.uk", "anyone can register", 0},
		{"*.localdomain", "anyone can register", 0},
		{"*.github.io:443", "anyone can register", 0},
		{"com", "public suffix", 0},
		{"co.uk", "public suffix", 0},
		{"https://example.com/", "without scheme", 0},
		{"example.com/path", "without scheme", 0},
		{"user@example.com", "without scheme", 0},
		{"exam ple.com", "character", 0},
		{" example.com", "character", 0},
		{"example.com ", "character", 0},
		{"example.com\n", "character", 0},
		{"ex%00.com", "character", 0},
		{"a..example", "label is empty", 0},
		{".example.com", "label is empty", 0},
		{"example.com:", "port", 0},
		{"example.com:0", "port", 0},
		{"example.com:65536", "port", 0},
		{"example.com:080", "port", 0},
		{"example.com:+80", "port", 0},
		{"example.com:80,", "port", 0},
		{"example.com:80-", "range", 0},
		{"example.com:90-80", "range", 0},
		{"example.com:80-90-100", "behind", 0},
		{"example.com:80 ", "behind", 0},
		{"example.com:https", "port", 0},
		{"example.com:1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33", "more than", 0},
		{"tcp:", "empty", 0},
		{"tcp:example.com", "needs ports", 0},
		{"tcp:[fd00::1]", "needs ports", 0},
		{"TCP:22", "lower case", 0},
		{"tcp:ech:example.com:1", "brackets", 0},
		{"udp:example.com:53", "brackets", 0},
		{"tcp:example.com:22", "tcp", OC_EGRESS_RULE_ECH},
		{"tcp:example.com:22", "denies", OC_EGRESS_RULE_DENY},
		{"ech:example.com", "denies", OC_EGRESS_RULE_DENY},
		{"2001:db8::1", "brackets", 0},
		{"[2001:db8::1", "IPv6", 0},
		{"[10.0.0.1]", "IPv6", 0},
		{"[fe80::1%eth0]", "IPv6", 0},
		{"[::1]x:80", "goes /0", 0},
		{"[::1]/129", "goes /0", 0},
		{"10.0.0.0/33", "goes /0", 0},
		{"10.0.0.0/", "goes /0", 0},
		{"10.0.0.0/08", "goes /0", 0},
		{"10.1.2.3/8", "10.0.0.0/8", 0},
		{"[::ffff:10.0.0.1]:80", "10.0.0.1/32", 0},
		{"[::ffff:0:0]/96:80", "0.0.0.0/0", 0},
		{"0.0.0.0/8", "unspecified", 0},
		{"[::]:80", "unspecified", 0},
		{"224.0.0.1", "multicast", 0},
		{"[ff02::1]", "multicast", 0},
		{"255.255.255.255", "broadcast", 0},
		{"198.18.0.0/15", "stand for names", 0},
		{"198.19.3.4:80", "stand for names", 0},
		{"127.1", "four decimal", 0},
		{"2130706433:80", "four decimal", 0},
		{"0x7f.0.0.1", "four decimal", 0},
		{"0177.0.0.1", "four decimal", 0},
		{"010.0.0.1", "four decimal", 0},
		{"1.2.3.4.5", "four decimal", 0},
		{"localhost", "sandbox itself", 0},
		{"*.localhost", "sandbox itself", 0},
		{"b\xc3\xbc" "cher.example", "xn--bcher-kva.example", 0},
		{"B\xc3\x9c" "CHER.example", "idn2", 0},
		{"xn--a.example", "Punycode", 0},
	};
	struct oc_egress_rule *r;
	struct oc_err err;
	char all[1100], lng[700];

	for (size_t i = 0; i < COUNT(t); i++) {
		memset(&err, 0, sizeof(err));
		if (oc_egress_rule_parse(t[i].in, strlen(t[i].in), t[i].flags, &r, &err) == 0)
			fail_msg("\"%s\" is read as %s", t[i].in, r->text);
		assert_null(r);
		snprintf(all, sizeof(all), "%s | %s", err.msg, err.hint);
		if (!strstr(all, t[i].says))
			fail_msg("\"%s\": %s", t[i].in, all);
		/* quoted: the first word of it is there */
		assert_non_null(strstr(err.msg, "rule \""));
		for (const char *p = err.msg; *p; p++)
			assert_true((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7F);
	}
	assert_int_equal(oc_egress_rule_parse("a\0.example", 10, 0, &r, &err), -1);
	assert_non_null(strstr(err.msg, "a\\x00.example"));
	memset(lng, 'a', sizeof(lng));
	assert_int_equal(oc_egress_rule_parse(lng, sizeof(lng), 0, &r, &err), -1);
	assert_non_null(strstr(err.msg, "longer"));
}

static void add(struct oc_egress_rules *set, const char *text, unsigned flags)
{
	struct oc_err err = {0};

	if (oc_egress_rules_add(set, text, strlen(text), flags, NULL, &err) < 0)
		fail_msg("%s", err.msg);
}

static void load(struct oc_egress_rules *set)
{
	*set = (struct oc_egress_rules){.mode = OC_EGRESS_ALLOWLIST};
	add(set, "example.com", 0);
	add(set, "*.example.com:443", 0);
	add(set, "tcp:git.example.com:22", 0);
	add(set, "ech:hidden.example.com", 0);
	add(set, "db.corp.example:5432", 0);
	add(set, "tcp:10.0.0.0/8:5432", 0);
	add(set, "203.0.114.0/24:443", 0);
	add(set, "0.0.0.0/0:9999", 0);
	add(set, "bad.example.com", OC_EGRESS_RULE_DENY);
	add(set, "*.bad.example.com:443", OC_EGRESS_RULE_DENY);
	add(set, "git.example.com:443", OC_EGRESS_RULE_DENY);
	add(set, "203.0.114.128/25", OC_EGRESS_RULE_DENY);
	add(set, "8.8.8.8", OC_EGRESS_RULE_DENY);
}

static void test_decide_names(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t port;
		const char *reason, *rule;
		enum oc_egress_check check;
	} t[] = {
		{"example.com", 443, "allowed", "example.com", OC_EGRESS_CHECK_NAME},
		{"EXAMPLE.com.", 80, "allowed", "example.com", OC_EGRESS_CHECK_NAME},
		{"example.com", 22, "port-not-allowed", NULL, 0},
		{"example.com", 0, "port-not-allowed", NULL, 0},
		{"a.example.com", 443, "allowed", "*.example.com:443", OC_EGRESS_CHECK_NAME},
		{"a.b.c.example.com", 443, "allowed", "*.example.com:443", OC_EGRESS_CHECK_NAME},
		{"a.example.com", 80, "port-not-allowed", NULL, 0},
		{"badexample.com", 443, "name-not-allowed", NULL, 0},
		{"example.com.evil.test", 443, "name-not-allowed", NULL, 0},
		{"com", 443, "name-not-allowed", NULL, 0},
		{"git.example.com", 22, "allowed", "tcp:git.example.com:22", OC_EGRESS_CHECK_NONE},
		{"git.example.com", 443, "denied", "git.example.com:443", 0},
		{"hidden.example.com", 443, "allowed", "ech:hidden.example.com", OC_EGRESS_CHECK_NAME},
		{"bad.example.com", 443, "denied", "bad.example.com", 0},
		{"bad.example.com", 22, "denied", "bad.example.com", 0},
		{"x.bad.example.com", 443, "denied", "*.bad.example.com:443", 0},
		{"a b.example.com", 443, "bad-name", NULL, 0},
		{"", 443, "bad-name", NULL, 0},
		{"10.0.0.1", 5432, "bad-name", NULL, 0},
	};
	static const struct {
		const char *name, *reason;
	} q[] = {
		{"example.com", "allowed"}, {"a.example.com", "allowed"}, {"git.example.com", "allowed"},
		{"bad.example.com", "denied"}, {"x.bad.example.com", "denied"}, {"evil.test", "name-not-allowed"},
		{"localhost", "name-not-allowed"}, {"a..b", "bad-name"},
	};
	struct oc_egress_rules set;
	struct oc_egress_answer a;

	load(&set);
	for (size_t i = 0; i < COUNT(t); i++) {
		oc_egress_decide_name(&set, t[i].name, t[i].port, &a);
		if (strcmp(oc_egress_reason_id(a.reason), t[i].reason) != 0)
			fail_msg("%s:%u is %s", t[i].name, t[i].port, oc_egress_reason_id(a.reason));
		assert_int_equal(a.allowed, strcmp(t[i].reason, "allowed") == 0);
		assert_int_equal(a.rule != NULL, t[i].rule != NULL);
		if (a.rule)
			assert_string_equal(a.rule->text, t[i].rule);
		if (a.allowed)
			assert_int_equal(a.check, t[i].check);
		assert_int_equal(a.ech, a.allowed && (a.rule->ech || a.rule->tcp));
	}
	for (size_t i = 0; i < COUNT(q); i++) {
		oc_egress_decide_query(&set, q[i].name, &a);
		if (strcmp(oc_egress_reason_id(a.reason), q[i].reason) != 0)
			fail_msg("%s is %s", q[i].name, oc_egress_reason_id(a.reason));
	}
	oc_egress_rules_free(&set);
}

static struct oc_addr addr(const char *text)
{
	struct oc_addr a;

	assert_int_equal(oc_addr_parse(text, strlen(text), &a), 0);
	return a;
}

static void test_decide_addresses(void **state)
{
	(void)state;
	static const struct {
		const char *addr;
		uint16_t port;
		const char *reason;
	} t[] = {
		{"10.1.2.3", 5432, "allowed"}, {"::ffff:10.1.2.3", 5432, "allowed"},
		{"10.1.2.3", 5433, "port-not-allowed"}, {"10.1.2.3", 9999, "address-class"},
		{"203.0.114.5", 443, "allowed"}, {"203.0.114.200", 443, "denied"},
		{"1.1.1.1", 9999, "allowed"}, {"8.8.8.8", 9999, "denied"}, {"1.1.1.1", 443, "port-not-allowed"},
		{"127.0.0.1", 9999, "address-class"}, {"169.254.169.254", 9999, "address-class"},
		{"198.18.0.1", 9999, "unknown-synthetic"}, {"224.0.0.1", 9999, "address-class"},
		{"2606:4700::1", 443, "address-not-allowed"}, {"64:ff9b::8.8.8.8", 443, "denied"},
		{"::ffff:8.8.8.8", 9999, "denied"}, {"64:ff9b::a01:203", 5432, "address-not-allowed"},
	};
	static const struct {
		const char *name;
		uint16_t port;
		const char *addr, *reason;
	} r[] = {
		{"example.com", 443, "93.184.216.34", "allowed"},
		{"example.com", 443, "2606:4700::1", "allowed"},
		{"example.com", 443, "127.0.0.1", "address-class"},
		{"example.com", 443, "10.0.0.1", "address-class"},
		{"example.com", 443, "169.254.169.254", "address-class"},
		{"example.com", 443, "::ffff:169.254.169.254", "address-class"},
		{"example.com", 443, "64:ff9b::7f00:1", "address-class"},
		{"example.com", 443, "64:ff9b::8.8.4.4", "address-class"},
		{"example.com", 443, "fd00:ec2::254", "address-class"},
		{"example.com", 443, "0.0.0.0", "address-class"},
		{"example.com", 443, "8.8.8.8", "denied"},
		{"example.com", 443, "2002:808:808::1", "denied"},
		{"db.corp.example", 5432, "10.9.9.9", "allowed"}, /* the rule for the net names it */
		{"db.corp.example", 5432, "192.168.1.1", "address-class"},
	};
	struct oc_egress_rules set;
	struct oc_egress_answer a, named;
	struct oc_err err;

	load(&set);
	for (size_t i = 0; i < COUNT(t); i++) {
		struct oc_addr x = addr(t[i].addr);

		oc_egress_decide_addr(&set, &x, t[i].port, &a);
		if (strcmp(oc_egress_reason_id(a.reason), t[i].reason) != 0)
			fail_msg("%s:%u is %s", t[i].addr, t[i].port, oc_egress_reason_id(a.reason));
		assert_int_equal(a.allowed, strcmp(t[i].reason, "allowed") == 0);
	}
	for (size_t i = 0; i < COUNT(r); i++) {
		struct oc_addr x = addr(r[i].addr);

		oc_egress_decide_name(&set, r[i].name, r[i].port, &named);
		assert_true(named.allowed);
		oc_egress_decide_resolved(&set, &named, &x, r[i].port, &a);
		if (strcmp(oc_egress_reason_id(a.reason), r[i].reason) != 0)
			fail_msg("%s at %s is %s", r[i].name, r[i].addr, oc_egress_reason_id(a.reason));
		assert_int_equal(a.allowed, strcmp(r[i].reason, "allowed") == 0);
		if (a.allowed)
			assert_ptr_equal(a.rule, named.rule);
	}
	/* a refusal stays one, whatever it resolves to */
	struct oc_addr x = addr("93.184.216.34");
	oc_egress_decide_name(&set, "evil.test", 443, &named);
	oc_egress_decide_resolved(&set, &named, &x, 443, &a);
	assert_false(a.allowed);

	assert_int_equal(oc_egress_class_add(&set.allow_classes, "private", &err), 0);
	assert_int_equal(oc_egress_class_add(&set.allow_classes, "metadata", &err), -1);
	assert_int_equal(oc_egress_class_add(&set.allow_classes, "public", &err), -1);
	assert_int_equal(oc_egress_class_add(&set.allow_classes, "multicast", &err), -1);
	assert_int_equal(oc_egress_class_add(&set.allow_classes, "Private", &err), -1);
	oc_egress_decide_name(&set, "example.com", 443, &named);
	x = addr("192.168.1.1");
	oc_egress_decide_resolved(&set, &named, &x, 443, &a);
	assert_true(a.allowed && a.addr_class == OC_ADDR_PRIVATE);
	x = addr("169.254.169.254");
	oc_egress_decide_resolved(&set, &named, &x, 443, &a);
	assert_false(a.allowed);
	oc_egress_rules_free(&set);
}

static void test_modes(void **state)
{
	(void)state;
	struct oc_egress_rules set = {0};
	struct oc_egress_answer a;
	struct oc_err err;
	struct oc_addr x = addr("1.1.1.1");

	/* zero-initialised: nothing */
	oc_egress_decide_name(&set, "example.com", 443, &a);
	assert_true(!a.allowed && a.reason == OC_EGRESS_MODE_NONE);
	assert_int_equal(oc_egress_rules_check(&set, &err), 0);
	add(&set, "example.com", 0);
	oc_egress_decide_name(&set, "example.com", 443, &a);
	assert_false(a.allowed);
	assert_int_equal(oc_egress_rules_check(&set, &err), -1);
	set.mode = OC_EGRESS_ALLOWLIST;
	assert_int_equal(oc_egress_rules_check(&set, &err), 0);
	oc_egress_decide_name(&set, "example.com", 443, &a);
	assert_true(a.allowed);
	uint32_t id = a.rule->id, gone = 0;
	assert_ptr_equal(oc_egress_rules_find(&set, id), a.rule);
	add(&set, "EXAMPLE.com:80,443", 0); /* the same */
	assert_int_equal(set.allow.n, 1);
	assert_int_equal(oc_egress_rules_remove(&set, "Example.com", 11, 0, &gone, &err), 0);
	assert_int_equal(gone, id);
	assert_null(oc_egress_rules_find(&set, id));
	assert_int_equal(oc_egress_rules_remove(&set, "example.com", 11, 0, NULL, &err), -1);
	oc_egress_decide_addr(&set, &x, 443, &a);
	assert_true(!a.allowed && a.reason == OC_EGRESS_NO_RULES);

	set.mode = OC_EGRESS_OPEN;
	oc_egress_decide_name(&set, "example.com", 22, &a);
	assert_true(a.allowed && !a.rule && a.check == OC_EGRESS_CHECK_NONE);
	oc_egress_decide_addr(&set, &x, 22, &a);
	assert_true(a.allowed);
	x = addr("127.0.0.1");
	oc_egress_decide_addr(&set, &x, 22, &a);
	assert_true(!a.allowed && a.reason == OC_EGRESS_ADDRESS_CLASS);
	oc_egress_decide_name(&set, "metadata.google.internal", 80, &a);
	assert_true(!a.allowed && a.reason == OC_EGRESS_SPECIAL_NAME);
	oc_egress_decide_query(&set, "metadata.google.internal", &a);
	assert_false(a.allowed);
	add(&set, "*.com", OC_EGRESS_RULE_DENY);
	oc_egress_decide_name(&set, "example.com", 22, &a);
	assert_true(!a.allowed && a.reason == OC_EGRESS_DENIED);
	oc_egress_decide_query(&set, "example.com", &a);
	assert_false(a.allowed);
	oc_egress_decide_query(&set, "example.org", &a);
	assert_true(a.allowed);
	oc_egress_rules_free(&set);

	for (int r = 0; r < OC_EGRESS_REASONS; r++) {
		assert_non_null(oc_egress_reason_id((enum oc_egress_reason)r));
		assert_non_null(oc_egress_reason_text((enum oc_egress_reason)r));
	}
	assert_int_equal(oc_egress_mode_parse("allowlist"), OC_EGRESS_ALLOWLIST);
	assert_int_equal(oc_egress_mode_parse("Open"), -1);
	assert_int_equal(oc_egress_mode_parse(""), -1);
}

static void test_limit(void **state)
{
	(void)state;
	struct oc_egress_rules set = {.mode = OC_EGRESS_ALLOWLIST};
	struct oc_egress_answer a;
	struct oc_err err;
	char text[64];

	for (unsigned i = 0; i < OC_EGRESS_RULES_MAX; i++) {
		snprintf(text, sizeof(text), "h%u.example", i);
		add(&set, text, 0);
	}
	assert_int_equal(oc_egress_rules_add(&set, "x.example", 9, 0, NULL, &err), -1);
	oc_egress_decide_name(&set, "h4095.example", 443, &a);
	assert_true(a.allowed);
	oc_egress_rules_free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	     cmocka_unit_test(test_suffix),
		cmocka_unit_test(test_rules_read),   cmocka_unit_test(test_rules_refused),
		cmocka_unit_test(test_decide_names), cmocka_unit_test(test_decide_addresses),
		cmocka_unit_test(test_modes),	     cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
