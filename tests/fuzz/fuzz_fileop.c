/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_fileop - a file of any bytes, and a request that has any bytes in it: the first line of the input is the request, the
 * rest the file "f".  The answer is JSON within its bound, and nothing but that file is there afterwards.
 *
 * Whatever name it says, the request is for that file.
 *
 * fuzz-sources: runtime/fileop/edit.c runtime/fileop/place.c runtime/fileop/read.c runtime/fileop/request.c
 * runtime/fileop/write.c
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/fileop/fileop.h"
#include "tests/fuzz/fuzz_tree.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[] = "/tmp/oc-fuzz-fileop-XXXXXX", path[sizeof top + 2];

static void clean(void)
{
	unlink(path);
	rmdir(top);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	FUZZ_CHECK(mkdtemp(top));
	snprintf(path, sizeof path, "%s/f", top);
	atexit(clean);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *nl = size ? memchr(text, '\n', size) : NULL;
	size_t len = nl ? (size_t)(nl - text) : size, rest = nl ? size - len - 1 : 0;
	oc_auto_arena a = {0};
	oc_auto_buf out = {0};
	struct oc_file_request req;
	struct oc_err err = {0};
	struct oc_json *v;
	size_t names = 0;

	if (oc_file_parse(&a, text, len, &req, &err) < 0)
		return 0;
	req.path = path;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0 && oc_write_all(fd, nl ? nl + 1 : "", rest) == 0);
	close(fd);
	oc_file_run(&req, &out);
	FUZZ_CHECK(out.len < OC_FILE_ANSWER_MAX);
	FUZZ_CHECK(oc_json_parse_message(&a, out.data, out.len, "answer", OC_FILE_ANSWER_MAX, &v, &err) == 0);
	FUZZ_CHECK(oc_json_get(v, "ok"));
	DIR *d = opendir(top);
	FUZZ_CHECK(d);
	while (readdir(d))
		names++;
	closedir(d);
	FUZZ_CHECK(names == 3);
	return 0;
}
