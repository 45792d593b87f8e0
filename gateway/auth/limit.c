/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit - how often somebody has been wrong.
 *
 * Per class of credential and per key (client address, or browser origin).  Bounded: with OC_LIMIT_KEYS in the table the one
 * that was wrong the longest time ago goes first, and one that is locked goes last, so that a flood of addresses frees nobody.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/internal.h"

enum { buckets = 1024, delay_first_ms = 50, delay_max_ms = 1000 };

struct entry {
	struct entry *next;
	enum oc_limit_class class;
	unsigned count;
	int64_t since, last, until; /* until: locked; 0: not */
	char key[200];
};
struct oc_limit {
	struct entry *bucket[buckets];
	size_t count;
};

struct oc_limit *oc_limit_new(void)
{
	struct oc_limit *l = calloc(1, sizeof(*l));

	if (!l)
		oc_oom();
	return l;
}

void oc_limit_free(struct oc_limit *l)
{
	for (size_t i = 0; l && i < buckets; i++)
		for (struct entry *e = l->bucket[i], *next; e; e = next) {
			next = e->next;
			free(e);
		}
	free(l);
}

static size_t place(enum oc_limit_class class, const char *key)
{
	uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)class; /* FNV-1a */
	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3u;
	return (size_t)(h ^ h >> 32) % buckets;
}

static struct entry **find(struct oc_limit *l, enum oc_limit_class class, const char *key)
{
	struct entry **at = &l->bucket[place(class, key)];

	while (*at && ((*at)->class != class || strcmp((*at)->key, key) != 0))
		at = &(*at)->next;
	return at;
}

static void drop(struct oc_limit *l, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	free(e);
	l->count--;
}

unsigned oc_limit_locked(const struct oc_limit *l, enum oc_limit_class class, const char *key,
			 int64_t mono_ms)
{
	const struct entry *e = l->bucket[place(class, key)];

	while (e && (e->class != class || strcmp(e->key, key) != 0))
		e = e->next;
	if (!e || e->until <= mono_ms)
		return 0;
	return (unsigned)(e->until - mono_ms);
}

static void make_room(struct oc_limit *l, int64_t mono_ms)
{
	struct entry **oldest = NULL;

	if (l->count < OC_LIMIT_KEYS)
		return;
	for (size_t i = 0; i < buckets; i++)
		for (struct entry **at = &l->bucket[i]; *at; at = &(*at)->next) {
			bool locked = (*at)->until > mono_ms,
			     best_locked = oldest && (*oldest)->until > mono_ms;
			if (!oldest || (best_locked && !locked) ||
			    (best_locked == locked && (*at)->last < (*oldest)->last))
				oldest = at;
		}
	if (oldest)
		drop(l, oldest);
}

unsigned oc_limit_failed(struct oc_limit *l, const struct oc_config *c, enum oc_limit_class class,
			 const char *key, bool exempt, int64_t mono_ms)
{
	struct entry **at = find(l, class, key), *e = *at;

	if (!e) {
		make_room(l, mono_ms);
		at = find(l, class, key);
		while (*at)
			at = &(*at)->next;
		e = *at = calloc(1, sizeof(*e));
		if (!e)
			oc_oom();
		e->class = class;
		strncpy(e->key, key, sizeof(e->key) - 1);
		e->since = mono_ms;
		l->count++;
	}
	if (mono_ms - e->since >= c->auth.limit.window_ms || (e->until && e->until <= mono_ms)) {
		e->since = mono_ms;
		e->count = 0;
		e->until = 0;
	}
	e->count++;
	e->last = mono_ms;
	if (!exempt && e->count >= c->auth.limit.max_attempts)
		e->until = mono_ms + c->auth.limit.lockout_ms;
	if (!exempt)
		return 0;
	unsigned delay = delay_first_ms;
	for (unsigned i = 1; i < e->count && delay < delay_max_ms; i++)
		delay *= 2;
	return delay < delay_max_ms ? delay : delay_max_ms;
}

void oc_limit_passed(struct oc_limit *l, enum oc_limit_class class, const char *key)
{
	struct entry **at = find(l, class, key);

	if (*at)
		drop(l, at);
}

void oc_limit_tick(struct oc_limit *l, int64_t mono_ms)
{
	enum { forget_ms = 86400000 };

	for (size_t i = 0; i < buckets && l->count; i++)
		for (struct entry **at = &l->bucket[i]; *at;) {
			if ((*at)->until <= mono_ms && mono_ms - (*at)->last > forget_ms)
				drop(l, at);
			else
				at = &(*at)->next;
		}
}
