/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach - `oc-sandbox attach SANDBOX CALL` and `oc-sandbox logs SANDBOX CALL`: the output of a
 * call in the background, and its input.
 *
 * attach ends with the call's exit status; Ctrl-P Ctrl-Q leaves it as it is.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/cli/exec.h"
#include "runtime/launch/relay.h"

struct attachment {
	struct oc_arena arena;
	ocs_sandbox *s;
	const char *call;
	struct oc_relay relay;
	int signal_fd;
	int signal; /* that ended us, or 0 */
	bool input, end_passed;
};

struct words {
	const char *sandbox, *call, *more;
	bool follow, no_input, help;
};

static int read_words(int argc, char **argv, const char *usage, bool logs, int most,
		      struct words *w, struct oc_err *err)
{
	const char *all[3] = {NULL, NULL, NULL};
	int n = 0;
	bool options = true;

	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		if (options && strcmp(a, "--") == 0) {
			options = false;
		} else if (options && (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0)) {
			w->help = true;
			return 0;
		} else if (options && logs &&
			   (strcmp(a, "--follow") == 0 || strcmp(a, "-f") == 0)) {
			w->follow = true;
		} else if (options && !logs && most == 2 && strcmp(a, "--no-input") == 0) {
			w->no_input = true;
		} else if ((options && a[0] == '-' && a[1]) || n == most) {
			oc_fail(err, 0, "%s %s",
				n == most ? "one word too many:" : "unknown option", a);
			return oc_err_hint(err, "%s", usage);
		} else {
			all[n++] = a;
		}
	}
	if (n < 2) {
		oc_fail(err, 0, "which %s?", n ? "call" : "sandbox and call");
		return oc_err_hint(err, "%s", usage);
	}
	w->sandbox = all[0];
	w->call = all[1];
	w->more = all[2];
	return 0;
}

static int open_sandbox(const char *name, ocs_sandbox **s)
{
	const struct ocs_open how = {.size = sizeof how, .sandbox = name};
	struct ocs_error err = {0};

	return ocs_open(&how, s, &err) < 0 ? oc_cli_client_fail(&err) : 0;
}

static const char *text_of(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_STRING ? m->string : NULL;
}

/* --- how it ended --- */

/* 0: *status; 1: it still runs; -1. */
static int look(struct attachment *t, int *status, struct ocs_error *err)
{
	oc_auto_arena a = {0};
	struct oc_json *v;
	struct oc_err why = {0};
	const char *answer;
	int64_t n;

	if (ocs_request(t->s, "{\"op\":\"calls\"}", &answer, err) < 0)
		return -1;
	if (oc_json_parse(&a, answer, strlen(answer), "calls", &v, &why) < 0)
		return -1;
	const struct oc_json *all = oc_json_get(v, "calls");
	for (const struct oc_json *c = all ? all->child : NULL; c; c = c->next) {
		const char *id = text_of(c, "call"), *state = text_of(c, "state");
		if (!id || strcmp(id, t->call) != 0)
			continue;
		if (state && strcmp(state, "exited") != 0)
			return 1;
		const struct oc_json *st = oc_json_get(oc_json_get(c, "result"), "status");
		if (!st || oc_json_int(&a, st, 0, 255, &n, &why) < 0)
			break;
		*status = (int)n;
		return 0;
	}
	snprintf(err->message, sizeof err->message, "how the call %s ended is not known any more",
		 t->call);
	return -1;
}

/* Its output is at its end, which a program can close long before it ends. */
static int wait_end(struct attachment *t)
{
	struct ocs_error err = {0};
	int status = 0, ms = 2;

	for (;;) {
		int r = look(t, &status, &err);
		if (r <= 0)
			return r < 0 ? oc_cli_client_fail(&err) : status;
		struct pollfd p = {.fd = t->signal_fd, .events = POLLIN};
		if (poll(&p, 1, ms) > 0) {
			struct signalfd_siginfo si;
			if (read(t->signal_fd, &si, sizeof si) == (ssize_t)sizeof si &&
			    si.ssi_signo != SIGWINCH)
				return 128 + (int)si.ssi_signo;
		}
		ms = ms < 100 ? ms * 2 : 200;
	}
}

/* --- the loop --- */

