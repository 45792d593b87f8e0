/* SPDX-License-Identifier: Apache-2.0 */
/* client_server - see client_server.h. */
#include "tests/unit/client_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "runtime/session/wire.h"

#define CALLS 256

int server_log[2] = {-1, -1};

struct call {
	uint32_t tag;
	pid_t pid;
	int pidfd;
};
struct server {
	int fd; /* of the one client */
	struct call calls[CALLS];
	int count;
};

static void die(const char *what)
{
	perror(what);
	_exit(99);
}

static int send_fds(int fd, const void *data, size_t len, const int *fds, int n)
{
	char room[CMSG_SPACE(20 * sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	memset(room, 0, sizeof room);
	if (n) {
		h.msg_control = room;
		h.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
	}
	return (int)sendmsg(fd, &h, MSG_NOSIGNAL);
}

static void say(struct server *s, const char *text)
{
	send_fds(s->fd, text, strlen(text), NULL, 0);
}

static void say_exit(struct server *s, uint32_t tag, int status)
{
	char text[512];

	if (WIFEXITED(status))
		snprintf(
			text, sizeof text,
			"{\"event\":\"exit\",\"tag\":%u,\"call\":\"c%u\",\"result\":{\"status\":%d,"
			"\"cause\":\"exit\",\"exit\":%d,\"signal\":null,\"usage\":{\"wallUs\":1234,"
			"\"userUs\":5,\"systemUs\":6,\"memoryPeakBytes\":null,\"pidsPeak\":3}}}",
			tag, tag, WEXITSTATUS(status), WEXITSTATUS(status));
	else
		snprintf(
			text, sizeof text,
			"{\"event\":\"exit\",\"tag\":%u,\"call\":\"c%u\",\"result\":{\"status\":%d,"
			"\"cause\":\"signal\",\"exit\":null,\"signal\":%d}}",
			tag, tag, 128 + WTERMSIG(status), WTERMSIG(status));
	say(s, text);
}

/* What a broken or hostile monitor could say. */
static void misbehave(struct server *s, const char *what, uint32_t tag)
{
	char text[1024];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (strcmp(what, "@truncated") == 0) {
		say(s, "{\"event\":\"exit\",\"tag\":1,\"resu");
	} else if (strcmp(what, "@binary") == 0) {
		send_fds(s->fd, "\0\1\2\377", 4, NULL, 0);
	} else if (strcmp(what, "@close") == 0) {
		shutdown(s->fd, SHUT_RDWR);
	} else if (strcmp(what, "@die") == 0) {
		_exit(0);
	} else if (strcmp(what, "@array") == 0) {
		say(s, "[1,2,3]");
	} else if (strcmp(what, "@unasked") == 0) {
		say(s, "{\"op\":\"info\",\"ok\":true}");
	} else if (strcmp(what, "@nothing") == 0) {
		say(s, "{}");
	} else if (strcmp(what, "@noresult") == 0) {
		snprintf(text, sizeof text, "{\"event\":\"exit\",\"tag\":%u}", tag);
		say(s, text);
	} else if (strcmp(what, "@nomaster") == 0) {
		snprintf(text, sizeof text,
			 "{\"event\":\"started\",\"tag\":%u,\"call\":\"x\",\"pid\":7}", tag);
		say(s, text);
	} else if (strcmp(what, "@strange") == 0) {
		/* Events of tags that nobody has, of a later version, with descriptors that nobody
		 * wants. */
		const int many[20] = {null, null, null, null, null};
		say(s, "{\"event\":\"exit\",\"tag\":4000000000,\"result\":{\"status\":1,\"cause\":"
		       "\"exit\"}}");
		say(s,
		    "{\"event\":\"exit\",\"tag\":-1,\"result\":{\"status\":1,\"cause\":\"exit\"}}");
		say(s, "{\"event\":\"exit\",\"tag\":\"1\",\"result\":{\"status\":1,\"cause\":"
		       "\"exit\"}}");
		snprintf(text, sizeof text, "{\"event\":\"weather\",\"tag\":%u}", tag);
		send_fds(s->fd, text, strlen(text), many, 5);
		snprintf(text, sizeof text,
			 "{\"event\":\"started\",\"tag\":%u,\"pid\":99999999999999}", tag);
		send_fds(s->fd, text, strlen(text), many, 5);
		snprintf(text, sizeof text,
			 "{\"event\":\"exit\",\"tag\":%u,\"call\":[],\"result\":{\"status\":7,"
			 "\"cause\":\"exit\","
			 "\"exit\":\"no\",\"signal\":1e99,\"usage\":[],\"error\":3}}",
			 tag);
		say(s, text);
	} else if (strcmp(what, "@descriptors") == 0) {
		const int many[20] = {null, null, null, null, null, null, null, null, null, null,
				      null, null, null, null, null, null, null, null, null, null};
		snprintf(text, sizeof text, "{\"event\":\"weather\"}");
		send_fds(s->fd, text, strlen(text), many, 20);
	} else if (strcmp(what, "@noexec") == 0) {
		snprintf(text, sizeof text,
			 "{\"event\":\"exit\",\"tag\":%u,\"call\":\"n\",\"result\":{\"status\":127,"
			 "\"cause\":\"setup\","
			 "\"exit\":null,\"signal\":null,\"error\":{\"step\":\"exec\",\"message\":"
			 "\"no such program\","
			 "\"hint\":\"look\"}}}",
			 tag);
		say(s, text);
	}
	close(null);
}

static void run(struct server *s, const struct oc_wire_exec *w, char *strings, int *fds, int n)
{
	char *argv[4096], *env[4096];
	char *p = strings, *cwd = p;
	int used = w->flags & OC_WIRE_BLOB ? 1 : 0;
	pid_t pid;

	p += strlen(p) + 1;
	for (uint32_t i = 0; i < w->argc; i++, p += strlen(p) + 1)
		argv[i] = p;
	argv[w->argc] = NULL;
	for (uint32_t i = 0; i < w->envc; i++, p += strlen(p) + 1)
		env[i] = p;
	env[w->envc] = NULL;
	if (p != strings + w->strings)
		die("strings");
	if (argv[0][0] == '@') {
		misbehave(s, argv[0], w->tag);
		return;
	}
	int program = w->flags & OC_WIRE_PROGRAM ? fds[used++] : -1;
	int master = -1, slave = -1;
	if (w->flags & OC_WIRE_PTY) {
		struct winsize ws = {.ws_row = w->rows, .ws_col = w->cols};
		master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		grantpt(master);
		unlockpt(master);
		slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
		ioctl(master, TIOCSWINSZ, &ws);
	} else if (!(w->flags & OC_WIRE_BACKGROUND) && n != used + 3) {
		die("streams");
	}
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (slave >= 0)
			setsid();
		else
			setpgid(0, 0);
		for (int i = 0; i < 3; i++) {
			int from = slave >= 0 ? slave : n == used + 3 ? fds[used + i] : null;
			/* 3 and up, so that none is overwritten. */
			from = fcntl(from, F_DUPFD_CLOEXEC, 20);
			if (dup2(from, i) < 0)
				die("dup2");
		}
		if (slave >= 0)
			ioctl(0, TIOCSCTTY, 0);
		if (cwd[0] && chdir(cwd) < 0)
			die("chdir");
		if (program >= 0)
			syscall(SYS_execveat, program, "", argv, w->envc ? env : environ,
				AT_EMPTY_PATH);
		else if (w->envc)
			execvpe(argv[0], argv, env);
		else
			execvp(argv[0], argv);
		_exit(127);
	}
	if (slave >= 0)
		close(slave);
	else
		setpgid(pid, pid); /* a signal may be asked for before it has come so far */
	struct call *c = &s->calls[s->count++];
	*c = (struct call){.tag = w->tag, .pid = pid};
	c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (w->flags & (OC_WIRE_STARTED | OC_WIRE_PTY | OC_WIRE_BACKGROUND)) {
		char text[128];
		snprintf(text, sizeof text,
			 "{\"event\":\"started\",\"tag\":%u,\"call\":\"c%u\",\"pid\":%d}", w->tag,
			 w->tag, (int)pid);
		send_fds(s->fd, text, strlen(text), &master, master >= 0 ? 1 : 0);
	}
	if (master >= 0)
		close(master);
}

static struct call *by_tag(struct server *s, const struct oc_json *v)
{
	const struct oc_json *t = oc_json_get(v, "tag");

	for (int i = 0; t && i < s->count; i++)
		if (s->calls[i].tag == (uint32_t)t->number)
			return &s->calls[i];
	return NULL;
}

/* An answer with descriptors: the text behind them is "out", "err". */
static void attach(struct server *s, bool input)
{
	int out[2], err[2], in[2];

	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) || pipe2(in, O_CLOEXEC))
		die("pipe");
	if (write(out[1], "out", 3) != 3 || write(err[1], "err", 3) != 3)
		die("write");
	const int fds[3] = {out[0], err[0], in[1]};
	static const char text[] = "{\"op\":\"attach\",\"ok\":true,\"dropped\":12345678901}";
	send_fds(s->fd, text, strlen(text), fds, input ? 3 : 2);
	for (int i = 0; i < 2; i++) {
		close(out[i]);
		close(err[i]);
		close(in[i]);
	}
}

