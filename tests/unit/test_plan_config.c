/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1 /* nftw(3) */
#include "tests/unit/plan_test.h"

#define COUNT(x) (sizeof(x) / sizeof(*(x)))
#define WIDE(key, v)                                                                               \
	{                                                                                          \
		"{agents:{defaults:{sandbox:{docker:{" key ":" v "}}}}}", "widen"                  \
	}
#define DOCKER(text, want)                                                                         \
	{                                                                                          \
		"{agents:{defaults:{sandbox:{docker:{" text "}}}}}", want                          \
	}
#define SANDBOX(text, want)                                                                        \
	{                                                                                          \
		"{agents:{defaults:{sandbox:{" text "}}}}", want                                   \
	}
#define NATIVE(text, want)                                                                         \
	{                                                                                          \
		"{agents:{defaults:{sandbox:{native:{" text "}}}}}", want                          \
	}

static const struct {
	const char *text, *want;
} bad[] = {
	WIDE("capAdd", "[\"NET_ADMIN\"]"), WIDE("privileged", "true"), WIDE("devices", "[]"), WIDE("securityOpt", "[]"),
	WIDE("pidMode", "\"host\""), WIDE("ipcMode", "\"host\""), WIDE("usernsMode", "\"host\""),
	DOCKER("memroy:'1g'", "docker.memroy: unknown key"),
	DOCKER("memory:true", "must be number or string, not boolean"),
	DOCKER("memory:'lots'", "docker.memory"),
	DOCKER("memory:'1k'", "below the smallest"),
	DOCKER("memory:'1g',memorySwap:'1m'", "below memory"),
	DOCKER("pidsLimit:1.5", "pidsLimit"),
	DOCKER("pidsLimit:99999999", "pidsLimit"),
	DOCKER("cpus:'many'", "cpus"),
	DOCKER("network:'host'", "never shared"),
	DOCKER("network:' HOST '", "never shared"),
	DOCKER("network:'container:abc'", "never shared"),
	DOCKER("network:'container:abc',dangerouslyAllowContainerNamespaceJoin:true", "never"),
	DOCKER("network:'bridge'", "does not say what may be reached"),
	DOCKER("network:'mynet'", "there is no network \"mynet\""),
	DOCKER("image:'ubuntu:24.04'", "container image"),
	DOCKER("image:'/a/../b'", "\"..\""),
	DOCKER("seccompProfile:'unconfined'", "does not exist"),
	DOCKER("seccompProfile:' UnConfined '", "does not exist"),
	DOCKER("seccompProfile:'relative.json'", "not a seccomp profile"),
	DOCKER("apparmorProfile:'unconfined'", "refused"),
	DOCKER("apparmorProfile:'docker-default'", "Landlock"),
	DOCKER("gpus:'all'", "graphics"),
	DOCKER("setupCommand:'apt-get update'", "set-up"),
	DOCKER("setupCommand:['true']", "set-up"),
	DOCKER("user:'0:0'", "id 0"),
	DOCKER("user:'root'", "not a user id"),
	DOCKER("user:1000", "must be string"),
	DOCKER("readOnlyRoot:'yes'", "must be boolean"),
	DOCKER("workdir:'work'", "absolute"),
	DOCKER("workdir:'/a/../b'", "\"..\""),
	DOCKER("tmpfs:'/tmp'", "must be array"),
	DOCKER("tmpfs:['/tmp:suid']", "tmpfs[0]"),
	DOCKER("tmpfs:['/proc']", "nothing can be mounted in /proc"),
	DOCKER("tmpfs:['/tmp','/tmp']", "twice"),
	DOCKER("binds:['/usr/bin']", "binds[0]"),
	DOCKER("binds:['rel:/x']", "absolute"),
	DOCKER("binds:['/usr/bin:/x']", "outside the workspace"),
	DOCKER("binds:['/etc:/x'],dangerouslyAllowExternalBindSources:true", "cannot be mounted"),
	DOCKER("binds:['/usr/bin:/workspace'],dangerouslyAllowExternalBindSources:true", "reserved"),
	DOCKER("env:{LD_PRELOAD:'x'}", "LD_PRELOAD"),
	DOCKER("env:{NODE_OPTIONS:'x'}", "NODE_OPTIONS"),
	DOCKER("env:{A:'\\u001b'}", "control byte"),
	DOCKER("env:{A:[]}", "env.A"),
	DOCKER("env:{'A B':'x'}", "not a name"),
	DOCKER("env:{HOME:'x'}", "absolute"),
	DOCKER("env:{A:'${PT_UNSET_VARIABLE}'}", "not set"),
	DOCKER("ulimits:{files:1}", "not a resource limit"),
	DOCKER("ulimits:{nofile:{soft:2,hard:1}}", "above the hard"),
	DOCKER("ulimits:{nofile:{soft:2,max:1}}", "unknown key"),
	DOCKER("ulimits:{nofile:{}}", "must be given"),
	DOCKER("ulimits:{nofile:true}", "must be number or string or object"),
	DOCKER("dns:['localhost']", "not an IP address"),
	DOCKER("dns:['1.1.1.1\\nnameserver 2.2.2.2']", "not an IP"),
	DOCKER("extraHosts:['a b:1.1.1.1']", "not host:address"),
	DOCKER("extraHosts:['a:host-gateway']", "not host:address"),
	DOCKER("capDrop:[1]", "must be string"),
	SANDBOX("docker:[]", "must be object, not array"),
	SANDBOX("Docker:{}", "unknown key"),
	SANDBOX("mode:'on'", "none of"),
	SANDBOX("scope:'user'", "none of"),
	SANDBOX("workspaceAccess:'write'", "none of"),
	SANDBOX("workspaceRoot:'rel'", "absolute"),
	SANDBOX("backend:'ssh'", "not supported"),
	SANDBOX("backend:'openshell'", "not supported"),
	SANDBOX("ssh:{target:'a@b'}", "not supported"),
	SANDBOX("prune:{idleHours:-1}", "negative"),
	SANDBOX("prune:{hours:1}", "unknown key"),
	SANDBOX("prune:{maxAgeDays:1e300}", "century"),
	SANDBOX("prune:{idleHours:NaN}", "negative"),
	SANDBOX("browser:{enabled:'yes'}", "must be boolean"),
	SANDBOX("browser:{noSandbox:true}", "unknown key"),
	NATIVE("profile:'nope'", "no profile"),
	NATIVE("profile:5", "must be string"),
	NATIVE("rootfs:'rel'", "absolute"),
	NATIVE("seccomp:'none'", "not a seccomp profile"),
	NATIVE("allowMissing:['mount']", "no sandbox"),
	NATIVE("allowMissing:['net']", "no sandbox"),
	NATIVE("allowMissing:['capabilities']", "no sandbox"),
	NATIVE("allowMissing:['secomp']", "no layer"),
	NATIVE("allowMissing:'seccomp'", "must be array"),
	NATIVE("require:['x']", "no layer"),
	NATIVE("debug:true", "only a profile"),
	NATIVE("egress:'open'", "must be object, not string"),
	NATIVE("egress:{modes:'open'}", "egress.modes: unknown key"),
	NATIVE("timeout:'soon'", "not a time"),
	NATIVE("hostname:'a b'", "host name"),
	NATIVE("tmpfsSize:'4t'", "above 1t"),
	{ "{agents:{main:{sandbox:{}}}}", "directly below" },
	{ "{agents:{list:{}}}", "must be array" },
	{ "{agents:{list:[{name:'x'}]}}", "needs an id" },
	{ "{agents:{list:[{id:'main'},{id:'MAIN '}]}}", "twice" },
	{ "{agents:{list:[{id:'main'},{id:'b',sandbox:{x:1}}]}}", "agents.list[1].sandbox.x" },
	{ "{agents:{entries:{main:{sandbox:{docker:{x:1}}}}}}", "agents.entries.main.sandbox.docker.x" },
	{ "{agents:{list:[{id:'work'}]}}", "no agent \"main\"" },
	{ "{agents:{defaults:{workspace:'rel'}}}", "absolute" },
	{ "{agents:{defaults:{workspace:5}}}", "must be string" },
	{ "{agents:5}", "must be object" },
	{ "[]", "" },
	{ "{agents:{", "" },
	{ "{agents:{defaults:{sandbox:{mode:'off',mode:'off'}}}}", "" },
};