static int block_signals(struct attachment *t)
{
	static const int ours[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGWINCH};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		sigaddset(&set, ours[i]);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, SIGPIPE);
	t->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return t->signal_fd;
}

/*
 * The end of our input is that of its input; but not of a job that has none (/dev/null).  The relay
 * has closed its end of the pipe, or there is a terminal, where the end is a character.
 */
static void pass_end(struct attachment *t)
{
	const struct oc_pump *in = &t->relay.in;
	struct termios term;
	struct stat st;

	if (t->end_passed || !in->eof || in->start < in->end || fstat(0, &st) < 0)
		return;
	t->end_passed = true;
	if (!S_ISFIFO(st.st_mode) && !S_ISREG(st.st_mode))
		return;
	if (t->relay.master >= 0) {
		ssize_t r = tcgetattr(t->relay.master, &term) == 0
				    ? write(t->relay.master, &term.c_cc[VEOF], 1)
				    : 0;
		(void)r; /* it has ended, which is what was to be said */
		return;
	}
	ocs_eof(t->s, t->call, NULL);
}

static void copy(struct attachment *t)
{
	while (!t->signal && !t->relay.left && oc_relay_flows(&t->relay)) {
		struct pollfd p[3 + OC_RELAY_POLL] = {
			{.fd = t->signal_fd, .events = POLLIN},
			{.fd = ocs_fd(t->s), .events = POLLIN},
			{.fd = 1}, /* whoever reads it may go */
		};
		struct ocs_event ev;
		struct signalfd_siginfo si;
		oc_relay_poll(&t->relay, p + 3);
		if (poll(p, sizeof p / sizeof p[0], -1) < 0 && errno != EINTR)
			return;
		while (p[0].revents && read(t->signal_fd, &si, sizeof si) == (ssize_t)sizeof si) {
			if (si.ssi_signo == SIGWINCH)
				oc_relay_resize(&t->relay);
			else
				t->signal = (int)si.ssi_signo;
		}
		/* Its end is that of the output, too; the rest of that is still to be read. */
		while (p[1].revents && ocs_next(t->s, &ev) > 0)
			;
		if (p[2].revents & POLLERR)
			t->signal = SIGPIPE;
		oc_relay_run(&t->relay, p + 3);
		if (t->input)
			pass_end(t);
	}
}

static int attach(struct attachment *t)
{
	struct ocs_streams st;
	struct ocs_error err = {0};

	if (ocs_attach(t->s, t->call, t->input, &st, &err) < 0)
		return oc_cli_client_fail(&err);
	if (st.dropped)
		fprintf(stderr, "oc-sandbox: %llu bytes of output before this are no more\n",
			(unsigned long long)st.dropped);
	if (block_signals(t) < 0)
		return OC_EXIT_SETUP;
	const int theirs[3] = {st.in, st.out, st.err};
	oc_relay_join(&t->relay, &t->arena, theirs, st.in >= 0 && isatty(st.in));
	t->relay.keys = t->input && t->relay.tty[0] >= 0;
	oc_relay_resize(&t->relay);
	copy(t);
	oc_relay_finish(&t->relay);
	if (t->signal)
		return 128 + t->signal;
	if (t->relay.left) {
		if (isatty(2))
			fputs("\noc-sandbox: detached, it goes on\n", stderr);
		return 0;
	}
	return wait_end(t);
}

static int with_call(const struct words *w, bool input)
{
	struct attachment t = {.call = w->call, .signal_fd = -1, .input = input};

	oc_relay_init(&t.relay);
	int r = open_sandbox(w->sandbox, &t.s);
	if (r == 0)
		r = attach(&t);
	ocs_close(t.s);
	oc_closep(&t.signal_fd);
	oc_arena_free(&t.arena);
	return r;
}

int oc_cmd_attach(int argc, char **argv)
{
	static const char usage[] = "oc-sandbox attach [--no-input] SANDBOX CALL";
	struct words w = {0};
	struct oc_err err = {0};

	if (read_words(argc, argv, usage, false, 2, &w, &err) < 0)
		return oc_cli_fail(&err);
	if (w.help) {
		printf("usage: %s\n\n  --no-input  only look on\n\nCtrl-P Ctrl-Q leaves it "
		       "running.\n",
		       usage);
		return 0;
	}
	return with_call(&w, !w.no_input);
}

