/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper - the programs that come with oc-sandbox (oc-probe, oc-fileop, oc-egress).
 */
#ifndef OC_RUNTIME_LAUNCH_HELPER_H
#define OC_RUNTIME_LAUNCH_HELPER_H

#include "base/err.h"

/*
 * Open a helper for reading and executing.  In a build tree it lies beside the program that runs, and is newer there than an
 * installed one; else it is in libexec.  No environment variable has a say.
 */
int oc_helper_open(const char *name, struct oc_err *err);

/* A sealed copy of it, which nobody can change and which needs no path to be executed. */
int oc_helper_load(const char *name, struct oc_err *err);
/* The same of a file that is open. */
int oc_helper_seal(int fd, const char *name, struct oc_err *err);

#endif