static void answer(struct server *s, const char *text, size_t len)
{
	oc_auto_arena a = {0};
	struct oc_json *v;
	struct oc_err err;
	char buf[256];

	if (oc_json_parse(&a, text, len, "request", &v, &err) < 0)
		die("request");
	const struct oc_json *name = oc_json_get(v, "op");
	if (!name || !name->string)
		die("request");
	const char *op = name->string;
	const struct oc_json *call = oc_json_get(v, "call"), *sig = oc_json_get(v, "signal");
	if (server_log[1] >= 0 && write(server_log[1], op, strlen(op) + 1) < 0)
		die("log");
	bool ok = true;
	if (strcmp(op, "signal") == 0 || strcmp(op, "kill") == 0 || strcmp(op, "detach") == 0) {
		struct call *c = by_tag(s, v);
		ok = c != NULL;
		if (c && strcmp(op, "detach") != 0)
			kill(-c->pid, sig ? (int)sig->number : SIGKILL);
	} else if (strcmp(op, "attach") == 0 && strcmp(call->string, "few") != 0) {
		attach(s, oc_json_get(v, "input") != NULL);
		return;
	} else if (strcmp(op, "logs") == 0) {
		int fd = memfd_create("logs", MFD_CLOEXEC);
		if (write(fd, call->string, strlen(call->string)) < 0)
			die("logs");
		static const char yes[] = "{\"op\":\"logs\",\"ok\":true,\"dropped\":7}";
		send_fds(s->fd, yes, strlen(yes), &fd, 1);
		close(fd);
		return;
	} else if (strcmp(op, "slow") == 0) {
		/* An event comes before the answer. */
		say_exit(s, (uint32_t)oc_json_get(v, "tag")->number, 0);
	} else if (strcmp(op, "close") == 0) {
		shutdown(s->fd, SHUT_RDWR);
		return;
	} else if (strcmp(op, "large") == 0) {
		char *big = malloc(200000);
		int n = snprintf(big, 200000, "{\"op\":\"large\",\"ok\":true,\"text\":\"");
		memset(big + n, 'x', 150000);
		memcpy(big + n + 150000, "\"}", 2);
		send_fds(s->fd, big, (size_t)n + 150002, NULL, 0);
		free(big);
		return;
	} else if (strcmp(op, "stop") == 0) {
		for (int i = 0; i < s->count; i++)
			kill(-s->calls[i].pid, SIGKILL);
		say(s, "{\"op\":\"stop\",\"ok\":true}");
		for (int i = 0; i < s->count; i++)
			say_exit(s, s->calls[i].tag, SIGKILL);
		say(s, "{\"event\":\"stopping\",\"reason\":\"it was told to\"}");
		_exit(0);
	} else {
		ok = strcmp(op, "info") == 0 || strcmp(op, "attach") == 0;
	}
	snprintf(buf, sizeof buf, "{\"op\":\"%s\",\"ok\":%s}", op,
		 ok ? "true"
		    : "false,\"error\":\"that is not to be had\",\"hint\":\"ask for less\"");
	say(s, buf);
}

