/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect - all that is known of one live sandbox, as JSON: what is in the registry, and what its
 * monitor says.
 */
#include <string.h>

#include "base/conftext.h"
#include "base/fd.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/sessions.h"

static const char help[] = "oc-sandbox inspect SANDBOX\n\n"
			   "Everything about one live sandbox, as JSON.  SANDBOX: id, the "
			   "beginning of an id, agent, or\n"
			   "scope key.";

static void string(struct oc_json_writer *w, const struct oc_json *info, const char *key,
		   const char *s)
{
	if (oc_json_get(info, key))
		return;
	oc_jw_key(w, key);
	oc_jw_string(w, s);
}

static void number(struct oc_json_writer *w, const struct oc_json *info, const char *key,
		   uint64_t n)
{
	if (oc_json_get(info, key))
		return;
	oc_jw_key(w, key);
	oc_jw_uint(w, n);
}

/* What the monitor says comes first, and stands. */
static void print(struct oc_arena *a, const struct oc_seen *s, const struct oc_json *info,
		  const struct oc_json *calls, struct oc_buf *out)
{
	const struct oc_door *d = &s->door;
	struct oc_json_writer w;

	oc_jw_init(&w, out, 2);
	oc_jw_object(&w);
	for (const struct oc_json *m = info->child; m; m = m->next) {
		if (strcmp(m->key, "op") == 0 || strcmp(m->key, "ok") == 0)
			continue;
		oc_jw_key(&w, m->key);
		oc_jw_value(&w, m);
	}
	string(&w, info, "id", d->id);
	string(&w, info, "state", s->state);
	string(&w, info, "agent", d->agent);
	string(&w, info, "scopeKey", d->scope_key);
	string(&w, info, "created", d->created);
	number(&w, info, "pid", (uint64_t)d->pid);
	number(&w, info, "ageMs", s->age_ms);
	string(&w, info, "directory", oc_fd_path(a, d->dir_fd));
	if (d->keep) {
		number(&w, info, "idleLimitMs", d->idle_ms);
		number(&w, info, "maxAgeMs", d->max_age_ms);
		string(&w, info, "scratchDir", d->scratch_dir);
		string(&w, info, "overlayDir", d->overlay_dir);
	}
	if (s->memory)
		number(&w, info, "memoryBytes", s->memory);
	if (calls) {
		oc_jw_key(&w, "commands");
		oc_jw_value(&w, calls);
	}
	oc_jw_object_end(&w);
	oc_buf_puts(out, "\n");
}

static int ask(struct oc_arena *a, const struct oc_door *d, const char *op, struct oc_json **answer,
	       struct oc_err *err)
{
	oc_auto_buf request = {0};

	oc_buf_printf(&request, "{\"op\":\"%s\"}", op);
	return oc_door_call(a, d, &request, answer, err);
}

int oc_cmd_inspect(int argc, char **argv)
{
	oc_auto_arena a = {0};
	oc_auto_buf out = {0};
	struct oc_conf_options conf = {0};
	struct oc_session_args args;
	struct oc_seen s = {0};
	struct oc_err err = {0};
	struct oc_json *info, *answer;
	const struct oc_json *calls = NULL;
	const char *state = NULL;
	int status;

	if (!oc_session_args(argc, argv, OC_ARG_JSON | OC_ARG_WORDS, help, &args, &status))
		return status;
	if (args.count != 1) {
		oc_fail(&err, 0, args.count ? "one sandbox at a time" : "no sandbox is named");
		oc_err_hint(&err, "oc-sandbox inspect SANDBOX");
		return oc_cli_fail(&err);
	}
	if (oc_conf_state_dir(&a, &conf, &state, NULL) < 0)
		state = NULL;
	if (oc_door_find(&a, state, args.words[0], &s.door, &err) < 0 ||
	    ask(&a, &s.door, "info", &info, &err) < 0)
		return oc_cli_fail(&err);
	/* A sandbox for one command knows no calls. */
	if (s.door.keep && ask(&a, &s.door, "calls", &answer, NULL) == 0)
		calls = oc_json_get(answer, "calls");
	oc_seen_look(&s);
	print(&a, &s, info, calls, &out);
	return oc_cli_output(&out);
}
