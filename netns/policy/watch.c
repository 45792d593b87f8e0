/* SPDX-License-Identifier: Apache-2.0 */
/* watch - see watch.h. */
#include "netns/policy/watch.h"

#include <string.h>

#define LINE_MAX_BYTES	  4096u
#define TRAILER_MAX_BYTES 32768u
#define RECORD_HEAD	  5u
#define RECORD_MAX	  (16384u + 2048u) /* TLS 1.2; 1.3 has less */
/* Record and handshake header, version, random. */
#define SERVER_HELLO_BYTES (RECORD_HEAD + 4 + 2 + 32)
#define STATUS_BYTES	   12u /* "HTTP/1.1 101" */

enum { CHANGE_CIPHER_SPEC = 20, HANDSHAKE = 22, HEARTBEAT = 24 };
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2 };

/* RFC 8446 4.1.3: SHA-256 of "HelloRetryRequest". */
static const uint8_t retry_random[32] = {0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11,
					 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
					 0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E,
					 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C};

static enum oc_first no(struct oc_watch *w, enum oc_egress_reason *reason,
			enum oc_egress_reason why, const char *detail)
{
	*reason = why;
	w->check.detail = detail;
	return OC_FIRST_BAD;
}

/* What follows a head that was let pass. */
static void after_head(struct oc_watch *w, const struct oc_http_head *h, bool first)
{
	bool body = h->chunked || h->body > 0;

	w->connect = strcmp(h->method, "CONNECT") == 0;
	w->skip = h->length + h->body;
	w->state = h->chunked ? OC_WATCH_HTTP_CHUNK : OC_WATCH_HTTP_HEAD;
	if (first && !body && (h->websocket || w->connect))
		w->state = OC_WATCH_HTTP_SERVER;
}

void oc_watch_begin(struct oc_watch *w, const struct oc_check *c, const struct oc_egress_answer *a)
{
	memset(w, 0, sizeof *w);
	if (a->check == OC_EGRESS_CHECK_NONE)
		return;
	if (c->protocol == OC_CHECK_TLS) {
		w->state = OC_WATCH_TLS_SERVER;
		w->skip = c->length;
		w->early_data = c->early_data;
	} else {
		after_head(w, &c->http.head, true);
	}
}

bool oc_watch_waits(const struct oc_watch *w)
{
	return w->state == OC_WATCH_TLS_SERVER || w->state == OC_WATCH_HTTP_SERVER;
}

static bool tls_server(struct oc_watch *w, const uint8_t *p, size_t n, bool all)
{
	if (n > 0 && p[0] != HANDSHAKE) { /* an alert, or no TLS */
		w->state = OC_WATCH_OVER;
		return true;
	}
	size_t len = n >= RECORD_HEAD ? (size_t)p[3] << 8 | p[4] : RECORD_MAX;
	if (n < SERVER_HELLO_BYTES && RECORD_HEAD + len >= SERVER_HELLO_BYTES && !all)
		return false;
	bool known = n >= SERVER_HELLO_BYTES && RECORD_HEAD + len >= SERVER_HELLO_BYTES;
	w->retry = known && p[RECORD_HEAD] == SERVER_HELLO &&
		   memcmp(p + RECORD_HEAD + 6, retry_random, sizeof retry_random) == 0;
	/* What cannot be told may be one. */
	w->state = known && !w->retry ? OC_WATCH_OVER : OC_WATCH_TLS_RETRY;
	return true;
}

static bool http_server(struct oc_watch *w, const uint8_t *p, size_t n, bool all)
{
	if (n < STATUS_BYTES && !all)
		return false;
	bool agreed = n >= STATUS_BYTES && memcmp(p, "HTTP/1.", 7) == 0 &&
		      (w->connect ? p[9] == '2' : memcmp(p + 9, "101", 3) == 0);
	w->state = agreed ? OC_WATCH_OVER : OC_WATCH_HTTP_HEAD;
	return true;
}

bool oc_watch_server(struct oc_watch *w, const uint8_t *p, size_t n)
{
	/* Shown the same again, or the end. */
	bool all = n == 0 || n == w->server_seen;

	w->server_seen = n;
	if (w->state == OC_WATCH_TLS_SERVER)
		return tls_server(w, p, n, all);
	if (w->state == OC_WATCH_HTTP_SERVER)
		return http_server(w, p, n, all);
	return true;
}

/* --- TLS --- */

