/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload_network - against the network namespace itself: its protocols, its rules, its routes, and
 * the two ports of the broker in it.
 *
 * Outside, as root of the namespace, `netadmin` and `protocols` get through: that is how the tests
 * know that they mean something.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/attack/payload.h"

/* netns/setup/setup.h */
#define PORT_TCP 65501
#define PORT_DNS 65502

static struct sockaddr_in v4(const char *address, int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
		cannot("%s is no address", address);
	return a;
}

static struct sockaddr_in6 v6(const char *address, int port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

	if (inet_pton(AF_INET6, address, &a.sin6_addr) != 1)
		cannot("%s is no address", address);
	return a;
}

/* A datagram of some kind that the kernel takes. */
static void sends(const char *what, int family, int type, int protocol, const char *address)
{
	char shown[160];
	const unsigned char echo[16] = {
		8}; /* an ICMP echo request; to the others it is just bytes */
	int s = socket(family, type | SOCK_NONBLOCK, protocol);
	struct sockaddr_in a4;
	struct sockaddr_in6 a6;
	ssize_t n = -1;

	snprintf(shown, sizeof shown, "%s to %s", what, address);
	if (s >= 0 && family == AF_INET) {
		a4 = v4(address, type == SOCK_RAW ? 0 : 443);
		n = sendto(s, echo, sizeof echo, MSG_NOSIGNAL, (struct sockaddr *)&a4, sizeof a4);
	} else if (s >= 0) {
		a6 = v6(address, type == SOCK_RAW ? 0 : 443);
		n = sendto(s, echo, sizeof echo, MSG_NOSIGNAL, (struct sockaddr *)&a6, sizeof a6);
	}
	must_fail(shown, s < 0 ? -1 : n);
	if (s >= 0)
		close(s);
}

/* Connect, and the peer says or takes something: a connection that is closed at once went nowhere.
 */
static void talks(const char *what, int s, const struct sockaddr *to, socklen_t len)
{
	char c;
	const struct timeval limit = {.tv_sec = 5};

	if (s < 0) {
		held("%s: %s", what, strerrorname_np(errno));
		return;
	}
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(s, to, len) < 0 || send(s, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL) < 0) {
		held("%s: %s", what, strerrorname_np(errno));
	} else {
		ssize_t n = recv(s, &c, 1, 0);
		if (n > 0)
			broke("%s: got an answer", what);
		else
			held("%s: %s", what, n < 0 ? strerrorname_np(errno) : "closed");
	}
	close(s);
}

