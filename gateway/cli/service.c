/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service - `openclaw gateway status|probe|stop|restart|install|auth-token`.
 *
 * Starts systemctl, by its full path and with arguments of its own, and no other program.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "config.h"
#include "gateway/cli/cli.h"
#include "gateway/config/state.h"
#include "gateway/server/server.h"

#define UNIT "openclaw-gateway.service"

static const char *text_of(const struct oc_json *v, const char *key, const char *otherwise)
{
	v = oc_json_get(v, key);
	return v && v->type == OC_JSON_STRING ? v->string : otherwise;
}

static void member(struct oc_json_writer *w, const char *key, const char *s)
{
	oc_jw_key(w, key);
	oc_jw_string(w, s);
}

/* What the hello allows: as `gateway probe` of the reference names it. */
static const char *capability(const struct oc_json *hello)
{
	const struct oc_json *s = oc_json_get(oc_json_get(hello, "auth"), "scopes");
	bool admin = false, write = false, read = false;

	for (const struct oc_json *e = s ? s->child : NULL; e; e = e->next) {
		if (e->type != OC_JSON_STRING)
			continue;
		admin |= strcmp(e->string, "operator.admin") == 0;
		write |= strcmp(e->string, "operator.write") == 0;
		read |= strcmp(e->string, "operator.read") == 0;
	}
	return admin   ? "admin_capable"
	       : write ? "write_capable"
	       : read  ? "read_only"
		       : "connected_no_operator_scope";
}

struct state {
	struct oc_server_holder holder;
	int running; /* 1, 0, -1 */
	const char *capability;
	struct oc_err probe;
	bool answers;
	struct oc_call call;
};

static void look(struct state *s, const struct oc_remote *r, bool probe, struct oc_err *err)
{
	struct oc_config_options opt = {.client = true};
	oc_auto_config *c = NULL;

	*s = (struct state){.capability = "unknown", .running = -1};
	if (oc_config_load(&opt, &c, err) < 0)
		return;
	s->running = oc_call_holder(c, &s->holder, err);
	if (!probe || (s->running == 0 && !r->url))
		return;
	s->answers = oc_call_begin(&s->call, r, "cli", &s->probe) == 0;
	if (s->answers)
		s->capability = capability(s->call.hello);
	else if (s->call.code && strcmp(s->call.code, "NOT_PAIRED") == 0)
		s->capability = "pairing_pending";
}

static int status_json(const struct state *s, bool probe)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	oc_jw_init(&w, &b, 2);
	oc_jw_object(&w);
	oc_jw_key(&w, "ok");
	oc_jw_bool(&w, probe ? s->answers : s->running == 1);
	oc_jw_key(&w, "runtime");
	oc_jw_object(&w);
	member(&w, "status", s->running == 1 ? "running" : s->running == 0 ? "stopped" : "unknown");
	if (s->running == 1) {
		oc_jw_key(&w, "pid");
		oc_jw_int(&w, s->holder.pid);
		oc_jw_key(&w, "port");
		oc_jw_uint(&w, s->holder.port);
		oc_jw_key(&w, "startedAtMs");
		oc_jw_int(&w, s->holder.started_ms);
	}
	oc_jw_object_end(&w);
	if (probe) {
		oc_jw_key(&w, "probe");
		oc_jw_object(&w);
		oc_jw_key(&w, "ok");
		oc_jw_bool(&w, s->answers);
		if (s->call.url)
			member(&w, "url", s->call.url);
		member(&w, "capability", s->capability);
		if (!s->answers && s->probe.msg[0])
			member(&w, "error", s->probe.msg);
		oc_jw_object_end(&w);
	}
	oc_jw_object_end(&w);
	oc_buf_puts(&b, "\n");
	return oc_out_flush(&b);
}

