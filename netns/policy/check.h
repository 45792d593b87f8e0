/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - do a client's first bytes fit the connection that was allowed?
 *
 * Puts tls.h and http.h together: the caller shows all bytes since the first until the verdict is not MORE, and sends nothing upstream before it is OK.
 * Pure.
 */
#ifndef OC_NETNS_POLICY_CHECK_H
#define OC_NETNS_POLICY_CHECK_H

#include "netns/policy/http.h"
#include "netns/policy/rules.h"
#include "netns/policy/tls.h"

#define OC_CHECK_STREAM_MAX OC_TLS_STREAM_MAX

enum oc_check_protocol { OC_CHECK_UNKNOWN, OC_CHECK_TLS, OC_CHECK_HTTP };

/* Zero-initialise. */
struct oc_check {
	enum oc_check_protocol protocol;
	struct oc_tls_reader tls;
	struct oc_http_reader http;
	char seen[OC_NAME_MAX + 1]; /* the name that the client gave, as far as one was read: for the record */
	const char *detail;	    /* a constant text, or NULL */
	size_t length;		    /* OK: of the ClientHello's records, or the head of the request */
	bool early_data;	    /* OK: TLS */
};

/*
 * p[0..n): all bytes since the first.  answer: of decide_name or decide_addr; name: the dialled name, normalised (CHECK_NAME); addr: the dialled address (CHECK_ADDRESS).
 * MORE, OK or BAD (never OTHER); with BAD, *reason.  CHECK_NONE is OK at once.
 */
enum oc_first oc_check_read(struct oc_check *c, const struct oc_egress_answer *answer, const char *name, const struct oc_addr *addr,
			    const uint8_t *p, size_t n, enum oc_egress_reason *reason);

#endif
