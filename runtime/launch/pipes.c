/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipes - see pipes.h.
 *
 * Input: a chunk is copied into the payload's pipe with tee, which leaves it in the caller's.  The payload's pipe holds one page,
 * so it can be written again exactly when it is empty: then the chunk has been read, and is dropped from the caller's pipe.
 * A file needs none of that: it is read ahead, and what was not taken out of the pipe in the end is sought back over.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/pipes.h"

#define CHUNK 65536

void oc_pipes_init(struct oc_pipes *p)
{
	*p = (struct oc_pipes){
		.caller = {-1, -1, -1}, .ours = {-1, -1, -1}, .inner = {-1, -1, -1}, .null_fd = -1};
}

/* Is stream i the caller's alone, and must be? */
static bool to_replace(const struct oc_streams *s, int i, bool *file)
{
	struct stat st;

	if (s->fd[i] < 0 || fstat(s->fd[i], &st) < 0)
		return false;
	*file = i == 0 && s->copy_input && S_ISREG(st.st_mode);
	return *file || S_ISFIFO(st.st_mode);
}

static int input_of_pipe(struct oc_pipes *p, struct oc_err *err)
{
	if (fcntl(p->ours[0], F_SETPIPE_SZ, 4096) < 0)
		return oc_fail(err, errno, "F_SETPIPE_SZ");
	p->null_fd = oc_openat2(AT_FDCWD, "/dev/null", O_WRONLY, 0, 0);
	if (p->null_fd < 0)
		return oc_fail(err, errno, "cannot open /dev/null");
	return 0;
}

