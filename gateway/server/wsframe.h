/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wsframe - RFC 6455 framing on a server's side: bytes in, events out.  Pure.
 *
 * No library of Debian 12 fits: its libwebsockets 4.1.6 reads freed memory before any login (two
 * requests on one connection, the second with an unknown Upgrade: the bug of CVE-2025-11677), and
 * wslay keeps 8 kB of buffers for every idle client.
 *
 * Holds of a message only what the check of UTF-8 needs: payloads are handed on as they come,
 * unmasked in place.  Refuses what the RFC says a server must: frames without a mask, reserved bits
 * and opcodes, control frames that are cut in pieces or longer than 125 bytes, lengths that are not
 * minimal, continuation without a start, text that is not UTF-8, close codes that may not be sent.
 */
#ifndef OC_GATEWAY_WSFRAME_H
#define OC_GATEWAY_WSFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum oc_ws_event {
	OC_WS_MORE, /* all bytes are used up */
	OC_WS_DATA, /* data[0..len) of the message that is being received; last: it is complete */
	OC_WS_PING, /* data[0..len) is to be sent back */
	OC_WS_PONG,
	OC_WS_CLOSE, /* code: 1005 if there is none */
	OC_WS_BAD,   /* code and why: close with them */
};

struct oc_ws_in {
	uint64_t left;	  /* payload of this frame that has not come yet */
	uint64_t message; /* bytes of the message so far */
	uint64_t max;	  /* of a message */
	uint8_t head[14];
	uint8_t have; /* bytes of head */
	uint8_t mask_at;
	uint8_t mask[4];
	uint8_t control[125];
	uint8_t control_len;
	uint8_t opcode; /* of the frame */
	bool fin, in_payload;
	uint8_t started;	    /* opcode of the message, 0: none */
	uint8_t utf8_left;	    /* bytes that are to come */
	uint8_t utf8_min, utf8_max; /* of the next byte */
	bool spent;		    /* closed or bad: nothing more is read */
};

struct oc_ws_out {
	enum oc_ws_event event;
	uint8_t *data;
	size_t len;
	bool last;
	unsigned code;
	const char *why;
};

void oc_ws_init(struct oc_ws_in *in, uint64_t max);
/* Next event of p[*at..n); *at moves on.  p is changed (unmasked). */
void oc_ws_next(struct oc_ws_in *in, uint8_t *p, size_t n, size_t *at, struct oc_ws_out *out);

/* Head of an unmasked frame; returns its length (at most 10). */
size_t oc_ws_head(uint8_t out[10], unsigned opcode, uint64_t len);
#define OC_WS_TEXT     1u
#define OC_WS_BINARY   2u
#define OC_WS_OP_CLOSE 8u
#define OC_WS_OP_PING  9u
#define OC_WS_OP_PONG  10u

/* RFC 6455 7.4: may this code be on the wire? */
bool oc_ws_code_valid(unsigned code);

#endif
