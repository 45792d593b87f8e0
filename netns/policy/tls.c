/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - the ClientHello (RFC 8446 4.1.2, RFC 6066 3, draft-ietf-tls-esni).
 *
 * First the records are counted until they hold the whole handshake message, then the message is read through a cursor that steps
 * over record headers.  A second ClientHello, after HelloRetryRequest, is watch.h's.
 */
#include "netns/policy/tls.h"

#include <string.h>

#define RECORD_HEAD 5u
#define RECORD_MAX 16384u
#define TYPE_HANDSHAKE 22
#define CLIENT_HELLO 1

enum { EXT_SERVER_NAME = 0, EXT_ALPN = 16, EXT_EARLY_DATA = 42, EXT_ECH = 0xfe0d, EXT_ESNI = 0xffce };

/* --- the message, without the record headers within it --- */

struct cursor {
	const uint8_t *p;
	size_t at, record; /* record: bytes left in this one */
	size_t left;	   /* of the message */
};

static unsigned next(struct cursor *c)
{
	while (c->record == 0) {
		c->record = (size_t)c->p[c->at + 3] << 8 | c->p[c->at + 4];
		c->at += RECORD_HEAD;
	}
	c->record--;
	c->left--;
	return c->p[c->at++];
}

static bool get(struct cursor *c, unsigned bytes, unsigned *out)
{
	*out = 0;
	if (c->left < bytes)
		return false;
	while (bytes-- > 0)
		*out = *out << 8 | next(c);
	return true;
}

static bool skip(struct cursor *c, size_t n)
{
	if (c->left < n)
		return false;
	while (n > 0) {
		size_t step;

		if (c->record == 0) {
			next(c);
			n--;
			continue;
		}
		step = n < c->record ? n : c->record;
		c->at += step;
		c->record -= step;
		c->left -= step;
		n -= step;
	}
	return true;
}

/* A vector with its length in front: the cursor for what is in it. */
static bool vector(struct cursor *c, unsigned bytes, struct cursor *in)
{
	unsigned len;

	if (!get(c, bytes, &len) || c->left < len)
		return false;
	*in = *c;
	in->left = len;
	return skip(c, len);
}

static enum oc_first bad(struct oc_tls_reader *r, const char *why)
{
	r->why = why;
	return OC_FIRST_BAD;
}

/* --- extensions --- */

static enum oc_first server_name(struct oc_tls_reader *r, struct cursor ext, struct oc_tls_hello *out)
{
	struct cursor list, host;
	char raw[OC_NAME_MAX + 2];
	unsigned type, byte;
	size_t n = 0;

	if (!vector(&ext, 2, &list) || ext.left != 0 || list.left == 0)
		return bad(r, "server_name is malformed");
	/* RFC 6066: not more than one of a type, and there never was another type. */
	if (!get(&list, 1, &type) || type != 0 || !vector(&list, 2, &host) || host.left == 0)
		return bad(r, "server_name is malformed");
	if (list.left != 0) {
		r->two_names = true;
		return bad(r, "server_name has more than one name");
	}
	if (host.left > sizeof(raw))
		return bad(r, "the server name is too long");
	while (get(&host, 1, &byte))
		raw[n++] = (char)byte;
	if (oc_name_normalize(raw, n, out->name) < 0)
		return bad(r, "the server name is not a host name");
	out->has_name = true;
	return OC_FIRST_OK;
}

static enum oc_first alpn(struct oc_tls_reader *r, struct cursor ext, struct oc_tls_hello *out)
{
	struct cursor list, name;

	if (!vector(&ext, 2, &list) || ext.left != 0 || list.left == 0)
		return bad(r, "ALPN is malformed");
	while (list.left > 0) {
		char proto[8];
		unsigned byte;
		size_t n = 0;

		if (!vector(&list, 1, &name) || name.left == 0)
			return bad(r, "ALPN is malformed");
		while (n < sizeof(proto) && get(&name, 1, &byte))
			proto[n++] = (char)byte;
		if (n == 2 && memcmp(proto, "h2", 2) == 0)
			out->alpn_h2 = true;
		else if (n == 8 && name.left == 0 && memcmp(proto, "http/1.", 7) == 0)
			out->alpn_http1 = true;
		else
			out->alpn_other = true;
	}
	return OC_FIRST_OK;
}

static enum oc_first extensions(struct oc_tls_reader *r, struct cursor list, struct oc_tls_hello *out)
{
	uint16_t seen[OC_TLS_EXTENSIONS_MAX];
	size_t count = 0;

