/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wsframe - see wsframe.h.
 */
#include "gateway/server/wsframe.h"

#include <string.h>

void oc_ws_init(struct oc_ws_in *in, uint64_t max)
{
	*in = (struct oc_ws_in){.max = max};
}

bool oc_ws_code_valid(unsigned code)
{
	if (code >= 3000 && code <= 4999)
		return true;
	/* 1004 is reserved, 1005, 1006 and 1015 are never sent; 1012 to 1014 are IANA's. */
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

static void bad(struct oc_ws_in *in, struct oc_ws_out *out, unsigned code, const char *why)
{
	in->spent = true;
	out->event = OC_WS_BAD;
	out->code = code;
	out->why = why;
}

/* Well-formed UTF-8 (Unicode 3.9, table 3-7), across pieces. */
static bool utf8_piece(struct oc_ws_in *in, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t c = p[i];
		if (in->utf8_left) {
			if (c < in->utf8_min || c > in->utf8_max)
				return false;
			in->utf8_left--;
			in->utf8_min = 0x80;
			in->utf8_max = 0xBF;
			continue;
		}
		if (c < 0x80)
			continue;
		in->utf8_min = 0x80;
		in->utf8_max = 0xBF;
		if (c >= 0xC2 && c <= 0xDF) {
			in->utf8_left = 1;
		} else if (c >= 0xE0 && c <= 0xEF) {
			in->utf8_left = 2;
			if (c == 0xE0)
				in->utf8_min = 0xA0;
			if (c == 0xED)
				in->utf8_max = 0x9F;
		} else if (c >= 0xF0 && c <= 0xF4) {
			in->utf8_left = 3;
			if (c == 0xF0)
				in->utf8_min = 0x90;
			if (c == 0xF4)
				in->utf8_max = 0x8F;
		} else {
			return false;
		}
	}
	return true;
}

static void unmask(struct oc_ws_in *in, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		p[i] ^= in->mask[in->mask_at & 3];
		in->mask_at = (uint8_t)((in->mask_at + 1) & 3);
	}
}

/* Length of the head, as far as it can be known of the first two bytes. */
static size_t head_size(const struct oc_ws_in *in)
{
	unsigned len = in->head[1] & 0x7F;

	return 2u + (len == 126 ? 2 : len == 127 ? 8 : 0) + 4;
}

static bool read_length(struct oc_ws_in *in, struct oc_ws_out *out)
{
	unsigned len = in->head[1] & 0x7F;
	uint64_t n = len;
	unsigned bytes = len == 126 ? 2 : len == 127 ? 8 : 0;

	if (bytes) {
		n = 0;
		for (unsigned i = 0; i < bytes; i++)
			n = n << 8 | in->head[2 + i];
		if (n >> 63 || n < (bytes == 2 ? 126u : 65536u)) {
			bad(in, out, 1002, "frame length is not minimal");
			return false;
		}
	}
	in->left = n;
	memcpy(in->mask, in->head + 2 + bytes, 4);
	in->mask_at = 0;
	return true;
}

/* What the first two bytes alone say, so that nothing is waited for that will be refused. */
static bool check_start(struct oc_ws_in *in, struct oc_ws_out *out)
{
	uint8_t a = in->head[0], b = in->head[1];

	in->opcode = a & 0x0F;
	in->fin = (a & 0x80) != 0;
	if (a & 0x70) {
		bad(in, out, 1002, "reserved bits are set");
	} else if (!(b & 0x80)) {
		bad(in, out, 1002, "frame is not masked");
	} else if (in->opcode >= 8) {
		if (in->opcode > OC_WS_OP_PONG)
			bad(in, out, 1002, "reserved opcode");
		else if (!in->fin || (b & 0x7F) > 125)
			bad(in, out, 1002, "control frame is fragmented or too long");
	} else if (in->opcode > OC_WS_BINARY) {
		bad(in, out, 1002, "reserved opcode");
	} else if (in->opcode == 0 && !in->started) {
		bad(in, out, 1002, "continuation of nothing");
	} else if (in->opcode != 0 && in->started) {
		bad(in, out, 1002, "message within a message");
	} else if (in->opcode == OC_WS_BINARY) {
		bad(in, out, 1003, "binary frames are not used");
	}
	return !in->spent;
}

