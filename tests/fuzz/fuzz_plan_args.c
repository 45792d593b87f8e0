/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_plan_args - a whole plan from options: lines of the input, each with a letter that names the option.
 *
 * Plans only read; the sources that a run may name are those of the machine, and are opened as O_PATH.
 */
#define _GNU_SOURCE 1
#include <unistd.h>

#include "runtime/plan/internal.h"
#include "tests/fuzz/fuzz_egress.h"

#define LIST 64

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	setenv("HOME", "/nonexistent", 1);
	return 0;
}

struct lists {
	const char *bind[LIST], *tmpfs[LIST], *env[LIST], *ulimit[LIST], *missing[LIST];
	const char *allow[LIST], *deny[LIST], *allow_private[LIST];
	char *argv[LIST + 1];
	size_t argc;
};

static void add(const char **list, size_t *count, const char *s)
{
	if (*count < LIST)
		list[(*count)++] = s;
}

static void option(struct oc_plan_options *o, struct lists *l, char letter, char *s)
{
	switch (letter) {
	case 'a': o->agent = s; break;
	case 's': o->session = s; break;
	case 'S': o->scope = s; break;
	case 'w': o->workspace = s; break;
	case 'A': o->access = s; break;
	case 'd': o->workdir = s; break;
	case 'u': o->user = s; break;
	case 'h': o->hostname = s; break;
	case 'm': o->memory = s; break;
	case 'W': o->swap = s; break;
	case 'p': o->pids = s; break;
	case 'c': o->cpus = s; break;
	case 't': o->timeout = s; break;
	case 'f': o->seccomp = s; break;
	case 'P': o->profile = s; break;
	case 'y': o->sysfs = true; break;
	case 'g': o->egress = s; break;
	case '+': add(l->allow, &o->allow_count, s); break;
	case '-': add(l->deny, &o->deny_count, s); break;
	case '!': add(l->allow_private, &o->allow_private_count, s); break;
	case 'b': add(l->bind, &o->bind_count, s); break;
	case 'T': add(l->tmpfs, &o->tmpfs_count, s); break;
	case 'e': add(l->env, &o->env_count, s); break;
	case 'U': add(l->ulimit, &o->ulimit_count, s); break;
	case 'M': add(l->missing, &o->allow_missing_count, s); break;
	default:
		if (l->argc < LIST)
			l->argv[l->argc++] = s;
	}
}

static void check_plan(const struct oc_plan *plan)
{
	FUZZ_CHECK(plan->uid && plan->gid && plan->host_uid && plan->host_gid);
	FUZZ_CHECK(plan->memory_bytes && plan->pids && plan->cpu_millis && plan->swap_bytes >= -1);
	FUZZ_CHECK(plan->hostname[0] && !strchr(plan->slug, '/') && plan->slug[0] != '.');
	fuzz_check_egress(&plan->egress);
	FUZZ_CHECK((plan->required & plan->may_be_missing) == 0);
	for (size_t i = 0; i < plan->mount_count; i++) {
		const struct oc_mount *m = &plan->mounts[i];
		FUZZ_CHECK(m->target[0] == '/' && m->target[1] && m->origin);
		FUZZ_CHECK(m->kind != OC_MOUNT_BIND || m->fd >= 0 || (plan->scratch_dir && m->source == plan->scratch_dir));
		for (size_t k = 0; k < i; k++) {
			size_t n = strlen(m->target);
			FUZZ_CHECK(strncmp(plan->mounts[k].target, m->target, n) != 0 ||
				   (plan->mounts[k].target[n] && plan->mounts[k].target[n] != '/'));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oc_auto_arena a = { 0 };
	oc_auto_buf json = { 0 }, text = { 0 };
	struct lists l = { .argc = 0 };
	struct oc_plan_options o = { .no_config = true, .binds = l.bind, .tmpfs = l.tmpfs, .env = l.env, .ulimits = l.ulimit,
				     .allow_missing = l.missing, .allow = l.allow, .deny = l.deny,
				     .allow_private = l.allow_private, .argv = l.argv };
	struct oc_plan plan;
	struct oc_err err = { 0 };
	struct oc_json_writer w;
	struct oc_json *v;
	char *input = oc_arena_strndup(&a, (const char *)data, strnlen((const char *)data, size));
	for (char *line = input, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (*line)
			option(&o, &l, *line, line + 1);
	}
	if (oc_plan_build(&plan, &a, &o, &err) < 0) {
		FUZZ_CHECK(err.msg[0] && err.step[0]);
		return 0;
	}
	check_plan(&plan);
	oc_jw_init(&w, &json, 0);
	oc_plan_json(&plan, &w);
	FUZZ_CHECK(oc_json_parse(&a, json.data, json.len, "plan", &v, &err) == 0);
	oc_plan_text(&plan, &text);
	fuzz_check_text(text.data);
	oc_plan_close(&plan);
	return 0;
}
