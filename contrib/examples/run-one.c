/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run-one - one command in a sandbox that is thrown away, and what it printed.
 *
 *     cc run-one.c $(pkg-config --cflags --libs ocsandbox) -o run-one
 *     ./run-one uname -a
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <ocsandbox.h>

static int failed(const struct ocs_error *e)
{
	fprintf(stderr, "run-one: %s%s%s\n", e->step, e->step[0] ? ": " : "", e->message);
	if (e->hint[0])
		fprintf(stderr, "run-one: hint: %s\n", e->hint);
	return e->status;
}

/* False at its end: nobody is left who could write. */
static bool copy_output(int fd)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof buf);

	if (n > 0)
		fwrite(buf, 1, (size_t)n, stdout);
	return n > 0;
}

/* The next event; what the command prints meanwhile is printed. */
static int next_event(ocs_sandbox *s, int *out, struct ocs_event *ev)
{
	int n;

	while ((n = ocs_next(s, ev)) == 0) {
		struct pollfd p[2] = {{.fd = ocs_fd(s), .events = POLLIN},
				      {.fd = *out, .events = POLLIN}};
		if (poll(p, 2, -1) > 0 && p[1].revents && !copy_output(*out))
			*out = -1;
	}
	return n;
}

int main(int argc, char **argv)
{
	static const char *const options[] = {"--memory", "256m", "--egress", "none", NULL};
	struct ocs_open how = OCS_OPEN_INIT;
	struct ocs_exec e = OCS_EXEC_INIT;
	struct ocs_event ev;
	struct ocs_error err;
	ocs_sandbox *s;
	int out[2], status;

	if (argc < 2) {
		fputs("usage: run-one PROGRAM [ARGUMENT...]\n", stderr);
		return 125;
	}
	how.program = getenv("OC_SANDBOX"); /* NULL: the one that is installed */
	how.options = options;
	if (pipe2(out, O_CLOEXEC) < 0) {
		perror("run-one");
		return 125;
	}
	if (ocs_open(&how, &s, &err) < 0)
		return failed(&err);
	e.argv = (const char *const *)&argv[1];
	e.out = e.err = out[1];
	e.timeout_ms = 10000;
	/* It need not be open yet. */
	if (ocs_exec(s, &e, NULL, &err) < 0)
		return failed(&err);
	close(out[1]); /* the library has its own until it has gone to the sandbox */
	while (next_event(s, &out[0], &ev) > 0) {
		if (ev.type == OCS_EVENT_EXIT)
			break;
		if (ev.type == OCS_EVENT_CLOSED)
			return failed(&ev.error);
	}
	while (out[0] >= 0 && copy_output(out[0]))
		;
	status = ev.result.status;
	if (ev.result.error)
		fprintf(stderr, "run-one: %s\n", ev.result.error);
	fprintf(stderr, "run-one: %s, status %d, %.1f ms\n", ev.result.cause, status,
		(double)ev.result.wall_us / 1000.0);
	/* It would stay for the next command otherwise. */
	if (ocs_stop(s, NULL) == 0)
		while (ocs_wait(s, 10000, &ev) > 0 && ev.type != OCS_EVENT_CLOSED)
			;
	ocs_close(s);
	return status;
}
