/* SPDX-License-Identifier: Apache-2.0 */
/* rules - the rule set: what is in it, and what it decides.  Contract in rules.h. */
#include "netns/policy/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netns/policy/synth.h"

/* --- one rule --- */

bool oc_egress_rule_has_port(const struct oc_egress_rule *r, uint16_t port)
{
	for (uint8_t i = 0; i < r->nports; i++)
		if (port >= r->ports[i].lo && port <= r->ports[i].hi)
			return true;
	return false;
}

bool oc_egress_rule_has_name(const struct oc_egress_rule *r, const char *name)
{
	switch (r->kind) {
	case OC_EGRESS_EXACT:
		return strcmp(r->name, name) == 0;
	case OC_EGRESS_SUFFIX:
		return oc_name_below(name, r->name);
	case OC_EGRESS_CIDR:
		break;
	}
	return false;
}

bool oc_egress_rule_has_addr(const struct oc_egress_rule *r, const struct oc_addr *a)
{
	struct oc_addr v4;

	if (r->kind != OC_EGRESS_CIDR)
		return false;
	if (oc_addr_in(a, &r->net, r->bits))
		return true;
	/* What is denied is denied in every wrapping; what is allowed is allowed as it is written. */
	return r->deny && oc_addr_embedded(a, &v4) != OC_ADDR_PLAIN &&
	       oc_addr_in(&v4, &r->net, r->bits);
}

/* --- the set --- */

static struct oc_egress_list *list_of(struct oc_egress_rules *set, unsigned flags)
{
	return flags & OC_EGRESS_RULE_DENY ? &set->deny : &set->allow;
}

static size_t find_text(const struct oc_egress_list *l, const char *text)
{
	size_t i = 0;

	while (i < l->n && strcmp(l->rule[i]->text, text) != 0)
		i++;
	return i;
}

int oc_egress_rules_add(struct oc_egress_rules *set, const char *text, size_t len, unsigned flags,
			const struct oc_egress_rule **out, struct oc_err *err)
{
	struct oc_egress_list *l = list_of(set, flags);
	struct oc_egress_rule *r;
	size_t i;

	if (out)
		*out = NULL;
	if (oc_egress_rule_parse(text, len, flags, &r, err) < 0)
		return -1;
	i = find_text(l, r->text);
	if (i < l->n) {
		free(r);
		if (out)
			*out = l->rule[i];
		return 0;
	}
	if (l->n >= OC_EGRESS_RULES_MAX || set->next_id == UINT32_MAX) {
		free(r);
		oc_fail(err, 0, "more than %u rules in one list", OC_EGRESS_RULES_MAX);
		return oc_err_step(err, "egress");
	}
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 8;
		struct oc_egress_rule **more = realloc(l->rule, cap * sizeof(*more));

		if (!more) {
			free(r);
			oc_fail(err, ENOMEM, "egress rules");
			return oc_err_step(err, "egress");
		}
		l->rule = more;
		l->cap = cap;
	}
	r->id = ++set->next_id;
	l->rule[l->n++] = r;
	if (out)
		*out = r;
	return 0;
}

int oc_egress_rules_remove(struct oc_egress_rules *set, const char *text, size_t len, unsigned flags,
			   uint32_t *id, struct oc_err *err)
{
	struct oc_egress_list *l = list_of(set, flags);
	struct oc_egress_rule *r;
	size_t i;

	if (oc_egress_rule_parse(text, len, flags, &r, err) < 0)
		return -1;
	i = find_text(l, r->text);
	if (i == l->n) {
		oc_fail(err, 0, "there is no %s rule \"%s\"", r->deny ? "deny" : "egress", r->text);
		free(r);
		return oc_err_step(err, "egress");
	}
	free(r);
	if (id)
		*id = l->rule[i]->id;
	free(l->rule[i]);
	memmove(l->rule + i, l->rule + i + 1, (l->n - i - 1) * sizeof(*l->rule));
	l->n--;
	return 0;
}

