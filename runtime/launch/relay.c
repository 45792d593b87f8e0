/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay - see relay.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/relay.h"

static void pump_init(struct oc_pump *p, int from, int to)
{
	p->from = from;
	p->to = to;
	p->start = p->end = 0;
	p->eof = false;
}

static struct oc_pump *pump_at(struct oc_relay *r, int i)
{
	return i == 0 ? &r->in : i == 1 ? &r->out : &r->err;
}

int oc_relay_prepare(struct oc_relay *r, struct oc_child *c, const struct oc_plan *plan, struct oc_err *err)
{
	bool any = false;

	r->master = -1;
	r->raw = r->asked = false;
	pump_init(&r->in, -1, -1);
	pump_init(&r->out, -1, -1);
	pump_init(&r->err, -1, -1);
	for (int i = 0; i < 3; i++) {
		r->tty[i] = isatty(c->stdio[i]) ? c->stdio[i] : -1;
		r->pipe_end[i] = r->inner[i] = -1;
		any = any || r->tty[i] >= 0;
	}
	if (plan->tty == OC_TTY_YES && r->tty[0] < 0) {
		oc_fail(err, ENOTTY, "--tty needs a terminal as standard input");
		return oc_err_step(err, "tty");
	}
	if (!any)
		return 0;
	for (int i = 0; i < 3; i++)
		pump_at(r, i)->buf = oc_arena_alloc(plan->arena, OC_RELAY_BUFFER);
	if (plan->tty == OC_TTY_NO) {
		for (int i = 0; i < 3; i++) {
			int fds[2];
			if (r->tty[i] < 0)
				continue;
			if (pipe2(fds, O_CLOEXEC) < 0)
				return oc_fail(err, errno, "pipe");
			r->pipe_end[i] = fds[i == 0 ? 1 : 0];
			r->inner[i] = fds[i == 0 ? 0 : 1];
			c->stdio[i] = r->inner[i];
		}
		return 0;
	}
	c->want_pty = true;
	for (int i = 0; i < 3; i++) {
		if (r->tty[i] < 0)
			continue;
		c->stdio[i] = -1;
		if (!c->copy_termios && tcgetattr(r->tty[i], &c->termios) == 0 &&
		    ioctl(r->tty[i], TIOCGWINSZ, &c->winsize) == 0)
			c->copy_termios = true;
	}
	/*
	 * The caller's terminal is only put into raw mode for input.  Without that it processes the output itself; done by both, a line
	 * would end in two carriage returns.
	 */
	if (r->tty[0] < 0)
		c->termios.c_oflag &= ~(tcflag_t)OPOST;
	return 0;
}

void oc_relay_start(struct oc_relay *r, int master)
{
	r->master = master;
	for (int i = 0; i < 3; i++) {
		oc_closep(&r->inner[i]);
		r->inner[i] = -1;
	}
	if (master >= 0) {
		fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
		pump_init(&r->out, master, r->tty[1] >= 0 ? r->tty[1] : r->tty[2]);
		if (r->out.to < 0) /* only the input is a terminal: what the line discipline echoes goes nowhere else */
			r->out.to = r->tty[0];
		if (r->tty[0] >= 0) {
			pump_init(&r->in, r->tty[0], master);
			if (tcgetattr(r->tty[0], &r->saved) == 0) {
				struct termios raw = r->saved;
				cfmakeraw(&raw);
				r->raw = tcsetattr(r->tty[0], TCSADRAIN, &raw) == 0;
			}
		}
		return;
	}
	if (r->pipe_end[0] >= 0)
		pump_init(&r->in, r->tty[0], r->pipe_end[0]);
	if (r->pipe_end[1] >= 0)
		pump_init(&r->out, r->pipe_end[1], r->tty[1]);
	if (r->pipe_end[2] >= 0)
		pump_init(&r->err, r->pipe_end[2], r->tty[2]);
}

/* Two entries a pump: its source while there is room, its sink while there is something to write. */
void oc_relay_poll(struct oc_relay *r, struct pollfd p[OC_RELAY_POLL])
{
	for (int i = 0; i < 3; i++) {
		const struct oc_pump *m = pump_at(r, i);
		bool room = m->end < OC_RELAY_BUFFER || m->start > 0;
		p[2 * i] = (struct pollfd){.fd = m->eof || !room ? -1 : m->from, .events = POLLIN};
		p[2 * i + 1] =
			(struct pollfd){.fd = m->start < m->end ? m->to : -1, .events = POLLOUT};
	}
}

/* ESC, ENQ and the one-byte CSI and DCS can make a terminal send something back. */
static void note_questions(struct oc_relay *r, const char *data, size_t n)
{
	if (memchr(data, 0x1b, n) || memchr(data, 0x05, n) || memchr(data, (char)0x9b, n) ||
	    memchr(data, (char)0x90, n))
		r->asked = true;
}

