/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_plan_egress - what options, profile and configuration make of plan->egress: tables of what
 * is taken and what is refused, how layers add up, and what explain, hash and /etc/resolv.conf say
 * of it.
 */
#define _GNU_SOURCE 1 /* nftw(3) */
#include "base/json.h"
#include "tests/unit/plan_test.h"

#define COUNT(x) (sizeof(x) / sizeof(*(x)))
#define LIST	 4

/* "mode +allow -deny ~class", in that order, as one line. */
static const char *shown(const struct oc_plan_egress *e)
{
	static char out[4096];
	size_t n = (size_t)snprintf(out, sizeof(out), "%s", oc_egress_mode_name(e->mode));
	const struct {
		char mark;
		const struct oc_egress_list_row *row;
		size_t count;
	} lists[] = { { '+', e->allow, e->allow_count },
		      { '-', e->deny, e->deny_count },
		      { '~', e->allow_private, e->allow_private_count } };
	for (size_t l = 0; l < COUNT(lists); l++)
		for (size_t i = 0; i < lists[l].count; i++) {
			assert_non_null(lists[l].row[i].origin);
			n += (size_t)snprintf(out + n, sizeof(out) - n, " %c%s", lists[l].mark,
					      lists[l].row[i].text);
		}
	return out;
}

static size_t length(const char *const *list)
{
	size_t n = 0;
	while (n < LIST && list[n])
		n++;
	return n;
}

/* want: what shown says; or "!" and a part of the message. */
static const struct {
	const char *egress, *allow[LIST], *deny[LIST], *private_[LIST], *want;
} options[] = {
	{ .want = "none" },
	{ .egress = "none", .want = "none" },
	{ .egress = "open", .want = "open" },
	{ .egress = "allowlist", .want = "none" },
	{ .egress = "allowlist", .deny = { "a.example" }, .want = "none" },
	{ .allow = { "a.example" }, .want = "allowlist +a.example" },
	{ .egress = "allowlist", .allow = { "a.example" }, .want = "allowlist +a.example" },
	{ .egress = "open",
	  .allow = { "tcp:10.0.0.1:22" },
	  .deny = { "b.example" },
	  .want = "open +tcp:10.0.0.1/32:22 -b.example" },
	{ .egress = "open", .deny = { "*.b.example:443" }, .want = "open -*.b.example:443" },
	{ .egress = "open",
	  .private_ = { "private", "loopback" },
	  .want = "open ~private ~loopback" },
	/* once, in normal form, in the order of the command line */
	{ .allow = { "B.Example.", "a.example:443,80", "b.example", "a.example" },
	  .want = "allowlist +b.example +a.example" },
	{ .allow = { "a.example" },
	  .deny = { "A.example", "a.example:1-65535" },
	  .want = "allowlist +a.example -a.example" },
	{ .allow = { "a.example" },
	  .private_ = { "private", "private" },
	  .want = "allowlist +a.example ~private" },
	{ .allow = { "a.example:8080,443", "tcp:*.b.example:22", "[2001:db8::]/32:443",
		     "ech:c.example" },
	  .want = "allowlist +a.example:443,8080 +tcp:*.b.example:22 +[2001:db8::]/32:443 "
		  "+ech:c.example" },

	{ .egress = "", .want = "!--egress must be none, allowlist or open, not \"\"" },
	{ .egress = "Open", .want = "!--egress must be" },
	{ .egress = "none ", .want = "!--egress must be" },
	{ .egress = "none",
	  .allow = { "a.example" },
	  .want = "!--egress none and --allow contradict" },
	{ .egress = "none",
	  .deny = { "a.example" },
	  .want = "!--egress none and --deny contradict" },
	{ .egress = "none",
	  .private_ = { "private" },
	  .want = "!--egress none and --allow-private contradict" },
	{ .deny = { "a.example" }, .want = "!--deny is given, but the sandbox has no network" },
	{ .private_ = { "private" }, .want = "!--allow-private is given, but" },
	{ .allow = { "" }, .want = "!--allow: egress rule \"\": " },
	{ .allow = { "*" }, .want = "!--allow: egress rule \"*\": " },
	{ .allow = { "*.com" }, .want = "!--allow: egress rule \"*.com\": " },
	{ .allow = { "com" }, .want = "!public suffix" },
	{ .allow = { "a.example", "a b.example" },
	  .want = "!--allow: egress rule \"a b.example\": " },
	{ .allow = { " a.example" }, .want = "!--allow: egress rule \" a.example\": " },
	{ .allow = { "user@a.example" }, .want = "!--allow: egress rule \"user@a.example\": " },
	{ .allow = { "https://a.example" }, .want = "!this is a URL" },
	{ .allow = { "a..example" }, .want = "!--allow: egress rule \"a..example\": " },
	{ .allow = { "a.example:0" }, .want = "!port" },
	{ .allow = { "a.example:65536" }, .want = "!port" },
	{ .allow = { "tcp:a.example" }, .want = "!tcp: needs ports" },
	{ .allow = { "10.0.0.1/8" }, .want = "!bits are set" },
	{ .allow = { "010.0.0.1" }, .want = "!--allow: egress rule" },
	{ .allow = { "0x7f.1" }, .want = "!--allow: egress rule" },
	{ .allow = { "localhost" }, .want = "!sandbox itself" },
	{ .allow = { "198.18.0.0/15" }, .want = "!stand for names" },
	{ .allow = { "\xff.example" }, .want = "!--allow: egress rule \"\\xff.example\": " },
	{ .allow = { "a\x1b[2J.example" }, .want = "!\"a\\x1b[2J.example\"" },
	{ .allow = { "a.example" },
	  .deny = { "tcp:a.example:22" },
	  .want = "!--deny: deny rule \"tcp:a.example:22\": " },
	{ .egress = "open", .deny = { "" }, .want = "!--deny: deny rule \"\": " },
	{ .egress = "open", .private_ = { "" }, .want = "!--allow-private: \"\" is no class" },
	{ .egress = "open",
	  .private_ = { "Private" },
	  .want = "!--allow-private: \"Private\" is no class" },
	{ .egress = "open", .private_ = { "public" }, .want = "!no class" },
	{ .egress = "open",
	  .private_ = { "metadata" },
	  .want = "!--allow-private: metadata services" },
	{ .egress = "open", .private_ = { "multicast" }, .want = "!no class" },
};

