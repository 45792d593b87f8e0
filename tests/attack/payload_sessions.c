/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts of a command in a sandbox that is kept: on the control socket, on pid 1, on its runner,
 * on other calls.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attack/payload.h"

/* Says "info" and waits for an answer.  Whoever gets one is in. */
static void talk(int fd, const char *what)
{
	static const char info[] = "{\"op\":\"info\"}";
	char answer[4096];
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (send(fd, info, sizeof info - 1, MSG_NOSIGNAL) < 0) {
		held("%s: %s", what, strerror(errno));
		return;
	}
	ssize_t n = poll(&p, 1, 1500) > 0 ? recv(fd, answer, sizeof answer - 1, 0) : -1;
	answer[n > 0 ? n : 0] = '\0';
	if (strstr(answer, "\"ok\":true"))
		broke("%s: %.80s", what, answer);
	else
		held("%s: %.80s", what, n > 0 ? answer : "no answer");
}

static void try_connect(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	static const int types[] = {SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM};
	size_t len = strlen(path);

	if (len >= sizeof a.sun_path)
		return;
	memcpy(a.sun_path, path, len);
	if (path[0] == '@')
		a.sun_path[0] = '\0';
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		int fd = socket(AF_UNIX, types[i] | SOCK_CLOEXEC, 0);
		socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
		if (fd < 0 || connect(fd, (struct sockaddr *)&a, size) < 0)
			held("connect %s: %s", path, strerror(errno));
		else
			talk(fd, path);
		if (fd >= 0)
			close(fd);
	}
}

/* control PATH...: sockets of monitors, by these names and through every process that can be seen.
 */
static void control(int argc, char **argv)
{
	char path[4096];
	DIR *d = opendir("/proc");
	struct dirent *e;

	for (int i = 1; i < argc; i++)
		try_connect(argv[i]);
	while (d && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			for (int i = 1; i < argc; i++) {
				/* Short names: a socket's has 107 bytes at most. */
				snprintf(path, sizeof path, "/proc/%.10s/root", e->d_name);
				int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
				if (root < 0) {
					held("open %s: %s", path, strerror(errno));
					continue;
				}
				int fd = openat(root, argv[i][0] == '/' ? argv[i] + 1 : argv[i],
						O_PATH | O_CLOEXEC);
				snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
				if (fd < 0)
					held("%.60s below /proc/%.10s/root: %s", argv[i], e->d_name,
					     strerror(errno));
				else
					try_connect(path);
				close(fd);
				close(root);
			}
	if (d)
		closedir(d);
	/* Abstract names that can be seen here. */
	FILE *f = fopen("/proc/net/unix", "re");
	while (f && fgets(path, sizeof path, f)) {
		char *name = strchr(path, '@');
		if (!name)
			continue;
		name[strcspn(name, "\n")] = '\0';
		try_connect(name);
	}
	if (f)
		fclose(f);
}

static void look_at_own(int fd)
{
	struct stat st;
	char name[64], link[256] = "";

	if (fstat(fd, &st) < 0)
		return;
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	if (readlink(name, link, sizeof link - 1) < 0)
		link[0] = '\0';
	if (fd > 2)
		broke("descriptor %d came along: %s", fd, link);
	else if (S_ISSOCK(st.st_mode))
		talk(fd, link);
	else if (strstr(link, "cgroup") || strstr(link, "oc-sandbox"))
		broke("descriptor %d is %s", fd, link);
	else
		held("descriptor %d is %s", fd, link);
}

/* inherited: which descriptors does a command begin with? */
static void inherited(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (int fd = 0; fd < 4096; fd++)
		look_at_own(fd);
}

#define WHAT(name) (snprintf(what, sizeof what, "%s of %s (%d)", name, who, (int)pid), what)

static void take_over(pid_t pid, const char *who)
{
	char what[128], byte;
	struct iovec local = {&byte, 1}, remote = {(void *)(uintptr_t)0x10000, 1};

	must_fail(WHAT("ptrace attach"), ptrace(PTRACE_ATTACH, pid, 0, 0));
	must_fail(WHAT("ptrace seize"), ptrace(PTRACE_SEIZE, pid, 0, 0));
	must_fail(WHAT("process_vm_readv"), process_vm_readv(pid, &local, 1, &remote, 1, 0));
	must_fail(WHAT("process_vm_writev"), process_vm_writev(pid, &local, 1, &remote, 1, 0));
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	for (int n = 0; fd >= 0 && n < 8; n++)
		must_fail(WHAT("pidfd_getfd"), syscall(SYS_pidfd_getfd, fd, n, 0));
	for (int n = 0; n < 8; n++) {
		snprintf(what, sizeof what, "/proc/%d/fd/%d", (int)pid, n);
		must_fail(what, open(what, O_RDWR));
	}
	static const char *const files[] = {"mem", "environ", "maps", "cwd", "exe", "ns/mnt"};
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		snprintf(what, sizeof what, "/proc/%d/%s", (int)pid, files[i]);
		must_fail(what, open(what, i == 0 ? O_RDWR : O_RDONLY));
	}
	if (fd >= 0)
		close(fd);
}

