/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules - the egress allowlist: rule text, rule set, decision.
 *
 *   rule  = ["tcp:" | "ech:"] where [":" ports]
 *   where = name | "*." name | IPv4 ["/" bits] | "[" IPv6 "]" ["/" bits]
 *   ports = port-range *("," port-range)        port-range = number ["-" number]
 *
 * Without ports an allow rule is for 80 and 443, a deny rule for all.  "*.name" is everything below name at any depth, not name itself.
 * "tcp:" (ports must be given): the connection is not looked into.  "ech:": an encrypted ClientHello is let through, its outer name is checked.
 * Deny wins.  An empty allowlist is no network.  A rule set is a value: deciding has no side effect and makes no system call.
 * Must never: allow because of something that it could not read, or give an answer without a reason.
 */
#ifndef OC_NETNS_POLICY_RULES_H
#define OC_NETNS_POLICY_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "netns/policy/addr.h"
#include "netns/policy/names.h"

#define OC_EGRESS_RULES_MAX 4096u     /* in one list */
#define OC_EGRESS_TEXT_ALL_MAX (120u << 10) /* all rules of a sandbox in JSON: they travel in one message */
#define OC_EGRESS_PORTS_MAX 16	      /* ranges in one rule */
#define OC_EGRESS_RULE_TEXT_MAX 511u  /* bytes of a rule as it is written, and of its normal form */

enum oc_egress_mode { OC_EGRESS_NONE, OC_EGRESS_ALLOWLIST, OC_EGRESS_OPEN };
/* "none", "allowlist", "open"; -1 for all else. */
int oc_egress_mode_parse(const char *text);
const char *oc_egress_mode_name(enum oc_egress_mode m);

/* Why.  Everything that is written to a decision record; the broker uses those that it finds out itself. */
enum oc_egress_reason {
	OC_EGRESS_ALLOWED,
	/* rules */
	OC_EGRESS_MODE_NONE,		/* the sandbox has no network */
	OC_EGRESS_NO_RULES,		/* the allowlist is empty */
	OC_EGRESS_NAME_NOT_ALLOWED,	/* no allow rule has the name */
	OC_EGRESS_PORT_NOT_ALLOWED,	/* an allow rule has the name or address, none the port */
	OC_EGRESS_ADDRESS_NOT_ALLOWED,	/* an address without a name, and no rule for it */
	OC_EGRESS_DENIED,		/* a deny rule */
	OC_EGRESS_ADDRESS_CLASS,	/* loopback, private, ...: see the answer's class */
	OC_EGRESS_BAD_NAME,		/* not a host name */
	OC_EGRESS_SPECIAL_NAME,		/* mode open: localhost, .local, .internal */
	/* first bytes */
	OC_EGRESS_NO_NAME,		/* a TLS hello without server name, HTTP without Host */
	OC_EGRESS_TWO_NAMES,
	OC_EGRESS_NAME_MISMATCH,	/* another name than the one that was dialled */
	OC_EGRESS_ECH,			/* encrypted ClientHello */
	OC_EGRESS_NOT_TLS_OR_HTTP,
	OC_EGRESS_BAD_TLS,
	OC_EGRESS_BAD_HTTP,
	OC_EGRESS_HTTP2_CLEARTEXT,	/* HTTP/2 with prior knowledge: no name to check */
	OC_EGRESS_FIRST_BYTES_TIMEOUT,	/* the client said nothing, or not enough */
	/* names and connections */
	OC_EGRESS_UNKNOWN_SYNTHETIC,	/* a synthetic address that stands for no name */
	OC_EGRESS_BAD_DNS,		/* a DNS message that cannot be read */
	OC_EGRESS_DNS_TYPE,		/* a type that has no answer here */
	OC_EGRESS_RESOLVE_FAILED,
	OC_EGRESS_NO_SUCH_NAME,		/* allowed, but upstream says that it does not exist */
	OC_EGRESS_CONNECT_FAILED,
	OC_EGRESS_CONNECT_TIMEOUT,
	OC_EGRESS_PROTOCOL,		/* UDP, ICMP, ...: not carried */
	OC_EGRESS_RULE_REMOVED,		/* the rule went away while the connection was open */
	/* limits */
	OC_EGRESS_BUDGET_BYTES,
	OC_EGRESS_BUDGET_CONNECTIONS,
	OC_EGRESS_BUDGET_NAMES,
	OC_EGRESS_LIMIT,		/* a limit of the broker itself */
	OC_EGRESS_REASONS
};
/* For records: "name-not-allowed".  Never NULL. */
const char *oc_egress_reason_id(enum oc_egress_reason r);
/* For people: "no rule allows this name". */
const char *oc_egress_reason_text(enum oc_egress_reason r);

enum oc_egress_kind { OC_EGRESS_EXACT, OC_EGRESS_SUFFIX, OC_EGRESS_CIDR };

