/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door - see door.h.
 */
#include "runtime/session/door.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/control.h"

#define INFO_MAX   16384
#define NAMED_MAX  8 /* in a message */
#define NO_NETWORK "a sandbox without a network (egress none) is not listed"

struct list {
	struct oc_arena *a;
	struct oc_door *all;
	size_t count, cap;
	/* Ids of those that turned out to be dead. */
	char (*dead)[OC_RUNDIR_ID_LEN + 1];
	size_t dead_count;
};

static const char *text_of(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_STRING ? m->string : NULL;
}

/* False: it is being made, or is from a version that we do not know. */
static bool read_info(struct oc_arena *a, struct oc_door *d)
{
	char *text = oc_arena_alloc(a, INFO_MAX);
	struct oc_json *v;
	int64_t version, pid;
	ssize_t n = oc_read_file_at(d->dir_fd, "info.json", text, INFO_MAX);

	if (n <= 0 || oc_json_parse(a, text, (size_t)n, "info.json", &v, NULL) < 0)
		return false;
	const struct oc_json *start = oc_json_get(v, "startTime");
	if (!start || start->type != OC_JSON_NUMBER || !oc_json_get(v, "version") ||
	    !oc_json_get(v, "pid") ||
	    oc_json_int(a, oc_json_get(v, "version"), 1, 1, &version, NULL) < 0 ||
	    oc_json_int(a, oc_json_get(v, "pid"), 1, INT_MAX, &pid, NULL) < 0)
		return false;
	d->pid = (pid_t)pid;
	d->start_time = strtoull(start->string, NULL, 10);
	d->agent = text_of(v, "agent");
	d->scope_key = text_of(v, "scopeKey");
	d->created = text_of(v, "created");
	return d->created != NULL;
}

static void add(struct list *l, int run_fd, const char *id)
{
	struct oc_door d = {.dir_fd = oc_rundir_entry(run_fd, id)};

	if (d.dir_fd < 0) {
		if (errno == ENOENT && l->dead_count < 1024) {
			if (!l->dead)
				l->dead = oc_arena_array(l->a, 1024, sizeof *l->dead);
			memcpy(l->dead[l->dead_count++], id, sizeof d.id);
		}
		return;
	}
	if (!read_info(l->a, &d)) {
		close(d.dir_fd);
		return;
	}
	memcpy(d.id, id, sizeof d.id);
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct oc_door *all = oc_arena_array(l->a, cap, sizeof *all);
		if (l->count)
			memcpy(all, l->all, l->count * sizeof *all);
		l->all = all;
		l->cap = cap;
	}
	l->all[l->count++] = d;
}

static int older(const void *x, const void *y)
{
	const struct oc_door *a = x, *b = y;
	int r = strcmp(a->created, b->created);

	return r ? r : strcmp(a->id, b->id);
}

static int collect(struct list *l, const char *state_dir, struct oc_err *err)
{
	for (unsigned place = 0; place < OC_RUNDIR_PLACES; place++) {
		struct oc_err why = {0};
		oc_auto_close fd = oc_rundir_open(state_dir, place, &why);
		if (fd < 0 && (why.errnum == ENOENT || why.errnum == ENOTDIR))
			continue;
		/* What cannot be trusted is not looked into, and the user is told. */
		int copy = fd < 0 ? -1 : oc_openat2(fd, ".", O_RDONLY | O_DIRECTORY, 0, 0);
		DIR *d = copy < 0 ? NULL : fdopendir(copy);
		if (!d) {
			if (fd >= 0)
				oc_fail(&why, errno, "cannot list the run directory");
			*err = why;
			oc_closep(&copy);
			return -1;
		}
		for (struct dirent *e; (e = readdir(d));)
			if (oc_rundir_is_id(e->d_name))
				add(l, fd, e->d_name);
		closedir(d);
	}
	if (l->count)
		qsort(l->all, l->count, sizeof *l->all, older);
	return 0;
}

int oc_door_list(struct oc_arena *a, const char *state_dir, struct oc_door **out, size_t *count,
		 struct oc_err *err)
{
	struct list l = {.a = a};

	if (collect(&l, state_dir, err) < 0)
		return -1;
	*out = l.all;
	*count = l.count;
	return 0;
}

/* How well a word fits: 3 an id, 2 an agent, 1 the beginning of an id. */
static int fits(const struct oc_door *d, const char *word)
{
	if (strcmp(d->id, word) == 0)
		return 3;
	if (d->agent && strcmp(d->agent, word) == 0)
		return 2;
	return word[0] && strncmp(d->id, word, strlen(word)) == 0 ? 1 : 0;
}

static int not_found(const struct list *l, const char *word, struct oc_err *err)
{
	for (size_t i = 0; word && word[0] && i < l->dead_count; i++)
		if (strncmp(l->dead[i], word, strlen(word)) == 0) {
			oc_fail(err, 0, "the sandbox %s has ended: its monitor was killed",
				l->dead[i]);
			return oc_err_hint(err, "what it left behind is removed");
		}
	if (!word)
		oc_fail(err, 0, "there is no live sandbox with a network");
	else
		oc_fail(err, 0, "there is no live sandbox %s", word);
	return oc_err_hint(err, "see `oc-sandbox net list`; " NO_NETWORK);
}

