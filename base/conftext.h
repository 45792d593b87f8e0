/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conftext - the text loader of openclaw.json: file, JSON5, $include, ${ENV}.
 *
 * Both programs read the same file through this.  It knows nothing of the keys.
 */
#ifndef OC_BASE_CONFTEXT_H
#define OC_BASE_CONFTEXT_H

#include "base/json.h"

/* Returns the value of an environment variable or NULL. */
typedef const char *(*oc_getenv_fn)(void *ctx, const char *name);

struct oc_conf_options {
	oc_getenv_fn getenv; /* NULL: the process's environment */
	void *ctx;
	const char *include_roots; /* value of OPENCLAW_INCLUDE_ROOTS, ':' separated, or NULL */
	/*
	 * A ${NAME} that is unset or empty: false: loading fails; true: the text stays and the value's
	 * unset_env is set, so that only who uses this value fails (a program that reads one section of
	 * a file need not have the variables of all others).
	 */
	bool keep_unset;
};

/*
 * Read path (regular file, at most OC_JSON_MAX_BYTES), resolve every $include and substitute ${NAME}
 * in string values.  *out is NULL with return 0 if the file does not exist; otherwise it is an object, at most
 * OC_JSON_MAX_DEPTH deep.  Values keep the file and line that they were written in.
 *
 * {"$include": "f"} is replaced by the content of f; an array of names is merged in order, and the other keys of
 * that object last: objects key by key, arrays are joined, of anything else the later one wins.
 * "$${NAME}" is the text "${NAME}"; a substituted text is not looked at again.
 */
int oc_conf_load(struct oc_arena *a, const char *path, const struct oc_conf_options *opt, struct oc_json **out,
		 struct oc_err *err);

/*
 * Path of the configuration: $OPENCLAW_CONFIG_PATH, or <state>/openclaw.json.
 * State directory: $OPENCLAW_STATE_DIR, or $OPENCLAW_HOME/.openclaw, or $HOME/.openclaw; with $OPENCLAW_PROFILE=X: .openclaw-X.
 * No home at all is an error.  A relative path is one too.
 */
int oc_conf_state_dir(struct oc_arena *a, const struct oc_conf_options *opt, const char **out, struct oc_err *err);
int oc_conf_path(struct oc_arena *a, const struct oc_conf_options *opt, const char **out, struct oc_err *err);

#endif
