/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sessions - see sessions.h.
 */
#include "runtime/cli/sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conftext.h"
#include "base/fd.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/net.h"
#include "runtime/session/scope.h"

#define TICKS 100 /* of /proc/PID/stat in a second: USER_HZ, on every architecture that we have */

/* --- words --- */

static const struct {
	const char *name;
	unsigned bit;
	size_t value; /* offset in struct oc_session_args; 0: none */
} known[] = {
	{"json", OC_ARG_JSON, 0},
	{"all", OC_ARG_ALL, 0},
	{"force", OC_ARG_FORCE, 0},
	{"dry-run", OC_ARG_DRY_RUN, 0},
	{"agent", OC_ARG_AGENT, offsetof(struct oc_session_args, agent)},
	{"session", OC_ARG_SESSION, offsetof(struct oc_session_args, session)},
	{"idle", OC_ARG_IDLE, offsetof(struct oc_session_args, idle)},
	{"max-age", OC_ARG_MAX_AGE, offsetof(struct oc_session_args, max_age)},
};
#define KNOWN (sizeof known / sizeof known[0])

static int unknown(const char *word, size_t len, unsigned takes, const char *help,
		   struct oc_err *err)
{
	const char *names[KNOWN], *near = NULL;
	size_t n = 0;

	for (size_t i = 0; i < KNOWN; i++)
		if (takes & known[i].bit)
			names[n++] = known[i].name;
	oc_fail(err, 0, word[0] == '-' ? "unknown option %.*s" : "unexpected word %.*s", (int)len,
		word);
	if (len > 2 && word[0] == '-' && word[1] == '-')
		near = oc_cli_near(word + 2, len - 2, names, n);
	if (near)
		return oc_err_hint(err, "did you mean --%s?", near);
	return oc_err_hint(err, "%.*s", (int)strcspn(help, "\n"), help);
}

static int one_option(int argc, char **argv, int *i, unsigned takes, const char *help,
		      struct oc_session_args *out, struct oc_err *err)
{
	const char *word = argv[*i], *eq = strchr(word, '=');
	size_t len = eq ? (size_t)(eq - word) : strlen(word), k = 0;

	/* -f as rm(1) has it */
	if (strcmp(word, "-f") == 0 && takes & OC_ARG_FORCE) {
		out->given |= OC_ARG_FORCE;
		return 0;
	}
	while (k < KNOWN && !(word[1] == '-' && strlen(known[k].name) == len - 2 &&
			      memcmp(known[k].name, word + 2, len - 2) == 0))
		k++;
	if (k == KNOWN || !(takes & known[k].bit))
		return unknown(word, len, takes, help, err);
	if (!known[k].value) {
		out->given |= known[k].bit;
		return eq ? oc_fail(err, 0, "--%s takes no value", known[k].name) : 0;
	}
	if (out->given & known[k].bit)
		return oc_fail(err, 0, "--%s is given twice", known[k].name);
	out->given |= known[k].bit;
	if (!eq && *i + 1 >= argc)
		return oc_fail(err, 0, "--%s needs a value", known[k].name);
	*(const char **)(void *)((char *)out + known[k].value) = eq ? eq + 1 : argv[++*i];
	return 0;
}

bool oc_session_args(int argc, char **argv, unsigned takes, const char *help,
		     struct oc_session_args *out, int *status)
{
	struct oc_err err = {0};
	bool options = true;

	*out = (struct oc_session_args){.words = argv + 1};
	for (int i = 1; i < argc; i++) {
		if (options && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
			printf("usage: %s\n", help);
			*status = 0;
			return false;
		}
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
			continue;
		}
		int r = 0;
		/* An empty word would be the beginning of every id. */
		if (options && argv[i][0] == '-' && argv[i][1])
			r = one_option(argc, argv, &i, takes, help, out, &err);
		else if (!(takes & OC_ARG_WORDS))
			r = unknown(argv[i], strlen(argv[i]), takes, help, &err);
		else if (!argv[i][0])
			r = oc_fail(&err, 0, "a sandbox is named by an empty word");
		else
			out->words[out->count++] = argv[i];
		if (r < 0) {
			*status = oc_cli_fail(&err);
			return false;
		}
	}
	return true;
}

/* --- what there is --- */