static enum oc_first tls_record(struct oc_watch *w, const struct oc_egress_answer *a,
				const char *name, const struct oc_addr *addr, const uint8_t *p,
				size_t n, enum oc_egress_reason *reason)
{
	if (n < 1)
		return OC_FIRST_MORE;
	if (p[0] < CHANGE_CIPHER_SPEC || p[0] > HEARTBEAT)
		return no(w, reason, OC_EGRESS_BAD_TLS, "no record after HelloRetryRequest");
	if (n < RECORD_HEAD + 1)
		return OC_FIRST_MORE;
	size_t len = (size_t)p[3] << 8 | p[4];
	if (len == 0 || len > RECORD_MAX)
		return no(w, reason, OC_EGRESS_BAD_TLS, "a record is empty or too long");
	if (p[0] != HANDSHAKE) {
		/* Application data: early data that the server skips, or else the handshake is
		 * over. */
		if (p[0] == HANDSHAKE + 1 && !w->retry && !w->early_data)
			w->state = OC_WATCH_OVER;
		else
			w->skip = RECORD_HEAD + len;
		return OC_FIRST_OK;
	}
	if (p[RECORD_HEAD] != CLIENT_HELLO) {
		w->state = OC_WATCH_OVER;
		return OC_FIRST_OK;
	}
	w->check.protocol = OC_CHECK_TLS;
	enum oc_first v = oc_check_read(&w->check, a, name, addr, p, n, reason);
	if (v == OC_FIRST_OK) {
		w->skip = w->check.length;
		w->state = OC_WATCH_OVER; /* there is never a third */
	}
	return v;
}

/* --- HTTP --- */

static enum oc_first http_head(struct oc_watch *w, const struct oc_egress_answer *a,
			       const char *name, const struct oc_addr *addr, const uint8_t *p,
			       size_t n, enum oc_egress_reason *reason)
{
	if (n < 1)
		return OC_FIRST_MORE;
	/* RFC 9112 2.2: an empty line in front of a request is nothing. */
	if (p[0] == '\r' && w->check.http.lines == 0) {
		if (n < 2)
			return OC_FIRST_MORE;
		if (p[1] != '\n')
			return no(w, reason, OC_EGRESS_BAD_HTTP, "there is a CR alone");
		w->skip = 2;
		return OC_FIRST_OK;
	}
	w->check.protocol = OC_CHECK_HTTP;
	enum oc_first v = oc_check_read(&w->check, a, name, addr, p, n, reason);
	if (v == OC_FIRST_OK) {
		struct oc_http_head head = w->check.http.head;
		w->check = (struct oc_check){0};
		after_head(w, &head, false);
	}
	return v;
}

/* Length of the line at p with its CR LF; 0: not complete; -1: no line that all servers read alike.
 */
static long line_length(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n && i < LINE_MAX_BYTES; i++) {
		if (p[i] == '\r')
			return i + 1 == n ? 0 : p[i + 1] == '\n' ? (long)i + 2 : -1;
		if ((p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7F)
			return -1;
	}
	return n < LINE_MAX_BYTES ? 0 : -1;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum oc_first chunk(struct oc_watch *w, const uint8_t *p, size_t n,
			   enum oc_egress_reason *reason)
{
	long len = line_length(p, n);
	uint64_t size = 0;
	size_t i = 0;

	if (len == 0)
		return OC_FIRST_MORE;
	for (; len > 0 && i < 15 && hex(p[i]) >= 0; i++)
		size = size << 4 | (unsigned)hex(p[i]);
	if (len < 0 || i == 0 || (p[i] != '\r' && p[i] != ';' && p[i] != ' ' && p[i] != '\t'))
		return no(w, reason, OC_EGRESS_BAD_HTTP, "the size of a chunk is malformed");
	w->skip = (uint64_t)len + size;
	w->trailer = 0;
	w->state = size ? OC_WATCH_HTTP_CHUNK_END : OC_WATCH_HTTP_TRAILER;
	return OC_FIRST_OK;
}

static enum oc_first trailer(struct oc_watch *w, const uint8_t *p, size_t n,
			     enum oc_egress_reason *reason)
{
	long len = line_length(p, n);

	if (len == 0)
		return OC_FIRST_MORE;
	if (len < 0 || (w->trailer += (size_t)len) > TRAILER_MAX_BYTES)
		return no(w, reason, OC_EGRESS_BAD_HTTP, "the trailer is malformed or too long");
	w->skip = (uint64_t)len;
	if (len == 2)
		w->state = OC_WATCH_HTTP_HEAD;
	return OC_FIRST_OK;
}

enum oc_first oc_watch_client(struct oc_watch *w, const struct oc_egress_answer *a,
			      const char *name, const struct oc_addr *addr, const uint8_t *p,
			      size_t n, enum oc_egress_reason *reason)
{
	switch (w->state) {
	case OC_WATCH_OVER:
		return OC_FIRST_OK;
	case OC_WATCH_TLS_SERVER:
	case OC_WATCH_HTTP_SERVER:
		return OC_FIRST_MORE;
	case OC_WATCH_TLS_RETRY:
		return tls_record(w, a, name, addr, p, n, reason);
	case OC_WATCH_HTTP_HEAD:
		return http_head(w, a, name, addr, p, n, reason);
	case OC_WATCH_HTTP_CHUNK:
		return chunk(w, p, n, reason);
	case OC_WATCH_HTTP_CHUNK_END:
		if (n < 2)
			return OC_FIRST_MORE;
		if (p[0] != '\r' || p[1] != '\n')
			return no(w, reason, OC_EGRESS_BAD_HTTP, "a chunk is longer than it says");
		w->skip = 2;
		w->state = OC_WATCH_HTTP_CHUNK;
		return OC_FIRST_OK;
	case OC_WATCH_HTTP_TRAILER:
		return trailer(w, p, n, reason);
	}
	return no(w, reason, OC_EGRESS_BAD_HTTP, NULL);
}