static int ambiguous(const struct list *l, const char *word, int best, struct oc_err *err)
{
	oc_auto_buf names = {0};
	size_t n = 0;

	for (size_t i = 0; i < l->count; i++) {
		const struct oc_door *d = &l->all[i];
		if (word && fits(d, word) != best)
			continue;
		if (n++ < NAMED_MAX)
			oc_buf_printf(&names, "%s%s%s%s%s", n > 1 ? ", " : "", d->id,
				      d->agent ? " (agent " : "", d->agent ? d->agent : "",
				      d->agent ? ")" : "");
	}
	if (n > NAMED_MAX)
		oc_buf_printf(&names, ", and %zu more", n - NAMED_MAX);
	if (word)
		oc_fail(err, 0, "%s could be %zu sandboxes: %s", word, n, names.data);
	else
		oc_fail(err, 0, "which of %zu sandboxes? %s", n, names.data);
	return oc_err_hint(err, "name one by its id; `oc-sandbox net list` lists them");
}

int oc_door_find(struct oc_arena *a, const char *state_dir, const char *word, struct oc_door *out,
		 struct oc_err *err)
{
	struct list l = {.a = a};
	size_t matches = 0;
	int best = 1;

	if (collect(&l, state_dir, err) < 0)
		return -1;
	for (size_t i = 0; i < l.count; i++) {
		int fit = word ? fits(&l.all[i], word) : 1;
		if (fit < best)
			continue;
		matches = fit > best ? 1 : matches + 1;
		best = fit;
		*out = l.all[i];
	}
	if (matches == 1)
		return 0;
	return matches ? ambiguous(&l, word, best, err) : not_found(&l, word, err);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int dial(const struct oc_door *d, struct oc_err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const int room = 2 * OC_CONTROL_MESSAGE_MAX;
	/* Non-blocking: a monitor that is stopped has a queue that may be full. */
	oc_auto_close fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return oc_fail(err, errno, "cannot make a socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/control", d->dir_fd);
	if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0) {
		if (errno == EAGAIN)
			return oc_fail(err, 0,
				       "the monitor of the sandbox %s (pid %d) does not "
				       "answer",
				       d->id, (int)d->pid);
		return oc_fail(err, errno == ENOENT || errno == ECONNREFUSED ? 0 : errno,
			       errno == ENOENT || errno == ECONNREFUSED
				       ? "the sandbox %s has ended"
				       : "cannot connect to the sandbox %s",
			       d->id);
	}
	return oc_steal_fd(&fd);
}

static int receive(const struct oc_door *d, int fd, struct oc_buf *out, struct oc_err *err)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t end = now_ms() + OC_DOOR_MS;
	char *buf = malloc(OC_CONTROL_ANSWER_MAX);
	ssize_t n = -1;

	if (!buf)
		oc_oom();
	for (int resets = 0; n < 0;) {
		int64_t left = end - now_ms();
		int r = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (r == 0 || (r < 0 && errno != EINTR))
			break;
		if (r < 0 || (n = recv(fd, buf, OC_CONTROL_ANSWER_MAX, MSG_DONTWAIT)) >= 0)
			continue;
		/* Closed with our request unread is told once, before what was said about it. */
		if (errno != EINTR && errno != EAGAIN && (errno != ECONNRESET || resets++))
			n = 0;
	}
	if (n > 0)
		oc_buf_add(out, buf, (size_t)n);
	free(buf);
	if (n < 0)
		return oc_fail(err, 0, "the monitor of the sandbox %s (pid %d) does not answer",
			       d->id, (int)d->pid);
	return n ? 0 : oc_fail(err, 0, "the sandbox %s has ended", d->id);
}

int oc_door_call(struct oc_arena *a, const struct oc_door *d, const struct oc_buf *request,
		 struct oc_json **answer, struct oc_err *err)
{
	oc_auto_buf text = {0};

	if (request->len > OC_CONTROL_MESSAGE_MAX) {
		oc_fail(err, 0, "the request is longer than %u bytes", OC_CONTROL_MESSAGE_MAX);
		return oc_err_hint(err, "give fewer rules at a time");
	}
	oc_auto_close fd = dial(d, err);
	if (fd < 0)
		return -1;
	/* EPIPE: it may have said why before it closed. */
	if (send(fd, request->data, request->len, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		return oc_fail(err, errno, "cannot send to the sandbox %s", d->id);
	if (receive(d, fd, &text, err) < 0 ||
	    oc_json_parse(a, text.data, text.len, "answer of the sandbox", answer, err) < 0)
		return -1;
	const struct oc_json *ok = oc_json_get(*answer, "ok");
	if (ok && ok->type == OC_JSON_BOOL && ok->boolean)
		return 0;
	const char *error = text_of(*answer, "error"), *hint = text_of(*answer, "hint");
	oc_fail(err, 0, "the sandbox %s: %s", d->id, error ? error : "no answer that we know");
	return hint && hint[0] ? oc_err_hint(err, "%s", hint) : -1;
}

int oc_door_watch(const struct oc_door *d)
{
	int fd = (int)syscall(SYS_pidfd_open, d->pid, 0);

	/* The number may be somebody else's by now, or in another pid namespace. */
	if (fd >= 0 && oc_rundir_start_time(d->pid) != d->start_time) {
		close(fd);
		return -1;
	}
	return fd;
}
