/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net - the network of sandboxes: what a rule set would do, and what live sandboxes do.
 *
 * Exit code: 0; of `net test` 1 if it would be refused; 125 if it could not be done.
 */
#include "runtime/cli/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conftext.h"
#include "base/fd.h"
#include "base/utf8.h"
#include "netns/broker/broker.h"
#include "runtime/cli/cli.h"
#include "runtime/launch/egress.h"
#include "runtime/launch/helper.h"
#include "runtime/session/door.h"

#define HTTPS 443

void oc_net_text(struct oc_buf *out, const char *s)
{
	size_t len = s ? strlen(s) : 0;

	for (size_t i = 0; i < len;) {
		uint32_t cp;
		size_t n = oc_utf8_decode(s + i, len - i, &cp);
		if (n == 0) {
			oc_buf_printf(out, "\\x%02X", (unsigned char)s[i++]);
			continue;
		}
		if (!oc_utf8_unprintable(cp))
			oc_buf_add(out, s + i, n);
		else if (cp < 0x80)
			oc_buf_printf(out, "\\x%02X", (unsigned)cp);
		else
			oc_buf_printf(out, "\\u{%X}", (unsigned)cp);
		i += n;
	}
}

const char *oc_net_reason(const char *id)
{
	for (int i = 0; i < OC_EGRESS_REASONS; i++)
		if (strcmp(oc_egress_reason_id((enum oc_egress_reason)i), id) == 0)
			return oc_egress_reason_text((enum oc_egress_reason)i);
	return id;
}

static const char *string_of(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_STRING ? m->string : NULL;
}

static bool true_of(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_BOOL && m->boolean;
}

/* --- test --- */

/* NAME, NAME:PORT, ADDRESS, [IPv6]:PORT */
static int read_target(struct oc_arena *a, const char *word, const char **name, uint16_t *port,
		       struct oc_err *err)
{
	const char *end = strrchr(word, ':');
	struct oc_addr addr;

	*port = HTTPS;
	*name = word;
	if (word[0] == '[') {
		const char *close = strchr(word, ']');
		if (!close || (close[1] && close[1] != ':'))
			return oc_fail(err, 0, "%s is neither NAME[:PORT] nor ADDRESS[:PORT]",
				       word);
		*name = oc_arena_strndup(a, word + 1, (size_t)(close - word) - 1);
		if (oc_addr_parse(*name, strlen(*name), &addr) < 0 || addr.family != 6)
			return oc_fail(err, 0, "%s is no IPv6 address", *name);
		end = close[1] ? close + 1 : NULL;
	} else if (end && oc_addr_parse(word, strlen(word), &addr) == 0) {
		end = NULL; /* IPv6 without a port */
	} else if (end) {
		*name = oc_arena_strndup(a, word, (size_t)(end - word));
	}
	if (!**name)
		return oc_fail(err, 0, "%s has no name", word);
	if (!end)
		return 0;
	size_t digits = strspn(end + 1, "0123456789");
	unsigned long n = digits && digits < 6 && !end[1 + digits] ? strtoul(end + 1, NULL, 10) : 0;
	if (n < 1 || n > 65535)
		return oc_fail(err, 0, "%s has no port between 1 and 65535", word);
	*port = (uint16_t)n;
	return 0;
}

static void test_decision(struct oc_buf *out, const char *what, const struct oc_json *d)
{
	const char *rule = string_of(d, "rule"), *reason = string_of(d, "reason");

	if (!d)
		return;
	oc_buf_printf(out, "  %-8s ", what);
	if (true_of(d, "allowed"))
		oc_buf_puts(out, "allowed");
	else
		oc_net_text(out, oc_net_reason(reason ? reason : ""));
	if (rule) {
		oc_buf_puts(out, ", rule ");
		oc_net_text(out, rule);
	}
	oc_buf_puts(out, "\n");
}

