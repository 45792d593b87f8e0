/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_process - ids, namespaces, privileges, descriptors, limits.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/verify/probe.h"

static void failed(struct oc_probe_out *out, const char *what)
{
	oc_probe_say(out, "error", "%s: %s", what, oc_probe_errname(errno));
}

static unsigned long long number(const char *s)
{
	return strtoull(s, NULL, 10);
}

/* --- namespaces: the numbers of ours; the verifier knows the host's --- */

static void namespace(struct oc_probe_out *out, const char *path)
{
	char buf[64];
	ssize_t n = readlink(path, buf, sizeof(buf) - 1);

	if (n < 0) {
		failed(out, path);
		return;
	}
	buf[n] = '\0';
	oc_probe_say(out, "value", "%s", buf);
}

#define NAMESPACE(id, file)                                                                        \
	static void ns_##id(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)              \
	{                                                                                          \
		(void)ctx;                                                                         \
		namespace(out, "/proc/self/ns/" file);                                             \
	}
NAMESPACE(user, "user")
NAMESPACE(mnt, "mnt")
NAMESPACE(pid, "pid")
NAMESPACE(ipc, "ipc")
NAMESPACE(uts, "uts")
NAMESPACE(cgroup, "cgroup")
NAMESPACE(net, "net")

static void user_ids(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	uid_t r, e, s;
	gid_t rg, eg, sg, groups[256];
	int n;

	(void)ctx;
	if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0 ||
	    (n = getgroups(256, groups)) < 0) {
		failed(out, "getresuid");
		return;
	}
	oc_probe_say(out, "value", "uid=%u,%u,%u gid=%u,%u,%u groups=", r, e, s, rg, eg, sg);
	for (int i = 0; i < n; i++)
		oc_probe_add(out, "%s%u", i ? "," : "", groups[i]);
}

static void user_map(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	static const char *const files[] = {"/proc/self/uid_map", "/proc/self/gid_map"};
	char buf[1024];
	unsigned a, b, c;

	(void)ctx;
	oc_probe_say(out, "value", "%s", "");
	for (int i = 0; i < 2; i++) {
		char *line, *save = NULL;

		if (oc_probe_slurp(files[i], buf, sizeof(buf)) < 0) {
			failed(out, files[i]);
			return;
		}
		oc_probe_add(out, "%s", i ? " gid=" : "uid=");
		for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			if (sscanf(line, "%u %u %u", &a, &b, &c) == 3)
				oc_probe_add(out, "%u:%u;", a, c);
	}
}

/* Being root inside would be one more step away from being root outside. */
static void user_setuid(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	(void)ctx;
	oc_probe_result(out, syscall(SYS_setresuid, 0, 0, 0));
}

/* --- processes --- */

static void pid_visible(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	char buf[4096];
	int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
	long n;

	(void)ctx;
	if (fd < 0) {
		failed(out, "/proc");
		return;
	}
	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n;) {
			struct dirent64 *d = (struct dirent64 *)(void *)(buf + at);

			if (d->d_name[0] >= '1' && d->d_name[0] <= '9')
				count++;
			at += d->d_reclen;
		}
	oc_probe_say(out, "value", "%d", count);
}

/* pid 1 has seen the host: nothing of it may be looked into. */
static void pid_init(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	static const char *const files[] = {"/proc/1/mem",    "/proc/1/environ", "/proc/1/maps",
					    "/proc/1/root/.", "/proc/1/cwd/.",	 "/proc/1/exe",
					    "/proc/1/fd"};
	char buf[256];

	(void)ctx;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd = open(files[i], O_RDONLY | O_CLOEXEC);

		/* environ of a process that is not ours opens, and then reads as nothing. */
		if (fd >= 0 && (i != 1 || read(fd, buf, sizeof(buf)) > 0)) {
			oc_probe_say(out, "allowed", "%s", files[i]);
			return;
		}
		if (fd >= 0)
			close(fd);
	}
	oc_probe_say(out, "denied", "%s", oc_probe_errname(errno));
}

static void pid_signal(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	oc_probe_result(out, kill((pid_t)number(ctx->arg), 0));
}

/* --- IPC, names, cgroup paths --- */

/* Argument: id of a segment that the verifier holds on the host. */
static void ipc_shm(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	struct shmid_ds ds;

	oc_probe_result(out, shmctl((int)number(ctx->arg), IPC_STAT, &ds));
}

