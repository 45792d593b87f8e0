/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune - ends sandboxes that were idle for too long or are too old, and cleans up after dead ones.
 *
 * A sandbox that stays ends by itself at the limits it was made with; this is for other limits, and
 * for what a `kill -9` has left.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/cli/sessions.h"
#include "runtime/session/remove.h"

#define IDLE_MS	   (UINT64_C(24) * 3600 * 1000)
#define MAX_AGE_MS (7 * IDLE_MS)

static const char help[] =
	"oc-sandbox prune [--idle TIME] [--max-age TIME] [--dry-run] [--json]\n\n"
	"Ends the sandboxes that were idle for longer than 24h or are older than 7d, and cleans up "
	"after those that were\n"
	"killed.  Scratch directories and the changes of an overlay stay.\n\n"
	"  --idle TIME                           90m, 24h, 2d; 0: however long\n"
	"  --max-age TIME                        the same, of the age; a sandbox in use ends, too\n"
	"  --dry-run                             only say which\n"
	"  --json                                print JSON";

struct found {
	const struct oc_seen *seen;
	bool by_age;
};

static int limits(const struct oc_session_args *args, uint64_t *idle, uint64_t *age,
		  struct oc_err *err)
{
	*idle = IDLE_MS;
	*age = MAX_AGE_MS;
	if (args->idle && oc_parse_age(args->idle, idle, err) < 0)
		return oc_err_context(err, "--idle");
	if (args->max_age && oc_parse_age(args->max_age, age, err) < 0)
		return oc_err_context(err, "--max-age");
	return 0;
}

static void print_text(const struct found *f, const struct oc_ending *e, size_t n, bool dry,
		       size_t cleaned)
{
	size_t failed = 0;
	char t[32];

	for (size_t i = 0; i < n; i++) {
		const struct oc_seen *s = f[i].seen;
		bool bad = !dry && e[i].how == OC_END_FAILED;
		failed += bad;
		printf("%s  %s%s\n", s->door.id, f[i].by_age ? "old: " : "idle: ",
		       oc_age_text(t, f[i].by_age ? s->age_ms : s->idle_ms));
	}
	if (dry)
		printf("%zu would be removed, nothing was done\n", n);
	else
		printf("Done: %zu removed, %zu failed\n", n - failed, failed);
	if (cleaned)
		printf("Cleaned up after %zu dead one%s\n", cleaned, cleaned == 1 ? "" : "s");
}

static int print_json(const struct oc_seen_all *s, const struct found *f, const struct oc_ending *e,
		      size_t n, bool dry)
{
	static const char *const how[] = {
		[OC_END_ASKED] = "stopped",
		[OC_END_KILLED] = "killed",
		[OC_END_GONE] = "gone",
		[OC_END_FAILED] = "failed",
	};
	oc_auto_buf out = {0};
	struct oc_json_writer w;

	oc_jw_init(&w, &out, 2);
	oc_jw_object(&w);
	oc_jw_key(&w, "dryRun");
	oc_jw_bool(&w, dry);
	oc_jw_key(&w, "pruned");
	oc_jw_array(&w);
	for (size_t i = 0; i < n; i++) {
		oc_jw_object(&w);
		oc_jw_key(&w, "id");
		oc_jw_string(&w, f[i].seen->door.id);
		oc_jw_key(&w, "scopeKey");
		oc_jw_string(&w, f[i].seen->door.scope_key);
		oc_jw_key(&w, "reason");
		oc_jw_string(&w, f[i].by_age ? "age" : "idle");
		oc_jw_key(&w, "ageMs");
		oc_jw_uint(&w, f[i].seen->age_ms);
		oc_jw_key(&w, "idleMs");
		oc_jw_uint(&w, f[i].seen->idle_ms);
		oc_jw_key(&w, "how");
		oc_jw_string(&w, dry ? NULL : how[e[i].how]);
		oc_jw_object_end(&w);
	}
	oc_jw_array_end(&w);
	oc_jw_key(&w, "dead");
	oc_jw_array(&w);
	for (size_t i = 0; i < s->scan.dead_count; i++)
		oc_jw_string(&w, s->scan.dead[i]);
	oc_jw_array_end(&w);
	oc_jw_key(&w, "errors");
	oc_jw_array(&w);
	for (size_t i = 0; i < s->scan.trouble_count; i++)
		oc_jw_string(&w, s->scan.trouble[i].err.msg);
	oc_jw_array_end(&w);
	oc_jw_object_end(&w);
	oc_buf_puts(&out, "\n");
	return oc_cli_output(&out);
}

int oc_cmd_prune(int argc, char **argv)
{
	oc_auto_arena a = {0};
	struct oc_session_args args;
	struct oc_seen_all s;
	struct oc_err err = {0};
	uint64_t idle, age;
	size_t n = 0, failed = 0, rest = 0;
	int status;

	if (!oc_session_args(argc, argv,
			     OC_ARG_IDLE | OC_ARG_MAX_AGE | OC_ARG_DRY_RUN | OC_ARG_JSON, help,
			     &args, &status))
		return status;
	if (limits(&args, &idle, &age, &err) < 0 || oc_seen_all(&a, &s, &err) < 0)
		return oc_cli_fail(&err);
	const bool dry = args.given & OC_ARG_DRY_RUN;
	struct found *f = oc_arena_array(&a, s.count, sizeof *f);
	struct oc_ending *e = oc_arena_array(&a, s.count, sizeof *e);
	for (size_t i = 0; i < s.count; i++) {
		const struct oc_seen *one = &s.all[i];
		bool by_age = age && one->age_ms > age;
		/* While commands run it is not idle. */
		bool by_idle = idle && one->known && !one->activity.calls && one->idle_ms > idle;
		if (!one->door.keep || (!by_age && !by_idle))
			continue;
		f[n] = (struct found){.seen = one, .by_age = by_age};
		e[n++].door = one->door;
	}
	if (!dry) {
		failed = oc_end_and_tell(e, n, NULL);
		if (s.state_dir)
			rest = oc_remove_rest(oc_arena_printf(&a, "%s/sandboxes", s.state_dir));
	}
	oc_seen_troubles(&s);
	status = 0;
	if (args.given & OC_ARG_JSON)
		status = print_json(&s, f, e, n, dry);
	else
		print_text(f, e, n, dry, s.scan.dead_count + s.scope_files + rest);
	return failed ? OC_EXIT_SETUP : status;
}
