/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network - the process that clients talk to: makes everything ready, jails itself, then runs the
 * loop.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "gateway/server/internal.h"

#define RESERVED_FDS 64u
#define CONFIG_MAX   (16u << 20)

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t oc_mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t oc_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

/* --- deadlines: one timer for all sockets --- */

static void on_deadlines(uv_timer_t *t)
{
	struct oc_server *srv = t->data;
	int64_t now = oc_mono_ms(), next = 0;

	srv->next_deadline = 0;
	for (struct oc_sock *s = srv->socks, *n; s; s = n) {
		n = s->next;
		oc_sock_due(s, now);
	}
	for (struct oc_sock *s = srv->socks; s; s = s->next) {
		if (s->deadline && (!next || s->deadline < next))
			next = s->deadline;
		if (s->ws && s->ws->later && (!next || s->ws->later < next))
			next = s->ws->later;
	}
	if (next)
		oc_deadlines_arm(srv, next - now);
}

void oc_deadlines_arm(struct oc_server *srv, int64_t in_ms)
{
	/* Not more than 20 times a second, however many there are. */
	int64_t at = oc_mono_ms() + (in_ms < 50 ? 50 : in_ms);

	if (srv->next_deadline && srv->next_deadline <= at)
		return;
	srv->next_deadline = at;
	uv_update_time(&srv->loop);
	uv_timer_start(&srv->deadlines, on_deadlines, (uint64_t)(in_ms < 50 ? 50 : in_ms), 0);
}

void oc_deadline_set(struct oc_sock *s, int64_t in_ms)
{
	s->deadline = oc_mono_ms() + in_ms;
	oc_deadlines_arm(s->srv, in_ms);
}

/* --- the loop's other events --- */

static void on_sleep(uv_prepare_t *h)
{
	struct oc_server *srv = h->data;

	while (srv->dirty)
		oc_sock_flush(srv->dirty);
}

static void on_listen(uv_poll_t *h, int status, int events)
{
	struct oc_server *srv = h->data;

	(void)events;
	if (status == 0)
		oc_sock_accept(srv, srv->listen_fd[h - srv->listen]);
}

static _Noreturn void leave(struct oc_server *srv, int status)
{
	oc_log(srv->log, OC_LOG_INFO, "gateway", "stopped");
	/* The kernel closes every socket; all files were written when they changed. */
	_exit(status);
}

static void on_second(uv_timer_t *t)
{
	struct oc_server *srv = t->data;

	oc_gw_second(srv->gw);
	if (srv->stopping && (!srv->socks || oc_mono_ms() >= srv->stop_deadline))
		leave(srv, 0);
}

static void on_stop_poll(uv_timer_t *t)
{
	on_second(t);
}

static void stop(struct oc_server *srv)
{
	if (srv->stopping)
		return;
	srv->stopping = true;
	srv->stop_deadline = oc_mono_ms() + OC_GW_CLOSE_GRACE_MS;
	for (size_t i = 0; i < srv->listen_count; i++) {
		uv_poll_stop(&srv->listen[i]);
		close(srv->listen_fd[i]);
	}
	oc_gw_shutdown(srv->gw, "gateway stopping", -1);
	for (struct oc_sock *s = srv->socks, *n; s; s = n) {
		n = s->next;
		if (s->state != OC_SOCK_WS)
			oc_sock_finish(s);
	}
	uv_timer_start(&srv->second, on_stop_poll, 20, 20);
}

