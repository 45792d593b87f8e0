/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filters - the seccomp programs that were compiled when oc-sandbox was built.
 * The table itself is generated (profiles/gen); nothing is compiled at run time.
 */
#ifndef OC_RUNTIME_LAUNCH_FILTERS_H
#define OC_RUNTIME_LAUNCH_FILTERS_H

#include <linux/filter.h>

struct oc_filter {
	const char *name; /* "default", "strict", "build", "init" (for pid 1) */
	const struct sock_filter *insns;
	unsigned short count;
};

/* NULL if there is none of that name. */
const struct oc_filter *oc_filter_find(const char *name);

#endif
