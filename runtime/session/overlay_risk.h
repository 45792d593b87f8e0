/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay_risk - what of a change the host would run or trust.
 *
 * Pure.  Names are compared as runtime/plan/guard_names.h compares them, and its table is part of
 * this one; here what is the work itself counts too (build files, package scripts, CI), because
 * somebody reads the list before it is applied.
 */
#ifndef OC_RUNTIME_SESSION_OVERLAY_RISK_H
#define OC_RUNTIME_SESSION_OVERLAY_RISK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What the directories on the way to a name say. */
struct oc_risk_dir {
	unsigned char prefix; /* see oc_guard_classify */
	bool deps, git, forge, below_root;
	const char *why; /* all below it */
};

/*
 * What is risky about a change of this name in dir, NULL if nothing is; *below is what it says if
 * it is a directory.  git_dir: its directory has the parts of a git directory.
 */
const char *oc_risk_name(const struct oc_risk_dir *dir, const char *name, bool git_dir,
			 struct oc_risk_dir *below);
/* The comparable form of a name. */
#define OC_RISK_NAME_MAX 256
const char *oc_risk_fold(const char *name, char out[OC_RISK_NAME_MAX]);
/* Of a regular file with this mode and beginning; NULL if nothing is. */
const char *oc_risk_program(mode_t mode, const char *head, size_t len);
/*
 * Of a symbolic link in a directory so many levels below the root; NULL if it stays in the tree, as
 * far as its text says.
 */
const char *oc_risk_link(const char *target, size_t depth);
/* Both texts of a package.json (a: the old one, NULL if there is none); NULL if what programs of
 * the host run is the same. */
const char *oc_risk_package(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