static void refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		const char *path = pt_write("bad.json", bad[i].text);
		oc_auto_arena a = { 0 };
		struct oc_plan plan;
		struct oc_err err = { 0 };
		const struct oc_plan_options o = { .config = path, .agent = "main" };
		if (oc_plan_build(&plan, &a, &o, &err) == 0)
			fail_msg("taken: %s", bad[i].text);
		if (!strstr(err.msg, bad[i].want))
			fail_msg("%s\n says \"%s\"\n not \"%s\"", bad[i].text, err.msg, bad[i].want);
		/* the file and the line are named, except where the fault is what is missing */
		if (!strstr(err.msg, "bad.json"))
			fail_msg("%s\n does not name the file: \"%s\"", bad[i].text, err.msg);
	}
}

static const char good[] =
	"{ // JSON5\n"
	" channels: { x: { token: '${PT_UNSET_VARIABLE}' } },\n"
	" agents: {\n"
	"  defaults: {\n"
	"   sandbox: { mode: 'off', scope: 'session', workspaceAccess: 'none', workspaceRoot: '~/boxes',\n"
	"    prune: { idleHours: 24, maxAgeDays: 7 }, browser: { enabled: true }, sessionToolsVisibility: 'all',\n"
	"    docker: { image: 'openclaw-sandbox:bookworm-slim', containerPrefix: 'x-', network: 'none', memory: '512m',\n"
	"     pidsLimit: 99, cpus: 1.5, capDrop: ['ALL'], readOnlyRoot: true, tmpfs: ['/tmp:size=1m', '/scratch'],\n"
	"     env: { LANG: 'C', A: 'defaults', N: 5, GEMINI_API_KEY: 'k', PATH: '/opt/bin' }, ulimits: { nofile: '10:20',\n"
	"     core: 0 }, dns: ['192.0.2.1', ' '], extraHosts: ['db:2001:db8::1'], setupCommand: '', seccompProfile: '' },\n"
	"    native: { profile: 'strict', timeout: 90, allowMissing: ['keyring', 'cgroup'], require: ['cgroup'] } } },\n"
	"  list: [ { id: 'main' },\n"
	"   { id: 'Work', workspace: '%s', sandbox: { scope: 'agent', workspaceAccess: 'ro', docker: { env: { A: 'agent' },\n"
	"     memorySwap: '1g', ulimits: { nofile: { soft: -5, hard: 7 } }, tmpfs: ['/tmp'], binds: ['%s/sub:/data:ro'] } } },\n"
	"   { id: 'all', sandbox: { scope: 'shared', docker: { memory: '2g' }, native: { pids: 7 } } } ] } }\n";

