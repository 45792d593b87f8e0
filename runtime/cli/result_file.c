/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_file - where --result writes; see exec.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "runtime/cli/exec.h"

/*
 * Opened before anything runs, so that a result that cannot be written is known first.  No link is
 * followed and no second name accepted: FILE may lie in a directory that the command of an earlier
 * run could write.
 */
int oc_cli_open_result(const char *spec, struct oc_err *err)
{
	struct stat st;

	if (!spec)
		return -1;
	if (strncmp(spec, "fd:", 3) == 0) {
		char *end;
		errno = 0;
		long n = strtol(spec + 3, &end, 10);
		if (errno || end == spec + 3 || *end || n < 0 || n > 65535 ||
		    fcntl((int)n, F_GETFD) < 0)
			return oc_fail(err, EBADF, "--result %s", spec);
		int fd = fcntl((int)n, F_DUPFD_CLOEXEC, 3);
		return fd >= 0 ? fd : oc_fail(err, errno, "--result %s", spec);
	}
	oc_auto_close fd =
		oc_openat2(AT_FDCWD, spec, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
			   0600, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (fd < 0 || fstat(fd, &st) < 0) {
		oc_fail(err, errno, "--result %s", spec);
		if (err->errnum == ELOOP)
			oc_err_hint(err,
				    "symbolic links are not followed there; give the real path");
		return -1;
	}
	if (S_ISREG(st.st_mode) && st.st_nlink > 1)
		return oc_fail(err, 0, "--result %s has another name (%u hard links)", spec,
			       (unsigned)st.st_nlink);
	return oc_steal_fd(&fd);
}

int oc_cli_write_result(int fd, const char *text, size_t len)
{
	struct oc_err err = {0};
	struct stat st;

	if (fd < 0)
		return 0;
	/* Not before now: whatever the command wrote into the file in the meantime goes. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_CUR) == 0 &&
	    ftruncate(fd, 0) < 0)
		oc_fail(&err, errno, "cannot empty the file of the result");
	else if (oc_write_all(fd, text, len) < 0 || oc_write_all(fd, "\n", 1) < 0)
		oc_fail(&err, errno, "cannot write the result");
	else
		return 0;
	oc_err_print(&err, "oc-sandbox", 2);
	return -1;
}
