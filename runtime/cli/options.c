/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - the one table of options, and the parser that reads it.
 *
 * Parsing stops at "--" or at the first word that is not an option: what follows belongs to the command, whatever it looks
 * like (CVE-2024-32462).
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cli/cli.h"

enum kind { STRING, LIST, FLAG, EXTRA_STRING, EXTRA_FLAG, TTY_YES, TTY_NO };

#define PLAN (OC_CLI_RUN | OC_CLI_EXPLAIN | OC_CLI_VERIFY | OC_CLI_START | OC_CLI_MCP)
#define CALL OC_CLI_EXEC /* a command in a sandbox that is there */
#define OPT(f) offsetof(struct oc_plan_options, f)
#define EXTRA(f) offsetof(struct oc_cli_extra, f)

static const struct option {
	const char *name;
	char letter;
	enum kind kind;
	size_t offset, count_offset;
	int commands;
	const char *argument, *help;
} options[] = {
	{"agent", 0, STRING, OPT(agent), 0, PLAN, "ID", "use the sandbox settings and the workspace of this agent"},
	{"session", 0, STRING, OPT(session), 0, PLAN, "KEY", "session key, for scope session"},
	{"scope", 0, STRING, OPT(scope), 0, PLAN, "session|agent|shared", "what shares one scratch directory"},
	{"profile", 0, STRING, OPT(profile), 0, PLAN, "NAME", "default, strict or build"},
	{"profile-file", 0, STRING, OPT(profile_file), 0, PLAN, "FILE", "a profile of your own (JSON5)"},
	{"config", 0, STRING, OPT(config), 0, PLAN, "FILE", "openclaw.json to read in place of the usual one"},
	{"no-config", 0, FLAG, OPT(no_config), 0, PLAN, NULL, "read no openclaw.json"},
	{"rootfs", 0, STRING, OPT(rootfs), 0, PLAN, "host|DIR", "root file system: the host's /usr, or an unpacked image"},
	{"workspace", 'w', STRING, OPT(workspace), 0, PLAN, "DIR", "directory to work in, at /workspace"},
	{"access", 0, STRING, OPT(access), 0, PLAN, "none|ro|rw|overlay", "what the command may do to the workspace"},
	{"bind", 'b', LIST, OPT(binds), OPT(bind_count), PLAN, "SRC[:DST][:ro|rw]", "show a file or directory of the host (read-only by default)"},
	{"tmpfs", 0, LIST, OPT(tmpfs), OPT(tmpfs_count), PLAN, "DST[:size=N,mode=N]", "empty directory in memory"},
	{"workdir", 'C', STRING, OPT(workdir), 0, PLAN | CALL, "DIR", "working directory inside"},
	{"sysfs", 0, FLAG, OPT(sysfs), 0, PLAN, NULL, "show a read-only /sys"},
	{"egress", 0, STRING, OPT(egress), 0, PLAN, "none|allowlist|open", "the network: none, what --allow names, or all that is public"},
	{"allow", 0, LIST, OPT(allow), OPT(allow_count), PLAN, "RULE", "reach NAME[:PORT], *.NAME, ADDRESS/BITS or tcp:NAME:PORT (implies --egress allowlist)"},
	{"deny", 0, LIST, OPT(deny), OPT(deny_count), PLAN, "RULE", "never reach it; wins over every --allow"},
	{"allow-private", 0, LIST, OPT(allow_private), OPT(allow_private_count), PLAN, "CLASS", "names may stand for such addresses: private, loopback, ..."},
	{"env", 'e', LIST, OPT(env), OPT(env_count), PLAN | CALL, "NAME=VALUE", "set a variable"},
	{"env-pass", 0, LIST, OPT(env_pass), OPT(env_pass_count), PLAN | CALL, "NAME", "pass a variable of the caller"},
	{"user", 'u', STRING, OPT(user), 0, PLAN, "UID[:GID]", "ids inside"},
	{"hostname", 0, STRING, OPT(hostname), 0, PLAN, "NAME", "host name inside"},
	{"timeout", 't', STRING, OPT(timeout), 0, PLAN | CALL, "TIME", "end the command after 90, 90s, 5m, 2h (exit code 124)"},
	{"memory", 'm', STRING, OPT(memory), 0, PLAN | CALL, "SIZE", "ceiling of memory: 512m, 2g"},
	{"swap", 0, STRING, OPT(swap), 0, PLAN, "SIZE", "swap on top of that"},
	{"pids", 0, STRING, OPT(pids), 0, PLAN | CALL, "N", "ceiling of processes and threads"},
	{"cpus", 0, STRING, OPT(cpus), 0, PLAN | CALL, "N", "ceiling of processor time: 0.5, 2"},
	{"disk", 0, STRING, OPT(disk), 0, PLAN, "SIZE", "ceiling of what the workspace holds, where it is in memory, scratch or overlay"},
	{"idle", 0, STRING, OPT(idle), 0, PLAN, "TIME", "a sandbox that is kept ends when it was idle for so long (24h; 0: never)"},
	{"max-age", 0, STRING, OPT(max_age), 0, PLAN, "TIME", "and when it is so old (7d; 0: never)"},
	{"ulimit", 0, LIST, OPT(ulimits), OPT(ulimit_count), PLAN, "NAME=SOFT[:HARD]", "resource limit: nofile, core, fsize, ..."},
	{"seccomp", 0, STRING, OPT(seccomp), 0, PLAN, "NAME|FILE", "system call filter: default, strict, build, or an OCI JSON profile"},
	{"allow-missing", 0, LIST, OPT(allow_missing), OPT(allow_missing_count), PLAN, "LAYER", "run without this layer if the host cannot give it"},
	{"require", 0, LIST, OPT(require), OPT(require_count), PLAN, "LAYER", "no stand-in for this layer (cgroup)"},
	{"tty", 0, TTY_YES, OPT(tty), 0, PLAN | CALL, NULL, "a terminal of its own (default when stdin is a terminal)"},
	{"no-tty", 'T', TTY_NO, OPT(tty), 0, PLAN | CALL, NULL, "pipes in place of a terminal"},
	{"result", 0, EXTRA_STRING, EXTRA(result), 0, OC_CLI_RUN | CALL, "FILE|fd:N", "write how it ended, as one JSON object"},
	{"verify", 0, EXTRA_FLAG, EXTRA(verify), 0, OC_CLI_RUN, NULL, "try from inside what the plan forbids, before the command"},
	{"outlive-caller", 0, EXTRA_FLAG, EXTRA(outlive_caller), 0, OC_CLI_RUN | CALL, NULL, "go on when the process that started oc-sandbox ends"},
	{"keep", 0, EXTRA_FLAG, EXTRA(keep), 0, OC_CLI_RUN | OC_CLI_VERIFY, NULL, "leave the sandbox alive after the command, for `exec`; join it if it is there"},
	{"background", 0, EXTRA_FLAG, EXTRA(background), 0, CALL, NULL, "print the call's id and let it run; see attach, logs and kill"},
	{"no-input", 0, EXTRA_FLAG, EXTRA(no_input), 0, CALL, NULL, "in the background: its input is /dev/null, and not what is attached"},
	{"ready-fd", 0, EXTRA_STRING, EXTRA(ready_fd), 0, OC_CLI_START, "N", "write one line of JSON there, when it is ready or could not be made"},
	{"join-only", 0, EXTRA_FLAG, EXTRA(join_only), 0, OC_CLI_START, NULL, "only join one that is there"},
	{"recreate", 0, EXTRA_FLAG, EXTRA(recreate), 0, OC_CLI_START, NULL, "end one that was made from another plan, also while it is in use"},
	{"quiet", 'q', EXTRA_FLAG, EXTRA(quiet), 0, OC_CLI_RUN | CALL | OC_CLI_START | OC_CLI_MCP, NULL, "no warnings"},
	{"json", 0, EXTRA_FLAG, EXTRA(json), 0, OC_CLI_EXPLAIN | OC_CLI_VERIFY, NULL, "print JSON"},
	{"help", 'h', EXTRA_FLAG, EXTRA(help), 0, PLAN | CALL, NULL, "this list"},
};
#define OPTIONS (sizeof options / sizeof options[0])

