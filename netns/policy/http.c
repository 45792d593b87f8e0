/* SPDX-License-Identifier: Apache-2.0 */
/* http - one line after the other, each once; see http.h. */
#include "netns/policy/http.h"

#include <string.h>
#include <strings.h>

static bool is_token(unsigned char c)
{
	static const char other[] = "!#$%&'*+-.^_`|~";

	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != 0 && strchr(other, c) != NULL);
}

static enum oc_first bad(struct oc_http_reader *r, const char *why)
{
	r->why = why;
	return OC_FIRST_BAD;
}

int oc_http_host_parse(const char *s, size_t len, struct oc_http_host *out)
{
	size_t host = len;
	const char *colon;

	memset(out, 0, sizeof(*out));
	if (len > 0 && s[0] == '[') {
		const char *close = memchr(s, ']', len);

		if (!close)
			return -1;
		host = (size_t)(close - s) + 1;
		if (oc_addr_parse(s + 1, host - 2, &out->addr) < 0 || out->addr.family != 6)
			goto no;
	} else {
		colon = memchr(s, ':', len);
		if (colon)
			host = (size_t)(colon - s);
		if (oc_addr_parse(s, host, &out->addr) < 0 && oc_name_normalize(s, host, out->name) < 0)
			goto no;
	}
	if (host == len)
		return 0;
	if (s[host] != ':' || len - host < 2 || len - host > 6)
		goto no;
	unsigned port = 0;
	for (size_t i = host + 1; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			goto no;
		port = port * 10 + (unsigned)(s[i] - '0');
	}
	if (port == 0 || port > 65535)
		goto no;
	out->has_port = true;
	out->port = (uint16_t)port;
	return 0;
no:
	memset(out, 0, sizeof(*out));
	return -1;
}

static bool same_host(const struct oc_http_host *a, const struct oc_http_host *b)
{
	if (strcmp(a->name, b->name) != 0 || !oc_addr_equal(&a->addr, &b->addr))
		return false;
	return !a->has_port || !b->has_port || a->port == b->port;
}

/* scheme "://" authority [path] */
static enum oc_first absolute_target(struct oc_http_reader *r, const char *s, size_t len)
{
	size_t end, skip;

	if (len > 7 && strncasecmp(s, "http://", 7) == 0)
		skip = 7;
	else if (len > 8 && strncasecmp(s, "https://", 8) == 0)
		skip = 8;
	else
		return bad(r, "the request target has none of the forms of HTTP");
	s += skip;
	len -= skip;
	for (end = 0; end < len && s[end] != '/' && s[end] != '?' && s[end] != '#';)
		end++;
	if (oc_http_host_parse(s, end, &r->target) < 0)
		return bad(r, "the request target names no host that can be read");
	r->head.form = OC_HTTP_ABSOLUTE;
	return OC_FIRST_OK;
}

static enum oc_first request_line(struct oc_http_reader *r, const char *s, size_t len)
{
	const char *space = memchr(s, ' ', len), *version;
	size_t method, target;

	/* Long enough for a version at its end, or it is not HTTP at all (or 0.9, which has no Host). */
	if (!space || len < 10 || memcmp(s + len - 9, " HTTP/", 6) != 0 || s[len - 2] != '.')
		return OC_FIRST_OTHER;
	version = s + len - 3;
	method = (size_t)(space - s);
	if (version[0] != '1') {
		r->http2 = version[0] == '2';
		return bad(r, "not HTTP/1");
	}
	if (version[2] != '0' && version[2] != '1')
		return bad(r, "not HTTP/1.0 or HTTP/1.1");
	r->head.minor = (unsigned)(version[2] - '0');
	memcpy(r->head.method, s,
	       method < sizeof(r->head.method) ? method : sizeof(r->head.method) - 1);
	if (len < method + 1 + 9)
		return bad(r, "the request has no target");
	s = space + 1;
	target = len - method - 1 - 9;
	if (target == 0)
		return bad(r, "the request has no target");
	for (size_t i = 0; i < target; i++)
		if ((unsigned char)s[i] <= 0x20 || s[i] == 0x7F)
			return bad(r, "the request line has a blank too many");
	if (strcmp(r->head.method, "CONNECT") == 0) {
		r->head.form = OC_HTTP_AUTHORITY;
		if (oc_http_host_parse(s, target, &r->target) < 0 || !r->target.has_port)
			return bad(r, "CONNECT names no host and port that can be read");
		return OC_FIRST_OK;
	}
	if (s[0] == '/') {
		r->head.form = OC_HTTP_ORIGIN;
		return OC_FIRST_OK;
	}
	if (target == 1 && s[0] == '*' && strcmp(r->head.method, "OPTIONS") == 0) {
		r->head.form = OC_HTTP_ASTERISK;
		return OC_FIRST_OK;
	}
	return absolute_target(r, s, target);
}