static const char *write_good(void)
{
	char text[sizeof(good) + 2 * PATH_MAX];
	const char *ws = pt_mkdir("work");
	pt_mkdir("work/sub");
	snprintf(text, sizeof(text), good, ws, ws);
	return pt_write("good.json", text);
}

static void merged(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	const struct oc_plan_options o = { .config = write_good(), .agent = "work", .tty = OC_TTY_NO };
	(void)state;
	pt_build(&plan, &a, &o);
	assert_string_equal(plan.agent, "work");
	assert_string_equal(plan.profile, "strict");
	assert_string_equal(plan.seccomp, "strict");
	assert_string_equal(plan.scope, "agent");
	assert_string_equal(plan.scope_key, "agent:work");
	assert_non_null(strstr(plan.scratch_dir, "/boxes/agent-work-"));
	assert_non_null(strstr(plan.origin[OC_V_MEMORY], "good.json:7 agents.defaults.sandbox.docker.memory"));
	assert_int_equal(plan.memory_bytes, 512u << 20);
	assert_int_equal(plan.swap_bytes, 512u << 20);
	assert_int_equal(plan.pids, 99);
	assert_int_equal(plan.cpu_millis, 1500);
	assert_int_equal(plan.timeout_ms, 90000);
	assert_string_equal(pt_env(&plan, "A"), "agent");
	assert_string_equal(pt_env(&plan, "N"), "5");
	assert_string_equal(pt_env(&plan, "PATH"), "/opt/bin");
	assert_string_equal(pt_env(&plan, "GEMINI_API_KEY"), "k");
	assert_non_null(plan.warnings);
	assert_true(plan.access == OC_ACCESS_RO);
	assert_true(pt_mount(&plan, "/agent")->read_only);
	assert_true(pt_mount(&plan, "/agent")->workspace);
	assert_true(pt_mount(&plan, "/workspace")->read_only);
	assert_string_equal(pt_mount(&plan, "/workspace")->source, plan.scratch_dir);
	assert_non_null(pt_mount(&plan, "/tmp"));
	assert_null(pt_mount(&plan, "/scratch"));
	assert_null(pt_mount(&plan, "/run"));
	assert_true(pt_mount(&plan, "/data")->read_only);
	assert_non_null(strstr(pt_mount(&plan, "/etc/hosts")->content, "2001:db8::1\tdb\n"));
	assert_string_equal(pt_mount(&plan, "/etc/resolv.conf")->content, "nameserver 192.0.2.1\n");
	assert_int_equal(plan.may_be_missing, OC_LAYER_BIT(OC_LAYER_KEYRING));
	assert_true(plan.require_cgroup);
	for (size_t i = 0; i < plan.ulimit_count; i++)
		if (plan.ulimits[i].resource == RLIMIT_NOFILE)
			assert_true(plan.ulimits[i].soft == 0 && plan.ulimits[i].hard == 7);
	oc_plan_close(&plan);
}

