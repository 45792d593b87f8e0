/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setup - see setup.h.
 *
 * The netlink messages are written here by hand: a dozen attributes do not pay for two libraries in
 * a static program whose start is measured in microseconds.  Two round trips: one for addresses and
 * routes, one for the whole rule set, which nf_tables takes as one transaction.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "netns/setup/internal.h"

/* The first device of every network namespace (Linux 3.5: LOOPBACK_IFINDEX). */
#define LO 1
/* Already a multiple of 4, as each attribute must start. */
#define ATTR_HEADER sizeof(struct nlattr)
/* enum nft_registers: the verdict, and the first of the 16-byte data registers. */
#define VERDICT NFT_REG_VERDICT
#define REG	NFT_REG_1
/* NF_INET_LOCAL_OUT and the priorities of linux/netfilter_ipv4.h, which does not go together with
 * netinet/in.h. */
/* New flows of questions: with a life of 30 s at most 34,000 entries, 9 MB. */
#define DNS_PER_SECOND	1000
#define DNS_BURST	4000
#define PRIORITY_RAW	(-300) /* before conntrack */
#define PRIORITY_MANGLE (-150) /* behind it */
#define PRIORITY_DNAT	(-100)
#define PRIORITY_FILTER 0

/*
 * Rules in front of the refusal, in their order: each counts one kind.  TCP is here only if
 * conntrack takes it for no part of a connection; all else of it is redirected.
 */
static const struct {
	uint32_t key;
	uint8_t value;
} counts[] = {
	{NFT_META_L4PROTO, IPPROTO_UDP},    {NFT_META_L4PROTO, IPPROTO_ICMP},
	{NFT_META_L4PROTO, IPPROTO_ICMPV6}, {NFT_META_L4PROTO, IPPROTO_TCP},
	{NFT_META_NFPROTO, NFPROTO_IPV6},
};
_Static_assert(sizeof counts / sizeof counts[0] == OC_COUNTS, "oc_net_refused_read counts on it");

struct batch {
	_Alignas(8) unsigned char data[8192];
	size_t len;
	struct nlmsghdr *msg;
	uint32_t seq;
	bool overflow;
};

static void *put(struct batch *b, size_t size)
{
	size_t aligned = NLMSG_ALIGN(size);

	if (aligned > sizeof b->data - b->len) {
		b->overflow = true;
		b->len = 0;
	}
	void *p = b->data + b->len;
	memset(p, 0, aligned);
	b->len += aligned;
	return p;
}

static void *begin(struct batch *b, uint16_t type, uint16_t flags, size_t header)
{
	struct nlmsghdr *h = put(b, NLMSG_HDRLEN);

	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = ++b->seq;
	b->msg = h;
	return put(b, header);
}

static void end(struct batch *b)
{
	b->msg->nlmsg_len = (uint32_t)(b->data + b->len - (unsigned char *)b->msg);
}

static void attr(struct batch *b, uint16_t type, const void *data, size_t len)
{
	struct nlattr *a = put(b, ATTR_HEADER + len);

	a->nla_type = type;
	a->nla_len = (uint16_t)(ATTR_HEADER + len);
	memcpy((char *)a + ATTR_HEADER, data, len);
}

static void attr_string(struct batch *b, uint16_t type, const char *s)
{
	attr(b, type, s, strlen(s) + 1);
}

static void attr_be32(struct batch *b, uint16_t type, uint32_t value)
{
	uint32_t v = htonl(value);

	attr(b, type, &v, sizeof v);
}

static void attr_be64(struct batch *b, uint16_t type, uint64_t value)
{
	uint64_t v = htobe64(value);

	attr(b, type, &v, sizeof v);
}

static struct nlattr *nest(struct batch *b, uint16_t type)
{
	struct nlattr *a = put(b, ATTR_HEADER);

	a->nla_type = (uint16_t)(type | NLA_F_NESTED);
	return a;
}

static void nest_end(struct batch *b, struct nlattr *a)
{
	a->nla_len = (uint16_t)(b->data + b->len - (unsigned char *)a);
}

/* --- addresses and routes --- */

