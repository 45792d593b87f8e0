/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring - the last output of a command in the background: of both its streams, in the order in which
 * it came.
 *
 * Memory grows with what is in it, up to a bound that no output can pass; beyond it the oldest
 * goes, and is counted.  Readers have a place of their own each and read one stream; one that lags
 * loses the oldest, too.  Pure.
 */
#ifndef OC_RUNTIME_SESSION_RING_H
#define OC_RUNTIME_SESSION_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OC_RING_BYTES	200000	     /* of output that is kept of one command */
#define OC_RING_STORE	(256u << 10) /* the same with what tells the streams apart */
#define OC_RING_PENDING 30000	     /* of one stream for one reader that has caught up once */

enum oc_ring_stream { OC_RING_OUT, OC_RING_ERR, OC_RING_STREAMS };

/* Zeroed: empty. */
struct oc_ring {
	char *store;
	size_t cap;
	uint64_t head, tail; /* places from the beginning on; in the store modulo cap */
	uint64_t last;	     /* where the last record begins; valid if head < tail */
	uint64_t added[OC_RING_STREAMS], dropped[OC_RING_STREAMS]; /* bytes */
};

struct oc_ring_place {
	enum oc_ring_stream stream;
	uint64_t record;  /* where it begins */
	uint64_t done;	  /* bytes of it that are read */
	uint64_t seen;	  /* bytes of the stream, read or dropped */
	uint64_t dropped; /* for this reader */
	uint64_t live;	  /* from this byte on the reader has caught up */
};

void oc_ring_add(struct oc_ring *r, enum oc_ring_stream s, const void *data, size_t len);
/* Bytes of output that it holds, and that it has dropped. */
size_t oc_ring_held(const struct oc_ring *r);
uint64_t oc_ring_dropped(const struct oc_ring *r);
/* All that it holds, in order, as a whole: calls put with pieces until it returns false. */
bool oc_ring_walk(const struct oc_ring *r, bool (*put)(void *ctx, const void *data, size_t len),
		  void *ctx);
/* No more comes: give back what is not used. */
void oc_ring_finish(struct oc_ring *r);
void oc_ring_free(struct oc_ring *r);

/* A reader at the beginning of what there is. */
void oc_ring_begin(const struct oc_ring *r, enum oc_ring_stream s, struct oc_ring_place *p);
/* The next piece for it, not moved on; 0: it has all. */
size_t oc_ring_peek(const struct oc_ring *r, struct oc_ring_place *p, const char **data);
/* It has taken n bytes of the piece. */
void oc_ring_take(struct oc_ring_place *p, size_t n);
/* To be called after output was added: a reader that has caught up once does not lag further than
 * OC_RING_PENDING. */
void oc_ring_trim(const struct oc_ring *r, struct oc_ring_place *p);

#endif
