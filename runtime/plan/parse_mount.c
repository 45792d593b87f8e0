/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse_mount - the text forms of binds and tmpfs mounts.  Pure.
 */
#include "runtime/plan/internal.h"

#include <string.h>

int oc_parse_bind(struct oc_arena *a, const char *spec, bool docker, struct oc_bind_spec *out, struct oc_err *err)
{
	const char *part[3] = { NULL, NULL, NULL };
	size_t n = 0;
	if (oc_check_text("a bind", spec, err) < 0)
		return -1;
	for (const char *p = spec;; n++) {
		const char *colon = strchr(p, ':');
		if (n == 3)
			goto bad;
		part[n] = colon ? oc_arena_strndup(a, p, (size_t)(colon - p)) : oc_arena_strdup(a, p);
		if (!colon)
			break;
		p = colon + 1;
	}
	n++;
	out->read_only = !docker;
	/* the last part is a mode if it does not look like a path: a path is absolute here */
	if (n > 1 && part[n - 1][0] != '/') {
		const char *mode = part[--n];
		if (strcmp(mode, "ro") == 0)
			out->read_only = true;
		else if (strcmp(mode, "rw") == 0)
			out->read_only = false;
		else
			goto bad;
		part[n] = NULL;
	}
	if (n > 2 || (docker && n != 2))
		goto bad;
	if (oc_parse_path(a, "the source of a bind", part[0], &out->source, err) < 0 ||
	    oc_parse_path(a, "the target of a bind", part[1] ? part[1] : part[0], &out->target, err) < 0)
		return -1;
	return 0;
bad:
	oc_fail(err, 0, "bind \"%.200s\" cannot be read", spec);
	return oc_err_hint(err, docker ? "write \"source:target[:ro|rw]\" with absolute paths" :
					 "write SRC[:DST][:ro|rw] with absolute paths; without a mode it is read-only");
}

static int tmpfs_option(struct oc_tmpfs_spec *out, const char *key, const char *value, struct oc_err *err)
{
	if (strcmp(key, "size") == 0 && value)
		return oc_parse_size(value, &out->size_bytes, err);
	if (strcmp(key, "nr_inodes") == 0 && value) {
		if (oc_parse_size(value, &out->inodes, err) < 0)
			return -1;
		return out->inodes > UINT32_MAX ? oc_fail(err, 0, "nr_inodes is too large") : 0;
	}
	if (strcmp(key, "mode") == 0 && value) {
		size_t len = strlen(value);
		unsigned mode = 0;
		for (const char *p = value; *p; p++) {
			if (*p < '0' || *p > '7' || len > 5)
				return oc_fail(err, 0, "mode=%.20s is not octal", value);
			mode = mode * 8 + (unsigned)(*p - '0');
		}
		/* set-id bits on a directory would only change group inheritance: nobody needs them here */
		if (len == 0 || mode > 01777)
			return oc_fail(err, 0, "mode=%.20s is not a mode of a tmpfs (at most 1777)", value);
		out->mode = (mode_t)mode;
		return 0;
	}
	if (value)
		goto bad;
	if (strcmp(key, "exec") == 0) {
		out->exec = true;
		return 0;
	}
	if (strcmp(key, "noexec") == 0) {
		out->exec = false;
		return 0;
	}
	/* always on, or the default: accepted because docker writes them */
	static const char *const implied[] = { "rw", "nosuid", "nodev", "noatime", "relatime", "private", "rprivate" };
	for (size_t i = 0; i < sizeof(implied) / sizeof(*implied); i++)
		if (strcmp(key, implied[i]) == 0)
			return 0;
bad:
	oc_fail(err, 0, "\"%.60s\" is not an option of a tmpfs here", key);
	return oc_err_hint(err, "known: size=N mode=OCTAL nr_inodes=N exec noexec");
}

int oc_parse_tmpfs(struct oc_arena *a, const char *spec, struct oc_tmpfs_spec *out, struct oc_err *err)
{
	const char *colon = strchr(spec, ':');
	const char *path = colon ? oc_arena_strndup(a, spec, (size_t)(colon - spec)) : spec;
	if (oc_check_text("a tmpfs", spec, err) < 0)
		return -1;
	*out = (struct oc_tmpfs_spec){ .mode = (mode_t)-1, .exec = true };
	if (oc_parse_path(a, "the target of a tmpfs", path, &out->target, err) < 0)
		return -1;
	if (!colon)
		return 0;
	for (const char *p = colon + 1;;) {
		size_t len = strcspn(p, ",");
		char *key = oc_arena_strndup(a, p, len);
		char *value = strchr(key, '=');
		if (value)
			*value++ = '\0';
		if (tmpfs_option(out, key, value, err) < 0)
			return oc_err_context(err, "tmpfs \"%.200s\"", spec);
		if (!p[len])
			return 0;
		p += len + 1;
	}
}
