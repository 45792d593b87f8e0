/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule_parse - one rule: from its text to a value, and the text that the value has.
 *
 * Everything that is not exactly the grammar of rules.h is an error that quotes the rule.  A rule that can
 * never match, or that would match far more than its writer can have meant, is one too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns/policy/rules.h"
#include "netns/policy/synth.h"

struct parser {
	const char *text; /* the whole rule */
	size_t len;
	struct oc_err *err;
	bool deny;
};

/* The rule as it may be shown: bytes that a terminal would act on as \xHH, long ones cut. */
static void quote(const char *s, size_t len, char out[256])
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (n > 240) {
			memcpy(out + n, "...", 3);
			n += 3;
			break;
		}
		if (c < 0x20 || c >= 0x7F || c == '\\' || c == '"')
			n += (size_t)snprintf(out + n, 256 - n, "\\x%02x", c);
		else
			out[n++] = (char)c;
	}
	out[n] = '\0';
}

__attribute__((format(printf, 2, 3))) static int bad(const struct parser *p, const char *fmt, ...)
{
	char shown[256];
	va_list ap;

	va_start(ap, fmt);
	oc_vfail(p->err, 0, fmt, ap);
	va_end(ap);
	quote(p->text, p->len, shown);
	oc_err_context(p->err, "%s rule \"%s\"", p->deny ? "deny" : "egress", shown);
	return oc_err_step(p->err, "egress");
}

/* A decimal number without sign, blank and leading zero.  Returns the bytes used, 0 if there is none. */
static size_t number(const char *s, size_t len, unsigned max, unsigned *out)
{
	unsigned n = 0;
	size_t i = 0;

	while (i < len && s[i] >= '0' && s[i] <= '9') {
		n = n * 10 + (unsigned)(s[i++] - '0');
		if (n > max)
			return 0;
	}
	if (i > 1 && s[0] == '0')
		return 0;
	*out = n;
	return i;
}

static void sort_ports(struct oc_egress_rule *r)
{
	uint8_t n = 0;

	for (uint8_t i = 1; i < r->nports; i++)
		for (uint8_t j = i; j > 0 && r->ports[j].lo < r->ports[j - 1].lo; j--) {
			struct oc_egress_ports t = r->ports[j];

			r->ports[j] = r->ports[j - 1];
			r->ports[j - 1] = t;
		}
	for (uint8_t i = 1; i < r->nports; i++) {
		if (r->ports[i].lo > (unsigned)r->ports[n].hi + 1)
			r->ports[++n] = r->ports[i];
		else if (r->ports[i].hi > r->ports[n].hi)
			r->ports[n].hi = r->ports[i].hi;
	}
	r->nports = (uint8_t)(n + 1);
}

static int parse_ports(const struct parser *p, const char *s, size_t len, struct oc_egress_rule *r)
{
	size_t i = 0;

	r->nports = 0;
	for (;;) {
		unsigned lo, hi;
		size_t used = number(s + i, len - i, 65535, &lo);

		if (used == 0 || lo == 0)
			return bad(p, "a port is a number from 1 to 65535");
		i += used;
		hi = lo;
		if (i < len && s[i] == '-') {
			used = number(s + i + 1, len - i - 1, 65535, &hi);
			if (used == 0 || hi < lo)
				return bad(p, "a range of ports is LOW-HIGH, up to 65535");
			i += 1 + used;
		}
		if (r->nports == OC_EGRESS_PORTS_MAX)
			return bad(p, "more than %d ports and ranges", OC_EGRESS_PORTS_MAX);
		r->ports[r->nports++] = (struct oc_egress_ports){(uint16_t)lo, (uint16_t)hi};
		if (i == len)
			break;
		if (s[i++] != ',')
			return bad(p, "behind \":\" go ports: NUMBER[-NUMBER][,NUMBER...]");
	}
	sort_ports(r);
	return 0;
}

static void default_ports(struct oc_egress_rule *r)
{
	if (r->deny) {
		r->ports[0] = (struct oc_egress_ports){1, 65535};
		r->nports = 1;
	} else {
		r->ports[0] = (struct oc_egress_ports){80, 80};
		r->ports[1] = (struct oc_egress_ports){443, 443};
		r->nports = 2;
	}
}

static bool has_default_ports(const struct oc_egress_rule *r)
{
	struct oc_egress_rule d = {.deny = r->deny};

	default_ports(&d);
	return r->nports == d.nports &&
	       memcmp(r->ports, d.ports, d.nports * sizeof(d.ports[0])) == 0;
}

