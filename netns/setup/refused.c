/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refused - reads the counters of the rules that setup.c made.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/setup/internal.h"

#define HEADER sizeof(struct nlattr)

static const struct nlattr *next_attr(const struct nlattr *a, size_t *left)
{
	size_t step = NLMSG_ALIGN((size_t)a->nla_len);

	if (step > *left)
		step = *left;
	*left -= step;
	return (const struct nlattr *)(const void *)((const char *)a + step);
}

static bool whole(const struct nlattr *a, size_t left)
{
	return left >= HEADER && a->nla_len >= HEADER && a->nla_len <= left;
}

static const struct nlattr *find_attr(const void *data, size_t left, uint16_t type)
{
	for (const struct nlattr *a = data; whole(a, left); a = next_attr(a, &left))
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
	return NULL;
}

static const void *inner(const struct nlattr *a, size_t *len)
{
	*len = a->nla_len - HEADER;
	return (const char *)a + HEADER;
}

/* The packets of a rule's counter; false: it has none. */
static bool rule_packets(const struct nlmsghdr *h, uint64_t *packets)
{
	const size_t head = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	size_t left;

	if (h->nlmsg_len < head)
		return false;
	const struct nlattr *list =
		find_attr((const char *)h + head, h->nlmsg_len - head, NFTA_RULE_EXPRESSIONS);
	if (!list)
		return false;
	for (const struct nlattr *e = inner(list, &left); whole(e, left); e = next_attr(e, &left)) {
		size_t len, n;
		const void *expr = inner(e, &len);
		const struct nlattr *name = find_attr(expr, len, NFTA_EXPR_NAME);
		const struct nlattr *data = find_attr(expr, len, NFTA_EXPR_DATA);
		if (!name || !data || name->nla_len != HEADER + sizeof "counter" ||
		    memcmp((const char *)name + HEADER, "counter", sizeof "counter") != 0)
			continue;
		const void *counter = inner(data, &n);
		const struct nlattr *value = find_attr(counter, n, NFTA_COUNTER_PACKETS);
		if (!value || value->nla_len != HEADER + sizeof(uint64_t))
			return false;
		uint64_t be;
		memcpy(&be, (const char *)value + HEADER, sizeof be);
		*packets = be64toh(be);
		return true;
	}
	return false;
}

static int read_counts(int fd, uint64_t count[OC_COUNTS + 1], size_t *got)
{
	_Alignas(8) unsigned char buf[16384];

	for (*got = 0;;) {
		ssize_t n = recv(fd, buf, sizeof buf, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		size_t left = (size_t)n;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			uint64_t packets;
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *e = NLMSG_DATA(h);
				errno = h->nlmsg_len >= NLMSG_LENGTH(sizeof *e) ? -e->error
										: EPROTO;
				return -1;
			}
			if (rule_packets(h, &packets) && *got <= OC_COUNTS)
				count[(*got)++] = packets;
		}
	}
}

int oc_net_refused_read(int rules, struct oc_net_refused *out, struct oc_err *err)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	/* Attributes start at multiples of 4. */
	const struct {
		struct nlmsghdr head;
		struct nfgenmsg message;
		struct nlattr table;
		char table_name[4];
		struct nlattr chain;
		char chain_name[8];
	} ask = {
		.head = {.nlmsg_len = sizeof ask,
			 .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.message = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0},
		.table = {.nla_len = HEADER + sizeof OC_TABLE, .nla_type = NFTA_RULE_TABLE},
		.table_name = OC_TABLE,
		.chain = {.nla_len = HEADER + sizeof OC_CHAIN, .nla_type = NFTA_RULE_CHAIN},
		.chain_name = OC_CHAIN,
	};
	uint64_t count[OC_COUNTS + 1];
	size_t got;

	if (sendto(rules, &ask, sizeof ask, 0, (const struct sockaddr *)&kernel, sizeof kernel) <
		    0 ||
	    read_counts(rules, count, &got) < 0)
		return oc_fail(err, errno, "cannot read the counters of refused packets");
	if (got != OC_COUNTS + 1)
		return oc_fail(err, 0, "%zu counters of refused packets, not %d", got,
			       OC_COUNTS + 1);
	*out = (struct oc_net_refused){
		.total = count[OC_COUNT_TOTAL],
		.udp = count[OC_COUNT_UDP],
		.icmp = count[OC_COUNT_ICMP] + count[OC_COUNT_ICMP6],
		.tcp = count[OC_COUNT_TCP],
		.ipv6 = count[OC_COUNT_IPV6],
	};
	return 0;
}
