/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail of the gateway's network process, entered in a child: what is gone, and what is still
 * there.
 */
#include "tests/unit/cm.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "gateway/server/internal.h"

static char dir[] = "/tmp/oc-test-jail-XXXXXX";

/* Status of a child that enters the jail and does what it is told. */
static int inside(int (*what)(int state))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct oc_gw_jail j;
		struct oc_err err = {0};
		int state = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (state < 0 || oc_gw_jail_enter(&state, 1, &j, &err) < 0)
			_exit(100);
		_exit(what(state));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int do_nothing(int state)
{
	(void)state;
	return 0;
}

static int do_state(int state)
{
	struct oc_err err = {0};
	char buf[8] = "";

	/* What the device store and the log do. */
	if (oc_atomic_write_at(state, "f", "hello", 5, 0600, &err) < 0)
		return 1;
	oc_auto_close fd = openat(state, "f", O_RDWR | O_APPEND | O_CLOEXEC);
	if (fd < 0 || pread(fd, buf, 5, 0) != 5 || memcmp(buf, "hello", 5) != 0)
		return 2;
	if (renameat(state, "f", state, "g") < 0 || unlinkat(state, "g", 0) < 0 ||
	    mkdirat(state, "d", 0700) < 0)
		return 3;
	return 0;
}

static int do_outside(int state)
{
	(void)state;
	if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 ||
	    open("/proc/self/maps", O_RDONLY | O_CLOEXEC) >= 0)
		return 1;
	if (open("/tmp/oc-test-jail-outside", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0)
		return 2;
	if (openat(state, "../..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0)
		return 3;
	return errno == EACCES ? 0 : 4;
}

static int do_socket(int state)
{
	(void)state;
	return socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EACCES ? 0 : 1;
}

static int do_exec(int state)
{
	char *const argv[] = {"true", NULL};

	(void)state;
	execve("/bin/true", argv, argv + 1);
	return 0;
}

static int do_fork(int state)
{
	(void)state;
	return fork() == 0 ? 0 : 0;
}

static int do_code(int state)
{
	(void)state;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED;
}

static int do_protect(int state)
{
	static char page[8192];

	(void)state;
	return mprotect((void *)(((uintptr_t)page + 4095) & ~(uintptr_t)4095), 4096,
			PROT_READ | PROT_EXEC);
}

static int do_kill(int state)
{
	(void)state;
	return kill(getppid(), 0);
}

static int do_ptrace(int state)
{
	(void)state;
	return (int)syscall(SYS_ptrace, 16, getppid(), 0, 0);
}

static int do_link(int state)
{
	return symlinkat("/etc/passwd", state, "x");
}

/* A sanitizer's own system calls are not in the filter. */
#ifdef __SANITIZE_ADDRESS__
#define NOT_SANITIZED() skip()
#else
#define NOT_SANITIZED() (void)0
#endif

static void test_allowed(void **state)
{
	(void)state;
	NOT_SANITIZED();
	assert_int_equal(inside(do_nothing), 0);
	assert_int_equal(inside(do_state), 0);
}

static void test_files(void **state)
{
	(void)state;
	NOT_SANITIZED();
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1u) < 1) {
		print_message("no Landlock here\n");
		skip();
	}
	assert_int_equal(inside(do_outside), 0);
}

static void test_refused(void **state)
{
	static int (*const deeds[])(int) = {do_exec, do_fork,	do_code, do_protect,
					    do_kill, do_ptrace, do_link};

	(void)state;
	NOT_SANITIZED();
	assert_int_equal(inside(do_socket), 0);
	for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
		int status = inside(deeds[i]);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("deed %zu: status %#x, expected SIGSYS", i, (unsigned)status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_refused),
	};

	if (cm_skip_without_openat2())
		return 0;
	if (!mkdtemp(dir))
		return 1;
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	char sub[64];
	snprintf(sub, sizeof sub, "%s/d", dir);
	rmdir(sub);
	rmdir(dir);
	return r;
}
