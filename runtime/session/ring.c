/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring - see ring.h.
 *
 * The store holds records: four bytes that say the stream and how many bytes follow, and these.
 * Output of the stream that wrote last is put at the end of its record.  All of a record may wrap
 * around.
 */
#include "runtime/session/ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define HEAD  4u
#define FIRST 4096u
#define MOST  0x7fffffffu /* length of a record */

static void put(struct oc_ring *r, uint64_t at, const void *data, size_t len)
{
	size_t i = (size_t)(at % r->cap), n = len < r->cap - i ? len : r->cap - i;

	memcpy(r->store + i, data, n);
	memcpy(r->store, (const char *)data + n, len - n);
}

static uint32_t get_head(const struct oc_ring *r, uint64_t at)
{
	unsigned char b[HEAD];

	for (unsigned i = 0; i < HEAD; i++)
		b[i] = (unsigned char)r->store[(at + i) % r->cap];
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void put_head(struct oc_ring *r, uint64_t at, enum oc_ring_stream s, uint32_t len)
{
	const uint32_t v = len | (s == OC_RING_ERR ? 1u << 31 : 0);
	const unsigned char b[HEAD] = {(unsigned char)v, (unsigned char)(v >> 8),
				       (unsigned char)(v >> 16), (unsigned char)(v >> 24)};

	put(r, at, b, HEAD);
}

static enum oc_ring_stream stream_of(uint32_t head)
{
	return head >> 31 ? OC_RING_ERR : OC_RING_OUT;
}

size_t oc_ring_held(const struct oc_ring *r)
{
	uint64_t n = 0;

	for (int s = 0; s < OC_RING_STREAMS; s++)
		n += r->added[s] - r->dropped[s];
	return (size_t)n;
}

uint64_t oc_ring_dropped(const struct oc_ring *r)
{
	return r->dropped[OC_RING_OUT] + r->dropped[OC_RING_ERR];
}

static void set_cap(struct oc_ring *r, size_t cap)
{
	char *store = malloc(cap);
	size_t have = (size_t)(r->tail - r->head);

	if (!store)
		oc_oom();
	/* Where a place lies depends on the size. */
	for (size_t i = 0; i < have;) {
		size_t from = (size_t)((r->head + i) % r->cap), to = (size_t)((r->head + i) % cap);
		size_t n = have - i;
		n = n < r->cap - from ? n : r->cap - from;
		n = n < cap - to ? n : cap - to;
		memcpy(store + to, r->store + from, n);
		i += n;
	}
	free(r->store);
	r->store = store;
	r->cap = cap;
}

/* At least one byte of the oldest output, at most n. */
static size_t drop_some(struct oc_ring *r, size_t n)
{
	uint32_t head = get_head(r, r->head), len = head & MOST;
	enum oc_ring_stream s = stream_of(head);

	if (n >= len) {
		r->head += HEAD + len;
		r->dropped[s] += len;
		return len;
	}
	/* What is left begins so much later. */
	if (r->last == r->head)
		r->last += n;
	r->head += n;
	put_head(r, r->head, s, len - (uint32_t)n);
	r->dropped[s] += n;
	return n;
}

/* So much more output in so many more bytes of the store. */
static void make_room(struct oc_ring *r, size_t output, size_t bytes)
{
	size_t held = oc_ring_held(r);

	while (held + output > OC_RING_BYTES)
		held -= drop_some(r, held + output - OC_RING_BYTES);
	while (r->tail - r->head + bytes > OC_RING_STORE)
		drop_some(r, (size_t)(r->tail - r->head) + bytes - OC_RING_STORE);
	size_t want = (size_t)(r->tail - r->head) + bytes, cap = r->cap ? r->cap : FIRST;
	while (cap < want)
		cap = cap * 2 < OC_RING_STORE ? cap * 2 : OC_RING_STORE;
	if (cap != r->cap)
		set_cap(r, cap);
}

void oc_ring_add(struct oc_ring *r, enum oc_ring_stream s, const void *data, size_t len)
{
	const char *p = data;

	if (len > OC_RING_BYTES) {
		/* It would be dropped at once. */
		size_t skip = len - OC_RING_BYTES;
		r->added[s] += skip;
		r->dropped[s] += skip;
		p += skip;
		len = OC_RING_BYTES;
	}
	if (len == 0)
		return;
	make_room(r, len, HEAD + len);
	uint32_t head = r->head < r->tail ? get_head(r, r->last) : 0;
	if (r->head < r->tail && stream_of(head) == s) {
		put_head(r, r->last, s, (head & MOST) + (uint32_t)len);
	} else {
		r->last = r->tail;
		put_head(r, r->tail, s, (uint32_t)len);
		r->tail += HEAD;
	}
	put(r, r->tail, p, len);
	r->tail += len;
	r->added[s] += len;
}

bool oc_ring_walk(const struct oc_ring *r, bool (*to)(void *ctx, const void *data, size_t len),
		  void *ctx)
{
	for (uint64_t at = r->head; at < r->tail;) {
		size_t len = get_head(r, at) & MOST;
		at += HEAD;
		while (len) {
			size_t i = (size_t)(at % r->cap), n = len < r->cap - i ? len : r->cap - i;
			if (!to(ctx, r->store + i, n))
				return false;
			at += n;
			len -= n;
		}
	}
	return true;
}

void oc_ring_finish(struct oc_ring *r)
{
	size_t used = (size_t)(r->tail - r->head);

	if (used == 0)
		oc_ring_free(r);
	else if (used < r->cap)
		set_cap(r, used);
}

void oc_ring_free(struct oc_ring *r)
{
	free(r->store);
	r->store = NULL;
	r->cap = 0;
	for (int s = 0; s < OC_RING_STREAMS; s++)
		r->dropped[s] = r->added[s];
	r->head = r->last = r->tail;
}

/* --- readers --- */

void oc_ring_begin(const struct oc_ring *r, enum oc_ring_stream s, struct oc_ring_place *p)
{
	*p = (struct oc_ring_place){
		.stream = s, .record = r->head, .seen = r->dropped[s], .live = r->added[s]};
}

/* What was dropped since. */
static void catch_up(const struct oc_ring *r, struct oc_ring_place *p)
{
	if (p->record < r->head) {
		/* In the middle of the first record, if that is what is left of ours. */
		uint64_t at = p->record + HEAD + p->done;
		p->done = at > r->head + HEAD ? at - r->head - HEAD : 0;
		p->record = r->head;
	}
	if (p->seen < r->dropped[p->stream]) {
		p->dropped += r->dropped[p->stream] - p->seen;
		p->seen = r->dropped[p->stream];
	}
}

size_t oc_ring_peek(const struct oc_ring *r, struct oc_ring_place *p, const char **data)
{
	catch_up(r, p);
	while (p->record < r->tail) {
		uint32_t head = get_head(r, p->record), len = head & MOST;
		if (stream_of(head) == p->stream && p->done < len) {
			uint64_t at = p->record + HEAD + p->done;
			size_t i = (size_t)(at % r->cap), n = (size_t)(len - p->done);
			*data = r->store + i;
			return n < r->cap - i ? n : r->cap - i;
		}
		/* It may become longer yet. */
		if (p->record == r->last)
			return 0;
		p->record += HEAD + len;
		p->done = 0;
	}
	return 0;
}

void oc_ring_take(struct oc_ring_place *p, size_t n)
{
	p->done += n;
	p->seen += n;
}

void oc_ring_trim(const struct oc_ring *r, struct oc_ring_place *p)
{
	const char *data;
	size_t n;

	catch_up(r, p);
	while (p->seen >= p->live && r->added[p->stream] - p->seen > OC_RING_PENDING &&
	       (n = oc_ring_peek(r, p, &data)) > 0) {
		uint64_t over = r->added[p->stream] - p->seen - OC_RING_PENDING;
		n = n < over ? n : (size_t)over;
		oc_ring_take(p, n);
		p->dropped += n;
	}
}