/* In the shared scope the docker keys of one agent do not count; flags win over everything. */
static void shared_and_flags(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	struct oc_plan_options o = { .config = write_good(), .agent = "all" };
	(void)state;
	pt_build(&plan, &a, &o);
	assert_string_equal(plan.scope_key, "shared");
	assert_int_equal(plan.memory_bytes, 512u << 20);
	assert_int_equal(plan.pids, 7);
	oc_plan_close(&plan);
	o.scope = "agent";
	pt_build(&plan, &a, &o);
	assert_int_equal(plan.memory_bytes, UINT64_C(2) << 30);
	oc_plan_close(&plan);
	o.memory = "64m";
	o.profile = "build";
	pt_build(&plan, &a, &o);
	assert_int_equal(plan.memory_bytes, 64u << 20);
	assert_int_equal(plan.swap_bytes, 0);
	assert_string_equal(plan.origin[OC_V_MEMORY], "--memory");
	assert_string_equal(plan.seccomp, "build");
	assert_true(plan.debug_allowed);
	oc_plan_close(&plan);
}

static void places(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	(void)state;
	pt_refused(&(struct oc_plan_options){ .config = pt_path("none.json") }, "there is no file");
	pt_refused(&(struct oc_plan_options){ .config = pt_path("none.json"), .no_config = true }, "contradict");
	setenv("OPENCLAW_CONFIG_PATH", pt_path("none.json"), 1);
	pt_refused(&(struct oc_plan_options){ 0 }, "OPENCLAW_CONFIG_PATH");
	unsetenv("OPENCLAW_CONFIG_PATH");
	/* no file in the usual place is fine */
	pt_build(&plan, &a, &(struct oc_plan_options){ 0 });
	assert_null(plan.config);
	oc_plan_close(&plan);
	pt_mkdir("home/.openclaw");
	pt_write("home/.openclaw/openclaw.json", "{agents:{defaults:{sandbox:{docker:{pidsLimit:11}}}}}");
	pt_build(&plan, &a, &(struct oc_plan_options){ 0 });
	assert_int_equal(plan.pids, 11);
	oc_plan_close(&plan);
	pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true });
	assert_int_equal(plan.pids, 256);
	oc_plan_close(&plan);
	/* the default workspace of an agent is in the state directory */
	pt_mkdir("home/.openclaw/workspace");
	pt_build(&plan, &a, &(struct oc_plan_options){ .agent = "main", .access = "rw" });
	assert_string_equal(plan.workspace, pt_path("home/.openclaw/workspace"));
	oc_plan_close(&plan);
	pt_refused(&(struct oc_plan_options){ .workspace = pt_path("home/.openclaw") }, "it contains");
	assert_int_equal(unlink(pt_path("home/.openclaw/openclaw.json")), 0);
}

static void profiles(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	(void)state;
	for (size_t i = 0; oc_profile_names[i]; i++) {
		pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true, .profile = oc_profile_names[i] });
		assert_string_equal(plan.seccomp, oc_profile_names[i]);
		oc_plan_close(&plan);
	}
	pt_refused(&(struct oc_plan_options){ .no_config = true, .profile = "strickt" }, "no profile");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .profile_file = pt_path("none") }, "No such file");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .profile_file = "/dev/zero" }, "not a file");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .profile_file = pt_write("p1", "{profile:'x'}") }, "another");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .profile_file = pt_write("p1", "{capAdd:[]}") }, "widen");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .profile_file = pt_write("p1", "[") }, "p1");
	pt_build(&plan, &a,
		 &(struct oc_plan_options){ .no_config = true,
					    .profile_file = pt_write("p2", "{pids:3,debug:true,binds:['/usr/bin:/b']}") });
	assert_int_equal(plan.pids, 3);
	assert_true(plan.debug_allowed);
	assert_true(pt_mount(&plan, "/b")->read_only);
	oc_plan_close(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused), cmocka_unit_test(merged), cmocka_unit_test(shared_and_flags),
		cmocka_unit_test(places),  cmocka_unit_test(profiles),
	};
	return cmocka_run_group_tests(tests, pt_setup, pt_teardown);
}
