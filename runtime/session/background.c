/* SPDX-License-Identifier: Apache-2.0 */
/*
 * background - output of commands that nobody waits for: read into rings (ring.h), read from there
 * by whoever attaches.
 *
 * Must never: wait for the command or for a reader; hold more of either than ring.h allows.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/session/keep_internal.h"

#define READ_AT_ONCE 16384
#define READERS	     8		 /* attachments at a time */
#define PIPE_ROOM    (256 << 10) /* all of a ring, where the user may have that much in pipes */

struct reader {
	struct reader *next;
	int fd[OC_RING_STREAMS]; /* our ends; -1: not (any more) */
	struct oc_ring_place place[OC_RING_STREAMS];
	bool input;
};
struct oc_background {
	struct oc_ring ring;
	int from[OC_RING_STREAMS]; /* of the command; a terminal is the first alone */
	int input;		   /* -1: none, or it has ended */
	bool terminal, over;
	struct reader *readers;
};

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int oc_background_begin(struct oc_keep *k, struct oc_call *c, struct oc_err *err)
{
	struct oc_background *b = calloc(1, sizeof *b);
	int in[2], out[2], errs[2];

	if (!b)
		oc_oom();
	b->from[0] = b->from[1] = b->input = -1;
	c->background = b;
	b->terminal = c->flags & OC_WIRE_PTY;
	if (b->terminal)
		return 0;
	if (c->flags & OC_WIRE_NO_INPUT) {
		in[0] = fcntl(k->null_fd, F_DUPFD_CLOEXEC, 3);
		in[1] = -1;
		if (in[0] < 0)
			return oc_fail(err, errno, "cannot use /dev/null");
	} else if (pipe2(in, O_CLOEXEC) < 0) {
		return oc_fail(err, errno, "pipe");
	}
	c->fds[c->fd_count++] = in[0];
	b->input = in[1];
	if (pipe2(out, O_CLOEXEC) < 0)
		return oc_fail(err, errno, "pipe");
	c->fds[c->fd_count++] = out[1];
	b->from[OC_RING_OUT] = out[0];
	if (pipe2(errs, O_CLOEXEC) < 0)
		return oc_fail(err, errno, "pipe");
	c->fds[c->fd_count++] = errs[1];
	b->from[OC_RING_ERR] = errs[0];
	if (set_nonblocking(out[0]) < 0 || set_nonblocking(errs[0]) < 0)
		return oc_fail(err, errno, "fcntl");
	return 0;
}

void oc_background_terminal(struct oc_call *c, int master)
{
	struct oc_background *b = c->background;

	(void)set_nonblocking(master);
	b->from[OC_RING_OUT] = master;
	if (!(c->flags & OC_WIRE_NO_INPUT))
		b->input = fcntl(master, F_DUPFD_CLOEXEC, 3);
}

/* --- readers --- */

static void close_stream(struct reader *r, enum oc_ring_stream s)
{
	oc_closep(&r->fd[s]);
	r->fd[s] = -1;
}

/* As much as it takes. */
static void feed(struct oc_background *b, struct reader *r, enum oc_ring_stream s)
{
	const char *data;
	size_t n;

	if (r->fd[s] < 0)
		return;
	while ((n = oc_ring_peek(&b->ring, &r->place[s], &data)) > 0) {
		ssize_t w = write(r->fd[s], data, n);
		if (w < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (w < 0) {
			/* It has gone, and with it its input. */
			close_stream(r, s);
			return;
		}
		oc_ring_take(&r->place[s], (size_t)w);
	}
	if (b->over)
		close_stream(r, s);
}

static void drop_readers(struct oc_background *b, bool all)
{
	for (struct reader **at = &b->readers; *at;) {
		struct reader *r = *at;
		if (!all && (r->fd[0] >= 0 || r->fd[1] >= 0)) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		close_stream(r, OC_RING_OUT);
		close_stream(r, OC_RING_ERR);
		free(r);
	}
}

static void add_output(struct oc_background *b, enum oc_ring_stream s, const char *data, size_t n)
{
	oc_ring_add(&b->ring, s, data, n);
	for (struct reader *r = b->readers; r; r = r->next) {
		feed(b, r, s);
		oc_ring_trim(&b->ring, &r->place[s]);
	}
}

/* What can be had now, so much at most.  False: that was all for ever. */
static bool take(struct oc_background *b, enum oc_ring_stream s, size_t most)
{
	char buf[READ_AT_ONCE];

	while (b->from[s] >= 0 && most) {
		/* Of a terminal whoever attached has a duplicate, and the flags with it. */
		if (b->terminal)
			(void)set_nonblocking(b->from[s]);
		ssize_t n = read(b->from[s], buf, most < sizeof buf ? most : sizeof buf);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0) {
			/* EIO: a terminal that nobody has open any more. */
			oc_closep(&b->from[s]);
			b->from[s] = -1;
			return false;
		}
		add_output(b, s, buf, (size_t)n);
		most -= (size_t)n;
	}
	return b->from[s] >= 0;
}

/* --- the loop --- */

void oc_background_poll(const struct oc_call *c, struct oc_polls *s)
{
	const struct oc_background *b = c->background;

	for (int i = 0; i < OC_RING_STREAMS; i++)
		oc_polls_add(s, b->from[i], POLLIN);
	for (struct reader *r = b->readers; r; r = r->next)
		for (int i = 0; i < OC_RING_STREAMS; i++) {
			struct oc_ring_place place = r->place[i];
			const char *data;
			/* Without events: whether it is still there. */
			bool more = oc_ring_peek(&b->ring, &place, &data) > 0;
			oc_polls_add(s, r->fd[i], more ? POLLOUT : 0);
		}
}

