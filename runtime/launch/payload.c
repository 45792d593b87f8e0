/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload - the last steps, in the process that becomes the command.
 *
 * It is started as by vfork: it shares pid 1's memory until execve succeeds, which saves copying page tables and tells pid
 * 1, without a pipe, whether execve succeeded.  So it must not return, must not change memory but c->err and
 * c->exec_failed, and uses its own stack.  Credentials, filter and Landlock domain are per task and stay its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/child.h"
#include "runtime/launch/sys.h"

/* The streams: ours may be any numbers, also among 0..2, so first out of the way, then into place. */
static int place_streams(struct oc_child *c, struct oc_err *err)
{
	int tmp[3];

	for (int i = 0; i < 3; i++) {
		tmp[i] = fcntl(c->stdio[i] < 0 ? c->pty_slave : c->stdio[i], F_DUPFD, 16);
		if (tmp[i] < 0)
			return oc_fail(err, errno, "cannot place standard stream %d", i);
	}
	for (int i = 0; i < 3; i++)
		if (dup2(tmp[i], i) < 0)
			return oc_fail(err, errno, "cannot place standard stream %d", i);
	return 0;
}

static int new_session(struct oc_child *c, struct oc_err *err)
{
	/* No controlling terminal of the caller's: TIOCSTI has nothing to aim at even without the filter. */
	if (setsid() < 0)
		return oc_fail(err, errno, "setsid");
	if (c->want_pty && ioctl(c->pty_slave, TIOCSCTTY, 0) < 0)
		return oc_fail(err, errno, "cannot make the pseudo-terminal controlling");
	return 0;
}

static int enter_workdir(struct oc_child *c, struct oc_err *err)
{
	char cwd[4096];

	/*
	 * No magic link (/proc/self/fd/N): they lead out of any root.  The filter of most profiles has no openat2, whose flags it
	 * cannot see; a runner that wears it has no directory of the host among its descriptors, and what follows holds, too.
	 */
	oc_auto_close dir = c->confined ? open(c->workdir, O_PATH | O_DIRECTORY | O_CLOEXEC)
					: oc_openat2(AT_FDCWD, c->workdir, O_PATH | O_DIRECTORY, 0,
						     RESOLVE_NO_MAGICLINKS);
	if (dir < 0 || fchdir(dir) < 0) {
		oc_fail(err, errno, "cannot change to the working directory %s", c->workdir);
		return oc_err_hint(err, "--workdir is a path inside the sandbox");
	}
	/* "(unreachable)/..." is a directory outside of the root: CVE-2024-21626. */
	if (syscall(SYS_getcwd, cwd, sizeof cwd) < 0 || cwd[0] != '/')
		return oc_fail(err, 0, "the working directory %s lies outside of the root",
			       c->workdir);
	return 0;
}

static void default_signals(void)
{
	/* The kernel's struct sigaction, all zero: default. By system call, for the C library keeps some numbers to itself. */
	static const unsigned long dfl[8];
	sigset_t none;

	/* CLONE_CLEAR_SIGHAND leaves what the caller ignored ignored. */
	for (int s = 1; s <= 64; s++)
		if (s != SIGKILL && s != SIGSTOP)
			syscall(SYS_rt_sigaction, s, dfl, NULL, 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* execvp's search without its heap, and without its fallback to a shell. */
static void exec_program(struct oc_child *c)
{
	char *const *argv = c->argv;
	const char *name = argv[0];
	char path[4096];
	bool denied = false;

	if (c->exec_fd >= 0) {
		oc_sys_execveat(3, "", argv, c->envp, AT_EMPTY_PATH);
		if (errno == ENOSYS) /* profile strict */
			execve("/proc/self/fd/3", argv, c->envp);
		oc_fail(&c->err, errno, "cannot execute %s", name);
		return;
	}
	if (strchr(name, '/')) {
		execve(name, argv, c->envp);
		oc_fail(&c->err, errno, "cannot execute %s", name);
		return;
	}
	size_t name_len = strlen(name);
	for (const char *p = c->path_env; name_len && p && *p;) {
		const char *end = strchrnul(p, ':');
		size_t n = (size_t)(end - p);
		if (n && n + name_len + 2 <= sizeof path) {
			memcpy(path, p, n);
			path[n] = '/';
			memcpy(path + n + 1, name, name_len + 1);
			execve(path, argv, c->envp);
			if (errno == EACCES)
				denied = true;
			else if (errno != ENOENT && errno != ENOTDIR) {
				oc_fail(&c->err, errno, "cannot execute %s", path);
				return;
			}
		}
		p = *end ? end + 1 : end;
	}
	oc_fail(&c->err, denied ? EACCES : ENOENT, "cannot execute %s", name);
	oc_err_hint(&c->err, "it was looked for inside the sandbox in %s", c->path_env);
}

static int step(struct oc_child *c, const char *name, oc_step_fn fn)
{
	struct oc_err err = {0};

	if (fn(c, &err) == 0)
		return 0;
	oc_err_step(&err, name);
	c->err = err;
	return -1;
}

static int payload_main(void *arg)
{
	struct oc_child *c = arg;

	if (step(c, "tty", new_session) < 0 || step(c, "streams", place_streams) < 0 ||
	    step(c, "workdir", enter_workdir) < 0 ||
	    oc_child_step(c, OC_LAYER_RLIMITS, oc_step_rlimits) < 0 ||
	    (!c->confined && (oc_child_step(c, OC_LAYER_RLIMITS, oc_step_affinity) < 0 ||
			      oc_child_step(c, OC_LAYER_LANDLOCK, oc_step_landlock) < 0)) ||
	    oc_child_step(c, OC_LAYER_DESCRIPTORS, oc_step_descriptors) < 0)
		_exit(125);
	umask(c->umask);
	default_signals();
	if (!c->filtered && oc_child_step(c, OC_LAYER_SECCOMP, oc_step_seccomp) < 0)
		_exit(125);
	exec_program(c);
	c->exec_failed = true;
	_exit(127);
}

pid_t oc_payload_start(struct oc_child *c)
{
	/* execve's path buffer and error texts live here: 64 KB, aligned, and never shared with a second payload. */
	static _Alignas(16) char stack[65536];

	pid_t pid = clone(payload_main, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, c);
	if (pid < 0) {
		oc_fail(&c->err, errno, "cannot start the command");
		oc_err_step(&c->err, "pid");
		return -1;
	}
	/* It has become the command, or it is dead. */
	if (c->exec_failed || c->err.msg[0])
		return -1;
	return pid;
}
