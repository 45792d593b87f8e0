/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - a verification for people and as JSON.  Pure.
 *
 * Objects and details may quote names from a hostile workspace: control bytes never reach the
 * terminal.
 */
#include <string.h>

#include "runtime/verify/verify.h"

static const char *layer_name(enum oc_layer l)
{
	return l < OC_LAYER_COUNT ? oc_layer_info(l)->name : "?";
}

static size_t put_safe(struct oc_buf *out, const char *s)
{
	size_t width = 0;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c >= 0x7f) {
			oc_buf_printf(out, "\\x%02x", c);
			width += 4;
		} else {
			oc_buf_add(out, s, 1);
			width++;
		}
	}
	return width;
}

static void pad(struct oc_buf *out, size_t width, size_t to)
{
	do
		oc_buf_puts(out, " ");
	while (++width < to);
}

void oc_verify_text(const struct oc_verify_report *rep, bool brief, struct oc_buf *out)
{
	size_t ok = 0;

	if (!brief || rep->differs || rep->missing)
		oc_buf_printf(out, "%-8s %-36s %-34s %s\n", "", "tried", "claimed", "verified");
	for (size_t i = 0; i < rep->count; i++) {
		const struct oc_verify_row *r = &rep->rows[i];
		size_t w;

		ok += r->verdict == OC_VERDICT_OK;
		if (brief && r->verdict == OC_VERDICT_OK)
			continue;
		oc_buf_printf(out, "%-8s ", oc_verdict_name(r->verdict));
		w = put_safe(out, r->probe);
		if (*r->object) {
			oc_buf_puts(out, " ");
			w += 1 + put_safe(out, r->object);
		}
		pad(out, w, 37);
		pad(out, put_safe(out, r->claimed), 35);
		if (strcmp(r->observed, "value") != 0) {
			put_safe(out, r->observed);
			if (*r->detail)
				oc_buf_puts(out, " ");
		}
		put_safe(out, r->detail);
		oc_buf_puts(out, "\n");
	}
	oc_buf_printf(out,
		      "%zu tried: %zu as claimed, %zu not, %zu of layers that are allowed to be "
		      "missing\n",
		      rep->count, ok, rep->differs, rep->missing);
}

void oc_verify_json(const struct oc_verify_report *rep, struct oc_json_writer *w)
{
	oc_jw_object(w);
	oc_jw_key(w, "planHash");
	oc_jw_string(w, rep->plan_hash);
	oc_jw_key(w, "ok");
	oc_jw_bool(w, rep->differs == 0);
	oc_jw_key(w, "differs");
	oc_jw_uint(w, rep->differs);
	oc_jw_key(w, "missing");
	oc_jw_uint(w, rep->missing);
	oc_jw_key(w, "rows");
	oc_jw_array(w);
	for (size_t i = 0; i < rep->count; i++) {
		const struct oc_verify_row *r = &rep->rows[i];

		oc_jw_object(w);
		oc_jw_key(w, "layer");
		oc_jw_string(w, layer_name(r->layer));
		oc_jw_key(w, "probe");
		oc_jw_string(w, r->probe);
		if (*r->object) {
			oc_jw_key(w, "object");
			oc_jw_string(w, r->object);
		}
		oc_jw_key(w, "claimed");
		oc_jw_string(w, r->claimed);
		oc_jw_key(w, "observed");
		oc_jw_string(w, r->observed);
		oc_jw_key(w, "detail");
		oc_jw_string(w, r->detail);
		oc_jw_key(w, "verdict");
		oc_jw_string(w, oc_verdict_name(r->verdict));
		oc_jw_object_end(w);
	}
	oc_jw_array_end(w);
	oc_jw_object_end(w);
}