	while (list.left > 0) {
		struct cursor data;
		enum oc_first v = OC_FIRST_OK;
		unsigned type;

		if (!get(&list, 2, &type) || !vector(&list, 2, &data))
			return bad(r, "an extension is longer than the message");
		/* RFC 8446 4.2: never twice, GREASE values (RFC 8701) included. */
		for (size_t i = 0; i < count; i++)
			if (seen[i] == type) {
				r->two_names = type == EXT_SERVER_NAME;
				return bad(r, "an extension is there twice");
			}
		if (count == OC_TLS_EXTENSIONS_MAX)
			return bad(r, "there are too many extensions");
		seen[count++] = (uint16_t)type;
		if (type == EXT_SERVER_NAME)
			v = server_name(r, data, out);
		else if (type == EXT_ALPN)
			v = alpn(r, data, out);
		else if (type == EXT_ECH || type == EXT_ESNI)
			out->ech = true;
		else if (type == EXT_EARLY_DATA)
			out->early_data = true;
		if (v != OC_FIRST_OK)
			return v;
	}
	return OC_FIRST_OK;
}

static enum oc_first client_hello(struct oc_tls_reader *r, const uint8_t *p, struct oc_tls_hello *out)
{
	struct cursor c = {.p = p, .left = r->want}, v;
	unsigned x;

	if (!get(&c, 4, &x) || !get(&c, 2, &x))
		return bad(r, "the ClientHello is too short");
	if (x >> 8 != 3) /* legacy_version, 3.3 of all that is alive */
		return bad(r, "the ClientHello has an unknown version");
	if (!skip(&c, 32) || !vector(&c, 1, &v) || v.left > 32)
		return bad(r, "random or session id of the ClientHello is malformed");
	if (!vector(&c, 2, &v) || v.left < 2 || v.left % 2)
		return bad(r, "the cipher suites are malformed");
	if (!vector(&c, 1, &v) || v.left == 0)
		return bad(r, "the compression methods are malformed");
	if (c.left == 0) /* none, TLS 1.2 */
		return OC_FIRST_OK;
	if (!vector(&c, 2, &v) || c.left != 0)
		return bad(r, "the extensions are malformed");
	return extensions(r, v, out);
}

/* --- records --- */

/* Count the records that are complete, take the first four bytes of the message on the way. */
static enum oc_first records(struct oc_tls_reader *r, const uint8_t *p, size_t n)
{
	while (r->want == 0 || r->have < r->want) {
		const uint8_t *h = p + r->seen;
		size_t room = n - r->seen, len;

		/* Of the first record every byte may decide; other protocols are often shorter than a header. */
		if (room > 0 && h[0] != TYPE_HANDSHAKE)
			return r->seen == 0 ? OC_FIRST_OTHER
					    : bad(r, "another record within the ClientHello");
		if (room > 1 && h[1] != 3)
			return r->seen == 0 ? OC_FIRST_OTHER
					    : bad(r, "a record has an unknown version");
		if (room < RECORD_HEAD)
			return OC_FIRST_MORE;
		len = (size_t)h[3] << 8 | h[4];
		if (len == 0 || len > RECORD_MAX)
			return bad(r, "a record is empty or too long");
		/* What it is shows before the record is complete. */
		for (size_t i = 0; r->have + i < 4 && i < len && RECORD_HEAD + i < room; i++)
			r->head[r->have + i] = h[RECORD_HEAD + i];
		if (r->have == 0 && room > RECORD_HEAD && r->head[0] != CLIENT_HELLO)
			return bad(r, "the first message is no ClientHello");
		if (r->want == 0 && r->have + (room - RECORD_HEAD < len ? room - RECORD_HEAD : len) >= 4) {
			r->want = 4 + ((size_t)r->head[1] << 16 | (size_t)r->head[2] << 8 | r->head[3]);
			if (r->want > OC_TLS_HELLO_MAX)
				return bad(r, "the ClientHello is too long");
		}
		if (room - RECORD_HEAD < len)
			return OC_FIRST_MORE;
		r->seen += RECORD_HEAD + len;
		r->have += len;
	}
	/* RFC 8446 5.1: keys change after it, so nothing else may be in its record. */
	if (r->have > r->want)
		return bad(r, "another message is in the record of the ClientHello");
	return OC_FIRST_OK;
}

enum oc_first oc_tls_read(struct oc_tls_reader *r, const uint8_t *p, size_t n, struct oc_tls_hello *out)
{
	enum oc_first v;

	memset(out, 0, sizeof(*out));
	/* What is behind it must not change the verdict. */
	if (n > OC_TLS_STREAM_MAX)
		n = OC_TLS_STREAM_MAX;
	v = records(r, p, n);
	if (v == OC_FIRST_MORE && n >= OC_TLS_STREAM_MAX)
		return bad(r, "the ClientHello is too long");
	if (v != OC_FIRST_OK)
		return v;
	out->length = r->seen;
	return client_hello(r, p, out);
}