static void of_options(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(options); i++) {
		oc_auto_arena a = { 0 };
		struct oc_plan plan;
		struct oc_err err = { 0 };
		const char *want = options[i].want;
		const struct oc_plan_options o = { .no_config = true,
						   .egress = options[i].egress,
						   .allow = options[i].allow,
						   .allow_count = length(options[i].allow),
						   .deny = options[i].deny,
						   .deny_count = length(options[i].deny),
						   .allow_private = options[i].private_,
						   .allow_private_count =
							   length(options[i].private_) };
		if (*want == '!') {
			pt_refused(&o, want + 1);
			continue;
		}
		if (oc_plan_build(&plan, &a, &o, &err) < 0)
			fail_msg("row %zu (%s): %s", i, want, err.msg);
		assert_string_equal(shown(&plan.egress), want);
		assert_non_null(plan.origin[OC_V_EGRESS]);
		oc_plan_close(&plan);
	}
}

#define NATIVE(text)  "{agents:{defaults:{sandbox:{native:{egress:{" text "}}}}}}"
#define SANDBOX(text) "{agents:{defaults:{sandbox:{" text "}}}}"
#define AGENT(defaults, agent)                                                                     \
	"{agents:{defaults:{sandbox:{" defaults "}},list:[{id:'main',sandbox:{" agent "}}]}}"

