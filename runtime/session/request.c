/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - see request.h.
 */
#include "runtime/session/request.h"

#include <string.h>

#define FLAGS                                                                                      \
	(OC_WIRE_PTY | OC_WIRE_PROGRAM | OC_WIRE_BLOB | OC_WIRE_BACKGROUND | OC_WIRE_STARTED |     \
	 OC_WIRE_CLEAR_ENV | OC_WIRE_NO_INPUT)
#define MAX_ENV	 1024	/* as many as a plan may have */
#define MAX_PATH 4095	/* of the working directory */
#define MAX_NAME 255	/* of a variable */
#define MAX_TEXT 131071 /* MAX_ARG_STRLEN of the kernel less one: execve would fail late */

unsigned oc_request_fds(const struct oc_wire_exec *h)
{
	unsigned n = 0;

	if (h->flags & OC_WIRE_BLOB)
		n++;
	if (h->flags & OC_WIRE_PROGRAM)
		n++;
	if (!(h->flags & (OC_WIRE_PTY | OC_WIRE_BACKGROUND)))
		n += 3;
	return n;
}

int oc_request_head(const void *message, size_t len, size_t fds, struct oc_wire_exec *h,
		    struct oc_err *err)
{
	if (len < sizeof *h)
		return oc_fail(err, 0, "the message is neither JSON nor a command to run");
	memcpy(h, message, sizeof *h);
	if (h->magic != OC_WIRE_MAGIC)
		return oc_fail(err, 0, "the message is neither JSON nor a command to run");
	if ((h->flags & ~FLAGS) || h->reserved)
		return oc_fail(err, 0, "the command has flags of a newer version (0x%x)", h->flags);
	if (h->tag == 0)
		return oc_fail(err, 0, "the command has no tag");
	if (h->flags & OC_WIRE_BLOB ? len != sizeof *h : len - sizeof *h != h->strings)
		return oc_fail(err, 0, "the command has %zu bytes of strings, it says %u",
			       len - sizeof *h, h->strings);
	if (fds != oc_request_fds(h))
		return oc_fail(err, 0, "%zu descriptors came with the command, it needs %u", fds,
			       oc_request_fds(h));
	return 0;
}

/* The next string of a block, or NULL. */
static const char *next(const char **at, const char *end)
{
	const char *s = *at;
	const char *nul = s < end ? memchr(s, '\0', (size_t)(end - s)) : NULL;

	if (!nul)
		return NULL;
	*at = nul + 1;
	return s;
}

static int bad_env(const char *name, const char *why, struct oc_err *err)
{
	oc_fail(err, 0, "the variable %.200s is refused: %s", name, why);
	return oc_err_step(err, "environment");
}

