/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remove - takes away a directory that a payload could write.
 *
 * What lies in it is hostile: links, mounts, names, modes, trees that are deeper than there are
 * descriptors.  Nothing is followed and nothing outside is touched.
 */
#ifndef OC_RUNTIME_SESSION_REMOVE_H
#define OC_RUNTIME_SESSION_REMOVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * path: absolute, no links in it.  The directory gets another name first, so that whoever comes
 * next finds none or a new one, never half of it.  0 also if there is none.
 */
int oc_remove_dir(const char *path, struct oc_err *err);
/* What an oc_remove_dir that was killed has left in this directory; returns how many. */
size_t oc_remove_rest(const char *parent);
/* The name of such a rest. */
bool oc_remove_is_rest(const char *name);

#endif
