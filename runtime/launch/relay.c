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

void oc_relay_init(struct oc_relay *r)
{
	*r = (struct oc_relay){.master = -1};
	pump_init(&r->in, -1, -1);
	pump_init(&r->out, -1, -1);
	pump_init(&r->err, -1, -1);
	for (int i = 0; i < 3; i++)
		r->tty[i] = r->pipe_end[i] = r->inner[i] = -1;
}

int oc_relay_prepare(struct oc_relay *r, struct oc_streams *s, struct oc_arena *a, enum oc_tty_mode tty,
		     struct oc_err *err)
{
	bool any = false;

	for (int i = 0; i < 3; i++) {
		r->tty[i] = isatty(s->fd[i]) ? s->fd[i] : -1;
		any = any || r->tty[i] >= 0;
	}
	if (tty == OC_TTY_YES && r->tty[0] < 0) {
		oc_fail(err, ENOTTY, "--tty needs a terminal as standard input");
		return oc_err_step(err, "tty");
	}
	if (!any)
		return 0;
	for (int i = 0; i < 3; i++)
		pump_at(r, i)->buf = oc_arena_alloc(a, OC_RELAY_BUFFER);
	if (tty == OC_TTY_NO) {
		for (int i = 0; i < 3; i++) {
			int fds[2];
			if (r->tty[i] < 0)
				continue;
			if (pipe2(fds, O_CLOEXEC) < 0)
				return oc_fail(err, errno, "pipe");
			r->pipe_end[i] = fds[i == 0 ? 1 : 0];
			r->inner[i] = fds[i == 0 ? 0 : 1];
			s->fd[i] = r->inner[i];
		}
		return 0;
	}
	s->want_pty = true;
	for (int i = 0; i < 3; i++) {
		if (r->tty[i] < 0)
			continue;
		s->fd[i] = -1;
		if (!s->copy_termios && tcgetattr(r->tty[i], &s->termios) == 0 &&
		    ioctl(r->tty[i], TIOCGWINSZ, &s->winsize) == 0)
			s->copy_termios = true;
	}
	/*
	 * The caller's terminal is only put into raw mode for input.  Without that it processes the output itself; done by both, a line
	 * would end in two carriage returns.
	 */
	if (r->tty[0] < 0)
		s->termios.c_oflag &= ~(tcflag_t)OPOST;
	return 0;
}

static void go_raw(struct oc_relay *r)
{
	struct termios raw;

	if (tcgetattr(r->tty[0], &r->saved) < 0)
		return;
	raw = r->saved;
	cfmakeraw(&raw);
	r->raw = tcsetattr(r->tty[0], TCSADRAIN, &raw) == 0;
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
			go_raw(r);
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

void oc_relay_join(struct oc_relay *r, struct oc_arena *a, const int theirs[3], bool master)
{
	for (int i = 0; i < 3; i++) {
		r->tty[i] = isatty(i) ? i : -1;
		pump_at(r, i)->buf = oc_arena_alloc(a, OC_RELAY_BUFFER);
		if (i == 0 && master)
			r->master = theirs[0];
		else
			r->pipe_end[i] = theirs[i];
		if (theirs[i] >= 0) {
			pump_init(pump_at(r, i), i ? theirs[i] : 0, i ? i : theirs[0]);
			fcntl(theirs[i], F_SETFL, fcntl(theirs[i], F_GETFL) | O_NONBLOCK);
		}
	}
	if (master && r->tty[0] >= 0)
		go_raw(r);
}

bool oc_relay_flows(const struct oc_relay *r)
{
	return (r->out.from >= 0 && (!r->out.eof || r->out.start < r->out.end)) ||
	       (r->err.from >= 0 && (!r->err.eof || r->err.start < r->err.end));
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

/* Ctrl-P is held back until it is known what follows. */
static size_t find_keys(struct oc_relay *r, char *data, size_t n)
{
	char kept[OC_RELAY_BUFFER + 1];
	size_t k = 0;

	for (size_t i = 0; i < n && !r->left; i++) {
		bool again = r->ctrl_p;
		r->ctrl_p = false;
		if (again && data[i] == 0x11) {
			r->left = true;
			break;
		}
		if (again)
			kept[k++] = 0x10;
		if (data[i] == 0x10)
			r->ctrl_p = true;
		else
			kept[k++] = data[i];
	}
	memcpy(data, kept, k);
	return k;
}

static void pump_read(struct oc_relay *r, struct oc_pump *m)
{
	if (m->start > 0) {
		memmove(m->buf, m->buf + m->start, m->end - m->start);
		m->end -= m->start;
		m->start = 0;
	}
	/* One byte less: a Ctrl-P that was held back may come before what is read now. */
	size_t room = OC_RELAY_BUFFER - m->end - (m == &r->in && r->ctrl_p);
	if (!room)
		return;
	ssize_t n = read(m->from, m->buf + m->end, room);
	if (n > 0) {
		if (m != &r->in)
			note_questions(r, m->buf + m->end, (size_t)n);
		m->end += m == &r->in && r->keys ? find_keys(r, m->buf + m->end, (size_t)n) : (size_t)n;
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
