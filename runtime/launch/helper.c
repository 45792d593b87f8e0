/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper - see helper.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/helper.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* 6.3 */
#endif

int oc_helper_open(const char *name, struct oc_err *err)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);

	if (n > 0) {
		path[n] = '\0';
		char *slash = strrchr(path, '/');
		if (slash) {
			snprintf(slash + 1, 63, "%s", name);
			int fd = open(path, O_RDONLY | O_CLOEXEC);
			if (fd >= 0)
				return fd;
		}
	}
	snprintf(path, sizeof path, "%s/%s", OC_LIBEXECDIR, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		oc_fail(err, errno, "cannot open %s", path);
		return oc_err_hint(err, "it is installed together with oc-sandbox");
	}
	return fd;
}

int oc_helper_seal(int src, const char *name, struct oc_err *err)
{
	oc_auto_buf data = {0};
	struct stat st;

	if (fstat(src, &st) < 0)
		return oc_fail(err, errno, "cannot look at %s", name);
	if (!S_ISREG(st.st_mode))
		return oc_fail(err, 0, "%s is not a regular file", name);
	if (oc_read_all(src, &data, 16u << 20) < 0)
		return oc_fail(err, errno, "cannot read %s", name);
	oc_auto_close fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL) /* before 6.3 */
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		oc_fail(err, errno, "cannot make an executable memfd");
		return oc_err_hint(err, "sysctl vm.memfd_noexec=2 forbids it; 0 or 1 allow it");
	}
	if (oc_write_all(fd, data.data, data.len) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return oc_fail(err, errno, "cannot copy %s", name);
	return oc_steal_fd(&fd);
}

int oc_helper_load(const char *name, struct oc_err *err)
{
	oc_auto_close src = oc_helper_open(name, err);

	return src < 0 ? -1 : oc_helper_seal(src, name, err);
}