static void status_text(const struct state *s, bool probe)
{
	oc_auto_buf b = {0};
	char age[24];

	if (s->running == 1)
		oc_buf_printf(&b, "Runtime: running (pid %d, port %u, since %s)\n",
			      (int)s->holder.pid, s->holder.port,
			      oc_out_age(age, oc_cli_now_ms() - s->holder.started_ms));
	else
		oc_buf_printf(&b, "Runtime: %s\n", s->running == 0 ? "stopped" : "unknown");
	if (probe && (s->answers || s->probe.msg[0])) {
		oc_buf_printf(&b, "Connectivity probe: %s", s->answers ? "ok" : "failed: ");
		oc_out_text(&b, s->answers ? "" : s->probe.msg);
		oc_buf_printf(&b, "\nCapability: %s\n", s->capability);
	}
	oc_out_flush(&b);
	if (s->running == 0)
		fputs("openclaw: hint: `openclaw gateway` starts it in the foreground, `openclaw "
		      "gateway install` as a service\n",
		      stderr);
}

int oc_cmd_gateway_status(int argc, char **argv)
{
	struct oc_remote r = {0};
	bool no_probe = false, deep = false, require = false;
	char **operands;
	struct oc_err err = {0};
	const struct oc_arg list[] = {
		OC_REMOTE_ARGS(r),
		{"no-probe", 0, NULL, "do not connect", NULL, &no_probe, false},
		{"require-rpc", 0, NULL, "fail if it does not answer", NULL, &require, false},
		{"deep", 0, NULL, "accepted", NULL, &deep, true},
	};
	const struct oc_args a = {.command = "openclaw gateway status", .operands = "",
				  .about = "Say whether a gateway runs here, and whether it answers.  "
					   "Exit status 1: it does not run.",
				  .list = list, .count = sizeof(list) / sizeof(list[0])};

	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	struct state s;
	look(&s, &r, !no_probe, &err);
	if (s.running < 0 && err.msg[0]) {
		oc_call_end(&s.call);
		return oc_out_fail(&err, r.json, 1);
	}
	if (r.json)
		status_json(&s, !no_probe);
	else
		status_text(&s, !no_probe);
	bool good = (s.running == 1 || s.answers) && (!require || s.answers);
	oc_call_end(&s.call);
	return good ? 0 : 1;
}

int oc_cmd_gateway_probe(int argc, char **argv)
{
	struct oc_remote r = {0};
	char **operands;
	struct oc_err err = {0};
	const struct oc_arg list[] = {OC_REMOTE_ARGS(r)};
	const struct oc_args a = {.command = "openclaw gateway probe", .operands = "",
				  .about = "Connect, and say what this client may do.",
				  .list = list, .count = sizeof(list) / sizeof(list[0])};

	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	struct state s = {.capability = "unknown"};
	s.answers = oc_call_begin(&s.call, &r, "cli", &err) == 0;
	if (s.answers)
		s.capability = capability(s.call.hello);
	else if (s.call.code && strcmp(s.call.code, "NOT_PAIRED") == 0)
		s.capability = "pairing_pending";
	bool reached = s.answers || s.call.code;
	oc_auto_buf b = {0};
	if (r.json) {
		struct oc_json_writer w;
		oc_jw_init(&w, &b, 2);
		oc_jw_object(&w);
		oc_jw_key(&w, "ok");
		oc_jw_bool(&w, reached);
		if (s.call.url)
			member(&w, "url", s.call.url);
		member(&w, "capability", s.capability);
		if (s.answers)
			member(&w, "version", text_of(oc_json_get(s.call.hello, "server"), "version", ""));
		else
			member(&w, "error", err.msg);
		oc_jw_object_end(&w);
		oc_buf_puts(&b, "\n");
	} else {
		oc_buf_printf(&b, "Gateway: %s\nCapability: %s\n", s.call.url ? s.call.url : "?",
			      s.capability);
	}
	oc_out_flush(&b);
	if (!s.answers && !r.json)
		oc_err_print(&err, "openclaw", 2);
	oc_call_end(&s.call);
	return reached ? 0 : 1;
}

/* --- stop --- */

static int wait_end(int pidfd, pid_t pid, long timeout_ms, struct oc_err *err)
{
	int64_t deadline = oc_cli_mono_ms() + timeout_ms;
	siginfo_t info;

	/* The lock goes when the process goes; a pidfd tells without a race on the number. */
	(void)info;
	while (oc_cli_mono_ms() < deadline) {
		struct timespec t = {.tv_nsec = 20000000};
		if (syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0 && errno == ESRCH)
			return 0;
		nanosleep(&t, NULL);
	}
	return oc_fail(err, 0, "the gateway (pid %d) did not end within %ld s", (int)pid,
		       timeout_ms / 1000);
}

