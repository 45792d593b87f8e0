/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns - questions from a sandbox and the few answers that they get.
 *
 * Nothing is forwarded, so nothing but one question has to be understood, and no record but A is ever written.  An answer is at most
 * OC_DNS_ANSWER_MAX bytes, which fits the oldest client (RFC 1035: 512).
 * Pure.  Must never read a compressed name in a question (it may point at itself) or echo a byte that it has not checked, but the name.
 */
#ifndef OC_NETNS_POLICY_DNS_H
#define OC_NETNS_POLICY_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "netns/policy/names.h"

#define OC_DNS_QUERY_MAX 1232u /* longer ones are not read: EDNS padding and cookies stay below */
#define OC_DNS_ANSWER_MAX 320u

enum { OC_DNS_TYPE_A = 1, OC_DNS_TYPE_AAAA = 28, OC_DNS_TYPE_OPT = 41, OC_DNS_TYPE_ANY = 255 };
enum {
	OC_DNS_NOERROR = 0,
	OC_DNS_FORMERR = 1,
	OC_DNS_SERVFAIL = 2,
	OC_DNS_NXDOMAIN = 3,
	OC_DNS_NOTIMP = 4,
	OC_DNS_REFUSED = 5,
	OC_DNS_BADVERS = 16, /* needs EDNS */
};

enum oc_dns_verdict {
	OC_DNS_OK,	 /* name and type are set */
	OC_DNS_DROP,	 /* too short to be answered, or a response: say nothing */
	OC_DNS_ERROR,	 /* answer with q->rcode */
	OC_DNS_BAD_NAME, /* well-formed, but no host name (q->rcode is NXDOMAIN); q->shown is for the record */
};

struct oc_dns_query {
	uint16_t id, type, class;
	bool rd, cd, edns;
	uint16_t udp_size;		/* of the client, at least 512 */
	uint8_t rcode;			/* what to answer with, for ERROR and BAD_NAME */
	char name[OC_NAME_MAX + 1];	/* normalised; "" unless OK */
	char shown[OC_NAME_MAX * 4 + 4]; /* the name with odd bytes as \DDD (RFC 4343), for records; never to be compared */
	uint8_t question[255 + 4];	/* as it came, letter case too (draft 0x20) */
	uint16_t question_len;		/* 0 if it could not be read */
};

/* p[0..n): one message, without the length of TCP. */
enum oc_dns_verdict oc_dns_parse(const uint8_t *p, size_t n, struct oc_dns_query *q);

/*
 * Build an answer; returns its length.  limit: what the client can take (udp_size, or 65535 on TCP); if the answer is longer it is
 * cut to header and question with TC set.
 * addr: four bytes, or NULL for none: with NOERROR that is NODATA.  The answer is authoritative (AA) and recursion is claimed (RA), or glibc logs it.
 */
size_t oc_dns_answer(const struct oc_dns_query *q, unsigned rcode, const uint8_t *addr, uint32_t ttl, size_t limit,
		     uint8_t out[OC_DNS_ANSWER_MAX]);
static inline size_t oc_dns_nodata(const struct oc_dns_query *q, size_t limit, uint8_t out[OC_DNS_ANSWER_MAX])
{
	return oc_dns_answer(q, OC_DNS_NOERROR, NULL, 0, limit, out);
}

/* TCP: messages with two bytes of length in front (RFC 1035 4.2.2).  Zero-initialise. */
struct oc_dns_tcp {
	uint8_t buf[2 + OC_DNS_QUERY_MAX];
	size_t have;
};
/*
 * Take bytes from p[0..n).  Returns how many were taken, *msg is the message if one is complete (within t, valid until the next call) and NULL if not;
 * call again with the rest.  -1: a length of 0, or longer than OC_DNS_QUERY_MAX: close.
 */
ssize_t oc_dns_tcp_feed(struct oc_dns_tcp *t, const uint8_t *p, size_t n, const uint8_t **msg, size_t *len);

/* "A", "AAAA", "TXT", ...; "TYPE65280" into buf for the rest. */
const char *oc_dns_type_name(uint16_t type, char buf[16]);

#endif