const struct oc_egress_rule *oc_egress_rules_find(const struct oc_egress_rules *set, uint32_t id)
{
	for (size_t i = 0; i < set->allow.n; i++)
		if (set->allow.rule[i]->id == id)
			return set->allow.rule[i];
	for (size_t i = 0; i < set->deny.n; i++)
		if (set->deny.rule[i]->id == id)
			return set->deny.rule[i];
	return NULL;
}

int oc_egress_class_add(uint32_t *mask, const char *name, struct oc_err *err)
{
	/* Every class that a service can be in; "metadata" hands out credentials. */
	static const uint32_t may = 1u << OC_ADDR_LOOPBACK | 1u << OC_ADDR_PRIVATE | 1u << OC_ADDR_CGNAT |
				    1u << OC_ADDR_LINK_LOCAL | 1u << OC_ADDR_UNIQUE_LOCAL |
				    1u << OC_ADDR_SITE_LOCAL | 1u << OC_ADDR_DOCUMENTATION |
				    1u << OC_ADDR_BENCHMARK | 1u << OC_ADDR_NAT64 | 1u << OC_ADDR_TUNNEL;
	int c = oc_addr_class_parse(name);

	if (c >= 0 && (may & 1u << c)) {
		*mask |= 1u << c;
		return 0;
	}
	if (c == OC_ADDR_METADATA) {
		oc_fail(err, 0, "metadata services hand out the host's credentials");
		oc_err_hint(err, "if that is wanted, write a rule with the address: 169.254.169.254/32:80");
	} else {
		oc_fail(err, 0, "\"%.40s\" is no class of addresses that can be allowed", name);
		oc_err_hint(err, "private, unique-local, cgnat, link-local, loopback, site-local, "
				 "documentation, benchmark, nat64, tunnel");
	}
	return oc_err_step(err, "egress");
}

int oc_egress_rules_check(const struct oc_egress_rules *set, struct oc_err *err)
{
	if (set->mode != OC_EGRESS_NONE || (set->allow.n == 0 && set->deny.n == 0 && set->allow_classes == 0))
		return 0;
	oc_fail(err, 0, "there are egress rules, but the egress mode is \"none\"");
	oc_err_hint(err, "set the mode to \"allowlist\", or remove the rules");
	return oc_err_step(err, "egress");
}

static void list_free(struct oc_egress_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->rule[i]);
	free(l->rule);
	*l = (struct oc_egress_list){0};
}

void oc_egress_rules_free(struct oc_egress_rules *set)
{
	list_free(&set->allow);
	list_free(&set->deny);
}

/* --- decisions --- */

static void refuse(struct oc_egress_answer *out, enum oc_egress_reason reason,
		   const struct oc_egress_rule *rule)
{
	out->allowed = false;
	out->reason = reason;
	out->rule = rule;
	out->check = OC_EGRESS_CHECK_NAME;
	out->ech = false;
}

static void allow(struct oc_egress_answer *out, const struct oc_egress_rules *set,
		  const struct oc_egress_rule *rule, enum oc_egress_check check)
{
	bool free_hand = set->mode == OC_EGRESS_OPEN || rule->tcp;

	out->allowed = true;
	out->reason = OC_EGRESS_ALLOWED;
	out->rule = rule;
	out->check = free_hand ? OC_EGRESS_CHECK_NONE : check;
	out->ech = free_hand || rule->ech;
}

/* The widest of two rules that match: tcp: before ech: before neither, then the first. */
static const struct oc_egress_rule *wider(const struct oc_egress_rule *have,
					  const struct oc_egress_rule *next)
{
	int h, n;

	if (!have)
		return next;
	h = have->tcp ? 2 : have->ech;
	n = next->tcp ? 2 : next->ech;
	return n > h ? next : have;
}

/* Filled and false if the mode decides alone. */
static bool mode_lets(const struct oc_egress_rules *set, struct oc_egress_answer *out)
{
	*out = (struct oc_egress_answer){.check = OC_EGRESS_CHECK_NAME};
	switch (set->mode) {
	case OC_EGRESS_OPEN:
		return true;
	case OC_EGRESS_ALLOWLIST:
		if (set->allow.n > 0)
			return true;
		refuse(out, OC_EGRESS_NO_RULES, NULL);
		return false;
	case OC_EGRESS_NONE:
		break;
	}
	refuse(out, OC_EGRESS_MODE_NONE, NULL);
	return false;
}