void oc_seen_look(struct oc_seen *s)
{
	static const char *const names[] = {"starting", "idle", "stopping"};
	uint64_t born = s->door.start_time * (UINT64_C(1000) / TICKS),
		 now = oc_activity_clock() / 1000000;
	char text[64];

	s->age_ms = now > born ? now - born : 0;
	s->state = s->door.keep ? "unknown" : "command";
	if (!s->door.keep)
		return;
	s->known = oc_activity_read(s->door.dir_fd, &s->activity) == 0;
	if (s->known) {
		s->idle_ms = oc_activity_idle_ms(&s->activity);
		s->state = names[s->activity.state];
		if (s->activity.state == OC_ACTIVITY_READY && s->activity.calls)
			s->state = "busy";
	}
	if (s->door.memory_file &&
	    oc_read_file_at(AT_FDCWD, s->door.memory_file, text, sizeof text) > 0)
		s->memory = strtoull(text, NULL, 10);
}

struct looking {
	struct oc_arena *a;
	struct oc_seen *all;
	size_t count, cap;
};

static void look(void *ctx, const struct oc_door *d)
{
	struct looking *l = ctx;

	if (l->count == l->cap) {
		struct oc_seen *more =
			oc_arena_array(l->a, l->cap = l->cap ? l->cap * 2 : 64, sizeof *more);
		if (l->all)
			memcpy(more, l->all, l->count * sizeof *more);
		l->all = more;
	}
	struct oc_seen *s = &l->all[l->count++];
	*s = (struct oc_seen){.door = *d};
	oc_seen_look(s);
	s->door.dir_fd = -1;
}

static int older(const void *x, const void *y)
{
	const struct oc_door *a = &((const struct oc_seen *)x)->door,
			     *b = &((const struct oc_seen *)y)->door;
	int r = strcmp(a->created, b->created);

	return r ? r : strcmp(a->id, b->id);
}

int oc_seen_all(struct oc_arena *a, struct oc_seen_all *out, struct oc_err *err)
{
	struct looking l = {.a = a};
	struct oc_conf_options conf = {0};
	size_t scopes = 0;

	*out = (struct oc_seen_all){0};
	/* Without a home there is still the run directory. */
	if (oc_conf_state_dir(a, &conf, &out->state_dir, NULL) < 0)
		out->state_dir = NULL;
	if (oc_door_scan(a, out->state_dir, look, &l, &out->scan, err) < 0)
		return -1;
	out->all = l.all;
	out->count = l.count;
	if (out->count)
		qsort(out->all, out->count, sizeof *out->all, older);
	for (size_t i = 0; i < out->count; i++)
		scopes += out->all[i].door.keep && out->all[i].door.scope_key;
	if (out->scan.scope_files > scopes)
		out->scope_files = oc_scope_sweep(out->state_dir);
	return 0;
}

void oc_seen_troubles(const struct oc_seen_all *s)
{
	for (size_t i = 0; i < s->scan.trouble_count; i++)
		oc_err_print(&s->scan.trouble[i].err, "oc-sandbox", 2);
}

bool oc_seen_selected(struct oc_arena *a, const struct oc_seen *s,
		      const struct oc_session_args *args)
{
	const char *key = s->door.scope_key;

	if (!s->door.keep)
		return false;
	if (args->given & OC_ARG_ALL)
		return true;
	if (args->session)
		return key && strcmp(key, args->session) == 0;
	if (!args->agent || !key)
		return false;
	const char *scope = oc_arena_printf(a, "agent:%s", oc_agent_id(a, args->agent));
	size_t len = strlen(scope);
	return strncmp(key, scope, len) == 0 && (!key[len] || key[len] == ':');
}

/* --- tables --- */

const char *oc_age_text(char out[32], uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (s < 120)
		snprintf(out, 32, "%llus", (unsigned long long)s);
	else if (s < 120 * 60)
		snprintf(out, 32, "%llum", (unsigned long long)(s / 60));
	else if (s < 48 * 3600)
		snprintf(out, 32, "%lluh", (unsigned long long)(s / 3600));
	else
		snprintf(out, 32, "%llud", (unsigned long long)(s / 86400));
	return out;
}

static void pad(struct oc_buf *out, size_t from, size_t width)
{
	do
		oc_buf_puts(out, " ");
	while (out->len - from < width);
}

