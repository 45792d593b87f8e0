/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock - one gateway for a state directory.  The lock is flock(2)'s, so it goes with its holder;
 * the text in the file only says who that is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "gateway/server/internal.h"

#define NAME	"gateway.lock"
#define WAIT_MS 5000

static int open_lock(int state_fd, bool make, struct oc_err *err)
{
	struct stat st;
	int fd =
		oc_openat2(state_fd, NAME,
			   (uint64_t)(make ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK,
			   make ? 0600 : 0, RESOLVE_BENEATH);

	if (fd < 0)
		return !make && errno == ENOENT
			       ? -2
			       : oc_fail(err, errno, "cannot open " NAME " in the state directory");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return oc_fail(err, 0, NAME " in the state directory is not a regular file");
	}
	return fd;
}

static void read_holder(int fd, struct oc_server_holder *out)
{
	char text[256];
	oc_auto_arena a = {0};
	struct oc_json *root;
	int64_t pid = 0, port = 0;
	ssize_t n = pread(fd, text, sizeof text, 0);

	*out = (struct oc_server_holder){0};
	if (n <= 0 || oc_json_parse(&a, text, (size_t)n, NAME, &root, NULL) < 0)
		return;
	const struct oc_json *p = oc_json_get(root, "pid"), *o = oc_json_get(root, "port"),
			     *s = oc_json_get(root, "startedAtMs");
	if (p && oc_json_int(&a, p, 1, INT32_MAX, &pid, NULL) == 0)
		out->pid = (pid_t)pid;
	if (o && oc_json_int(&a, o, 0, 65535, &port, NULL) == 0)
		out->port = (uint16_t)port;
	if (s)
		(void)oc_json_int(&a, s, 0, INT64_C(1) << 53, &out->started_ms, NULL);
}

int oc_server_holder(int state_fd, struct oc_server_holder *out, struct oc_err *err)
{
	oc_auto_close fd = open_lock(state_fd, false, err);

	*out = (struct oc_server_holder){0};
	if (fd < 0)
		return fd == -2 ? 0 : -1;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return oc_fail(err, errno, "cannot look at the lock of the state directory");
	read_holder(fd, out);
	return 1;
}

int oc_lock_take(int state_fd, struct oc_err *err)
{
	struct oc_server_holder h;
	oc_auto_close fd = open_lock(state_fd, true, err);

	if (fd < 0)
		return oc_err_step(err, "lock");
	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += 100) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			oc_fail(err, errno, "cannot lock the state directory");
			return oc_err_step(err, "lock");
		}
		if (waited >= WAIT_MS) {
			read_holder(fd, &h);
			oc_fail(err, 0, "gateway already running (pid %d); lock timeout after %dms",
				(int)h.pid, WAIT_MS);
			oc_err_hint(err, "`openclaw gateway stop` ends it; OPENCLAW_STATE_DIR "
					 "gives this one a directory of its own");
			return oc_err_step(err, "lock");
		}
		nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
	}
	return oc_steal_fd(&fd);
}

int oc_lock_tell(int lock_fd, uint16_t port, int64_t started_ms, struct oc_err *err)
{
	char text[128];
	int n = snprintf(text, sizeof text, "{\"pid\":%d,\"port\":%u,\"startedAtMs\":%lld}\n",
			 (int)getpid(), (unsigned)port, (long long)started_ms);

	if (ftruncate(lock_fd, 0) < 0 || pwrite(lock_fd, text, (size_t)n, 0) != n)
		return oc_fail(err, errno, "cannot write " NAME);
	return 0;
}