int oc_pipes_prepare(struct oc_pipes *p, struct oc_streams *s, const int made[3], struct oc_err *err)
{
	oc_pipes_init(p);
	if (s->privileged)
		return 0;
	for (int i = 0; i < 3; i++) {
		bool file = false;
		int fds[2];
		if (made[i] >= 0 || !to_replace(s, i, &file))
			continue;
		if (pipe2(fds, O_CLOEXEC) < 0)
			return oc_fail(err, errno, "pipe");
		p->caller[i] = s->fd[i];
		p->ours[i] = fds[i == 0 ? 1 : 0];
		p->inner[i] = fds[i == 0 ? 0 : 1];
		if (i == 0)
			p->file = file;
		if (i == 0 && !file && input_of_pipe(p, err) < 0)
			return -1;
		s->fd[i] = p->inner[i];
	}
	/* 2>&1: both were one pipe, and stay one, so that their lines keep their order. */
	struct stat a, b;
	if (p->caller[1] >= 0 && p->caller[2] >= 0 && fstat(p->caller[1], &a) == 0 &&
	    fstat(p->caller[2], &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev) {
		oc_closep(&p->ours[2]);
		oc_closep(&p->inner[2]);
		p->caller[2] = p->ours[2] = p->inner[2] = -1;
		s->fd[2] = p->inner[1];
	}
	return 0;
}

void oc_pipes_start(struct oc_pipes *p)
{
	for (int i = p->file ? 1 : 0; i < 3; i++) {
		oc_closep(&p->inner[i]);
		p->inner[i] = -1;
	}
}

void oc_pipes_poll(const struct oc_pipes *p, struct pollfd fds[OC_PIPES_POLL])
{
	/* Input: the caller's pipe while ours is empty, then ours. */
	fds[0] = (struct pollfd){.fd = -1};
	if (p->ours[0] >= 0)
		fds[0] = p->teed || p->file ? (struct pollfd){.fd = p->ours[0], .events = POLLOUT}
				 : (struct pollfd){.fd = p->caller[0], .events = POLLIN};
	for (int i = 1; i < 3; i++)
		fds[i] = p->full[i] ? (struct pollfd){.fd = p->caller[i], .events = POLLOUT}
				    : (struct pollfd){.fd = p->ours[i], .events = POLLIN};
}

static void drop(struct oc_pipes *p, size_t n)
{
	while (n > 0) {
		ssize_t k = splice(p->caller[0], NULL, p->null_fd, NULL, n, SPLICE_F_NONBLOCK);
		if (k <= 0)
			return; /* somebody else read it */
		n -= (size_t)k;
	}
}

static void end(struct oc_pipes *p, int i)
{
	close(p->ours[i]);
	p->ours[i] = -1;
	p->full[i] = false;
}

/* POLLOUT of a pipe: there is room for a page at least. */
static void run_file(struct oc_pipes *p)
{
	char page[4096];
	ssize_t n = -1;

	if (!p->unsplice) {
		n = splice(p->caller[0], NULL, p->ours[0], NULL, CHUNK, SPLICE_F_NONBLOCK);
		p->unsplice = n < 0 && errno == EINVAL;
	}
	if (p->unsplice) {
		n = read(p->caller[0], page, sizeof page);
		if (n > 0)
			n = write(p->ours[0], page, (size_t)n);
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		end(p, 0);
}

static void run_input(struct oc_pipes *p, short revents)
{
	if (p->file) {
		run_file(p);
		return;
	}
	if (p->teed) {
		if (revents & POLLERR) { /* the payload closed its end: what it did not read stays where it is */
			int left = 0;
			ioctl(p->ours[0], FIONREAD, &left);
			drop(p, p->teed - (left > 0 ? (size_t)left : 0));
			p->teed = 0;
			end(p, 0);
			return;
		}
		drop(p, p->teed);
		p->teed = 0;
		return;
	}
	ssize_t n = tee(p->caller[0], p->ours[0], 4096, SPLICE_F_NONBLOCK);
	if (n > 0)
		p->teed = (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		end(p, 0);
}

/* False when there is nothing more to do now. */
static bool run_output(struct oc_pipes *p, int i)
{
	ssize_t n = splice(p->ours[i], NULL, p->caller[i], NULL, CHUNK, SPLICE_F_NONBLOCK);

	p->full[i] = false;
	if (n > 0)
		return true;
	if (n < 0 && errno == EAGAIN) {
		int have = 0;
		p->full[i] = ioctl(p->ours[i], FIONREAD, &have) == 0 && have > 0;
		return false;
	}
	if (n < 0 && errno == EINTR)
		return true;
	end(p, i); /* nobody writes any more, or nobody reads: then the payload's next write gets SIGPIPE */
	return false;
}

void oc_pipes_run(struct oc_pipes *p, const struct pollfd fds[OC_PIPES_POLL])
{
	if (fds[0].fd >= 0 && fds[0].revents)
		run_input(p, fds[0].revents);
	for (int i = 1; i < 3; i++)
		if (fds[i].fd >= 0 && fds[i].revents && p->ours[i] >= 0)
			run_output(p, i);
}

void oc_pipes_finish(struct oc_pipes *p, bool wait)
{
	for (int i = 1; i < 3; i++) {
		while (p->ours[i] >= 0) {
			if (run_output(p, i))
				continue;
			if (p->ours[i] < 0 || !p->full[i] || !wait)
				break;
			/* As long as the reader is there it is waited for, as the payload itself would have. */
			struct pollfd q = {.fd = p->caller[i], .events = POLLOUT};
			if (poll(&q, 1, -1) < 0 && errno != EINTR)
				break;
		}
		oc_closep(&p->ours[i]);
		oc_closep(&p->inner[i]);
	}
	if (p->file && p->inner[0] >= 0) {
		int left = 0;
		if (ioctl(p->inner[0], FIONREAD, &left) == 0 && left > 0)
			lseek(p->caller[0], -(off_t)left, SEEK_CUR);
	}
	if (p->ours[0] >= 0 && p->teed) {
		int left = 0;
		ioctl(p->ours[0], FIONREAD, &left);
		drop(p, p->teed - (left > 0 ? (size_t)left : 0));
	}
	oc_closep(&p->ours[0]);
	oc_closep(&p->inner[0]);
	oc_closep(&p->null_fd);
	oc_pipes_init(p);
}