/* The deny rule that has the name and the port; *hi: the last port that is denied with it. */
static const struct oc_egress_rule *name_denied(const struct oc_egress_rules *set, const char *name,
						unsigned port, unsigned *hi)
{
	for (size_t i = 0; i < set->deny.n; i++) {
		const struct oc_egress_rule *r = set->deny.rule[i];

		if (!oc_egress_rule_has_name(r, name))
			continue;
		for (uint8_t j = 0; j < r->nports; j++)
			if (port >= r->ports[j].lo && port <= r->ports[j].hi) {
				*hi = r->ports[j].hi;
				return r;
			}
	}
	return NULL;
}

/* NULL if a port of lo..hi is left, else a rule that denies one. */
static const struct oc_egress_rule *range_denied(const struct oc_egress_rules *set, const char *name,
						 unsigned lo, unsigned hi)
{
	const struct oc_egress_rule *deny = NULL;

	while (lo <= hi) {
		unsigned last = 0;

		deny = name_denied(set, name, lo, &last);
		if (!deny)
			return NULL;
		lo = last + 1;
	}
	return deny;
}

void oc_egress_decide_query(const struct oc_egress_rules *set, const char *name,
			    struct oc_egress_answer *out)
{
	const struct oc_egress_rule *best = NULL, *deny = NULL;
	char n[OC_NAME_MAX + 1];

	if (!mode_lets(set, out))
		return;
	if (oc_name_normalize(name, strlen(name), n) < 0) {
		refuse(out, OC_EGRESS_BAD_NAME, NULL);
		return;
	}
	for (size_t i = 0; i < set->allow.n; i++) {
		const struct oc_egress_rule *r = set->allow.rule[i];

		if (!oc_egress_rule_has_name(r, n))
			continue;
		for (uint8_t j = 0; j < r->nports; j++) {
			const struct oc_egress_rule *d =
				range_denied(set, n, r->ports[j].lo, r->ports[j].hi);

			if (d)
				deny = d;
			else
				best = wider(best, r);
		}
	}
	if (best)
		allow(out, set, best, OC_EGRESS_CHECK_NAME);
	else if (set->mode == OC_EGRESS_ALLOWLIST)
		refuse(out, deny ? OC_EGRESS_DENIED : OC_EGRESS_NAME_NOT_ALLOWED, deny);
	else if (oc_name_is_special(n))
		refuse(out, OC_EGRESS_SPECIAL_NAME, NULL);
	else if ((deny = range_denied(set, n, 1, 65535)))
		refuse(out, OC_EGRESS_DENIED, deny);
	else
		*out = (struct oc_egress_answer){.allowed = true, .check = OC_EGRESS_CHECK_NONE, .ech = true};
}

void oc_egress_decide_name(const struct oc_egress_rules *set, const char *name, uint16_t port,
			   struct oc_egress_answer *out)
{
	const struct oc_egress_rule *best = NULL, *deny;
	bool has_name = false;
	char n[OC_NAME_MAX + 1];
	unsigned last;

	if (!mode_lets(set, out))
		return;
	if (oc_name_normalize(name, strlen(name), n) < 0) {
		refuse(out, OC_EGRESS_BAD_NAME, NULL);
		return;
	}
	for (size_t i = 0; i < set->allow.n; i++) {
		const struct oc_egress_rule *r = set->allow.rule[i];

		if (!oc_egress_rule_has_name(r, n))
			continue;
		has_name = true;
		if (oc_egress_rule_has_port(r, port))
			best = wider(best, r);
	}
	deny = name_denied(set, n, port, &last);
	if (port == 0)
		refuse(out, OC_EGRESS_PORT_NOT_ALLOWED, NULL);
	else if (deny)
		refuse(out, OC_EGRESS_DENIED, deny);
	else if (best)
		allow(out, set, best, OC_EGRESS_CHECK_NAME);
	else if (set->mode == OC_EGRESS_ALLOWLIST)
		refuse(out, has_name ? OC_EGRESS_PORT_NOT_ALLOWED : OC_EGRESS_NAME_NOT_ALLOWED, NULL);
	else if (oc_name_is_special(n))
		refuse(out, OC_EGRESS_SPECIAL_NAME, NULL);
	else
		*out = (struct oc_egress_answer){.allowed = true, .check = OC_EGRESS_CHECK_NONE, .ech = true};
}