static const struct option *find(const char *name, size_t len, char letter)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (letter ? options[i].letter == letter
			   : strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

/* Shares: at its beginning and end; three letters first, or all but one or two. */
const char *oc_cli_near(const char *word, size_t len, const char *const *names, size_t count)
{
	const char *best = NULL;
	size_t most = 0, slip = len > 5 ? 2 : 1;

	for (size_t i = 0; i < count; i++) {
		const char *o = names[i];
		size_t has = strlen(o), least = has < len ? has : len, first = 0, last = 0;
		while (first < least && o[first] == word[first])
			first++;
		while (first + last < least && o[has - 1 - last] == word[len - 1 - last])
			last++;
		bool close = len > 2 && first + last + slip >= (has > len ? has : len);
		if ((first > 2 || close) && first + last > most) {
			most = first + last;
			best = o;
		}
	}
	return best;
}

static const char *near(const char *name, size_t len, int which)
{
	const char *names[OPTIONS];
	size_t n = 0;

	for (size_t i = 0; i < OPTIONS; i++)
		if (options[i].commands & which)
			names[n++] = options[i].name;
	return oc_cli_near(name, len, names, n);
}

static int apply(struct oc_arena *a, const struct option *o, const char *value, struct oc_plan_options *opt,
		 struct oc_cli_extra *extra, struct oc_err *err)
{
	char *base = (o->kind == EXTRA_STRING || o->kind == EXTRA_FLAG) ? (char *)extra : (char *)opt;
	void *field = base + o->offset;

	switch (o->kind) {
	case STRING:
	case EXTRA_STRING:
		if (*(const char **)field)
			return oc_fail(err, 0, "--%s is given twice", o->name);
		*(const char **)field = value;
		return 0;
	case FLAG:
	case EXTRA_FLAG:
		*(bool *)field = true;
		return 0;
	case TTY_YES:
	case TTY_NO:
		if (opt->tty != OC_TTY_AUTO)
			return oc_fail(err, 0, "--tty and --no-tty: only one of them, and once");
		opt->tty = o->kind == TTY_YES ? OC_TTY_YES : OC_TTY_NO;
		return 0;
	case LIST: {
		const char ***list = field;
		size_t *count = (size_t *)(void *)(base + o->count_offset);
		/* Grown by doubling, in the arena: the count is a power of two when it is full. */
		if ((*count & (*count - 1)) == 0) {
			const char **bigger = oc_arena_array(a, *count ? *count * 2 : 1, sizeof *bigger);
			if (*count)
				memcpy(bigger, *list, *count * sizeof *bigger);
			*list = bigger;
		}
		(*list)[(*count)++] = value;
		return 0;
	}
	}
	return oc_fail(err, EINVAL, "--%s", o->name);
}

static int unknown(const char *word, size_t len, int which, struct oc_err *err)
{
	oc_fail(err, 0, "unknown option %.*s", (int)len, word);
	const char *n = word[1] == '-' ? near(word + 2, len - 2, which) : NULL;
	if (n)
		return oc_err_hint(err, "did you mean --%s?", n);
	return oc_err_hint(err, "see `oc-sandbox run --help`; the command to run comes after --");
}

int oc_cli_parse(int argc, char **argv, int which, struct oc_arena *a, struct oc_plan_options *opt,
		 struct oc_cli_extra *extra, struct oc_err *err)
{
	int i = 1;

	memset(opt, 0, sizeof *opt);
	memset(extra, 0, sizeof *extra);
	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		const char *word = argv[i], *value = NULL;
		const struct option *o;
		size_t len = strlen(word);

		if (strcmp(word, "--") == 0) {
			i++;
			break;
		}
		if (word[1] == '-') {
			const char *eq = strchr(word, '=');
			if (eq) {
				len = (size_t)(eq - word);
				value = eq + 1;
			}
			o = find(word + 2, len - 2, 0);
		} else {
			o = find(NULL, 0, word[1]);
			if (word[2])
				value = word + 2;
		}
		if (!o || !(o->commands & which))
			return unknown(word, len, which, err);
		if (o->argument && !value) {
			if (i + 1 >= argc)
				return oc_fail(err, 0, "--%s needs %s", o->name, o->argument);
			value = argv[++i];
		} else if (!o->argument && value) {
			return oc_fail(err, 0, "--%s takes no value", o->name);
		}
		if (apply(a, o, value, opt, extra, err) < 0)
			return -1;
	}
	opt->argv = argv + i;
	return 0;
}

int oc_cli_parse_plan(int argc, char **argv, struct oc_arena *a, struct oc_plan_options *opt,
		      struct oc_err *err)
{
	struct oc_cli_extra extra;

	return oc_cli_parse(argc, argv, OC_CLI_VERIFY, a, opt, &extra, err);
}

void oc_cli_print_options(int which)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		const struct option *o = &options[i];
		char left[64];
		if (!(o->commands & which))
			continue;
		int n = snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : " ",
				 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
				 o->argument ? " " : "", o->argument ? o->argument : "");
		if (n > 36)
			printf("  %s\n  %36s  %s\n", left, "", o->help);
		else
			printf("  %-36s  %s\n", left, o->help);
	}
}