static void put_link_up(struct batch *b)
{
	struct ifinfomsg *m = begin(b, RTM_NEWLINK, 0, sizeof *m);

	m->ifi_family = AF_UNSPEC;
	m->ifi_index = LO;
	m->ifi_flags = IFF_UP;
	m->ifi_change = IFF_UP;
	end(b);
}

static void put_own_address(struct batch *b, const struct in_addr *own)
{
	struct ifaddrmsg *m = begin(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *m);

	m->ifa_family = AF_INET;
	m->ifa_prefixlen = 32;
	m->ifa_scope = RT_SCOPE_UNIVERSE;
	m->ifa_index = LO;
	attr(b, IFA_LOCAL, own, sizeof *own);
	attr(b, IFA_ADDRESS, own, sizeof *own);
	end(b);
}

/* `ip route add local default dev lo src SOURCE`; always acknowledged. */
static uint32_t put_route(struct batch *b, unsigned char family, const void *source, size_t len)
{
	const uint32_t device = LO;
	struct rtmsg *m = begin(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, sizeof *m);

	m->rtm_family = family;
	m->rtm_table = RT_TABLE_LOCAL;
	m->rtm_protocol = RTPROT_BOOT;
	m->rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	m->rtm_type = RTN_LOCAL;
	attr(b, RTA_PREFSRC, source, len);
	attr(b, RTA_OIF, &device, sizeof device);
	end(b);
	return b->seq;
}

/* --- capture rules --- */

static void *begin_nft(struct batch *b, uint16_t type, uint16_t flags)
{
	struct nfgenmsg *m =
		begin(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, sizeof *m);

	m->nfgen_family = NFPROTO_INET;
	m->version = NFNETLINK_V0;
	return m;
}

static void put_batch_mark(struct batch *b, uint16_t type)
{
	struct nfgenmsg *m = begin(b, type, 0, sizeof *m);

	m->nfgen_family = AF_UNSPEC;
	m->version = NFNETLINK_V0;
	m->res_id = htons(NFNL_SUBSYS_NFTABLES);
	end(b);
}

