/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard_config - git configuration text: a strict reader, and the question whether a file is inert.
 *
 * The grammar is that of git's own reader (config.c, 2.39 to 2.51).  Pure functions over bytes; no
 * file is opened, nothing is expanded or included.  Text that git would refuse, or that could be
 * read in two ways, is never inert.
 */
#ifndef OC_RUNTIME_PLAN_GUARD_CONFIG_H
#define OC_RUNTIME_PLAN_GUARD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

#define OC_GITCONF_MAX (1u << 20)

/* section and key in lower case; sub as written, NULL if there is none; value NULL for a key
 * without "=". */
struct oc_gitconf_entry {
	const char *section, *sub, *key, *value;
};
/* Not 0 stops the parser. */
typedef int (*oc_gitconf_fn)(void *ctx, const struct oc_gitconf_entry *e);

/* 0; -1 where git would die (entries before that place were reported, as git does); or what fn
 * returned. */
int oc_gitconf_parse(const char *text, size_t len, oc_gitconf_fn fn, void *ctx);

/* Whether the value of core.worktree stays in the workspace. */
typedef bool (*oc_gitconf_path_fn)(void *ctx, const char *value);

/* Whether one entry can make git run or reach nothing but what it would without it. */
bool oc_gitconf_entry_inert(const struct oc_gitconf_entry *e, oc_gitconf_path_fn path_ok,
			    void *ctx);
/* The whole file; *why (arena) names the first thing that is not. */
bool oc_gitconf_inert(struct oc_arena *a, const char *text, size_t len, oc_gitconf_path_fn path_ok,
		      void *ctx, const char **why);

/* Whether a rebase list (git-rebase-todo) has only commands that run no program. */
bool oc_gittodo_inert(const char *text, size_t len);

#endif