static void take_config(struct oc_server *srv, int fd, const struct oc_err *why)
{
	oc_auto_close in = fd;
	oc_auto_buf text = {0};
	struct oc_config *next;
	struct oc_err err = {0};

	if (in < 0) {
		oc_log(srv->log, OC_LOG_WARN, "gateway/reload",
		       "config reload skipped (invalid config): %s", why->msg);
		return;
	}
	if (lseek(in, 0, SEEK_SET) < 0 || oc_read_all(in, &text, CONFIG_MAX) < 0 ||
	    oc_config_unpack(text.data ? text.data : "", text.len, &next, &err) < 0) {
		oc_log(srv->log, OC_LOG_ERROR, "gateway/reload", "config reload skipped: %s",
		       err.msg);
		return;
	}
	const char *restart = oc_config_needs_restart(srv->config, next);
	/* gateway.auth is in force at once: a secret that was taken back must not open anything any
	 * more. */
	if (restart && strcmp(restart, "gateway.auth") != 0)
		oc_log(srv->log, OC_LOG_WARN, "gateway/reload",
		       "%s takes effect with the next start", restart);
	oc_config_unref(srv->config);
	srv->config = next;
	oc_gw_set_config(srv->gw, next);
	for (size_t i = 0; i < next->warning_count; i++)
		oc_log(srv->log, OC_LOG_WARN, "gateway/config", "%s: %s", next->warnings[i].path,
		       next->warnings[i].text);
	oc_log(srv->log, OC_LOG_INFO, "gateway/reload", "config reloaded");
}

static void on_control(uv_poll_t *h, int status, int events)
{
	struct oc_server *srv = h->data;
	struct oc_note n;
	int fd, r;

	(void)events;
	if (status < 0)
		_exit(1);
	while ((r = oc_note_receive(srv->control_fd, &n, &fd)) > 0) {
		if (n.type == OC_NOTE_STOP) {
			oc_log(srv->log, OC_LOG_INFO, "gateway", "%s; shutting down", n.err.msg);
			stop(srv);
		} else if (n.type == OC_NOTE_CONFIG) {
			take_config(srv, fd, &n.err);
			fd = -1;
		}
		if (fd >= 0)
			close(fd);
	}
	/* The launcher is gone: so is the lock. */
	if (r == 0)
		_exit(1);
}

/* --- start --- */

static int raise_fds(struct oc_server *srv, struct oc_err *err)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return oc_fail(err, errno, "cannot read the limit of descriptors");
	rl.rlim_cur = rl.rlim_max < 65536 ? rl.rlim_max : 65536;
	if (setrlimit(RLIMIT_NOFILE, &rl) < 0)
		return oc_fail(err, errno, "cannot raise the limit of descriptors");
	srv->sock_max =
		rl.rlim_cur > 2 * RESERVED_FDS ? (size_t)rl.rlim_cur - RESERVED_FDS : RESERVED_FDS;
	return 0;
}

static int open_log(struct oc_server *srv, const struct oc_server_options *o, struct oc_err *err)
{
	oc_auto_arena a = {0};
	const struct oc_config *c = o->config;
	const struct oc_log_options lo = {
		.dir = oc_arena_printf(&a, "%s/logs", c->state_dir),
		.file = c->log.file,
		.level = c->log.level,
		.console = o->verbose ? OC_LOG_DEBUG : c->log.console_level,
		.console_fd = STDERR_FILENO,
		.max_bytes = c->log.max_bytes,
	};

	return oc_log_open(&srv->log, &lo, err);
}

static int open_loop(struct oc_server *srv, const struct oc_network_start *start,
		     struct oc_err *err)
{
	int r = uv_loop_init(&srv->loop);

	if (r < 0)
		return oc_fail(err, -r, "cannot make an event loop");
	uv_timer_init(&srv->loop, &srv->second);
	uv_timer_init(&srv->loop, &srv->deadlines);
	uv_prepare_init(&srv->loop, &srv->before_sleep);
	srv->second.data = srv->deadlines.data = srv->before_sleep.data = srv->control.data = srv;
	uv_timer_start(&srv->second, on_second, 1000, 1000);
	uv_prepare_start(&srv->before_sleep, on_sleep);
	srv->control_fd = start->control_fd;
	r = uv_poll_init(&srv->loop, &srv->control, srv->control_fd);
	if (r == 0)
		r = uv_poll_start(&srv->control, UV_READABLE, on_control);
	srv->listen_count = start->listen_count;
	for (size_t i = 0; i < start->listen_count && r == 0; i++) {
		srv->listen_fd[i] = start->listen_fds[i];
		srv->listen[i].data = srv;
		r = uv_poll_init(&srv->loop, &srv->listen[i], srv->listen_fd[i]);
		if (r == 0)
			r = uv_poll_start(&srv->listen[i], UV_READABLE, on_listen);
	}
	return r < 0 ? oc_fail(err, -r, "cannot watch the listening sockets") : 0;
}

