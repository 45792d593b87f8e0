/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - see log.h.
 */
#include "gateway/log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"

#define TEXT_MAX 2048u
#define KEEP_MS	 (24 * 3600 * 1000ll)
#define PREFIX	 "openclaw-"
#define SUFFIX	 ".log"

struct oc_log {
	int dir, fd;
	char dir_path[3072], path[3400];
	char name[256]; /* of the file in dir */
	char host[65];
	bool dated, failed;
	enum oc_log_level level, console;
	int console_fd;
	uint64_t size, max_bytes;
	int day; /* tm_yday of the open file */
	int64_t (*now_ms)(void);
};

static int64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void local_time(int64_t ms, struct tm *out)
{
	time_t s = (time_t)(ms / 1000);

	/* localtime_r reads no file once tzset was called, which the jail would not let it. */
	localtime_r(&s, out);
}

static int open_file(struct oc_log *l, struct oc_err *err)
{
	struct stat st;
	int fd = openat(l->dir, l->name,
			O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
				O_NOCTTY,
			0600);

	if (fd < 0)
		return oc_fail(err, errno, "cannot open the log %s/%s", l->dir_path, l->name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return oc_fail(err, 0, "the log %s/%s is not a regular file", l->dir_path, l->name);
	}
	if (l->fd >= 0)
		close(l->fd);
	l->fd = fd;
	l->size = (uint64_t)st.st_size;
	snprintf(l->path, sizeof l->path, "%s/%s", l->dir_path, l->name);
	return 0;
}

static void date_name(struct oc_log *l, const struct tm *tm)
{
	snprintf(l->name, sizeof l->name, PREFIX "%04d-%02d-%02d" SUFFIX,
		 (tm->tm_year + 1900) % 10000, (tm->tm_mon + 1) % 100, tm->tm_mday % 100);
	l->day = tm->tm_yday;
}

/* Files of earlier days that nobody wrote for a day: yesterday's stays until tomorrow.  By the two
 * names before. */
static void forget_old(struct oc_log *l, int64_t now)
{
	for (int days = 2; days < 9; days++) {
		struct oc_log old = {0};
		struct tm tm;
		local_time(now - days * KEEP_MS, &tm);
		date_name(&old, &tm);
		(void)unlinkat(l->dir, old.name, 0);
		for (unsigned i = 1; i <= OC_LOG_ARCHIVES; i++) {
			char archive[300];
			snprintf(archive, sizeof archive, "%s.%u", old.name, i);
			(void)unlinkat(l->dir, archive, 0);
		}
	}
}

static int split_path(struct oc_log *l, const char *file, struct oc_err *err)
{
	const char *slash = strrchr(file, '/');

	if (file[0] != '/' || !slash[1] || strlen(slash + 1) > 200)
		return oc_fail(err, 0, "logging.file must be the absolute path of a file: %s",
			       file);
	size_t n = slash == file ? 1 : (size_t)(slash - file);
	if (n >= sizeof l->dir_path)
		return oc_fail(err, 0, "logging.file is too long");
	memcpy(l->dir_path, file, n);
	snprintf(l->name, sizeof l->name, "%s", slash + 1);
	return 0;
}

int oc_log_open(struct oc_log **out, const struct oc_log_options *opt, struct oc_err *err)
{
	struct oc_log *l = calloc(1, sizeof *l);
	struct tm tm;

	*out = NULL;
	if (!l)
		oc_oom();
	l->dir = l->fd = -1;
	l->level = opt->level;
	l->console = opt->console;
	l->console_fd = opt->console_fd;
	l->max_bytes = opt->max_bytes ? opt->max_bytes : OC_LOG_MAX_BYTES;
	l->now_ms = opt->now_ms ? opt->now_ms : wall_ms;
	l->dated = !opt->file;
	if (gethostname(l->host, sizeof l->host - 1) < 0)
		snprintf(l->host, sizeof l->host, "localhost");
	tzset();
	local_time(l->now_ms(), &tm);
	if (opt->file) {
		if (split_path(l, opt->file, err) < 0)
			goto bad;
	} else {
		snprintf(l->dir_path, sizeof l->dir_path, "%s", opt->dir);
		date_name(l, &tm);
	}
	l->dir = oc_mkdir_path(l->dir_path, 0700, err);
	if (l->dir < 0 || open_file(l, err) < 0)
		goto bad;
	if (l->dated)
		forget_old(l, l->now_ms());
	*out = l;
	return 0;
bad:
	oc_log_close(l);
	return oc_err_step(err, "log");
}

void oc_log_close(struct oc_log *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	if (l->dir >= 0)
		close(l->dir);
	free(l);
}

const char *oc_log_path(const struct oc_log *l)
{
	return l ? l->path : NULL;
}

static const char *level_name(enum oc_log_level level)
{
	static const char *const names[] = {"SILENT", "FATAL", "ERROR", "WARN",
					    "INFO",   "DEBUG", "TRACE"};

	return level <= OC_LOG_TRACE ? names[level] : "INFO";
}

