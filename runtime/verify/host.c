/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host - runs the tries, explains refusals, prints the table.
 */
#include "runtime/verify/host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define TRY_SECONDS 20

#define FORMATTED(field)                                                                           \
	do {                                                                                       \
		va_list ap;                                                                        \
		va_start(ap, fmt);                                                                 \
		vsnprintf(r->field, sizeof(r->field), fmt, ap);                                    \
		va_end(ap);                                                                        \
	} while (0)

void oc_host_detail(struct oc_host_row *r, const char *fmt, ...)
{
	FORMATTED(detail);
}

void oc_host_cause(struct oc_host_row *r, const char *fmt, ...)
{
	FORMATTED(cause);
}

void oc_host_cure(struct oc_host_row *r, const char *fmt, ...)
{
	FORMATTED(cure);
}

void oc_host_failed(struct oc_host_row *r, int errnum, const char *what)
{
	r->state = OC_HOST_MISSING;
	if (errnum)
		oc_host_detail(r, "%s: %s", what, strerror(errnum));
	else
		oc_host_detail(r, "%s", what);
	errno = errnum; /* the caller explains it */
}

long oc_host_read(const char *path, char *buf, size_t size)
{
	oc_auto_close fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	if (len && buf[len - 1] == '\n')
		buf[--len] = '\0';
	return n < 0 ? -1 : (long)len;
}

long oc_host_write(int dir, const char *path, const char *text)
{
	oc_auto_close fd = openat(dir, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -1 : write(fd, text, strlen(text));
}

long oc_host_sysctl(const char *path)
{
	char buf[64], *end;
	long v;

	if (oc_host_read(path, buf, sizeof(buf)) <= 0)
		return -1;
	v = strtol(buf, &end, 10);
	return end == buf ? -1 : v;
}

/* Are we under a filter of somebody's (a container's) already? */
static bool filtered(void)
{
	char buf[4096], *p;
	long n = oc_host_read("/proc/self/status", buf, sizeof(buf));

	p = n > 0 ? strstr(buf, "\nSeccomp:\t") : NULL;
	return p && p[10] == '2';
}

/* In a chroot no mount has our root as its mount point, and the kernel refuses user namespaces. */
static bool chrooted(void)
{
	oc_auto_buf text = {0};
	oc_auto_close fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || oc_read_all(fd, &text, 4u << 20) < 0 || !text.data)
		return false;
	for (const char *line = text.data; *line;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		char point[8];

		if (sscanf(line, "%*u %*u %*s %*s %7s", point) == 1 && strcmp(point, "/") == 0)
			return false;
	}
	return true;
}

void oc_host_why_user(struct oc_host_row *r, int errnum)
{
	if (errnum == ENOSPC) {
		if (oc_host_sysctl("/proc/sys/user/max_user_namespaces") == 0) {
			oc_host_cause(r, "user.max_user_namespaces is 0");
			oc_host_cure(r, "sysctl -w user.max_user_namespaces=15000, and the same in "
					"/etc/sysctl.d");
		} else {
			oc_host_cause(r, "the limit of user namespaces is reached, or this runs "
					 "inside of a sandbox that "
					 "forbids more of them");
			oc_host_cure(r, "run it outside of that sandbox, or raise "
					"user.max_user_namespaces");
		}
	} else if (errnum == EINVAL || errnum == ENOSYS) {
		oc_host_why(r, errnum, "a kernel with CONFIG_USER_NS (every distribution's is)");
	} else if (oc_host_sysctl("/proc/sys/kernel/unprivileged_userns_clone") == 0 &&
		   geteuid() != 0) {
		oc_host_cause(r, "kernel.unprivileged_userns_clone is 0");
		oc_host_cure(r, "sysctl -w kernel.unprivileged_userns_clone=1, and the same in "
				"/etc/sysctl.d");
	} else if (oc_host_sysctl("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1 &&
		   geteuid() != 0) {
		oc_host_cause(r, "AppArmor restricts user namespaces to programs with a profile "
				 "(kernel.apparmor_restrict_unprivileged_userns is 1)");
		oc_host_cure(
			r,
			"load the profile that comes with oc-sandbox: copy %s/apparmor/oc-sandbox "
			"to "
			"/etc/apparmor.d/ and run apparmor_parser -r /etc/apparmor.d/oc-sandbox",
			OC_DATADIR);
	} else if (chrooted()) {
		oc_host_cause(r, "this runs in a chroot, where the kernel refuses user namespaces");
		oc_host_cure(r, "use a mount namespace with pivot_root in place of chroot, or run "
				"it outside");
	} else if (filtered()) {
		oc_host_cause(r, "a system call filter of the surrounding container refuses it");
		oc_host_cure(r, "give the container a filter that allows unshare, clone, mount and "
				"pivot_root "
				"(docker, podman: --security-opt seccomp=FILE)");
	} else {
		oc_host_cause(r, "a security module or the surrounding container refuses it");
		oc_host_cure(r, "see the kernel log for the refusal");
	}
}

void oc_host_why(struct oc_host_row *r, int errnum, const char *needs)
{
	const bool filter = filtered();

	if (*r->cause)
		return;
	if (errnum == ENOSYS && filter) {
		oc_host_cause(r, "a system call filter of the surrounding container hides it, or "
				 "the kernel is too old");
		oc_host_cure(r, "give the container a filter that allows it; it needs %s", needs);
	} else if (errnum == ENOSYS || errnum == EINVAL || errnum == ENODEV) {
		oc_host_cause(r, "the kernel is too old or was built without it");
		oc_host_cure(r, "%s", needs);
	} else if (filter) {
		oc_host_cause(r, "a system call filter or another rule of the surrounding "
				 "container refuses it");
		oc_host_cure(r, "give the container a filter that allows what sandboxes need");
	} else {
		oc_host_cause(r, "a security module or the surrounding container refuses it");
		oc_host_cure(r, "see the kernel log for the refusal");
	}
}

/* Run one try in a child; the row lies in shared memory. */
static void try_one(const struct oc_host_try *t, struct oc_host_row *r)
{
	pid_t pid, got;
	int status = 0;

	*r = (struct oc_host_row){.name = t->name, .summary = t->summary, .state = OC_HOST_MISSING};
	oc_host_detail(r, "no answer");
	pid = fork();
	if (pid < 0) {
		oc_host_failed(r, errno, "fork");
		return;
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(TRY_SECONDS);
		r->state = OC_HOST_OK;
		r->detail[0] = '\0';
		errno = 0;
		t->run(r);
		if (r->state != OC_HOST_OK)
			oc_host_why(r, errno, "kernel 5.12 or newer");
		_exit(0);
	}
	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got == pid && WIFSIGNALED(status)) {
		r->state = OC_HOST_MISSING;
		oc_host_detail(r, "killed by signal %d while trying", WTERMSIG(status));
		if (WTERMSIG(status) == SIGSYS) {
			oc_host_cause(r, "a system call filter of the surrounding container");
			oc_host_cure(r,
				     "give the container a filter that allows what sandboxes need");
		}
	}
}

