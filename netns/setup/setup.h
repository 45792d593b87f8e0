/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setup - the inside of a sandbox's network namespace: lo, routes, capture rules, listening
 * sockets.
 *
 * Called once by the sandbox's child in its new network namespace, while it has CAP_NET_ADMIN over
 * it.  It makes system calls with constant bytes: nothing is parsed, looked up or allocated.  Must
 * never be called in the host's namespace.
 *
 * Afterwards every address of the world is local to lo.  What is sent to 127.0.0.0/8, ::1 and
 * OC_NET_OWN_ADDRESS stays between the programs inside.  All other TCP arrives at the two
 * listeners, whose peers' wanted address is read with SO_ORIGINAL_DST or IP6T_SO_ORIGINAL_DST.  UDP
 * port 53 to any address arrives at the DNS sockets and TCP port 53 at the listeners.  All else is
 * refused at once: the program sees an error (EPERM), never a silence.  There is no other
 * interface, so that no mistake in a rule lets a packet out.
 */
#ifndef OC_NETNS_SETUP_SETUP_H
#define OC_NETNS_SETUP_SETUP_H

#include <stdint.h>

#include "base/err.h"

/* Above the range of ephemeral ports: what a program inside is likely to want stays free. */
#define OC_NET_PORT_TCP 65501
#define OC_NET_PORT_DNS 65502

/*
 * The one address of lo that is not a loopback address (RFC 7600: the IPv4 dummy address), and the
 * source of what goes to the world.  Without it getaddrinfo with AI_ADDRCONFIG says that there is
 * no IPv4.
 */
#define OC_NET_OWN_ADDRESS "192.0.0.8"

/* Non-blocking, close-on-exec, opened inside; an IPv6 socket is -1 where the kernel has no IPv6. */
struct oc_net_sockets {
	int tcp4, tcp6; /* listening */
	int dns4, dns6; /* UDP */
	/*
	 * The netlink socket that the rules were made with: for oc_net_refused.  The kernel wants
	 * both its opener and its user to have CAP_NET_ADMIN over the namespace: whoever made the
	 * user namespace of the sandbox has it from outside, and so has root.
	 */
	int rules;
};
#define OC_NET_SOCKETS_NONE                                                                        \
	{                                                                                          \
		-1, -1, -1, -1, -1                                                                 \
	}

/* *out is filled on success only. */
int oc_net_setup(struct oc_net_sockets *out, struct oc_err *err);

void oc_net_sockets_close(struct oc_net_sockets *s);

/* Packets that were refused, since the start. */
struct oc_net_refused {
	uint64_t total;
	uint64_t udp, icmp, tcp; /* of them; the rest is of other protocols */
	uint64_t ipv6;		 /* of the total */
};
/* Ask the kernel, also after the last process inside has ended.  rules: of oc_net_sockets. */
int oc_net_refused_read(int rules, struct oc_net_refused *out, struct oc_err *err);

#endif