/* Arguments: IPv4 address, IPv6 address, both of a server at port 80. */
static void protocols(int argc, char **argv)
{
	const char *four = argument(argc, argv, 1, "93.184.216.34");
	const char *six = argument(argc, argv, 2, "2606:2800:220::34");
	const struct {
		const char *what;
		int type, protocol;
	} kinds[] = {{"UDP", SOCK_DGRAM, 0},
		     {"ICMP", SOCK_DGRAM, IPPROTO_ICMP},
		     {"UDP-Lite", SOCK_DGRAM, IPPROTO_UDPLITE},
		     {"raw ICMP", SOCK_RAW, IPPROTO_ICMP},
		     {"raw IP", SOCK_RAW, IPPROTO_RAW},
		     {"IGMP", SOCK_RAW, IPPROTO_IGMP},
		     {"GRE", SOCK_RAW, IPPROTO_GRE},
		     {"ESP", SOCK_RAW, IPPROTO_ESP},
		     {"protocol 253", SOCK_RAW, 253}};
	const char *to4[] = {four,	    "10.1.2.3",	       "169.254.169.254",
			     "224.0.0.251", "255.255.255.255", "198.18.0.1"};
	const char *to6[] = {six,
			     "ff02::fb",
			     "fe80::1",
			     "64:ff9b::5db8:d822",
			     "2002:5db8:d822::1",
			     "::ffff:93.184.216.34"};
	struct sockaddr_in a = v4(four, 80);
	struct sockaddr_in6 b = v6(six, 80), mapped = v6("::ffff:93.184.216.34", 80);

	for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
		for (size_t i = 0; i < sizeof to4 / sizeof to4[0]; i++)
			sends(kinds[k].what, AF_INET, kinds[k].type, kinds[k].protocol, to4[i]);
		for (size_t i = 0; i < sizeof to6 / sizeof to6[0]; i++)
			sends(kinds[k].what, AF_INET6, kinds[k].type,
			      kinds[k].protocol == IPPROTO_ICMP ? IPPROTO_ICMPV6
								: kinds[k].protocol,
			      to6[i]);
	}
	talks("SCTP", socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), (struct sockaddr *)&a, sizeof a);
	talks("SCTP, one to many", socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP),
	      (struct sockaddr *)&a, sizeof a);
	talks("DCCP", socket(AF_INET, SOCK_DCCP, IPPROTO_DCCP), (struct sockaddr *)&a, sizeof a);
	/* Multipath TCP is TCP on the wire: it must land at the broker like any other. */
	talks("MPTCP", socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP), (struct sockaddr *)&a,
	      sizeof a);
	talks("TCP", socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof a);
	talks("TCP over IPv6", socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *)&b, sizeof b);
	talks("TCP, IPv4-mapped", socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *)&mapped,
	      sizeof mapped);
	/* Data in the SYN. */
	int s = socket(AF_INET, SOCK_STREAM, 0);
	char c;
	ssize_t n = sendto(s, "GET / HTTP/1.0\r\n\r\n", 18, MSG_FASTOPEN | MSG_NOSIGNAL,
			   (struct sockaddr *)&a, sizeof a);
	if (n >= 0)
		n = recv(s, &c, 1, 0) > 0 ? 1 : -1;
	must_fail("TCP fast open", n);
	close(s);
}

/* Options of packets: a source route (RFC 791), headers of IPv6 (RFC 8200, the routing header of
 * CVE-2007-2242). */
static void headers(int argc, char **argv)
{
	const char *four = argument(argc, argv, 1, "93.184.216.34");
	struct sockaddr_in a = v4(four, 80);
	struct in_addr hop = a.sin_addr;

	for (unsigned kind = 131; kind <= 137; kind += 6) {
		unsigned char option[12] = {(unsigned char)kind, 11, 4};
		memcpy(option + 3, &hop, 4);
		memcpy(option + 7, &hop, 4);
		int s = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(s, IPPROTO_IP, IP_OPTIONS, option, sizeof option);
		talks(kind == 131 ? "loose source route" : "strict source route", s,
		      (struct sockaddr *)&a, sizeof a);
	}
	struct sockaddr_in6 b = v6(argument(argc, argv, 2, "2606:2800:220::34"), 80);
	static const struct {
		const char *what;
		int option;
	} rows[] = {{"hop-by-hop header", IPV6_HOPOPTS},
		    {"routing header", IPV6_RTHDR},
		    {"destination header", IPV6_DSTOPTS},
		    {"destination header in front", IPV6_RTHDRDSTOPTS}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const unsigned char header[8] = {0, 0, 1, 4};
		int s = socket(AF_INET6, SOCK_STREAM, 0);
		setsockopt(s, IPPROTO_IPV6, rows[i].option, header, sizeof header);
		talks(rows[i].what, s, (struct sockaddr *)&b, sizeof b);
	}
}

/* One netlink request; 0 when the kernel did it. */
static long netlink(int protocol, const void *request, size_t len)
{
	char answer[4096];
	int s = socket(AF_NETLINK, SOCK_RAW, protocol);
	const struct timeval limit = {.tv_sec = 2};

	if (s < 0)
		return -1;
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	ssize_t n = send(s, request, len, 0);
	if (n >= 0)
		n = recv(s, answer, sizeof answer, 0);
	close(s);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(int)))
		return -1;
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)answer;
	if (h->nlmsg_type != NLMSG_ERROR)
		return 0;
	errno = -((const struct nlmsgerr *)NLMSG_DATA(h))->error;
	return errno ? -1 : 0;
}