int oc_host_check(struct oc_arena *a, struct oc_host_row **rows, size_t *count)
{
	size_t n = 0;
	int bad = 0;

	while (oc_host_tries[n].name)
		n++;
	struct oc_host_row *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -1;
	*rows = oc_arena_array(a, n, sizeof(**rows));
	*count = n;
	for (size_t i = 0; i < n; i++) {
		try_one(&oc_host_tries[i], page);
		(*rows)[i] = *page;
		bad += page->state != OC_HOST_OK;
	}
	munmap(page, sizeof(*page));
	return bad;
}

static const char *state_name(enum oc_host_state s)
{
	return s == OC_HOST_OK ? "ok" : s == OC_HOST_LIMITED ? "limited" : "missing";
}

void oc_host_text(const struct oc_host_row *rows, size_t count, struct oc_buf *out)
{
	size_t bad = 0;

	for (size_t i = 0; i < count; i++) {
		const struct oc_host_row *r = &rows[i];

		oc_buf_printf(out, "%-8s %-17s %s\n", state_name(r->state), r->name,
			      *r->detail ? r->detail : r->summary);
		bad += r->state != OC_HOST_OK;
		/* Most of it needs a user namespace: say once why there is none. */
		size_t same = 0;
		while (same < i && (!*r->cause || strcmp(rows[same].cause, r->cause) != 0))
			same++;
		if (same < i) {
			oc_buf_printf(out, "%26s cause and cure: see %s\n", "", rows[same].name);
			continue;
		}
		if (*r->cause)
			oc_buf_printf(out, "%26s cause: %s\n", "", r->cause);
		if (*r->cure)
			oc_buf_printf(out, "%26s cure: %s\n", "", r->cure);
	}
	if (bad)
		oc_buf_printf(out, "%zu of %zu are not all there\n", bad, count);
	else
		oc_buf_puts(out, "this host can give every layer\n");
}

void oc_host_json(const struct oc_host_row *rows, size_t count, struct oc_json_writer *w)
{
	bool ok = true;

	for (size_t i = 0; i < count; i++)
		ok = ok && rows[i].state == OC_HOST_OK;
	oc_jw_object(w);
	oc_jw_key(w, "ok");
	oc_jw_bool(w, ok);
	oc_jw_key(w, "checks");
	oc_jw_array(w);
	for (size_t i = 0; i < count; i++) {
		oc_jw_object(w);
		oc_jw_key(w, "name");
		oc_jw_string(w, rows[i].name);
		oc_jw_key(w, "summary");
		oc_jw_string(w, rows[i].summary);
		oc_jw_key(w, "state");
		oc_jw_string(w, state_name(rows[i].state));
		oc_jw_key(w, "detail");
		oc_jw_string(w, rows[i].detail);
		oc_jw_key(w, "cause");
		oc_jw_string(w, rows[i].cause);
		oc_jw_key(w, "cure");
		oc_jw_string(w, rows[i].cure);
		oc_jw_object_end(w);
	}
	oc_jw_array_end(w);
	oc_jw_object_end(w);
}