static const struct {
	const char *text, *want;
} configs[] = {
	{ NATIVE(""), "none" },
	{ NATIVE("mode:'none'"), "none" },
	{ NATIVE("mode:'none',allow:[],deny:['a.example']"), "none" },
	{ NATIVE("mode:'open'"), "open" },
	{ NATIVE("mode:'allowlist'"), "none" },
	{ NATIVE("allow:['a.example']"), "allowlist +a.example" },
	{ NATIVE("deny:['a.example']"), "none" },
	{ NATIVE("allow:['a.example',{rule:'b.example:443',ech:'allow'},{rule:'c.example',ech:'"
		 "refuse'},{rule:'a.example'}]"),
	  "allowlist +a.example +ech:b.example:443 +c.example" },
	{ NATIVE("mode:'open',deny:['a.example'],allowPrivate:['private','unique-local']"),
	  "open -a.example ~private ~unique-local" },
	/* one layer on top of the other */
	{ AGENT("native:{egress:{allow:['a.example'],deny:['x.example']}}",
		"native:{egress:{allow:['b.example','a.example']}}"),
	  "allowlist +a.example +b.example -x.example" },
	{ AGENT("native:{egress:{allow:['a.example'],deny:['x.example']}}",
		"native:{egress:{mode:'open'}}"),
	  "open +a.example -x.example" },
	{ AGENT("native:{egress:{mode:'open'}}", "native:{egress:{allow:['b.example']}}"),
	  "allowlist +b.example" },
	{ AGENT("native:{egress:{allow:['a.example']}}", "native:{egress:{mode:'none'}}"), "none" },
	{ AGENT("native:{egress:{allow:['a.example']}}", "docker:{network:'none'}"), "none" },
	{ AGENT("docker:{network:'none'}", "native:{egress:{allow:['a.example']}}"),
	  "allowlist +a.example" },
	{ AGENT("native:{egress:{mode:'none'}}", "native:{egress:{allow:['b.example']}}"),
	  "allowlist +b.example" },
	{ AGENT("scope:'shared',native:{egress:{allow:['a.example']}}", "docker:{network:'none'}"),
	  "allowlist +a.example" },
	{ AGENT("scope:'shared'", "docker:{network:'bridge'}"), "none" },
	{ AGENT("scope:'shared'", "docker:{network:'none'},native:{egress:{allow:['a.example']}}"),
	  "allowlist +a.example" },
	/* docker.network */
	{ SANDBOX("docker:{network:'none'}"), "none" },
	{ SANDBOX("docker:{network:'NONE'},native:{egress:{deny:['a.example']}}"), "none" },
	{ SANDBOX("docker:{network:'bridge'},native:{egress:{mode:'open'}}"), "open" },
	{ SANDBOX("native:{egress:{mode:'allowlist',allow:['a.example']}},docker:{network:'bridge'"
		  "}"),
	  "allowlist +a.example" },
	{ SANDBOX("docker:{network:'bridge'},native:{egress:{mode:'none'}}"), "none" },
	{ AGENT("native:{egress:{mode:'open'}}", "docker:{network:'bridge'}"), "open" },
	{ AGENT("docker:{network:'bridge'}", "docker:{network:'none'}"), "none" },

	{ SANDBOX("docker:{network:'bridge'},native:{egress:{allow:['a.example']}}"),
	  "!docker.network: network \"bridge\" does not say" },
	{ SANDBOX("docker:{network:'none'},native:{egress:{allow:['a.example']}}"),
	  "!native.egress of the same sandbox wants one" },
	{ SANDBOX("native:{egress:{mode:'open'}},docker:{network:'none'}"),
	  "!native.egress of the same sandbox wants one" },
	{ SANDBOX("docker:{network:'host'},native:{egress:{mode:'open'}}"), "!never shared" },
	{ SANDBOX("docker:{network:'container:x'},native:{egress:{mode:'open'}}"),
	  "!never shared" },
	{ SANDBOX("docker:{network:'my-net'},native:{egress:{mode:'open'}}"),
	  "!there is no network \"my-net\"" },
	{ NATIVE("mode:'none',allow:['a.example']"), "!egress.mode: the mode is \"none\", but" },
	{ NATIVE("allowPrivate:['private'],mode:'none'"),
	  "!egress.mode: the mode is \"none\", but" },
	{ NATIVE("mode:'all'"), "!egress.mode: \"all\" is none of" },
	{ NATIVE("mode:'opne'"), "!egress.mode: \"opne\" is none of" },
	{ NATIVE("mode:true"), "!egress.mode: must be string, not boolean" },
	{ NATIVE("mode:null"), "!egress.mode: must be string, not null" },
	{ NATIVE("allow:'a.example'"), "!egress.allow: must be array, not string" },
	{ NATIVE("allow:{rule:'a.example'}"), "!egress.allow: must be array, not object" },
	{ NATIVE("allow:[5]"), "!egress.allow[0]: must be string or object, not number" },
	{ NATIVE("allow:[['a.example']]"),
	  "!egress.allow[0]: must be string or object, not array" },
	{ NATIVE("allow:['a.example','*']"), "!egress.allow[1]: egress rule \"*\": " },
	{ NATIVE("allow:[{}]"), "!egress.allow[0]: \"rule\" must be given" },
	{ NATIVE("allow:[{rule:5}]"), "!egress.allow[0].rule: must be string, not number" },
	{ NATIVE("allow:[{rule:'a b'}]"), "!egress.allow[0]: egress rule \"a b\": " },
	{ NATIVE("allow:[{rule:'a.example',ech:true}]"),
	  "!allow[0].ech: must be string, not boolean" },
	{ NATIVE("allow:[{rule:'a.example',ech:'yes'}]"), "!allow[0].ech: \"yes\" is none of" },
	{ NATIVE("allow:[{rule:'tcp:a.example:22',ech:'allow'}]"), "!allow[0]: egress rule" },
	{ NATIVE("allow:[{rule:'a.example',port:1}]"), "!allow[0].port: unknown key" },
	{ NATIVE("allow:['${PT_UNSET_VARIABLE}']"), "!not set" },
	{ NATIVE("deny:[{rule:'a.example'}]"), "!egress.deny[0]: must be string, not object" },
	{ NATIVE("deny:['a.example:99999']"), "!egress.deny[0]: deny rule" },
	{ NATIVE("allowPrivate:'private'"), "!egress.allowPrivate: must be array" },
	{ NATIVE("allowPrivate:['metadata']"), "!egress.allowPrivate[0]: metadata services" },
	{ NATIVE("allowPrivate:['all']"), "!egress.allowPrivate[0]: \"all\" is no class" },
	{ NATIVE("allowPrivate:[true]"), "!egress.allowPrivate[0]: must be string, not boolean" },
	{ NATIVE("hostNetwork:true"), "!egress.hostNetwork: this key would widen" },
	{ NATIVE("Allow:[]"), "!egress.Allow: unknown key" },
	{ NATIVE("budgets:5"), "!egress.budgets: must be object" },
	{ NATIVE("budgets:{bytes:1}"), "!egress.budgets.bytes: unknown key" },
	{ NATIVE("budgets:{uploadBytes:0}"), "!egress.budgets.uploadBytes" },
	{ NATIVE("budgets:{uploadBytes:'ten'}"), "!egress.budgets.uploadBytes" },
	{ NATIVE("budgets:{uploadBytes:-1}"), "!egress.budgets.uploadBytes" },
	{ NATIVE("budgets:{uploadBytes:'8192t'}"), "!egress.budgets.uploadBytes: is above" },
	{ NATIVE("budgets:{connections:0}"), "!egress.budgets.connections" },
	{ NATIVE("budgets:{connections:1.5}"), "!egress.budgets.connections" },
	{ NATIVE("budgets:{connections:'5'}"), "!egress.budgets.connections: must be number" },
	{ NATIVE("budgets:{names:65537}"), "!egress.budgets.names" },
	{ NATIVE("budgets:{rule:{rule:{}}}"), "!egress.budgets.rule.rule: unknown key" },
	{ NATIVE("budgets:{rule:{names:0}}"), "!egress.budgets.rule.names" },
};

