/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secrets - host paths that are never mounted.  See secrets.c.
 */
#ifndef OC_RUNTIME_PLAN_SECRETS_H
#define OC_RUNTIME_PLAN_SECRETS_H

#include "runtime/plan/internal.h"

/* path: clean and absolute.  <0 with the reason if nothing at, below or above a blocked place may be mounted. */
int oc_secrets_check(struct oc_builder *b, const char *path, enum oc_source_rule rule, struct oc_err *err);

#endif
