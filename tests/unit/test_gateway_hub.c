/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub of the gateway without any socket: the transport here keeps what it is given.  Real
 * config, real device store.
 */
#include "tests/unit/cm.h"

#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "gateway/config/state.h"
#include "gateway/protocol/internal.h"

static char dir[] = "/tmp/oc-test-hub-XXXXXX";
static int64_t mono = 1000, wall = 1760000000000;

struct peer {
	struct oc_gw_conn *c;
	struct oc_buf sent; /* one message a line */
	size_t queued;
	unsigned code, later;
	char reason[124];
	bool authenticated;
};

static bool t_send(void *s, const char *text, size_t len)
{
	struct peer *p = s;

	oc_buf_add(&p->sent, text, len);
	oc_buf_puts(&p->sent, "\n");
	return true;
}
static size_t t_queued(const void *s)
{
	return ((const struct peer *)s)->queued;
}
static void t_close(void *s, unsigned code, const char *reason)
{
	struct peer *p = s;

	assert_int_equal(p->code, 0);
	p->code = code;
	snprintf(p->reason, sizeof p->reason, "%s", reason);
}
static void t_authenticated(void *s)
{
	((struct peer *)s)->authenticated = true;
}
static void t_later(void *s, unsigned ms)
{
	((struct peer *)s)->later = ms;
}
static const struct oc_gw_transport transport = {t_send, t_queued, t_close, t_authenticated,
						 t_later};

static int64_t now_mono(void)
{
	return mono;
}
static int64_t now_wall(void)
{
	return wall;
}

struct world {
	struct oc_config *config;
	struct oc_auth *auth;
	struct oc_gw *gw;
	int state;
};

static const char *no_env(void *ctx, const char *name)
{
	(void)ctx;
	if (strcmp(name, "OPENCLAW_STATE_DIR") == 0 || strcmp(name, "HOME") == 0)
		return dir;
	return strcmp(name, "OPENCLAW_GATEWAY_TOKEN") == 0 ? "a-token-of-more-than-24-characters"
							   : NULL;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct oc_err err = {0};
	const struct oc_config_options o = {.getenv = no_env};

	if (oc_config_load(&o, &w->config, &err) < 0 || (w->state = oc_state_open(dir, &err)) < 0 ||
	    oc_auth_open(w->state, &w->auth, &err) < 0) {
		print_message("%s\n", err.msg);
		return -1;
	}
	const struct oc_gw_options go = {.config = w->config,
					 .auth = w->auth,
					 .version = "1",
					 .transport = &transport,
					 .now_ms = now_wall,
					 .mono_ms = now_mono};
	w->gw = oc_gw_new(&go);
	oc_gw_set_ready(w->gw, true);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	assert_null(w->gw->conns);
	oc_gw_free(w->gw);
	oc_auth_close(w->auth);
	oc_config_unref(w->config);
	close(w->state);
	free(w);
	return 0;
}

static void enter(struct world *w, struct peer *p)
{
	struct oc_auth_peer facts = {.ip = {.family = 4, .b = {127, 0, 0, 1}},
				     .text = "127.0.0.1",
				     .loopback = true,
				     .local_direct = true,
				     .origin_ok = true};

	*p = (struct peer){0};
	p->c = oc_gw_open(w->gw, p, &facts);
	assert_non_null(strstr(p->sent.data, "\"event\":\"connect.challenge\""));
	p->sent.len = 0;
}

static void say(struct peer *p, const char *text)
{
	p->sent.len = 0;
	if (p->sent.data)
		p->sent.data[0] = '\0';
	oc_gw_message(p->c, text, strlen(text));
}

static void leave(struct peer *p)
{
	oc_gw_closed(p->c);
	oc_buf_free(&p->sent);
}

#define HELLO(scopes, mode)                                                                        \
	"{\"type\":\"req\",\"id\":\"c\",\"method\":\"connect\",\"params\":{\"minProtocol\":4,"     \
	"\"maxProtocol\":4,\"client\":{\"id\":\"cli\","                                            \
	"\"version\":\"1\",\"platform\":\"linux\",\"mode\":\"" mode "\"},\"scopes\":[" scopes      \
	"],\"auth\":{\"token\":\"a-token-of-more-than-24-characters\"}}}"

