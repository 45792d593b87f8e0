/* SPDX-License-Identifier: Apache-2.0 */
/* conftext: includes, variables, limits and refusals, on real files in a temporary directory. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/conftext.h"
#include "tests/unit/cm.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char top[64]; /* holds conf/ and other/ */
static struct oc_arena arena;
static struct oc_err err;
static const char *variables[16]; /* name, value, name, value, ... */

static const char *lookup(void *ctx, const char *name)
{
	(void)ctx;
	for (size_t i = 0; variables[i]; i += 2)
		if (!strcmp(variables[i], name))
			return variables[i + 1];
	return NULL;
}

static struct oc_conf_options options = {.getenv = lookup};

static void remove_tree(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	while (d && (e = readdir(d))) {
		char sub[512];
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		if (unlink(sub) < 0)
			remove_tree(sub);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

static const char *file(const char *name)
{
	return oc_arena_printf(&arena, "%s/%s", top, name);
}

static int setup(void **state)
{
	(void)state;
	memset(variables, 0, sizeof(variables));
	options = (struct oc_conf_options){.getenv = lookup};
	snprintf(top, sizeof(top), "/tmp/oc-test-conf-XXXXXX");
	if (!mkdtemp(top) || mkdir(file("conf"), 0700) < 0 || mkdir(file("conf/sub"), 0700) < 0)
		return -1;
	return mkdir(file("other"), 0700);
}

static int teardown(void **state)
{
	(void)state;
	remove_tree(top);
	oc_arena_free(&arena);
	return 0;
}

static void put_n(const char *name, const char *text, size_t len)
{
	FILE *f = fopen(file(name), "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void put(const char *name, const char *text)
{
	put_n(name, text, strlen(text));
}

/* Load conf/main; returns it as compact JSON, NULL on error. */
static const char *load(void)
{
	struct oc_json *v = NULL;
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	memset(&err, 0, sizeof(err));
	if (oc_conf_load(&arena, file("conf/main"), &options, &v, &err) < 0) {
		assert_null(v);
		assert_true(err.msg[0] != 0);
		return NULL;
	}
	oc_jw_init(&w, &b, 0);
	oc_jw_value(&w, v);
	return oc_arena_strdup(&arena, b.data);
}

/* The error of loading conf/main, with the test's directory as "T". */
static const char *load_error(void)
{
	assert_null(load());
	oc_auto_buf b = {0};
	for (const char *s = err.msg; *s;) {
		if (!strncmp(s, top, strlen(top))) {
			oc_buf_puts(&b, "T");
			s += strlen(top);
		} else {
			oc_buf_add(&b, s++, 1);
		}
	}
	return oc_arena_strdup(&arena, b.data);
}

static void test_missing(void **state)
{
	(void)state;
	assert_string_equal(load(), "null");
	assert_int_equal(symlink("nowhere", file("conf/main")), 0);
	assert_string_equal(load_error(),
			    "configuration 'T/conf/main' is a link that leads nowhere");
	unlink(file("conf/main"));
	assert_int_equal(mkdir(file("conf/main"), 0700), 0);
	assert_string_equal(load_error(), "'T/conf/main' is not a regular file");
	rmdir(file("conf/main"));
	assert_int_equal(mkfifo(file("conf/main"), 0700),
			 0); /* and this does not wait for a writer */
	assert_string_equal(load_error(), "'T/conf/main' is not a regular file");
	unlink(file("conf/main"));
	put("conf/main", "");
	assert_string_equal(load_error(),
			    "T/conf/main:1:1: unexpected end of file, expected a value");
	put("conf/main", "[]");
	assert_string_equal(load_error(),
			    "T/conf/main:1: the configuration must be an object, not array");
	struct oc_json *v;
	assert_int_equal(oc_conf_load(&arena, "relative", &options, &v, &err), -1);
	/* Through a link is fine. */
	unlink(file("conf/main"));
	put("other/real", "{a:1}");
	assert_int_equal(symlink("../other/real", file("conf/main")), 0);
	assert_string_equal(load(), "{\"a\":1}");
}

static void test_include(void **state)
{
	(void)state;
	static const struct {
		const char *main, *a, *b, *out;
	} t[] = {
		{"{$include:'a'}", "{x:1}", "", "{\"x\":1}"},
		{"{k:{'$include':'./a'},z:2}", "[1,2]", "", "{\"k\":[1,2],\"z\":2}"},
		{"{k:[{$include:'a'},2]}", "'s'", "", "{\"k\":[\"s\",2]}"},
		{"{$include:['a','b']}", "{x:1,o:{p:1,q:[1]},d:1}", "{x:2,o:{q:[2],r:3},d:{e:1}}",
		 "{\"x\":2,\"o\":{\"p\":1,\"q\":[1,2],\"r\":3},\"d\":{\"e\":1}}"},
		{"{$include:['a','b']}", "{x:[1]}", "{x:2}", "{\"x\":2}"},
		{"{$include:[]}", "", "", "{}"},
		{"{k:{$include:['a','b']}}", "{x:1}", "[3]", "{\"k\":[3]}"},
		/* keys beside it win, wherever they stand */
		{"{x:9,$include:'a',o:{p:8}}", "{x:1,o:{p:1,q:2}}", "",
		 "{\"x\":9,\"o\":{\"p\":8,\"q\":2}}"},
		{"{$include:'a',n:{$include:'b'}}", "{n:{x:1,y:1}}", "{y:2}",
		 "{\"n\":{\"x\":1,\"y\":2}}"},
		/* nested, relative to the including file */
		{"{$include:'sub/c'}", "{x:1}", "", "{\"x\":1,\"c\":true}"},
	};
	put("conf/sub/c", "{$include:'../a',c:true}");
	for (size_t i = 0; i < COUNT(t); i++) {
		put("conf/main", t[i].main);
		put("conf/a", t[i].a);
		put("conf/b", t[i].b);
		const char *out = load();
		if (!out)
			print_message("# %s: %s\n", t[i].main, err.msg);
		assert_non_null(out);
		assert_string_equal(out, t[i].out);
	}
	/* Absolute names below the directory are fine. */
	put("conf/a", "{x:1}");
	put("conf/main", oc_arena_printf(&arena, "{$include:'%s/conf/a'}", top));
	assert_string_equal(load(), "{\"x\":1}");
}

static void test_places(void **state)
{
	(void)state;
	struct oc_json *v;

	put("conf/main", "{\n agents: {\n  $include: ['a', 'b'],\n  own: [1] } }");
	put("conf/a", "\n\n{ list: [ {n: 1} ] }");
	put("conf/b", "{ list: [ 5,\n {n: 2} ], own: [0] }");
	assert_int_equal(oc_conf_load(&arena, file("conf/main"), &options, &v, &err), 0);
	struct oc_json *agents = oc_json_get(v, "agents"), *list = oc_json_get(agents, "list");
	assert_int_equal(list->count, 3);
	struct oc_json *n1 = oc_json_get(list->child, "n"),
		       *n2 = oc_json_get(list->child->next->next, "n");
	assert_string_equal(oc_json_path(&arena, n1), "agents.list[0].n");
	assert_string_equal(n1->file, file("conf/a"));
	assert_int_equal(n1->line, 3);
	assert_string_equal(oc_json_path(&arena, n2), "agents.list[2].n");
	assert_string_equal(n2->file, file("conf/b"));
	assert_int_equal(n2->line, 2);
	struct oc_json *own = oc_json_get(agents, "own");
	assert_int_equal(own->count, 2);
	assert_string_equal(own->child->next->file, file("conf/main"));
	assert_string_equal(oc_json_path(&arena, own->child->next), "agents.own[1]");
	/* An error inside names the place in the whole, and the file it is in. */
	put("conf/a", "{ list: [ {n: '${NOPE}'} ] }");
	assert_string_equal(
		load_error(),
		"T/conf/a:1: agents.list[0].n: the environment variable NOPE is unset or empty");
}

static void test_include_errors(void **state)
{
	(void)state;
	static const struct {
		const char *main, *a, *msg;
	} t[] = {
		{"{$include:'none'}", "",
		 "T/conf/main:1: $include: cannot open 'T/conf/none': No such file or directory"},
		{"{k:{$include:['a','none']}}", "{}",
		 "T/conf/main:1: k.$include[1]: cannot open 'T/conf/none': No such file or "
		 "directory"},
		{"{$include:'a'}", "{x:}",
		 "T/conf/main:1: $include: T/conf/a:1:4: unexpected '}', expected a value"},
		{"{$include:5}", "", "T/conf/main:1: $include: expected a file name, found number"},
		{"{$include:{}}", "",
		 "T/conf/main:1: $include: expected a file name, found object"},
		{"{$include:null}", "",
		 "T/conf/main:1: $include: expected a file name, found null"},
		{"{$include:['a',null]}", "{}",
		 "T/conf/main:1: $include[1]: expected a file name, found null"},
		{"{$include:''}", "", "T/conf/main:1: $include: the file name is empty"},
		{"{$include:'.'}", "", "T/conf/main:1: $include: 'T/conf' is not a regular file"},
		{"{$include:'main'}", "",
		 "T/conf/main:1: $include: circular include: 'T/conf/main' is being read already"},
		{"{$include:'a'}", "{x:[{$include:'./sub/../a'}]}",
		 "T/conf/a:1: x[0].$include: circular include: 'T/conf/a' is being read already"},
		{"{k:{$include:'a',z:1}}", "[1]",
		 "T/conf/main:1: k: keys beside $include need an included object, and this one is "
		 "of type array"},
		{"{$include:'a'}", "[1]",
		 "T/conf/a:1: the configuration must be an object, not array"},
		{"{$include:'../other/x'}", "",
		 "T/conf/main:1: $include: 'T/other/x' is outside the configuration's directory "
		 "'T/conf'"},
		{"{$include:'/etc/passwd'}", "",
		 "T/conf/main:1: $include: '/etc/passwd' is outside the configuration's directory "
		 "'T/conf'"},
		{"{$include:'link'}", "",
		 "T/conf/main:1: $include: 'T/other/x' is outside the configuration's directory "
		 "'T/conf'"},
		{"{$include:'dirlink/x'}", "",
		 "T/conf/main:1: $include: 'T/other/x' is outside the configuration's directory "
		 "'T/conf'"},
		{"{$include:'${A}'}", "",
		 "T/conf/main:1: $include: cannot open 'T/conf/${A}': No such file or directory"},
		{"{$include:'hard'}", "",
		 "T/conf/main:1: $include: 'T/conf/hard' has 2 hard links"},
		{"{$include:'fifo'}", "",
		 "T/conf/main:1: $include: 'T/conf/fifo' is not a regular file"},
		{"{$include:'conf2'}", "",
		 "T/conf/main:1: $include: 'T/conf2/x' is outside the configuration's directory "
		 "'T/conf'"},
	};
	variables[0] = "A";
	variables[1] = "a";
	put("other/x", "{}");
	put("other/y", "{}");
	assert_int_equal(mkdir(file("conf2"), 0700),
			 0); /* a name that starts with the directory's */
	put("conf2/x", "{}");
	assert_int_equal(symlink("../conf2/x", file("conf/conf2")), 0);
	assert_int_equal(symlink("../other/x", file("conf/link")), 0);
	assert_int_equal(symlink("../other", file("conf/dirlink")), 0);
	assert_int_equal(link(file("other/y"), file("conf/hard")), 0);
	assert_int_equal(mkfifo(file("conf/fifo"), 0700), 0);
	for (size_t i = 0; i < COUNT(t); i++) {
		put("conf/main", t[i].main);
		put("conf/a", t[i].a);
		assert_string_equal(load_error(), t[i].msg);
	}
}

static void test_roots(void **state)
{
	(void)state;
	put("other/x", "{x:1}");
	put("conf/main", "{$include:'../other/x'}");
	assert_null(load());
	assert_non_null(strstr(err.hint, "OPENCLAW_INCLUDE_ROOTS"));
	options.include_roots = oc_arena_printf(&arena, "/nonexistent-root::%s/other/", top);
	assert_string_equal(load(), "{\"x\":1}");
	options.include_roots = oc_arena_printf(&arena, "%s/oth", top);
	assert_null(load());
	options.include_roots = "other";
	assert_string_equal(
		load_error(),
		"T/conf/main:1: $include: OPENCLAW_INCLUDE_ROOTS: 'other' is not an absolute path");
	/* A root that is a link is the place it leads to. */
	assert_int_equal(symlink("other", file("rootlink")), 0);
	options.include_roots = file("rootlink");
	assert_string_equal(load(), "{\"x\":1}");
}

static void test_limits(void **state)
{
	(void)state;
	oc_auto_buf b = {0};
	char *big = oc_arena_alloc(&arena, OC_JSON_MAX_BYTES + 2);

	/* Ten levels below the configuration. */
	for (int i = 0; i < 12; i++)
		put(oc_arena_printf(&arena, "conf/d%d", i),
		    i == 10 ? "{end:1}" : oc_arena_printf(&arena, "{$include:'d%d'}", i + 1));
	put("conf/main", "{$include:'d1'}");
	assert_string_equal(load(), "{\"end\":1}");
	put("conf/main", "{$include:'d0'}");
	assert_string_equal(load_error(),
			    "T/conf/d9:1: $include: includes are nested deeper than 10 levels");

	memset(big, ' ', OC_JSON_MAX_BYTES + 1);
	memcpy(big, "{}", 2);
	put("conf/main", "{$include:'big'}");
	put_n("conf/big", big, OC_JSON_MAX_BYTES);
	assert_string_equal(load(), "{}");
	put_n("conf/big", big, OC_JSON_MAX_BYTES + 1);
	assert_string_equal(load_error(),
			    "T/conf/main:1: $include: 'T/conf/big' is larger than 2097152 bytes");
	/* Five times 2 MB. */
	put_n("conf/big", big, OC_JSON_MAX_BYTES);
	put("conf/main", "{$include:['big','big','big','big','big']}");
	assert_null(load());
	assert_non_null(strstr(err.msg, "more than 256 files or 8388608 bytes"));

	oc_buf_printf(&b, "{$include:'%.*s'}", 4096, (char *)memset(big, 'n', OC_JSON_MAX_BYTES));
	put("conf/main", b.data);
	assert_string_equal(load_error(),
			    "T/conf/main:1: $include: the file name is longer than 4095 bytes");

	/* Two files that double: 2^n files are not read. */
	for (int i = 0; i < 10; i++)
		put(oc_arena_printf(&arena, "conf/e%d", i),
		    i == 9 ? "{}"
			   : oc_arena_printf(&arena, "{$include:['e%d','e%d','e%d']}", i + 1, i + 1,
					     i + 1));
	put("conf/main", "{$include:'e0'}");
	assert_null(load());
	assert_non_null(strstr(err.msg, "more than 256 files"));

	/* Depth counts over files. */
	oc_buf_free(&b);
	for (int i = 0; i < 40; i++)
		oc_buf_puts(&b, "{a:");
	oc_buf_puts(&b, "{$include:'deep2'}");
	for (int i = 0; i < 40; i++)
		oc_buf_puts(&b, "}");
	put("conf/main", b.data);
	for (int depth = 23; depth <= 25; depth++) {
		oc_buf_free(&b);
		for (int i = 0; i < depth; i++)
			oc_buf_puts(&b, "[");
		for (int i = 0; i < depth; i++)
			oc_buf_puts(&b, "]");
		put("conf/deep2", b.data);
		assert_int_equal(load() != NULL, depth <= 24);
	}
	assert_non_null(strstr(err.msg, "nested deeper than 64 levels"));

	/* Substituted text. */
	oc_buf_free(&b);
	oc_buf_puts(&b, "{a:'");
	for (int i = 0; i < 9000; i++)
		oc_buf_puts(&b, "${A}");
	oc_buf_puts(&b, "'}");
	put("conf/main", b.data);
	variables[0] = "A";
	variables[1] = big;
	big[1000] = 0;
	assert_null(load());
	assert_non_null(strstr(err.msg, "substitution makes the texts larger than 8388608 bytes"));
	big[100] = 0;
	assert_int_equal(strlen(load()), 900000 + 8);
}

static void test_wide_merge(void **state)
{
	(void)state;
	oc_auto_buf b = {0};

	/* 60000 keys into 60000 keys is no long computation. */
	oc_buf_puts(&b, "{");
	for (int i = 0; i < 60000; i++)
		oc_buf_printf(&b, "k%d:%d,", i, i);
	oc_buf_puts(&b, "}");
	put("conf/a", b.data);
	put("conf/main", "{$include:['a','a','a'],k59999:'last'}");
	struct oc_json *v;
	assert_int_equal(oc_conf_load(&arena, file("conf/main"), &options, &v, &err), 0);
	assert_int_equal(v->count, 60000);
	assert_string_equal(oc_json_get(v, "k59999")->string, "last");
	assert_int_equal(oc_json_get(v, "k59999")->index, 59999);
}

static void test_variables(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} t[] = {
		{"${A}", "va"},
		{"x${A}y${B_2}z", "xvay${A}z"}, /* a value is not looked at again */
		{"${_}", "under"},
		{"$${A}", "${A}"},
		{"$$${A}", "$${A}"},
		{"$${NOPE}", "${NOPE}"},
		{"${A}$${A}${A}", "va${A}va"},
		{"${a}", "${a}"},
		{"${Ab}", "${Ab}"},
		{"${1A}", "${1A}"},
		{"${}", "${}"},
		{"${A", "${A"},
		{"${A }", "${A }"},
		{"${A:-x}", "${A:-x}"},
		{"$A", "$A"},
		{"$", "$"},
		{"$$", "$$"},
		{"$${", "$${"},
		{"$${a}", "$${a}"},
		{"${${A}}", "${va}"},
	};
	static const char *const vars[] = {"A",	    "va", "B_2", "${A}", "_", "under",
					   "EMPTY", "",	  "BAD", "\xFF", NULL};
	memcpy(variables, vars, sizeof(vars));
	for (size_t i = 0; i < COUNT(t); i++) {
		struct oc_json *v;
		put("conf/main", oc_arena_printf(&arena, "{a:['%s'], '${A}': 0}", t[i].in));
		assert_int_equal(oc_conf_load(&arena, file("conf/main"), &options, &v, &err), 0);
		assert_string_equal(oc_json_get(v, "a")->child->string, t[i].out);
		assert_non_null(oc_json_get(v, "${A}")); /* keys stay as they are */
	}
	put("conf/main", "{a:\n{b:'x${EMPTY}'}}");
	assert_string_equal(load_error(),
			    "T/conf/main:2: a.b: the environment variable EMPTY is unset or empty");
	assert_string_equal(err.hint, "set EMPTY, or write $${EMPTY} for the text itself");
	put("conf/main", "{a:'${BAD}'}");
	assert_string_equal(load_error(),
			    "T/conf/main:1: a: the value of an environment variable is not UTF-8");

	options.keep_unset = true;
	struct oc_json *v;
	put("conf/main", "{a:'${A}${EMPTY}${NOPE}', b:'${A}'}");
	assert_int_equal(oc_conf_load(&arena, file("conf/main"), &options, &v, &err), 0);
	assert_string_equal(oc_json_get(v, "a")->string, "va${EMPTY}${NOPE}");
	assert_string_equal(oc_json_get(v, "a")->unset_env, "EMPTY");
	assert_null(oc_json_get(v, "b")->unset_env);

	/* Without a function: the process's environment. */
	struct oc_conf_options plain = {0};
	setenv("OC_TEST_CONFTEXT", "here", 1);
	put("conf/main", "{a:'${OC_TEST_CONFTEXT}'}");
	assert_int_equal(oc_conf_load(&arena, file("conf/main"), &plain, &v, &err), 0);
	assert_string_equal(oc_json_get(v, "a")->string, "here");
	assert_int_equal(oc_conf_load(&arena, file("conf/main"), NULL, &v, &err), 0);
	unsetenv("OC_TEST_CONFTEXT");
	assert_int_equal(oc_conf_load(&arena, file("conf/main"), NULL, &v, &err), -1);
}

static void test_where(void **state)
{
	(void)state;
	static const struct {
		const char *config, *state, *home, *oc_home, *profile, *dir, *path;
	} t[] = {
		{NULL, NULL, "/h", NULL, NULL, "/h/.openclaw", "/h/.openclaw/openclaw.json"},
		{NULL, NULL, "/h/", "/o", NULL, "/o/.openclaw", "/o/.openclaw/openclaw.json"},
		{NULL, NULL, "/", NULL, NULL, "/.openclaw", "/.openclaw/openclaw.json"},
		{NULL, NULL, "/h", "", "x-1", "/h/.openclaw-x-1", "/h/.openclaw-x-1/openclaw.json"},
		{NULL, NULL, "/h", NULL, "default", "/h/.openclaw", "/h/.openclaw/openclaw.json"},
		{NULL, "/s//t/", "/h", NULL, "x", "/s/t", "/s/t/openclaw.json"},
		{"/c.json", NULL, "/h", NULL, NULL, "/h/.openclaw", "/c.json"},
		{"/c.json", NULL, NULL, NULL, NULL, NULL, "/c.json"},
		{"c.json", NULL, "/h", NULL, NULL, "/h/.openclaw", NULL},
		{"/a/../c.json", NULL, "/h", NULL, NULL, "/h/.openclaw", NULL},
		{NULL, NULL, NULL, NULL, NULL, NULL, NULL},
		{NULL, NULL, "", "", NULL, NULL, NULL},
		{NULL, NULL, "h", NULL, NULL, NULL, NULL},
		{NULL, "s", "/h", NULL, NULL, NULL, NULL},
		{NULL, NULL, "/h", NULL, "../x", NULL, NULL},
		{NULL, NULL, "/h", NULL, "a/b", NULL, NULL},
	};
	for (size_t i = 0; i < COUNT(t); i++) {
		const char *const pairs[][2] = {{"OPENCLAW_CONFIG_PATH", t[i].config},
						{"OPENCLAW_STATE_DIR", t[i].state},
						{"HOME", t[i].home},
						{"OPENCLAW_HOME", t[i].oc_home},
						{"OPENCLAW_PROFILE", t[i].profile}};
		size_t n = 0;
		memset(variables, 0, sizeof(variables));
		for (size_t k = 0; k < COUNT(pairs); k++) {
			if (!pairs[k][1])
				continue;
			variables[n++] = pairs[k][0];
			variables[n++] = pairs[k][1];
		}
		const char *out = "unset";
		assert_int_equal(oc_conf_state_dir(&arena, &options, &out, &err),
				 t[i].dir ? 0 : -1);
		if (t[i].dir)
			assert_string_equal(out, t[i].dir);
		else
			assert_true(!out && err.hint[0]);
		assert_int_equal(oc_conf_path(&arena, &options, &out, &err), t[i].path ? 0 : -1);
		if (t[i].path)
			assert_string_equal(out, t[i].path);
		else
			assert_true(!out && err.hint[0]);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_missing),	T(test_include),   T(test_places),
		T(test_include_errors), T(test_roots),	   T(test_limits),
		T(test_wide_merge),	T(test_variables), T(test_where),
	};
	if (cm_skip_without_openat2())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
