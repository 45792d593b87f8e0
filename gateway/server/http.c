/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http - the HTTP/1.1 side of the port: heads, probes, and what is not there.
 *
 * A head is judged by netns/policy/http (strict: what two programs could read differently is
 * refused).  Nothing of this floor takes a body: a request that has one is answered and its
 * connection closed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/server/internal.h"

#define HEAD_MAX     16384u
#define IDLE_MS	     15000 /* between two requests */
#define PATH_MAX_LEN 2048u

static const char *reason_of(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 426:
		return "Upgrade Required";
	case 431:
		return "Request Header Fields Too Large";
	case 501:
		return "Not Implemented";
	default:
		return "Service Unavailable";
	}
}

void oc_http_answer(struct oc_sock *s, int status, const char *type, const char *extra,
		    const char *body, bool head_only, bool close)
{
	oc_auto_buf b = {0};
	const char *hsts = s->tls ? s->srv->config->hsts : NULL;

	oc_buf_printf(&b,
		      "HTTP/1.1 %d %s\r\n"
		      "Content-Type: %s\r\n"
		      "Content-Length: %zu\r\n"
		      "Cache-Control: no-store\r\n"
		      "X-Content-Type-Options: nosniff\r\n"
		      "Referrer-Policy: no-referrer\r\n"
		      "Permissions-Policy: camera=(), microphone=(self), geolocation=()\r\n",
		      status, reason_of(status), type, strlen(body));
	if (hsts)
		oc_buf_printf(&b, "Strict-Transport-Security: %s\r\n", hsts);
	if (extra)
		oc_buf_puts(&b, extra);
	oc_buf_puts(&b, close ? "Connection: close\r\n\r\n" : "\r\n");
	if (!head_only)
		oc_buf_puts(&b, body);
	oc_sock_queue(s, b.data, b.len);
	if (close)
		oc_sock_finish(s);
}

#define JSON "application/json; charset=utf-8"
#define TEXT "text/plain; charset=utf-8"

/* Value of a header of a head that was judged, several joined with ", ".  NULL: none. */
const char *oc_http_header(const uint8_t *head, size_t len, struct oc_arena *a, const char *name)
{
	const char *p = memchr(head, '\n', len), *end = (const char *)head + len, *found = NULL;
	size_t n = strlen(name);

	while (p && ++p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			break;
		if ((size_t)(nl - p) > n && p[n] == ':' && strncasecmp(p, name, n) == 0) {
			const char *v = p + n + 1, *e = nl;
			while (v < e && (*v == ' ' || *v == '\t'))
				v++;
			while (e > v && (e[-1] == '\r' || e[-1] == ' ' || e[-1] == '\t'))
				e--;
			found = found ? oc_arena_printf(a, "%s, %.*s", found, (int)(e - v), v)
				      : oc_arena_strndup(a, v, (size_t)(e - v));
		}
		p = nl;
	}
	return found;
}

/* The path of an origin-form target, without its query; false: another form, or too long. */
static bool path_of(const uint8_t *head, size_t len, char out[PATH_MAX_LEN])
{
	const char *start = memchr(head, ' ', len), *end;

	if (!start || *++start != '/')
		return false;
	end = start;
	while (end < (const char *)head + len && *end != ' ' && *end != '?' && *end != '#')
		end++;
	if ((size_t)(end - start) >= PATH_MAX_LEN)
		return false;
	memcpy(out, start, (size_t)(end - start));
	out[end - start] = '\0';
	return true;
}

static bool one_of(const char *path, const char *a, const char *b)
{
	return strcmp(path, a) == 0 || strcmp(path, b) == 0;
}