/* True: the head is complete and the payload begins. */
static bool take_head(struct oc_ws_in *in, const uint8_t *p, size_t n, size_t *at,
		      struct oc_ws_out *out)
{
	while (*at < n) {
		in->head[in->have++] = p[(*at)++];
		if (in->have == 2 && !check_start(in, out))
			return false;
		if (in->have < 2 || in->have < head_size(in))
			continue;
		if (!read_length(in, out))
			return false;
		in->have = 0;
		in->in_payload = true;
		if (in->opcode >= 8) {
			in->control_len = 0;
			return true;
		}
		if (in->opcode) {
			in->started = in->opcode;
			in->message = 0;
			in->utf8_left = 0;
		}
		if (in->left > in->max - in->message) {
			bad(in, out, 1009, NULL);
			return false;
		}
		in->message += in->left;
		return true;
	}
	return false;
}

static void end_control(struct oc_ws_in *in, struct oc_ws_out *out)
{
	in->in_payload = false;
	out->data = in->control;
	out->len = in->control_len;
	if (in->opcode != OC_WS_OP_CLOSE) {
		out->event = in->opcode == OC_WS_OP_PING ? OC_WS_PING : OC_WS_PONG;
		return;
	}
	if (in->control_len == 1) {
		bad(in, out, 1002, "close frame of one byte");
		return;
	}
	out->code = 1005;
	if (in->control_len >= 2) {
		struct oc_ws_in reason = {0};
		out->code = (unsigned)in->control[0] << 8 | in->control[1];
		if (!oc_ws_code_valid(out->code)) {
			bad(in, out, 1002, "close code is not valid");
			return;
		}
		if (!utf8_piece(&reason, in->control + 2, in->control_len - 2u) ||
		    reason.utf8_left) {
			bad(in, out, 1007, "close reason is not UTF-8");
			return;
		}
	}
	in->spent = true;
	out->event = OC_WS_CLOSE;
}

void oc_ws_next(struct oc_ws_in *in, uint8_t *p, size_t n, size_t *at, struct oc_ws_out *out)
{
	*out = (struct oc_ws_out){.event = OC_WS_MORE};
	if (in->spent) {
		*at = n;
		return;
	}
	if (!in->in_payload && !take_head(in, p, n, at, out))
		return;
	size_t have = n - *at;
	size_t take = in->left < have ? (size_t)in->left : have;
	uint8_t *data = p + *at;
	unmask(in, data, take);
	*at += take;
	in->left -= take;
	if (in->opcode >= 8) {
		memcpy(in->control + in->control_len, data, take);
		in->control_len = (uint8_t)(in->control_len + take);
		if (in->left == 0)
			end_control(in, out);
		return;
	}
	bool end = in->left == 0;
	if (take == 0 && !end)
		return;
	if (!utf8_piece(in, data, take) || (end && in->fin && in->utf8_left)) {
		bad(in, out, 1007, "text is not UTF-8");
		return;
	}
	out->event = OC_WS_DATA;
	out->data = data;
	out->len = take;
	out->last = end && in->fin;
	if (end)
		in->in_payload = false;
	if (out->last)
		in->started = 0;
}

size_t oc_ws_head(uint8_t out[10], unsigned opcode, uint64_t len)
{
	out[0] = (uint8_t)(0x80 | opcode);
	if (len < 126) {
		out[1] = (uint8_t)len;
		return 2;
	}
	unsigned bytes = len < 65536 ? 2 : 8;
	out[1] = bytes == 2 ? 126 : 127;
	for (unsigned i = 0; i < bytes; i++)
		out[2 + i] = (uint8_t)(len >> (8 * (bytes - 1 - i)));
	return 2 + bytes;
}