void oc_seen_table(struct oc_buf *out, const struct oc_seen *const *rows, size_t count)
{
	size_t width = sizeof "SCOPE";
	bool memory = false;
	char t[32];

	for (size_t i = 0; i < count; i++) {
		const char *key = rows[i]->door.scope_key;
		size_t len = key ? strlen(key) + 2 : 0;
		width = len > width ? len : width;
		memory |= rows[i]->memory > 0;
	}
	width = width < 42 ? width : 42;
	oc_buf_printf(out, "%-12s  %-*s%-9s %5s %6s %6s%s\n", "ID", (int)width, "SCOPE", "STATE",
		      "CALLS", "AGE", "IDLE", memory ? "   MEMORY" : "");
	for (size_t i = 0; i < count; i++) {
		const struct oc_seen *s = rows[i];
		oc_buf_printf(out, "%-12s  ", s->door.id);
		size_t from = out->len;
		oc_net_text(out, s->door.scope_key ? s->door.scope_key : "-");
		pad(out, from, width);
		oc_buf_printf(out, "%-9s ", s->state);
		if (s->known)
			oc_buf_printf(out, "%5u ", s->activity.calls);
		else
			oc_buf_printf(out, "%5s ", "-");
		oc_buf_printf(out, "%6s ", oc_age_text(t, s->age_ms));
		oc_buf_printf(out, "%6s", s->known ? oc_age_text(t, s->idle_ms) : "-");
		if (memory)
			oc_buf_printf(out, " %7.1fM", (double)s->memory / (1024.0 * 1024.0));
		oc_buf_puts(out, "\n");
	}
}

static void number(struct oc_json_writer *w, const char *key, uint64_t n, bool is_known)
{
	oc_jw_key(w, key);
	if (is_known)
		oc_jw_uint(w, n);
	else
		oc_jw_null(w);
}

static void string(struct oc_json_writer *w, const char *key, const char *s)
{
	oc_jw_key(w, key);
	oc_jw_string(w, s);
}

void oc_seen_json(struct oc_json_writer *w, const struct oc_seen *s)
{
	const struct oc_door *d = &s->door;

	oc_jw_object(w);
	string(w, "id", d->id);
	string(w, "state", s->state);
	oc_jw_key(w, "keep");
	oc_jw_bool(w, d->keep);
	string(w, "agent", d->agent);
	string(w, "scopeKey", d->scope_key);
	number(w, "calls", s->activity.calls, s->known);
	string(w, "created", d->created);
	number(w, "ageMs", s->age_ms, true);
	number(w, "idleMs", s->idle_ms, s->known);
	number(w, "idleLimitMs", d->idle_ms, d->keep);
	number(w, "maxAgeMs", d->max_age_ms, d->keep);
	number(w, "memoryBytes", s->memory, s->memory > 0);
	number(w, "pid", (uint64_t)d->pid, true);
	string(w, "access", d->access);
	string(w, "workspace", d->workspace);
	string(w, "egress", d->egress);
	oc_jw_object_end(w);
}

/* --- asking and ending --- */

int oc_confirm(const char *question, struct oc_err *err)
{
	char line[16] = "";

	if (!isatty(0) || !isatty(2)) {
		oc_fail(err, 0,
			"nobody can be asked: standard input or standard error is not a terminal");
		return oc_err_hint(err, "--force does it without asking");
	}
	fprintf(stderr, "%s [y/N] ", question);
	if (!fgets(line, sizeof line, stdin))
		line[0] = '\0';
	return line[0] == 'y' || line[0] == 'Y';
}

size_t oc_end_and_tell(struct oc_ending *e, size_t count, const char *done)
{
	size_t failed = 0;

	oc_end_sandboxes(e, count);
	for (size_t i = 0; i < count; i++) {
		struct oc_err note = {0};
		switch (e[i].how) {
		case OC_END_FAILED:
			failed++;
			oc_err_print(&e[i].err, "oc-sandbox", 2);
			continue;
		case OC_END_KILLED:
			oc_fail(&note, 0, "the sandbox %s did not end within %d s, and was killed",
				e[i].door.id, OC_END_ASKED_MS / 1000);
			oc_err_print(&note, "oc-sandbox", 2);
			break;
		case OC_END_ASKED:
		case OC_END_GONE:
			break;
		}
		if (done)
			printf("%s %s\n", e[i].door.id, done);
	}
	fflush(stdout);
	return failed;
}
