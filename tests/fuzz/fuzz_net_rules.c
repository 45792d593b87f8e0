/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_net_rules - any bytes as a rule: what is accepted must mean what its normal form means, and no rule may
 * allow what its text does not have.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns/policy/rules.h"
#include "netns/policy/synth.h"
#include "tests/fuzz/fuzz_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct oc_egress_rule *r, unsigned flags)
{
	struct oc_egress_rule *again;
	struct oc_err err = {0};

	FUZZ_CHECK(oc_egress_rule_parse(r->text, strlen(r->text), flags, &again, &err) == 0);
	FUZZ_CHECK(strcmp(r->text, again->text) == 0 && strcmp(r->name, again->name) == 0);
	FUZZ_CHECK(r->kind == again->kind && r->tcp == again->tcp && r->ech == again->ech);
	FUZZ_CHECK(r->bits == again->bits && oc_addr_equal(&r->net, &again->net));
	FUZZ_CHECK(r->nports == again->nports && r->nports > 0);
	FUZZ_CHECK(memcmp(r->ports, again->ports, r->nports * sizeof(r->ports[0])) == 0);
	for (unsigned i = 0; i < r->nports; i++) {
		FUZZ_CHECK(r->ports[i].lo > 0 && r->ports[i].lo <= r->ports[i].hi);
		FUZZ_CHECK(i == 0 || r->ports[i].lo > r->ports[i - 1].hi);
	}
	free(again);
}

static void check_decisions(const struct oc_egress_rule *r)
{
	struct oc_egress_rules set = {.mode = OC_EGRESS_ALLOWLIST};
	struct oc_egress_answer answer;
	struct oc_err err = {0};
	char name[300];
	uint16_t port = r->ports[0].lo;

	FUZZ_CHECK(oc_egress_rules_add(&set, r->text, strlen(r->text), 0, NULL, &err) == 0);
	if (r->kind == OC_EGRESS_CIDR) {
		oc_egress_decide_addr(&set, &r->net, port, &answer);
		FUZZ_CHECK(answer.allowed == (answer.reason == OC_EGRESS_ALLOWED));
		FUZZ_CHECK(answer.allowed || answer.reason == OC_EGRESS_ADDRESS_CLASS ||
			   answer.reason == OC_EGRESS_UNKNOWN_SYNTHETIC);
	} else {
		snprintf(name, sizeof(name), "%s%s", r->kind == OC_EGRESS_SUFFIX ? "A." : "", r->name);
		oc_egress_decide_name(&set, name, port, &answer);
		FUZZ_CHECK(answer.allowed && answer.rule == set.allow.rule[0]);
		oc_egress_decide_query(&set, name, &answer);
		FUZZ_CHECK(answer.allowed);
		if (r->kind == OC_EGRESS_SUFFIX) {
			oc_egress_decide_name(&set, r->name, port, &answer);
			FUZZ_CHECK(!answer.allowed);
		}
		oc_egress_decide_name(&set, "other.invalid", port, &answer);
		FUZZ_CHECK(answer.allowed == (strcmp(r->name, "other.invalid") == 0));
		FUZZ_CHECK(oc_egress_rules_add(&set, r->text + (r->tcp || r->ech ? 4 : 0),
					       strlen(r->text) - (r->tcp || r->ech ? 4 : 0),
					       OC_EGRESS_RULE_DENY, NULL, &err) == 0);
		snprintf(name, sizeof(name), "%s%s", r->kind == OC_EGRESS_SUFFIX ? "a." : "", r->name);
		oc_egress_decide_name(&set, name, port, &answer);
		FUZZ_CHECK(!answer.allowed && answer.reason == OC_EGRESS_DENIED);
		oc_egress_decide_query(&set, name, &answer);
		FUZZ_CHECK(!answer.allowed);
	}
	FUZZ_CHECK(oc_egress_rules_remove(&set, r->text, strlen(r->text), 0, NULL, &err) == 0);
	oc_egress_rules_free(&set);
}

static void check_values(const char *text, size_t len)
{
	char name[OC_NAME_MAX + 1], again[OC_NAME_MAX + 1], shown[OC_ADDR_TEXT_MAX];
	struct oc_addr a, b;
	int n = oc_name_normalize(text, len, name);

	FUZZ_CHECK(n != 0 && (n < 0 ? name[0] == '\0' : strlen(name) == (size_t)n));
	if (n > 0) {
		FUZZ_CHECK(oc_name_normalize(name, (size_t)n, again) == n && strcmp(name, again) == 0);
		FUZZ_CHECK(oc_addr_parse(name, (size_t)n, &a) < 0);
		oc_name_is_public_suffix(name);
		oc_name_is_special(name);
	}
	oc_name_to_ascii(text, len, name);
	if (oc_addr_parse(text, len, &a) == 0) {
		oc_addr_text(&a, shown);
		FUZZ_CHECK(oc_addr_parse(shown, strlen(shown), &b) == 0 && oc_addr_equal(&a, &b));
		FUZZ_CHECK(oc_addr_classify(&a) < OC_ADDR_CLASSES);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oc_egress_rule *r = NULL;
	struct oc_err err = {0};
	unsigned flags;
	const char *text;

	if (size == 0)
		return 0;
	flags = data[0] & 3;
	text = (const char *)data + 1;
	size--;
	check_values(text, size);
	if (oc_egress_rule_parse(text, size, flags, &r, &err) < 0) {
		FUZZ_CHECK(!r && err.msg[0] && memchr(err.msg, 0, sizeof(err.msg)));
		return 0;
	}
	check_same(r, flags);
	if (!r->deny)
		check_decisions(r);
	free(r);
	return 0;
}
