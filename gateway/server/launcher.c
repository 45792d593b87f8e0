/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launcher - the process that supervises: lock, listening sockets, signals, config.  It reads no
 * byte of a client.
 *
 * It polls its own signals, the network process's end of the pair and the files of the config; it
 * has no library's loop.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "gateway/server/internal.h"

#define SETTLE_MS 300  /* an editor writes more than once */
#define STOP_MS	  5000 /* then the network process is killed */

struct launcher {
	const struct oc_server_options *opt;
	struct oc_config *config; /* the newest that was valid */
	pid_t child;
	int lock, sock, signals, watch;
	int listen_fds[OC_LISTEN_MAX];
	size_t listen_count;
	uint16_t port;
	int64_t started_ms, reload_at, kill_at;
	bool ready, stopping;
	sigset_t mask;
};

static void watch_files(struct launcher *l)
{
	const struct oc_config *c = l->config;

	if (l->watch >= 0)
		close(l->watch);
	l->watch = c->reload ? inotify_init1(IN_CLOEXEC | IN_NONBLOCK) : -1;
	/* Directories: a file that is replaced is another one. */
	for (size_t i = 0; l->watch >= 0 && i < c->files.count + 1; i++) {
		const char *path = i < c->files.count ? c->files.list[i] : c->path;
		const char *slash = strrchr(path, '/');
		char dir[4096];
		if (!slash || (size_t)(slash - path) >= sizeof dir)
			continue;
		snprintf(dir, sizeof dir, "%.*s", slash == path ? 1 : (int)(slash - path), path);
		(void)inotify_add_watch(l->watch, dir,
					IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
	}
}

/* True if one of ours is among them. */
static bool read_events(struct launcher *l)
{
	char buf[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool ours = false;
	ssize_t n;

	while ((n = read(l->watch, buf, sizeof buf)) > 0) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *e =
				(const struct inotify_event *)(const void *)p;
			for (size_t i = 0; e->len && i < l->config->files.count + 1; i++) {
				const char *path = i < l->config->files.count
							   ? l->config->files.list[i]
							   : l->config->path;
				const char *slash = strrchr(path, '/');
				if (slash && strcmp(slash + 1, e->name) == 0)
					ours = true;
			}
			p += sizeof *e + e->len;
		}
	}
	return ours;
}