static void of_configuration(void **state)
{
	(void)state;
	pt_mkdir("home/.openclaw");
	pt_mkdir("home/.openclaw/workspace");
	for (size_t i = 0; i < COUNT(configs); i++) {
		oc_auto_arena a = { 0 };
		struct oc_plan plan;
		struct oc_err err = { 0 };
		const char *want = configs[i].want,
			   *path = pt_write("egress.json", configs[i].text);
		int r = oc_plan_build(&plan, &a,
				      &(struct oc_plan_options){ .config = path, .agent = "main" },
				      &err);
		if (*want != '!') {
			if (r < 0)
				fail_msg("%s: %s", configs[i].text, err.msg);
			assert_string_equal(shown(&plan.egress), want);
			oc_plan_close(&plan);
			continue;
		}
		if (r == 0)
			fail_msg("taken: %s", configs[i].text);
		if (!strstr(err.msg, want + 1) || !strstr(err.msg, "egress.json:1: agents."))
			fail_msg("%s\n says \"%s\"\n not \"%s\"", configs[i].text, err.msg,
				 want + 1);
	}
}

static const char file[] =
	"{agents:{defaults:{sandbox:{docker:{network:'bridge',dns:['192.0.2.53','2001:db8::1']},\n"
	" native:{egress:{mode:'allowlist',allow:['a.example'],deny:['x.example'],\n"
	"  budgets:{uploadBytes:'10m',connections:100,rule:{uploadBytes:4096,names:3}}}}}},\n"
	" list:[{id:'main',sandbox:{native:{egress:{allow:['b.example'],budgets:{connections:7,"
	"names:9}}}}},\n"
	"  {id:'off',sandbox:{native:{egress:{mode:'none'}}}}]}}";

