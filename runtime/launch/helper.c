/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper - see helper.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/launch/helper.h"

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
