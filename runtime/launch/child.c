/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child - the far side of clone3, as a list.
 *
 * The order is the argument:
 *   first what needs no id, while the monitor writes the id maps, and what takes long in a thread of its own (aside.h), which has
 *   ended before the capabilities go; ids before mounts (what is made belongs to the payload's
 *   id), the cgroup before the first byte of the payload and as
 *   late as that (on v1 the monitor makes it meanwhile), its namespace after it and before the capabilities go,
 *   mounts before Landlock (a Landlocked task cannot mount), /proc before the old root goes (the kernel wants to see
 *   a full /proc to grant a new one), securebits before the capabilities that permit setting them, no_new_privs before
 *   Landlock and seccomp (they need it), the filter last of all.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "runtime/launch/child.h"
#include "runtime/launch/sys.h"

const char *oc_digits(char buf[24], uint64_t n)
{
	char *p = buf + 23;

	*p = '\0';
	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	return p;
}

void oc_child_detail(struct oc_child *c, enum oc_layer layer, const char *text)
{
	size_t n = strlen(text);

	if (n >= sizeof c->detail[layer])
		n = sizeof c->detail[layer] - 1;
	memcpy(c->detail[layer], text, n);
	c->detail[layer][n] = '\0';
}

void oc_child_detail_add(struct oc_child *c, enum oc_layer layer, const char *text)
{
	size_t have = strlen(c->detail[layer]), n = strlen(text), room = sizeof c->detail[layer] - 1 - have;

	if (n > room)
		n = room;
	memcpy(c->detail[layer] + have, text, n);
	c->detail[layer][have + n] = '\0';
}

int oc_child_step(struct oc_child *c, enum oc_layer layer, oc_step_fn fn)
{
	const struct oc_layer_info *info = oc_layer_info(layer);
	struct oc_err err = {0};

	if (c->state[layer] == OC_STATE_MISSING)
		return 0;
#ifdef OC_TEST_WEAKEN
	/*
	 * Of two layers only the half that is the layer: the program to run is still put in place, and the new /proc is still made, for
	 * another layer is set through it.
	 */
	if (c->drop && layer != OC_LAYER_DESCRIPTORS && fn != oc_step_proc_make &&
	    strcmp(c->drop, info->name) == 0)
		return 0;
#endif
	if (fn(c, &err) == 0)
		return 0;
	if ((c->plan->may_be_missing & OC_LAYER_BIT(layer)) && !info->essential) {
		c->state[layer] = OC_STATE_MISSING;
		oc_child_detail(c, layer, err.msg);
		return 0;
	}
	oc_err_step(&err, info->name);
	c->err = err;
	return -1;
}

int oc_step_cgroup_join(struct oc_child *c, struct oc_err *err)
{
	/*
	 * "0" to `tasks` moves only the writing thread, for which the kernel (since 5.17) does not take the
	 * lock that makes a write to cgroup.procs wait for an RCU grace period.  We are a single thread here.
	 */
	if (c->late_cgroup) {
		struct oc_msg m;
		int fds[OC_MSG_FDS];
		if (oc_msg_recv_fds(c->status_fd, &m, fds) <= 0 || m.type != OC_MSG_CGROUP)
			_exit(125); /* the monitor failed or died, it has the reason */
		for (int i = 0; i < OC_MSG_FDS && fds[i] >= 0; i++)
			c->cgroup_tasks_fd[c->cgroup_tasks_count++] = fds[i];
	}
	for (int i = 0; i < c->cgroup_tasks_count; i++)
		if (write(c->cgroup_tasks_fd[i], "0", 1) != 1)
			return oc_fail(err, errno, "cannot join the cgroup");
	return 0;
}

int oc_step_cgroup_ns(struct oc_child *c, struct oc_err *err)
{
	/* After the join, or the namespace would be rooted at the caller's cgroup and show its path. */
	if (c->join_cgroup_ns && unshare(CLONE_NEWCGROUP) < 0)
		return oc_fail(err, errno, "cannot make a cgroup namespace");
	return 0;
}