/* Each rule says where it comes from; budgets are merged by key. */
static void merged(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	const char *const allow[] = { "c.example", "a.example" }, *const deny[] = { "y.example" };
	struct oc_plan_options o = { .config = pt_write("egress.json", file),
				     .agent = "main",
				     .allow = allow,
				     .allow_count = 2,
				     .deny = deny,
				     .deny_count = 1 };
	(void)state;
	pt_build(&plan, &a, &o);
	assert_string_equal(shown(&plan.egress),
			    "allowlist +a.example +b.example +c.example -x.example -y.example");
	assert_string_equal(plan.origin[OC_V_EGRESS], "--allow");
	assert_non_null(strstr(plan.egress.allow[0].origin,
			       "egress.json:2 agents.defaults.sandbox.native.egress.allow[0]"));
	assert_non_null(strstr(plan.egress.allow[1].origin,
			       "egress.json:4 agents.list[0].sandbox.native.egress.allow[0]"));
	assert_string_equal(plan.egress.allow[2].origin, "--allow");
	assert_string_equal(plan.egress.deny[1].origin, "--deny");
	assert_int_equal(plan.egress.budget.upload_bytes, 10 << 20);
	assert_int_equal(plan.egress.budget.connections, 7);
	assert_int_equal(plan.egress.budget.names, 9);
	assert_int_equal(plan.egress.rule_budget.upload_bytes, 4096);
	assert_int_equal(plan.egress.rule_budget.connections, 0);
	assert_int_equal(plan.egress.rule_budget.names, 3);
	assert_int_equal(plan.egress.resolver_count, 2);
	assert_string_equal(plan.egress.resolvers[0], "192.0.2.53");
	assert_string_equal(plan.egress.resolvers[1], "[2001:db8::1]:53");
	assert_null(plan.warnings);
	oc_plan_close(&plan);

	/* --egress overrides the mode; what "none" put away does not come back */
	o.egress = "open";
	pt_build(&plan, &a, &o);
	assert_string_equal(shown(&plan.egress),
			    "open +a.example +b.example +c.example -x.example -y.example");
	oc_plan_close(&plan);
	o = (struct oc_plan_options){ .config = o.config, .agent = "main", .egress = "none" };
	pt_build(&plan, &a, &o);
	assert_string_equal(shown(&plan.egress), "none");
	assert_int_equal(plan.egress.budget.upload_bytes, 0);
	assert_int_equal(plan.egress.resolver_count, 0);
	assert_string_equal(plan.origin[OC_V_EGRESS], "--egress");
	oc_plan_close(&plan);
	pt_mkdir("home/.openclaw/workspace-off");
	o = (struct oc_plan_options){
		.config = o.config, .agent = "off", .allow = allow, .allow_count = 1
	};
	pt_build(&plan, &a, &o);
	assert_string_equal(shown(&plan.egress), "allowlist +c.example -x.example");
	oc_plan_close(&plan);
	o.allow_count = 0;
	pt_build(&plan, &a, &o);
	assert_string_equal(shown(&plan.egress), "none");
	oc_plan_close(&plan);
	o.deny = deny;
	o.deny_count = 1;
	pt_refused(&o, "--deny is given, but the sandbox has no network");
}

/* The command line can say what "bridge" is. */
static void bridge_and_options(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	const char *const allow[] = { "c.example" };
	const char *path = pt_write("egress.json", SANDBOX("docker:{network:'bridge'}"));
	(void)state;
	pt_refused(&(struct oc_plan_options){ .config = path }, "does not say what may be reached");
	pt_build(&plan, &a,
		 &(struct oc_plan_options){ .config = path, .allow = allow, .allow_count = 1 });
	assert_string_equal(shown(&plan.egress), "allowlist +c.example");
	oc_plan_close(&plan);
	static const char *const modes[] = { "none", "open" };
	for (size_t i = 0; i < COUNT(modes); i++) {
		pt_build(&plan, &a,
			 &(struct oc_plan_options){ .config = path, .egress = modes[i] });
		assert_string_equal(shown(&plan.egress), modes[i]);
		oc_plan_close(&plan);
	}
}