size_t oc_background_run(struct oc_call *c, const struct pollfd *p)
{
	struct oc_background *b = c->background;
	size_t n = OC_RING_STREAMS;

	/* First the readers: they are those that were there when p was made. */
	for (struct reader *r = b->readers; r; r = r->next)
		for (int i = 0; i < OC_RING_STREAMS; i++, n++) {
			if (p[n].fd < 0 || p[n].fd != r->fd[i] || !p[n].revents)
				continue;
			if (p[n].revents & (POLLERR | POLLNVAL))
				close_stream(r, (enum oc_ring_stream)i);
			else
				feed(b, r, (enum oc_ring_stream)i);
		}
	for (int i = 0; i < OC_RING_STREAMS; i++)
		if (p[i].revents && p[i].fd == b->from[i])
			(void)take(b, (enum oc_ring_stream)i, READ_AT_ONCE);
	drop_readers(b, false);
	return n;
}

void oc_background_end(struct oc_call *c)
{
	struct oc_background *b = c->background;

	/* Who else may hold the other ends does not matter: the command is over. */
	for (int i = 0; i < OC_RING_STREAMS; i++) {
		(void)take(b, (enum oc_ring_stream)i, 1u << 20);
		oc_closep(&b->from[i]);
		b->from[i] = -1;
	}
	oc_closep(&b->input);
	b->input = -1;
	b->over = true;
	oc_ring_finish(&b->ring);
	for (struct reader *r = b->readers; r; r = r->next)
		for (int i = 0; i < OC_RING_STREAMS; i++)
			feed(b, r, (enum oc_ring_stream)i);
	drop_readers(b, false);
}

void oc_background_free(struct oc_call *c)
{
	struct oc_background *b = c->background;

	if (!b)
		return;
	drop_readers(b, true);
	for (int i = 0; i < OC_RING_STREAMS; i++)
		oc_closep(&b->from[i]);
	oc_closep(&b->input);
	oc_ring_free(&b->ring);
	free(b);
	c->background = NULL;
}

/* --- for requests --- */

size_t oc_background_held(const struct oc_call *c)
{
	return c->background ? oc_ring_held(&c->background->ring) : 0;
}

uint64_t oc_background_dropped(const struct oc_call *c)
{
	return c->background ? oc_ring_dropped(&c->background->ring) : 0;
}

bool oc_background_attached(const struct oc_call *c)
{
	return c->background && c->background->readers;
}

void oc_background_eof(struct oc_call *c)
{
	oc_closep(&c->background->input);
	c->background->input = -1;
}

static int check_attach(const struct oc_background *b, bool input, struct oc_err *err)
{
	unsigned count = 0;

	for (const struct reader *r = b->readers; r; r = r->next, count++)
		if (input && r->input) {
			oc_fail(err, EBUSY, "somebody else gives it its input");
			return oc_err_hint(err, "attach without input");
		}
	if (count >= READERS)
		return oc_fail(err, EBUSY, "%d are attached to it already", READERS);
	if (input && b->input < 0) {
		oc_fail(err, 0, "it takes no input%s", b->over ? ": it has ended" : "");
		return oc_err_hint(err, "attach without input");
	}
	return 0;
}

int oc_background_attach(struct oc_call *c, bool input, int fds[OC_CONTROL_FDS], struct oc_err *err)
{
	struct oc_background *b = c->background;
	struct reader *r;

	if (check_attach(b, input, err) < 0)
		return -1;
	r = calloc(1, sizeof *r);
	if (!r)
		oc_oom();
	r->fd[0] = r->fd[1] = -1;
	r->input = input;
	for (int i = 0; i < OC_RING_STREAMS; i++) {
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) < 0)
			goto fail;
		fds[i] = ends[0];
		r->fd[i] = ends[1];
		if (set_nonblocking(ends[1]) < 0)
			goto fail;
		(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_ROOM);
		oc_ring_begin(&b->ring, (enum oc_ring_stream)i, &r->place[i]);
	}
	if (input) {
		fds[2] = fcntl(b->input, F_DUPFD_CLOEXEC, 3);
		if (fds[2] < 0)
			goto fail;
	}
	r->next = b->readers;
	b->readers = r;
	for (int i = 0; i < OC_RING_STREAMS; i++)
		feed(b, r, (enum oc_ring_stream)i);
	if (b->terminal)
		close_stream(r, OC_RING_ERR);
	drop_readers(b, false);
	return 0;
fail:
	oc_fail(err, errno, "cannot make the pipes for it");
	close_stream(r, OC_RING_OUT);
	close_stream(r, OC_RING_ERR);
	free(r);
	return -1;
}

static bool write_piece(void *ctx, const void *data, size_t len)
{
	const int *fd = ctx;

	return oc_write_all(*fd, data, len) == 0;
}

int oc_background_logs(const struct oc_call *c, struct oc_err *err)
{
	oc_auto_close fd = memfd_create("logs", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || !oc_ring_walk(&c->background->ring, write_piece, &fd) ||
	    lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return oc_fail(err, errno, "cannot make a file of its output");
	return oc_steal_fd(&fd);
}
