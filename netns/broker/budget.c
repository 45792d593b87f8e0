/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget - see internal.h: counts what a sandbox uses, and says when it is enough.
 *
 * Distinct names are counted as keyed 64-bit hashes: the sandbox chooses the names, so the key must
 * not be known to it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "netns/broker/internal.h"

#define NAMES_MAX (1u << 18)
#define RULES_MAX 16384u

static uint64_t rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

/* SipHash-2-4 of text, its length and a number. */
static uint64_t hash(const uint64_t key[2], const char *text, uint64_t number)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
			 key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
	size_t len = strlen(text);

	for (size_t i = 0; i < len + 16; i += 8) {
		uint64_t m = 0;
		if (i < len)
			memcpy(&m, text + i, len - i < 8 ? len - i : 8);
		else
			m = i < len + 8 ? number : len;
		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

int oc_budget_init(struct oc_budgets *b, struct oc_err *err)
{
	if (getrandom(b->key, sizeof b->key, 0) != sizeof b->key)
		return oc_fail(err, errno, "cannot get random bytes");
	return 0;
}

/* Open addressing, 0 is "free".  Returns the place of h, or of the free slot where it belongs. */
static uint64_t *find_name(uint64_t *names, size_t cap, uint64_t h)
{
	size_t i = h & (cap - 1);

	while (names[i] && names[i] != h)
		i = (i + 1) & (cap - 1);
	return &names[i];
}

static int grow_names(struct oc_budgets *b)
{
	size_t cap = b->name_cap ? b->name_cap * 2 : 256;

	if (cap > NAMES_MAX)
		return -1;
	uint64_t *names = calloc(cap, sizeof *names);
	if (!names)
		return -1;
	for (size_t i = 0; i < b->name_cap; i++)
		if (b->names[i])
			*find_name(names, cap, b->names[i]) = b->names[i];
	free(b->names);
	b->names = names;
	b->name_cap = cap;
	return 0;
}

/* 1: new, 0: known, -1: no room. */
static int seen_name(struct oc_budgets *b, const char *name, uint64_t rule, bool add)
{
	uint64_t h = hash(b->key, name, rule) | 1;

	if (b->name_count * 2 >= b->name_cap && grow_names(b) < 0)
		return -1;
	uint64_t *slot = find_name(b->names, b->name_cap, h);
	if (*slot)
		return 0;
	if (add) {
		*slot = h;
		b->name_count++;
	}
	return 1;
}

static struct oc_rule_use *use_of(struct oc_budgets *b, const struct oc_egress_rule *rule,
				  size_t *index)
{
	for (size_t i = 0; i < b->rule_count; i++)
		if (strcmp(b->rules[i]->text, rule->text) == 0) {
			*index = i;
			return b->rules[i];
		}
	if (b->rule_count == RULES_MAX)
		return NULL;
	if (b->rule_count == b->rule_cap) {
		size_t cap = b->rule_cap ? b->rule_cap * 2 : 16;
		struct oc_rule_use **rules = realloc(b->rules, cap * sizeof(struct oc_rule_use *));
		if (!rules)
			return NULL;
		b->rules = rules;
		b->rule_cap = cap;
	}
	struct oc_rule_use *use = calloc(1, sizeof *use);
	char *text = strdup(rule->text);
	if (!use || !text) {
		free(use);
		free(text);
		return NULL;
	}
	use->text = text;
	*index = b->rule_count;
	b->rules[b->rule_count++] = use;
	return use;
}

static bool over(uint64_t limit, uint64_t used)
{
	return limit && used >= limit;
}

enum oc_egress_reason oc_budget_connection(struct oc_budgets *b, const struct oc_egress_rule *rule,
					   const char *name, struct oc_rule_use **use)
{
	size_t index = 0;
	int new_here = 0, new_rule = 0;

	*use = NULL;
	if (rule && !(*use = use_of(b, rule, &index)))
		return OC_EGRESS_LIMIT;
	if (over(b->sandbox.upload_bytes, b->used.upload_bytes) ||
	    (*use && over(b->rule.upload_bytes, (*use)->used.upload_bytes)))
		return OC_EGRESS_BUDGET_BYTES;
	if (over(b->sandbox.connections, b->used.connections) ||
	    (*use && over(b->rule.connections, (*use)->used.connections)))
		return OC_EGRESS_BUDGET_CONNECTIONS;
	if (name && b->sandbox.names) {
		new_here = seen_name(b, name, 0, false);
		if (new_here < 0 || (new_here && b->used.names >= b->sandbox.names))
			return OC_EGRESS_BUDGET_NAMES;
	}
	if (name && *use && b->rule.names) {
		new_rule = seen_name(b, name, index + 1, false);
		if (new_rule < 0 || (new_rule && (*use)->used.names >= b->rule.names))
			return OC_EGRESS_BUDGET_NAMES;
	}
	if (new_here && seen_name(b, name, 0, true) > 0)
		b->used.names++;
	if (new_rule && seen_name(b, name, index + 1, true) > 0)
		(*use)->used.names++;
	b->used.connections++;
	if (*use)
		(*use)->used.connections++;
	return OC_EGRESS_ALLOWED;
}

uint64_t oc_budget_upload_left(const struct oc_budgets *b, const struct oc_rule_use *use)
{
	uint64_t left = UINT64_MAX;

	if (b->sandbox.upload_bytes)
		left = b->sandbox.upload_bytes > b->used.upload_bytes
			       ? b->sandbox.upload_bytes - b->used.upload_bytes
			       : 0;
	if (use && b->rule.upload_bytes) {
		uint64_t more = b->rule.upload_bytes > use->used.upload_bytes
					? b->rule.upload_bytes - use->used.upload_bytes
					: 0;
		left = more < left ? more : left;
	}
	return left;
}

void oc_budget_upload(struct oc_budgets *b, struct oc_rule_use *use, uint64_t bytes)
{
	b->used.upload_bytes += bytes;
	if (use)
		use->used.upload_bytes += bytes;
}
