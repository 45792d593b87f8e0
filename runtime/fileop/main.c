/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main - of oc-fileop: takes the request, gives the answer.  See fileop.h.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "runtime/fileop/fileop.h"

int main(void)
{
	struct oc_file_request req;
	struct oc_err err = {0};
	oc_auto_arena a = {0};
	oc_auto_buf in = {0};
	oc_auto_buf out = {0};

	/* Its neighbours have its user id: they need not see or change what it has in hand. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* A limit on the size of files is an error like any other. */
	signal(SIGXFSZ, SIG_IGN);
	if (oc_read_all(0, &in, OC_FILE_REQUEST_MAX) < 0) {
		oc_fail(&err, errno, "cannot read the request");
		oc_err_print(&err, "oc-fileop", 2);
		return 1;
	}
	if (oc_file_parse(&a, in.data ? in.data : "", in.len, &req, &err) < 0) {
		oc_err_print(&err, "oc-fileop", 2);
		return 1;
	}
	oc_file_run(&req, &out);
	oc_buf_puts(&out, "\n");
	return oc_write_all(1, out.data, out.len) < 0 ? 1 : 0;
}
