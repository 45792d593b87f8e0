/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state - the state directory and the token that is stored in it.
 */
#include "gateway/config/state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/fd.h"

enum { token_bytes = 32, token_max = 512 };

/* Of us (or of root), and nobody else may write. */
static int judge(int fd, const char *path, struct oc_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return oc_fail(err, errno, "cannot read '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return oc_fail(err, ENOTDIR, "'%s'", path);
	if (st.st_uid != geteuid()) {
		oc_fail(err, 0, "'%s' belongs to user %u, not to you (%u)", path, st.st_uid,
			geteuid());
		return oc_err_hint(err, "set OPENCLAW_STATE_DIR to a directory of your own");
	}
	/* Our own directory, too open: what we would tell the operator to do is done. */
	if ((st.st_mode & 077) && fchmod(fd, st.st_mode & 0700) < 0)
		return oc_fail(err, errno, "'%s' is open to other users (mode %04o) and chmod fails",
			       path, (unsigned)st.st_mode & 07777);
	return 0;
}

int oc_state_open(const char *path, struct oc_err *err)
{
	oc_auto_close at = oc_mkdir_path(path, 0700, err);
	if (at < 0)
		return oc_err_context(err, "state directory");
	oc_auto_close fd = oc_openat2(at, ".", O_RDONLY | O_DIRECTORY, 0, 0);
	if (fd < 0)
		return oc_fail(err, errno, "state directory '%s'", path);
	if (judge(fd, path, err) < 0)
		return oc_err_context(err, "state directory");
	return oc_steal_fd(&fd);
}

int oc_state_subdir(int state, const char *name, struct oc_err *err)
{
	if (mkdirat(state, name, 0700) < 0 && errno != EEXIST)
		return oc_fail(err, errno, "cannot make the directory '%s' in the state directory",
			       name);
	oc_auto_close fd =
		oc_openat2(state, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_BENEATH);
	if (fd < 0)
		return oc_fail(err, errno, "directory '%s' in the state directory", name);
	if (judge(fd, name, err) < 0)
		return -1;
	return oc_steal_fd(&fd);
}

static int read_token(struct oc_arena *a, const char *path, const char **out, struct oc_err *err)
{
	char buf[token_max + 2];
	struct stat st;
	ssize_t n;

	oc_auto_close fd =
		oc_openat2(AT_FDCWD, path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW, 0, 0);
	/* Who may not look into the state directory has no token from there. */
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return oc_fail(err, errno, "cannot open '%s'", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077)) {
		oc_fail(err, 0, "'%s' must be a file of yours with mode 0600", path);
		return oc_err_hint(err, "chmod 600 '%s', or remove it: the gateway makes a new one",
				   path);
	}
	n = read(fd, buf, sizeof(buf) - 1);
	if (n < 0)
		return oc_fail(err, errno, "cannot read '%s'", path);
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		n--;
	buf[n] = 0;
	if (n < 24 || n > token_max || strlen(buf) != (size_t)n || strpbrk(buf, " \t\r\n")) {
		oc_fail(err, 0, "'%s' does not hold a token", path);
		return oc_err_hint(err, "remove it: the gateway makes a new one");
	}
	*out = oc_arena_strdup(a, buf);
	return 0;
}

static int random_text(char *out, struct oc_err *err)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char raw[token_bytes + 1] = {0};
	size_t o = 0;

	if (getrandom(raw, token_bytes, 0) != token_bytes)
		return oc_fail(err, errno, "no random bytes");
	/* RFC 4648 section 5, no padding: 43 digits. */
	for (size_t bit = 0; bit < 8 * token_bytes; bit += 6) {
		unsigned two = (unsigned)raw[bit / 8] << 8 | raw[bit / 8 + 1];
		out[o++] = digits[two >> (10 - bit % 8) & 63];
	}
	out[o] = 0;
	explicit_bzero(raw, sizeof(raw));
	return 0;
}

int oc_state_token(struct oc_arena *a, const char *state_dir, bool make, const char **out,
		   bool *made, struct oc_err *err)
{
	const char *path = oc_arena_printf(a, "%s/" OC_STATE_TOKEN_FILE, state_dir);
	char text[64];

	*out = NULL;
	if (made)
		*made = false;
	if (read_token(a, path, out, err) < 0)
		return -1;
	if (*out || !make)
		return 0;
	oc_auto_close state = oc_state_open(state_dir, err);
	if (state < 0)
		return -1;
	oc_auto_close dir = oc_state_subdir(state, "credentials", err);
	if (dir < 0 || random_text(text, err) < 0)
		return -1;
	*out = oc_arena_strdup(a, text);
	size_t n = strlen(text);
	text[n] = '\n';
	int r = oc_atomic_write_at(dir, "gateway-token", text, n + 1, 0600, err);
	explicit_bzero(text, sizeof(text));
	if (r < 0)
		return oc_err_context(err, "cannot store the gateway's token");
	if (made)
		*made = true;
	return 0;
}