static int check_variable(const char *s, struct oc_err *err)
{
	char name[MAX_NAME + 1];
	const char *why, *eq = strchr(s, '=');

	if (!eq || eq == s) {
		oc_fail(err, 0, "the variable \"%.200s\" is not NAME=VALUE", s);
		return oc_err_step(err, "environment");
	}
	size_t n = (size_t)(eq - s);
	if (n > MAX_NAME)
		return bad_env(s, "its name is longer than 255 bytes", err);
	memcpy(name, s, n);
	name[n] = '\0';
	if (!oc_env_allowed(name, &why))
		return bad_env(name, why, err);
	if (strlen(s) > MAX_TEXT)
		return bad_env(name, "it is longer than 131071 bytes", err);
	/* Line feeds and tabs are in every certificate and in many lists. */
	for (const unsigned char *p = (const unsigned char *)eq + 1; *p; p++)
		if ((*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
			return bad_env(name, "its value has a control byte", err);
	return 0;
}

static int check_cwd(const char *cwd, struct oc_err *err)
{
	if (!cwd[0])
		return 0;
	if (cwd[0] != '/')
		oc_fail(err, 0, "the working directory \"%.200s\" is not absolute", cwd);
	else if (strlen(cwd) > MAX_PATH)
		oc_fail(err, 0, "the working directory is longer than %d bytes", MAX_PATH);
	else
		return 0;
	oc_err_step(err, "workdir");
	return oc_err_hint(err, "it is a path inside the sandbox");
}

int oc_request_parse(const struct oc_wire_exec *h, const char *strings, struct oc_request *out,
		     struct oc_err *err)
{
	const char *at = strings, *end = strings + h->strings, *s;

	*out = (struct oc_request){.head = *h};
	if (h->argc == 0 || h->envc > MAX_ENV || h->argc > h->strings)
		return oc_fail(err, 0, "%u arguments and %u variables cannot be", h->argc, h->envc);
	out->cwd = next(&at, end);
	if (!out->cwd)
		return oc_fail(err, 0, "the strings of the command have no end");
	if (check_cwd(out->cwd, err) < 0)
		return -1;
	out->argv = at;
	for (uint32_t i = 0; i < h->argc; i++) {
		s = next(&at, end);
		if (!s)
			return oc_fail(err, 0, "%u arguments are announced, %u came", h->argc, i);
		if (i == 0 && !s[0])
			return oc_fail(err, 0, "the command is an empty word");
	}
	out->argv_len = (size_t)(at - out->argv);
	out->env = at;
	for (uint32_t i = 0; i < h->envc; i++) {
		s = next(&at, end);
		if (!s)
			return oc_fail(err, 0, "%u variables are announced, %u came", h->envc, i);
		if (check_variable(s, err) < 0)
			return -1;
	}
	out->env_len = (size_t)(at - out->env);
	if (at != end)
		return oc_fail(err, 0, "something follows the last string of the command");
	return 0;
}

/* --- for the runner --- */

/* Whether one of the strings in the block is a variable of that name. */
static bool sets(const char *block, const char *end, const char *name, size_t len)
{
	for (const char *s = block; s < end; s += strlen(s) + 1)
		if (strncmp(s, name, len) == 0 && s[len] == '=')
			return true;
	return false;
}

static void add_variable(struct oc_buf *out, const char *name, const char *value)
{
	oc_buf_add(out, name, strlen(name));
	oc_buf_add(out, "=", 1);
	oc_buf_add(out, value, strlen(value) + 1);
}

static uint32_t add_environment(const struct oc_request *r, const struct oc_plan *plan,
				const char *cwd, struct oc_buf *out)
{
	const char *end = r->env + r->env_len;
	uint32_t n = 0;
	bool term = false;

	for (size_t i = 0; i < plan->env_count && !(r->head.flags & OC_WIRE_CLEAR_ENV); i++) {
		const struct oc_env_var *v = &plan->env[i];
		if (sets(r->env, end, v->name, strlen(v->name)))
			continue;
		term = term || strcmp(v->name, "TERM") == 0;
		add_variable(out, v->name, strcmp(v->name, "PWD") == 0 ? cwd : v->value);
		n++;
	}
	/* Of two of one name the last one counts, and only that is handed on: programs differ. */
	for (const char *s = r->env; s < end;) {
		const char *after = s + strlen(s) + 1;
		size_t len = strcspn(s, "=");
		if (!sets(after, end, s, len)) {
			oc_buf_add(out, s, (size_t)(after - s));
			n++;
		}
		term = term || (len == 4 && memcmp(s, "TERM", 4) == 0);
		s = after;
	}
	if ((r->head.flags & OC_WIRE_PTY) && !term) {
		add_variable(out, "TERM", "dumb");
		n++;
	}
	return n;
}

int oc_request_build(const struct oc_request *r, const struct oc_plan *plan, struct oc_buf *out,
		     struct oc_err *err)
{
	const char *cwd = r->cwd[0] ? r->cwd : plan->workdir;
	struct oc_call_run run = {
		.type = OC_CALL_RUN,
		.flags = (r->head.flags & OC_WIRE_PTY ? OC_CALL_PTY : OC_CALL_STREAMS) |
			 (r->head.flags & OC_WIRE_PROGRAM ? OC_CALL_PROGRAM : 0),
		.argc = r->head.argc,
		.rows = r->head.rows,
		.cols = r->head.cols,
	};
	size_t at = out->len;

	oc_buf_add(out, &run, sizeof run);
	oc_buf_add(out, cwd, strlen(cwd) + 1);
	oc_buf_add(out, r->argv, r->argv_len);
	run.envc = add_environment(r, plan, cwd, out);
	size_t strings = out->len - at - sizeof run;
	if (strings > OC_CALL_STRINGS_MAX)
		return oc_fail(err, 0, "arguments and environment are longer than %u bytes",
			       OC_CALL_STRINGS_MAX);
	run.strings = (uint32_t)strings;
	memcpy(out->data + at, &run, sizeof run);
	return 0;
}
