/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openclaw.json as the gateway reads it: both dialects, ports, what is refused, masking, a snapshot as text, and edits that
 * leave the rest of the file as it was.
 */
#include "tests/unit/cm.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "gateway/config/config.h"
#include "gateway/config/edit.h"
#include "gateway/config/near.h"
#include "gateway/config/state.h"

static char top[32];
static const char *env_pairs[16];

static int rm(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int begin(void **state)
{
	(void)state;
	strcpy(top, "/tmp/oc-conf-XXXXXX");
	memset(env_pairs, 0, sizeof(env_pairs));
	env_pairs[0] = "OPENCLAW_STATE_DIR";
	env_pairs[1] = top;
	return mkdtemp(top) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	return nftw(top, rm, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *get(void *ctx, const char *name)
{
	(void)ctx;
	for (size_t i = 0; env_pairs[i]; i += 2)
		if (strcmp(env_pairs[i], name) == 0)
			return env_pairs[i + 1];
	return NULL;
}

static void put(const char *name, const char *text)
{
	char path[96];
	snprintf(path, sizeof(path), "%s/%s", top, name);
	FILE *f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	chmod(path, 0600);
}

static struct oc_config *load(const char *text, struct oc_config_flags flags, struct oc_err *err)
{
	struct oc_config_options opt = {.getenv = get, .flags = flags};
	struct oc_config *c = NULL;
	*err = (struct oc_err){0};
	if (text)
		put("openclaw.json", text);
	return oc_config_load(&opt, &c, err) == 0 ? c : NULL;
}

static void test_defaults(void **state)
{
	(void)state;
	struct oc_err err;
	struct oc_config *c = load(NULL, (struct oc_config_flags){0}, &err);
	assert_non_null(c);
	assert_int_equal(c->port, 18789);
	assert_false(c->exists || c->exposed);
	assert_true(c->auth.mode == OC_AUTH_TOKEN && c->auth.needs_token && !c->auth.token);
	assert_int_equal(c->listen_count, 2);
	assert_string_equal(c->default_agent->id, "main");
	assert_string_equal(c->main_key, "main");
	oc_config_unref(c);
	/* A token is made once, is private, and is found by the next load. */
	oc_auto_arena a = {0};
	const char *one, *two;
	bool made;
	struct stat st;
	char path[96];
	assert_int_equal(oc_state_token(&a, top, true, &one, &made, &err), 0);
	assert_true(made);
	assert_int_equal(oc_state_token(&a, top, true, &two, &made, &err), 0);
	assert_false(made);
	assert_string_equal(one, two);
	assert_int_equal(strlen(one), 43);
	snprintf(path, sizeof(path), "%s/" OC_STATE_TOKEN_FILE, top);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	c = load(NULL, (struct oc_config_flags){0}, &err);
	assert_string_equal(c->auth.token, one);
	assert_int_equal(c->auth.token_from, OC_FROM_STORE);
	oc_config_unref(c);
	/* Open to others: refused. */
	chmod(path, 0644);
	assert_null(load(NULL, (struct oc_config_flags){0}, &err));
}

static void test_ports(void **state)
{
	(void)state;
	struct oc_err err;
	struct oc_config *c = load("{gateway: {port: 0x1000}}", (struct oc_config_flags){0}, &err);
	assert_int_equal(c->port, 4096);
	oc_config_unref(c);
	env_pairs[2] = "OPENCLAW_GATEWAY_PORT";
	env_pairs[3] = "2000";
	c = load(NULL, (struct oc_config_flags){0}, &err);
	assert_int_equal(c->port, 2000);
	assert_int_equal(c->port_from, OC_FROM_ENV);
	oc_config_unref(c);
	c = load(NULL, (struct oc_config_flags){.port = 3000, .port_set = true}, &err);
	assert_int_equal(c->port, 3000);
	oc_config_unref(c);
	env_pairs[3] = "2000x";
	assert_null(load(NULL, (struct oc_config_flags){0}, &err));
	assert_non_null(strstr(err.msg, "OPENCLAW_GATEWAY_PORT"));
	/* .env of the state directory, below the process's environment */
	env_pairs[2] = NULL;
	put(".env", "# x\nexport OPENCLAW_GATEWAY_PORT='2500' \nTOK=\"a b\" # c\n");
	c = load("{gateway: {auth: {token: '${TOK}-and-more-than-24-letters'}}}", (struct oc_config_flags){0}, &err);
	assert_int_equal(c->port, 2500);
	assert_string_equal(c->auth.token, "a b-and-more-than-24-letters");
	oc_config_unref(c);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"{", "openclaw.json:1"},
		{"[]", "must be an object"},
		{"{\n gateway: {port: '1'}}", "openclaw.json:2: gateway.port: must be number, not string"},
		{"{gateway: {port: 65536}}", "gateway.port"},
		{"{gateway: {bind: '0.0.0.0'}}", "gateway.bind"},
		{"{gateway: {bind: 'lan'}}", "refusing to bind gateway to 0.0.0.0 (bind lan) without auth"},
		{"{gateway: {bind: 'lan', auth: {mode: 'none'}}}", "without auth"},
		{"{gateway: {bind: 'custom'}}", "customBindHost"},
		{"{gateway: {bind: 'custom', customBindHost: 'localhost', auth: {token: 't'}}}", "not an IP address"},
		{"{gateway: {auth: {token: 'a', password: 'b'}}}", "no gateway.auth.mode"},
		{"{gateway: {auth: {mode: 'password'}}}", "there is no password"},
		{"{gateway: {auth: {mode: 'password', password: '${NOPE}'}}}", "there is no password"},
		{"{gateway: {auth: {mod: 'none'}}}", "gateway.auth.mod: there is no such key"},
		{"{gateway: {auth: {trustedProxy: {allowUser: ['a']}}}}", "allowUser: there is no such key"},
		{"{gateway: {auth: {mode: 'trusted-proxy'}}}", "userHeader"},
		{"{gateway: {auth: {mode: 'trusted-proxy', trustedProxy: {userHeader: 'x-u'}}}}", "trustedProxies is empty"},
		{"{gateway: {trustedProxies: ['10.0.0.1'], auth: {mode: 'trusted-proxy', token: 't', trustedProxy: {userHeader: 'x-u'}}}}", "token"},
		{"{gateway: {trustedProxies: ['10.0.0.1'], auth: {mode: 'trusted-proxy', trustedProxy: {userHeader: 'Tailscale-User-Login'}}}}", "Tailscale"},
		{"{gateway: {trustedProxies: ['10.0.0.1'], auth: {mode: 'trusted-proxy', trustedProxy: {userHeader: 'x-u', allowUsers: ['${NOPE}']}}}}", "names nobody"},
		{"{gateway: {trustedProxies: ['0.0.0.0/0']}}", "trusts every address"},
		{"{gateway: {trustedProxies: ['10.0.0.0/33']}}", "no IP address or CIDR"},
		{"{gateway: {mode: 'remote'}}", "set gateway.mode=local"},
		{"{gateway: {tls: {enabled: true}}}", "certPath"},
		{"{gateway: {tailscale: {mode: 'funnel'}}}", "password"},
		{"{gateway: {auth: {token: {source: 'exec', id: 'x'}}}}", "source must be env or file"},
		{"{gateway: {auth: {token: {source: 'env', id: 'NOPE'}}}}", "NOPE"},
		{"{hooks: {enabled: true}}", "hooks.token"},
		{"{hooks: {enabled: true, token: 'same'}, gateway: {auth: {token: 'same'}}}", "own secret"},
		{"{agents: {list: [{id: 'a'}], entries: {b: {}}}}", "agents.list is there too"},
		{"{agents: {list: [{id: 'A'}, {id: 'a'}]}}", "there twice"},
		{"{agents: {list: [{name: 'x'}]}}", "needs an id"},
		{"{logging: {level: 'loud'}}", "logging.level"},
		{"{gateway: {$include: 'none.json'}}", "none.json"},
		{"{gateway: {$include: '/etc/passwd'}}", "outside"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct oc_err err;
		struct oc_config *c = load(rows[i].text, (struct oc_config_flags){0}, &err);
		if (c || !strstr(err.msg, rows[i].says))
			fail_msg("row %zu: %s", i, c ? "accepted" : err.msg);
	}
}

static void test_dialects(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{agents: {list: [{id: 'main', workspace: '/w'}, {id: 'Two x', default: true, name: 'T'}]}, unknwn: 1, gatway: {}}",
		"{agents: {entries: {main: {workspace: '/w'}, 'Two x': {default: true, name: 'T'}}}, unknwn: 1, gatway: {}}"};
	for (int i = 0; i < 2; i++) {
		struct oc_err err;
		struct oc_config *c = load(texts[i], (struct oc_config_flags){0}, &err);
		assert_non_null(c);
		assert_int_equal(c->agent_count, 2);
		assert_int_equal(c->agents_as_map, i);
		assert_string_equal(c->default_agent->id, "two-x");
		assert_string_equal(c->default_agent->name, "T");
		assert_string_equal(c->agents[0].workspace, "/w");
		assert_int_equal(c->warning_count, 2);
		assert_non_null(strstr(c->warnings[1].text, "did you mean \"gateway\""));
		/* Through another process, and back. */
		oc_auto_buf b = {0}, again = {0};
		struct oc_config *d;
		oc_config_pack(c, &b);
		assert_int_equal(oc_config_unpack(b.data, b.len, &d, &err), 0);
		oc_config_pack(d, &again);
		assert_string_equal(b.data, again.data);
		assert_string_equal(c->applied_hash, d->applied_hash);
		assert_string_equal(d->default_agent->id, "two-x");
		assert_null(oc_config_needs_restart(c, d));
		d->port++;
		assert_string_equal(oc_config_needs_restart(c, d), "gateway.port");
		oc_config_unref(d);
		oc_config_unref(c);
	}
}

static void test_mask(void **state)
{
	(void)state;
	struct oc_err err;
	oc_auto_buf b = {0};
	struct oc_json_writer w;
	put("more.json", "{token: 'S3-of-the-included-file-here'}");
	struct oc_config *c = load("{gateway: {auth: {$include: 'more.json'}, port: 1, remote: {token: '${UNSET}'}}, channels: {telegram: {botToken: 'S3', "
				   "accounts: {a: {api_key: 'S3'}}}}, env: {vars: {X: 'S3'}}, models: {headers: {'x-y': 'S3'}, "
				   "maxTokens: 5}, list: {tokens: ['S3']}}", (struct oc_config_flags){0}, &err);
	assert_non_null(c);
	assert_string_equal(c->auth.token, "S3-of-the-included-file-here");
	assert_int_equal(c->files.count, 2);
	oc_jw_init(&w, &b, 0);
	oc_config_write_masked(&w, c->root);
	assert_null(strstr(b.data, "S3"));
	assert_non_null(strstr(b.data, "\"maxTokens\":5"));
	assert_non_null(strstr(b.data, "${UNSET}"));
	assert_int_equal(oc_config_at(c, "gateway.port")->number, 1);
	assert_null(oc_config_at(c, "gateway.x[1]"));
	oc_config_unref(c);
}

static void test_edit(void **state)
{
	(void)state;
	static const struct {
		const char *text, *path, *value, *want; /* want NULL: an error */
	} rows[] = {
		{"", "gateway.port", "1", "{ gateway: { port: 1 } }\n"},
		{"// c\n", "a", "1", "// c\n{ a: 1 }\n"},
		{"{}", "a", "1", "{\n  a: 1,\n}"},
		{"{ a: 1 }", "a", "2", "{ a: 2 }"},
		{"{ a: 1 }", "b", "2", "{ a: 1, b: 2 }"},
		{"{\"a\": 1}", "b.c", "2", "{\"a\": 1, \"b\": { \"c\": 2 }}"},
		{"{\n\ta: 1, // one\n\t/* two */ b: 'x',\n}\n", "c", "true", "{\n\ta: 1, // one\n\t/* two */ b: 'x',\n\tc: true,\n}\n"},
		{"{\n  a: 1 // one\n}\n", "b", "2", "{\n  a: 1, // one\n  b: 2\n}\n"},
		{"{\n  a: 1, // one\n  b: 2\n}\n", "a", NULL, "{\n  b: 2\n}\n"},
		{"{\n  a: 1,\n  b: 2 // two\n}\n", "b", NULL, "{\n  a: 1\n}\n"},
		{"{a: [1, {b: '}'}, 3]}", "a[1].b", "9", "{a: [1, {b: 9}, 3]}"},
		{"{a: [1, 2]}", "a[2]", "3", "{a: [1, 2, 3]}"},
		{"{a: [1, 2]}", "a[3]", "3", NULL},
		{"{a: [1, 2]}", "a[0]", NULL, "{a: [ 2]}"},
		{"{a: 1}", "a.b", "1", NULL},
		{"{a: {$include: 'x'}}", "a.b", "1", NULL},
		{"{a: 'it\\'s // no comment', b: 1}", "b", "2", "{a: 'it\\'s // no comment', b: 2}"},
		{"{a: 1}", "a..b", "1", NULL},
		{"{a: 1}", "x[\"a.b\"]", "1", "{a: 1, x: { \"a.b\": 1 }}"},
		{"{a: 1", "b", "1", NULL},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		oc_auto_buf out = {0};
		struct oc_err err = {0};
		bool changed;
		int r = oc_config_edit(rows[i].text, strlen(rows[i].text), "f", rows[i].path, rows[i].value, &out,
				       &changed, &err);
		if (!rows[i].want && r < 0)
			continue;
		if (r < 0 || !rows[i].want || strcmp(out.data, rows[i].want) != 0)
			fail_msg("row %zu: %s", i, r < 0 ? err.msg : out.data);
	}
}

static void test_edit_file(void **state)
{
	(void)state;
	struct oc_config_options opt = {.getenv = get};
	struct oc_config *after;
	struct oc_err err = {0};
	oc_auto_buf text = {0};
	bool changed;
	char path[96];

	put("openclaw.json", "{\n  // mine\n  agents: { list: [{ id: 'a' }] },\n}\n");
	assert_int_equal(oc_config_edit_file(&opt, "gateway.bind", "\"moon\"", &changed, &after, &err), -1);
	assert_non_null(strstr(err.msg, "/openclaw.json:"));
	assert_int_equal(oc_config_edit_file(&opt, "agents.entries.b.name", "\"x\"", &changed, &after, &err), -1);
	assert_int_equal(oc_config_edit_file(&opt, "agents.list[0].name", "\"x\"", &changed, &after, &err), 0);
	oc_config_unref(after);
	snprintf(path, sizeof(path), "%s/openclaw.json", top);
	int fd = open(path, O_RDONLY);
	assert_int_equal(oc_read_all(fd, &text, 4096), 0);
	close(fd);
	assert_string_equal(text.data, "{\n  // mine\n  agents: { list: [{ id: 'a', name: \"x\" }] },\n}\n");
}

static void test_near(void **state)
{
	(void)state;
	static const char *const names[] = {"gateway", "config", "status"};
	assert_string_equal(oc_config_near("gatway", names, 3), "gateway");
	assert_string_equal(oc_config_near("cofnig", names, 3), "config");
	assert_null(oc_config_near("zzz", names, 3));
	assert_null(oc_config_near("", names, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, begin, end),
		cmocka_unit_test_setup_teardown(test_ports, begin, end),
		cmocka_unit_test_setup_teardown(test_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_dialects, begin, end),
		cmocka_unit_test_setup_teardown(test_mask, begin, end),
		cmocka_unit_test(test_edit),
		cmocka_unit_test_setup_teardown(test_edit_file, begin, end),
		cmocka_unit_test(test_near),
	};
	if (cm_skip_without_openat2())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
