/* SPDX-License-Identifier: Apache-2.0 */
/* check - see check.h. */
#include "netns/policy/check.h"

#include <string.h>

static enum oc_first no(struct oc_check *c, enum oc_egress_reason *reason, enum oc_egress_reason why,
			const char *detail)
{
	*reason = why;
	c->detail = detail;
	return OC_FIRST_BAD;
}

static enum oc_first check_tls(struct oc_check *c, const struct oc_egress_answer *answer, const char *name,
			       const uint8_t *p, size_t n, enum oc_egress_reason *reason)
{
	struct oc_tls_hello hello;
	enum oc_first v = oc_tls_read(&c->tls, p, n, &hello);

	memcpy(c->seen, hello.name, sizeof(c->seen));
	switch (v) {
	case OC_FIRST_MORE:
		return v;
	case OC_FIRST_OTHER:
		return no(c, reason, OC_EGRESS_NOT_TLS_OR_HTTP, NULL);
	case OC_FIRST_BAD:
		return no(c, reason, c->tls.two_names ? OC_EGRESS_TWO_NAMES : OC_EGRESS_BAD_TLS, c->tls.why);
	case OC_FIRST_OK:
		break;
	}
	c->length = hello.length;
	c->early_data = hello.early_data;
	if (hello.ech && !answer->ech)
		return no(c, reason, OC_EGRESS_ECH, NULL);
	if (answer->check == OC_EGRESS_CHECK_ADDRESS)
		return hello.has_name ? no(c, reason, OC_EGRESS_NAME_MISMATCH,
					   "the rule is for addresses, and the client names a host")
				      : OC_FIRST_OK;
	if (!hello.has_name)
		return no(c, reason, OC_EGRESS_NO_NAME, "no server name");
	if (strcmp(hello.name, name) != 0)
		return no(c, reason, OC_EGRESS_NAME_MISMATCH, "the TLS server name");
	return OC_FIRST_OK;
}

static enum oc_first check_http(struct oc_check *c, const struct oc_egress_answer *answer, const char *name,
				const struct oc_addr *addr, const uint8_t *p, size_t n,
				enum oc_egress_reason *reason)
{
	struct oc_http_head head;
	enum oc_first v = oc_http_read(&c->http, p, n, &head);
	const struct oc_http_host *host = &c->http.head.host;
	struct oc_addr want, got;

	if (host->addr.family != 0)
		oc_addr_text(&host->addr, c->seen);
	else
		memcpy(c->seen, host->name, sizeof(c->seen));
	switch (v) {
	case OC_FIRST_MORE:
		return v;
	case OC_FIRST_OTHER:
		return no(c, reason, OC_EGRESS_NOT_TLS_OR_HTTP, NULL);
	case OC_FIRST_BAD:
		return no(c, reason,
			  c->http.two_names ? OC_EGRESS_TWO_NAMES
			  : c->http.no_name ? OC_EGRESS_NO_NAME
			  : c->http.http2   ? OC_EGRESS_HTTP2_CLEARTEXT
					    : OC_EGRESS_BAD_HTTP,
			  c->http.why);
	case OC_FIRST_OK:
		break;
	}
	c->length = head.length;
	if (answer->check == OC_EGRESS_CHECK_ADDRESS) {
		want = oc_addr_unmap(addr);
		got = oc_addr_unmap(&host->addr);
		return oc_addr_equal(&want, &got)
			       ? OC_FIRST_OK
			       : no(c, reason, OC_EGRESS_NAME_MISMATCH, "Host is not the address");
	}
	if (strcmp(host->name, name) != 0)
		return no(c, reason, OC_EGRESS_NAME_MISMATCH, "Host");
	return OC_FIRST_OK;
}

enum oc_first oc_check_read(struct oc_check *c, const struct oc_egress_answer *answer, const char *name,
			    const struct oc_addr *addr, const uint8_t *p, size_t n,
			    enum oc_egress_reason *reason)
{
	static const struct oc_addr none;

	*reason = OC_EGRESS_ALLOWED;
	if (!answer->allowed)
		return no(c, reason, answer->reason, NULL);
	if (answer->check == OC_EGRESS_CHECK_NONE)
		return OC_FIRST_OK;
	/* A missing name or address must not compare equal to an empty one. */
	if (answer->check == OC_EGRESS_CHECK_NAME ? !name || !*name : !addr || addr->family == 0)
		return no(c, reason, OC_EGRESS_NAME_MISMATCH, "nothing was dialled");
	if (n == 0)
		return OC_FIRST_MORE;
	if (c->protocol == OC_CHECK_UNKNOWN)
		c->protocol = p[0] == 22 ? OC_CHECK_TLS : OC_CHECK_HTTP;
	if (c->protocol == OC_CHECK_TLS)
		return check_tls(c, answer, name, p, n, reason);
	return check_http(c, answer, name, addr ? addr : &none, p, n, reason);
}
