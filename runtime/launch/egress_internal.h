/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress_internal - what egress.c, egress_records.c and egress_door.c share.
 */
#ifndef OC_RUNTIME_LAUNCH_EGRESS_INTERNAL_H
#define OC_RUNTIME_LAUNCH_EGRESS_INTERNAL_H

#include "runtime/launch/egress.h"

/*
 * egress.c.  The broker has ended, or is ended here because it does not answer; why: NULL, or what
 * the report says in place of its exit status.
 */
void oc_egress_cut(struct oc_egress *e, const char *why);
void oc_egress_count(struct oc_egress *e, struct oc_egress_report *r);

/* egress_records.c: the file of the agent; what is in the pipe, at most so many bytes of it; the
 * last ones into the report. */
void oc_egress_keep(struct oc_egress *e);
void oc_egress_read(struct oc_egress *e, size_t most);
void oc_egress_list(struct oc_egress *e);

/* egress_door.c */
void oc_egress_texts_free(struct oc_egress_texts *t);

#endif
