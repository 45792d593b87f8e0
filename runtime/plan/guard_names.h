/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard_names - the table of names that a host program trusts, and how a name is compared with it.
 *
 * Pure functions over bytes.  A name counts if some file system could take it for the name of a
 * row: ASCII case does not count, nor do the code points that HFS+ and casefolding ext4 and f2fs
 * ignore or fold to ASCII (CVE-2014-9390, CVE-2025-59944).
 */
#ifndef OC_RUNTIME_PLAN_GUARD_NAMES_H
#define OC_RUNTIME_PLAN_GUARD_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define OC_GUARD_NAME_MAX 255

enum oc_name_where {
	OC_NAME_ROOT, /* counts at the root of the workspace: it could be somebody's home directory
		       */
	OC_NAME_ANY,  /* counts in every directory, but not below node_modules: packages bring such
			 files and nobody opens them there */
	OC_NAME_DEPS, /* counts in every directory without exception */
};

struct oc_guard_name {
	const char *name; /* lower case; "dir/name" for what counts inside one directory only */
	enum oc_name_where where;
	const char *why; /* what runs or trusts it */
};

/* Parts of a git directory, as found by oc_guard_classify. */
enum oc_git_part {
	OC_GIT_NONE,
	OC_GIT_DOTGIT,
	OC_GIT_HEAD,
	OC_GIT_OBJECTS,
	OC_GIT_REFS,
	OC_GIT_LOGS,
	OC_GIT_COMMONDIR,
	OC_GIT_CONFIG,
	OC_GIT_HOOKS,
	OC_GIT_REMOTES,
	OC_GIT_REBASE,
	OC_GIT_TODO,
};

struct oc_name_class {
	const struct oc_guard_name *row; /* NULL: not in the table */
	enum oc_git_part
		part; /* by name alone: whether it means anything depends on the directory */
	unsigned char prefix; /* if it is a directory: the place below it, see oc_guard_classify */
	bool deps;	      /* if it is a directory: a store of packages */
};

/*
 * prefix: 0, or what the class of the directory said; root: the directory is the workspace; deps:
 * it is below node_modules.
 */
struct oc_name_class oc_guard_classify(const char *name, unsigned char prefix, bool root,
				       bool deps);

/* The comparable form of a name; out is cut at OC_GUARD_NAME_MAX. */
void oc_guard_fold(const char *name, char out[OC_GUARD_NAME_MAX + 1]);

const struct oc_guard_name *oc_guard_names(size_t *count);

/* Names under which git looks for hooks, NULL-terminated: for core.hooksPath that names the
 * workspace itself. */
extern const char *const oc_git_hook_names[];

#endif