static void uts_hostname(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	struct utsname u;

	(void)ctx;
	if (uname(&u) < 0)
		failed(out, "uname");
	else
		oc_probe_say(out, "value", "%s", u.nodename);
}

/* What of the host's cgroup tree is shown: lines whose path is not "/". */
static void cgroup_paths(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	char buf[8192], *line, *save = NULL;
	unsigned shown = 0;

	(void)ctx;
	if (oc_probe_slurp("/proc/self/cgroup", buf, sizeof(buf)) < 0) {
		failed(out, "/proc/self/cgroup");
		return;
	}
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *path = strchr(line, ':');

		path = path ? strchr(path + 1, ':') : NULL;
		if (path && strcmp(path + 1, "/") != 0)
			shown++;
	}
	oc_probe_say(out, "value", "%u", shown);
}

/* --- network --- */

static int interfaces_by_netlink(struct oc_probe_out *out)
{
	static _Alignas(struct nlmsghdr) char buf[32768];
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} req = {.h = {.nlmsg_len = sizeof(req),
		       .nlmsg_type = RTM_GETLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	bool first = true;
	ssize_t n;

	if (s < 0 || send(s, &req, sizeof(req), 0) < 0)
		return -1;
	oc_probe_say(out, "value", "%s", "");
	while ((n = recv(s, buf, sizeof(buf), 0)) > 0) {
		unsigned left = (unsigned)n;

		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type != RTM_NEWLINK)
				return -1;
			unsigned room = (unsigned)IFLA_PAYLOAD(h);
			for (struct rtattr *a = IFLA_RTA(NLMSG_DATA(h)); RTA_OK(a, room);
			     a = RTA_NEXT(a, room))
				if (a->rta_type == IFLA_IFNAME) {
					oc_probe_add(out, "%s%s", first ? "" : ",",
						     (char *)RTA_DATA(a));
					first = false;
				}
		}
	}
	return -1;
}

static int interfaces_by_proc(struct oc_probe_out *out)
{
	char buf[16384], *line, *save = NULL;
	bool first = true;

	if (oc_probe_slurp("/proc/self/net/dev", buf, sizeof(buf)) < 0)
		return -1;
	oc_probe_say(out, "value", "%s", "");
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(line, ':');

		if (!colon)
			continue;
		*colon = '\0';
		oc_probe_add(out, "%s%s", first ? "" : ",", line + strspn(line, " "));
		first = false;
	}
	return 0;
}

static void net_interfaces(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	(void)ctx;
	/* A stricter filter may leave no netlink. */
	if (interfaces_by_netlink(out) < 0 && interfaces_by_proc(out) < 0)
		failed(out, "/proc/self/net/dev");
}

/* Argument: port of 127.0.0.1 on which the verifier listens on the host. */
static void net_loopback(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons((uint16_t)number(ctx->arg)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), e = 0;
	struct pollfd p = {.fd = s, .events = POLLOUT};
	socklen_t len = sizeof(e);

	if (s < 0) {
		failed(out, "socket");
		return;
	}
	if (connect(s, (struct sockaddr *)&sin, sizeof(sin)) < 0) {
		e = errno;
		if (e == EINPROGRESS) {
			e = ETIMEDOUT;
			if (poll(&p, 1, 1000) == 1)
				getsockopt(s, SOL_SOCKET, SO_ERROR, &e, &len);
		}
	}
	errno = e;
	oc_probe_result(out, e ? -1 : 0);
}

static int connect_abstract(int s, const char *name)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	size_t len = strlen(name);

	if (len > sizeof(sun.sun_path) - 1)
		len = sizeof(sun.sun_path) - 1;
	memcpy(sun.sun_path + 1, name, len);
	return connect(s, (struct sockaddr *)&sun,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len));
}

static void net_abstract(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (s < 0)
		failed(out, "socket");
	else
		oc_probe_result(out, connect_abstract(s, ctx->arg));
}

/*
 * The same through a socket that belongs to the host's network namespace: the namespace does not
 * stop that, only the scope of a Landlock domain (ABI 6) does.
 */
static void landlock_socket(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	if (ctx->fd[OC_PROBE_FD_SOCK] < 0)
		oc_probe_say(out, "error", "no socket was handed over");
	else
		oc_probe_result(out, connect_abstract(ctx->fd[OC_PROBE_FD_SOCK], ctx->arg));
}