/* --- logs --- */

static int print_logs(ocs_sandbox *s, const char *call)
{
	oc_auto_arena a = {0};
	struct ocs_error err = {0};
	struct oc_relay relay;
	uint64_t dropped = 0;
	int fd = ocs_logs(s, call, &dropped, &err);

	if (fd < 0)
		return oc_cli_client_fail(&err);
	if (dropped)
		fprintf(stderr, "oc-sandbox: %llu bytes of output before this are no more\n",
			(unsigned long long)dropped);
	/* As a relay: a terminal that is asked something by what it shows must not have the answer
	 * typed. */
	const int theirs[3] = {-1, fd, -1};
	oc_relay_init(&relay);
	oc_relay_join(&relay, &a, theirs, false);
	while (oc_relay_flows(&relay)) {
		struct pollfd p[OC_RELAY_POLL];
		oc_relay_poll(&relay, p);
		if (poll(p, OC_RELAY_POLL, -1) < 0 && errno != EINTR)
			break;
		oc_relay_run(&relay, p);
	}
	oc_relay_finish(&relay);
	return 0;
}

int oc_cmd_logs(int argc, char **argv)
{
	static const char usage[] = "oc-sandbox logs [--follow] SANDBOX CALL";
	struct words w = {0};
	struct oc_err err = {0};
	ocs_sandbox *s;

	if (read_words(argc, argv, usage, true, 2, &w, &err) < 0)
		return oc_cli_fail(&err);
	if (w.help) {
		printf("usage: %s\n\n  -f, --follow  go on until it ends\n", usage);
		return 0;
	}
	if (w.follow)
		return with_call(&w, false);
	int r = open_sandbox(w.sandbox, &s);
	if (r)
		return r;
	r = print_logs(s, w.call);
	ocs_close(s);
	return r;
}

/* --- kill --- */

static int signal_number(const char *text, struct oc_err *err)
{
	static const struct {
		const char *name;
		int number;
	} known[] = {{"HUP", SIGHUP},	{"INT", SIGINT},   {"QUIT", SIGQUIT}, {"KILL", SIGKILL},
		     {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"TERM", SIGTERM}, {"CONT", SIGCONT},
		     {"STOP", SIGSTOP}, {"TSTP", SIGTSTP}, {"ALRM", SIGALRM}, {"WINCH", SIGWINCH}};
	const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
	int n = 0;

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].number;
	for (const char *p = text; *p >= '0' && *p <= '9' && n < 100; p++) {
		n = n * 10 + (*p - '0');
		if (!p[1] && n > 0 && n <= 64)
			return n;
	}
	oc_fail(err, 0, "there is no signal %s", text);
	return oc_err_hint(err, "TERM, INT, HUP, QUIT, USR1, USR2, KILL, CONT, STOP, or a number");
}

int oc_cmd_kill(int argc, char **argv)
{
	static const char usage[] = "oc-sandbox kill SANDBOX CALL [SIGNAL]";
	struct words w = {0};
	struct oc_err err = {0};
	struct ocs_error why = {0};
	oc_auto_buf text = {0};
	struct oc_json_writer j;
	ocs_sandbox *s;
	int number = 0;

	if (read_words(argc, argv, usage, false, 3, &w, &err) < 0)
		return oc_cli_fail(&err);
	if (w.help) {
		printf("usage: %s\n\nWithout SIGNAL all of its processes are killed.\n", usage);
		return 0;
	}
	if (w.more && (number = signal_number(w.more, &err)) < 0)
		return oc_cli_fail(&err);
	int r = open_sandbox(w.sandbox, &s);
	if (r)
		return r;
	oc_jw_init(&j, &text, 0);
	oc_jw_object(&j);
	oc_jw_key(&j, "op");
	oc_jw_string(&j, number ? "signal" : "kill");
	oc_jw_key(&j, "call");
	oc_jw_string(&j, w.call);
	if (number) {
		oc_jw_key(&j, "signal");
		oc_jw_int(&j, number);
	}
	oc_jw_object_end(&j);
	r = ocs_request(s, text.data, NULL, &why) < 0 ? oc_cli_client_fail(&why) : 0;
	ocs_close(s);
	return r;
}