static void of_profile(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	struct oc_plan_options o = { .no_config = true,
				     .profile_file = pt_write("net.json",
							      "{egress:{allow:['a.example']}}") };
	(void)state;
	pt_build(&plan, &a, &o);
	assert_string_equal(shown(&plan.egress), "allowlist +a.example");
	assert_non_null(strstr(plan.egress.allow[0].origin, "profile /"));
	oc_plan_close(&plan);
	o.no_config = false;
	o.config = pt_write("egress.json", SANDBOX("docker:{network:'none'}"));
	pt_build(&plan, &a, &o);
	assert_string_equal(shown(&plan.egress), "none");
	oc_plan_close(&plan);
	o = (struct oc_plan_options){ .no_config = true,
				      .profile_file =
					      pt_write("net.json", "{egress:{allow:['*']}}") };
	pt_refused(&o, "net.json:1: egress.allow[0]: egress rule \"*\"");
	/* none of those that are compiled in opens anything */
	for (size_t i = 0; oc_profile_names[i]; i++) {
		pt_build(&plan, &a,
			 &(struct oc_plan_options){ .no_config = true,
						    .profile = oc_profile_names[i] });
		assert_string_equal(shown(&plan.egress), "none");
		oc_plan_close(&plan);
	}
}

static void empty_list_warns(void **state)
{
	oc_auto_arena a = { 0 };
	oc_auto_buf text = { 0 };
	struct oc_plan plan;
	(void)state;
	pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true, .egress = "allowlist" });
	assert_non_null(plan.warnings);
	assert_string_equal(
		plan.warnings[0],
		"--egress: the egress allowlist has no rule, so the sandbox has no network");
	assert_null(plan.warnings[1]);
	oc_plan_text(&plan, &text);
	assert_non_null(strstr(text.data, plan.warnings[0]));
	assert_non_null(strstr(text.data, "network       none"));
	oc_plan_close(&plan);
}

/* The broker is told everything in one message. */
static void too_many(void **state)
{
	oc_auto_arena a = { 0 };
	const char **rules = oc_arena_array(&a, 5000, sizeof(*rules));
	struct oc_plan plan;
	struct oc_plan_options o = { .no_config = true, .allow = rules };
	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		rules[i] = oc_arena_printf(&a, "h%u.example", i);
	o.allow_count = 4097;
	pt_refused(&o, "more than 4096 rules");
	o.allow_count = 4096;
	pt_build(&plan, &a, &o);
	assert_int_equal(plan.egress.allow_count, 4096);
	oc_plan_close(&plan);
	for (unsigned i = 0; i < 5000; i++)
		rules[i] = oc_arena_printf(&a, "a-name-that-is-somewhat-longer-%u.example", i);
	pt_refused(&o, "the egress rules are");
}

static void hash_of(char hash[65], const struct oc_plan_options *o)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	pt_build(&plan, &a, o);
	oc_plan_hash(&plan, hash);
	oc_plan_close(&plan);
}