/* 0: it runs no more; *was: it did. */
static int stop(long timeout_ms, bool *was, struct oc_err *err)
{
	struct oc_config_options opt = {.client = true};
	struct oc_server_holder h, again;
	oc_auto_config *c = NULL;

	*was = false;
	if (oc_config_load(&opt, &c, err) < 0)
		return -1;
	int r = oc_call_holder(c, &h, err);
	if (r <= 0)
		return r;
	if (h.pid <= 1)
		return oc_fail(err, 0, "a gateway runs, and its lock does not say which process");
	oc_auto_close pidfd = (int)syscall(SYS_pidfd_open, h.pid, 0);
	/* Still the same one, now that its number cannot be given to another. */
	if (pidfd < 0 || oc_call_holder(c, &again, err) != 1 || again.pid != h.pid)
		return pidfd < 0 && errno == ESRCH
			       ? 0
			       : oc_fail(err, pidfd < 0 ? errno : 0, "cannot find process %d",
					 (int)h.pid);
	*was = true;
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0)
		return oc_fail(err, errno, "cannot end the gateway (pid %d)", (int)h.pid);
	return wait_end(pidfd, h.pid, timeout_ms, err);
}

static bool unit_path(struct oc_arena *a, const char **out)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config && config[0] == '/')
		*out = oc_arena_printf(a, "%s/systemd/user", config);
	else if (home && home[0] == '/')
		*out = oc_arena_printf(a, "%s/.config/systemd/user", home);
	else
		return false;
	return true;
}

