/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor - what the kernel asks for the least of a sandbox, so that a figure of `make bench` can be read.
 *
 *   floor run COMMAND...   the namespaces of oc-sandbox in one clone3, nothing set up in them, and the command
 *   floor binds DIR        20 read-only binds of DIR/1 ... DIR/20 on a tmpfs (open_tree, mount_setattr, mkdirat, move_mount, close),
 *                          in a mount namespace of its own: the best and the median time of 200 rounds
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/launch/sys.h"

#define BINDS  20
#define ROUNDS 200

static int fail(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	return 2;
}

static int run(char **argv)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
			 CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	int status;
	pid_t pid = oc_sys_clone3(&args);

	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return fail("clone3");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Mounts the tmpfs over the directory, and returns a descriptor of its root. */
static int fresh(const char *dir)
{
	if (mount("floor", dir, "tmpfs", 0, NULL) < 0)
		return -1;
	return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int one_round(const char *dir, int root)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
	char path[4096], name[16];

	for (int i = 1; i <= BINDS; i++) {
		snprintf(path, sizeof path, "%s/%d", dir, i);
		snprintf(name, sizeof name, "%d", i);
		int tree = oc_sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (tree < 0 || oc_sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) < 0 ||
		    mkdirat(root, name, 0755) < 0 ||
		    oc_sys_move_mount(tree, "", root, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return -1;
		close(tree);
	}
	return 0;
}

static int binds(const char *dir)
{
	double took[ROUNDS];
	char place[] = "/tmp/oc-floor.XXXXXX";
	int rc = 0;

	if (!mkdtemp(place))
		return fail(place);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		rc = fail("mount namespace");
	for (int i = 0; i < ROUNDS && rc == 0; i++) {
		int root = fresh(place);
		double begin = now_us();
		if (root < 0 || one_round(dir, root) < 0)
			rc = fail("bind");
		took[i] = now_us() - begin;
		if (root >= 0)
			close(root);
		umount2(place, MNT_DETACH);
	}
	rmdir(place);
	if (rc)
		return rc;
	qsort(took, ROUNDS, sizeof took[0], compare);
	printf("the kernel's part of %d binds: best %.3f ms, median %.3f ms\n", BINDS, took[0] / 1e3,
	       took[ROUNDS / 2] / 1e3);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "run") == 0)
		return run(argv + 2);
	if (argc == 3 && strcmp(argv[1], "binds") == 0)
		return binds(argv[2]);
	fprintf(stderr, "usage: floor run COMMAND... | floor binds DIR\n");
	return 2;
}
