/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_plan_config - the keys of sandbox objects and profiles.  The first byte chooses: sandbox object, the same with
 * docker.* set aside, or profile.  What is taken must hold the promises of struct oc_plan.
 */
#define _GNU_SOURCE 1
#include "runtime/plan/internal.h"
#include "tests/fuzz/fuzz_egress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const char *s)
{
	FUZZ_CHECK(s[0] == '/' && !strstr(s, "/../") && !strstr(s, "//"));
	for (const unsigned char *p = (const unsigned char *)s; *p; p++)
		FUZZ_CHECK(*p >= 0x20 && *p != 0x7f);
}

static void check_settings(const struct oc_settings *s)
{
	for (int i = 0; i < OC_S_COUNT; i++)
		FUZZ_CHECK(s->v[i].origin || (!s->v[i].text && !s->v[i].number));
	for (size_t i = 0; i < s->binds.count; i++) {
		check_path(s->binds.items[i].source);
		check_path(s->binds.items[i].target);
		FUZZ_CHECK(s->binds.items[i].origin);
	}
	for (size_t i = 0; i < s->tmpfs.count; i++)
		check_path(s->tmpfs.items[i].target);
	for (size_t i = 0; i < s->env.count; i++) {
		const char *name = s->env.items[i].name, *why;
		FUZZ_CHECK(oc_env_name_valid(name));
		FUZZ_CHECK(oc_env_allowed(name, &why) || oc_env_secret(name) || !strcmp(name, "PATH") || !strcmp(name, "HOME"));
	}
	for (size_t i = 0; i < s->ulimits.count; i++)
		FUZZ_CHECK(s->ulimits.items[i].soft <= s->ulimits.items[i].hard);
	if (s->v[OC_S_USER].origin) {
		uid_t uid = 0;
		gid_t gid = 0;
		FUZZ_CHECK(oc_parse_user(s->v[OC_S_USER].text, &uid, &gid, NULL) == 0 && uid && gid);
	}
	for (int l = 0; l < OC_LAYER_COUNT; l++)
		FUZZ_CHECK(!(s->may_be_missing & OC_LAYER_BIT(l)) || !oc_layer_info((enum oc_layer)l)->essential);
	const char *seccomp = s->v[OC_S_SECCOMP].text;
	FUZZ_CHECK(!seccomp || oc_check_seccomp(&(struct oc_arena){ 0 }, &seccomp, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan = { .arena = &a };
	struct oc_plan_options opt = { 0 };
	struct oc_builder b = { .plan = &plan, .a = &a, .opt = &opt };
	struct oc_json *v;
	struct oc_err err = { 0 };
	if (size < 1 || oc_json_parse(&a, (const char *)data + 1, size - 1, "fuzz", &v, &err) < 0)
		return 0;
	int r = data[0] % 3 == 2 ? oc_keys_native(&b, &b.s, v, "fuzz", &err) :
				   oc_keys_sandbox(&b, &b.s, v, data[0] % 3 == 1, &err);
	if (r < 0) {
		FUZZ_CHECK(err.msg[0]);
		return 0;
	}
	check_settings(&b.s);
	/* whatever the mode: a later layer may switch it on */
	fuzz_check_rules(b.s.egress.list[0].items, b.s.egress.list[0].count, 0);
	fuzz_check_rules(b.s.egress.list[1].items, b.s.egress.list[1].count, OC_EGRESS_RULE_DENY);
	if (oc_egress_finish(&b, &err) < 0)
		FUZZ_CHECK(err.msg[0]);
	fuzz_check_egress(&plan.egress);
	return 0;
}
