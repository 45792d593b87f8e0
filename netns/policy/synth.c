/* SPDX-License-Identifier: Apache-2.0 */
/*
 * synth - see synth.h.
 *
 * Slot i in its round r has the address base + i + r * OC_SYNTH_NAMES, so address to name is an index and a
 * comparison.  Name to slot is a table with open addressing, twice as long as there are slots.
 */
#include "netns/policy/synth.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS (OC_SYNTH_NAMES * 2)
#define NO_SLOT 0u /* slot 0 would have the address of the network itself */

struct slot {
	char *name; /* NULL: free */
	uint64_t used;
	uint32_t hash;
	uint32_t held;
	uint16_t round;
};

struct oc_synth {
	struct slot slot[OC_SYNTH_NAMES];
	uint16_t bucket[BUCKETS];
	size_t count, top; /* top: first slot that never had a name */
	uint64_t given;
};

_Static_assert((OC_SYNTH_NAMES & (OC_SYNTH_NAMES - 1)) == 0, "a power of two");
_Static_assert(OC_SYNTH_ROUNDS > 1 && OC_SYNTH_NAMES < UINT16_MAX, "fits its fields");

struct oc_synth *oc_synth_new(void)
{
	struct oc_synth *s = calloc(1, sizeof(*s));

	if (s)
		s->top = 1;
	return s;
}

void oc_synth_free(struct oc_synth *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < OC_SYNTH_NAMES; i++)
		free(s->slot[i].name);
	free(s);
}

/* FNV-1a.  The sandbox can choose names that collide; a full walk is 4,096 comparisons of a number. */
static uint32_t hash_of(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h;
}

/* The bucket that has the name, or the free one where it belongs. */
static size_t bucket_of(const struct oc_synth *s, const char *name, uint32_t hash)
{
	size_t b = hash % BUCKETS;

	while (s->bucket[b] != NO_SLOT) {
		const struct slot *t = &s->slot[s->bucket[b]];

		if (t->hash == hash && strcmp(t->name, name) == 0)
			break;
		b = (b + 1) % BUCKETS;
	}
	return b;
}

/* Take a name out, and move what was pushed behind it (no tombstones: a table that lives long would fill with them). */
static void forget(struct oc_synth *s, struct slot *t)
{
	size_t hole = bucket_of(s, t->name, t->hash);

	s->bucket[hole] = NO_SLOT;
	for (size_t b = (hole + 1) % BUCKETS; s->bucket[b] != NO_SLOT; b = (b + 1) % BUCKETS) {
		size_t home = s->slot[s->bucket[b]].hash % BUCKETS;

		/* It may go to the hole if that is not before its home. */
		if ((b - home) % BUCKETS < (b - hole) % BUCKETS)
			continue;
		s->bucket[hole] = s->bucket[b];
		s->bucket[b] = NO_SLOT;
		hole = b;
	}
	free(t->name);
	t->name = NULL;
	s->count--;
}

/* A slot without a name, making one if need be; NULL: all are in use. */
static struct slot *vacate(struct oc_synth *s, uint64_t now)
{
	struct slot *oldest = NULL;

	if (s->top < OC_SYNTH_NAMES)
		return &s->slot[s->top++];
	for (size_t i = 1; i < OC_SYNTH_NAMES; i++) {
		struct slot *t = &s->slot[i];

		if (!t->name)
			return t; /* memory was short once */
		if (t->held == 0 && now >= t->used && now - t->used >= OC_SYNTH_HOLD &&
		    (!oldest || t->used < oldest->used))
			oldest = t;
	}
	if (oldest) {
		forget(s, oldest);
		oldest->round = (uint16_t)((oldest->round + 1u) % OC_SYNTH_ROUNDS);
	}
	return oldest;
}

static struct oc_addr addr_of(const struct oc_synth *s, const struct slot *t)
{
	uint32_t a = OC_SYNTH_NET + (uint32_t)(t - s->slot) + t->round * OC_SYNTH_NAMES;

	return oc_addr_v4((uint8_t)(a >> 24), (uint8_t)(a >> 16), (uint8_t)(a >> 8), (uint8_t)a);
}

static struct slot *slot_of(const struct oc_synth *s, const struct oc_addr *a)
{
	const struct slot *t;
	uint32_t n;

	if (!oc_synth_is(a))
		return NULL;
	n = ((uint32_t)a->b[0] << 24 | (uint32_t)a->b[1] << 16 | (uint32_t)a->b[2] << 8 | a->b[3]) -
	    OC_SYNTH_NET;
	t = &s->slot[n % OC_SYNTH_NAMES];
	if (!t->name || t->round != n / OC_SYNTH_NAMES)
		return NULL;
	return (struct slot *)t;
}

/* The slot owns the copy; gcc 12 loses sight of a slot that was found through a pointer to const. */
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
int oc_synth_give(struct oc_synth *s, const char *name, uint64_t now, struct oc_addr *out)
{
	uint32_t hash = hash_of(name);
	size_t b = bucket_of(s, name, hash);
	struct slot *t;

	memset(out, 0, sizeof(*out));
	if (s->bucket[b] == NO_SLOT) {
		t = vacate(s, now);
		if (!t)
			return -1;
		t->name = strdup(name);
		if (!t->name)
			return -1;
		t->hash = hash;
		t->held = 0;
		b = bucket_of(s, name, hash); /* vacate may have moved buckets */
		s->bucket[b] = (uint16_t)(t - s->slot);
		s->count++;
		s->given++;
	}
	t = &s->slot[s->bucket[b]];
	t->used = now;
	*out = addr_of(s, t);
	return 0;
}
#ifndef __clang__
#pragma GCC diagnostic pop
#endif

const char *oc_synth_name(const struct oc_synth *s, const struct oc_addr *a)
{
	const struct slot *t = slot_of(s, a);

	return t ? t->name : NULL;
}

int oc_synth_hold(struct oc_synth *s, const struct oc_addr *a, uint64_t now)
{
	struct slot *t = slot_of(s, a);

	if (!t || t->held == UINT32_MAX)
		return -1;
	t->held++;
	t->used = now;
	return 0;
}

void oc_synth_release(struct oc_synth *s, const struct oc_addr *a, uint64_t now)
{
	struct slot *t = slot_of(s, a);

	if (!t || t->held == 0)
		return;
	t->held--;
	t->used = now;
}

bool oc_synth_is(const struct oc_addr *a)
{
	static const struct oc_addr net = {.family = 4, .b = {198, 18}};

	return oc_addr_in(a, &net, OC_SYNTH_BITS);
}

size_t oc_synth_count(const struct oc_synth *s)
{
	return s->count;
}

uint64_t oc_synth_given(const struct oc_synth *s)
{
	return s->given;
}