/* The log's directory too, if it is elsewhere. */
static int enter_jail(struct oc_server *srv, const struct oc_server_options *o, struct oc_err *err)
{
	int dirs[2] = {o->state_fd, -1};
	size_t count = 1;
	oc_auto_arena a = {0};
	const char *path = oc_log_path(srv->log);
	const char *dir = oc_arena_strndup(&a, path, (size_t)(strrchr(path, '/') - path));
	oc_auto_close log_dir = oc_openat2(AT_FDCWD, *dir ? dir : "/", O_PATH | O_DIRECTORY, 0, 0);

	if (log_dir < 0)
		return oc_fail(err, errno, "cannot open %s", dir);
	dirs[count++] = log_dir;
	return oc_gw_jail_enter(dirs, count, &srv->jail, err);
}

static int prepare(struct oc_server *srv, const struct oc_network_start *start, struct oc_err *err)
{
	const struct oc_server_options *o = start->opt;

	srv->config = oc_config_ref(o->config);
	srv->version = o->version;
	if (raise_fds(srv, err) < 0 || open_log(srv, o, err) < 0 ||
	    oc_auth_open(o->state_fd, &srv->auth, err) < 0 ||
	    oc_tls_context(srv->config, &srv->tls, err) < 0)
		return -1;
	const struct oc_gw_options go = {
		.config = srv->config,
		.auth = srv->auth,
		.version = o->version,
		.log = srv->log,
		.transport = &oc_ws_transport,
		.now_ms = oc_wall_ms,
		.mono_ms = oc_mono_ms,
		.launcher = start->launcher,
	};
	srv->gw = oc_gw_new(&go);
	if (open_loop(srv, start, err) < 0 || enter_jail(srv, o, err) < 0)
		return -1;
	oc_gw_set_ready(srv->gw, true);
	return 0;
}

static void tell_start(struct oc_server *srv, uint16_t port)
{
	const struct oc_config *c = srv->config;
	char text[OC_ADDR_TEXT_MAX];

	for (size_t i = 0; i < srv->listen_count && i < c->listen_count; i++)
		oc_log(srv->log, OC_LOG_INFO, "gateway", "http server listening (%s port %u%s)",
		       oc_addr_text(&c->listen[i].addr, text), (unsigned)port,
		       srv->tls ? ", TLS" : "");
	oc_log(srv->log, OC_LOG_INFO, "gateway", "log file: %s", oc_log_path(srv->log));
	if (srv->jail.landlock)
		oc_log(srv->log, OC_LOG_INFO, "gateway/jail",
		       "no exec, no new sockets, files: state directory (Landlock ABI %d)",
		       srv->jail.landlock);
	else
		oc_log(srv->log, OC_LOG_WARN, "gateway/jail", "%s", oc_server_jail_missing());
	for (size_t i = 0; i < c->warning_count; i++)
		oc_log(srv->log, OC_LOG_WARN, "gateway/config", "%s: %s", c->warnings[i].path,
		       c->warnings[i].text);
	if (c->auth.mode == OC_AUTH_NONE)
		oc_log(srv->log, OC_LOG_WARN, "gateway/auth",
		       "gateway.auth.mode is none: who reaches this port is the operator");
	oc_log(srv->log, OC_LOG_INFO, "gateway", "ready");
}

_Noreturn void oc_network_main(const struct oc_network_start *start)
{
	struct oc_server *srv = calloc(1, sizeof *srv);
	struct oc_note n = {.type = OC_NOTE_READY};

	if (!srv)
		oc_oom();
	signal(SIGPIPE, SIG_IGN);
	/* The terminal's interrupt goes to the group; the launcher says what is to be done. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != start->launcher)
		_exit(1);
	if (prepare(srv, start, &n.err) < 0) {
		n.type = OC_NOTE_FAILED;
		(void)oc_note_send(start->control_fd, &n, -1);
		_exit(1);
	}
	tell_start(srv, start->port);
	if (oc_note_send(start->control_fd, &n, -1) < 0)
		_exit(1);
	uv_run(&srv->loop, UV_RUN_DEFAULT);
	_exit(1);
}