static void rotate(struct oc_log *l)
{
	char from[300], to[300];

	for (unsigned i = OC_LOG_ARCHIVES; i > 0; i--) {
		snprintf(to, sizeof to, "%s.%u", l->name, i);
		if (i > 1)
			snprintf(from, sizeof from, "%s.%u", l->name, i - 1);
		else
			snprintf(from, sizeof from, "%s", l->name);
		(void)renameat(l->dir, from, l->dir, to);
	}
	(void)open_file(l, NULL);
}

static void next_file(struct oc_log *l, const struct tm *tm, int64_t now)
{
	if (l->dated && tm->tm_yday != l->day) {
		date_name(l, tm);
		(void)open_file(l, NULL);
		forget_old(l, now);
	} else if (l->size >= l->max_bytes) {
		rotate(l);
	}
}

static void write_file(struct oc_log *l, enum oc_log_level level, const char *subsystem,
		       const char *text, int64_t now, const struct tm *tm)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;
	struct tm utc;
	time_t s = (time_t)(now / 1000);
	char name[128], date[40], local[48];
	long off = tm->tm_gmtoff / 60;
	size_t n;

	gmtime_r(&s, &utc);
	n = strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(date + n, sizeof date - n, ".%03dZ", (int)(now % 1000));
	n = strftime(local, sizeof local, "%Y-%m-%dT%H:%M:%S", tm);
	snprintf(local + n, sizeof local - n, ".%03d%c%02ld:%02ld", (int)(now % 1000),
		 off < 0 ? '-' : '+', labs(off) / 60, labs(off) % 60);
	snprintf(name, sizeof name, "{\"subsystem\":\"%s\"}", subsystem);
	oc_jw_init(&w, &b, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "0");
	oc_jw_string(&w, name);
	oc_jw_key(&w, "1");
	oc_jw_string(&w, text);
	oc_jw_key(&w, "_meta");
	oc_jw_object(&w);
	oc_jw_key(&w, "hostname");
	oc_jw_string(&w, l->host);
	oc_jw_key(&w, "date");
	oc_jw_string(&w, date);
	oc_jw_key(&w, "logLevelId");
	/* Numbers as in the files of other releases: 1 trace ... 6 fatal. */
	oc_jw_int(&w, OC_LOG_TRACE + 1 - (int)level);
	oc_jw_key(&w, "logLevelName");
	oc_jw_string(&w, level_name(level));
	oc_jw_key(&w, "name");
	oc_jw_string(&w, name);
	oc_jw_key(&w, "parentNames");
	oc_jw_array(&w);
	oc_jw_string(&w, "openclaw");
	oc_jw_array_end(&w);
	oc_jw_object_end(&w);
	oc_jw_key(&w, "time");
	oc_jw_string(&w, local);
	oc_jw_key(&w, "hostname");
	oc_jw_string(&w, l->host);
	oc_jw_key(&w, "message");
	oc_jw_string(&w, text);
	oc_jw_object_end(&w);
	oc_buf_puts(&b, "\n");
	/* One write a line: O_APPEND keeps lines whole also if two gateways share a file. */
	ssize_t done = write(l->fd, b.data, b.len);
	if (done > 0)
		l->size += (uint64_t)done;
	if (done == (ssize_t)b.len || l->failed)
		return;
	l->failed = true;
	if (l->console_fd >= 0)
		dprintf(l->console_fd, "[gateway/log] cannot write %s: lines are lost\n", l->path);
}

/* A terminal may be behind it: no control characters. */
static void write_console(struct oc_log *l, enum oc_log_level level, const char *subsystem,
			  const char *text, const struct tm *tm)
{
	char line[TEXT_MAX + 256], when[40];
	size_t n;

	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S%z", tm);
	int r = snprintf(line, sizeof line, "%s [%s] %s%s\n", when, subsystem,
			 level > OC_LOG_WARN	? ""
			 : level == OC_LOG_WARN ? "warning: "
						: "error: ",
			 text);
	n = r < 0 ? 0 : (size_t)r < sizeof line ? (size_t)r : sizeof line - 1;
	for (size_t i = 0; i + 1 < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
			line[i] = '?';
	(void)!write(l->console_fd, line, n);
}

void oc_log(struct oc_log *l, enum oc_log_level level, const char *subsystem, const char *fmt, ...)
{
	char text[TEXT_MAX];
	struct tm tm;
	va_list ap;

	if (!l || (level > l->level && (l->console_fd < 0 || level > l->console)))
		return;
	int64_t now = l->now_ms();
	local_time(now, &tm);
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (level <= l->level && l->fd >= 0) {
		next_file(l, &tm, now);
		write_file(l, level, subsystem, text, now, &tm);
	}
	if (l->console_fd >= 0 && level <= l->console)
		write_console(l, level, subsystem, text, &tm);
}
