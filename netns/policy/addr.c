/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr - classes of addresses, as one table that the longest matching prefix decides.
 *
 * From the IANA special-purpose registries (RFC 6890 and what was added since), plus addresses at
 * which cloud providers answer with credentials.  Stricter than the registries where a block is
 * globally reachable but nobody's web server is in it (AS112, anycast relays, 2001::/23).
 */
#include "netns/policy/addr.h"

#include <string.h>

struct row4 {
	uint8_t net[4];
	uint8_t bits, class;
};
struct row6 {
	uint16_t net[8];
	uint8_t bits, class;
};

static const struct row4 table4[] = {
	{{0, 0, 0, 0}, 8, OC_ADDR_UNSPECIFIED},
	{{10, 0, 0, 0}, 8, OC_ADDR_PRIVATE},
	{{100, 64, 0, 0}, 10, OC_ADDR_CGNAT},
	{{100, 100, 100, 200}, 32, OC_ADDR_METADATA}, /* Alibaba */
	{{127, 0, 0, 0}, 8, OC_ADDR_LOOPBACK},
	{{168, 63, 129, 16}, 32, OC_ADDR_METADATA}, /* Azure host agent, in a public range */
	{{169, 254, 0, 0}, 16, OC_ADDR_LINK_LOCAL},
	{{169, 254, 0, 23}, 32, OC_ADDR_METADATA},    /* Tencent */
	{{169, 254, 42, 42}, 32, OC_ADDR_METADATA},   /* Scaleway */
	{{169, 254, 169, 254}, 32, OC_ADDR_METADATA}, /* nearly everybody */
	{{169, 254, 170, 2}, 32, OC_ADDR_METADATA},   /* AWS: credentials of a container */
	{{169, 254, 170, 23}, 32, OC_ADDR_METADATA},  /* AWS: credentials of a pod */
	{{172, 16, 0, 0}, 12, OC_ADDR_PRIVATE},
	{{192, 0, 0, 0}, 24, OC_ADDR_RESERVED},	     /* protocol assignments */
	{{192, 0, 0, 192}, 32, OC_ADDR_METADATA},    /* Oracle */
	{{192, 0, 2, 0}, 24, OC_ADDR_DOCUMENTATION}, /* TEST-NET-1 */
	{{192, 31, 196, 0}, 24, OC_ADDR_RESERVED},   /* AS112 */
	{{192, 52, 193, 0}, 24, OC_ADDR_RESERVED},   /* AMT relays */
	{{192, 88, 99, 0}, 24, OC_ADDR_RESERVED},    /* 6to4 relays, RFC 7526 */
	{{192, 168, 0, 0}, 16, OC_ADDR_PRIVATE},
	{{192, 175, 48, 0}, 24, OC_ADDR_RESERVED}, /* AS112 */
	{{198, 18, 0, 0}, 15, OC_ADDR_BENCHMARK},
	{{198, 51, 100, 0}, 24, OC_ADDR_DOCUMENTATION}, /* TEST-NET-2 */
	{{203, 0, 113, 0}, 24, OC_ADDR_DOCUMENTATION},	/* TEST-NET-3 */
	{{224, 0, 0, 0}, 4, OC_ADDR_MULTICAST},
	{{240, 0, 0, 0}, 4, OC_ADDR_RESERVED},
	{{255, 255, 255, 255}, 32, OC_ADDR_BROADCAST},
};

/* What no row has is RESERVED: only 2000::/3 is unicast of the internet (RFC 4291 2.4). */
static const struct row6 table6[] = {
	{{0}, 128, OC_ADDR_UNSPECIFIED},
	{{0, 0, 0, 0, 0, 0, 0, 1}, 128, OC_ADDR_LOOPBACK},
	{{0x64, 0xff9b, 1}, 48, OC_ADDR_RESERVED}, /* NAT64 of one network: means anything */
	{{0x100}, 64, OC_ADDR_RESERVED},	   /* discard */
	{{0x2000}, 3, OC_ADDR_PUBLIC},
	{{0x2001}, 23, OC_ADDR_RESERVED}, /* protocol assignments, ORCHID, AS112, AMT */
	{{0x2001, 2}, 48, OC_ADDR_BENCHMARK},
	{{0x2001, 0xdb8}, 32, OC_ADDR_DOCUMENTATION},
	{{0x2620, 0x4f, 0x8000}, 48, OC_ADDR_RESERVED}, /* AS112 */
	{{0x3fff}, 20, OC_ADDR_DOCUMENTATION},
	{{0x5f00}, 16, OC_ADDR_RESERVED}, /* segment routing */
	{{0xfc00}, 7, OC_ADDR_UNIQUE_LOCAL},
	{{0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42}, 128, OC_ADDR_METADATA},	 /* Scaleway */
	{{0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23}, 128, OC_ADDR_METADATA},	 /* AWS: pods */
	{{0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254}, 128, OC_ADDR_METADATA},	 /* AWS */
	{{0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254}, 128, OC_ADDR_METADATA},	 /* Google */
	{{0xfe80}, 10, OC_ADDR_LINK_LOCAL},
	{{0xfec0}, 10, OC_ADDR_SITE_LOCAL},
	{{0xff00}, 8, OC_ADDR_MULTICAST},
};