int oc_step_tty(struct oc_child *c, struct oc_err *err)
{
	int zero = 0;

	if (!c->want_pty)
		return 0;
	/* A runner's filter has no openat2 (payload.c); nobody inside can make a link in /dev. */
	const int flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
	oc_auto_close master = c->confined ? open("/dev/pts/ptmx", flags | O_NOFOLLOW)
					   : oc_openat2(AT_FDCWD, "/dev/pts/ptmx", flags, 0,
							RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &zero) < 0)
		return oc_fail(err, errno, "cannot open a pseudo-terminal");
	/* By descriptor, never by the name /dev/pts/N (CVE-2025-52565). */
	oc_auto_close slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return oc_fail(err, errno, "cannot open the pseudo-terminal's other end");
	if (c->copy_termios && (ioctl(slave, TCSETS, &c->termios) < 0 ||
				ioctl(slave, TIOCSWINSZ, &c->winsize) < 0))
		return oc_fail(err, errno, "cannot set up the pseudo-terminal");
	c->pty_master = oc_steal_fd(&master);
	c->pty_slave = oc_steal_fd(&slave);
	return 0;
}

static bool has_dev(const struct oc_child *c)
{
	for (size_t i = 0; i < c->plan->mount_count; i++)
		if (c->plan->mounts[i].kind == OC_MOUNT_DEV)
			return true;
	return false;
}

static int set_up(struct oc_child *c)
{
	oc_aside_start(c);
	if (oc_child_step(c, OC_LAYER_UTS, oc_step_hostname) < 0 ||
	    oc_child_step(c, OC_LAYER_MOUNT, oc_step_propagation) < 0 ||
	    (has_dev(c) && oc_child_step(c, OC_LAYER_DEV, oc_step_devices) < 0) ||
	    oc_child_step(c, OC_LAYER_USER, oc_step_ids) < 0 ||
	    oc_child_step(c, OC_LAYER_ROOTFS, oc_step_new_root) < 0 ||
	    oc_child_step(c, OC_LAYER_ROOTFS, oc_step_rows) < 0 ||
	    oc_child_step(c, OC_LAYER_DESCRIPTORS, oc_step_input) < 0 ||
	    oc_child_step(c, OC_LAYER_MASKS, oc_step_masks) < 0 ||
	    oc_child_step(c, OC_LAYER_ROOTFS, oc_step_pivot) < 0 ||
	    oc_child_step(c, OC_LAYER_DEV, oc_step_tty) < 0 ||
	    oc_child_step(c, OC_LAYER_KEYRING, oc_step_keyring) < 0 ||
	    oc_child_step(c, OC_LAYER_CGROUP, oc_step_cgroup_join) < 0 ||
	    oc_child_step(c, OC_LAYER_CGROUP_NS, oc_step_cgroup_ns) < 0 ||
	    oc_child_step(c, OC_LAYER_LANDLOCK, oc_step_ruleset) < 0 ||
	    oc_child_step(c, OC_LAYER_ROOTFS, oc_step_old_root) < 0 ||
	    oc_child_step(c, OC_LAYER_NET, oc_step_net_enter) < 0 ||
	    oc_child_step(c, OC_LAYER_NESTED, oc_step_nested_proof) < 0 ||
	    oc_child_step(c, OC_LAYER_SECUREBITS, oc_step_securebits) < 0 ||
	    oc_child_step(c, OC_LAYER_CAPS, oc_step_caps) < 0 ||
	    oc_child_step(c, OC_LAYER_NNP, oc_step_no_new_privs) < 0)
		return -1;
	return 0;
}

static _Noreturn void give_up(struct oc_child *c, uint32_t type)
{
	struct oc_msg m = {.type = type, .err = c->err};

	oc_msg_send(c->status_fd, &m, -1);
	_exit(125);
}

/* The broker serves before the first byte of the payload: its first connection must not fail. */
static void wait_for_net(struct oc_child *c)
{
	struct oc_msg m;
	int fd;

	if (oc_msg_recv(c->status_fd, &m, &fd) <= 0 || m.type != OC_MSG_GO)
		_exit(125); /* the monitor failed or died, it has the reason */
}

_Noreturn void oc_child_main(struct oc_child *c)
{
	sigset_t chld;

	/* Die with the monitor, and see that it has not died already: then the socket is at its end. */
	char byte;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    recv(c->status_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		_exit(125);
	umask(0);
	if (set_up(c) < 0)
		give_up(c, OC_MSG_ERROR);

	/* The signals are blocked since before clone3. */
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	int sfd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sfd < 0) {
		oc_fail(&c->err, errno, "signalfd");
		oc_err_step(&c->err, "pid");
		give_up(c, OC_MSG_ERROR);
	}
	if (c->wait_for_net)
		wait_for_net(c);
	if (c->opt->keep)
		oc_keeper_main(c, sfd);
	pid_t payload = oc_payload_start(c);
	if (payload < 0)
		give_up(c, c->exec_failed ? OC_MSG_NOEXEC : OC_MSG_ERROR);

	oc_init_loop(c, payload, sfd);
}
