/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net - the inside of the sandbox's network.
 *
 * oc_step_net may run beside the steps that make the mounts: it reads the plan and the status
 * socket, and writes nothing of struct oc_child.  Whatever it opens goes to the monitor, and no
 * copy stays here: a process of the sandbox that had one could answer in the broker's place.
 */
#include <errno.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "netns/setup/setup.h"
#include "runtime/launch/child.h"

static int loopback(struct oc_err *err)
{
	struct ifreq ifr = {.ifr_name = "lo"};
	oc_auto_close s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s < 0)
		return oc_fail(err, errno, "cannot open a socket for the loopback interface");
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(s, SIOCSIFFLAGS, &ifr) < 0)
		return oc_fail(err, errno, "cannot bring the loopback interface up");
	return 0;
}

/* In the order that oc_msg_sockets expects; the two of IPv6 last, for they may not be there. */
static int give_away(const struct oc_child *c, const struct oc_net_sockets *s, struct oc_err *err)
{
	const int fds[] = {s->tcp4, s->dns4, s->rules, s->tcp6, s->dns6};
	struct oc_msg m = {.type = OC_MSG_NET};

	if (oc_msg_send_fds(c->status_fd, &m, fds, s->tcp6 < 0 ? 3 : 5) < 0)
		return oc_fail(err, errno, "cannot hand the network's sockets to the monitor");
	return 0;
}

int oc_step_net(struct oc_child *c, struct oc_err *err)
{
	struct oc_net_sockets s;

	if (c->plan->egress.mode == OC_EGRESS_NONE)
		return loopback(err);
	if (oc_net_setup(&s, err) < 0)
		return -1;
	int r = give_away(c, &s, err);
	oc_net_sockets_close(&s);
	return r;
}

void oc_msg_sockets(const int fds[OC_MSG_FDS], struct oc_net_sockets *s)
{
	*s = (struct oc_net_sockets){
		.tcp4 = fds[0], .dns4 = fds[1], .rules = fds[2], .tcp6 = fds[3], .dns6 = fds[4]};
}
