/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe - main of oc-probe: takes the list of tries, runs each in a child of its own, prints the
 * answers.
 *
 * A try that is killed by the filter, hangs or crashes costs only its child.  The answer travels
 * through a shared page, so that the tries run with no descriptor that the sandbox did not give.
 *
 * By hand: oc-probe NAME[=ARGUMENT]..., oc-probe --all, oc-probe --list.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/verify/probe.h"

#define TRY_SECONDS 10

static const struct oc_probe *const tables[] = {oc_probe_process, oc_probe_files, oc_probe_net,
						oc_probe_seccomp};

const char *oc_probe_errname(int e)
{
	const char *name = strerrorname_np(e);

	return name ? name : "unknown error";
}

void oc_probe_say(struct oc_probe_out *out, const char *observed, const char *fmt, ...)
{
	va_list ap;

	snprintf(out->observed, sizeof(out->observed), "%s", observed);
	va_start(ap, fmt);
	vsnprintf(out->detail, sizeof(out->detail), fmt, ap);
	va_end(ap);
}

void oc_probe_add(struct oc_probe_out *out, const char *fmt, ...)
{
	size_t len = strnlen(out->detail, sizeof(out->detail) - 1);
	size_t room = sizeof(out->detail) - len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out->detail + len, room, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n >= room)
		memcpy(out->detail + sizeof(out->detail) - 4, "...", 4);
}

void oc_probe_result(struct oc_probe_out *out, long r)
{
	if (r >= 0)
		oc_probe_say(out, "allowed", "%ld", r);
	else
		oc_probe_say(out, "denied", "%s", oc_probe_errname(errno));
}

long oc_probe_slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	buf[len] = '\0';
	return n < 0 ? -1 : (long)len;
}

static void write_all(const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(1);
		p += n;
		len -= (size_t)n;
	}
}

/* A detail may quote names that others chose: everything but plain ASCII is escaped byte by byte.
 */
static size_t quote(char *dst, size_t size, const char *s)
{
	size_t n = 0;

	for (; *s && n + 8 < size; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			dst[n++] = '\\';
			dst[n++] = (char)c;
		} else if (c < 0x20 || c >= 0x7f) {
			n += (size_t)snprintf(dst + n, size - n, "\\u%04x", c);
		} else {
			dst[n++] = (char)c;
		}
	}
	dst[n] = '\0';
	return n;
}

static void report(unsigned id, const char *name, const struct oc_probe_out *out)
{
	char detail[OC_PROBE_DETAIL * 6 + 16], observed[sizeof(out->observed) * 6 + 16],
		line[sizeof(detail) + 256];
	char safe_name[128];
	int n;

	quote(detail, sizeof(detail), out->detail);
	quote(observed, sizeof(observed), out->observed);
	quote(safe_name, sizeof(safe_name), name);
	n = snprintf(line, sizeof(line),
		     "{\"id\":%u,\"probe\":\"%s\",\"layer\":\"%.*s\",\"observed\":\"%s\","
		     "\"detail\":\"%s\"}\n",
		     id, safe_name, (int)strcspn(safe_name, "."), safe_name, observed, detail);
	if (n > 0)
		write_all(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static const struct oc_probe *find(const char *name, size_t len)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct oc_probe *p = tables[t]; p->name; p++)
			if (strlen(p->name) == len && memcmp(p->name, name, len) == 0)
				return p;
	return NULL;
}

/* Run one try in a child; out is the shared page. */
static void try_one(const struct oc_probe *p, const struct oc_probe_ctx *ctx,
		    struct oc_probe_out *out)
{
	pid_t pid, r;
	int status;

