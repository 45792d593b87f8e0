/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edit_file - openclaw.json itself: read, edit, try, put in place.
 *
 * The new text is tried from a file beside the old one, so that its includes are found; a gateway never sees half of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "gateway/config/edit.h"
#include "gateway/config/internal.h"

/* The name of the trial in a message becomes the name of the file. */
static void rename_in(char *text, size_t size, const char *from, const char *to)
{
	char *at;
	size_t n = strlen(from), m = strlen(to);

	while (m <= n && (at = strstr(text, from))) {
		memmove(at + m, at + n, strlen(at + n) + 1);
		memcpy(at, to, m);
	}
	(void)size;
}

static int try_it(const struct oc_config_options *opt, int dir, const char *dirname, const char *name,
		  const struct oc_buf *text, struct oc_config **after, struct oc_err *err)
{
	struct oc_config_options trial = *opt;
	oc_auto_arena a = {0};
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return oc_fail(err, errno, "no random bytes");
	const char *temp = oc_arena_printf(&a, "%s.try-%016llx", name, (unsigned long long)random);
	const char *path = oc_arena_printf(&a, "%s/%s", dirname[1] ? dirname : "", temp);
	const char *real = oc_arena_printf(&a, "%s/%s", dirname[1] ? dirname : "", name);
	if (oc_atomic_write_at(dir, temp, text->data, text->len, 0600, err) < 0)
		return -1;
	trial.flags.config_path = path;
	int r = oc_config_load(&trial, after, err);
	unlinkat(dir, temp, 0);
	if (r < 0)
		rename_in(err->msg, sizeof(err->msg), path, real);
	return r;
}

int oc_config_edit_file(const struct oc_config_options *opt, const char *path, const char *value,
			bool *changed, struct oc_config **after, struct oc_err *err)
{
	oc_auto_arena a = {0};
	oc_auto_buf text = {0}, out = {0};
	struct oc_conf_options conf = {.getenv = opt->getenv, .ctx = opt->ctx};
	const char *file;
	struct stat st;

	*changed = false;
	*after = NULL;
	if (opt->flags.config_path)
		file = opt->flags.config_path;
	else if (oc_conf_path(&a, &conf, &file, err) < 0)
		return -1;
	const char *slash = strrchr(file, '/'), *name = slash + 1;
	const char *dirname = slash == file ? "/" : oc_arena_strndup(&a, file, (size_t)(slash - file));
	oc_auto_close at = oc_mkdir_path(dirname, 0700, err);
	oc_auto_close dir = at < 0 ? -1 : oc_openat2(at, ".", O_RDONLY | O_DIRECTORY, 0, 0);
	if (dir < 0)
		return at < 0 ? -1 : oc_fail(err, errno, "'%s'", dirname);
	/* A link stays a link in the config's own directory only by hand: replacing it would not change what it points to. */
	oc_auto_close fd = oc_openat2(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, 0);
	if (fd < 0 && errno == ELOOP)
		return oc_fail(err, 0, "'%s' is a link: change the file it points to", file);
	if (fd < 0 && errno != ENOENT)
		return oc_fail(err, errno, "cannot open '%s'", file);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		return oc_fail(err, 0, "'%s' is not a regular file", file);
	if (fd >= 0 && oc_read_all(fd, &text, OC_JSON_MAX_BYTES) < 0)
		return oc_fail(err, errno, "cannot read '%s'", file);
	if (oc_config_edit(text.data ? text.data : "", text.len, file, path, value, &out, changed,
			   err) < 0)
		return -1;
	if (!*changed)
		return 0;
	if (try_it(opt, dir, dirname, name, &out, after, err) < 0) {
		oc_err_context(err, "not changed, the result would be wrong");
		return -1;
	}
	return oc_atomic_write_at(dir, name, out.data, out.len, 0600, err);
}
