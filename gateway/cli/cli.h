/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - what the sub-commands of openclaw share: options, messages, and a connection to the gateway.
 *
 * A command prints what was asked for to standard output, everything else to standard error, and returns the exit status.
 * With --json it prints exactly one document, also when it fails.  Text of the gateway is escaped before it reaches a terminal.
 */
#ifndef OC_GATEWAY_CLI_CLI_H
#define OC_GATEWAY_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fd.h"
#include "base/json.h"
#include "gateway/config/config.h"

/* --- options (args.c) --- */

struct oc_arg {
	const char *name; /* without "--" */
	char letter;	  /* 0: none */
	const char *argument; /* NULL: a switch */
	const char *help;
	const char **value;
	bool *flag;
	bool hidden;
};
struct oc_args {
	const char *command;   /* "openclaw gateway call" */
	const char *operands;  /* "METHOD", "" */
	const char *about;     /* for --help */
	const struct oc_arg *list;
	size_t count;
	size_t least, most; /* operands */
};
/*
 * Options and operands in any order; "--" ends options.  *operands gets the operands (the array of argv is reordered).
 * Returns their number; -1: an error was printed; -2: --help was printed.
 */
int oc_args_parse(const struct oc_args *a, int argc, char **argv, char ***operands);
/* Exit status for what oc_args_parse returned below 0. */
static inline int oc_args_status(int r)
{
	return r == -2 ? 0 : 2;
}
/* A number in [min, max]; -1 after a message. */
int oc_args_number(const struct oc_args *a, const char *name, const char *text, long min, long max, long *out);

/* --- messages (out.c) --- */

/* Print the error, or with json {"ok":false,...}; returns status. */
int oc_out_fail(const struct oc_err *err, bool json, int status);
int oc_out_flush(const struct oc_buf *b);
/* Text of others, without what a terminal would obey. */
void oc_out_text(struct oc_buf *b, const char *s);
/* A value as indented JSON and a newline. */
int oc_out_json(const struct oc_json *v);
void oc_out_warnings(const struct oc_config *c);
/* "3 s", "5 min", "2 h", "4 d" */
const char *oc_out_age(char out[24], int64_t ms);
int64_t oc_cli_now_ms(void);
int64_t oc_cli_mono_ms(void);

/* --- a WebSocket as a client (ws.c) --- */

struct oc_ws;
struct oc_ws_target {
	char host[256];
	uint16_t port;
	bool tls;
	char path[256];
};
/* ws://host[:port][/path] or wss://... */
int oc_ws_url(const char *url, struct oc_ws_target *out, struct oc_err *err);
/* ca: PEM file that is trusted beside the system's, NULL. deadline: oc_cli_mono_ms. */
int oc_ws_open(struct oc_ws **out, const struct oc_ws_target *t, const char *ca, int64_t deadline, struct oc_err *err);
int oc_ws_send(struct oc_ws *w, const char *text, size_t len, struct oc_err *err);
/* The next text message, until the next call; -1 with err (closed, too late). */
int oc_ws_receive(struct oc_ws *w, int64_t deadline, const char **text, size_t *len, struct oc_err *err);
void oc_ws_close(struct oc_ws *w);

/* --- calls (call.c) --- */

struct oc_remote { /* where and as whom: options that every command with a connection has */
	const char *url, *token, *password, *timeout;
	bool json;
};
#define OC_REMOTE_ARGS(r)                                                                          \
	{"url", 0, "URL", "gateway to ask (ws:// or wss://); then no stored credential is used",   \
	 &(r).url, NULL, false},                                                                   \
	{"token", 0, "TOKEN", "its token (better: OPENCLAW_GATEWAY_TOKEN)", &(r).token, NULL, false}, \
	{"password", 0, "TEXT", "its password (better: OPENCLAW_GATEWAY_PASSWORD)",                \
	 &(r).password, NULL, false},                                                              \
	{"timeout", 0, "MS", "give up after so many milliseconds (10000)", &(r).timeout, NULL, false}, \
	{"json", 0, NULL, "print one JSON document", NULL, &(r).json, false}

struct oc_call {
	struct oc_arena arena;
	struct oc_config *config;
	struct oc_ws *ws;
	const char *url; /* as shown */
	long timeout_ms;
	unsigned next;
	struct oc_json *hello;
	/* Why the last call was refused by the gateway: error.code, error.details; NULL: it did not come to that. */
	const char *code;
	const struct oc_json *details;
};
/* Load the configuration of a client, connect, say hello.  mode "cli" or "probe".  Call oc_call_end in any case. */
int oc_call_begin(struct oc_call *c, const struct oc_remote *r, const char *mode, struct oc_err *err);
/* params: JSON text, NULL.  *payload lives until oc_call_end. */
int oc_call(struct oc_call *c, const char *method, const char *params, bool expect_final,
	    struct oc_json **payload, struct oc_err *err);
void oc_call_end(struct oc_call *c);
/* The gateway of this state directory, if one runs: 1, 0, -1. */
struct oc_server_holder;
int oc_call_holder(const struct oc_config *c, struct oc_server_holder *out, struct oc_err *err);

/* --- the commands: argv[0] is their name --- */
int oc_cmd_gateway(int argc, char **argv);
int oc_cmd_config(int argc, char **argv);
int oc_cmd_devices(int argc, char **argv);
int oc_cmd_health(int argc, char **argv);
int oc_cmd_status(int argc, char **argv);
int oc_cmd_logs(int argc, char **argv);
int oc_cmd_call(int argc, char **argv);
int oc_cmd_gateway_status(int argc, char **argv);
int oc_cmd_gateway_probe(int argc, char **argv);
int oc_cmd_gateway_stop(int argc, char **argv);
int oc_cmd_gateway_restart(int argc, char **argv);
int oc_cmd_gateway_install(int argc, char **argv);
int oc_cmd_gateway_token(int argc, char **argv);

struct oc_command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};
/* argv[0] among the commands; prints help and hints.  program: "openclaw config". */
int oc_command_run(const char *program, const struct oc_command *list, size_t count, int argc, char **argv);

#endif