	oc_probe_say(out, "error", "no answer");
	pid = fork();
	if (pid < 0) {
		oc_probe_say(out, "error", "fork: %s", oc_probe_errname(errno));
		return;
	}
	if (pid == 0) {
		/* Nothing of a try outlives the probe, whatever it forks dies with its group below.
		 */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		alarm(TRY_SECONDS);
		p->run(out, ctx);
		_exit(0);
	}
	setpgid(pid, pid);
	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	kill(-pid, SIGKILL);
	/* A try that expects to be killed says so beforehand. */
	if (r == pid && WIFSIGNALED(status) && strcmp(out->observed, "killed") != 0) {
		const char *name = sigabbrev_np(WTERMSIG(status));

		oc_probe_say(out, "killed", "SIG%s", name ? name : "?");
	}
}

/* Record: "name" or "name argument"; sep is the byte between the two. */
static void run_record(unsigned id, const char *rec, char sep, struct oc_probe_ctx *ctx,
		       struct oc_probe_out *out)
{
	const char *end = strchr(rec, sep);
	size_t len = end ? (size_t)(end - rec) : strlen(rec);
	const struct oc_probe *p = find(rec, len);

	ctx->arg = end ? end + 1 : "";
	if (p) {
		try_one(p, ctx, out);
		report(id, p->name, out);
	} else {
		oc_probe_say(out, "error", "no such probe");
		report(id, rec, out);
	}
}

static int receive(struct oc_probe_ctx *ctx)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * OC_PROBE_FD_COUNT)];
	} control;
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(STDIN_FILENO, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n == 1 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(ctx->fd)))
		return -1;
	memcpy(ctx->fd, CMSG_DATA(c), sizeof(ctx->fd));
	return 0;
}

/*
 * Tell the verifier's helper that this process is behind all layers and wait until it has looked at
 * it from outside: one byte each way.  No helper, or none that answers in time, is no failure here:
 * the verifier knows that it has no answer.
 */
static void meet_helper(void)
{
	struct timeval tv = {.tv_sec = TRY_SECONDS};
	char byte = 'R';

	setsockopt(STDIN_FILENO, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (send(STDIN_FILENO, &byte, 1, MSG_NOSIGNAL) == 1)
		(void)!recv(STDIN_FILENO, &byte, 1, 0);
}

static int run_input(struct oc_probe_ctx *ctx, struct oc_probe_out *out)
{
	struct oc_probe_out *own = out + 1;
	const char *text, *p;
	struct stat st;
	unsigned id = 1;

	/* Before anything is received: after that there are more. */
	run_record(0, "descriptors.open", ' ', ctx, own);
	if (receive(ctx) < 0 || fstat(ctx->fd[OC_PROBE_FD_INPUT], &st) < 0 || st.st_size <= 0)
		return 2;
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, ctx->fd[OC_PROBE_FD_INPUT],
		    0);
	if (text == MAP_FAILED || text[st.st_size - 1] != '\0')
		return 2;
	meet_helper();
	for (p = text; p < text + st.st_size; p += strlen(p) + 1)
		run_record(id++, p, ' ', ctx, out);
	return 0;
}

static void run_all(struct oc_probe_ctx *ctx, struct oc_probe_out *out, bool list)
{
	unsigned id = 0;

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct oc_probe *p = tables[t]; p->name; p++) {
			if (list) {
				write_all(p->name, strlen(p->name));
				write_all("\n", 1);
			} else {
				run_record(id++, p->name, ' ', ctx, out);
			}
		}
}

int main(int argc, char **argv)
{
	struct oc_probe_ctx ctx = {.arg = "", .fd = {-1, -1, -1}};
	struct oc_probe_out *out;

	out = mmap(NULL, 2 * sizeof(*out), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		   0);
	if (out == MAP_FAILED)
		return 2;
	if (argc == 2 && (!strcmp(argv[1], "--all") || !strcmp(argv[1], "--list"))) {
		run_all(&ctx, out, argv[1][2] == 'l');
		return 0;
	}
	for (int i = 1; i < argc; i++)
		run_record((unsigned)i, argv[i], '=', &ctx, out);
	return argc > 1 ? 0 : run_input(&ctx, out);
}
