/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec_call - one command in a live sandbox, from its start to its end; see exec.h.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/cli/exec.h"
#include "runtime/launch/pipes.h"
#include "runtime/launch/relay.h"

struct call {
	const struct oc_cli_exec *e;
	struct oc_arena arena;
	ocs_sandbox *s;
	uint32_t tag;
	struct oc_relay relay;
	struct oc_pipes pipes;
	struct oc_streams streams;
	int signal_fd, caller_fd;
	bool ended;
	int status;
};

int oc_cli_client_fail(const struct ocs_error *e)
{
	struct oc_err err = {.errnum = e->errnum};

	snprintf(err.step, sizeof err.step, "%s", e->step);
	snprintf(err.msg, sizeof err.msg, "%s", e->message);
	snprintf(err.hint, sizeof err.hint, "%s", e->hint);
	oc_err_print(&err, "oc-sandbox", 2);
	return e->status ? e->status : OC_EXIT_SETUP;
}

/* It never ran. */
static int never(struct call *c, const char *step, const char *message, const char *hint)
{
	oc_auto_buf text = {0};
	struct oc_json_writer w;
	struct oc_err err = {0};

	oc_jw_init(&w, &text, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "status");
	oc_jw_int(&w, OC_EXIT_SETUP);
	oc_jw_key(&w, "cause");
	oc_jw_string(&w, "setup");
	oc_jw_key(&w, "exit");
	oc_jw_null(&w);
	oc_jw_key(&w, "signal");
	oc_jw_null(&w);
	oc_jw_key(&w, "error");
	oc_jw_object(&w);
	oc_jw_key(&w, "step");
	oc_jw_string(&w, step);
	oc_jw_key(&w, "message");
	oc_jw_string(&w, message);
	oc_jw_key(&w, "hint");
	oc_jw_string(&w, hint);
	oc_jw_object_end(&w);
	oc_jw_object_end(&w);
	oc_cli_write_result(c->e->result_fd, text.data, text.len);
	snprintf(err.step, sizeof err.step, "%s", step);
	snprintf(err.msg, sizeof err.msg, "%s", message);
	snprintf(err.hint, sizeof err.hint, "%s", hint);
	return oc_cli_fail(&err);
}

static void say(const char *text, const char *hint)
{
	struct oc_err e = {0};

	oc_fail(&e, 0, "%s", text);
	if (hint)
		oc_err_hint(&e, "%s", hint);
	oc_err_print(&e, "oc-sandbox", 2);
}

/* What it left for the host to run, and where that is now. */
static void explain_quarantine(const char *json)
{
	oc_auto_arena a = {0};
	struct oc_json *v;
	struct oc_err ignored;

	if (!strstr(json, "\"quarantined\":[{") && !strstr(json, "\"quarantineIncomplete\""))
		return;
	if (oc_json_parse(&a, json, strlen(json), "result", &v, &ignored) < 0)
		return;
	const struct oc_json *all = oc_json_get(v, "quarantined"),
			     *incomplete = oc_json_get(v, "quarantineIncomplete");
	for (const struct oc_json *q = all ? all->child : NULL; q; q = q->next) {
		const struct oc_json *path = oc_json_get(q, "path"), *why = oc_json_get(q, "why"),
				     *moved = oc_json_get(q, "moved");
		struct oc_err e = {0};
		if (!path || !path->string || !why || !why->string)
			continue;
		bool now = moved && moved->type == OC_JSON_STRING;
		oc_fail(&e, 0, "quarantined %s: %s%s%s", path->string, why->string,
			now ? "; now " : "", now ? moved->string : "");
		oc_err_print(&e, "oc-sandbox", 2);
	}
	if (incomplete && incomplete->type == OC_JSON_STRING)
		say("the workspace could not be checked completely for what the host would run",
		    incomplete->string);
}

/* Why it ended, when the exit code alone does not say it. */
static void explain(const struct oc_cli_exec *e, const struct ocs_result *r)
{
	char text[160];

	if (r->error) {
		say(r->error, r->hint);
		return;
	}
	if (e->quiet)
		return;
	if (strcmp(r->cause, "timeout") == 0) {
		if (e->timeout_ms)
			snprintf(text, sizeof text, "the time limit of %.3g s was reached",
				 (double)e->timeout_ms / 1000.0);
		else
			snprintf(text, sizeof text, "the time limit was reached");
		say(text, NULL);
	} else if (strcmp(r->cause, "oom") == 0) {
		snprintf(text, sizeof text, "the memory limit was reached (peak %.0f MB)",
			 (double)r->memory_peak_bytes / (1024.0 * 1024.0));
		say(text, "--memory SIZE");
	} else if (strcmp(r->cause, "pids") == 0) {
		say("the limit of processes was reached", "--pids N");
	} else if (strcmp(r->cause, "disk") == 0) {
		say("the workspace is full", "--disk SIZE, when the sandbox is made");
	}
}