/* What is wrong with a net that was read well. */
static int check_net(const struct parser *p, const struct oc_egress_rule *r)
{
	static const struct oc_addr synth = {.family = 4, .b = {198, 18}};
	unsigned max = r->net.family == 4 ? 32 : 128;
	char text[OC_ADDR_TEXT_MAX];
	struct oc_addr v4;

	if (oc_addr_has_host_bits(&r->net, r->bits)) {
		struct oc_addr net = r->net;

		for (unsigned i = r->bits; i < max; i++)
			net.b[i / 8] &= (uint8_t) ~(0x80u >> (i % 8));
		bad(p, "bits are set behind /%u", r->bits);
		return oc_err_hint(p->err, "the network is %s/%u, the address alone is /%u",
				   oc_addr_text(&net, text), r->bits, max);
	}
	if (r->bits >= 96 && oc_addr_embedded(&r->net, &v4) == OC_ADDR_FORM_MAPPED) {
		bad(p, "an IPv4-mapped address is an IPv4 address");
		return oc_err_hint(p->err, "write %s/%u", oc_addr_text(&v4, text), r->bits - 96u);
	}
	if (r->deny)
		return 0;
	static const enum oc_addr_class never[] = {OC_ADDR_UNSPECIFIED, OC_ADDR_MULTICAST,
						   OC_ADDR_BROADCAST};
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (oc_addr_net_names_class(&r->net, r->bits, never[i]))
			return bad(p, "nothing can be connected to at %s addresses",
				   oc_addr_class_name(never[i]));
	if (r->bits >= OC_SYNTH_BITS && oc_addr_in(&r->net, &synth, OC_SYNTH_BITS))
		return bad(p, "addresses of 198.18.0.0/15 stand for names inside a sandbox");
	return 0;
}

/* s[0..len) is "/bits" or nothing. */
static int parse_bits(const struct parser *p, const char *s, size_t len, struct oc_egress_rule *r)
{
	unsigned max = r->net.family == 4 ? 32 : 128, bits = max;

	if (len > 0 && (s[0] != '/' || number(s + 1, len - 1, max, &bits) != len - 1 || len < 2))
		return bad(p, "behind an IPv%u address goes /0 to /%u", r->net.family, max);
	r->bits = (uint8_t)bits;
	r->kind = OC_EGRESS_CIDR;
	return check_net(p, r);
}

static int bad_name(const struct parser *p, const char *s, size_t len, int error)
{
	char ascii[OC_NAME_MAX + 1];

	if (memchr(s, '*', len)) {
		bad(p, "\"*\" may only be the whole first label");
		return oc_err_hint(p->err, "*.example.com is everything below example.com");
	}
	bad(p, "not a host name: %s", oc_name_error_text(error));
	if (error == OC_NAME_NOT_ASCII) {
		if (oc_name_to_ascii(s, len, ascii) > 0)
			return oc_err_hint(p->err, "write it in its ASCII form, %s", ascii);
		return oc_err_hint(p->err, "write it in its ASCII form (xn--...), which idn2(1) prints");
	}
	if (error == OC_NAME_NUMERIC)
		return oc_err_hint(p->err, "an IPv4 address is four decimal numbers of 0 to 255");
	if (memchr(s, '/', len) || memchr(s, '@', len))
		return oc_err_hint(p->err, "give the host alone, without scheme, user and path");
	if (memchr(s, ',', len))
		return oc_err_hint(p->err, "commas separate ports; every name is a rule of its own");
	return -1;
}

static int parse_name(const struct parser *p, const char *s, size_t len, struct oc_egress_rule *r,
		      char name[OC_NAME_MAX + 1])
{
	int n;

	if (len == 1 && s[0] == '*') {
		bad(p, "\"*\" alone is everything");
		return oc_err_hint(p->err, "egress mode \"open\" is for that");
	}
	r->kind = OC_EGRESS_EXACT;
	if (len >= 2 && s[0] == '*' && s[1] == '.') {
		r->kind = OC_EGRESS_SUFFIX;
		s += 2;
		len -= 2;
	}
	n = oc_name_normalize(s, len, name);
	if (n < 0)
		return bad_name(p, s, len, n);
	/* The longest name below has a label and a dot more. */
	if (r->kind == OC_EGRESS_SUFFIX && n > OC_NAME_MAX - 2)
		return bad(p, "no name below this one can exist: %s",
			   oc_name_error_text(OC_NAME_LONG));
	/* "TCP:22" would be a host called tcp. */
	if (r->kind == OC_EGRESS_EXACT && (strcmp(name, "tcp") == 0 || strcmp(name, "ech") == 0))
		return bad(p, "%s: in front of a rule is lower case, and goes before a host", name);
	if (r->deny)
		return 0;
	if (oc_name_is_localhost(name)) {
		bad(p, "%s is the sandbox itself, and needs no rule", name);
		return oc_err_hint(p->err, "name a service of this host by an address or another name");
	}
	if (r->kind == OC_EGRESS_SUFFIX && oc_name_is_public_suffix(name)) {
		bad(p, "anyone can register a name below %s", name);
		return oc_err_hint(p->err, "name the hosts, or the domain below it: *.example.%s", name);
	}
	/* "com" alone is a slip for something longer; a service's own site (github.io) may be meant. */
	if (r->kind == OC_EGRESS_EXACT && oc_name_is_registry(name)) {
		bad(p, "%s is a public suffix and not a host", name);
		return oc_err_hint(p->err, "name the host below it");
	}
	return 0;
}

