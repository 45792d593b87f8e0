/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress_door - what `oc-sandbox net` asks of a live sandbox: its rules, its numbers, a change.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/launch/egress_internal.h"

#define ANSWER_MS 2000 /* the time limit of the command must not wait for a broker that hangs */

static void texts_add(struct oc_egress_texts *t, const char *text)
{
	if (t->count == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 16;
		const char **more = oc_arena_array(&t->arena, t->cap, sizeof *more);
		if (t->count)
			memcpy(more, t->text, t->count * sizeof *more);
		t->text = more;
	}
	t->text[t->count++] = oc_arena_strdup(&t->arena, text);
}

void oc_egress_texts_free(struct oc_egress_texts *t)
{
	oc_arena_free(&t->arena);
	*t = (struct oc_egress_texts){0};
}

static void texts_remove(struct oc_egress_texts *t, const char *text)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->text[i], text) == 0) {
			memmove(t->text + i, t->text + i + 1, (--t->count - i) * sizeof *t->text);
			return;
		}
}

static bool texts_have(const struct oc_egress_texts *t, const char *text)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->text[i], text) == 0)
			return true;
	return false;
}

/* One that has not answered in time is not asked again, and may not go on unasked. */
static int failed(struct oc_egress *e)
{
	char byte;

	if (recv(e->broker.control, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		oc_egress_cut(e, "it did not answer");
	return -1;
}

/* The broker's answer to "stats", in the arena. */
static int ask(struct oc_egress *e, struct oc_arena *a, struct oc_json **out, struct oc_err *err)
{
	oc_auto_buf m = {0}, answer = {0};

	oc_buf_puts(&m, "{\"op\":\"stats\"}");
	if (oc_broker_call(&e->broker, &m, &answer, ANSWER_MS, err) < 0)
		return failed(e);
	return oc_json_parse(a, answer.data, answer.len, "oc-egress", out, err);
}

static void write_list(struct oc_json_writer *w, const char *key, const char *const *text, size_t n)
{
	oc_jw_key(w, key);
	oc_jw_array(w);
	for (size_t i = 0; i < n; i++)
		oc_jw_string(w, text[i]);
	oc_jw_array_end(w);
}

static void write_rules(const struct oc_egress *e, struct oc_json_writer *w)
{
	const struct oc_broker_config *c = &e->config;

	oc_jw_key(w, "mode");
	oc_jw_string(w, c->mode);
	write_list(w, "allow", c->allow, c->allow_count);
	write_list(w, "deny", c->deny, c->deny_count);
	write_list(w, "allowPrivate", c->allow_private, c->allow_private_count);
}

static int write_stats(struct oc_egress *e, struct oc_json_writer *w, struct oc_err *err)
{
	oc_auto_arena a = {0};
	struct oc_egress_report packets = {0};
	struct oc_json *v = NULL;

	if (!e->report->ended && ask(e, &a, &v, err) < 0)
		return -1;
	oc_jw_key(w, "mode");
	oc_jw_string(w, e->config.mode);
	oc_jw_key(w, "broker");
	oc_jw_string(w, e->report->ended ? "ended" : "running");
	for (const struct oc_json *m = v ? v->child : NULL; m; m = m->next)
		if (strcmp(m->key, "op") != 0 && strcmp(m->key, "ok") != 0) {
			oc_jw_key(w, m->key);
			oc_jw_value(w, m);
		}
	oc_egress_count(e, &packets);
	oc_egress_report_write(&packets, w);
	return 0;
}

/* A list on its way to be the next one. */
struct change {
	struct oc_egress_texts next, changed;
	bool deny, remove;
};

/* One rule into or out of it, in its normal form. */
static int change_one(struct change *c, const char *text, struct oc_err *err)
{
	struct oc_egress_rule *rule;
	int r = 0;

	if (oc_egress_rule_parse(text, strlen(text), c->deny ? OC_EGRESS_RULE_DENY : 0, &rule,
				 err) < 0)
		return -1;
	bool there = texts_have(&c->next, rule->text);
	if (c->remove && !there) {
		oc_fail(err, 0, "the rule %s is not in the list \"%s\"", rule->text,
			c->deny ? "deny" : "allow");
		r = -1;
	} else if (c->remove || !there) {
		if (c->remove)
			texts_remove(&c->next, rule->text);
		else
			texts_add(&c->next, rule->text);
		texts_add(&c->changed, rule->text);
	}
	free(rule);
	return r;
}

static int read_change(struct change *c, const struct oc_json *request, struct oc_err *err)
{
	const struct oc_json *rules = oc_json_get(request, "rules");
	const struct oc_json *remove = oc_json_get(request, "remove");
	oc_auto_arena a = {0};

	c->remove = remove && remove->type == OC_JSON_BOOL && remove->boolean;
	if (!rules || rules->type != OC_JSON_ARRAY || rules->count == 0)
		return oc_fail(err, 0, "there are no rules to change");
	for (const struct oc_json *v = rules->child; v; v = v->next) {
		if (v->type != OC_JSON_STRING)
			return oc_json_fail(&a, v, err, "must be a string");
		if (change_one(c, v->string, err) < 0)
			return -1;
	}
	return 0;
}

/* All or nothing: the new list takes the place of the old one when the broker has it. */
static int apply_change(struct oc_egress *e, struct change *c, uint64_t *closed, struct oc_err *err)
{
	struct oc_broker_config next = e->config;
	struct oc_egress_texts *list = c->deny ? &e->deny : &e->allow;

	if (c->changed.count == 0)
		return 0;
	if (c->deny) {
		next.deny = c->next.text;
		next.deny_count = c->next.count;
	} else {
		next.allow = c->next.text;
		next.allow_count = c->next.count;
	}
	if (oc_broker_rules(&e->broker, &next, ANSWER_MS, closed, err) < 0)
		return failed(e);
	e->config = next;
	oc_egress_texts_free(list);
	*list = c->next;
	c->next = (struct oc_egress_texts){0};
	return 0;
}

static int change(struct oc_egress *e, const struct oc_json *request, struct oc_json_writer *w,
		  struct oc_err *err)
{
	const struct oc_json *list = oc_json_get(request, "list");
	const char *name = list && list->type == OC_JSON_STRING ? list->string : "";
	struct change c = {.deny = strcmp(name, "deny") == 0};
	uint64_t closed = 0;

	if (!c.deny && strcmp(name, "allow") != 0)
		return oc_fail(err, 0, "the list is \"allow\" or \"deny\"");
	if (e->report->ended) {
		oc_fail(err, 0, "oc-egress has ended: the network of this sandbox is cut (%s)",
			e->report->how);
		return oc_err_hint(err, "start the sandbox again");
	}
	const char *const *now = c.deny ? e->config.deny : e->config.allow;
	size_t n = c.deny ? e->config.deny_count : e->config.allow_count;
	for (size_t i = 0; i < n; i++)
		texts_add(&c.next, now[i]);
	int r = read_change(&c, request, err);
	if (r == 0)
		r = apply_change(e, &c, &closed, err);
	if (r == 0) {
		write_list(w, "changed", c.changed.text, c.changed.count);
		oc_jw_key(w, "closed");
		oc_jw_uint(w, closed);
	}
	oc_egress_texts_free(&c.next);
	oc_egress_texts_free(&c.changed);
	return r;
}

int oc_egress_handle(void *ctx, const char *op, const struct oc_json *request,
		     struct oc_json_writer *w, struct oc_err *err)
{
	struct oc_egress *e = ctx;

	if (!e->on) {
		oc_fail(err, 0, "this sandbox has no network");
		return oc_err_hint(err, "it was made with --egress none; make it anew with --allow");
	}
	if (strcmp(op, "net.rules") == 0) {
		write_rules(e, w);
		return 0;
	}
	if (strcmp(op, "net.stats") == 0)
		return write_stats(e, w, err);
	if (strcmp(op, "net.change") == 0)
		return change(e, request, w, err);
	return oc_fail(err, 0, "this sandbox knows no operation of that name");
}
