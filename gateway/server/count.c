/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count - how many sockets of one address are in a state: a table that holds only addresses that
 * have any.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/server/internal.h"

static unsigned bucket_of(const struct oc_addr *a)
{
	uint32_t h = 2166136261u;

	/* An IPv6 host has a network of its own: 64 bits are one client. */
	for (size_t i = 0; i < 8; i++)
		h = (h ^ a->b[i]) * 16777619u;
	return h % OC_COUNT_BUCKETS;
}

static struct oc_addr client_of(const struct oc_addr *a)
{
	struct oc_addr c = *a;
	const struct oc_addr loopback = {.family = 6, .b = {[15] = 1}};

	if (c.family == 6 && !oc_addr_equal(&c, &loopback))
		memset(c.b + 8, 0, 8);
	return c;
}

struct oc_count *oc_count_take(struct oc_counts *t, const struct oc_addr *addr, unsigned max)
{
	struct oc_addr a = client_of(addr);
	struct oc_count **head = &t->bucket[bucket_of(&a)], *c = *head;

	while (c && !oc_addr_equal(&c->addr, &a))
		c = c->next;
	if (!c) {
		c = calloc(1, sizeof *c);
		if (!c)
			oc_oom();
		c->addr = a;
		c->next = *head;
		*head = c;
	}
	if (c->n >= max)
		return NULL;
	c->n++;
	return c;
}

void oc_count_drop(struct oc_counts *t, struct oc_count **c)
{
	struct oc_count *gone = *c, **p;

	*c = NULL;
	if (!gone || --gone->n > 0)
		return;
	p = &t->bucket[bucket_of(&gone->addr)];
	while (*p != gone)
		p = &(*p)->next;
	*p = gone->next;
	free(gone);
}