/* Prefixes with an IPv4 address at byte `at`; the interface identifiers of ISATAP have no prefix. */
static const struct {
	uint16_t net[8];
	uint8_t bits, form, at;
} forms[] = {
	{{0, 0, 0, 0, 0, 0xffff}, 96, OC_ADDR_FORM_MAPPED, 12},
	{{0, 0, 0, 0, 0xffff, 0}, 96, OC_ADDR_FORM_TRANSLATED, 12},
	{{0}, 96, OC_ADDR_FORM_COMPATIBLE, 12},
	{{0x64, 0xff9b}, 96, OC_ADDR_FORM_NAT64, 12},
	{{0x2002}, 16, OC_ADDR_FORM_6TO4, 2},
	{{0x2001, 0}, 32, OC_ADDR_FORM_TEREDO, 12},
};

static const char *const class_names[OC_ADDR_CLASSES] = {
	[OC_ADDR_PUBLIC] = "public",
	[OC_ADDR_UNSPECIFIED] = "unspecified",
	[OC_ADDR_LOOPBACK] = "loopback",
	[OC_ADDR_PRIVATE] = "private",
	[OC_ADDR_CGNAT] = "cgnat",
	[OC_ADDR_LINK_LOCAL] = "link-local",
	[OC_ADDR_METADATA] = "metadata",
	[OC_ADDR_UNIQUE_LOCAL] = "unique-local",
	[OC_ADDR_SITE_LOCAL] = "site-local",
	[OC_ADDR_MULTICAST] = "multicast",
	[OC_ADDR_BROADCAST] = "broadcast",
	[OC_ADDR_RESERVED] = "reserved",
	[OC_ADDR_DOCUMENTATION] = "documentation",
	[OC_ADDR_BENCHMARK] = "benchmark",
	[OC_ADDR_NAT64] = "nat64",
	[OC_ADDR_TUNNEL] = "tunnel",
};

const char *oc_addr_class_name(enum oc_addr_class c)
{
	return (unsigned)c < OC_ADDR_CLASSES ? class_names[c] : "unknown";
}

int oc_addr_class_parse(const char *name)
{
	for (int c = 0; c < OC_ADDR_CLASSES; c++)
		if (strcmp(name, class_names[c]) == 0)
			return c;
	return -1;
}

const char *oc_addr_form_name(enum oc_addr_form f)
{
	switch (f) {
	case OC_ADDR_FORM_MAPPED:
		return "IPv4-mapped";
	case OC_ADDR_FORM_TRANSLATED:
		return "IPv4-translated";
	case OC_ADDR_FORM_COMPATIBLE:
		return "IPv4-compatible";
	case OC_ADDR_FORM_NAT64:
		return "NAT64";
	case OC_ADDR_FORM_6TO4:
		return "6to4";
	case OC_ADDR_FORM_TEREDO:
		return "Teredo";
	case OC_ADDR_FORM_ISATAP:
		return "ISATAP";
	case OC_ADDR_PLAIN:
		break;
	}
	return "plain";
}

static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ b[bytes]) & (0xFF00u >> rest) & 0xFF) == 0;
}

static void to_bytes(const uint16_t groups[8], uint8_t out[16])
{
	for (int i = 0; i < 8; i++) {
		out[2 * i] = (uint8_t)(groups[i] >> 8);
		out[2 * i + 1] = (uint8_t)groups[i];
	}
}

/* Class of the most specific row that has all of net/bits. */
static enum oc_addr_class row_class(const struct oc_addr *net, unsigned bits)
{
	int best = -1;
	enum oc_addr_class class = net->family == 4 ? OC_ADDR_PUBLIC : OC_ADDR_RESERVED;

