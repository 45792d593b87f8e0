/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask - the message "test" of broker.h: what would come of a connection to a name or an address.
 *
 * Decides with the functions that decide for a sandbox, in their order: the query, the connection,
 * then every address that the name has.  Asks upstream only for a name that is allowed, and
 * connects to nobody.
 */
#include <stdlib.h>
#include <string.h>

#include "netns/broker/internal.h"

struct ask {
	struct oc_waiter waiter;
	struct oc_timer timer;
	char *name; /* as it was asked for */
	bool named; /* not an address */
	char norm[OC_NAME_MAX + 1];
	struct oc_addr addr;
	uint16_t port;
	struct oc_egress_answer query, connect;
};

static void write_answer(struct oc_json_writer *w, const char *key,
			 const struct oc_egress_answer *a)
{
	oc_jw_key(w, key);
	oc_jw_object(w);
	oc_jw_key(w, "allowed");
	oc_jw_bool(w, a->allowed);
	oc_jw_key(w, "reason");
	oc_jw_string(w, oc_egress_reason_id(a->reason));
	oc_jw_key(w, "rule");
	oc_jw_string(w, a->rule ? a->rule->text : NULL);
	oc_jw_object_end(w);
}

static void write_address(struct oc_json_writer *w, const struct oc_addr *addr,
			  const struct oc_egress_answer *a)
{
	char text[OC_ADDR_TEXT_MAX];

	oc_jw_object(w);
	oc_jw_key(w, "address");
	oc_jw_string(w, oc_addr_text(addr, text));
	oc_jw_key(w, "allowed");
	oc_jw_bool(w, a->allowed);
	oc_jw_key(w, "reason");
	oc_jw_string(w, oc_egress_reason_id(a->reason));
	oc_jw_key(w, "class");
	oc_jw_string(w, oc_addr_class_name(a->addr_class));
	oc_jw_object_end(w);
}

/* How it would be looked into. */
static const char *check_id(const struct oc_egress_answer *a)
{
	switch (a->check) {
	case OC_EGRESS_CHECK_NAME:
		return "name";
	case OC_EGRESS_CHECK_ADDRESS:
		return "address";
	case OC_EGRESS_CHECK_NONE:
		break;
	}
	return "none";
}

static const char *check_text(const struct oc_egress_answer *a)
{
	switch (a->check) {
	case OC_EGRESS_CHECK_NAME:
		return a->ech ? "allowed if the first bytes are TLS or HTTP for this name; an "
				"encrypted ClientHello is let through"
			      : "allowed if the first bytes are TLS or HTTP for this name";
	case OC_EGRESS_CHECK_ADDRESS:
		return "allowed if the first bytes are TLS without a server name, or HTTP for this "
		       "address";
	case OC_EGRESS_CHECK_NONE:
		break;
	}
	return "allowed, and not looked into";
}

/* status: of the name; ALLOWED for an address.  q is gone afterwards. */
static void finish(struct oc_eg *g, struct ask *q, enum oc_egress_reason status,
		   const struct oc_addr *addr, size_t count)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;
	enum oc_egress_reason why = status;
	bool any = false;

	oc_control_answer(&w, &b, "test", true);
	oc_jw_key(&w, "name");
	oc_jw_string(&w, q->norm[0] ? q->norm : q->name);
	oc_jw_key(&w, "port");
	oc_jw_uint(&w, q->port);
	if (q->named)
		write_answer(&w, "query", &q->query);
	if (q->connect.reason != OC_EGRESS_ALLOWED || q->connect.allowed)
		write_answer(&w, "connect", &q->connect);
	oc_jw_key(&w, "addresses");
	oc_jw_array(&w);
	for (size_t i = 0; i < count; i++) {
		struct oc_egress_answer a = q->connect;
		if (q->named)
			oc_egress_decide_resolved(&g->rules, &q->connect, &addr[i], q->port, &a);
		write_address(&w, &addr[i], &a);
		any = any || a.allowed;
		why = any ? OC_EGRESS_ALLOWED : a.reason;
	}
	oc_jw_array_end(&w);
	bool allowed = any && why == OC_EGRESS_ALLOWED;
	oc_jw_key(&w, "allowed");
	oc_jw_bool(&w, allowed);
	oc_jw_key(&w, "reason");
	oc_jw_string(&w, oc_egress_reason_id(why));
	oc_jw_key(&w, "check");
	oc_jw_string(&w, check_id(&q->connect));
	oc_jw_key(&w, "text");
	oc_jw_string(&w, allowed ? check_text(&q->connect) : oc_egress_reason_text(why));
	oc_jw_object_end(&w);
	oc_control_send(g, &b);
	oc_timer_clear(g, &q->timer);
	oc_resolve_cancel(&q->waiter);
	oc_loop_close(&g->control);
	free(q->name);
	free(q);
}

static void resolved(struct oc_eg *g, struct oc_waiter *w, enum oc_egress_reason status,
		     const struct oc_addr *addr, size_t count)
{
	finish(g, OC_CONTAINER(w, struct ask, waiter), status, addr,
	       status == OC_EGRESS_ALLOWED ? count : 0);
}

static void late(struct oc_eg *g, struct oc_timer *t)
{
	finish(g, OC_CONTAINER(t, struct ask, timer), OC_EGRESS_CONNECT_TIMEOUT, NULL, 0);
}

void oc_ask_event(struct oc_eg *g, struct oc_event *e, uint32_t events)
{
	(void)g;
	(void)events;
	oc_loop_close(e);
}

static void decide(struct oc_eg *g, struct ask *q)
{
	const struct oc_addr unmapped = oc_addr_unmap(&q->addr);

	oc_loop_clock(g);
	if (!q->named) {
		oc_conn_decide(g, NULL, &q->addr, q->port, &q->connect);
		finish(g, q, q->connect.reason, &unmapped, 1);
		return;
	}
	oc_egress_decide_query(&g->rules, q->name, &q->query);
	if (!q->query.allowed) {
		finish(g, q, q->query.reason, NULL, 0);
		return;
	}
	oc_conn_decide(g, q->norm, NULL, q->port, &q->connect);
	if (!q->connect.allowed)
		finish(g, q, q->connect.reason, NULL, 0);
	else if (oc_timer_set(g, &q->timer, g->connect_us) < 0)
		finish(g, q, OC_EGRESS_LIMIT, NULL, 0);
	else
		oc_resolve(g, q->norm, &q->waiter);
}

int oc_ask(struct oc_eg *g, struct oc_arena *a, const struct oc_json *m, struct oc_err *err)
{
	const struct oc_json *name = oc_json_get(m, "name"), *port = oc_json_get(m, "port");
	int64_t n;

	if (!name || name->type != OC_JSON_STRING || !port)
		return oc_json_fail(a, m, err, "there is no name or no port");
	if (oc_json_int(a, port, 0, 65535, &n, err) < 0)
		return -1;
	struct ask *q = calloc(1, sizeof *q);
	char *text = q ? strdup(name->string) : NULL;
	if (!text)
		oc_oom();
	q->waiter.fn = resolved;
	q->timer.fn = late;
	q->name = text;
	q->port = (uint16_t)n;
	q->named = oc_addr_parse(text, strlen(text), &q->addr) < 0;
	if (q->named)
		(void)oc_name_normalize(text, strlen(text), q->norm);
	decide(g, q);
	return 0;
}