static void test_text(struct oc_buf *out, const char *name, uint16_t port, const struct oc_json *v)
{
	const struct oc_json *list = oc_json_get(v, "addresses");
	bool v6 = strchr(name, ':') != NULL;

	oc_buf_puts(out, v6 ? "[" : "");
	oc_net_text(out, name);
	oc_buf_printf(out, "%s:%u: %s", v6 ? "]" : "", port,
		      true_of(v, "allowed") ? "" : "refused: ");
	oc_net_text(out, string_of(v, "text"));
	oc_buf_puts(out, "\n");
	test_decision(out, "name", oc_json_get(v, "query"));
	test_decision(out, "port", oc_json_get(v, "connect"));
	/* Of an address everything is said by now. */
	for (const struct oc_json *e = oc_json_get(v, "query") && list ? list->child : NULL; e;
	     e = e->next) {
		const char *class = string_of(e, "class"), *reason = string_of(e, "reason");
		oc_buf_printf(out, "  %-8s ", "address");
		oc_net_text(out, string_of(e, "address"));
		oc_buf_puts(out, " (");
		oc_net_text(out, class);
		oc_buf_puts(out, ") ");
		if (true_of(e, "allowed"))
			oc_buf_puts(out, "allowed");
		else
			oc_net_text(out, oc_net_reason(reason ? reason : ""));
		oc_buf_puts(out, "\n");
	}
}

static int test_with(const struct oc_plan *plan, const char *name, uint16_t port, bool json)
{
	oc_auto_buf answer = {0}, out = {0};
	oc_auto_arena a = {0};
	struct oc_broker_config config;
	struct oc_err err = {0};
	struct oc_json *v;

	oc_egress_config(plan, &config);
	oc_auto_close program = oc_helper_open("oc-egress", &err);
	if (program < 0 || oc_broker_ask(program, &config, name, port, &answer, &err) < 0 ||
	    oc_json_parse(&a, answer.data, answer.len, "answer of oc-egress", &v, &err) < 0)
		return oc_cli_fail(&err);
	if (json) {
		struct oc_json_writer w;
		oc_jw_init(&w, &out, 2);
		oc_jw_value(&w, v);
		oc_buf_puts(&out, "\n");
	} else {
		test_text(&out, name, port, v);
	}
	int r = oc_cli_output(&out);
	return r ? r : true_of(v, "allowed") ? 0 : 1;
}

static int net_test(int argc, char **argv)
{
	static char *no_command[] = {NULL};
	oc_auto_arena a = {0};
	struct oc_plan_options opt;
	struct oc_cli_extra extra;
	struct oc_plan plan;
	struct oc_err err = {0};
	const char *name;
	uint16_t port;

	if (oc_cli_parse(argc, argv, OC_CLI_EXPLAIN, &a, &opt, &extra, &err) < 0)
		return oc_cli_fail(&err);
	if (extra.help) {
		puts("usage: oc-sandbox net test [OPTION...] NAME[:PORT]\n\n"
		     "What would happen if a sandbox of these options connected there (port 443 if "
		     "none is "
		     "given), and why.\nNothing is connected to.  Exit code 0: allowed, 1: "
		     "refused.\n");
		oc_cli_print_options(OC_CLI_EXPLAIN);
		return 0;
	}
	if (!opt.argv[0] || opt.argv[1]) {
		oc_fail(&err, 0,
			opt.argv[0] ? "one NAME[:PORT] at a time" : "NAME[:PORT] is missing");
		oc_err_hint(&err, "oc-sandbox net test [OPTION...] NAME[:PORT]");
		return oc_cli_fail(&err);
	}
	if (read_target(&a, opt.argv[0], &name, &port, &err) < 0)
		return oc_cli_fail(&err);
	opt.argv = no_command;
	if (oc_plan_build(&plan, &a, &opt, &err) < 0)
		return oc_cli_fail(&err);
	int r = test_with(&plan, name, port, extra.json);
	oc_plan_close(&plan);
	return r;
}

/* --- list --- */

static int state_dir(struct oc_arena *a, const char **out)
{
	struct oc_conf_options conf = {0};

	/* Without a home there is still the run directory. */
	*out = NULL;
	return oc_conf_state_dir(a, &conf, out, NULL);
}