/* Different networks are different plans; spellings of one rule are one plan. */
static void hashed(void **state)
{
	static const char *const one[] = { "a.example" }, *const same[] = { "A.example.:443,80" },
				 *const two[] = { "b.example" };
	static const char *const class_[] = { "private" };
	const struct oc_plan_options o[] = {
		{ .no_config = true },
		{ .no_config = true, .allow = one, .allow_count = 1 },
		{ .no_config = true, .allow = two, .allow_count = 1 },
		{ .no_config = true, .allow = one, .allow_count = 1, .deny = two, .deny_count = 1 },
		{ .no_config = true,
		  .allow = one,
		  .allow_count = 1,
		  .allow_private = class_,
		  .allow_private_count = 1 },
		{ .no_config = true, .egress = "open" },
		{ .config = pt_write("h1.json", NATIVE("allow:['a.example'],budgets:{names:5}")) },
		{ .config = pt_write("h2.json",
				     NATIVE("allow:['a.example'],budgets:{rule:{names:5}}")) },
		{ .config = pt_write("h3.json", SANDBOX("docker:{dns:['192.0.2.1']},native:{egress:"
							"{allow:['a.example']}}")) },
	};
	char hash[COUNT(o)][65], again[65];
	(void)state;
	for (size_t i = 0; i < COUNT(o); i++) {
		hash_of(hash[i], &o[i]);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(hash[i], hash[k]);
	}
	hash_of(again,
		&(struct oc_plan_options){ .no_config = true, .allow = same, .allow_count = 1 });
	assert_string_equal(again, hash[1]);
	hash_of(again,
		&(struct oc_plan_options){
			.no_config = true, .egress = "allowlist", .allow = one, .allow_count = 1 });
	assert_string_equal(again, hash[1]);
}

static void explained(void **state)
{
	oc_auto_arena a = { 0 };
	oc_auto_buf json = { 0 }, text = { 0 };
	struct oc_plan plan;
	struct oc_json_writer w;
	struct oc_json *v;
	struct oc_err err = { 0 };
	(void)state;
	pt_build(&plan, &a,
		 &(struct oc_plan_options){ .config = pt_write("egress.json", file),
					    .agent = "main" });
	oc_jw_init(&w, &json, 0);
	oc_plan_json(&plan, &w);
	assert_int_equal(oc_json_parse(&a, json.data, json.len, "plan", &v, &err), 0);
	v = oc_json_get(v, "egress");
	assert_string_equal(oc_json_get(v, "mode")->string, "allowlist");
	assert_int_equal(oc_json_get(v, "allow")->count, 2);
	assert_string_equal(oc_json_get(oc_json_get(v, "allow")->child, "rule")->string,
			    "a.example");
	assert_non_null(strstr(oc_json_get(oc_json_get(v, "allow")->child, "origin")->string,
			       "egress.json:2"));
	assert_true(oc_json_get(oc_json_get(v, "budgets"), "connections")->number == 7);
	assert_true(oc_json_get(oc_json_get(oc_json_get(v, "budgets"), "rule"), "names")->number ==
		    3);
	assert_string_equal(oc_json_get(v, "resolvers")->child->string, "192.0.2.53");
	oc_plan_text(&plan, &text);
	static const char *const lines[] = {
		"network       allowlist",	"allow       b.example",
		"deny        x.example",	"at most     10m sent, 7 connections, 9 names",
		"each rule   4k sent, 3 names", "resolver    192.0.2.53"
	};
	for (size_t i = 0; i < COUNT(lines); i++)
		if (!strstr(text.data, lines[i]))
			fail_msg("not there: %s", lines[i]);
	oc_plan_close(&plan);
}

/* With a network programs ask the broker, whatever docker.dns says: that is what the broker asks.
 */
static void resolv_conf(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	const struct oc_mount *m;
	(void)state;
	pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true });
	m = pt_mount(&plan, "/etc/resolv.conf");
	assert_null(strstr(m->content, "nameserver"));
	assert_int_equal(m->content_len, strlen(m->content));
	oc_plan_close(&plan);
	pt_build(&plan, &a,
		 &(struct oc_plan_options){ .config = pt_write("egress.json", file),
					    .agent = "main" });
	m = pt_mount(&plan, "/etc/resolv.conf");
	assert_int_equal(strncmp(m->content, "nameserver 127.0.0.1\noptions ", 29), 0);
	assert_null(strstr(m->content, "192.0.2.53"));
	assert_int_equal(m->content_len, strlen(m->content));
	assert_non_null(
		strstr(pt_mount(&plan, "/etc/nsswitch.conf")->content, "hosts: files dns\n"));
	oc_plan_close(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_options), cmocka_unit_test(of_configuration),
		cmocka_unit_test(merged),     cmocka_unit_test(bridge_and_options),
		cmocka_unit_test(of_profile), cmocka_unit_test(empty_list_warns),
		cmocka_unit_test(too_many),   cmocka_unit_test(hashed),
		cmocka_unit_test(explained),  cmocka_unit_test(resolv_conf),
	};
	return cmocka_run_group_tests(tests, pt_setup, pt_teardown);
}
