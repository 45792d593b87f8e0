/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_conftext - includes and variables.  The input is split at bytes 0x1E into the files main, a,
 * b and sub/c of a temporary directory; the loader itself refuses to read anything else.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conftext.h"
#include "tests/fuzz/fuzz_tree.h"

static const char *const names[] = {"main", "a", "b", "sub/c"};
static char top[64];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void clean_up(void)
{
	int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < 4; i++)
		unlinkat(dir, names[i], 0);
	unlinkat(dir, "sub", AT_REMOVEDIR);
	close(dir);
	rmdir(top);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* Memory, if there is such a directory: each run writes four files. */
	snprintf(top, sizeof(top), "%s/oc-fuzz-conf-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	FUZZ_CHECK(mkdtemp(top) != NULL);
	int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_CHECK(mkdirat(dir, "sub", 0700) == 0);
	close(dir);
	atexit(clean_up);
	return 0;
}

static const char *lookup(void *ctx, const char *name)
{
	(void)ctx;
	if (!strcmp(name, "A"))
		return "value";
	if (!strcmp(name, "B"))
		return "${A}";
	return strcmp(name, "BAD") ? NULL : "\xFF";
}

static void check_load(const char *path, bool keep)
{
	oc_auto_arena a = {0};
	struct oc_err err = {0};
	struct oc_json *v;
	struct oc_conf_options opt = {.getenv = lookup, .keep_unset = keep};

	if (oc_conf_load(&a, path, &opt, &v, &err) < 0) {
		FUZZ_CHECK(!v && err.msg[0]);
		return;
	}
	FUZZ_CHECK(v && v->type == OC_JSON_OBJECT && !v->key);
	fuzz_check_tree(v, NULL, 0, 0);
	fuzz_check_writer(&a, v, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[128];

	for (size_t i = 0; i < 4; i++) {
		const uint8_t *end = size ? memchr(data, 0x1E, size) : NULL;
		size_t len = end && i < 3 ? (size_t)(end - data) : size;
		snprintf(path, sizeof(path), "%s/%s", top, names[i]);
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		FUZZ_CHECK(fd >= 0 && (len == 0 || write(fd, data, len) == (ssize_t)len));
		close(fd);
		data += len;
		size -= len;
		if (size > 0) {
			data++;
			size--;
		}
	}
	snprintf(path, sizeof(path), "%s/main", top);
	check_load(path, true);
	check_load(path, false);
	return 0;
}