/* where[":" ports] */
static int parse_where(const struct parser *p, const char *s, size_t len, struct oc_egress_rule *r,
		       char name[OC_NAME_MAX + 1])
{
	const char *colon, *close, *slash;
	size_t n;

	if (len > 0 && s[0] == '[') {
		close = memchr(s, ']', len);
		if (!close || oc_addr_parse(s + 1, (size_t)(close - s) - 1, &r->net) < 0 ||
		    r->net.family != 6)
			return bad(p, "between [ and ] goes an IPv6 address");
		close++;
		colon = memchr(close, ':', len - (size_t)(close - s));
		n = (colon ? (size_t)(colon - s) : len) - (size_t)(close - s);
		if (parse_bits(p, close, n, r) < 0)
			return -1;
	} else {
		colon = memchr(s, ':', len);
		n = colon ? (size_t)(colon - s) : len;
		if (n + 3 <= len && memcmp(s + n, "://", 3) == 0) {
			bad(p, "this is a URL");
			return oc_err_hint(p->err, "give the host alone, without scheme, user and path");
		}
		if (colon && memchr(colon + 1, ':', len - n - 1)) {
			bad(p, "more than one \":\"");
			return oc_err_hint(p->err, "an IPv6 address goes in brackets: [2001:db8::1]/128:443");
		}
		slash = memchr(s, '/', n);
		if (oc_addr_parse(s, slash ? (size_t)(slash - s) : n, &r->net) == 0) {
			if (parse_bits(p, slash ? slash : s + n, slash ? n - (size_t)(slash - s) : 0,
				       r) < 0)
				return -1;
		} else if (parse_name(p, s, n, r, name) < 0) {
			return -1;
		}
	}
	if (colon)
		return parse_ports(p, colon + 1, len - (size_t)(colon - s) - 1, r);
	if (r->tcp) {
		bad(p, "tcp: needs ports");
		return oc_err_hint(p->err, "80 and 443 speak HTTP and TLS; write tcp:HOST:PORT");
	}
	default_ports(r);
	return 0;
}

static size_t write_text(const struct oc_egress_rule *r, const char *name, char *out, size_t size)
{
	char addr[OC_ADDR_TEXT_MAX];
	size_t n = 0;
	const char *prefix = r->tcp ? "tcp:" : r->ech ? "ech:" : "";

	if (r->kind == OC_EGRESS_CIDR)
		n += (size_t)snprintf(out, size, r->net.family == 4 ? "%s%s/%u" : "%s[%s]/%u", prefix,
				      oc_addr_text(&r->net, addr), r->bits);
	else
		n += (size_t)snprintf(out, size, "%s%s%s", prefix,
				      r->kind == OC_EGRESS_SUFFIX ? "*." : "", name);
	if (has_default_ports(r) && !r->tcp)
		return n;
	for (uint8_t i = 0; i < r->nports; i++) {
		n += (size_t)snprintf(out + n, size - n, "%c%u", i == 0 ? ':' : ',', r->ports[i].lo);
		if (r->ports[i].hi != r->ports[i].lo)
			n += (size_t)snprintf(out + n, size - n, "-%u", r->ports[i].hi);
	}
	return n;
}

int oc_egress_rule_parse(const char *text, size_t len, unsigned flags, struct oc_egress_rule **out,
			 struct oc_err *err)
{
	struct parser p = {.text = text, .len = len, .err = err, .deny = flags & OC_EGRESS_RULE_DENY};
	struct oc_egress_rule r = {.deny = p.deny};
	/* The longest: a prefix, "*.", a name, and 16 ranges of twelve characters. */
	char name[OC_NAME_MAX + 1] = "", normal[OC_EGRESS_RULE_TEXT_MAX + 1], *store;
	size_t n, name_len;

	*out = NULL;
	if (len == 0)
		return bad(&p, "it is empty");
	if (len > OC_EGRESS_RULE_TEXT_MAX)
		return bad(&p, "it is longer than %u bytes", OC_EGRESS_RULE_TEXT_MAX);
	if (len >= 4 && memcmp(text, "tcp:", 4) == 0)
		r.tcp = true;
	else if (len >= 4 && memcmp(text, "ech:", 4) == 0)
		r.ech = true;
	n = r.tcp || r.ech ? 4 : 0;
	if (flags & OC_EGRESS_RULE_ECH)
		r.ech = true;
	if (r.tcp && r.ech)
		return bad(&p, "tcp: looks into nothing, ech is allowed by it already");
	if (r.deny && (r.tcp || r.ech))
		return bad(&p, "a rule that denies has no tcp: and no ech");
	if (parse_where(&p, text + n, len - n, &r, name) < 0)
		return -1;
	n = write_text(&r, name, normal, sizeof(normal));
	name_len = strlen(name);
	*out = malloc(sizeof(r) + name_len + 1 + n + 1);
	if (!*out)
		return bad(&p, "there is no memory for it");
	store = (char *)(*out + 1);
	memcpy(store, name, name_len + 1);
	memcpy(store + name_len + 1, normal, n + 1);
	r.name = store;
	r.text = store + name_len + 1;
	**out = r;
	return 0;
}
