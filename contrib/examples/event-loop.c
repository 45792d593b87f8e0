/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event-loop - a program with a loop of its own: reads command lines from standard input, runs each
 * of them with a shell in one sandbox, as many at once as come, and prints the output with the
 * call's number.
 *
 *     cc event-loop.c $(pkg-config --cflags --libs ocsandbox) -o event-loop
 *     printf 'sleep 1; echo slow\necho quick\n' | ./event-loop
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ocsandbox.h>

#define CALLS 32

struct call {
	uint32_t tag; /* 0: free */
	int out;      /* our end of its pipe */
	bool ended;
};

static struct call calls[CALLS];
static int running;
static bool input_ended, closed;

static void complain(const struct ocs_error *e)
{
	fprintf(stderr, "event-loop: %s\n", e->message);
}

static void run(ocs_sandbox *s, const char *line)
{
	const char *const argv[] = {"sh", "-c", line, NULL};
	struct ocs_exec e = OCS_EXEC_INIT;
	struct ocs_error err;
	struct call *c = calls;
	int p[2];

	while (c->tag)
		c++;
	if (pipe2(p, O_CLOEXEC) < 0) {
		perror("event-loop");
		return;
	}
	e.argv = argv;
	e.out = e.err = p[1];
	if (ocs_exec(s, &e, &c->tag, &err) == 0) {
		fcntl(p[0], F_SETFL, O_NONBLOCK);
		c->out = p[0];
		c->ended = false;
		running++;
	} else {
		complain(&err);
		close(p[0]);
		c->tag = 0;
	}
	close(p[1]); /* the sandbox has its own */
}

static void print_output(struct call *c)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(c->out, buf, sizeof buf)) > 0)
		printf("[%u] %.*s", c->tag, (int)n, buf);
	/* After the end of the call all of its output is in the pipe: what cannot be read now never
	 * comes. */
	if (n == 0 || errno != EAGAIN || c->ended) {
		close(c->out);
		c->out = -1;
	}
	if (c->out < 0 && c->ended) {
		c->tag = 0;
		running--;
	}
}

static void on_event(const struct ocs_event *ev)
{
	switch (ev->type) {
	case OCS_EVENT_OPEN:
		printf("sandbox %s%s\n", ev->id, ev->joined ? ", joined" : "");
		break;
	case OCS_EVENT_EXIT:
		for (int i = 0; i < CALLS; i++)
			if (calls[i].tag == ev->tag) {
				calls[i].ended = true;
				if (calls[i].out >= 0)
					print_output(&calls[i]);
				else
					calls[i].tag = 0, running--;
			}
		printf("[%u] %s %d\n", ev->tag, ev->result.cause, ev->result.status);
		break;
	case OCS_EVENT_CLOSED:
		complain(&ev->error);
		closed = true;
		break;
	case OCS_EVENT_STARTED:
	case OCS_EVENT_NONE:
		break;
	}
	fflush(stdout);
}

static void read_lines(ocs_sandbox *s)
{
	static char buf[4096];
	static size_t len;
	ssize_t n = read(0, buf + len, sizeof buf - 1 - len);

	if (n <= 0) {
		input_ended = true;
		return;
	}
	len += (size_t)n;
	buf[len] = 0;
	char *line = buf, *nl;
	while ((nl = strchr(line, '\n')) && running < CALLS) {
		*nl = 0;
		run(s, line);
		line = nl + 1;
	}
	len -= (size_t)(line - buf);
	memmove(buf, line, len);
	if (len == sizeof buf - 1)
		len = 0; /* too long for this example */
}

int main(void)
{
	static const char *const options[] = {"--memory", "512m", NULL};
	struct ocs_open how = OCS_OPEN_INIT;
	struct ocs_error err;
	struct ocs_event ev;
	ocs_sandbox *s;

	how.program = getenv("OC_SANDBOX");
	how.options = options;
	if (ocs_open(&how, &s, &err) < 0) {
		complain(&err);
		return err.status;
	}
	while (!closed && (!input_ended || running)) {
		struct pollfd p[2 + CALLS];
		p[0] = (struct pollfd){.fd = ocs_fd(s), .events = POLLIN};
		p[1] = (struct pollfd){.fd = input_ended || running == CALLS ? -1 : 0,
				       .events = POLLIN};
		for (int i = 0; i < CALLS; i++)
			p[2 + i] = (struct pollfd){.fd = calls[i].tag ? calls[i].out : -1,
						   .events = POLLIN};
		if (poll(p, 2 + CALLS, -1) < 0 && errno != EINTR)
			break;
		for (int i = 0; i < CALLS; i++)
			if (p[2 + i].fd >= 0 && p[2 + i].revents)
				print_output(&calls[i]);
		if (p[1].revents)
			read_lines(s);
		if (p[0].revents)
			while (ocs_next(s, &ev) > 0)
				on_event(&ev);
	}
	if (!closed && ocs_stop(s, NULL) == 0)
		while (ocs_wait(s, 10000, &ev) > 0 && ev.type != OCS_EVENT_CLOSED)
			;
	ocs_close(s);
	return closed ? 1 : 0;
}