/* Where the body ends must be the same for every server. */
static enum oc_first framing(struct oc_http_reader *r, const char *name, size_t name_len, const char *s,
			     size_t len)
{
	bool length = name_len == 14 && strncasecmp(name, "content-length", 14) == 0;
	bool coding = name_len == 17 && strncasecmp(name, "transfer-encoding", 17) == 0;

	if (name_len == 7 && strncasecmp(name, "upgrade", 7) == 0)
		r->head.websocket = len == 9 && strncasecmp(s, "websocket", 9) == 0;
	if (!length && !coding)
		return OC_FIRST_OK;
	if (r->head.has_length || r->head.chunked)
		return bad(r, "the length of the body is said twice");
	if (coding) {
		if (len != 7 || strncasecmp(s, "chunked", 7) != 0 || r->head.minor == 0)
			return bad(r, "a transfer coding other than chunked");
		r->head.chunked = true;
		return OC_FIRST_OK;
	}
	if (len == 0 || len > 18)
		return bad(r, "Content-Length is no number");
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return bad(r, "Content-Length is no number");
		r->head.body = r->head.body * 10 + (uint64_t)(s[i] - '0');
	}
	r->head.has_length = true;
	return OC_FIRST_OK;
}

static enum oc_first header_line(struct oc_http_reader *r, const char *s, size_t len)
{
	size_t name = 0;

	if (s[0] == ' ' || s[0] == '\t')
		return bad(r, "a header is folded");
	while (name < len && is_token((unsigned char)s[name]))
		name++;
	if (name == 0 || name == len || s[name] != ':')
		return bad(r, "a header has no name, or a blank in front of its colon");
	const char *key = s;
	s += name + 1;
	len -= name + 1;
	while (len > 0 && (s[0] == ' ' || s[0] == '\t')) {
		s++;
		len--;
	}
	while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		len--;
	if (name != 4 || strncasecmp(key, "host", 4) != 0)
		return framing(r, key, name, s, len);
	if (r->hosts++ > 0) {
		r->two_names = true;
		return bad(r, "there is more than one Host");
	}
	if (len == 0) {
		r->no_name = true;
		return bad(r, "Host is empty");
	}
	if (oc_http_host_parse(s, len, &r->head.host) < 0)
		return bad(r, "Host is no host that can be read");
	return OC_FIRST_OK;
}

/* The empty line: does it all fit? */
static enum oc_first finish(struct oc_http_reader *r)
{
	if (r->hosts == 0) {
		r->no_name = true;
		return bad(r, "there is no Host");
	}
	if ((r->head.form == OC_HTTP_ABSOLUTE || r->head.form == OC_HTTP_AUTHORITY) &&
	    !same_host(&r->target, &r->head.host)) {
		r->two_names = true;
		return bad(r, "the request target and Host name different hosts");
	}
	return OC_FIRST_OK;
}

/*
 * Look at the bytes of the line at s[0..n) that are new.  OK: *len is its length without CR LF.  The bytes that
 * end a line for one server and not for another are refused wherever they stand.
 */
static enum oc_first scan(struct oc_http_reader *r, const char *s, size_t n, size_t *len)
{
	for (size_t i = r->scanned; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		/* Nothing that is not a method and a blank is HTTP. */
		if (r->lines == 0 && !is_token(c) && (i == 0 || c != ' ') && !memchr(s, ' ', i))
			return OC_FIRST_OTHER;
		if (r->lines == 0 && i + 1 == sizeof(r->head.method) && !memchr(s, ' ', i + 1))
			return OC_FIRST_OTHER;
		if (c == '\n') {
			if (i == 0 || s[i - 1] != '\r')
				return bad(r, "a line ends with LF alone");
			*len = i - 1;
			return OC_FIRST_OK;
		}
		if (i > 0 && s[i - 1] == '\r')
			return bad(r, "there is a CR within a line");
		if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7F)
			return bad(r, "there is a control character");
	}
	r->scanned = n;
	return OC_FIRST_MORE;
}

enum oc_first oc_http_read(struct oc_http_reader *r, const uint8_t *p, size_t n, struct oc_http_head *out)
{
	memset(out, 0, sizeof(*out));
	/* What is behind it must not change the verdict. */
	if (n > OC_HTTP_HEAD_MAX)
		n = OC_HTTP_HEAD_MAX;
	for (;;) {
		const char *s = (const char *)p + r->seen;
		size_t len = 0;
		enum oc_first v = scan(r, s, n - r->seen, &len);

		if (v == OC_FIRST_MORE && n >= OC_HTTP_HEAD_MAX)
			return bad(r, "the head of the request is too long");
		if (v != OC_FIRST_OK)
			return v;
		r->seen += len + 2;
		r->scanned = 0;
		if (r->seen > OC_HTTP_HEAD_MAX || r->lines++ > OC_HTTP_LINES_MAX)
			return bad(r, "the head of the request is too long");
		if (r->lines > 1 && len == 0) {
			v = finish(r);
			r->head.length = r->seen;
			*out = r->head;
			return v;
		}
		v = r->lines == 1 ? request_line(r, s, len) : header_line(r, s, len);
		if (v != OC_FIRST_OK)
			return v;
	}
}
