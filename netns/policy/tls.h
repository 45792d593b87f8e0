/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - the first message of a TLS client, as far as it says whom it wants.
 *
 * The caller keeps all that came from the client (it must send it on later, unchanged) and shows it from the first byte, again and again, until there is
 * a verdict.  Only new bytes are looked at until the ClientHello is complete; it may be split over segments and over records, and be longer than
 * a record.  It is then read in one pass, without a copy.
 * Pure.  Must never say OK for something that a TLS server might read as another name.
 */
#ifndef OC_NETNS_POLICY_TLS_H
#define OC_NETNS_POLICY_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netns/policy/names.h"

/* Verdict of tls.h and http.h. */
enum oc_first {
	OC_FIRST_MORE,	/* show me more */
	OC_FIRST_OK,	/* complete, and out is filled */
	OC_FIRST_OTHER, /* another protocol */
	OC_FIRST_BAD,	/* this protocol, but malformed or ambiguous: reader.why says it */
};

/* Never keep more than this many bytes of a client before there is a verdict: it is BAD then. */
#define OC_TLS_STREAM_MAX 65536u
#define OC_TLS_HELLO_MAX 49152u	    /* of the handshake message; larger than one record (16384) */
#define OC_TLS_EXTENSIONS_MAX 128u

struct oc_tls_hello {
	bool has_name;
	char name[OC_NAME_MAX + 1]; /* server_name, normalised */
	bool ech;		    /* encrypted_client_hello, or the older encrypted_server_name; also when it is GREASE: nobody can tell */
	bool alpn_h2, alpn_http1, alpn_other;
	bool early_data;
	size_t length; /* bytes of the stream up to the end of the hello's last record */
};

/* Zero-initialise. */
struct oc_tls_reader {
	size_t seen;	   /* start of the first record that is not complete */
	size_t have;	   /* handshake bytes in the records before it */
	size_t want;	   /* of the whole message, 0: not known */
	uint8_t head[4];
	const char *why;   /* BAD: what is wrong, a constant text */
	bool two_names;	   /* BAD because of more than one server name */
};

/* p[0..n): all bytes since the first.  Once a verdict is not MORE, the reader is spent. */
enum oc_first oc_tls_read(struct oc_tls_reader *r, const uint8_t *p, size_t n, struct oc_tls_hello *out);

#endif