static void nft_delete_table(void)
{
	struct {
		struct nlmsghdr h;
		struct nfgenmsg g;
	} batch[3];
	const int types[3] = {NFNL_MSG_BATCH_BEGIN, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE,
			      NFNL_MSG_BATCH_END};

	/* Without a name: all tables of all families. */
	memset(batch, 0, sizeof batch);
	for (int i = 0; i < 3; i++) {
		batch[i].h.nlmsg_len = sizeof batch[i];
		batch[i].h.nlmsg_type = (uint16_t)types[i];
		batch[i].h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (i == 1 ? NLM_F_ACK : 0));
		batch[i].g.nfgen_family = AF_UNSPEC;
		batch[i].g.version = NFNETLINK_V0;
		batch[i].g.res_id = i == 1 ? 0 : htons(NFNL_SUBSYS_NFTABLES);
	}
	must_fail("nft: delete all tables", netlink(NETLINK_NETFILTER, batch, sizeof batch));
}

static void conntrack_flush(void)
{
	struct {
		struct nlmsghdr h;
		struct nfgenmsg g;
	} m;

	memset(&m, 0, sizeof m);
	m.h.nlmsg_len = sizeof m;
	m.h.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | 2 /* IPCTNL_MSG_CT_DELETE */;
	m.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	m.g.nfgen_family = AF_INET;
	must_fail("conntrack: delete all", netlink(NETLINK_NETFILTER, &m, sizeof m));
}

static void route_messages(void)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg m;
	} link;
	struct {
		struct nlmsghdr h;
		struct rtmsg m;
	} route;

	memset(&link, 0, sizeof link);
	link.h.nlmsg_len = sizeof link;
	link.h.nlmsg_type = RTM_NEWLINK;
	link.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	link.m.ifi_index = 1;
	link.m.ifi_flags = link.m.ifi_change = IFF_UP;
	must_fail("rtnetlink: set lo", netlink(NETLINK_ROUTE, &link, sizeof link));
	memset(&route, 0, sizeof route);
	route.h.nlmsg_len = sizeof route;
	route.h.nlmsg_type = RTM_NEWROUTE;
	route.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
	route.m.rtm_family = AF_INET;
	route.m.rtm_table = RT_TABLE_MAIN;
	route.m.rtm_type = RTN_BLACKHOLE;
	route.m.rtm_protocol = RTPROT_STATIC;
	must_fail("rtnetlink: a route", netlink(NETLINK_ROUTE, &route, sizeof route));
}

static void write_setting(const char *path)
{
	int f = open(path, O_WRONLY);

	must_fail(path, f < 0 ? -1 : write(f, "1\n", 2));
	if (f >= 0)
		close(f);
}

static void option(const char *what, int s, int level, int name, const void *value, socklen_t len)
{
	must_fail(what, s < 0 ? -1 : setsockopt(s, level, name, value, len));
}

/* What only the administrator of the namespace may do. */
static void netadmin(int argc, char **argv)
{
	const int one = 1;
	struct ifreq r;

	(void)argc, (void)argv;
	nft_delete_table();
	conntrack_flush();
	route_messages();
	write_setting("/proc/sys/net/ipv4/ip_forward");
	write_setting("/proc/sys/net/ipv4/ip_unprivileged_port_start");
	write_setting("/proc/sys/net/ipv4/conf/all/accept_source_route");
	write_setting("/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal");
	int s = socket(AF_INET, SOCK_STREAM, 0);
	option("transparent socket", s, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof one);
	option("mark", s, SOL_SOCKET, SO_MARK, &one, sizeof one);
	memset(&r, 0, sizeof r);
	memcpy(r.ifr_name, "lo", 3);
	must_fail("interface down", s < 0 ? -1 : ioctl(s, SIOCSIFFLAGS, &r));
	close(s);
	s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	must_fail("packet socket", s);
	s = open("/dev/net/tun", O_RDWR);
	must_fail("tun", s);
	must_fail("network namespace of its own", unshare(CLONE_NEWNET));
	s = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);
	must_fail("network namespace of pid 1", s < 0 ? -1 : setns(s, CLONE_NEWNET));
}