/* systemctl --user ARGUMENTS; its exit status, -1. */
static int systemctl(const char *verb, const char *option, const char *unit, struct oc_err *err)
{
	static const char *const places[] = {"/usr/bin/systemctl", "/bin/systemctl"};
	char *argv[6] = {(char *)"systemctl", (char *)"--user", (char *)verb};
	const char *program = NULL;
	int status, n = 3;

	for (size_t i = 0; i < 2 && !program; i++)
		if (access(places[i], X_OK) == 0)
			program = places[i];
	if (!program)
		return oc_fail(err, 0, "systemctl is not there");
	if (option)
		argv[n++] = (char *)option;
	if (unit)
		argv[n] = (char *)unit;
	pid_t pid = fork();
	if (pid < 0)
		return oc_fail(err, errno, "fork");
	if (pid == 0) {
		execv(program, argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return oc_fail(err, errno, "waitpid");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return oc_fail(err, 0, "systemctl --user %s failed", verb);
}

static bool installed(void)
{
	oc_auto_arena a = {0};
	const char *dir;

	return unit_path(&a, &dir) &&
	       access(oc_arena_printf(&a, "%s/" UNIT, dir), F_OK) == 0;
}

static int simple(const char *command, const char *about, int argc, char **argv, bool *json,
		  const char **timeout)
{
	char **operands;
	const struct oc_arg list[] = {
		{"timeout", 0, "MS", "wait at most so many milliseconds (30000)", timeout, NULL, false},
		{"json", 0, NULL, "print one JSON document", NULL, json, false},
	};
	const struct oc_args a = {.command = command, .operands = "", .about = about, .list = list,
				  .count = sizeof(list) / sizeof(list[0])};
	return oc_args_parse(&a, argc, argv, &operands);
}

static int done(const char *what, bool json)
{
	oc_auto_buf b = {0};

	if (json)
		oc_buf_printf(&b, "{\"ok\":true,\"result\":\"%s\"}\n", what);
	else
		oc_buf_printf(&b, "%s\n", what);
	return oc_out_flush(&b);
}

static long milliseconds(const char *text)
{
	char *end;
	long n = text ? strtol(text, &end, 10) : 30000;

	return text && (*end || n < 1 || n > 600000) ? -1 : n;
}

int oc_cmd_gateway_stop(int argc, char **argv)
{
	bool json = false, was;
	const char *timeout = NULL;
	struct oc_err err = {0};
	int n = simple("openclaw gateway stop", "End the gateway of this state directory.", argc, argv,
		       &json, &timeout);

	if (n < 0)
		return oc_args_status(n);
	long ms = milliseconds(timeout);
	if (ms < 0) {
		oc_fail(&err, 0, "--timeout: a number of milliseconds, not \"%s\"", timeout);
		return oc_out_fail(&err, json, 2);
	}
	/* A service would be started again. */
	if (installed() && systemctl("is-active", "--quiet", UNIT, NULL) == 0) {
		if (systemctl("stop", NULL, UNIT, &err) < 0)
			return oc_out_fail(&err, json, 1);
		return done("stopped", json);
	}
	if (stop(ms, &was, &err) < 0)
		return oc_out_fail(&err, json, 1);
	return done(was ? "stopped" : "not running", json);
}

int oc_cmd_gateway_restart(int argc, char **argv)
{
	bool json = false;
	const char *timeout = NULL;
	struct oc_err err = {0};
	int n = simple("openclaw gateway restart", "Restart the service of `openclaw gateway install`.",
		       argc, argv, &json, &timeout);

	if (n < 0)
		return oc_args_status(n);
	if (!installed()) {
		oc_fail(&err, 0, "there is no service to restart");
		oc_err_hint(&err, "a gateway in the foreground: end it and start it again; "
				  "SIGHUP makes it read its configuration again");
		return oc_out_fail(&err, json, 1);
	}
	if (systemctl("restart", NULL, UNIT, &err) < 0)
		return oc_out_fail(&err, json, 1);
	return done("restarted", json);
}

/* --- install --- */

static const char *own_path(struct oc_arena *a)
{
	char buf[4096];
	ssize_t n = readlink("/proc/self/exe", buf, sizeof(buf) - 1);

	if (n <= 0)
		return NULL;
	buf[n] = 0;
	return oc_arena_strdup(a, buf);
}

/* systemd.syntax(7): in quotes, with "\" and "%" doubled. */
static void quoted(struct oc_buf *b, const char *s)
{
	oc_buf_puts(b, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			oc_buf_puts(b, "\\");
		if (*s == '%' || *s == '$')
			oc_buf_add(b, s, 1);
		oc_buf_add(b, s, 1);
	}
	oc_buf_puts(b, "\"");
}

static void write_unit(struct oc_buf *b, const struct oc_config *c, const char *self)
{
	oc_buf_puts(b, "[Unit]\nDescription=OpenClaw gateway\nAfter=network-online.target\n"
		       "Wants=network-online.target\n\n[Service]\nExecStart=");
	quoted(b, self);
	oc_buf_puts(b, " gateway run\nEnvironment=");
	oc_auto_buf env = {0};
	oc_buf_printf(&env, "OPENCLAW_STATE_DIR=%s", c->state_dir);
	quoted(b, env.data);
	env.len = 0;
	oc_buf_printf(&env, "OPENCLAW_CONFIG_PATH=%s", c->path);
	oc_buf_puts(b, "\nEnvironment=");
	quoted(b, env.data);
	/* 78: its configuration is wrong, and stays so however often it is started. */
	oc_buf_puts(b, "\nExecReload=/bin/kill -HUP $MAINPID\nRestart=on-failure\nRestartSec=5\n"
		       "RestartPreventExitStatus=78\nSuccessExitStatus=143\nTimeoutStopSec=30\n"
		       "NoNewPrivileges=no\nUMask=0077\n\n[Install]\nWantedBy=default.target\n");
}

int oc_cmd_gateway_install(int argc, char **argv)
{
	bool json = false, print = false, no_start = false, force = false;
	char **operands;
	struct oc_err err = {0};
	oc_auto_arena arena = {0};
	oc_auto_config *c = NULL;
	oc_auto_buf b = {0};
	struct oc_config_options opt = {0};
	const char *dir;
	const struct oc_arg list[] = {
		{"print", 0, NULL, "only print the unit", NULL, &print, false},
		{"no-start", 0, NULL, "write it, and start nothing", NULL, &no_start, false},
		{"force", 0, NULL, "replace a unit that is there", NULL, &force, false},
		{"json", 0, NULL, "print one JSON document", NULL, &json, false},
	};
	const struct oc_args a = {.command = "openclaw gateway install", .operands = "",
				  .about = "Make the gateway a service of this user (a systemd user "
					   "unit) and start it.",
				  .list = list, .count = sizeof(list) / sizeof(list[0])};

	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	const char *self = own_path(&arena);
	/* What a service would fail with is said here. */
	if (oc_config_load(&opt, &c, &err) < 0)
		return oc_out_fail(&err, json, OC_EXIT_CONFIG);
	if (!self || !unit_path(&arena, &dir)) {
		oc_fail(&err, 0, "no home directory for the unit");
		return oc_out_fail(&err, json, 1);
	}
	write_unit(&b, c, self);
	if (print)
		return oc_out_flush(&b);
	const char *path = oc_arena_printf(&arena, "%s/" UNIT, dir);
	if (!force && access(path, F_OK) == 0) {
		oc_fail(&err, 0, "'%s' is there already", path);
		oc_err_hint(&err, "--force replaces it");
		return oc_out_fail(&err, json, 1);
	}
	oc_auto_close at = oc_mkdir_path(dir, 0755, &err);
	oc_auto_close fd = at < 0 ? -1 : oc_openat2(at, ".", O_RDONLY | O_DIRECTORY, 0, 0);
	if (fd < 0 || oc_atomic_write_at(fd, UNIT, b.data, b.len, 0644, &err) < 0)
		return oc_out_fail(&err, json, 1);
	if (!no_start && (systemctl("daemon-reload", NULL, NULL, &err) < 0 ||
			  systemctl("enable", "--now", UNIT, &err) < 0)) {
		oc_err_hint(&err, "the unit is written: start it with `systemctl --user enable --now "
				  UNIT "` in a session of your user");
		return oc_out_fail(&err, json, 1);
	}
	return done(no_start ? "written" : "installed and started", json);
}

/* --- auth-token --- */

int oc_cmd_gateway_token(int argc, char **argv)
{
	bool show = false, json = false;
	char **operands;
	struct oc_err err = {0};
	oc_auto_config *c = NULL;
	oc_auto_buf b = {0};
	struct oc_config_options opt = {.client = true};
	const struct oc_arg list[] = {
		{"show", 0, NULL, "print the token itself", NULL, &show, false},
		{"json", 0, NULL, "print one JSON document", NULL, &json, false},
	};
	const struct oc_args a = {.command = "openclaw gateway auth-token", .operands = "",
				  .about = "Say where the gateway's token comes from.", .list = list,
				  .count = sizeof(list) / sizeof(list[0])};

	int n = oc_args_parse(&a, argc, argv, &operands);
	if (n < 0)
		return oc_args_status(n);
	if (oc_config_load(&opt, &c, &err) < 0)
		return oc_out_fail(&err, json, OC_EXIT_CONFIG);
	if (!c->auth.token) {
		oc_fail(&err, 0, "there is no token yet (auth %s)",
			oc_config_auth_mode_name(c->auth.mode));
		oc_err_hint(&err, "`openclaw gateway` makes one when it starts without a credential");
		return oc_out_fail(&err, json, 1);
	}
	if (json) {
		struct oc_json_writer w;
		oc_jw_init(&w, &b, 0);
		oc_jw_object(&w);
		oc_jw_key(&w, "ok");
		oc_jw_bool(&w, true);
		member(&w, "source", oc_config_from_name(c->auth.token_from));
		member(&w, "token", show ? c->auth.token : OC_CONFIG_REDACTED);
		oc_jw_object_end(&w);
		oc_buf_puts(&b, "\n");
	} else if (show) {
		oc_buf_printf(&b, "%s\n", c->auth.token);
	} else {
		oc_buf_printf(&b, "from: %s%s%s%s\n", oc_config_from_name(c->auth.token_from),
			      c->auth.token_from == OC_FROM_STORE ? " (" : "",
			      c->auth.token_from == OC_FROM_STORE ? c->state_dir : "",
			      c->auth.token_from == OC_FROM_STORE ? "/" OC_STATE_TOKEN_FILE ")" : "");
	}
	return oc_out_flush(&b);
}
