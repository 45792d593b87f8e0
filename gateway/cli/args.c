/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args - options, sub-commands, --help, and what was probably meant.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cli/cli.h"
#include "gateway/config/near.h"

static void usage(const struct oc_args *a, FILE *f)
{
	size_t width = 4;

	fprintf(f, "usage: %s%s%s%s\n\n%s\n", a->command, a->count ? " [OPTION...]" : "",
		*a->operands ? " " : "", a->operands, a->about);
	for (size_t i = 0; i < a->count; i++) {
		size_t n = strlen(a->list[i].name) +
			   (a->list[i].argument ? strlen(a->list[i].argument) + 1 : 0);
		if (n > width && !a->list[i].hidden)
			width = n;
	}
	fputc('\n', f);
	for (size_t i = 0; i < a->count; i++) {
		const struct oc_arg *o = &a->list[i];
		char text[80];
		if (o->hidden)
			continue;
		snprintf(text, sizeof(text), "%s%s%s", o->name, o->argument ? " " : "",
			 o->argument ? o->argument : "");
		if (o->letter)
			fprintf(f, "  -%c, --%-*s  %s\n", o->letter, (int)width, text, o->help);
		else
			fprintf(f, "      --%-*s  %s\n", (int)width, text, o->help);
	}
	fprintf(f, "  -h, --%-*s  this text\n", (int)width, "help");
}

static int slip(const struct oc_args *a, const char *word, const char *why)
{
	const char *names[64];
	size_t n = 0;
	char plain[64];

	for (size_t i = 0; i < a->count && n < 63; i++)
		names[n++] = a->list[i].name;
	names[n++] = "help";
	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(word, "="), word);
	fprintf(stderr, "%s: %s\n", a->command, why);
	const char *near = oc_config_near(plain, names, n);
	if (near)
		fprintf(stderr, "%s: hint: did you mean --%s?\n", a->command, near);
	else
		fprintf(stderr, "%s: hint: `%s --help` lists the options\n", a->command, a->command);
	return -1;
}

static const struct oc_arg *find(const struct oc_args *a, const char *word)
{
	size_t n;

	if (word[1] != '-') {
		for (size_t i = 0; i < a->count; i++)
			if (a->list[i].letter == word[1] && !word[2])
				return &a->list[i];
		return NULL;
	}
	word += 2;
	n = strcspn(word, "=");
	for (size_t i = 0; i < a->count; i++)
		if (strlen(a->list[i].name) == n && memcmp(a->list[i].name, word, n) == 0)
			return &a->list[i];
	return NULL;
}

/* One option at argv[*i]. */
static int option(const struct oc_args *a, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *equals = word[1] == '-' ? strchr(word, '=') : NULL;
	const struct oc_arg *o = find(a, word);
	char why[200];

	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		usage(a, stdout);
		return -2;
	}
	if (!o) {
		snprintf(why, sizeof(why), "unknown option %.*s", (int)strcspn(word, "="), word);
		return slip(a, word + (word[1] == '-' ? 2 : 1), why);
	}
	if (!o->argument) {
		if (equals) {
			snprintf(why, sizeof(why), "--%s takes no value", o->name);
			return slip(a, "", why);
		}
		*o->flag = true;
		return 0;
	}
	if (equals) {
		*o->value = equals + 1;
	} else if (*i + 1 < argc) {
		*o->value = argv[++*i];
	} else {
		snprintf(why, sizeof(why), "--%s needs a value (%s)", o->name, o->argument);
		return slip(a, "", why);
	}
	return 0;
}

int oc_args_parse(const struct oc_args *a, int argc, char **argv, char ***operands)
{
	size_t n = 0;
	bool only_operands = false;

	for (int i = 1; i < argc; i++) {
		if (!only_operands && strcmp(argv[i], "--") == 0) {
			only_operands = true;
		} else if (!only_operands && argv[i][0] == '-' && argv[i][1]) {
			int r = option(a, argc, argv, &i);
			if (r < 0)
				return r;
		} else {
			argv[1 + n++] = argv[i];
		}
	}
	*operands = argv + 1;
	if (n < a->least) {
		char why[120];
		snprintf(why, sizeof(why), "%s is missing", a->operands);
		return slip(a, "", why);
	}
	if (n > a->most) {
		fprintf(stderr, "%s: too much: \"%s\"\n", a->command, argv[1 + a->most]);
		return -1;
	}
	return (int)n;
}

int oc_args_number(const struct oc_args *a, const char *name, const char *text, long min, long max,
		   long *out)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (!*text || *end || n < min || n > max) {
		fprintf(stderr, "%s: --%s: a number from %ld to %ld, not \"%s\"\n", a->command, name,
			min, max, text);
		return -1;
	}
	*out = n;
	return 0;
}

static void list_commands(const char *program, const struct oc_command *list, size_t count, FILE *f)
{
	fprintf(f, "usage: %s COMMAND [OPTION...]\n\n", program);
	for (size_t i = 0; i < count; i++)
		fprintf(f, "  %-9s %s\n", list[i].name, list[i].help);
	fprintf(f, "\n`%s COMMAND --help` lists its options.\n", program);
}

int oc_command_run(const char *program, const struct oc_command *list, size_t count, int argc,
		   char **argv)
{
	const char *names[32];

	if (argc < 1) {
		list_commands(program, list, count, stderr);
		return 2;
	}
	if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 ||
	    strcmp(argv[0], "help") == 0) {
		list_commands(program, list, count, stdout);
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		if (strcmp(argv[0], list[i].name) == 0)
			return list[i].run(argc, argv);
	fprintf(stderr, "%s: unknown command %.80s\n", program, argv[0]);
	for (size_t i = 0; i < count && i < 32; i++)
		names[i] = list[i].name;
	const char *near = oc_config_near(argv[0], names, count < 32 ? count : 32);
	if (near)
		fprintf(stderr, "%s: hint: did you mean `%s %s`?\n", program, program, near);
	else
		fprintf(stderr, "%s: hint: `%s --help` lists the commands\n", program, program);
	return 2;
}