/* overseers [PID]: pid 1 and the runner above this command; or, where that is no sandbox, a process
 * to try it on. */
static void overseers(int argc, char **argv)
{
	if (argc > 1) {
		take_over((pid_t)strtol(argv[1], NULL, 10), "the victim");
		return;
	}
	if (access("/payload", X_OK) < 0)
		cannot("this is no sandbox");
	take_over(1, "pid 1");
	take_over(getppid(), "the runner");
	kill(1, SIGKILL);
	held("still here after SIGKILL to pid 1");
}

/* limits: raise what holds this call. */
static void limits(int argc, char **argv)
{
	static const int which[] = {RLIMIT_DATA, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_FSIZE,
				    RLIMIT_CORE};
	const pid_t whose[] = {0, getppid(), 1};
	DIR *d;

	(void)argc;
	(void)argv;
	for (size_t k = 0; k < sizeof whose / sizeof whose[0]; k++)
		for (size_t i = 0; i < sizeof which / sizeof which[0]; i++) {
			struct rlimit now, more;
			if (prlimit(whose[k], (enum __rlimit_resource)which[i], NULL, &now) < 0) {
				held("look at limit %d of %d: %s", which[i], (int)whose[k],
				     strerror(errno));
				continue;
			}
			if (now.rlim_max == RLIM_INFINITY)
				continue;
			more = (struct rlimit){now.rlim_max, now.rlim_max + 1};
			char what[64];
			snprintf(what, sizeof what, "raise limit %d of %d", which[i],
				 (int)whose[k]);
			must_fail(what,
				  prlimit(whose[k], (enum __rlimit_resource)which[i], &more, NULL));
		}
	/* Any cgroup file that can be found and written. */
	static const char *const places[] = {"/sys/fs/cgroup", "/proc/1/root/sys/fs/cgroup",
					     "/cgroup"};
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		d = opendir(places[i]);
		if (d && readdir(d) && readdir(d) && readdir(d))
			broke("%s can be seen", places[i]);
		else
			held("%s: not there", places[i]);
		if (d)
			closedir(d);
	}
}

/* outlive FILE: a process that nobody knows any more writes a dot into FILE, ten times a second. */
static void outlive(int argc, char **argv)
{
	const char *path = argument(argc, argv, 1, NULL);

	for (int level = 0; level < 4; level++) {
		pid_t pid = fork();
		if (pid < 0)
			cannot("fork: %s", strerror(errno));
		if (pid > 0) {
			if (level > 0)
				_exit(0);
			held("let loose");
			return;
		}
		setsid();
		signal(SIGHUP, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
	for (;;) {
		if (write(fd, ".", 1) != 1)
			_exit(1);
		usleep(100000);
	}
}

/* children N [stay]: so many children that stay, for as long as we do; prints how many there are.
 */
static void children(int argc, char **argv)
{
	long n = 0, want = strtol(argument(argc, argv, 1, "1000"), NULL, 10);

	while (n < want) {
		pid_t pid = fork();
		if (pid < 0)
			break;
		if (pid == 0) {
			pause();
			_exit(0);
		}
		n++;
	}
	held("%ld children", n);
	if (argc > 2)
		pause();
}

/*
 * chains N [bomb]: N chains of processes, each of which forks its successor and is gone before anybody has read its number; or
 * forks and stays.  The first one stays and is what the call runs.
 */
static void chains(int argc, char **argv)
{
	long n = strtol(argument(argc, argv, 1, "8"), NULL, 10);
	bool bomb = argc > 2;

	signal(SIGTERM, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	for (long i = 0; i < n; i++)
		if (fork() == 0)
			for (;;) {
				pid_t pid = fork();
				if (pid > 0 && !bomb)
					_exit(0);
			}
	held("%ld chains", n);
	fflush(stdout);
	for (;;)
		pause();
}

const struct attempt attempts_sessions[] = {
	{"control", control, "PATH...: talk to a monitor"},
	{"inherited", inherited, "descriptors that a command begins with"},
	{"overseers", overseers, "[PID]: take over pid 1 and the runner"},
	{"limits", limits, "raise the limits of a call"},
	{"outlive", outlive, "FILE: a process that outlives its call"},
	{"chains", chains, "N [bomb]: chains of processes that fork faster than they are killed"},
	{"children", children, "N [stay]: children"},
	{NULL, NULL, NULL},
};