struct oc_egress_rule {
	enum oc_egress_kind kind;
	bool deny, tcp, ech;
	uint32_t id;	     /* unique within its set, from 1, never given twice */
	struct oc_addr net;  /* CIDR */
	uint8_t bits;	     /* CIDR */
	uint8_t nports;	     /* at least 1 */
	struct oc_egress_ports {
		uint16_t lo, hi;
	} ports[OC_EGRESS_PORTS_MAX]; /* sorted, none overlap */
	const char *name;	      /* EXACT: the name; SUFFIX: what stands behind "*."; CIDR: "" */
	const char *text;	      /* normal form; parsing it gives the same rule */
};

/* flags of parse and add */
#define OC_EGRESS_RULE_DENY 1u
#define OC_EGRESS_RULE_ECH 2u /* as if "ech:" stood in front (`ech: "allow"` of the configuration) */

/*
 * Read one rule, text[0..len) of any bytes.  *out is one block of memory: free(3) it.  The error quotes the rule.
 */
int oc_egress_rule_parse(const char *text, size_t len, unsigned flags, struct oc_egress_rule **out, struct oc_err *err);
/* One of its ranges has the port. */
bool oc_egress_rule_has_port(const struct oc_egress_rule *r, uint16_t port);
bool oc_egress_rule_has_name(const struct oc_egress_rule *r, const char *name);
/* CIDR: the address, or for a deny rule also the IPv4 address within it. */
bool oc_egress_rule_has_addr(const struct oc_egress_rule *r, const struct oc_addr *a);

struct oc_egress_list {
	struct oc_egress_rule **rule;
	size_t n, cap;
};
/* Zero-initialised: mode none. */
struct oc_egress_rules {
	enum oc_egress_mode mode;
	uint32_t allow_classes; /* allowPrivate: mask of (1u << enum oc_addr_class) */
	uint32_t next_id;
	struct oc_egress_list allow, deny;
};

/*
 * Parse and append to allow or (flags) deny.  A rule that is there already, in its normal form, is not added twice: *out is the old one.
 * out may be NULL.
 */
int oc_egress_rules_add(struct oc_egress_rules *set, const char *text, size_t len, unsigned flags, const struct oc_egress_rule **out,
			struct oc_err *err);
/* Remove by text (in any spelling) from allow or deny; an error if it is not there.  *id (may be NULL) is its id; pointers to it are void. */
int oc_egress_rules_remove(struct oc_egress_rules *set, const char *text, size_t len, unsigned flags, uint32_t *id, struct oc_err *err);
/* The rule of that id or NULL: how to keep a rule over a change of the set. */
const struct oc_egress_rule *oc_egress_rules_find(const struct oc_egress_rules *set, uint32_t id);
/*
 * One element of allowPrivate ("private", "loopback", ... see oc_addr_class_name) into the mask.  Classes that no unicast service can
 * be in, and metadata (a rule with its address must name that), are errors.
 */
int oc_egress_class_add(uint32_t *mask, const char *name, struct oc_err *err);
/* A list that is there but not switched on (mode none) is an error, not an open door. */
int oc_egress_rules_check(const struct oc_egress_rules *set, struct oc_err *err);
void oc_egress_rules_free(struct oc_egress_rules *set);

enum oc_egress_check {
	OC_EGRESS_CHECK_NONE,	 /* tcp: rule, mode open */
	OC_EGRESS_CHECK_NAME,	 /* first bytes must be TLS or HTTP with the dialled name */
	OC_EGRESS_CHECK_ADDRESS, /* CIDR rule: TLS without server name, or HTTP with the address as Host */
};

struct oc_egress_answer {
	bool allowed; /* never true with a reason other than OC_EGRESS_ALLOWED */
	enum oc_egress_reason reason;
	const struct oc_egress_rule *rule; /* that allowed or denied it; NULL if none did */
	enum oc_addr_class addr_class;	   /* of the address, where there is one */
	enum oc_egress_check check;
	bool ech;
};

/*
 * Of several allow rules that match, one with tcp: is taken before one with ech: before one without, then the first: what any rule allows
 * is allowed.  Names are normalised by the callee; what does not normalise is BAD_NAME.
 */

/* May the sandbox know that this name exists: is there any port on which it may be reached? */
void oc_egress_decide_query(const struct oc_egress_rules *set, const char *name, struct oc_egress_answer *out);
/* A connection to a name (that a synthetic address stands for). */
void oc_egress_decide_name(const struct oc_egress_rules *set, const char *name, uint16_t port, struct oc_egress_answer *out);
/* A connection to an address without a name. */
void oc_egress_decide_addr(const struct oc_egress_rules *set, const struct oc_addr *a, uint16_t port, struct oc_egress_answer *out);
/*
 * An address that the name of an allowed connection (named: the answer of decide_name) resolved to.  Refused by a deny rule, or by its class, unless the class
 * is in allow_classes or an allow rule for the address and port names the class.  out has the rule and check of named.
 */
void oc_egress_decide_resolved(const struct oc_egress_rules *set, const struct oc_egress_answer *named, const struct oc_addr *a, uint16_t port,
			       struct oc_egress_answer *out);

#endif
