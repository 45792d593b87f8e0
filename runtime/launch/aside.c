/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aside - see aside.h.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/child.h"
#include "runtime/launch/sys.h"

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C /* linux/sockios.h */
#endif

/* A network namespace, complete; the thread is in it afterwards, pid 1 enters by the descriptor. */
static int make_net(struct oc_child *c, struct oc_err *err)
{
	if (unshare(CLONE_NEWNET) < 0) {
		oc_fail(err, errno, "cannot make a net namespace");
		return oc_err_hint(err, err->errnum == ENOSPC
						? "the limit user.max_net_namespaces is reached or 0"
						: "a container or a security module forbids it; see `oc-sandbox doctor`");
	}
	if (oc_step_net(c, err) < 0)
		return -1;
	/* By a socket in it: /proc may be the host's, ours, or none at this moment. */
	oc_auto_close s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int fd = s < 0 ? -1 : ioctl(s, SIOCGSKNS);
	if (fd < 0)
		return oc_fail(err, errno, "cannot get hold of the net namespace");
	return fd;
}

static void net(struct oc_child *c)
{
	c->aside.net_fd = c->aside.want_net ? make_net(c, &c->aside.net_err) : -1;
}

static void unmount_old_root(struct oc_child *c)
{
#ifdef OC_TEST_WEAKEN
	if (c->drop && strcmp(c->drop, "old-root") == 0)
		return;
#endif
	/* A path is resolved to what is mounted last on it: the host's root, see oc_step_pivot. */
	if (umount2("/", MNT_DETACH) < 0)
		oc_fail(&c->aside.umount_err, errno, "cannot detach the old root");
}

static void *aside(void *arg)
{
	struct oc_child *c = arg;

	if (!c->aside.net_in_line)
		net(c);
	while (__atomic_load_n(&c->aside.pivoted, __ATOMIC_ACQUIRE) == 0)
		syscall(SYS_futex, &c->aside.pivoted, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	unmount_old_root(c);
	return NULL;
}

void oc_aside_start(struct oc_child *c)
{
	/* Deep enough for a message of netlink; below every ceiling on locked or mapped memory. */
	static _Alignas(64) char stack[65536];
	pthread_attr_t attr;

	c->aside.net_fd = -1;
	if (c->aside.net_in_line)
		net(c);
	if (pthread_attr_init(&attr) == 0 && pthread_attr_setstack(&attr, stack, sizeof stack) == 0 &&
	    pthread_create(&c->aside.thread, &attr, aside, c) == 0)
		c->aside.started = true;
	else if (!c->aside.net_in_line)
		net(c);
}

void oc_aside_pivoted(struct oc_child *c)
{
	if (!c->aside.started) {
		unmount_old_root(c);
		return;
	}
	__atomic_store_n(&c->aside.pivoted, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &c->aside.pivoted, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

int oc_step_old_root(struct oc_child *c, struct oc_err *err)
{
	if (c->aside.started)
		pthread_join(c->aside.thread, NULL);
	if (c->aside.umount_err.msg[0]) {
		*err = c->aside.umount_err;
		return -1;
	}
	/* Prove it: "/" must be the mount that we made (CVE-2024-21626 and boxsh are what a wrong "/" looks like). */
	struct stat a, b;
	if (fstat(c->root_fd, &a) < 0 || stat("/", &b) < 0 || a.st_dev != b.st_dev ||
	    a.st_ino != b.st_ino)
		return oc_fail(err, 0, "the root directory is not the new root");
	return 0;
}

int oc_step_net_enter(struct oc_child *c, struct oc_err *err)
{
	oc_auto_close fd = c->aside.net_fd;

	if (fd < 0) {
		*err = c->aside.net_err;
		return -1;
	}
	if (c->aside.started && !c->aside.net_in_line && setns(fd, CLONE_NEWNET) < 0)
		return oc_fail(err, errno, "cannot enter the net namespace");
	return 0;
}