static bool receive(struct server *s)
{
	static char buf[OC_WIRE_MESSAGE_MAX + 1];
	char room[CMSG_SPACE(8 * sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof buf};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = room,
			   .msg_controllen = sizeof room};
	ssize_t n = recvmsg(s->fd, &h, MSG_CMSG_CLOEXEC);
	int fds[8], count = 0;

	if (n <= 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), (size_t)count * sizeof(int));
	}
	if (buf[0] == '{') {
		answer(s, buf, (size_t)n);
	} else {
		struct oc_wire_exec w;
		memcpy(&w, buf, sizeof w);
		if ((size_t)n < sizeof w || w.magic != OC_WIRE_MAGIC || !w.tag || w.reserved)
			die("message");
		char *strings = buf + sizeof w;
		if (w.flags & OC_WIRE_BLOB) {
			const int want = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
			if ((fcntl(fds[0], F_GET_SEALS) & want) != want || (size_t)n != sizeof w)
				die("blob");
			strings = malloc(w.strings);
			if (pread(fds[0], strings, w.strings, 0) != (ssize_t)w.strings)
				die("blob");
		} else if ((size_t)n != sizeof w + w.strings) {
			die("length");
		}
		run(s, &w, strings, fds, count);
		if (w.flags & OC_WIRE_BLOB)
			free(strings);
	}
	for (int i = 0; i < count; i++)
		close(fds[i]);
	return true;
}

static void serve(struct server *s)
{
	for (;;) {
		struct pollfd p[CALLS + 1] = {{.fd = s->fd, .events = POLLIN}};
		for (int i = 0; i < s->count; i++)
			p[i + 1] = (struct pollfd){.fd = s->calls[i].pidfd, .events = POLLIN};
		if (poll(p, (nfds_t)s->count + 1, -1) < 0 && errno != EINTR)
			die("poll");
		for (int i = s->count; i > 0; i--)
			if (p[i].revents) {
				int status;
				struct call c = s->calls[i - 1];
				waitpid(c.pid, &status, 0);
				close(c.pidfd);
				s->calls[i - 1] = s->calls[--s->count];
				say_exit(s, c.tag, status);
			}
		if (p[0].revents && !receive(s))
			return;
	}
}

pid_t server_start(const char *dir)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const int room = 1 << 20;
	pid_t pid;

	snprintf(addr.sun_path, sizeof addr.sun_path, "%s/control", dir);
	unlink(addr.sun_path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 || listen(fd, 8) < 0)
		die("listen");
	pid = fork();
	if (pid) {
		close(fd);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct server s = {0};
	for (;;) {
		s.fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (s.fd < 0)
			die("accept");
		setsockopt(s.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
		serve(&s);
		for (int i = 0; i < s.count; i++) {
			kill(-s.calls[i].pid, SIGKILL);
			waitpid(s.calls[i].pid, NULL, 0);
			close(s.calls[i].pidfd);
		}
		s.count = 0;
		close(s.fd);
	}
}
