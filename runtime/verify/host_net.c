/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_net - can this host give a sandbox an allowlist of what it reaches?
 *
 * The very set-up of a sandbox's network, in a namespace that is thrown away, and a connection in
 * it; then the broker, started as a launch starts it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "netns/broker/broker.h"
#include "netns/setup/setup.h"
#include "runtime/launch/helper.h"
#include "runtime/verify/host.h"

#define MODULES "nf_tables nf_conntrack nft_ct nft_limit nft_redir nft_reject_inet"

/* Nobody's: RFC 5737, RFC 3849. */
static const struct sockaddr_in world4 = {.sin_family = AF_INET};
static const char address4[] = "192.0.2.1", address6[] = "2001:db8::1";

static void no_capture(struct oc_host_row *r, const char *hint)
{
	oc_host_cause(r,
		      "nf_tables, or a part of it, is not in this kernel, not loaded, or refused "
		      "by a filter or a security module");
	oc_host_cure(r,
		     "modprobe -a " MODULES
		     ", and the same names in /etc/modules-load.d/oc-sandbox.conf; %s",
		     *hint ? hint : "see the kernel log");
}

/* One connection to an address of the world arrives at the listener and keeps what it wanted. */
static bool captured(struct oc_host_row *r, int listener, const struct sockaddr *to, socklen_t size)
{
	const bool v4 = to->sa_family == AF_INET;
	struct pollfd p = {.fd = listener, .events = POLLIN};
	struct sockaddr_storage wanted = {0};
	socklen_t len = sizeof wanted;

	oc_auto_close s = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s < 0 || (connect(s, to, size) < 0 && errno != EINPROGRESS)) {
		oc_host_failed(r, errno, "a connection cannot be redirected");
		return false;
	}
	oc_auto_close got =
		poll(&p, 1, 2000) == 1 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
	if (got < 0) {
		oc_host_failed(r, 0, "a connection was not redirected");
		return false;
	}
	/* IP6T_SO_ORIGINAL_DST is the same number. */
	if (getsockopt(got, v4 ? IPPROTO_IP : IPPROTO_IPV6, SO_ORIGINAL_DST, &wanted, &len) < 0) {
		oc_host_failed(r, errno, v4 ? "SO_ORIGINAL_DST" : "IP6T_SO_ORIGINAL_DST");
		return false;
	}
	bool same = v4 ? memcmp(&((const struct sockaddr_in *)(const void *)to)->sin_addr,
				&((struct sockaddr_in *)&wanted)->sin_addr, 4) == 0
		       : memcmp(&((const struct sockaddr_in6 *)(const void *)to)->sin6_addr,
				&((struct sockaddr_in6 *)&wanted)->sin6_addr, 16) == 0;
	if (!same)
		oc_host_failed(r, 0, "the wanted address of a connection is lost");
	return same;
}

/* What is not carried fails at once, and is counted. */
static bool refused(struct oc_host_row *r, int rules, const struct sockaddr *to, socklen_t size)
{
	struct oc_net_refused n = {0};
	struct oc_err err = {0};

	oc_auto_close s = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0 || sendto(s, "x", 1, 0, to, size) >= 0 || errno != EPERM) {
		oc_host_failed(r, 0, "a datagram is not refused at once");
		return false;
	}
	if (oc_net_refused_read(rules, &n, &err) < 0 || n.udp != 1) {
		oc_host_failed(r, 0, err.msg[0] ? err.msg : "a refused datagram is not counted");
		return false;
	}
	return true;
}

void oc_host_capture(struct oc_host_row *r)
{
	struct sockaddr_in in4 = world4;
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
	struct oc_net_sockets s;
	struct oc_err err = {0};

	if (!oc_host_enter(r, CLONE_NEWNET, "network"))
		return;
	if (oc_net_setup(&s, &err) < 0) {
		oc_host_failed(r, 0, err.msg);
		no_capture(r, err.hint);
		return;
	}
	in4.sin_port = htons(443);
	inet_pton(AF_INET, address4, &in4.sin_addr);
	inet_pton(AF_INET6, address6, &in6.sin6_addr);
	if (!captured(r, s.tcp4, (const struct sockaddr *)&in4, sizeof in4) ||
	    (s.tcp6 >= 0 && !captured(r, s.tcp6, (const struct sockaddr *)&in6, sizeof in6)) ||
	    !refused(r, s.rules, (const struct sockaddr *)&in4, sizeof in4))
		no_capture(r, "");
	else if (s.tcp6 < 0)
		oc_host_detail(r, "IPv4; this kernel has no IPv6");
	oc_net_sockets_close(&s);
}

static int loopback(int type)
{
	const struct sockaddr_in any = {.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	oc_auto_close s = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (s < 0 || bind(s, (const struct sockaddr *)&any, sizeof any) < 0 ||
	    (type == SOCK_STREAM && listen(s, 1) < 0))
		return -1;
	return oc_steal_fd(&s);
}

void oc_host_broker(struct oc_host_row *r)
{
	const struct oc_broker_config c = {.mode = "none"};
	struct oc_net_sockets s = OC_NET_SOCKETS_NONE;
	struct oc_broker b = OC_BROKER_NONE;
	struct oc_err err = {0};
	oc_auto_close program = oc_helper_open("oc-egress", &err);

	s.tcp4 = loopback(SOCK_STREAM);
	s.dns4 = loopback(SOCK_DGRAM);
	if (program >= 0 && (s.tcp4 < 0 || s.dns4 < 0))
		oc_fail(&err, errno, "cannot open sockets of the loopback interface");
	else if (program >= 0 && oc_broker_start(&b, program, &c, &s, -1, &err) == 0)
		err.msg[0] = '\0';
	oc_broker_stop(&b);
	oc_net_sockets_close(&s);
	if (!err.msg[0])
		return;
	oc_host_failed(r, 0, err.msg);
	oc_host_cause(r, "oc-egress cannot be started, or cannot jail itself");
	oc_host_cure(r, "%s", err.hint[0] ? err.hint : "see the row landlock");
}