static void reload(struct launcher *l)
{
	struct oc_note n = {.type = OC_NOTE_CONFIG};
	struct oc_config *next;
	oc_auto_buf text = {0};

	l->reload_at = 0;
	if (oc_config_load(&l->opt->load, &next, &n.err) < 0) {
		(void)oc_note_send(l->sock, &n, -1);
		return;
	}
	oc_config_pack(next, &text);
	oc_auto_close fd = memfd_create("openclaw-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || oc_write_all(fd, text.data, text.len) < 0) {
		oc_fail(&n.err, errno, "cannot pass the config on");
		oc_closep(&fd);
		fd = -1;
	} else {
		(void)fcntl(fd, F_ADD_SEALS,
			    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	}
	(void)oc_note_send(l->sock, &n, fd);
	oc_config_unref(l->config);
	l->config = next;
	watch_files(l);
}

static void stop(struct launcher *l, const char *why)
{
	struct oc_note n = {.type = OC_NOTE_STOP};

	if (l->stopping)
		return;
	l->stopping = true;
	l->kill_at = oc_mono_ms() + STOP_MS;
	snprintf(n.err.msg, sizeof n.err.msg, "%s", why);
	(void)oc_note_send(l->sock, &n, -1);
}

static void on_signal(struct launcher *l)
{
	struct signalfd_siginfo si;

	while (read(l->signals, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo == SIGHUP)
			reload(l);
		else if (si.ssi_signo == SIGTERM)
			stop(l, "received SIGTERM");
		else if (si.ssi_signo == SIGINT)
			stop(l, "received SIGINT");
	}
}

static void now_ready(struct launcher *l)
{
	const struct oc_server_options *o = l->opt;

	l->ready = true;
	(void)oc_lock_tell(l->lock, l->port, l->started_ms, NULL);
	watch_files(l);
	if (o->ready)
		o->ready(o->ctx, l->config, l->port);
	if (o->ready_fd >= 0) {
		(void)!write(o->ready_fd, "\n", 1);
		close(o->ready_fd);
	}
}

/* 0: go on; 1: the network process said why it ends. */
static int on_note(struct launcher *l, struct oc_err *err)
{
	struct oc_note n;
	int fd;

	while (oc_note_receive(l->sock, &n, &fd) > 0) {
		if (fd >= 0)
			close(fd);
		if (n.type == OC_NOTE_READY && !l->ready)
			now_ready(l);
		if (n.type == OC_NOTE_FAILED && !l->ready) {
			*err = n.err;
			return 1;
		}
	}
	return 0;
}

/* The network process ended.  Returns the exit status. */
static int ended(struct launcher *l, int status, bool told, struct oc_err *err)
{
	if (told)
		return 1;
	if (l->stopping && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		oc_fail(err, 0, "the network process was ended by signal %d%s", WTERMSIG(status),
			WTERMSIG(status) == SIGSYS ? " (a system call that its filter forbids)"
						   : "");
	else
		oc_fail(err, 0, "the network process ended with status %d", WEXITSTATUS(status));
	return 1;
}

static int supervise(struct launcher *l, struct oc_err *err)
{
	bool told = false;

	for (;;) {
		struct pollfd p[3] = {{.fd = l->signals, .events = POLLIN},
				      {.fd = told ? -1 : l->sock, .events = POLLIN},
				      {.fd = l->watch, .events = POLLIN}};
		int64_t now = oc_mono_ms(), wait = -1;
		int status;
		if (l->reload_at)
			wait = l->reload_at - now;
		if (l->kill_at && (wait < 0 || l->kill_at - now < wait))
			wait = l->kill_at - now;
		(void)poll(p, 3, (l->reload_at || l->kill_at) ? (int)(wait < 0 ? 0 : wait) : -1);
		if (p[0].revents)
			on_signal(l);
		if (p[1].revents && !told)
			told = on_note(l, err) > 0;
		if (p[2].revents && read_events(l))
			l->reload_at = oc_mono_ms() + SETTLE_MS;
		if (waitpid(l->child, &status, WNOHANG) == l->child) {
			l->child = 0;
			if (!told)
				told = on_note(l, err) > 0;
			return ended(l, status, told, err);
		}
		now = oc_mono_ms();
		if (l->reload_at && now >= l->reload_at)
			reload(l);
		if (l->kill_at && now >= l->kill_at) {
			kill(l->child, SIGKILL);
			l->kill_at = 0;
		}
		if (p[1].revents & POLLHUP)
			(void)poll(NULL, 0, 10);
	}
}

static int spawn(struct launcher *l, struct oc_err *err)
{
	int pair[2];
	struct oc_network_start start = {.opt = l->opt,
					 .listen_fds = l->listen_fds,
					 .listen_count = l->listen_count,
					 .port = l->port,
					 .launcher = getpid()};

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return oc_fail(err, errno, "cannot make a socket pair");
	l->child = fork();
	if (l->child < 0) {
		int cause = errno;
		close(pair[0]);
		close(pair[1]);
		return oc_fail(err, cause, "cannot start the network process");
	}
	if (l->child == 0) {
		sigprocmask(SIG_UNBLOCK, &l->mask, NULL);
		/* The lock is the launcher's: with a copy here it would outlive it. */
		close(l->lock);
		close(l->signals);
		close(pair[0]);
		if (l->opt->ready_fd >= 0)
			close(l->opt->ready_fd);
		start.control_fd = pair[1];
		oc_network_main(&start);
	}
	close(pair[1]);
	l->sock = pair[0];
	/* Not needed here, and a port that nobody serves must not stay open. */
	while (l->listen_count > 0)
		close(l->listen_fds[--l->listen_count]);
	return 0;
}

int oc_server_run(const struct oc_server_options *opt, struct oc_err *err)
{
	struct launcher l = {.opt = opt,
			     .lock = -1,
			     .sock = -1,
			     .signals = -1,
			     .watch = -1,
			     .started_ms = oc_wall_ms()};
	int status = 1;

	l.config = oc_config_ref(opt->config);
	sigemptyset(&l.mask);
	sigaddset(&l.mask, SIGTERM);
	sigaddset(&l.mask, SIGINT);
	sigaddset(&l.mask, SIGHUP);
	sigaddset(&l.mask, SIGCHLD);
	l.lock = oc_lock_take(opt->state_fd, err);
	if (l.lock >= 0 && oc_lock_tell(l.lock, 0, l.started_ms, err) == 0 &&
	    oc_listen(l.config, l.listen_fds, &l.listen_count, &l.port, err) == 0) {
		sigprocmask(SIG_BLOCK, &l.mask, NULL);
		l.signals = signalfd(-1, &l.mask, SFD_CLOEXEC | SFD_NONBLOCK);
		if (l.signals < 0)
			oc_fail(err, errno, "cannot receive signals");
		else if (spawn(&l, err) == 0)
			status = supervise(&l, err);
		sigprocmask(SIG_UNBLOCK, &l.mask, NULL);
	}
	oc_closep(&l.signals);
	oc_closep(&l.watch);
	oc_closep(&l.sock);
	oc_closep(&l.lock);
	oc_config_unref(l.config);
	return status;
}
