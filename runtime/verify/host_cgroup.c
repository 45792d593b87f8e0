/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_cgroup - can we have a cgroup with limits?  Makes one, exactly as launch does, and removes
 * it; then explains.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/cgroup.h"
#include "runtime/verify/host.h"

enum { TREE_NONE, TREE_V1, TREE_V2, TREE_HYBRID };

/* Which trees are mounted, and which controllers the v1 ones carry. */
static int trees(char *controllers, size_t size)
{
	oc_auto_buf text = {0};
	oc_auto_close fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	bool v1 = false, v2 = false;
	size_t len = 0;

	*controllers = '\0';
	if (fd < 0 || oc_read_all(fd, &text, 4u << 20) < 0 || !text.data)
		return TREE_NONE;
	for (const char *line = text.data; *line;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		char row[2048], *type;
		size_t n = strcspn(line, "\n");

		if (n >= sizeof(row))
			continue;
		memcpy(row, line, n);
		row[n] = '\0';
		type = strstr(row, " - ");
		if (!type)
			continue;
		if (strncmp(type, " - cgroup2 ", 11) == 0) {
			v2 = true;
		} else if (strncmp(type, " - cgroup ", 10) == 0) {
			static const char *const wanted[] = {"memory", "pids", "cpu"};
			char *options = strrchr(type, ' ');

			v1 = true;
			for (size_t i = 0; i < 3; i++) {
				size_t w = strlen(wanted[i]);
				for (char *p = options; (p = strstr(p, wanted[i])); p += w)
					if ((p[-1] == ',' || p[-1] == ' ') &&
					    (p[w] == ',' || !p[w]) && len + w + 3 < size)
						len += (size_t)snprintf(controllers + len,
									size - len, "%s%s",
									len ? ", " : "", wanted[i]);
			}
		}
	}
	return v1 && v2 ? TREE_HYBRID : v1 ? TREE_V1 : v2 ? TREE_V2 : TREE_NONE;
}

static bool has_user_manager(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/run/user/%u/systemd/private", getuid());
	return access(path, F_OK) == 0;
}

/* Of the part of the tree that systemd's user manager hands to this user. */
static bool read_delegated(char *out, size_t size)
{
	char path[160];

	snprintf(path, sizeof(path),
		 "/sys/fs/cgroup/user.slice/user-%u.slice/user@%u.service/cgroup.controllers",
		 getuid(), getuid());
	return oc_host_read(path, out, size) >= 0;
}

static void why(struct oc_host_row *r, int kind)
{
	char delegated[256];

	if (kind == TREE_NONE) {
		oc_host_cause(r, "no cgroup tree is mounted");
		oc_host_cure(r, "mount -t cgroup2 none /sys/fs/cgroup");
	} else if (geteuid() == 0) {
		oc_host_cause(r, "the tree is read-only here or its controllers are not handed on, "
				 "as in most containers");
		oc_host_cure(r, "give the container a writable cgroup of its own (docker, podman: "
				"--cgroupns=private with a "
				"writable /sys/fs/cgroup)");
	} else if (kind != TREE_V2) {
		oc_host_cause(r, "on this host memory, pids and cpu are controlled by cgroup v1, "
				 "which is not handed to users");
		oc_host_cure(r, "boot with systemd.unified_cgroup_hierarchy=1, or have root make a "
				"group in each tree, owned "
				"by you, and start from in there");
	} else if (!has_user_manager()) {
		oc_host_cause(
			r, "there is no systemd user manager for you that could delegate a cgroup");
		oc_host_cure(r, "log in through PAM, or loginctl enable-linger and start with "
				"systemd-run --user --scope -p "
				"Delegate=yes");
	} else if (read_delegated(delegated, sizeof(delegated)) &&
		   (!strstr(delegated, "memory") || !strstr(delegated, "pids") ||
		    !strstr(delegated, "cpu"))) {
		oc_host_cause(r, "systemd delegates only these controllers to you: %s",
			      *delegated ? delegated : "none");
		oc_host_cure(r, "in /etc/systemd/system/user@.service.d/delegate.conf: [Service] "
				"Delegate=cpu memory pids; "
				"then systemctl daemon-reload and log in again");
	} else {
		oc_host_cause(r, "this process is not in the delegated part of the tree");
		oc_host_cure(r, "start it with systemd-run --user --scope -p Delegate=yes");
	}
}

void oc_host_cgroup(struct oc_host_row *r)
{
	static const char *const kind_name[] = {"none", "v1", "v2", "hybrid"};
	const struct oc_plan plan = {.memory_bytes = 64u << 20, .pids = 16, .cpu_millis = 1000};
	char controllers[128];
	struct oc_cgroup cg;
	struct oc_err err = {0};
	const int kind = trees(controllers, sizeof(controllers));

	oc_cgroup_init(&cg);
	if (oc_cgroup_create(&cg, &plan, &err) == 0) {
		const unsigned missing = cg.missing;
		char lacks[64] = "";

		for (int c = 0; c < OC_CG_COUNT; c++)
			if (missing & OC_CG_BIT(c)) {
				const size_t n = strlen(lacks);
				snprintf(lacks + n, sizeof(lacks) - n, " %s",
					 oc_cgroup_controller(c));
			}
		oc_host_detail(r, "%s host; limits by %s%s%s", kind_name[kind], cg.detail,
			       missing ? "; stand-ins for" : "", lacks);
		if (oc_cgroup_remove(&cg) < 0) {
			oc_host_failed(r, errno,
				       "the cgroup that was made could not be removed again");
		} else if (missing) {
			r->state = OC_HOST_LIMITED;
			why(r, kind);
		}
		return;
	}
	/* The command still runs, with stand-ins. */
	r->state = geteuid() == 0 ? OC_HOST_MISSING : OC_HOST_LIMITED;
	oc_host_detail(r, "%s host%s%s; %s%s", kind_name[kind], *controllers ? ", v1 has " : "",
		       controllers, r->state == OC_HOST_LIMITED ? "stand-ins will be used: " : "",
		       err.msg);
	why(r, kind);
}
