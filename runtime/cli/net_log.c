/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_log - `oc-sandbox net log`: the decisions of a sandbox's broker, for people or as they are.
 *
 * Records quote hostile names.  They are read as JSON and written anew, so that whatever is in the
 * file, a terminal gets printable text.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conftext.h"
#include "base/fd.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/net.h"
#include "runtime/session/door.h"

#define NAME	       "egress.jsonl"
#define OLD	       "egress.jsonl.1"
#define LINE_MAX_BYTES 65536u
#define LOOK_MS	       1000 /* at the latest, where nothing tells us that something has changed */

static const char usage[] =
	"oc-sandbox net log [--follow] [--json] [SANDBOX | --agent ID [--session KEY]]";

struct tail {
	int dir;
	int fd; /* of egress.jsonl as it was when it was opened, or -1 */
	ino_t ino;
	struct oc_buf line, out;
	bool skip; /* the rest of a line that is too long */
	bool json;
};

/* --- one record --- */

static const char *string_of(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_STRING && m->string[0] ? m->string : NULL;
}

static double number_of(const struct oc_json *v, const char *key)
{
	const struct oc_json *m = oc_json_get(v, key);

	return m && m->type == OC_JSON_NUMBER ? m->number : 0;
}

static void put_bytes(struct oc_buf *out, double n)
{
	static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
	size_t i = 0;

	for (; n >= 999.5 && i + 1 < sizeof unit / sizeof unit[0]; i++)
		n /= 1000;
	oc_buf_printf(out, i && n < 99.95 ? "%.1f %s" : "%.0f %s", n, unit[i]);
}

static void put_duration(struct oc_buf *out, double us)
{
	if (us < 9950)
		oc_buf_printf(out, "%.1f ms", us / 1e3);
	else if (us < 999500)
		oc_buf_printf(out, "%.0f ms", us / 1e3);
	else
		oc_buf_printf(out, us < 99.95e6 ? "%.1f s" : "%.0f s", us / 1e6);
}

/* name:port (address); what is not known is left out */
static void put_peer(struct oc_buf *out, const struct oc_json *v)
{
	const char *name = string_of(v, "name"), *address = string_of(v, "address");
	const char *main = name ? name : address;
	double port = number_of(v, "port");
	bool v6 = !name && address && strchr(address, ':');

	if (main) {
		oc_buf_puts(out, v6 && port > 0 ? " [" : " ");
		oc_net_text(out, main);
		oc_buf_puts(out, v6 && port > 0 ? "]" : "");
	}
	if (port > 0)
		oc_buf_printf(out, "%s:%.0f", main ? "" : " ", port);
	if (name && address) {
		oc_buf_puts(out, " (");
		oc_net_text(out, address);
		oc_buf_puts(out, ")");
	}
}

static void put_with(struct oc_buf *out, const char *before, const char *text, const char *after)
{
	if (!text)
		return;
	oc_buf_puts(out, before);
	oc_net_text(out, text);
	oc_buf_puts(out, after);
}

static void put_record(struct oc_buf *out, const struct oc_json *v)
{
	const char *time = string_of(v, "time"), *event = string_of(v, "event");
	const char *decision = string_of(v, "decision"), *reason = string_of(v, "reason");
	bool allowed = decision && strcmp(decision, "allow") == 0;

	oc_net_text(out, time ? time : "-");
	oc_buf_printf(out, "  %s  ", allowed ? "allow " : "refuse");
	oc_net_text(out, event ? event : "-");
	put_peer(out, v);
	put_with(out, " ", string_of(v, "protocol"), "");
	put_with(out, " ", string_of(v, "type"), "");
	if (!allowed)
		put_with(out, ": ", oc_net_reason(reason ? reason : "?"), "");
	put_with(out, allowed ? ": rule " : ", rule ", string_of(v, "rule"), "");
	put_with(out, ", ", string_of(v, "class"), " address");
	put_with(out, ", the client named ", string_of(v, "seen"), "");
	put_with(out, " (", string_of(v, "detail"), ")");
	if (oc_json_get(v, "sent")) {
		oc_buf_puts(out, ", sent ");
		put_bytes(out, number_of(v, "sent"));
		oc_buf_puts(out, ", received ");
		put_bytes(out, number_of(v, "received"));
		oc_buf_puts(out, ", ");
		put_duration(out, number_of(v, "duration_us"));
	}
	if (number_of(v, "dropped") > 0)
		oc_buf_printf(out, " [%.0f records before this one were left out]",
			      number_of(v, "dropped"));
	oc_buf_puts(out, "\n");
}