/* pid 1 has our user id: only the scope of a Landlock domain (ABI 6) keeps signals from it. */
static void landlock_signal(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	(void)ctx;
	oc_probe_result(out, kill(1, 0));
}

/* Whether it may or not: pid 1 takes none of them, and without pid 1 nobody would say anything any more. */
static void init_signals(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	const struct timespec moment = {.tv_nsec = 20000000};

	(void)ctx;
	for (int sig = 1; sig <= 64; sig++)
		(void)kill(1, sig);
	nanosleep(&moment, NULL);
	oc_probe_say(out, "value", "alive");
}

/* --- privileges --- */

static void caps_sets(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];
	unsigned long long bounding, ambient;
	char buf[4096], *p, *q;

	(void)ctx;
	if (syscall(SYS_capget, &h, d) < 0) {
		failed(out, "capget");
		return;
	}
	/* From /proc: a strict filter answers EINVAL to the prctl calls, as the kernel does for "no
	 * such capability". */
	if (oc_probe_slurp("/proc/self/status", buf, sizeof(buf)) < 0) {
		failed(out, "/proc/self/status");
		return;
	}
	p = strstr(buf, "\nCapBnd:\t");
	q = strstr(buf, "\nCapAmb:\t");
	if (!p || !q) {
		oc_probe_say(out, "error", "no CapBnd or CapAmb in /proc/self/status");
		return;
	}
	bounding = strtoull(p + 9, NULL, 16);
	ambient = strtoull(q + 9, NULL, 16);
	oc_probe_say(
		out, "value",
		"inheritable=%x%08x permitted=%x%08x effective=%x%08x bounding=%llx ambient=%llx",
		d[1].inheritable, d[0].inheritable, d[1].permitted, d[0].permitted, d[1].effective,
		d[0].effective, bounding, ambient);
}

static void securebits(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	int r = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);

	(void)ctx;
	if (r < 0)
		failed(out, "PR_GET_SECUREBITS");
	else
		oc_probe_say(out, "value", "0x%x", (unsigned)r);
}

static void no_new_privs(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	(void)ctx;
	oc_probe_say(out, "value", "%d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

/* The filter closes all key calls; behind it the keyring must still not be the caller's. */
static void keyring(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	long r = syscall(SYS_keyctl, 0UL /* GET_KEYRING_ID */, -3L /* session */, 0UL, 0UL, 0UL);

	(void)ctx;
	if (r < 0)
		oc_probe_result(out, r);
	else
		oc_probe_say(out, "value", "%ld", r);
}

static void nested_limit(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	char buf[64];

	(void)ctx;
	if (oc_probe_slurp("/proc/sys/user/max_user_namespaces", buf, sizeof(buf)) < 0)
		failed(out, "max_user_namespaces");
	else
		oc_probe_say(out, "value", "%llu", number(buf));
}

/* --- descriptors --- */

static void open_descriptors(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	char buf[4096];
	int dir;
	long n;

	(void)ctx;
	oc_probe_say(out, "value", "%s", "");
	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			oc_probe_add(out, "%s%d", fd ? "," : "", fd);
	/* Higher ones exist when the limit was lowered after they were opened. */
	dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (dir >= 0 && (n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n;) {
			struct dirent64 *d = (struct dirent64 *)(void *)(buf + at);
			long fd = d->d_name[0] == '.' ? -1 : strtol(d->d_name, NULL, 10);

			if (fd >= 1024)
				oc_probe_add(out, ",%ld", fd);
			at += d->d_reclen;
		}
}

static void working_directory(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	char buf[1024];

	(void)ctx;
	/* Not the C library's: that hides "(unreachable)". */
	if (syscall(SYS_getcwd, buf, sizeof(buf)) < 0)
		failed(out, "getcwd");
	else
		oc_probe_say(out, "value", "%s", buf);
}

/* --- limits --- */

/* Argument: number of the resource. */
static void rlimit_value(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)number(ctx->arg), &l) < 0)
		failed(out, "getrlimit");
	else
		oc_probe_say(out, "value", "%llu:%llu", (unsigned long long)l.rlim_cur,
			     (unsigned long long)l.rlim_max);
}

static void rlimit_raise(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	struct rlimit l;

	(void)ctx;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0) {
		failed(out, "getrlimit");
		return;
	}
	l.rlim_max++;
	oc_probe_result(out, setrlimit(RLIMIT_NOFILE, &l));
}

