/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr - IP addresses as values: their text forms and what each is for.
 *
 * A name on the allowlist says who may be reached, never where: its owner decides what it resolves to.  So every address
 * that comes out of a resolver is put into a class here, and all but "public" is refused unless the operator named it.
 * Text is read strictly: what one program takes for 8 and another for 10 ("010") is no address here.
 * Pure: no system call, no memory, no state.  Must never accept a text that inet_aton(3) and inet_pton(3) read differently.
 */
#ifndef OC_NETNS_POLICY_ADDR_H
#define OC_NETNS_POLICY_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oc_addr {
	uint8_t family; /* 4 or 6; 0: no address */
	uint8_t b[16];	/* network order; of IPv4 the first four, the rest is zero */
};

/* Order is that of the names in addr.c; a set of classes is a mask of (1u << class). */
enum oc_addr_class {
	OC_ADDR_PUBLIC,
	OC_ADDR_UNSPECIFIED,   /* 0.0.0.0/8, :: (connect(2) to either is the host itself) */
	OC_ADDR_LOOPBACK,      /* 127.0.0.0/8, ::1 */
	OC_ADDR_PRIVATE,       /* RFC 1918 */
	OC_ADDR_CGNAT,	       /* 100.64.0.0/10 */
	OC_ADDR_LINK_LOCAL,    /* 169.254.0.0/16, fe80::/10 */
	OC_ADDR_METADATA,      /* instance metadata of cloud providers, inside other ranges */
	OC_ADDR_UNIQUE_LOCAL,  /* fc00::/7 */
	OC_ADDR_SITE_LOCAL,    /* fec0::/10 */
	OC_ADDR_MULTICAST,     /* 224.0.0.0/4, ff00::/8 */
	OC_ADDR_BROADCAST,     /* 255.255.255.255 */
	OC_ADDR_RESERVED,      /* 240.0.0.0/4, protocol assignments, discard, everything outside 2000::/3 */
	OC_ADDR_DOCUMENTATION, /* TEST-NET-1..3, 2001:db8::/32, 3fff::/20 */
	OC_ADDR_BENCHMARK,     /* 198.18.0.0/15, 2001:2::/48 */
	OC_ADDR_NAT64,	       /* 64:ff9b::/96 around a public IPv4 address */
	OC_ADDR_TUNNEL,	       /* 6to4, Teredo, ISATAP, IPv4-compatible, IPv4-translated around a public IPv4 address */
	OC_ADDR_CLASSES
};

/* An IPv4 address within an IPv6 one. */
enum oc_addr_form {
	OC_ADDR_PLAIN,
	OC_ADDR_FORM_MAPPED,	 /* ::ffff:0:0/96: the kernel sends IPv4 */
	OC_ADDR_FORM_TRANSLATED, /* ::ffff:0:0:0/96 */
	OC_ADDR_FORM_COMPATIBLE, /* ::/96 */
	OC_ADDR_FORM_NAT64,	 /* 64:ff9b::/96 */
	OC_ADDR_FORM_6TO4,	 /* 2002::/16 */
	OC_ADDR_FORM_TEREDO,	 /* 2001::/32 */
	OC_ADDR_FORM_ISATAP,	 /* interface id [02]00:5efe, any prefix */
};

/* How every class is named in allowPrivate, in records and messages: "private", "link-local", ... */
const char *oc_addr_class_name(enum oc_addr_class c);
/* The class of that name, or -1. */
int oc_addr_class_parse(const char *name);
const char *oc_addr_form_name(enum oc_addr_form f);

/*
 * What a is for.  An address around an IPv4 address has the class of that, and if that is public: public (mapped), NAT64 or TUNNEL.
 * Nothing at all (family 0) is RESERVED.
 */
enum oc_addr_class oc_addr_classify(const struct oc_addr *a);
/* The form of a and, unless it is PLAIN, the IPv4 address within in *v4 (which may be NULL). */
enum oc_addr_form oc_addr_embedded(const struct oc_addr *a, struct oc_addr *v4);
/* IPv4-mapped becomes IPv4, for that is what the kernel makes of it; all else stays. */
struct oc_addr oc_addr_unmap(const struct oc_addr *a);

/*
 * Literals: four decimal numbers without leading zeros (RFC 6943 3.1.1, "strict"), or the text forms of RFC 4291 2.2
 * without zone and brackets.  All else (octal, hex, fewer parts, one number) is no address: returns -1.
 */
int oc_addr_parse(const char *s, size_t len, struct oc_addr *out);
/* True if some resolver or URL parser might take s for an IPv4 address: the last label is a number, decimal or hex. */
bool oc_addr_looks_numeric(const char *s, size_t len);

/* RFC 5952 text; mapped ones as ::ffff:a.b.c.d.  out is always NUL-terminated. */
#define OC_ADDR_TEXT_MAX 46
const char *oc_addr_text(const struct oc_addr *a, char out[OC_ADDR_TEXT_MAX]);

static inline struct oc_addr oc_addr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct oc_addr){.family = 4, .b = {a, b, c, d}};
}
struct oc_addr oc_addr_v6(const uint8_t b[16]);

bool oc_addr_equal(const struct oc_addr *a, const struct oc_addr *b);
/* True if a is of the family of net and its first bits are those of net.  bits is at most 32 or 128. */
bool oc_addr_in(const struct oc_addr *a, const struct oc_addr *net, unsigned bits);
/* True if bits behind the prefix are set ("10.1.2.3/8"). */
bool oc_addr_has_host_bits(const struct oc_addr *net, unsigned bits);
/*
 * True if net/bits lies wholly within one block that has class c for all of it, so that who wrote it must have meant that class:
 * 10.1.0.0/16 names "private", 0.0.0.0/0 names nothing, and only 169.254.169.254/32 names that metadata address.
 */
bool oc_addr_net_names_class(const struct oc_addr *net, unsigned bits, enum oc_addr_class c);

#endif