static void pump_read(struct oc_relay *r, struct oc_pump *m)
{
	if (m->start > 0) {
		memmove(m->buf, m->buf + m->start, m->end - m->start);
		m->end -= m->start;
		m->start = 0;
	}
	if (m->end == OC_RELAY_BUFFER)
		return;
	ssize_t n = read(m->from, m->buf + m->end, OC_RELAY_BUFFER - m->end);
	if (n > 0) {
		if (m != &r->in)
			note_questions(r, m->buf + m->end, (size_t)n);
		m->end += (size_t)n;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		m->eof = true; /* EIO: the last holder of the terminal's other end is gone */
	}
}

static void pump_write(struct oc_pump *m)
{
	ssize_t n = write(m->to, m->buf + m->start, m->end - m->start);

	if (n > 0)
		m->start += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		m->start = m->end = 0;
		m->eof = true;
	}
}

void oc_relay_run(struct oc_relay *r, const struct pollfd p[OC_RELAY_POLL])
{
	for (int i = 0; i < 3; i++) {
		struct oc_pump *m = pump_at(r, i);
		if (p[2 * i].fd >= 0 && p[2 * i].revents)
			pump_read(r, m);
		if (p[2 * i + 1].fd >= 0 && p[2 * i + 1].revents)
			pump_write(m);
		if (m == &r->in && m->eof && m->start == m->end && r->pipe_end[0] >= 0) {
			close(r->pipe_end[0]); /* end of input reaches the payload */
			r->pipe_end[0] = -1;
			m->to = -1;
		}
	}
}

void oc_relay_resize(struct oc_relay *r)
{
	struct winsize ws;
	int tty = r->tty[0] >= 0 ? r->tty[0] : r->tty[1] >= 0 ? r->tty[1] : r->tty[2];

	if (r->master >= 0 && tty >= 0 && ioctl(tty, TIOCGWINSZ, &ws) == 0)
		ioctl(r->master, TIOCSWINSZ, &ws);
}

/*
 * Read and drop until the terminal has answered and is quiet.  The payload may have asked the same question as we, so the first
 * answer need not be ours: go on until nothing came for as long as that one took.
 */
static void read_answers(int tty)
{
	static const char answer[] = "\033[0n";
	size_t matched = 0;
	int quiet_ms = 0, took_ms = -1;

	for (int ms = 0; ms < 1000; ms += 10) {
		struct pollfd p = {.fd = tty, .events = POLLIN};
		char c;
		while (poll(&p, 1, 0) > 0 && read(tty, &c, 1) == 1) {
			quiet_ms = 0;
			matched = c == answer[matched] ? matched + 1 : c == answer[0];
			if (matched == sizeof answer - 1) {
				matched = 0;
				if (took_ms < 0)
					took_ms = ms;
			}
		}
		if (took_ms >= 0 && quiet_ms > took_ms + 50)
			return;
		poll(&p, 1, 10);
		quiet_ms += 10;
	}
}

/*
 * The payload may have asked the terminal something, and the answer may still be on its way; left there, the caller's
 * shell would read it as typed.  Terminals answer in order: so ask a question of our own ("device status"), and read until
 * its answer comes.  A terminal that answers nothing costs the time limit, and only when it was asked something.
 */
static void drain_answers(struct oc_relay *r)
{
	static const char question[] = "\033[5n";
	int tty = r->tty[0] >= 0 ? r->tty[0] : r->tty[1] >= 0 ? r->tty[1] : r->tty[2];
	struct termios was, raw;

	/* In the background a read would stop us; there the shell reads the terminal anyway. */
	if (tty < 0 || (fcntl(tty, F_GETFL) & O_ACCMODE) != O_RDWR || tcgetpgrp(tty) != getpgrp() ||
	    tcgetattr(tty, &was) < 0)
		return;
	raw = was;
	cfmakeraw(&raw);
	tcsetattr(tty, TCSADRAIN, &raw);
	if (oc_write_all(tty, question, sizeof question - 1) == 0)
		read_answers(tty);
	tcflush(tty, TCIFLUSH);
	tcsetattr(tty, TCSADRAIN, &was);
}

void oc_relay_finish(struct oc_relay *r)
{
	/* Everybody inside is dead: what is still to come is in the buffers of the kernel, a bounded amount. */
	for (int i = 1; i < 3; i++) {
		struct oc_pump *m = pump_at(r, i);
		for (int round = 0; m->from >= 0 && round < 64; round++) {
			if (m->start < m->end) {
				struct pollfd p = {.fd = m->to, .events = POLLOUT};
				if (poll(&p, 1, 1000) <= 0)
					break;
				pump_write(m);
				continue;
			}
			struct pollfd p = {.fd = m->from, .events = POLLIN};
			if (m->eof || poll(&p, 1, 0) <= 0)
				break;
			pump_read(r, m);
		}
	}
	bool relayed = r->master >= 0 || r->pipe_end[1] >= 0 || r->pipe_end[2] >= 0;
	if (relayed && r->asked)
		drain_answers(r);
	if (r->raw)
		tcsetattr(r->tty[0], TCSADRAIN, &r->saved);
	oc_closep(&r->master);
	for (int i = 0; i < 3; i++) {
		oc_closep(&r->pipe_end[i]);
		oc_closep(&r->inner[i]);
	}
}
