/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk - what stands behind --disk (plan->disk_bytes) on the monitor's side.
 *
 * A workspace in memory has its size from the file system: here its fill is only read, for the
 * result.  A scratch directory or the changes of an overlay lie on the host's disk, where no file
 * system gives an ordinary user a bound for one directory: they are counted from time to time, and
 * what is over the limit ends.  Counted is what is allocated, hard links once, a file or directory
 * as 4 KiB at least (so the number of them is bounded too), and files that are deleted but still
 * open.  In between RLIMIT_FSIZE bounds each file.
 *
 * It is a limit against accidents and greed: who knows when it counts can hold more for a moment,
 * and a deleted file that is only in the queue of a socket is not seen.
 *
 * Must not: work longer than OC_DISK_SLICE_US at a time, follow a link or a mount, trust a name
 * inside.
 */
#ifndef OC_RUNTIME_LAUNCH_DISK_H
#define OC_RUNTIME_LAUNCH_DISK_H

#include <time.h>

#include "runtime/plan/plan.h"

#define OC_DISK_SLICE_US 3000
#define OC_DISK_DEPTH	 128 /* directories in each other; more of them count as over the limit */

#define OC_DISK_PROCESSES 1024
#define OC_DISK_DELETED	  256

struct oc_disk_level {
	int fd;
	int64_t next; /* where to read on */
};
struct oc_disk {
	const struct oc_plan *plan;
	enum oc_disk_bound bound;
	int root;      /* of what is counted, or the workspace in memory; -1: nothing to look at */
	pid_t init;    /* pid 1, 0: not yet */
	uint64_t peak; /* most that a whole count has found */
	uint64_t allowed; /* plan->disk_bytes, or what was there before if that is more */
	bool over;	  /* the limit was passed, and why says so */
	char why[160];
	/* --- this count --- */
	struct oc_disk_level level[OC_DISK_DEPTH];
	int depth;    /* 0: none is going on */
	bool counted; /* one has come to its end */
	bool suspect; /* the last one was over: things may have moved under its feet, so it takes
			 two */
	unsigned unread,
		was_unread; /* directories that could not be read, in this count and the last one */
	bool deep;
	pid_t process[OC_DISK_PROCESSES]; /* whose open files are looked at behind the walk */
	size_t processes, next;
	ino_t deleted[OC_DISK_DELETED]; /* counted ones */
	size_t deleted_count;
	uint64_t sum, old;     /* old: of what has not changed since the beginning */
	struct timespec began; /* of the sandbox */
	uint64_t work_us, due_us;
};

/* The directories are there (oc_prepare_child).  Counts what there is, for some ms; without a limit
 * it does nothing. */
int oc_disk_begin(struct oc_disk *d, const struct oc_plan *plan, struct oc_err *err);
/* The sandbox is up.  memory: the workspace in memory, now owned by d, or -1. */
void oc_disk_ready(struct oc_disk *d, pid_t init, int memory);
/* When oc_disk_run has something to do, on the monotonic clock; UINT64_MAX: never. */
static inline uint64_t oc_disk_due(const struct oc_disk *d)
{
	return d->root >= 0 && d->init ? d->due_us : UINT64_MAX;
}
/* Work a little if it is time.  True once, when the limit is passed: the caller ends what runs. */
bool oc_disk_run(struct oc_disk *d, uint64_t now_us);
/*
 * A sandbox that is kept: what ran has been ended.  Counting goes on, and what is there now is
 * allowed, so that somebody can come and remove it.
 */
void oc_disk_again(struct oc_disk *d);
/* A last look at a workspace in memory.  d->over: it is full. */
void oc_disk_look(struct oc_disk *d);
void oc_disk_end(struct oc_disk *d);

#endif
