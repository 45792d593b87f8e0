/* SPDX-License-Identifier: Apache-2.0 */
/* fileop: requests, and reads, writes and edits in a real directory with everything that can stand in the way. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fd.h"
#include "runtime/fileop/fileop.h"
#include "tests/unit/cm.h"

static char top[64];
static int home;

static void remove_tree(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char sub[512];
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
		if (unlink(sub) < 0)
			remove_tree(sub);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof top, "/tmp/oc-test-fileop-XXXXXX");
	umask(022);
	return mkdtemp(top) && chdir(top) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	if (fchdir(home) < 0)
		return -1;
	remove_tree(top);
	return 0;
}

static void put(const char *name, const char *data, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(oc_write_all(fd, data, len), 0);
	close(fd);
}

static void is(const char *name, const char *want)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	oc_auto_buf b = {0};

	assert_true(fd >= 0);
	assert_int_equal(oc_read_all(fd, &b, 100u << 20), 0);
	close(fd);
	assert_string_equal(b.data ? b.data : "", want);
}

/* The answer to a request in JSON with ' for "; never freed before the end. */
static const char *ask(const char *request)
{
	static struct oc_buf answer;
	oc_auto_arena a = {0};
	char *json = oc_arena_strdup(&a, request);
	struct oc_file_request req;
	struct oc_err err = {0};

	oc_buf_free(&answer);
	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	if (oc_file_parse(&a, json, strlen(json), &req, &err) < 0)
		oc_buf_printf(&answer, "refused: %s", err.msg);
	else
		oc_file_run(&req, &answer);
	return answer.data;
}

static void has(const char *request, const char *want)
{
	const char *got = ask(request);

	if (!strstr(got, want))
		fail_msg("%s\n  gave %.600s\n  without %s", request, got, want);
}

