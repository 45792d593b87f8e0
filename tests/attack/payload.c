/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload - see payload.h.
 *
 *   payload ATTEMPT [ARGUMENT...]   make one attempt
 *   payload list                    the names
 */
#include "tests/attack/payload.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool got_through;
static unsigned tried;

void held(const char *fmt, ...)
{
	va_list ap;
	int e = errno;

	printf("ok ");
	va_start(ap, fmt);
	errno = e;
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	tried++;
}

void broke(const char *fmt, ...)
{
	va_list ap;

	printf("BAD ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	got_through = true;
	tried++;
}

void cannot(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("payload: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

void must_fail(const char *what, long r)
{
	if (r < 0)
		held("%s: %s", what, strerrorname_np(errno));
	else
		broke("%s: succeeded (%ld)", what, r);
}

const char *argument(int argc, char **argv, int i, const char *otherwise)
{
	if (i < argc)
		return argv[i];
	if (!otherwise)
		cannot("argument %d is missing", i);
	return otherwise;
}

int in_child(void (*fn)(void *), void *ctx)
{
	int status = -1;

	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0)
		cannot("fork: %s", strerror(errno));
	if (pid == 0) {
		fn(ctx);
		_exit(0);
	}
	while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	return status;
}

int main(int argc, char **argv)
{
	const struct attempt *const tables[] = {attempts_files, attempts_process, attempts_kernel,
						attempts_bombs, attempts_network, attempts_sessions};

	if (argc < 2)
		cannot("which attempt?");
	/* Line by line: an attempt may kill us. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
		for (const struct attempt *a = tables[t]; a->name; a++) {
			if (strcmp(argv[1], "list") == 0) {
				printf("%s: %s\n", a->name, a->what);
			} else if (strcmp(argv[1], a->name) == 0) {
				a->run(argc - 1, argv + 1);
				if (!tried)
					cannot("%s tried nothing", a->name);
				fflush(stdout);
				return got_through;
			}
		}
	if (strcmp(argv[1], "list") == 0)
		return 0;
	cannot("no attempt is called %s", argv[1]);
}