	if (net->family == 4) {
		for (size_t i = 0; i < sizeof(table4) / sizeof(table4[0]); i++) {
			const struct row4 *r = &table4[i];

			if (r->bits <= bits && r->bits > best &&
			    prefix_equal(net->b, r->net, r->bits)) {
				best = r->bits;
				class = r->class;
			}
		}
		return class;
	}
	for (size_t i = 0; i < sizeof(table6) / sizeof(table6[0]); i++) {
		const struct row6 *r = &table6[i];
		uint8_t b[16];

		to_bytes(r->net, b);
		if (r->bits <= bits && r->bits > best && prefix_equal(net->b, b, r->bits)) {
			best = r->bits;
			class = r->class;
		}
	}
	return class;
}

enum oc_addr_form oc_addr_embedded(const struct oc_addr *a, struct oc_addr *v4)
{
	enum oc_addr_form form = OC_ADDR_PLAIN;
	struct oc_addr in = {.family = 4};

	if (a->family != 6)
		return OC_ADDR_PLAIN;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) && form == OC_ADDR_PLAIN; i++) {
		uint8_t b[16];

		to_bytes(forms[i].net, b);
		if (!prefix_equal(a->b, b, forms[i].bits))
			continue;
		form = forms[i].form;
		memcpy(in.b, a->b + forms[i].at, 4);
	}
	/* :: and ::1 look IPv4-compatible and are not. */
	if (form == OC_ADDR_FORM_COMPATIBLE && in.b[0] == 0 && in.b[1] == 0 && in.b[2] == 0 &&
	    in.b[3] <= 1)
		return OC_ADDR_PLAIN;
	if (form == OC_ADDR_FORM_TEREDO)
		for (int i = 0; i < 4; i++)
			in.b[i] ^= 0xFF; /* RFC 4380 4: written inverted */
	/* RFC 5214 6.1: 00-00-5E-FE with the u and g bits in any state. */
	if (form == OC_ADDR_PLAIN && (a->b[8] & 0xFC) == 0 && a->b[9] == 0 && a->b[10] == 0x5E &&
	    a->b[11] == 0xFE) {
		form = OC_ADDR_FORM_ISATAP;
		memcpy(in.b, a->b + 12, 4);
	}
	if (form != OC_ADDR_PLAIN && v4)
		*v4 = in;
	return form;
}

enum oc_addr_class oc_addr_classify(const struct oc_addr *a)
{
	struct oc_addr v4;
	enum oc_addr_class outer, inner;
	enum oc_addr_form form;

	if (a->family == 4)
		return row_class(a, 32);
	if (a->family != 6)
		return OC_ADDR_RESERVED;
	outer = row_class(a, 128);
	form = oc_addr_embedded(a, &v4);
	if (form == OC_ADDR_PLAIN)
		return outer;
	/* An ISATAP identifier says nothing about the prefix; the other forms are prefixes. */
	if (form == OC_ADDR_FORM_ISATAP && outer != OC_ADDR_PUBLIC)
		return outer;
	inner = row_class(&v4, 32);
	if (inner != OC_ADDR_PUBLIC || form == OC_ADDR_FORM_MAPPED)
		return inner;
	return form == OC_ADDR_FORM_NAT64 ? OC_ADDR_NAT64 : OC_ADDR_TUNNEL;
}

bool oc_addr_net_names_class(const struct oc_addr *net, unsigned bits, enum oc_addr_class c)
{
	/* One address was written for what it is. */
	if (bits == (net->family == 4 ? 32u : 128u))
		return oc_addr_classify(net) == c;
	return row_class(net, bits) == c;
}

struct oc_addr oc_addr_unmap(const struct oc_addr *a)
{
	struct oc_addr v4;

	return oc_addr_embedded(a, &v4) == OC_ADDR_FORM_MAPPED ? v4 : *a;
}

struct oc_addr oc_addr_v6(const uint8_t b[16])
{
	struct oc_addr a = {.family = 6};

	memcpy(a.b, b, 16);
	return a;
}

bool oc_addr_equal(const struct oc_addr *a, const struct oc_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool oc_addr_in(const struct oc_addr *a, const struct oc_addr *net, unsigned bits)
{
	if (a->family != net->family || bits > (a->family == 4 ? 32u : 128u))
		return false;
	return prefix_equal(a->b, net->b, bits);
}

bool oc_addr_has_host_bits(const struct oc_addr *net, unsigned bits)
{
	unsigned max = net->family == 4 ? 32 : 128;

	for (unsigned i = bits; i < max; i++)
		if (net->b[i / 8] & (0x80u >> (i % 8)))
			return true;
	return false;
}
