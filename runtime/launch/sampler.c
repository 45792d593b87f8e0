/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampler - see sampler.h.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/sampler.h"

/* More than the ceiling of pids that stands in: then the count alone is over any limit. */
#define MAX_SEEN 8192

static uint64_t kilobytes(const char *text, const char *key)
{
	const char *p = strstr(text, key);

	return p ? strtoull(p + strlen(key), NULL, 10) : 0;
}

/* Files in memory that a process holds and has not mapped.  Each is counted once a process; that is too much, never too little. */
static void add_memfds(pid_t pid, struct oc_sample *s)
{
	char path[64], link[16];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	DIR *fds = opendir(path);
	if (!fds)
		return;
	for (struct dirent *d; (d = readdir(fds));) {
		if (readlinkat(dirfd(fds), d->d_name, link, sizeof link) >= 7 &&
		    memcmp(link, "/memfd:", 7) == 0 && fstatat(dirfd(fds), d->d_name, &st, 0) == 0)
			s->memory_bytes += (uint64_t)st.st_blocks * 512;
	}
	closedir(fds);
}

static void add_process(pid_t pid, struct oc_sample *s)
{
	char path[64], text[4096];

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	if (oc_read_file_at(AT_FDCWD, path, text, sizeof text) < 0)
		return;
	s->memory_bytes += (kilobytes(text, "RssAnon:") + kilobytes(text, "RssShmem:")) * 1024;
	s->tasks += kilobytes(text, "Threads:");
	add_memfds(pid, s);
}

/* Children of one thread, appended to seen. */
static size_t add_children(pid_t pid, const char *tid, pid_t *seen, size_t count, size_t max)
{
	char path[96], text[65536];

	snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", (int)pid, tid);
	if (oc_read_file_at(AT_FDCWD, path, text, sizeof text) < 0)
		return count;
	for (char *p = text; *p && count < max;) {
		char *end;
		long child = strtol(p, &end, 10);
		if (end == p)
			break;
		seen[count++] = (pid_t)child;
		p = end + (*end == ' ');
	}
	return count;
}

size_t oc_sampler_list(pid_t init, pid_t *seen, size_t max)
{
	size_t count = 1, next = 0;

	seen[0] = init;
	/* Breadth first through the children of every thread; orphans are children of pid 1. */
	while (next < count) {
		pid_t pid = seen[next++];
		char path[64];
		snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
		DIR *tasks = opendir(path);
		if (!tasks)
			continue;
		for (struct dirent *d; (d = readdir(tasks));)
			if (d->d_name[0] != '.')
				count = add_children(pid, d->d_name, seen, count, max);
		closedir(tasks);
	}
	return count;
}

void oc_sampler_take(pid_t init, struct oc_sample *s)
{
	pid_t seen[MAX_SEEN];
	size_t count = oc_sampler_list(init, seen, MAX_SEEN);

	s->memory_bytes = 0;
	s->tasks = 0;
	for (size_t i = 0; i < count; i++)
		add_process(seen[i], s);
}