static void put_line(struct tail *t, const char *text, size_t len)
{
	oc_auto_arena a = {0};
	struct oc_json *v;

	/* Nothing that is not a record is ours. */
	if (oc_json_parse(&a, text, len, NAME, &v, NULL) < 0 || v->type != OC_JSON_OBJECT)
		return;
	if (!t->json) {
		put_record(&t->out, v);
		return;
	}
	struct oc_json_writer w;
	oc_jw_init(&w, &t->out, 0);
	oc_jw_value(&w, v);
	oc_buf_puts(&t->out, "\n");
}

/* --- the file --- */

static void take(struct tail *t, const char *p, size_t n)
{
	while (n) {
		const char *end = memchr(p, '\n', n);
		size_t part = end ? (size_t)(end - p) : n;

		if (t->line.len + part > LINE_MAX_BYTES)
			t->skip = true;
		if (!t->skip)
			oc_buf_add(&t->line, p, part);
		if (!end)
			return;
		if (!t->skip && t->line.len)
			put_line(t, t->line.data, t->line.len);
		t->line.len = 0;
		t->skip = false;
		p = end + 1;
		n -= part + 1;
	}
}

static int flush(struct tail *t)
{
	int r = t->out.len ? oc_cli_output(&t->out) : 0;

	t->out.len = 0;
	return r;
}

/* What has come since the last time.  0, or what to exit with. */
static int read_on(struct tail *t, int fd)
{
	char buf[16384];

	for (;;) {
		ssize_t n = read(fd, buf, sizeof buf);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return flush(t);
		take(t, buf, (size_t)n);
		int r = t->out.len > LINE_MAX_BYTES ? flush(t) : 0;
		if (r)
			return r;
	}
}

static int open_file(int dir, const char *name, ino_t *ino)
{
	struct stat st;
	oc_auto_close fd = oc_openat2(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0,
				      RESOLVE_BENEATH);

	*ino = 0;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -1;
	*ino = st.st_ino;
	return oc_steal_fd(&fd);
}

/* The older half, if there is one, and what there is of the newer. */
static int read_all(struct tail *t)
{
	ino_t old;

	t->fd = open_file(t->dir, NAME, &t->ino);
	oc_auto_close before = open_file(t->dir, OLD, &old);
	/* Or it was renamed in between. */
	int r = before >= 0 && old != t->ino ? read_on(t, before) : 0;
	return r || t->fd < 0 ? r : read_on(t, t->fd);
}

/* The same, and a new file in its place. */
static int read_more(struct tail *t)
{
	struct stat st;
	bool there = fstatat(t->dir, NAME, &st, AT_SYMLINK_NOFOLLOW) == 0;
	/* The old one after the new one was seen: what came meanwhile is in it. */
	int r = t->fd >= 0 ? read_on(t, t->fd) : 0;

	if (r || !there || (t->fd >= 0 && st.st_ino == t->ino))
		return r;
	int fd = open_file(t->dir, NAME, &t->ino);
	if (fd < 0)
		return 0;
	oc_closep(&t->fd);
	t->fd = fd;
	return read_on(t, fd);
}

static void drain(int fd)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(fd, buf, sizeof buf) > 0)
		;
}

