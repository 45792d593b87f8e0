/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_egress - what holds for the network of every plan; aborts if it does not. */
#ifndef OC_TESTS_FUZZ_EGRESS_H
#define OC_TESTS_FUZZ_EGRESS_H

#include "netns/broker/broker.h"
#include "runtime/plan/plan.h"
#include "tests/fuzz/fuzz_tree.h"

/* Rules are in their normal form, each is there once, and the broker takes them. */
static inline void fuzz_check_rules(const struct oc_egress_list_row *row, size_t count,
				    unsigned flags)
{
	struct oc_egress_rules set = {.mode = OC_EGRESS_ALLOWLIST};
	struct oc_egress_list *list = flags & OC_EGRESS_RULE_DENY ? &set.deny : &set.allow;

	for (size_t i = 0; i < count; i++) {
		const struct oc_egress_rule *r = NULL;

		FUZZ_CHECK(row[i].origin);
		FUZZ_CHECK(oc_egress_rules_add(&set, row[i].text, strlen(row[i].text), flags, &r,
					       NULL) == 0);
		FUZZ_CHECK(strcmp(r->text, row[i].text) == 0 && list->n == i + 1);
	}
	oc_egress_rules_free(&set);
}

static inline void fuzz_check_egress(const struct oc_plan_egress *e)
{
	uint32_t mask = 0;

	fuzz_check_rules(e->allow, e->allow_count, 0);
	fuzz_check_rules(e->deny, e->deny_count, OC_EGRESS_RULE_DENY);
	for (size_t i = 0; i < e->allow_private_count; i++) {
		FUZZ_CHECK(e->allow_private[i].origin);
		FUZZ_CHECK(oc_egress_class_add(&mask, e->allow_private[i].text, NULL) == 0);
	}
	FUZZ_CHECK((unsigned)__builtin_popcount(mask) == e->allow_private_count);
	FUZZ_CHECK(e->mode != OC_EGRESS_ALLOWLIST || e->allow_count);
	FUZZ_CHECK(e->mode != OC_EGRESS_NONE ||
		   (!e->allow_count && !e->deny_count && !e->allow_private_count &&
		    !e->resolver_count && !e->budget.upload_bytes));
	FUZZ_CHECK(e->budget.names <= 65536 && e->rule_budget.names <= 65536);
}

#endif