/* Argument: how many processes to try at most. */
static void bomb_pids(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	static pid_t pids[4096];
	size_t max = (size_t)number(ctx->arg), n = 0;
	int e = 0;

	if (max == 0 || max > sizeof(pids) / sizeof(pids[0])) {
		oc_probe_say(out, "error", "needs a number");
		return;
	}
	for (; n < max; n++) {
		pids[n] = fork();
		if (pids[n] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		if (pids[n] < 0) {
			e = errno;
			break;
		}
	}
	for (size_t i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	for (size_t i = 0; i < n; i++)
		(void)waitpid(pids[i], NULL, 0);
	if (e)
		oc_probe_say(out, "denied", "%s after %zu", oc_probe_errname(e), n);
	else
		oc_probe_say(out, "allowed", "%zu", n);
}

/* Argument: how many bytes to touch at most.  The kernel's answer may be SIGKILL, what was reached
 * stays in the answer. */
static void bomb_memory(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	const size_t max = (size_t)number(ctx->arg), step = 1u << 20;

	if (max == 0) {
		oc_probe_say(out, "error", "needs a number");
		return;
	}
	for (size_t done = 0; done < max; done += step) {
		char *p = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		if (p == MAP_FAILED) {
			oc_probe_say(out, "denied", "%s after %zu MiB", oc_probe_errname(errno),
				     done >> 20);
			return;
		}
		for (size_t i = 0; i < step; i += 4096)
			p[i] = 1;
		oc_probe_say(out, "killed", "after %zu MiB", (done >> 20) + 1);
	}
	oc_probe_say(out, "allowed", "%zu MiB", max >> 20);
}

static unsigned long long since_ms(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)((now.tv_sec - start->tv_sec) * 1000 +
				    (now.tv_nsec - start->tv_nsec) / 1000000);
}

static long used_ms(int who)
{
	struct rusage use;

	getrusage(who, &use);
	return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000 +
	       (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000;
}

/* Argument: for how many milliseconds to burn every processor that there is (as far as more
 * processes can be had). */
static void burn_cpu(struct oc_probe_out *out, const struct oc_probe_ctx *ctx)
{
	const unsigned long long ms = number(ctx->arg);
	struct timespec start;
	cpu_set_t set;
	int want = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1, workers = 1;
	pid_t pid = -1;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (; workers < want && workers < 8; workers++) {
		pid = fork();
		if (pid <= 0)
			break;
	}
	while (since_ms(&start) < ms)
		;
	if (pid == 0)
		_exit(0);
	while (wait(NULL) > 0)
		;
	oc_probe_say(out, "value", "cpu_ms=%ld wall_ms=%llu workers=%d",
		     used_ms(RUSAGE_SELF) + used_ms(RUSAGE_CHILDREN), since_ms(&start), workers);
}

const struct oc_probe oc_probe_process[] = {
	{"user.namespace", ns_user},
	{"user.ids", user_ids},
	{"user.map", user_map},
	{"user.become-root", user_setuid},
	{"mount.namespace", ns_mnt},
	{"pid.namespace", ns_pid},
	{"pid.visible", pid_visible},
	{"pid.look-into-init", pid_init},
	{"pid.signal-host", pid_signal},
	{"ipc.namespace", ns_ipc},
	{"ipc.host-segment", ipc_shm},
	{"uts.namespace", ns_uts},
	{"uts.hostname", uts_hostname},
	{"cgroup-namespace.namespace", ns_cgroup},
	{"cgroup-namespace.paths", cgroup_paths},
	{"net.namespace", ns_net},
	{"net.interfaces", net_interfaces},
	{"net.host-loopback", net_loopback},
	{"net.host-abstract", net_abstract},
	{"nested.limit", nested_limit},
	{"capabilities.sets", caps_sets},
	{"securebits.value", securebits},
	{"no-new-privs.value", no_new_privs},
	{"landlock.host-socket", landlock_socket},
	{"landlock.signal-init", landlock_signal},
	{"pid.init-signals", init_signals},
	{"keyring.session", keyring},
	{"descriptors.open", open_descriptors},
	{"descriptors.cwd", working_directory},
	{"rlimits.value", rlimit_value},
	{"rlimits.raise", rlimit_raise},
	{"cgroup.pids", bomb_pids},
	{"cgroup.memory", bomb_memory},
	{"cgroup.cpu", burn_cpu},
	{NULL, NULL},
};