/* Until the sandbox ends, or nobody reads us. */
static int follow(struct tail *t, const struct oc_door *door)
{
	oc_auto_close ended = oc_door_watch(door);
	oc_auto_close changes = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char path[64];
	struct pollfd p[] = {{.fd = changes, .events = POLLIN},
			     {.fd = ended, .events = POLLIN},
			     {.fd = STDOUT_FILENO, .events = 0}};

	snprintf(path, sizeof path, "/proc/self/fd/%d", t->dir);
	if (changes >= 0 &&
	    inotify_add_watch(changes, path, IN_MODIFY | IN_CREATE | IN_MOVE | IN_DELETE) < 0)
		return 0;
	for (;;) {
		/* The door is taken away when the sandbox ends; a monitor that was killed cannot.
		 */
		bool over = faccessat(door->dir_fd, "control", F_OK, AT_SYMLINK_NOFOLLOW) < 0 ||
			    (p[1].revents & POLLIN);
		int r = read_more(t);
		if (r || over)
			return r;
		if (poll(p, 3, LOOK_MS) < 0 && errno != EINTR)
			return 0;
		if (p[2].revents & (POLLERR | POLLHUP | POLLNVAL))
			return 0;
		if (p[0].revents)
			drain(changes);
	}
}

/* --- whose --- */

/* The records that an agent's sandboxes leave behind: *dir is -1 if there are none. */
static int agent_directory(struct oc_arena *a, const struct oc_plan_options *opt, int *dir,
			   struct oc_err *err)
{
	struct oc_plan plan;

	*dir = -1;
	if (oc_plan_build(&plan, a, opt, err) < 0)
		return -1;
	if (plan.state_dir) {
		const char *path = oc_arena_printf(a, "%s/egress/%s", plan.state_dir, plan.slug);
		*dir = oc_openat2(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
				  RESOLVE_NO_MAGICLINKS);
	}
	oc_plan_close(&plan);
	return 0;
}

struct words {
	struct oc_plan_options opt; /* agent, session, config */
	const char *sandbox;
	bool follow, json, help;
};

static int read_words(int argc, char **argv, struct words *w, struct oc_err *err)
{
	for (int i = 1; i < argc; i++) {
		const char **value = strcmp(argv[i], "--agent") == 0	 ? &w->opt.agent
				     : strcmp(argv[i], "--session") == 0 ? &w->opt.session
				     : strcmp(argv[i], "--config") == 0	 ? &w->opt.config
									 : NULL;
		if (value && i + 1 < argc && !*value)
			*value = argv[++i];
		else if (strcmp(argv[i], "--follow") == 0 || strcmp(argv[i], "-f") == 0)
			w->follow = true;
		else if (strcmp(argv[i], "--json") == 0)
			w->json = true;
		else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			w->help = true;
		else if (argv[i][0] != '-' && !w->sandbox)
			w->sandbox = argv[i];
		else
			goto bad;
		continue;
	bad:
		oc_fail(err, 0, "unexpected word %s", argv[i]);
		return oc_err_hint(err, "%s", usage);
	}
	if (w->sandbox && w->opt.agent) {
		oc_fail(err, 0, "SANDBOX and --agent: only one of them");
		return oc_err_hint(err, "%s", usage);
	}
	return 0;
}

int oc_net_log(int argc, char **argv)
{
	static char *no_command[] = {NULL};
	struct words w = {.opt.argv = no_command};
	struct oc_conf_options conf = {0};
	struct oc_err err = {0}, none = {0};
	struct oc_door door = {.dir_fd = -1};
	struct tail t = {.dir = -1, .fd = -1};
	oc_auto_arena a = {0};
	const char *state = NULL;

	if (read_words(argc, argv, &w, &err) < 0)
		return oc_cli_fail(&err);
	if (w.help) {
		printf("usage: %s\n\nWhat the network of a sandbox was used for, and what was "
		       "refused.  SANDBOX is "
		       "an id, the\nbeginning of one, or an agent's id; it need not be given if "
		       "there is only one.  "
		       "--agent also\nshows what earlier sandboxes of that agent left.  --follow "
		       "ends with the "
		       "sandbox.\n",
		       usage);
		return 0;
	}
	t.json = w.json;
	(void)oc_conf_state_dir(&a, &conf, &state, NULL);
	bool live =
		oc_door_find(&a, state, w.opt.agent ? w.opt.agent : w.sandbox, &door, &none) == 0;
	if (w.opt.agent && agent_directory(&a, &w.opt, &t.dir, &err) < 0)
		return oc_cli_fail(&err);
	if (t.dir < 0 && live)
		t.dir = door.dir_fd;
	if (t.dir < 0)
		return oc_cli_fail(&none);
	int r = read_all(&t);
	return r || !w.follow || !live ? r : follow(&t, &door);
}
