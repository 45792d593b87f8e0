/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edit - change one value in the text of openclaw.json and leave every other byte, comments too, as it was.
 *
 * A place that an $include fills is not changed: the error names the file.  What was written parses, always.
 */
#ifndef OC_GATEWAY_CONFIG_EDIT_H
#define OC_GATEWAY_CONFIG_EDIT_H

#include "gateway/config/config.h"

/* text: the root file ("" if it is not there); value: JSON text, NULL: remove the key.  *changed is false if it was not there to be removed. */
int oc_config_edit(const char *text, size_t len, const char *file, const char *path, const char *value,
		   struct oc_buf *out, bool *changed, struct oc_err *err);

/*
 * The same for the file itself: edited, tried as a whole (with opt, as the gateway would load it), and only then put in its
 * place (atomic, 0600).  *warnings (may be NULL) gets the snapshot of the new file, one reference.
 */
int oc_config_edit_file(const struct oc_config_options *opt, const char *path, const char *value, bool *changed,
			struct oc_config **after, struct oc_err *err);

#endif
