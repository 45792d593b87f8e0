/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload_bombs - attempts to use up what the host has: processes, threads, memory, inodes, descriptors, disk.
 *
 * Every bomb has an end of its own (a number, or ten seconds), so that a missing limit fails a test and not the machine.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/attack/payload.h"

#define MB (1UL << 20)

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Exit 3, so that the result has a cause to name: a command that swallows the refusal has not failed. */
static _Noreturn void enough(void)
{
	fflush(stdout);
	_exit(3);
}

static void forks(int argc, char **argv)
{
	long most = atol(argument(argc, argv, 1, "1000")), made = 0;

	while (made < most) {
		pid_t p = fork();
		if (p == 0) {
			pause();
			_exit(0);
		}
		if (p < 0)
			break;
		made++;
	}
	if (made >= most)
		broke("%ld processes", made);
	else
		held("%ld processes: %s", made, strerrorname_np(errno));
	usleep(400000); /* a monitor that samples gets its chance */
	enough();
}

/* The real thing: everybody forks, nobody waits. */
static void fork_bomb(int argc, char **argv)
{
	double end = now() + atof(argument(argc, argv, 1, "2"));

	held("begins");
	fflush(stdout);
	while (now() < end)
		if (fork() < 0)
			sched_yield();
	_exit(3);
}

static void *sleeper(void *unused)
{
	(void)unused;
	pause();
	return NULL;
}

static void threads(int argc, char **argv)
{
	long most = atol(argument(argc, argv, 1, "1000")), made = 0;
	pthread_attr_t a;
	pthread_t t;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 65536);
	while (made < most && pthread_create(&t, &a, sleeper, NULL) == 0)
		made++;
	if (made >= most)
		broke("%ld threads", made);
	else
		held("%ld threads", made);
	usleep(400000);
	enough();
}

static void touch(char *p, size_t n)
{
	for (size_t i = 0; i < n; i += 4096)
		p[i] = (char)(i + 1);
}

/* MEGABYTES in one process. */
static void memory(int argc, char **argv)
{
	size_t n = strtoul(argument(argc, argv, 1, "512"), NULL, 10);

	for (size_t i = 0; i < n; i++) {
		char *p = mmap(NULL, MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED) {
			held("%zu MB: %s", i, strerrorname_np(errno));
			enough();
		}
		touch(p, MB);
	}
	broke("%zu MB", n);
	usleep(500000); /* a monitor that samples gets its chance */
	enough();
}

