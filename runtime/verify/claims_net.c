/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claims_net - what a plan with a network promises about it.
 *
 * Names and addresses to try are asked of the plan's own rules: what they do not allow must be
 * refused, and the broker must have said why.  None of them is anybody's (RFC 2606, 5737, 3849).
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "runtime/verify/claims.h"

static void read_rules(const struct oc_plan_egress *p, struct oc_egress_rules *set)
{
	struct oc_err ignored; /* they were parsed when the plan was built */

	set->mode = p->mode;
	for (size_t i = 0; i < p->allow_count; i++)
		(void)oc_egress_rules_add(set, p->allow[i].text, strlen(p->allow[i].text), 0, NULL,
					  &ignored);
	for (size_t i = 0; i < p->deny_count; i++)
		(void)oc_egress_rules_add(set, p->deny[i].text, strlen(p->deny[i].text),
					  OC_EGRESS_RULE_DENY, NULL, &ignored);
	for (size_t i = 0; i < p->allow_private_count; i++)
		(void)oc_egress_class_add(&set->allow_classes, p->allow_private[i].text, &ignored);
}

static void names(struct oc_claims *c, const struct oc_egress_rules *set)
{
	static const char *const below[] = {"example.com", "example.net", "example.org", "invalid"};
	unsigned char rnd[8] = {0};
	char label[32];

	(void)!getrandom(rnd, sizeof rnd, GRND_NONBLOCK);
	snprintf(label, sizeof label, "oc-verify-%02x%02x%02x%02x%02x%02x%02x%02x", rnd[0], rnd[1],
		 rnd[2], rnd[3], rnd[4], rnd[5], rnd[6], rnd[7]);
	for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
		const char *name = oc_arena_printf(c->arena, "%s.%s", label, below[i]);
		struct oc_egress_answer a;
		oc_egress_decide_query(set, name, &a);
		if (a.allowed)
			continue;
		oc_claims_add(c, "net.name", name, OC_EXPECT_REFUSED_AS, "NXDOMAIN",
			      "does not exist")
			->object = "a name that is not on the list";
		const char *reason = oc_egress_reason_id(a.reason);
		oc_claims_add_outside(c, "net.name-recorded", OC_EXPECT_IS, reason, reason);
		return;
	}
}

static void addresses(struct oc_claims *c, const struct oc_egress_rules *set)
{
	static const uint8_t net[][3] = {{192, 0, 2}, {198, 51, 100}, {203, 0, 113}};

	for (size_t i = 0; i < sizeof net / sizeof net[0]; i++) {
		struct oc_addr to = oc_addr_v4(net[i][0], net[i][1], net[i][2], 7);
		struct oc_egress_answer a;
		oc_egress_decide_addr(set, &to, 443, &a);
		if (a.allowed)
			continue;
		oc_claims_add(
			c, "net.address",
			oc_arena_printf(c->arena, "%u.%u.%u.7", net[i][0], net[i][1], net[i][2]),
			OC_EXPECT_REFUSED_AS, "ECONNRESET", "refused");
		const char *reason = oc_egress_reason_id(a.reason);
		oc_claims_add_outside(c, "net.address-recorded", OC_EXPECT_IS, reason, reason);
		return;
	}
}

void oc_claims_net(struct oc_claims *c, const struct oc_plan *plan)
{
	struct oc_egress_rules set = {0};

	if (plan->egress.mode == OC_EGRESS_NONE)
		return;
	read_rules(&plan->egress, &set);
	names(c, &set);
	addresses(c, &set);
	oc_egress_rules_free(&set);

	/* In the output hook of nf_tables, at once; without IPv6 there is no way at all. */
	oc_claims_add(c, "net.datagram", "192.0.2.7", OC_EXPECT_REFUSED_AS, "EPERM", "refused");
	oc_claims_add(c, "net.datagram", "2001:db8::7", OC_EXPECT_REFUSED, "", "refused");
	oc_claims_add(c, "net.ping", "192.0.2.7", OC_EXPECT_REFUSED, "", "refused");
	oc_claims_add(c, "net.raw", "", OC_EXPECT_REFUSED, "", "refused");
	oc_claims_add(c, "net.packet", "", OC_EXPECT_REFUSED, "", "refused");
	oc_claims_add(c, "net.sctp", "192.0.2.7", OC_EXPECT_REFUSED, "", "refused");
	oc_claims_add(c, "net.rules", "", OC_EXPECT_REFUSED, "", "out of reach");
	oc_claims_add_outside(c, "net.datagram-counted", OC_EXPECT_IS, "yes", "yes");

	oc_claims_add_outside(c, "net.sockets", OC_EXPECT_IS, "0", "held by the broker alone");
	oc_claims_add_outside(c, "net.broker-filter", OC_EXPECT_IS, "2", "a filter");
	oc_claims_add_outside(c, "net.broker-no-new-privs", OC_EXPECT_IS, "1", "set");
	oc_claims_add_outside(c, "net.broker-capabilities", OC_EXPECT_IS, "0", "none");
	/* Which namespaces a process is in only root may ask about one that hides from tracing. */
	if (geteuid() == 0) {
		oc_claims_add_outside(c, "net.broker-user", OC_EXPECT_IS_NOT, "0", "not root");
		oc_claims_add_outside(c, "net.broker-namespaces", OC_EXPECT_IS, "mnt ipc uts",
				      "own mounts, IPC and names");
	}
}