static size_t files(void)
{
	DIR *d = opendir(".");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void test_requests(void **state)
{
	(void)state;
	has("", "refused");
	has("[]", "refused");
	has("{'op':'read'}", "\"path\" must be a text");
	has("{'op':'read','path':''}", "empty");
	has("{'op':'read','path':'a\\u0000b'}", "NUL");
	has("{'op':'read','path':'a','offset':0}", "not between");
	has("{'op':'read','path':'a','limit':1.5}", "whole number");
	has("{'op':'write','path':'a'}", "\"content\" must be a text");
	has("{'op':'edit','path':'a','oldText':'x'}", "\"newText\" must be a text");
	has("{'op':'edit','path':'a','oldText':'x','newText':'y','replaceAll':1}", "true or false");
	has("{'op':'remove','path':'a'}", "no operation");
	has("{'op':'read','path':'a',}", "refused");
	assert_int_equal(files(), 0);
}

static void test_read(void **state)
{
	oc_auto_buf b = {0};

	(void)state;
	put("t", "one\ntwo\nthree", 13);
	has("{'op':'read','path':'t'}", "{\"ok\":true,\"text\":\"one\\ntwo\\nthree\"}");
	has("{'op':'read','path':'t','offset':2,'limit':1}",
	    "\"text\":\"two\\n\",\"notice\":\"Lines 2-2 of 3. Go on with offset 3.\"");
	has("{'op':'read','path':'t','offset':3}", "\"text\":\"three\",\"notice\":\"Lines 3-3 of 3.\"");
	has("{'op':'read','path':'t','offset':4}", "has 3 lines: there is no line 4");
	put("e", "", 0);
	has("{'op':'read','path':'e'}", "The file is empty.");
	put("n", "\n\n", 2);
	has("{'op':'read','path':'n'}", "{\"ok\":true,\"text\":\"\\n\\n\"}");
	put("b", "ab\0cd", 5);
	has("{'op':'read','path':'b'}", "is no text: it has NUL bytes (5 bytes");
	put("l", "caf\xE9\n", 5);
	has("{'op':'read','path':'l'}", "caf\xEF\xBF\xBD\\n\",\"notice\":\"Bytes that are not UTF-8");
	has("{'op':'read','path':'.'}", ". is a directory");
	has("{'op':'read','path':'none'}", "none: No such file");
	has("{'op':'read','path':'/proc/self/status'}", "Name:");
	for (int i = 0; i < 3000; i++)
		oc_buf_printf(&b, "%d\n", i);
	put("many", b.data, b.len);
	has("{'op':'read','path':'many'}", "Lines 1-2000 of 3000. Go on with offset 2001.");
	has("{'op':'read','path':'many','offset':2001}", "Lines 2001-3000 of 3000.\"");
	oc_buf_free(&b);
	for (int i = 0; i < 2000; i++)
		oc_buf_printf(&b, "%0100d\n", i);
	put("wide", b.data, b.len);
	has("{'op':'read','path':'wide'}", "Lines 1-506 of 2000. Go on with offset 507.");
	oc_buf_free(&b);
	oc_buf_puts(&b, "x");
	for (int i = 0; i < 30000; i++)
		oc_buf_puts(&b, "\xC3\xA9");
	put("long", b.data, b.len);
	has("{'op':'read','path':'long'}",
	    "\xC3\xA9\",\"notice\":\"Line 1 is longer than 51200 bytes: this is its beginning.\"");
}

static void test_image(void **state)
{
	oc_auto_buf b = {0};

	(void)state;
	put("i", "\x89PNG\r\n\x1A\n\0\x01", 10);
	has("{'op':'read','path':'i'}", "{\"ok\":true,\"mimeType\":\"image/png\",\"data\":\"iVBORw0KGgoAAQ==\"}");
	put("j", "\xFF\xD8\xFF", 3);
	has("{'op':'read','path':'j'}", "\"image/jpeg\",\"data\":\"/9j/\"");
	oc_buf_puts(&b, "GIF89a");
	for (size_t i = 0; i < OC_FILE_IMAGE_MAX / 16; i++)
		oc_buf_puts(&b, "0123456789abcdef");
	put("g", b.data, b.len - 6);
	assert_true(strlen(ask("{'op':'read','path':'g'}")) < OC_FILE_ANSWER_MAX);
	has("{'op':'read','path':'g'}", "\"data\":\"R0lGODlh");
	put("g", b.data, b.len);
	has("{'op':'read','path':'g'}", "is an image of more than");
}

static void test_write(void **state)
{
	struct stat st;

	(void)state;
	has("{'op':'write','path':'p/q/../r','content':''}", "Created p/q/../r");
	is("p/r", "");
	remove_tree("p");
	has("{'op':'write','path':'a/b/c','content':'x\\ny'}", "Created a/b/c: 3 bytes, 2 lines");
	is("a/b/c", "x\ny");
	assert_int_equal(stat("a/b/c", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(chmod("a/b/c", 04751), 0);
	has("{'op':'write','path':'a/b/c','content':''}", "Replaced a/b/c: 0 bytes, 0 lines (it had 3 bytes)");
	is("a/b/c", "");
	assert_int_equal(stat("a/b/c", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
	has("{'op':'write','path':'z','content':'a\\u0000b'}", "3 bytes");
	assert_int_equal(stat("z", &st), 0);
	assert_int_equal(st.st_size, 3);
	has("{'op':'write','path':'a','content':''}", "a is a directory");
	has("{'op':'write','path':'a/','content':''}", "a/ is a directory");
	has("{'op':'write','path':'new/','content':''}", "new/ is a directory");
	has("{'op':'write','path':'z/x','content':''}", "Not a directory");
	has("{'op':'write','path':'z/x/y','content':''}", "Not a directory");
	assert_int_equal(files(), 2);
}

static void test_links(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(mkdir("d", 0755), 0);
	put("d/real", "1", 1);
	assert_int_equal(symlink("d/real", "l"), 0);
	assert_int_equal(symlink("l", "ll"), 0);
	has("{'op':'write','path':'ll','content':'2'}", "Replaced ll");
	is("d/real", "2");
	assert_int_equal(lstat("l", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(symlink("d/made", "dangling"), 0);
	has("{'op':'write','path':'dangling','content':'3'}", "Created dangling");
	is("d/made", "3");
	assert_int_equal(symlink("round", "round"), 0);
	has("{'op':'write','path':'round','content':''}", "symbolic links");
	has("{'op':'read','path':'round'}", "symbolic links");
	assert_int_equal(symlink("/", "root"), 0);
	has("{'op':'write','path':'root','content':''}", "root is a directory");
	has("{'op':'edit','path':'l','oldText':'2','newText':'4'}", "Replaced 1 occurrence in l");
	is("d/real", "4");
	/* A second name is another file from then on. */
	assert_int_equal(link("d/real", "hard"), 0);
	has("{'op':'write','path':'hard','content':'5'}", "Replaced");
	is("d/real", "4");
}

static void test_special(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX, .sun_path = "s"};
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(mkfifo("f", 0666), 0);
	assert_int_equal(symlink("f", "lf"), 0);
	assert_int_equal(bind(s, (struct sockaddr *)&sun, sizeof sun), 0);
	alarm(10);
	has("{'op':'read','path':'f'}", "f is a FIFO");
	has("{'op':'read','path':'lf'}", "lf is a FIFO");
	has("{'op':'write','path':'lf','content':''}", "lf is a FIFO");
	has("{'op':'edit','path':'f','oldText':'a','newText':'b'}", "f is a FIFO");
	has("{'op':'read','path':'s'}", "s is a socket");
	has("{'op':'write','path':'s','content':''}", "s is a socket");
	has("{'op':'read','path':'/dev/zero'}", "/dev/zero is a device");
	has("{'op':'write','path':'/dev/null','content':'x'}", "/dev/null is a device");
	has("{'op':'read','path':'/proc/self/mem'}", "/proc/self/mem: Input/output error");
	has("{'op':'edit','path':'/proc/self/mem','oldText':'a','newText':'b'}", "Input/output error");
	has("{'op':'write','path':'/proc/self/mem','content':'b'}", "\"ok\":false");
	has("{'op':'write','path':'/proc/self/fd/99','content':'b'}", "\"ok\":false");
	alarm(0);
	close(s);
}

static void test_denied(void **state)
{
	struct rlimit small = {4096, RLIM_INFINITY}, old;
	oc_auto_buf b = {0};

	(void)state;
	put("f", "old", 3);
	/* A limit is an error, and the old file stays. */
	getrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	oc_buf_puts(&b, "{'op':'write','path':'f','content':'");
	for (int i = 0; i < 9000; i++)
		oc_buf_puts(&b, "x");
	oc_buf_puts(&b, "'}");
	has(b.data, "File too large");
	setrlimit(RLIMIT_FSIZE, &old);
	is("f", "old");
	assert_int_equal(files(), 1);
	if (geteuid() == 0)
		return; /* modes say nothing to root */
	assert_int_equal(chmod("f", 0444), 0);
	has("{'op':'write','path':'f','content':'new'}", "cannot write to f: Permission denied");
	assert_int_equal(chmod("f", 0644), 0);
	assert_int_equal(mkdir("d", 0755), 0);
	put("d/f", "longer", 6);
	assert_int_equal(chmod("d", 0555), 0);
	has("{'op':'write','path':'d/f','content':'new'}", "written over");
	has("{'op':'write','path':'d/g','content':'new'}", "cannot make a file in its directory");
	is("d/f", "new");
	assert_int_equal(chmod("d", 0755), 0);
}

static void test_edit(void **state)
{
	struct stat st;

	(void)state;
	put("f", "alpha\nbeta\ngamma\n", 17);
	has("{'op':'edit','path':'f','oldText':'beta','newText':'BETA'}",
	    "Replaced 1 occurrence in f:\\n@@ line 2 @@\\n-beta\\n+BETA\\n");
	is("f", "alpha\nBETA\ngamma\n");
	has("{'op':'edit','path':'f','oldText':'alpha\\nBETA\\n','newText':''}", "-alpha\\n-BETA\\n\"");
	is("f", "gamma\n");
	has("{'op':'edit','path':'f','oldText':'a','newText':'b'}", "oldText is 2 times in f (lines 1, 1)");
	has("{'op':'edit','path':'f','oldText':'x','newText':'b'}", "oldText is not in f");
	has("{'op':'edit','path':'f','oldText':'','newText':'b'}", "oldText is empty");
	has("{'op':'edit','path':'f','oldText':'a','newText':'a'}", "nothing would change");
	has("{'op':'edit','path':'none','oldText':'a','newText':'b'}", "No such file");
	is("f", "gamma\n");
	has("{'op':'edit','path':'f','oldText':'a','newText':'bb','replaceAll':true}",
	    "Replaced 2 occurrences in f, in lines 1, 1");
	is("f", "gbbmmbb\n");
	/* Texts that overlap themselves: more than one place, though only one can be replaced. */
	put("f", "aaa", 3);
	has("{'op':'edit','path':'f','oldText':'aa','newText':'b'}", "oldText is 2 times");
	has("{'op':'edit','path':'f','oldText':'aa','newText':'b','replaceAll':true}", "Replaced 1 occurrence");
	is("f", "ba");
	put("f", "one\r\ntwo\r\nthree\r\n", 17);
	has("{'op':'edit','path':'f','oldText':'one\\ntwo\\n','newText':'1\\n2\\n'}", "Replaced 1");
	is("f", "1\r\n2\r\nthree\r\n");
	/* Bytes that are no text stay as they are. */
	put("f", "\xFF" "a\xFE\n", 4);
	assert_int_equal(chmod("f", 0600), 0);
	has("{'op':'edit','path':'f','oldText':'a','newText':'\xC3\xA9'}", "Replaced 1");
	is("f", "\xFF\xC3\xA9\xFE\n");
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* What costs most: long texts that are everywhere. */
static void test_edit_large(void **state)
{
	oc_auto_buf b = {0};
	oc_auto_buf req = {0};

	(void)state;
	for (size_t i = 0; i < (OC_FILE_EDIT_MAX >> 4); i++)
		oc_buf_puts(&b, "aaaaaaaaaaaaaaaa");
	put("f", b.data, b.len);
	has("{'op':'edit','path':'f','oldText':'a','newText':'b'}", "100 times or more");
	oc_buf_printf(&req, "{'op':'edit','path':'f','replaceAll':true,'oldText':'%.*s','newText':'%.*s'}",
		      1 << 16, b.data, 1 << 18, b.data);
	has(req.data, "would become larger");
	oc_buf_free(&req);
	oc_buf_printf(&req, "{'op':'edit','path':'f','newText':'b','oldText':'%.*s'}", 1 << 20, b.data);
	alarm(30);
	has(req.data, "100 times or more");
	alarm(0);
	oc_buf_puts(&b, "a");
	put("f", b.data, b.len);
	has("{'op':'edit','path':'f','oldText':'a','newText':'b'}", "is larger than");
}

static void *editor(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < 25; i++) {
		char json[200];
		oc_auto_arena a = {0};
		oc_auto_buf out = {0};
		struct oc_file_request req;
		struct oc_err err = {0};
		snprintf(json, sizeof json,
			 "{\"op\":\"edit\",\"path\":\"f\",\"oldText\":\"<%d.%d>\",\"newText\":\"done\"}", n, i);
		assert_int_equal(oc_file_parse(&a, json, strlen(json), &req, &err), 0);
		oc_file_run(&req, &out);
		if (!strstr(out.data, "\"ok\":true"))
			printf("# %s: %s\n", json, out.data);
	}
	return NULL;
}

static void test_edits_at_once(void **state)
{
	oc_auto_buf b = {0};
	oc_auto_buf want = {0};
	pthread_t t[4];
	int n[4];

	(void)state;
	for (int i = 0; i < 100; i++) {
		oc_buf_printf(&b, "<%d.%d>\n", i / 25, i % 25);
		oc_buf_puts(&want, "done\n");
	}
	put("f", b.data, b.len);
	for (int i = 0; i < 4; i++) {
		n[i] = i;
		assert_int_equal(pthread_create(&t[i], NULL, editor, &n[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	is("f", want.data);
	assert_int_equal(files(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_image, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_special, setup, teardown),
		cmocka_unit_test_setup_teardown(test_denied, setup, teardown),
		cmocka_unit_test_setup_teardown(test_edit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_edit_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_edits_at_once, setup, teardown),
	};

	home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
