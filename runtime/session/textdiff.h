/* SPDX-License-Identifier: Apache-2.0 */
/*
 * textdiff - two texts as a unified diff, for a terminal.
 *
 * Pure.  Shortest edit script (Myers, "An O(ND) Difference Algorithm", 1986) up to a bound on the
 * work; past it what lies between the common beginning and the common end is shown as replaced.
 * Whatever the texts hold, what comes out is printable: control bytes but tab, bytes that are not
 * UTF-8 and marks that turn the direction of a text (CVE-2021-42574) become \xHH.
 */
#ifndef OC_RUNTIME_SESSION_TEXTDIFF_H
#define OC_RUNTIME_SESSION_TEXTDIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

#define OC_TEXTDIFF_MAX (4u << 20) /* bytes of one side; callers say "large" beyond */

/* No NUL in it. */
bool oc_textdiff_is_text(const char *data, size_t len);
/* Hunks ("@@ -a,b +c,d @@" and their lines) with three lines around each; nothing if both are
 * equal. */
void oc_textdiff(const char *a, size_t a_len, const char *b, size_t b_len, struct oc_buf *out);
/* One name, or one line without its newline. */
void oc_textdiff_escape(const char *s, size_t len, struct oc_buf *out);

#endif
