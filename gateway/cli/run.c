/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - `openclaw gateway [run]`: configuration, state directory, token, then the server.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "gateway/cli/cli.h"
#include "gateway/config/state.h"
#include "gateway/server/server.h"

/* A new token: said once, with what to do with it.  Its text goes to a terminal only on request. */
static void explain_token(const struct oc_config *c)
{
	fprintf(stderr,
		"openclaw: no credential is configured, so a token was made for this gateway:\n"
		"openclaw:   %s/" OC_STATE_TOKEN_FILE "\n"
		"openclaw: commands on this machine use it by themselves (try: openclaw health);\n"
		"openclaw: `openclaw gateway auth-token --show` prints it for other clients.\n",
		c->state_dir);
}

static void ready(void *ctx, const struct oc_config *c, uint16_t port)
{
	(void)ctx;
	char text[OC_ADDR_TEXT_MAX];

	for (size_t i = 0; i < c->listen_count; i++) {
		bool v6 = c->listen[i].addr.family == 6;
		if (c->listen[i].optional)
			continue;
		fprintf(stderr, "openclaw: ready: %s://%s%s%s:%u (auth %s)\n",
			c->tls.enabled ? "wss" : "ws", v6 ? "[" : "",
			oc_addr_text(&c->listen[i].addr, text), v6 ? "]" : "", port,
			oc_config_auth_mode_name(c->auth.mode));
	}
}

static int fail(const struct oc_err *err, int status)
{
	oc_err_print(err, "openclaw", 2);
	return status;
}

static int serve(const struct oc_config_options *load, bool verbose, long ready_fd)
{
	struct oc_err err = {0};
	oc_auto_config *c = NULL;
	bool made = false;

	if (oc_config_load(load, &c, &err) < 0)
		return fail(&err, OC_EXIT_CONFIG);
	oc_auto_close state = oc_state_open(c->state_dir, &err);
	if (state < 0)
		return fail(&err, OC_EXIT_CONFIG);
	if (c->auth.needs_token) {
		oc_auto_arena a = {0};
		const char *token;
		if (oc_state_token(&a, c->state_dir, true, &token, &made, &err) < 0)
			return fail(&err, 1);
		oc_config_unref(c);
		c = NULL;
		if (oc_config_load(load, &c, &err) < 0)
			return fail(&err, OC_EXIT_CONFIG);
	}
	oc_out_warnings(c);
	if (made)
		explain_token(c);
	struct oc_server_options opt = {
		.config = c,
		.load = *load,
		.state_fd = state,
		.version = PACKAGE_VERSION,
		.verbose = verbose,
		.ready_fd = (int)ready_fd,
		.ready = ready,
	};
	int status = oc_server_run(&opt, &err);
	return err.msg[0] ? fail(&err, status ? status : 1) : status;
}

static int read_password_file(const char *path, const char **out, struct oc_buf *text)
{
	struct oc_err err = {0};
	oc_auto_close fd = oc_openat2(AT_FDCWD, path, 0, 0, 0);

	if (fd < 0 || oc_read_all(fd, text, 4096) < 0) {
		oc_fail(&err, errno, "--password-file: cannot read '%s'", path);
		return fail(&err, 2);
	}
	while (text->len && (text->data[text->len - 1] == '\n' || text->data[text->len - 1] == '\r'))
		text->data[--text->len] = 0;
	if (!text->len) {
		oc_fail(&err, 0, "--password-file: '%s' is empty", path);
		return fail(&err, 2);
	}
	*out = text->data;
	return 0;
}

static int cmd_run(int argc, char **argv)
{
	const char *port = NULL, *password_file = NULL, *ready_fd = NULL;
	bool verbose = false, unconfigured = false;
	struct oc_config_options load = {0};
	struct oc_config_flags *f = &load.flags;
	oc_auto_buf password = {0};
	char **operands;
	const struct oc_arg list[] = {
		{"port", 'p', "PORT", "port (OPENCLAW_GATEWAY_PORT, gateway.port, 18789); 0: any", &port,
		 NULL, false},
		{"bind", 0, "MODE", "loopback, lan, tailnet, custom or auto", &f->bind, NULL, false},
		{"auth", 0, "MODE", "token, password, none or trusted-proxy", &f->auth, NULL, false},
		{"token", 0, "TOKEN", "the token (others can read it in the process list)", &f->token,
		 NULL, false},
		{"password", 0, "TEXT", "the password (the same)", &f->password, NULL, false},
		{"password-file", 0, "FILE", "a file that holds the password", &password_file, NULL,
		 false},
		{"config", 0, "FILE", "openclaw.json to read in place of the usual one",
		 &f->config_path, NULL, false},
		{"verbose", 'v', NULL, "say more on the console", NULL, &verbose, false},
		{"ready-fd", 0, "N", "write one byte to this descriptor when clients are served",
		 &ready_fd, NULL, false},
		{"dev", 0, NULL, "state directory and port for trying things out", NULL, &f->dev, false},
		{"allow-unconfigured", 0, NULL, "accepted; it starts without a configuration anyway",
		 NULL, &unconfigured, true},
	};
	const struct oc_args a = {
		.command = "openclaw gateway run", .operands = "",
		.about = "Serve clients in the foreground.  SIGTERM ends it, SIGHUP reads the "
			 "configuration again.",
		.list = list, .count = sizeof(list) / sizeof(list[0]),
	};
	long n = -1;

	int r = oc_args_parse(&a, argc, argv, &operands);
	if (r < 0)
		return oc_args_status(r);
	if (port) {
		if (oc_args_number(&a, "port", port, 0, 65535, &n) < 0)
			return 2;
		f->port = (unsigned)n;
		f->port_set = true;
	}
	n = -1;
	if (ready_fd && oc_args_number(&a, "ready-fd", ready_fd, 0, 1 << 20, &n) < 0)
		return 2;
	if (password_file && (r = read_password_file(password_file, &f->password, &password)) != 0)
		return r;
	return serve(&load, verbose, n);
}

static const struct oc_command commands[] = {
	{"run", cmd_run, "serve clients in the foreground (also without a command)"},
	{"status", oc_cmd_gateway_status, "say whether it runs, and whether it answers"},
	{"health", oc_cmd_health, "ask it for its health"},
	{"call", oc_cmd_call, "call a method"},
	{"probe", oc_cmd_gateway_probe, "connect, and say what this client may do"},
	{"stop", oc_cmd_gateway_stop, "end it"},
	{"restart", oc_cmd_gateway_restart, "end it and start it again"},
	{"install", oc_cmd_gateway_install, "make it a service of the user (systemd)"},
	{"auth-token", oc_cmd_gateway_token, "say where its token comes from"},
};

int oc_cmd_gateway(int argc, char **argv)
{
	static char name[] = "run";
	char *self[64];

	/* `openclaw gateway [options]` runs it. */
	if (argc < 2 || (argv[1][0] == '-' && strcmp(argv[1], "--help") != 0 &&
			 strcmp(argv[1], "-h") != 0)) {
		if (argc > 63)
			argc = 63;
		memcpy(self, argv, (size_t)argc * sizeof(*self));
		self[0] = name;
		return cmd_run(argc, self);
	}
	return oc_command_run("openclaw gateway", commands, sizeof(commands) / sizeof(commands[0]),
			      argc - 1, argv + 1);
}