/* MEGABYTES each in PROCESSES: a limit of the process is none of the sandbox. */
static void memory_many(int argc, char **argv)
{
	size_t each = strtoul(argument(argc, argv, 1, "32"), NULL, 10);
	int n = atoi(argument(argc, argv, 2, "16"));

	for (int k = 0; k < n; k++) {
		pid_t p = fork();
		if (p < 0)
			break;
		if (p == 0) {
			char *m = mmap(NULL, each * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (m != MAP_FAILED)
				touch(m, each * MB);
			pause();
			_exit(0);
		}
	}
	held("begins");
	fflush(stdout);
	sleep(5);
	broke("%zu MB in %d processes for five seconds", each, n);
	enough();
}

/* Memory that is in no process: memory files, System V segments, sockets, pipes.  KIND MEGABYTES */
static void hidden_memory(int argc, char **argv)
{
	const char *kind = argument(argc, argv, 1, "memfd");
	size_t n = strtoul(argument(argc, argv, 2, "512"), NULL, 10), got = 0;
	static char block[MB];

	memset(block, 'x', sizeof block);
	if (strcmp(kind, "memfd") == 0) {
		int fd = (int)syscall(SYS_memfd_create, "x", 0);
		while (got < n && write(fd, block, MB) == (ssize_t)MB)
			got++;
	} else if (strcmp(kind, "memfds") == 0) { /* one each, below any limit of a file */
		int fd;
		while (got < n && (fd = (int)syscall(SYS_memfd_create, "x", 0)) >= 0 && write(fd, block, MB) == (ssize_t)MB)
			got++;
	} else if (strcmp(kind, "shm") == 0) {
		while (got < n) {
			int id = shmget(IPC_PRIVATE, MB, IPC_CREAT | 0600);
			char *p = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
			if (p == (void *)-1)
				break;
			touch(p, MB);
			shmdt(p);
			got++;
		}
	} else { /* a directory: files in it */
		char path[256];
		for (int i = 0; got < n; i++) {
			snprintf(path, sizeof path, "%s/fill%d", kind, i);
			int fd = open(path, O_WRONLY | O_CREAT, 0600);
			if (fd < 0)
				break;
			int k = 0;
			while (k < 64 && got < n && write(fd, block, MB) == (ssize_t)MB)
				k++, got++;
			close(fd);
			if (k == 0)
				break;
		}
	}
	if (got >= n) {
		printf("reached %zu MB\n", got);
		fflush(stdout);
		sleep(2);
		broke("%s: %zu MB", kind, got);
	} else {
		held("%s: %zu MB: %s", kind, got, strerrorname_np(errno));
	}
	enough();
}

static void inodes(int argc, char **argv)
{
	const char *dir = argument(argc, argv, 1, "/tmp");
	long most = atol(argument(argc, argv, 2, "100000")), made = 0;
	char path[256];

	while (made < most) {
		snprintf(path, sizeof path, "%s/i%ld", dir, made);
		int fd = open(path, O_WRONLY | O_CREAT, 0600);
		if (fd < 0)
			break;
		close(fd);
		made++;
	}
	if (made >= most)
		broke("%ld files in %s", made, dir);
	else
		held("%ld files in %s: %s", made, dir, strerrorname_np(errno));
	enough();
}

static void descriptors(int argc, char **argv)
{
	long most = atol(argument(argc, argv, 1, "100000")), made = 0;

	while (made < most && open("/dev/null", O_RDONLY) >= 0)
		made++;
	if (made >= most)
		broke("%ld descriptors", made);
	else
		held("%ld descriptors: %s", made, strerrorname_np(errno));
	/* In flight in a socket they are counted for the user, not for the process. */
	int pair[2];
	close(10), close(11), close(12);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0) {
		int fds[250], sent = 0;
		for (int i = 0; i < 250; i++)
			fds[i] = 20 + i;
		char control[CMSG_SPACE(sizeof fds)] = {0};
		struct iovec iov = {.iov_base = (char[1]){0}, .iov_len = 1};
		struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof fds);
		memcpy(CMSG_DATA(c), fds, sizeof fds);
		while (sent < 10000 && sendmsg(pair[0], &h, MSG_DONTWAIT) > 0)
			sent++;
		held("%d descriptors in flight", sent * 250);
	}
	enough();
}

static void core(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (chdir("/workspace") < 0)
		cannot("/workspace");
	held("crashes");
	fflush(stdout);
	struct rlimit l;
	getrlimit(RLIMIT_CORE, &l);
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_CORE, &l);
	prctl(PR_SET_DUMPABLE, 1);
	raise(SIGSEGV);
	abort();
}

/* Does not want to end: every signal ignored, in a session of its own, orphaned, and busy. */
static void stubborn(int argc, char **argv)
{
	double seconds = atof(argument(argc, argv, 1, "30"));

	for (int s = 1; s < 65; s++)
		signal(s, SIG_IGN);
	held("stays");
	fflush(stdout);
	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			setsid();
			if (fork() != 0)
				_exit(0);
		}
	double end = now() + seconds;
	while (now() < end)
		usleep(10000);
	_exit(0);
}

/* More than a pipe holds, and nobody reads. */
static void flood(int argc, char **argv)
{
	size_t n = strtoul(argument(argc, argv, 1, "64"), NULL, 10);
	static char block[MB];

	memset(block, 'F', sizeof block);
	for (size_t i = 0; i < n; i++)
		if (write(1, block, sizeof block) < 0)
			break;
	_exit(0);
}

const struct attempt attempts_bombs[] = {
	{"forks", forks, "[N]: so many processes"},
	{"fork-bomb", fork_bomb, "[SECONDS]"},
	{"threads", threads, "[N]: so many threads"},
	{"memory", memory, "[MB]: in one process"},
	{"memory-many", memory_many, "[MB PROCESSES]: in many"},
	{"hidden-memory", hidden_memory, "memfd|memfds|shm|DIR [MB]: memory of no process"},
	{"inodes", inodes, "[DIR N]: so many files"},
	{"descriptors", descriptors, "[N]: so many descriptors"},
	{"core", core, "a core file"},
	{"stubborn", stubborn, "[SECONDS]: ignores every signal"},
	{"flood", flood, "[MB]: output"},
	{NULL, NULL, NULL},
};
