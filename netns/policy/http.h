/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http - the head of the first HTTP/1 request, as far as it says whom it wants.
 *
 * Same manners as tls.h: the caller shows all bytes since the first, lines that were read are not read again.
 * Strict where servers differ (RFC 9112): exactly one Host, no folded lines, no bare CR or LF, no NUL, no space before a colon; an absolute-form
 * target must name the same host as Host; at most one of Content-Length and Transfer-Encoding, once, and no coding but chunked.  HTTP/2 without TLS has its name in a compressed block, and is BAD.
 */
#ifndef OC_NETNS_POLICY_HTTP_H
#define OC_NETNS_POLICY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netns/policy/addr.h"
#include "netns/policy/names.h"
#include "netns/policy/tls.h" /* enum oc_first */

#define OC_HTTP_HEAD_MAX 32768u
#define OC_HTTP_LINES_MAX 256u

enum oc_http_form { OC_HTTP_ORIGIN, OC_HTTP_ABSOLUTE, OC_HTTP_AUTHORITY /* CONNECT */, OC_HTTP_ASTERISK };

/* host[":" port] */
struct oc_http_host {
	char name[OC_NAME_MAX + 1]; /* normalised; "" if it is an address */
	struct oc_addr addr;	    /* family 0 if it is a name */
	bool has_port;
	uint16_t port;
};

struct oc_http_head {
	char method[24]; /* cut if longer */
	enum oc_http_form form;
	unsigned minor; /* HTTP/1.minor */
	struct oc_http_host host;
	bool chunked, has_length;
	bool websocket; /* Upgrade: websocket */
	uint64_t body; /* Content-Length */
	size_t length; /* of the head with its empty line */
};

/* Zero-initialise. */
struct oc_http_reader {
	size_t seen;	/* start of the first line that is not complete */
	size_t scanned; /* bytes of it that were looked at */
	unsigned lines, hosts;
	struct oc_http_head head;   /* as far as it was read */
	struct oc_http_host target; /* of an absolute or authority target */
	const char *why;
	bool two_names, no_name, http2;
};

/* p[0..n): all bytes since the first.  Once a verdict is not MORE, the reader is spent. */
enum oc_first oc_http_read(struct oc_http_reader *r, const uint8_t *p, size_t n, struct oc_http_head *out);

/* host[":" port] of s[0..len), any bytes; IPv6 in brackets.  0 or -1. */
int oc_http_host_parse(const char *s, size_t len, struct oc_http_host *out);

#endif
