/* SPDX-License-Identifier: Apache-2.0 */
/*
 * end - see end.h.
 */
#include "runtime/session/end.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

#define AT_ONCE 64 /* three descriptors each */
#define LOOK_MS 10 /* between looks at what nothing tells of */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void signal_it(const struct oc_ending *e, int sig)
{
	if (e->pid_fd >= 0)
		syscall(SYS_pidfd_send_signal, e->pid_fd, sig, NULL, 0);
}

static void finish(struct oc_ending *e, enum oc_end how)
{
	e->how = how;
	e->over = true;
	oc_closep(&e->dir_fd);
	oc_closep(&e->pid_fd);
	oc_closep(&e->sock);
	e->dir_fd = e->pid_fd = e->sock = -1;
}

static void failed(struct oc_ending *e)
{
	const struct oc_door *d = &e->door;

	if (e->pid_fd >= 0)
		oc_fail(&e->err, 0, "the sandbox %s was killed (pid %d), and is still there", d->id,
			(int)d->pid);
	else
		oc_fail(&e->err, 0,
			"the sandbox %s does not end, and its monitor (pid %d) cannot be seen from "
			"here",
			d->id, (int)d->pid);
	oc_err_hint(&e->err, e->pid_fd >= 0 ? "see what holds its processes: cat /proc/PID/stack"
					    : "end it from the pid namespace that it was made in");
	finish(e, OC_END_FAILED);
}

/* A sandbox for one command has a monitor that passes signals on to the command. */
static void ask(struct oc_ending *e)
{
	static const char text[] = "{\"op\":\"stop\"}";
	struct oc_door d = e->door;

	e->dir_fd = e->pid_fd = e->sock = -1;
	e->over = false;
	d.dir_fd = -1;
	if (oc_door_open(&d) < 0) {
		/* What is in there is not ours, or it is dead: either way nothing runs. */
		finish(e, OC_END_GONE);
		return;
	}
	e->dir_fd = d.dir_fd;
	e->pid_fd = oc_door_watch(&d);
	if (d.keep && (e->sock = oc_door_dial(&d, NULL)) >= 0 &&
	    send(e->sock, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		return;
	signal_it(e, SIGTERM);
}

/* It says that it will not: then it is told by a signal. */
static void hear(struct oc_ending *e)
{
	char text[4096];
	ssize_t n = recv(e->sock, text, sizeof text - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		text[n] = '\0';
		if (strstr(text, "\"ok\":false"))
			signal_it(e, SIGTERM);
		return;
	}
	close(e->sock);
	e->sock = -1;
}

/* Nothing of it is left in the registry. */
static bool gone(const struct oc_ending *e)
{
	struct oc_door d = e->door;

	d.dir_fd = -1;
	if (oc_door_open(&d) < 0)
		return true;
	oc_door_close(&d);
	return false;
}

/* Wait until all are gone, or the time is over; true if all are. */
static bool wait_all(struct oc_ending *e, size_t count, int64_t end, enum oc_end how)
{
	for (;;) {
		struct pollfd p[2 * AT_ONCE];
		nfds_t n = 0;
		size_t left = 0;
		bool look = false;
		for (size_t i = 0; i < count; i++) {
			if (e[i].over)
				continue;
			struct pollfd ended = {.fd = e[i].pid_fd, .events = POLLIN};
			bool over = e[i].pid_fd < 0 || poll(&ended, 1, 0) > 0;
			if (over && gone(&e[i])) {
				finish(&e[i], how);
				continue;
			}
			left++;
			look |= over; /* its janitor is at work */
			if (!over)
				p[n++] = ended;
			if (e[i].sock >= 0)
				hear(&e[i]);
			if (e[i].sock >= 0)
				p[n++] = (struct pollfd){.fd = e[i].sock, .events = POLLIN};
		}
		int64_t rest = end - now_ms();
		if (!left || rest <= 0)
			return !left;
		(void)poll(p, n, look && rest > LOOK_MS ? LOOK_MS : (int)rest);
	}
}

static void end_some(struct oc_ending *e, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ask(&e[i]);
	if (wait_all(e, count, now_ms() + OC_END_ASKED_MS, OC_END_ASKED))
		return;
	for (size_t i = 0; i < count; i++)
		if (!e[i].over)
			signal_it(&e[i], SIGKILL);
	if (wait_all(e, count, now_ms() + OC_END_KILLED_MS, OC_END_KILLED))
		return;
	for (size_t i = 0; i < count; i++)
		if (!e[i].over)
			failed(&e[i]);
}

void oc_end_sandboxes(struct oc_ending *e, size_t count)
{
	for (size_t i = 0; i < count; i += AT_ONCE)
		end_some(e + i, count - i < AT_ONCE ? count - i : AT_ONCE);
}
