/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net - what the files of `oc-sandbox net` share.
 */
#ifndef OC_RUNTIME_CLI_NET_H
#define OC_RUNTIME_CLI_NET_H

#include "base/arena.h"

/* Append s (NULL: nothing) with what a terminal would not show as it is as \xHH or \u{H}: names are
 * hostile. */
void oc_net_text(struct oc_buf *out, const char *s);
/* The sentence for a reason's id in a record; the id itself if we do not know it. */
const char *oc_net_reason(const char *id);

int oc_net_log(int argc, char **argv);

#endif