static void list_json(struct oc_buf *out, const struct oc_door *d, size_t n)
{
	struct oc_json_writer w;

	oc_jw_init(&w, out, 2);
	oc_jw_array(&w);
	for (size_t i = 0; i < n; i++) {
		oc_jw_object(&w);
		oc_jw_key(&w, "id");
		oc_jw_string(&w, d[i].id);
		oc_jw_key(&w, "agent");
		oc_jw_string(&w, d[i].agent);
		oc_jw_key(&w, "scopeKey");
		oc_jw_string(&w, d[i].scope_key);
		oc_jw_key(&w, "pid");
		oc_jw_int(&w, d[i].pid);
		oc_jw_key(&w, "created");
		oc_jw_string(&w, d[i].created);
		oc_jw_object_end(&w);
	}
	oc_jw_array_end(&w);
	oc_buf_puts(out, "\n");
}

static void list_text(struct oc_buf *out, const struct oc_door *d, size_t n)
{
	if (n)
		oc_buf_printf(out, "%-12s  %-24s  %8s  %s\n", "ID", "CREATED", "PID", "AGENT");
	for (size_t i = 0; i < n; i++) {
		oc_buf_printf(out, "%-12s  ", d[i].id);
		oc_net_text(out, d[i].created);
		oc_buf_printf(out, "  %8d  ", (int)d[i].pid);
		oc_net_text(out, d[i].agent ? d[i].agent : "-");
		oc_buf_puts(out, "\n");
	}
}

static int unexpected(const char *word, const char *usage, struct oc_err *err)
{
	oc_fail(err, 0, word[0] == '-' ? "unknown option %s" : "unexpected word %s", word);
	oc_err_hint(err, "%s", usage);
	return oc_cli_fail(err);
}

/* One that stays is in the registry with and without a network. */
static size_t with_network(struct oc_door *d, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (!d[i].keep || !d[i].egress || strcmp(d[i].egress, "none") != 0)
			d[k++] = d[i];
	return k;
}

static int net_list(int argc, char **argv)
{
	static const char usage[] = "oc-sandbox net list [--json]";
	oc_auto_arena a = {0};
	oc_auto_buf out = {0};
	struct oc_err err = {0};
	struct oc_door *doors;
	const char *state;
	bool json = false;
	size_t n;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			json = true;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			printf("usage: %s\n\nThe live sandboxes of this user that have a "
			       "network.\n",
			       usage);
			return 0;
		} else {
			return unexpected(argv[i], usage, &err);
		}
	}
	(void)state_dir(&a, &state);
	if (oc_door_list(&a, state, &doors, &n, &err) < 0)
		return oc_cli_fail(&err);
	n = with_network(doors, n);
	if (json)
		list_json(&out, doors, n);
	else
		list_text(&out, doors, n);
	return out.len ? oc_cli_output(&out) : 0;
}

/* --- allow, deny --- */

struct change {
	const char *list, *sandbox;
	bool remove, json;
	char **rules;
	int count;
};

/* The request, with every rule in its normal form. */
static int write_change(const struct change *c, struct oc_buf *out, struct oc_err *err)
{
	unsigned flags = strcmp(c->list, "deny") == 0 ? OC_EGRESS_RULE_DENY : 0;
	struct oc_json_writer w;

	oc_jw_init(&w, out, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "op");
	oc_jw_string(&w, "net.change");
	oc_jw_key(&w, "list");
	oc_jw_string(&w, c->list);
	oc_jw_key(&w, "remove");
	oc_jw_bool(&w, c->remove);
	oc_jw_key(&w, "rules");
	oc_jw_array(&w);
	for (int i = 0; i < c->count; i++) {
		struct oc_egress_rule *r;
		if (oc_egress_rule_parse(c->rules[i], strlen(c->rules[i]), flags, &r, err) < 0)
			return -1;
		oc_jw_string(&w, r->text);
		free(r);
	}
	oc_jw_array_end(&w);
	oc_jw_object_end(&w);
	return 0;
}