/* --- streams --- */

/*
 * A terminal inside takes all three streams or none.  Without being told: only where all three are
 * terminals, so that nothing that was redirected goes there.
 */
static bool want_tty(enum oc_tty_mode mode)
{
	if (mode != OC_TTY_AUTO)
		return mode == OC_TTY_YES;
	return isatty(0) && isatty(1) && isatty(2);
}

static int prepare_streams(struct call *c, struct oc_err *err)
{
	struct oc_streams *s = &c->streams;
	bool tty = want_tty(c->e->tty);

	*s = (struct oc_streams){.fd = {0, 1, 2}, .privileged = geteuid() == 0, .copy_input = true};
	if (c->e->background)
		return 0;
	if (oc_relay_prepare(&c->relay, s, &c->arena, tty ? OC_TTY_YES : OC_TTY_NO, err) < 0)
		return -1;
	if (tty) {
		/* Output that is no terminal gets what a terminal would. */
		c->relay.tty[1] = 1;
		s->fd[0] = s->fd[1] = s->fd[2] = -1;
	}
	return oc_pipes_prepare(&c->pipes, s, c->relay.inner, err);
}

/*
 * What the kernel gives a new terminal, but for the keys and the encoding of the caller's: the
 * command may have changed the rest already.
 */
static void copy_keys(struct call *c, int master)
{
	static const unsigned char keys[] = {VINTR, VQUIT, VERASE, VKILL, VEOF, VSUSP, VWERASE};
	struct termios t;

	if (!c->streams.copy_termios || tcgetattr(master, &t) < 0)
		return;
	bool same = !((t.c_iflag ^ c->streams.termios.c_iflag) & IUTF8);
	for (size_t i = 0; i < sizeof keys; i++)
		same = same && t.c_cc[keys[i]] == c->streams.termios.c_cc[keys[i]];
	if (same)
		return;
	t.c_iflag = (t.c_iflag & ~(tcflag_t)IUTF8) | (c->streams.termios.c_iflag & IUTF8);
	for (size_t i = 0; i < sizeof keys; i++)
		t.c_cc[keys[i]] = c->streams.termios.c_cc[keys[i]];
	tcsetattr(master, TCSANOW, &t);
}

/* --- signals, and who started us --- */

static int block_signals(struct call *c, struct oc_err *err)
{
	static const int forwarded[] = {SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
					SIGUSR1, SIGUSR2, SIGWINCH};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof forwarded / sizeof forwarded[0]; i++)
		sigaddset(&set, forwarded[i]);
	/* Whoever reads our output may go: that is for the command to know. */
	sigaddset(&set, SIGPIPE);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return oc_fail(err, errno, "sigprocmask");
	sigdelset(&set, SIGPIPE);
	c->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return c->signal_fd < 0 ? oc_fail(err, errno, "signalfd") : 0;
}

static void watch_caller(struct call *c)
{
	pid_t parent = getppid();

	if (c->e->outlive_caller || c->e->background || parent <= 1)
		return;
	c->caller_fd = (int)syscall(SYS_pidfd_open, parent, 0);
	/* It may have died, and its number be somebody else's, before it was opened. */
	if (c->caller_fd >= 0 && getppid() != parent) {
		close(c->caller_fd);
		c->caller_fd = -1;
	}
}

static void on_signals(struct call *c)
{
	struct signalfd_siginfo si;

	while (read(c->signal_fd, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo == SIGWINCH)
			oc_relay_resize(&c->relay);
		else
			ocs_signal(c->s, c->tag, (int)si.ssi_signo, NULL);
	}
}

/* --- the call --- */

static void end(struct call *c, int status)
{
	c->ended = true;
	c->status = status;
}

static void on_exit_event(struct call *c, const struct ocs_result *r)
{
	oc_relay_finish(&c->relay);
	oc_pipes_finish(&c->pipes, strcmp(r->cause, "timeout") != 0);
	explain(c->e, r);
	if (!c->e->quiet)
		explain_quarantine(r->json);
	oc_cli_write_result(c->e->result_fd, r->json, strlen(r->json));
	end(c, r->status);
}

