/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile - named sets of native keys: those that are compiled in, and files of the user.
 *
 * A profile file is named on the command line or in the configuration, so it is trusted as those are.
 */
#define _GNU_SOURCE 1 /* O_* flags of glibc */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "runtime/plan/internal.h"

/* Made from profiles/NAME.json when the program is built; see local.mk. */
static const char text_default[] =
#include "runtime/plan/profile-default.inc"
	;
static const char text_strict[] =
#include "runtime/plan/profile-strict.inc"
	;
static const char text_build[] =
#include "runtime/plan/profile-build.inc"
	;

const char *const oc_profile_names[] = { "default", "strict", "build", NULL };

const char *oc_profile_builtin(const char *name, size_t *len)
{
	static const struct {
		const char *text;
		size_t len;
	} table[] = {
		{ text_default, sizeof(text_default) - 1 },
		{ text_strict, sizeof(text_strict) - 1 },
		{ text_build, sizeof(text_build) - 1 },
	};
	for (size_t i = 0; oc_profile_names[i]; i++) {
		if (strcmp(oc_profile_names[i], name) == 0) {
			*len = table[i].len;
			return table[i].text;
		}
	}
	return NULL;
}

static int read_file(struct oc_builder *b, const char *name, const char **path, struct oc_buf *text, struct oc_err *err)
{
	struct stat st;
	if (oc_path_given(b, "the profile", name, path, err) < 0)
		return -1;
	oc_auto_close fd = oc_openat2(AT_FDCWD, *path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, RESOLVE_NO_MAGICLINKS);
	if (fd < 0 || fstat(fd, &st) < 0)
		return oc_fail(err, errno, "profile %.300s", *path);
	if (!S_ISREG(st.st_mode))
		return oc_fail(err, 0, "profile %.300s is not a file", *path);
	if (oc_read_all(fd, text, OC_JSON_MAX_BYTES) < 0)
		return oc_fail(err, errno, "profile %.300s", *path);
	return 0;
}

int oc_profile_apply(struct oc_builder *b, const char *name, oc_origin origin, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	struct oc_json *tree = NULL;
	oc_auto_buf own = { 0 };
	size_t len = 0;
	const char *file = NULL;
	const char *text = b->opt->profile_file == name ? NULL : oc_profile_builtin(name, &len);
	if (!text) {
		/* a name without a slash is a mistyped profile rather than a file */
		if (b->opt->profile_file != name && !strchr(name, '/')) {
			const char *near = oc_nearest(name, oc_profile_names);
			oc_fail(err, 0, "%s: there is no profile \"%.200s\"", origin, name);
			return oc_err_hint(err, "%s%s%sa file is named with a '/' in it, such as ./%.100s",
					   near ? "did you mean \"" : "", near ? near : "", near ? "\"? " : "", name);
		}
		if (read_file(b, name, &file, &own, err) < 0)
			return oc_err_context(err, "%s", origin);
		text = own.data ? own.data : "";
		len = own.len;
	}
	plan->profile = file ? file : name;
	plan->origin[OC_V_PROFILE] = origin;
	const char *label = file ? file : oc_arena_printf(b->a, "profile %s", name);
	if (oc_json_parse(b->a, text, len, label, &tree, err) < 0 ||
	    oc_keys_native(b, &b->s, tree, plan->profile, err) < 0)
		return oc_err_step(err, "profile");
	return 0;
}
