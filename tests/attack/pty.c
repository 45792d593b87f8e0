/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pty - run a program on a terminal that answers questions, and say what is left in the terminal's input afterwards.
 *
 *   pty STREAMS DELAY_MS OUTPUT [--type TEXT] -- PROGRAM ARG...
 *
 *   STREAMS      which of 0, 1 and 2 are the terminal ("012"); the others are /dev/null
 *   DELAY_MS     how long the terminal takes to answer (a slow line)
 *   OUTPUT       file for what the terminal showed
 *   --type TEXT  is typed at once
 *
 * What a shell would read after the program is printed as "left: HEX".  Exit 0: nothing left, settings as before, and the
 * program ended by itself within 20 seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "pty: %s: %s\n", what, strerror(errno));
	exit(2);
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* One answer a question; the bytes of xterm. */
static const struct {
	const char *question, *answer;
} dialogue[] = {
	{"\x1b[c", "\x1b[?62;22c"},   {"\x1b[>c", "\x1b[>0;0;0c"}, {"\x1b[5n", "\x1b[0n"},
	{"\x1b[6n", "\x1b[1;1R"},     {"\x05", "ANSWER\r"},	   {"\x1b[21t", "\x1b]lid\r\x1b\\"},
	{"\x1b]10;?", "\x1b]10;rgb:0000/0000/0000\x1b\\"},
};

static size_t answers(const char *shown, size_t n, char *out, size_t room)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < sizeof dialogue / sizeof dialogue[0]; k++) {
			size_t q = strlen(dialogue[k].question), a = strlen(dialogue[k].answer);
			if (i + q <= n && memcmp(shown + i, dialogue[k].question, q) == 0 && len + a <= room) {
				memcpy(out + len, dialogue[k].answer, a);
				len += a;
			}
		}
	return len;
}

static _Noreturn void become(const char *streams, int slave, char **argv)
{
	int null = open("/dev/null", O_RDWR);

	setsid();
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		fail("TIOCSCTTY");
	for (int fd = 0; fd < 3; fd++)
		dup2(strchr(streams, '0' + fd) ? slave : null, fd);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	/* As a shell does: the program is the foreground job. */
	setpgid(0, 0);
	signal(SIGTTOU, SIG_IGN);
	tcsetpgrp(strchr(streams, '0') ? 0 : strchr(streams, '1') ? 1 : 2, getpid());
	signal(SIGTTOU, SIG_DFL);
	execvp(argv[0], argv);
	fail(argv[0]);
}

struct terminal {
	int master, file;
	long delay, due;
	char queue[65536];
	size_t queued;
};

/* The terminal shows and answers for a while; true while the program is alive. */
static void serve(struct terminal *t, int wait_ms)
{
	char buf[65536];
	struct pollfd p = {.fd = t->master, .events = POLLIN};

	if (poll(&p, 1, wait_ms) > 0 && (p.revents & POLLIN)) {
		ssize_t n = read(t->master, buf, sizeof buf);
		if (n > 0) {
			if (write(t->file, buf, (size_t)n) != n)
				fail("output");
			size_t a = answers(buf, (size_t)n, t->queue + t->queued, sizeof t->queue - t->queued);
			if (a && !t->queued)
				t->due = now_ms() + t->delay;
			t->queued += a;
		}
	}
	if (t->queued && now_ms() >= t->due) {
		if (write(t->master, t->queue, t->queued) < 0)
			fail("answer");
		t->queued = 0;
	}
}

int main(int argc, char **argv)
{
	struct terminal t = {0};
	const char *type = NULL;
	struct termios before, after;
	int i = 4, status = -1, bad = 0;

	if (argc > 6 && strcmp(argv[4], "--type") == 0) {
		type = argv[5];
		i = 6;
	}
	if (argc < i + 2 || strcmp(argv[i], "--") != 0)
		return 2;
	t.delay = atol(argv[2]);
	t.file = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	t.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (t.file < 0 || t.master < 0 || grantpt(t.master) < 0 || unlockpt(t.master) < 0)
		fail("pty");
	int slave = open(ptsname(t.master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	/* No echo: what is left in the input is read from the input, not guessed from the output. */
	if (slave < 0 || tcgetattr(slave, &before) < 0)
		fail("slave");
	before.c_lflag &= (tcflag_t) ~(ECHO | ECHOE | ECHOK | ECHOCTL);
	tcsetattr(slave, TCSANOW, &before);
	tcgetattr(slave, &before);
	if (type && write(t.master, type, strlen(type)) < 0)
		fail("type");
	pid_t pid = fork();
	if (pid == 0)
		become(argv[1], slave, argv + i + 1);
	if (pid < 0)
		fail("fork");
	long end = now_ms() + 20000;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		serve(&t, 5);
		if (now_ms() > end) {
			puts("did not end");
			kill(-pid, SIGKILL);
			bad = 1;
			end += 100000;
		}
	}
	/* What is still on the line arrives; then a shell would read. */
	for (end = now_ms() + 150 + t.delay; now_ms() < end;)
		serve(&t, 5);
	tcgetattr(slave, &after);
	if (memcmp(&before.c_iflag, &after.c_iflag, sizeof before.c_iflag) || before.c_oflag != after.c_oflag ||
	    before.c_lflag != after.c_lflag || before.c_cflag != after.c_cflag) {
		puts("the settings of the terminal have changed");
		bad = 1;
	}
	struct termios raw = after;
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = raw.c_cc[VTIME] = 0;
	tcsetattr(slave, TCSANOW, &raw);
	unsigned char left[4096];
	ssize_t n = read(slave, left, sizeof left);
	if (n > 0) {
		printf("left:");
		for (ssize_t k = 0; k < n && k < 64; k++)
			printf(" %02x", left[k]);
		puts("");
		bad = 1;
	}
	if (WIFSIGNALED(status))
		printf("ended by signal %d\n", WTERMSIG(status));
	else
		printf("exit %d\n", WEXITSTATUS(status));
	return bad;
}