static void on_event(struct call *c, const struct ocs_event *ev)
{
	switch (ev->type) {
	case OCS_EVENT_STARTED:
		if (c->e->background) {
			printf("%s\n", ev->call ? ev->call : "");
			end(c, fflush(stdout) == 0 ? 0 : OC_EXIT_SETUP);
		} else if (ev->fd >= 0) {
			copy_keys(c, ev->fd);
			oc_relay_start(&c->relay, ev->fd);
			/* The window may have changed since it was measured. */
			oc_relay_resize(&c->relay);
		}
		break;
	case OCS_EVENT_EXIT:
		on_exit_event(c, &ev->result);
		break;
	case OCS_EVENT_CLOSED:
		end(c, oc_cli_client_fail(&ev->error));
		break;
	case OCS_EVENT_NONE:
	case OCS_EVENT_OPEN:
		break;
	}
}

static void watch(struct call *c)
{
	while (!c->ended) {
		struct pollfd p[3 + OC_PIPES_POLL + OC_RELAY_POLL] = {
			{.fd = ocs_fd(c->s), .events = POLLIN},
			{.fd = c->signal_fd, .events = POLLIN},
			{.fd = c->caller_fd, .events = POLLIN},
		};
		struct ocs_event ev;
		oc_pipes_poll(&c->pipes, p + 3);
		oc_relay_poll(&c->relay, p + 3 + OC_PIPES_POLL);
		if (poll(p, sizeof p / sizeof p[0], -1) < 0 && errno != EINTR) {
			end(c, 128 + SIGKILL);
			return;
		}
		if (p[1].revents)
			on_signals(c);
		if (p[2].revents) {
			/* The connection ends with us, and with it the call. */
			end(c, 128 + SIGKILL);
			return;
		}
		oc_pipes_run(&c->pipes, p + 3);
		oc_relay_run(&c->relay, p + 3 + OC_PIPES_POLL);
		while (p[0].revents && !c->ended && ocs_next(c->s, &ev) > 0)
			on_event(c, &ev);
	}
}

static unsigned flags_of(const struct call *c)
{
	const struct oc_cli_exec *e = c->e;

	return (c->streams.want_pty ? OCS_PTY : 0) | (e->background ? OCS_BACKGROUND : 0) |
	       (e->clear_env ? OCS_CLEAR_ENV : 0) | (e->no_input ? OCS_NO_INPUT : 0) |
	       (e->background && e->tty == OC_TTY_YES ? OCS_PTY : 0);
}

static int ask(struct call *c, struct ocs_error *err)
{
	const struct oc_cli_exec *e = c->e;
	struct ocs_exec x = OCS_EXEC_INIT;

	x.argv = (const char *const *)e->argv;
	x.env = e->env;
	x.cwd = e->workdir;
	x.in = c->streams.fd[0];
	x.out = c->streams.fd[1];
	x.err = c->streams.fd[2];
	x.flags = flags_of(c);
	x.rows = c->streams.winsize.ws_row;
	x.cols = c->streams.winsize.ws_col;
	x.timeout_ms = e->timeout_ms;
	x.memory_bytes = e->memory_bytes;
	x.pids = e->pids;
	x.cpu_millis = e->cpu_millis;
	return ocs_exec(c->s, &x, &c->tag, err);
}

static int run(struct call *c)
{
	const struct ocs_open how = {
		.size = sizeof how, .sandbox = c->e->sandbox, .state_dir = c->e->state_dir};
	struct ocs_error err = {0};
	struct oc_err why = {0};

	if (ocs_open(&how, &c->s, &err) < 0)
		return never(c, err.step, err.message, err.hint);
	if (prepare_streams(c, &why) < 0 || block_signals(c, &why) < 0)
		return never(c, why.step, why.msg, why.hint);
	watch_caller(c);
	if (ask(c, &err) < 0)
		return never(c, err.step, err.message, err.hint);
	oc_pipes_start(&c->pipes);
	if (!c->streams.want_pty)
		oc_relay_start(&c->relay, -1);
	watch(c);
	return c->status;
}

int oc_cli_exec(const struct oc_cli_exec *e)
{
	struct call c = {.e = e, .signal_fd = -1, .caller_fd = -1};

	oc_relay_init(&c.relay);
	oc_pipes_init(&c.pipes);
	int status = run(&c);
	/* For the ways out that did not come to it. */
	oc_relay_finish(&c.relay);
	oc_pipes_finish(&c.pipes, false);
	ocs_close(c.s);
	oc_closep(&c.signal_fd);
	oc_closep(&c.caller_fd);
	oc_arena_free(&c.arena);
	return status;
}