/* GET and HEAD, nobody is asked who he is. */
static bool probe(struct oc_sock *s, const char *path, const char *method, bool close)
{
	bool stopping = s->srv->stopping, head = strcmp(method, "HEAD") == 0;
	const char *body;
	int status = 200;

	if (one_of(path, "/health", "/healthz")) {
		body = "{\"ok\":true,\"status\":\"live\"}";
	} else if (one_of(path, "/startup", "/startupz")) {
		body = stopping ? "{\"ok\":false,\"status\":\"draining\"}"
				: "{\"ok\":true,\"status\":\"started\"}";
		status = stopping ? 503 : 200;
	} else if (one_of(path, "/ready", "/readyz")) {
		body = stopping ? "{\"ready\":false}" : "{\"ready\":true}";
		status = stopping ? 503 : 200;
	} else {
		return false;
	}
	if (!head && strcmp(method, "GET") != 0)
		oc_http_answer(s, 405, TEXT, "Allow: GET, HEAD\r\n", "Method Not Allowed", false,
			       close);
	else
		oc_http_answer(s, status, JSON, NULL, body, head, close);
	return true;
}

static bool wants_close(const uint8_t *head, const struct oc_http_head *h)
{
	oc_auto_arena a = {0};
	const char *c = oc_http_header(head, h->length, &a, "connection");
	bool body = h->chunked || (h->has_length && h->body > 0);

	return h->minor == 0 || body || (c && strcasestr(c, "close"));
}

static void request(struct oc_sock *s, const uint8_t *head, const struct oc_http_head *h)
{
	char path[PATH_MAX_LEN];
	bool close = wants_close(head, h), is_head = strcmp(h->method, "HEAD") == 0;

	if (h->form != OC_HTTP_ORIGIN || !path_of(head, h->length, path)) {
		oc_http_answer(s, 400, TEXT, NULL, "Bad Request", is_head, true);
		return;
	}
	if (!h->websocket && probe(s, path, h->method, close))
		return;
	if (strncmp(path, "/__openclaw__/worker", 20) == 0) {
		oc_http_answer(s, 501, TEXT, NULL, "Not Implemented", is_head, true);
		return;
	}
	if (h->websocket) {
		oc_ws_upgrade(s, head, h, path);
		return;
	}
	oc_http_answer(s, 404, TEXT, NULL, "Not Found", is_head, close);
}

static void next_head(struct oc_sock *s)
{
	free(s->reader);
	s->reader = NULL;
	oc_deadline_set(s, IDLE_MS);
}

/* True: there may be another one in s->in. */
static bool one_head(struct oc_sock *s)
{
	struct oc_http_head h;

	if (!s->reader) {
		s->reader = calloc(1, sizeof *s->reader);
		if (!s->reader)
			oc_oom();
	}
	enum oc_first r = oc_http_read(s->reader, (const uint8_t *)s->in.data, s->in.len, &h);
	if (r == OC_FIRST_MORE) {
		if (s->in.len > HEAD_MAX)
			oc_http_answer(s, 431, TEXT, NULL, "Request Header Fields Too Large", false,
				       true);
		return false;
	}
	if (r != OC_FIRST_OK || h.length > HEAD_MAX) {
		oc_http_answer(s, r == OC_FIRST_OK ? 431 : 400, TEXT, NULL, "Bad Request", false,
			       true);
		return false;
	}
	next_head(s);
	/* The head may be used until the end of this; what follows it moves down, or goes to the
	 * WebSocket. */
	struct oc_buf whole = s->in;
	s->in = (struct oc_buf){0};
	request(s, (const uint8_t *)whole.data, &h);
	size_t rest = whole.len - h.length;
	bool again = rest > 0 && !s->close_after && s->state != OC_SOCK_DEAD;
	if (again && s->state == OC_SOCK_WS) {
		oc_ws_bytes(s, (uint8_t *)whole.data + h.length, rest);
		again = false;
	} else if (again) {
		oc_buf_add(&s->in, whole.data + h.length, rest);
	}
	oc_buf_free(&whole);
	return again;
}

void oc_http_bytes(struct oc_sock *s, const uint8_t *p, size_t n)
{
	if (s->close_after)
		return;
	oc_buf_add(&s->in, p, n);
	while (s->state == OC_SOCK_HTTP && !s->close_after && one_head(s)) {
		if (oc_sock_queued(s) > OC_SOCK_PAUSE) {
			s->paused = true;
			return;
		}
	}
	if (s->state != OC_SOCK_DEAD && s->in.len == 0) {
		oc_buf_free(&s->in);
		s->in = (struct oc_buf){0};
	}
}