static void change_text(const struct change *c, const struct oc_door *d, const struct oc_json *v,
			struct oc_buf *out)
{
	const struct oc_json *changed = oc_json_get(v, "changed"), *n = oc_json_get(v, "closed");
	const char *closed = n && n->type == OC_JSON_NUMBER ? n->string : "?";
	bool list = changed && changed->type == OC_JSON_ARRAY;

	for (const struct oc_json *e = list ? changed->child : NULL; e; e = e->next) {
		oc_buf_printf(out, "%s: %s %s ", d->id, c->list, c->remove ? "-" : "+");
		oc_net_text(out, e->type == OC_JSON_STRING ? e->string : "?");
		oc_buf_puts(out, "\n");
	}
	if (list && !changed->child)
		oc_buf_printf(out, "%s: nothing to change in %s\n", d->id, c->list);
	oc_buf_printf(out, "%s: %s connection%s closed\n", d->id, closed,
		      strcmp(closed, "1") == 0 ? "" : "s");
}

static int read_change(int argc, char **argv, struct change *c, const char *usage,
		       struct oc_err *err)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (strcmp(argv[i], "--remove") == 0)
			c->remove = true;
		else if (strcmp(argv[i], "--json") == 0)
			c->json = true;
		else
			return unexpected(argv[i], usage, err);
	}
	if (argc - i < 2) {
		oc_fail(err, 0, i == argc ? "SANDBOX is missing" : "RULE is missing");
		oc_err_hint(err, "%s", usage);
		return oc_cli_fail(err);
	}
	c->sandbox = argv[i];
	c->rules = argv + i + 1;
	c->count = argc - i - 1;
	return 0;
}

static int net_change(int argc, char **argv)
{
	struct change c = {.list = argv[0]};
	oc_auto_arena a = {0};
	oc_auto_buf request = {0}, out = {0};
	struct oc_err err = {0};
	struct oc_door door;
	struct oc_json *v;
	const char *state;
	const char *usage = oc_arena_printf(
		&a, "oc-sandbox net %s [--remove] [--json] SANDBOX RULE...", c.list);

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		printf("usage: %s\n\nAdd rules to the %s list of a live sandbox, or take them "
		       "away.  Connections "
		       "that the\nrules no longer allow are closed.  SANDBOX is an id, the "
		       "beginning of one, or "
		       "an agent's id.\n",
		       usage, c.list);
		return 0;
	}
	int r = read_change(argc, argv, &c, usage, &err);
	if (r)
		return r;
	(void)state_dir(&a, &state);
	if (write_change(&c, &request, &err) < 0 ||
	    oc_door_find(&a, state, c.sandbox, &door, &err) < 0 ||
	    oc_door_call(&a, &door, &request, &v, &err) < 0)
		return oc_cli_fail(&err);
	if (c.json) {
		struct oc_json_writer w;
		oc_jw_init(&w, &out, 0);
		oc_jw_value(&w, v);
		oc_buf_puts(&out, "\n");
	} else {
		change_text(&c, &door, v, &out);
	}
	return oc_cli_output(&out);
}

/* --- all of it --- */

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"test", net_test, "[OPTION...] NAME[:PORT]   what would happen, and why"},
	{"list", net_list, "[--json]                  live sandboxes that have a network"},
	{"log", oc_net_log, "[--follow] [SANDBOX]      what was allowed and refused"},
	{"allow", net_change, "[--remove] SANDBOX RULE...  change the rules of a live sandbox"},
	{"deny", net_change, "[--remove] SANDBOX RULE..."},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void net_usage(FILE *f)
{
	fputs("usage: oc-sandbox net COMMAND ...\n\n", f);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(f, "  %-5s %s\n", commands[i].name, commands[i].help);
	fputs("\nRules: oc-sandbox-egress(5); commands: oc-sandbox-net(1).\n", f);
}

int oc_cmd_net(int argc, char **argv)
{
	struct oc_err err = {0};

	if (argc < 2) {
		net_usage(stderr);
		return OC_EXIT_SETUP;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		net_usage(stdout);
		return 0;
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	oc_fail(&err, 0, "unknown command net %s", argv[1]);
	oc_err_hint(&err, "test, list, log, allow or deny");
	return oc_cli_fail(&err);
}
