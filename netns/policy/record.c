/* SPDX-License-Identifier: Apache-2.0 */
/* record - see record.h.  The JSON writer escapes what is hostile; lengths are cut here. */
#include "netns/policy/record.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define TEXT_MAX 1024u

/* gmtime_r(3) reads the time zone file; this must work without files.  Gregorian, 1970 to 9999. */
void oc_record_time(int64_t time_ns, char out[25])
{
	static const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z */
	int64_t s = time_ns < 0 ? 0 : time_ns / 1000000000, days, era_day, era, year, day, month;
	unsigned ms = time_ns < 0 ? 0 : (unsigned)(time_ns / 1000000 % 1000);

	if (s > last)
		s = last;
	days = s / 86400;
	s %= 86400;
	/* Years that start in March put the leap day last; an era is 400 years, 146,097 days. */
	days += 719468;
	era = days / 146097;
	era_day = days % 146097;
	year = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
	day = era_day - (365 * year + year / 4 - year / 100);
	month = (5 * day + 2) / 153;
	day = day - (153 * month + 2) / 5 + 1;
	year += era * 400 + (month >= 10);
	month = month < 10 ? month + 3 : month - 9;
	snprintf(out, 25, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)year % 10000, (unsigned)month % 100,
		 (unsigned)day % 100, (unsigned)(s / 3600) % 100, (unsigned)(s / 60 % 60),
		 (unsigned)(s % 60), ms % 1000);
}

static void text(struct oc_json_writer *w, const char *key, const char *value)
{
	char cut[TEXT_MAX + 1];
	size_t len;

	if (!value || !*value)
		return;
	len = strnlen(value, TEXT_MAX + 1);
	if (len > TEXT_MAX) {
		/* Not within a character. */
		for (len = TEXT_MAX - 3; len > 0 && ((unsigned char)value[len] & 0xC0) == 0x80;)
			len--;
		memcpy(cut, value, len);
		memcpy(cut + len, "...", 4);
		value = cut;
	}
	oc_jw_key(w, key);
	oc_jw_string(w, value);
}

static void number(struct oc_json_writer *w, const char *key, uint64_t n)
{
	oc_jw_key(w, key);
	oc_jw_uint(w, n);
}

void oc_record_write(struct oc_buf *out, const struct oc_record *r)
{
	char time[25], addr[OC_ADDR_TEXT_MAX];
	struct oc_json_writer w;

	oc_record_time(r->time_ns, time);
	oc_jw_init(&w, out, 0);
	oc_jw_object(&w);
	text(&w, "time", time);
	text(&w, "event", r->event);
	text(&w, "decision", r->allowed ? "allow" : "deny");
	text(&w, "name", r->name);
	if (r->addr)
		text(&w, "address", oc_addr_text(r->addr, addr));
	if (r->addr && r->addr_class != OC_ADDR_PUBLIC)
		text(&w, "class", oc_addr_class_name(r->addr_class));
	if (r->port)
		number(&w, "port", r->port);
	text(&w, "protocol", r->protocol);
	text(&w, "type", r->type);
	text(&w, "rule", r->rule);
	text(&w, "reason", oc_egress_reason_id(r->reason));
	text(&w, "seen", r->seen);
	text(&w, "detail", r->detail);
	if (r->has_traffic) {
		number(&w, "sent", r->sent);
		number(&w, "received", r->received);
		number(&w, "duration_us", r->duration_us);
	}
	if (r->dropped)
		number(&w, "dropped", r->dropped);
	oc_jw_object_end(&w);
	oc_buf_add(out, "\n", 1);
}
