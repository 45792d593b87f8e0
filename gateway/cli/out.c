/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out - how a command says something.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"
#include "gateway/cli/cli.h"

int64_t oc_cli_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t oc_cli_mono_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int oc_out_flush(const struct oc_buf *b)
{
	struct oc_err err = {0};

	if (b->len == 0 || oc_write_all(1, b->data, b->len) == 0)
		return 0;
	oc_fail(&err, errno, "cannot write to standard output");
	oc_err_print(&err, "openclaw", 2);
	return 1;
}

int oc_out_fail(const struct oc_err *err, bool json, int status)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	if (!json) {
		oc_err_print(err, "openclaw", 2);
		return status;
	}
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "ok");
	oc_jw_bool(&w, false);
	oc_jw_key(&w, "error");
	oc_jw_object(&w);
	oc_jw_key(&w, "type");
	oc_jw_string(&w, "cli_error");
	oc_jw_key(&w, "message");
	oc_jw_string(&w, err->msg);
	if (err->hint[0]) {
		oc_jw_key(&w, "hint");
		oc_jw_string(&w, err->hint);
	}
	oc_jw_object_end(&w);
	oc_jw_object_end(&w);
	oc_buf_puts(&b, "\n");
	oc_out_flush(&b);
	return status;
}

void oc_out_text(struct oc_buf *b, const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0, len; i < n; i += len) {
		uint32_t cp;
		len = oc_utf8_decode(s + i, n - i, &cp);
		if (len == 0 || oc_utf8_unprintable(cp)) {
			len = len ? len : 1;
			for (size_t k = 0; k < len; k++)
				oc_buf_printf(b, "\\x%02X", (unsigned char)s[i + k]);
		} else {
			oc_buf_add(b, s + i, len);
		}
	}
}

int oc_out_json(const struct oc_json *v)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	oc_jw_init(&w, &b, 2);
	oc_jw_value(&w, v);
	oc_buf_puts(&b, "\n");
	return oc_out_flush(&b);
}

void oc_out_warnings(const struct oc_config *c)
{
	oc_auto_buf b = {0};

	for (size_t i = 0; i < c->warning_count; i++) {
		oc_buf_puts(&b, "openclaw: warning: ");
		oc_out_text(&b, c->warnings[i].text);
		oc_buf_puts(&b, "\n");
	}
	if (b.len)
		oc_write_all(2, b.data, b.len);
}

const char *oc_out_age(char out[24], int64_t ms)
{
	long long s = ms / 1000;

	if (s < 120)
		snprintf(out, 24, "%lld s", s);
	else if (s < 7200)
		snprintf(out, 24, "%lld min", s / 60);
	else if (s < 172800)
		snprintf(out, 24, "%lld h", s / 3600);
	else
		snprintf(out, 24, "%lld d", s / 86400);
	return out;
}