/* Take the port from the broker or share it, in every way that there is. */
static void takes(const char *what, int family, int type, int port, const char *address, bool reuse)
{
	const int one = 1;
	int s = socket(family, type | SOCK_NONBLOCK, 0);
	struct sockaddr_in a4;
	struct sockaddr_in6 a6;
	long r;

	if (s < 0) {
		held("%s: %s", what, strerrorname_np(errno));
		return;
	}
	if (reuse) {
		setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
	}
	if (family == AF_INET) {
		a4 = v4(address, port);
		r = bind(s, (struct sockaddr *)&a4, sizeof a4);
	} else {
		a6 = v6(address, port);
		r = bind(s, (struct sockaddr *)&a6, sizeof a6);
	}
	if (r == 0 && type == SOCK_STREAM)
		r = listen(s, 8);
	must_fail(what, r);
	close(s);
}

/* The broker's own ports, from the inside. */
static void ports(int argc, char **argv)
{
	char what[96];
	const int all[] = {PORT_TCP, PORT_DNS};
	struct sockaddr_in a = v4("127.0.0.1", PORT_TCP), own = v4("192.0.0.8", PORT_TCP);
	struct sockaddr_in6 b = v6("::1", PORT_TCP), mapped = v6("::ffff:127.0.0.1", PORT_TCP);

	(void)argc, (void)argv;
	for (int i = 0; i < 2; i++)
		for (int reuse = 0; reuse < 2; reuse++) {
			int type = i ? SOCK_DGRAM : SOCK_STREAM;
			const char *four[] = {"127.0.0.1", "0.0.0.0"}, *six[] = {"::1", "::"};
			for (int k = 0; k < 2; k++) {
				snprintf(what, sizeof what, "bind %s port %d%s", four[k], all[i],
					 reuse ? ", shared" : "");
				takes(what, AF_INET, type, all[i], four[k], reuse);
				snprintf(what, sizeof what, "bind %s port %d%s", six[k], all[i],
					 reuse ? ", shared" : "");
				takes(what, AF_INET6, type, all[i], six[k], reuse);
			}
		}
	talks("the broker's port", socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a,
	      sizeof a);
	talks("the broker's port, IPv6", socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *)&b,
	      sizeof b);
	talks("the broker's port, IPv4-mapped", socket(AF_INET6, SOCK_STREAM, 0),
	      (struct sockaddr *)&mapped, sizeof mapped);
	talks("the broker's port, own address", socket(AF_INET, SOCK_STREAM, 0),
	      (struct sockaddr *)&own, sizeof own);
	/* From a source address that is not ours: it would be the broker that answers to it. */
	int s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in from = v4("93.184.216.34", 80);
	bind(s, (struct sockaddr *)&from, sizeof from);
	talks("the broker's port, from another source", s, (struct sockaddr *)&a, sizeof a);
}

/* Entries of connection tracking, as many as there is room for: to everybody's port 53, which is
 * redirected, and to ourselves. */
static void tracking(int argc, char **argv)
{
	const long count = atol(argument(argc, argv, 1, "300000"));
	long taken = 0;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	for (long i = 0; i < count; i++) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(i % 16 ? 9 : 53)};
		a.sin_addr.s_addr = htonl((i % 16 ? 0x7f000000u : 0x05000000u) + (uint32_t)i);
		taken += sendto(s, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&a, sizeof a) == 1;
	}
	held("%ld of %ld datagrams were taken", taken, count);
}

const struct attempt attempts_network[] = {
	{"protocols", protocols, "[IPV4 [IPV6]]: all that is not TCP to a name"},
	{"headers", headers, "[IPV4 [IPV6]]: source routes and headers of IPv6"},
	{"netadmin", netadmin, "rules, connections, routes and settings of the namespace"},
	{"ports", ports, "the broker's own ports"},
	{"tracking", tracking, "[COUNT]: fill the table of connections"},
	{NULL, NULL, NULL},
};