static const struct oc_egress_rule *addr_denied(const struct oc_egress_rules *set, const struct oc_addr *a,
						uint16_t port)
{
	for (size_t i = 0; i < set->deny.n; i++)
		if (oc_egress_rule_has_addr(set->deny.rule[i], a) &&
		    oc_egress_rule_has_port(set->deny.rule[i], port))
			return set->deny.rule[i];
	return NULL;
}

static bool class_allowed(const struct oc_egress_rules *set, enum oc_addr_class c)
{
	return c == OC_ADDR_PUBLIC || (set->allow_classes & 1u << c);
}

/* The allow rule for the address and port, widest first; *other_port: there is one for another port. */
static const struct oc_egress_rule *addr_allowed(const struct oc_egress_rules *set, const struct oc_addr *a,
						 uint16_t port, enum oc_addr_class c, bool *other_port,
						 bool *other_class)
{
	const struct oc_egress_rule *best = NULL;

	for (size_t i = 0; i < set->allow.n; i++) {
		const struct oc_egress_rule *r = set->allow.rule[i];

		if (!oc_egress_rule_has_addr(r, a))
			continue;
		if (!oc_egress_rule_has_port(r, port))
			*other_port = true;
		else if (!class_allowed(set, c) && !oc_addr_net_names_class(&r->net, r->bits, c))
			*other_class = true;
		else
			best = wider(best, r);
	}
	return best;
}

void oc_egress_decide_addr(const struct oc_egress_rules *set, const struct oc_addr *addr, uint16_t port,
			   struct oc_egress_answer *out)
{
	const struct oc_addr a = oc_addr_unmap(addr);
	const struct oc_egress_rule *best, *deny;
	enum oc_addr_class c = oc_addr_classify(&a);
	bool other_port = false, other_class = false;

	if (!mode_lets(set, out))
		return;
	out->addr_class = c;
	if (port == 0) {
		refuse(out, OC_EGRESS_PORT_NOT_ALLOWED, NULL);
		return;
	}
	deny = addr_denied(set, &a, port);
	if (deny) {
		refuse(out, OC_EGRESS_DENIED, deny);
		return;
	}
	/* Inside a sandbox these are names; whoever asks here had none for it. */
	if (oc_synth_is(&a)) {
		refuse(out, OC_EGRESS_UNKNOWN_SYNTHETIC, NULL);
		return;
	}
	best = addr_allowed(set, &a, port, c, &other_port, &other_class);
	if (best)
		allow(out, set, best, OC_EGRESS_CHECK_ADDRESS);
	else if (set->mode == OC_EGRESS_OPEN && class_allowed(set, c))
		*out = (struct oc_egress_answer){
			.allowed = true, .addr_class = c, .check = OC_EGRESS_CHECK_NONE, .ech = true};
	else if (other_class || set->mode == OC_EGRESS_OPEN)
		refuse(out, OC_EGRESS_ADDRESS_CLASS, NULL);
	else
		refuse(out, other_port ? OC_EGRESS_PORT_NOT_ALLOWED : OC_EGRESS_ADDRESS_NOT_ALLOWED, NULL);
}

void oc_egress_decide_resolved(const struct oc_egress_rules *set, const struct oc_egress_answer *named,
			       const struct oc_addr *addr, uint16_t port, struct oc_egress_answer *out)
{
	const struct oc_addr a = oc_addr_unmap(addr);
	const struct oc_egress_rule *deny;
	bool other_port = false, other_class = false;
	enum oc_addr_class c = oc_addr_classify(&a);

	*out = *named;
	out->addr_class = c;
	if (!named->allowed)
		return;
	deny = addr_denied(set, &a, port);
	if (deny)
		refuse(out, OC_EGRESS_DENIED, deny);
	else if (!class_allowed(set, c) &&
		 !addr_allowed(set, &a, port, c, &other_port, &other_class))
		refuse(out, OC_EGRESS_ADDRESS_CLASS, NULL);
}