static void test_table_is_sorted(void **state)
{
	(void)state;
	for (const struct oc_gw_method *m = oc_gw_method_table; m->name; m++) {
		assert_true(m == oc_gw_method_table || strcmp(m[-1].name, m->name) < 0);
		assert_ptr_equal(oc_gw_method_find(m->name), m);
	}
	assert_null(oc_gw_method_find("health.x"));
	for (const char *const *name = oc_auth_methods; *name; name++)
		assert_non_null(oc_gw_method_find(*name));
}

static void test_event_gates(void **state)
{
	static const struct {
		const char *event, *role, *scope;
		bool ok;
	} rows[] = {
		{"tick", "operator", NULL, true},
		{"tick", "node", NULL, true},
		{"presence", "operator", NULL, true},
		{"shutdown", "node", NULL, true},
		{"config.changed", "operator", NULL, false},
		{"config.changed", "operator", "operator.read", true},
		{"config.changed", "operator", "operator.write", true},
		{"config.changed", "node", "operator.read", false},
		{"device.pair.requested", "operator", "operator.read", false},
		{"device.pair.requested", "operator", "operator.pairing", true},
		{"device.pair.requested", "operator", "operator.admin", true},
		{"ticket", "operator", "operator.write", false},
		{"who.knows", "operator", "operator.write", false},
		{"who.knows", "operator", "operator.admin", true},
		{"who.knows", "node", "operator.admin", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *list[] = {rows[i].scope};
		const struct oc_scopes s = {list, rows[i].scope ? 1 : 0};
		if (oc_gw_event_allowed(rows[i].event, rows[i].role, &s) != rows[i].ok)
			fail_msg("%s for %s with %s", rows[i].event, rows[i].role,
				 rows[i].scope ? rows[i].scope : "nothing");
	}
}

static void test_events(void **state)
{
	struct world *w = *state;
	struct peer a, b, c;

	enter(w, &a);
	enter(w, &b);
	enter(w, &c);
	say(&a, HELLO("\"operator.read\"", "cli"));
	assert_non_null(strstr(a.sent.data, "\"hello-ok\""));
	assert_true(a.authenticated);
	say(&b, HELLO("\"operator.read\"", "cli"));
	a.sent.len = b.sent.len = 0;
	mono += OC_GW_TICK_MS;
	oc_gw_second(w->gw);
	assert_non_null(
		strstr(a.sent.data, "{\"type\":\"event\",\"event\":\"tick\",\"payload\":{\"ts\":"));
	assert_non_null(strstr(a.sent.data, "\"seq\":1}"));
	/* Who has not entered hears nothing. */
	assert_int_equal(c.sent.len, 0);
	/* An event that is dropped takes its number with it. */
	a.queued = OC_GW_MAX_BUFFERED + 1;
	a.sent.len = 0;
	mono += OC_GW_TICK_MS;
	oc_gw_second(w->gw);
	a.queued = 0;
	mono += OC_GW_TICK_MS;
	oc_gw_second(w->gw);
	/* A tick and a health were. */
	assert_null(strstr(a.sent.data, "\"seq\":2"));
	assert_null(strstr(a.sent.data, "\"seq\":3"));
	assert_non_null(strstr(a.sent.data, "\"seq\":4"));
	/* An answer is not dropped: who cannot take it is closed. */
	a.queued = (size_t)OC_GW_MAX_BUFFERED + OC_GW_MAX_PAYLOAD;
	say(&a, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"health\"}");
	assert_int_equal(a.code, OC_GW_CLOSE_POLICY);
	assert_string_equal(a.reason, "slow consumer");
	b.sent.len = 0;
	oc_gw_shutdown(w->gw, "gateway stopping", 1500);
	assert_non_null(strstr(b.sent.data, "\"event\":\"shutdown\",\"payload\":{\"reason\":"
					    "\"gateway stopping\",\"restartExpectedMs\":1500}"));
	assert_int_equal(b.code, OC_GW_CLOSE_RESTART);
	assert_int_equal(c.code, OC_GW_CLOSE_RESTART);
	leave(&a);
	leave(&b);
	leave(&c);
}

static void test_not_ready(void **state)
{
	struct world *w = *state;
	struct peer a;

	oc_gw_set_ready(w->gw, false);
	enter(w, &a);
	say(&a, HELLO("", "cli"));
	assert_non_null(strstr(a.sent.data, "\"code\":\"UNAVAILABLE\""));
	assert_non_null(strstr(a.sent.data, "\"retryAfterMs\":500"));
	assert_int_equal(a.code, OC_GW_CLOSE_LATER);
	leave(&a);
}

static void test_presence(void **state)
{
	struct world *w = *state;
	struct peer watcher, ui;

	enter(w, &watcher);
	say(&watcher, HELLO("\"operator.read\"", "cli"));
	enter(w, &ui);
	say(&ui, HELLO("", "test"));
	assert_non_null(strstr(ui.sent.data, "\"hello-ok\""));
	mono += 1000;
	watcher.sent.len = 0;
	oc_gw_second(w->gw);
	assert_non_null(strstr(watcher.sent.data, "\"event\":\"presence\""));
	assert_non_null(strstr(watcher.sent.data, "\"reason\":\"connect\""));
	assert_non_null(strstr(watcher.sent.data, "\"stateVersion\":{\"presence\":2"));
	leave(&ui);
	say(&watcher, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"system-presence\"}");
	assert_non_null(strstr(watcher.sent.data, "\"reason\":\"disconnect\""));
	assert_non_null(strstr(watcher.sent.data, "\"reason\":\"self\""));
	wall += OC_PRESENCE_TTL_MS + 1;
	say(&watcher, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"system-presence\"}");
	assert_null(strstr(watcher.sent.data, "\"reason\":\"disconnect\""));
	leave(&watcher);
}

static void test_close_reason(void **state)
{
	struct world *w = *state;
	struct peer a;
	char reason[200] = "";

	for (int i = 0; i < 60; i++)
		strncat(reason, "é", sizeof reason - strlen(reason) - 1);
	memcpy(reason + 120, "xéé", 6);
	enter(w, &a);
	oc_gw_close(a.c, OC_GW_CLOSE_POLICY, reason);
	/* 121 bytes and a character of two. */
	assert_int_equal(strlen(a.reason), 123);
	leave(&a);
	enter(w, &a);
	reason[120] = (char)0xC3;
	reason[121] = (char)0xA9;
	memcpy(reason + 122, "éé", 5);
	oc_gw_close(a.c, OC_GW_CLOSE_POLICY, reason);
	assert_int_equal(strlen(a.reason), 122);
	leave(&a);
}

static void test_wrong_token_waits(void **state)
{
	struct world *w = *state;
	struct peer a;

	enter(w, &a);
	say(&a, "{\"type\":\"req\",\"id\":\"c\",\"method\":\"connect\",\"params\":{\"minProtocol\":"
		"4,\"maxProtocol\":4,\"client\":{\"id\":\"cli\","
		"\"version\":\"1\",\"platform\":\"linux\",\"mode\":\"cli\"},\"auth\":{\"token\":"
		"\"wrong\"}}}");
	if (a.later) {
		assert_int_equal(a.sent.len, 0);
		/* What comes meanwhile is not heard. */
		say(&a, HELLO("", "cli"));
		assert_int_equal(a.sent.len, 0);
		oc_gw_later(a.c);
	}
	assert_non_null(strstr(a.sent.data, "AUTH_TOKEN_MISMATCH"));
	assert_int_equal(a.code, OC_GW_CLOSE_POLICY);
	assert_false(a.authenticated);
	leave(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_sorted),
		cmocka_unit_test(test_event_gates),
		cmocka_unit_test_setup_teardown(test_events, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_ready, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_presence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_close_reason, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wrong_token_waits, set_up, tear_down),
	};

	if (cm_skip_without_openat2())
		return 0;
	if (!mkdtemp(dir))
		return 1;
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	char sub[96];
	static const char *const left[] = {"devices/paired.json", "devices/token-key", "devices",
					   ""};
	for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
		snprintf(sub, sizeof sub, "%s/%s", dir, left[i]);
		(void)remove(sub);
	}
	return r;
}