static void put_chain(struct batch *b, const char *name, const char *type, int priority,
		      uint32_t policy)
{
	begin_nft(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
	attr_string(b, NFTA_CHAIN_TABLE, OC_TABLE);
	attr_string(b, NFTA_CHAIN_NAME, name);
	struct nlattr *hook = nest(b, NFTA_CHAIN_HOOK);
	attr_be32(b, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
	attr_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	nest_end(b, hook);
	attr_be32(b, NFTA_CHAIN_POLICY, policy);
	attr_string(b, NFTA_CHAIN_TYPE, type);
	end(b);
}

struct rule {
	struct nlattr *list, *item, *data;
};

static void rule_begin(struct batch *b, struct rule *r, const char *chain, uint16_t flags)
{
	begin_nft(b, NFT_MSG_NEWRULE, (uint16_t)(NLM_F_CREATE | NLM_F_APPEND | flags));
	attr_string(b, NFTA_RULE_TABLE, OC_TABLE);
	attr_string(b, NFTA_RULE_CHAIN, chain);
	r->list = nest(b, NFTA_RULE_EXPRESSIONS);
}

static void rule_end(struct batch *b, struct rule *r)
{
	nest_end(b, r->list);
	end(b);
}

static void expr_begin(struct batch *b, struct rule *r, const char *name)
{
	r->item = nest(b, NFTA_LIST_ELEM);
	attr_string(b, NFTA_EXPR_NAME, name);
	r->data = nest(b, NFTA_EXPR_DATA);
}

static void expr_end(struct batch *b, struct rule *r)
{
	nest_end(b, r->data);
	nest_end(b, r->item);
}

static void put_value(struct batch *b, uint16_t type, const void *data, size_t len)
{
	struct nlattr *n = nest(b, type);

	attr(b, NFTA_DATA_VALUE, data, len);
	nest_end(b, n);
}

static void expr_cmp(struct batch *b, struct rule *r, uint32_t op, const void *data, size_t len)
{
	expr_begin(b, r, "cmp");
	attr_be32(b, NFTA_CMP_SREG, REG);
	attr_be32(b, NFTA_CMP_OP, op);
	put_value(b, NFTA_CMP_DATA, data, len);
	expr_end(b, r);
}

static void expr_meta_is(struct batch *b, struct rule *r, uint32_t key, uint8_t value)
{
	expr_begin(b, r, "meta");
	attr_be32(b, NFTA_META_DREG, REG);
	attr_be32(b, NFTA_META_KEY, key);
	expr_end(b, r);
	expr_cmp(b, r, NFT_CMP_EQ, &value, 1);
}

static void expr_payload_is(struct batch *b, struct rule *r, uint32_t base, uint32_t offset,
			    const void *data, size_t len)
{
	expr_begin(b, r, "payload");
	attr_be32(b, NFTA_PAYLOAD_DREG, REG);
	attr_be32(b, NFTA_PAYLOAD_BASE, base);
	attr_be32(b, NFTA_PAYLOAD_OFFSET, offset);
	attr_be32(b, NFTA_PAYLOAD_LEN, (uint32_t)len);
	expr_end(b, r);
	expr_cmp(b, r, NFT_CMP_EQ, data, len);
}

static void expr_accept(struct batch *b, struct rule *r)
{
	expr_begin(b, r, "immediate");
	attr_be32(b, NFTA_IMMEDIATE_DREG, VERDICT);
	struct nlattr *data = nest(b, NFTA_IMMEDIATE_DATA);
	struct nlattr *verdict = nest(b, NFTA_DATA_VERDICT);
	attr_be32(b, NFTA_VERDICT_CODE, NF_ACCEPT);
	nest_end(b, verdict);
	nest_end(b, data);
	expr_end(b, r);
}

static void expr_redirect(struct batch *b, struct rule *r, uint16_t port)
{
	uint16_t be = htons(port);

	expr_begin(b, r, "immediate");
	attr_be32(b, NFTA_IMMEDIATE_DREG, REG);
	put_value(b, NFTA_IMMEDIATE_DATA, &be, sizeof be);
	expr_end(b, r);
	expr_begin(b, r, "redir");
	attr_be32(b, NFTA_REDIR_REG_PROTO_MIN, REG);
	attr_be32(b, NFTA_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
	expr_end(b, r);
}

static void expr_counter(struct batch *b, struct rule *r)
{
	expr_begin(b, r, "counter");
	expr_end(b, r);
}

/* Port of TCP and UDP: at 0 the source, at 2 the destination. */
static void expr_port_is(struct batch *b, struct rule *r, uint32_t offset, uint16_t port)
{
	const uint16_t be = htons(port);

	expr_payload_is(b, r, NFT_PAYLOAD_TRANSPORT_HEADER, offset, &be, sizeof be);
}

static void put_redirect(struct batch *b, uint8_t proto, bool dns_only, uint16_t port)
{
	struct rule r;

	rule_begin(b, &r, "nat", 0);
	expr_meta_is(b, &r, NFT_META_L4PROTO, proto);
	if (dns_only)
		expr_port_is(b, &r, 2, 53);
	expr_redirect(b, &r, port);
	rule_end(b, &r);
}

/* Destinations that stay inside: then is what becomes of them. */
static void put_local(struct batch *b, const char *chain, const struct in_addr *own,
		      void (*then)(struct batch *, struct rule *))
{
	const uint8_t loopback4 = 127;
	struct rule r;

	rule_begin(b, &r, chain, 0);
	expr_meta_is(b, &r, NFT_META_NFPROTO, NFPROTO_IPV4);
	expr_payload_is(b, &r, NFT_PAYLOAD_NETWORK_HEADER, 16, &loopback4, 1);
	then(b, &r);
	rule_end(b, &r);

	rule_begin(b, &r, chain, 0);
	expr_meta_is(b, &r, NFT_META_NFPROTO, NFPROTO_IPV4);
	expr_payload_is(b, &r, NFT_PAYLOAD_NETWORK_HEADER, 16, own, sizeof *own);
	then(b, &r);
	rule_end(b, &r);

	rule_begin(b, &r, chain, 0);
	expr_meta_is(b, &r, NFT_META_NFPROTO, NFPROTO_IPV6);
	expr_payload_is(b, &r, NFT_PAYLOAD_NETWORK_HEADER, 24, &in6addr_loopback,
			sizeof in6addr_loopback);
	then(b, &r);
	rule_end(b, &r);
}

static void expr_notrack(struct batch *b, struct rule *r)
{
	expr_begin(b, r, "notrack");
	expr_end(b, r);
}

/*
 * An entry of connection tracking is 256 bytes of kernel memory that no cgroup counts, and lives
 * for half a minute and more.  What stays inside needs none, but for the two ends of what is
 * redirected and the ICMP errors about that.
 */
static void put_untracked(struct batch *b, const struct in_addr *own)
{
	static const uint8_t icmp[] = {IPPROTO_ICMP, IPPROTO_ICMPV6};
	static const struct {
		uint32_t offset;
		uint16_t port;
	} redirected[] = {{2, 53}, {0, OC_NET_PORT_TCP}, {0, OC_NET_PORT_DNS}};
	struct rule r;

	put_chain(b, "raw", "filter", PRIORITY_RAW, NF_ACCEPT);
	for (size_t i = 0; i < sizeof icmp; i++) {
		rule_begin(b, &r, "raw", 0);
		expr_meta_is(b, &r, NFT_META_L4PROTO, icmp[i]);
		expr_accept(b, &r);
		rule_end(b, &r);
	}
	for (size_t i = 0; i < sizeof redirected / sizeof redirected[0]; i++) {
		rule_begin(b, &r, "raw", 0);
		expr_port_is(b, &r, redirected[i].offset, redirected[i].port);
		expr_accept(b, &r);
		rule_end(b, &r);
	}
	put_local(b, "raw", own, expr_notrack);
}

/* A rule that only counts.  Its place in the chain says what: see oc_net_refused_read. */
static void put_count(struct batch *b, uint32_t key, uint8_t value)
{
	struct rule r;

	rule_begin(b, &r, OC_CHAIN, 0);
	expr_meta_is(b, &r, key, value);
	expr_counter(b, &r);
	rule_end(b, &r);
}

static void expr_ct_state(struct batch *b, struct rule *r, uint32_t states)
{
	const uint32_t zero = 0;

	expr_begin(b, r, "ct");
	attr_be32(b, NFTA_CT_DREG, REG);
	attr_be32(b, NFTA_CT_KEY, NFT_CT_STATE);
	expr_end(b, r);
	expr_begin(b, r, "bitwise");
	attr_be32(b, NFTA_BITWISE_SREG, REG);
	attr_be32(b, NFTA_BITWISE_DREG, REG);
	attr_be32(b, NFTA_BITWISE_LEN, sizeof states);
	put_value(b, NFTA_BITWISE_MASK, &states, sizeof states);
	put_value(b, NFTA_BITWISE_XOR, &zero, sizeof zero);
	expr_end(b, r);
	expr_cmp(b, r, NFT_CMP_NEQ, &zero, sizeof zero);
}

static void expr_reject(struct batch *b, struct rule *r)
{
	const uint8_t code = NFT_REJECT_ICMPX_ADMIN_PROHIBITED;

	expr_begin(b, r, "reject");
	attr_be32(b, NFTA_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
	attr(b, NFTA_REJECT_ICMP_CODE, &code, sizeof code);
	expr_end(b, r);
}

/* For the same reason: questions from ever new sockets, or to ever new resolvers, not without end.
 */
static void put_limit(struct batch *b)
{
	struct rule r;

	put_chain(b, "limit", "filter", PRIORITY_MANGLE, NF_ACCEPT);
	rule_begin(b, &r, "limit", 0);
	expr_meta_is(b, &r, NFT_META_L4PROTO, IPPROTO_UDP);
	expr_port_is(b, &r, 2, 53);
	expr_ct_state(b, &r, NF_CT_STATE_BIT(IP_CT_NEW));
	expr_begin(b, &r, "limit");
	attr_be64(b, NFTA_LIMIT_RATE, DNS_PER_SECOND);
	attr_be64(b, NFTA_LIMIT_UNIT, 1);
	attr_be32(b, NFTA_LIMIT_BURST, DNS_BURST);
	attr_be32(b, NFTA_LIMIT_FLAGS, NFT_LIMIT_F_INV);
	expr_end(b, &r);
	expr_reject(b, &r);
	rule_end(b, &r);
}

/* Test build only: what is left out. */
static bool left_out(const char *what)
{
#ifdef OC_TEST_WEAKEN
	const char *drop = getenv("OC_TEST_DROP");
	return drop && strcmp(drop, what) == 0;
#else
	(void)what;
	return false;
#endif
}

/*
 * Answers come first: an accepted connection is one, whatever source address the program chose.  A
 * "new" packet that no rule wants gets a refusal: `reject` in the output hook both answers with an
 * ICMP error and fails the send with EPERM.
 */
static void put_filter(struct batch *b, const struct in_addr *own)
{
	/* In the test build that leaves it out nothing is refused; nothing gets out either, for there is no way out. */
	const uint32_t policy = left_out("egress-filter") ? NF_ACCEPT : NF_DROP;
	struct rule r;

	put_chain(b, "filter", "filter", PRIORITY_FILTER, policy);

	rule_begin(b, &r, "filter", 0);
	expr_ct_state(b, &r, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	expr_accept(b, &r);
	rule_end(b, &r);

	put_local(b, "filter", own, expr_accept);

	for (size_t i = 0; i < OC_COUNTS; i++)
		put_count(b, counts[i].key, counts[i].value);
	rule_begin(b, &r, "filter", NLM_F_ACK);
	expr_counter(b, &r);
	if (policy == NF_DROP)
		expr_reject(b, &r);
	rule_end(b, &r);
}

static uint32_t put_rules(struct batch *b, const struct in_addr *own)
{
	put_batch_mark(b, NFNL_MSG_BATCH_BEGIN);
	begin_nft(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	attr_string(b, NFTA_TABLE_NAME, OC_TABLE);
	end(b);

	if (!left_out("egress-tracking")) {
		put_untracked(b, own);
		put_limit(b);
	}
	put_chain(b, "nat", "nat", PRIORITY_DNAT, NF_ACCEPT);
	/* Names are asked of us, whatever resolver the program has in mind; also one on its own
	 * loopback address. */
	put_redirect(b, IPPROTO_UDP, true, OC_NET_PORT_DNS);
	put_redirect(b, IPPROTO_TCP, true, OC_NET_PORT_TCP);
	put_local(b, "nat", own, expr_accept);
	put_redirect(b, IPPROTO_TCP, false, OC_NET_PORT_TCP);

	put_filter(b, own);
	uint32_t last = b->seq;
	put_batch_mark(b, NFNL_MSG_BATCH_END);
	return last;
}

/* --- talking to the kernel --- */

static int send_batch(int fd, const struct batch *b)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	if (b->overflow) {
		errno = EMSGSIZE;
		return -1;
	}
	ssize_t n = sendto(fd, b->data, b->len, 0, (struct sockaddr *)&kernel, sizeof kernel);
	return n == (ssize_t)b->len ? 0 : -1;
}

/*
 * Wait for the answer to message `last`; an error of an earlier one comes before it.  Returns 0, or
 * -1 with errno and the number of the message that failed.
 */
static int wait_for(int fd, uint32_t last, uint32_t *failed)
{
	_Alignas(8) unsigned char buf[8192];

	*failed = 0;
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof buf, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		size_t left = (size_t)n;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type != NLMSG_ERROR ||
			    h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
				continue;
			const struct nlmsgerr *e = NLMSG_DATA(h);
			if (e->error) {
				*failed = h->nlmsg_seq;
				errno = -e->error;
				return -1;
			}
			if (h->nlmsg_seq == last)
				return 0;
		}
	}
}

static int configure_addresses(const struct in_addr *own, bool *have6, struct oc_err *err)
{
	struct batch b = {0};
	uint32_t failed;
	oc_auto_close fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return oc_fail(err, errno, "cannot open a routing socket");
	put_link_up(&b);
	put_own_address(&b, own);
	uint32_t v4 = put_route(&b, AF_INET, own, sizeof *own);
	uint32_t v6 = put_route(&b, AF_INET6, &in6addr_loopback, sizeof in6addr_loopback);
	if (send_batch(fd, &b) < 0)
		return oc_fail(err, errno, "cannot configure the loopback interface");
	if (wait_for(fd, v4, &failed) < 0) {
		if (failed == v4)
			return oc_fail(err, errno, "cannot route all IPv4 addresses to lo");
		return oc_fail(err, errno, "cannot bring the loopback interface up");
	}
	*have6 = true;
	if (wait_for(fd, v6, &failed) < 0) {
		/* Without IPv6 in the kernel, or with it switched off for new devices, nothing can
		 * be sent over it either. */
		if (errno != EOPNOTSUPP && errno != EAFNOSUPPORT && errno != EACCES &&
		    errno != ENODEV && errno != EINVAL)
			return oc_fail(err, errno, "cannot route all IPv6 addresses to lo");
		*have6 = false;
	}
	return 0;
}

static int configure_rules(const struct in_addr *own, int *rules, struct oc_err *err)
{
	struct batch b = {0};
	uint32_t failed;
	oc_auto_close fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0) {
		oc_fail(err, errno, "cannot open a netfilter socket");
		return oc_err_hint(err, "the kernel needs CONFIG_NF_TABLES (module nf_tables)");
	}
	uint32_t last = put_rules(&b, own);
	if (send_batch(fd, &b) < 0)
		return oc_fail(err, errno, "cannot send the capture rules");
	if (wait_for(fd, last, &failed) < 0) {
		oc_fail(err, errno, "nf_tables refuses the capture rules (message %u)", failed);
		return oc_err_hint(
			err,
			"the kernel needs nf_tables with inet tables, conntrack, redirect and "
			"reject: modules nf_tables, nft_ct, nft_limit, nft_redir, nft_reject_inet");
	}
	*rules = oc_steal_fd(&fd);
	return 0;
}

static int open_socket(int family, int type, uint16_t port, struct oc_err *err)
{
	const int one = 1, size = 1 << 20;
	struct sockaddr_in in4 = {.sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
	const char *what = type == SOCK_STREAM ? "TCP" : "DNS";
	const char *where = family == AF_INET ? "127.0.0.1" : "::1";
	oc_auto_close fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return oc_fail(err, errno, "cannot open the %s socket of %s", what, where);
	/*
	 * Bound to the address that `redirect` rewrites to.  A UDP socket on the wildcard would
	 * answer from the address that the program asked, which the way back through NAT does not
	 * know.
	 */
	if ((family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0) ||
	    bind(fd, family == AF_INET ? (struct sockaddr *)&in4 : (struct sockaddr *)&in6,
		 family == AF_INET ? sizeof in4 : sizeof in6) < 0)
		return oc_fail(err, errno, "cannot bind the %s socket to %s", what, where);
	if (type == SOCK_STREAM) {
		if (listen(fd, 4096) < 0)
			return oc_fail(err, errno, "cannot listen on %s", where);
	} else {
		/* Best effort: the default is the system's. */
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	}
	return oc_steal_fd(&fd);
}

void oc_net_sockets_close(struct oc_net_sockets *s)
{
	oc_closep(&s->tcp4);
	oc_closep(&s->tcp6);
	oc_closep(&s->dns4);
	oc_closep(&s->dns6);
	oc_closep(&s->rules);
	*s = (struct oc_net_sockets)OC_NET_SOCKETS_NONE;
}

static int open_sockets(struct oc_net_sockets *s, bool have6, struct oc_err *err)
{
	s->tcp4 = open_socket(AF_INET, SOCK_STREAM, OC_NET_PORT_TCP, err);
	if (s->tcp4 < 0)
		return -1;
	s->dns4 = open_socket(AF_INET, SOCK_DGRAM, OC_NET_PORT_DNS, err);
	if (s->dns4 < 0)
		return -1;
	if (!have6)
		return 0;
	s->tcp6 = open_socket(AF_INET6, SOCK_STREAM, OC_NET_PORT_TCP, err);
	if (s->tcp6 < 0)
		return -1;
	s->dns6 = open_socket(AF_INET6, SOCK_DGRAM, OC_NET_PORT_DNS, err);
	return s->dns6 < 0 ? -1 : 0;
}

int oc_net_setup(struct oc_net_sockets *out, struct oc_err *err)
{
	struct oc_net_sockets s = OC_NET_SOCKETS_NONE;
	struct in_addr own = {.s_addr = htonl(0xC0000008)}; /* OC_NET_OWN_ADDRESS */
	bool have6 = false;

	if (configure_addresses(&own, &have6, err) < 0 || open_sockets(&s, have6, err) < 0 ||
	    configure_rules(&own, &s.rules, err) < 0) {
		oc_net_sockets_close(&s);
		return -1;
	}
	*out = s;
	return 0;
}
