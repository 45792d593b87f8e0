/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write - a whole file, its directories made where they are missing.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/fileop/fileop.h"

size_t oc_file_lines(const char *data, size_t len)
{
	size_t n = 0;

	for (const char *p = data, *end = data + len; p < end; n++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		p = nl ? nl + 1 : end;
	}
	return n;
}

int oc_file_write(const struct oc_file_request *req, struct oc_json_writer *w, struct oc_err *err)
{
	oc_auto_place p = OC_PLACE_INIT;
	oc_auto_buf text = {0};
	bool in_place;

	if (oc_place_find(req->path, true, &p, err) < 0 ||
	    oc_place_put(&p, req->path, req->content, &in_place, err) < 0)
		return -1;
	oc_buf_printf(&text, "%s %s: %zu bytes, %zu lines", p.exists ? "Replaced" : "Created",
		      req->path, req->content.len,
		      oc_file_lines(req->content.data, req->content.len));
	if (p.exists)
		oc_buf_printf(&text, " (it had %lld bytes)", (long long)p.st.st_size);
	if (in_place)
		oc_buf_puts(&text, "; written over, for no file can be made beside it");
	oc_jw_key(w, "text");
	oc_jw_bytes(w, text.data, text.len);
	return 0;
}
