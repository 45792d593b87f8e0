/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_call - see cgroup_call.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/cgroup_call.h"

#define BENEATH (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
/* Below this not even the runner's own fork succeeds. */
#define MIN_MEMORY (UINT64_C(4) << 20)

void oc_cgroup_call_init(struct oc_cgroup_call *c)
{
	memset(c, 0, sizeof *c);
	oc_cgroup_init(&c->own);
	c->peak = -1;
}

/* What holds the memory, pids and cpu of the call: on v2 it is one directory. */
static int dir_of(const struct oc_cgroup_call *c, int controller)
{
	return c->own.leaf[c->own.kind == OC_CGROUP_V1 ? controller : 0];
}

static bool has(const struct oc_cgroup_call *c, int controller)
{
	return c->own.kind != OC_CGROUP_NONE && !(c->in->missing & OC_CG_BIT(controller));
}

static int put(int dir, const char *file, uint64_t value, const char *none, struct oc_err *err)
{
	char text[48];

	if (value)
		snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	else
		snprintf(text, sizeof text, "%s", none);
	if (oc_write_file_at(dir, file, text) < 0)
		return oc_fail(err, errno, "cannot write %s to %s of the call", text, file);
	return 0;
}

/* Memory and swap are one limit here, which may not be lower than the one of memory: so it is
 * lifted first. */
static int limit_memory_v1(const struct oc_cgroup_call *c, uint64_t bytes, struct oc_err *err)
{
	int dir = dir_of(c, OC_CG_MEMORY);
	/* The file is missing when the kernel accounts no swap: then there is nothing to limit it
	 * with. */
	bool swap = oc_write_file_at(dir, "memory.memsw.limit_in_bytes", "-1") == 0;

	if (put(dir, "memory.limit_in_bytes", bytes, "-1", err) < 0) {
		if (err->errnum == EBUSY)
			oc_err_hint(err, "what earlier calls left behind fills more than that");
		return -1;
	}
	if (!swap || !bytes || c->plan->swap_bytes < 0)
		return 0;
	return put(dir, "memory.memsw.limit_in_bytes", bytes + (uint64_t)c->plan->swap_bytes, "-1",
		   err);
}

static int limit_memory(const struct oc_cgroup_call *c, uint64_t bytes, struct oc_err *err)
{
	if (c->own.kind == OC_CGROUP_V1)
		return limit_memory_v1(c, bytes, err);
	return put(dir_of(c, OC_CG_MEMORY), "memory.max", bytes, "max", err);
}

static int limit_cpu(const struct oc_cgroup_call *c, uint64_t millis, struct oc_err *err)
{
	int dir = dir_of(c, OC_CG_CPU);
	char text[48];

	/* The period is 100 ms, as that of the sandbox. */
	if (c->own.kind == OC_CGROUP_V1)
		return put(dir, "cpu.cfs_quota_us", millis * 100, "-1", err);
	if (!millis)
		return put(dir, "cpu.max", 0, "max 100000", err);
	snprintf(text, sizeof text, "%llu 100000", (unsigned long long)millis * 100);
	return put(dir, "cpu.max", 0, text, err);
}

static int unheld(const char *what, struct oc_err *err)
{
	oc_fail(err, 0,
		"a call cannot have its own limit of %s: the sandbox has no cgroup that could hold "
		"it",
		what);
	oc_err_step(err, "cgroup");
	return oc_err_hint(
		err,
		"the sandbox's own limit holds; see `oc-sandbox doctor` on how to get a cgroup");
}

/* Counts of the kernel as they are, the runner included. */
static void look(const struct oc_cgroup_call *c, struct oc_cgroup_usage *u)
{
	char text[32];

	oc_cgroup_usage(&c->own, u);
	if (!c->peak_is_new)
		return;
	ssize_t n = pread(c->peak, text, sizeof text - 1, 0);
	u->memory_peak = 0;
	for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		u->memory_peak = u->memory_peak * 10 + (uint64_t)(text[i] - '0');
}

static void begin_counts(struct oc_cgroup_call *c)
{
	if (c->own.kind == OC_CGROUP_V1)
		c->peak_is_new = false; /* for everybody at once */
	else if (c->peak >= 0)
		c->peak_is_new = pwrite(c->peak, "0", 1, 0) == 1;
	bool anew = c->peak_is_new || (c->own.kind == OC_CGROUP_V1 &&
				       oc_write_file_at(dir_of(c, OC_CG_MEMORY),
							"memory.max_usage_in_bytes", "0") == 0);
	look(c, &c->mark);
	if (anew)
		c->mark.memory_peak = 0;
}

int oc_cgroup_call_limit(struct oc_cgroup_call *c, const struct oc_call_limits *limits,
			 struct oc_err *err)
{
	struct oc_call_limits l = *limits;

	if (l.memory_bytes && l.memory_bytes < MIN_MEMORY)
		return oc_fail(err, 0, "memory of %llu bytes is below the smallest that works, 4m",
			       (unsigned long long)l.memory_bytes);
	/* The sandbox's own holds then.  v1 refuses a larger quota of cpu than the parent's. */
	if (l.memory_bytes >= c->plan->memory_bytes)
		l.memory_bytes = 0;
	if (l.pids >= c->plan->pids)
		l.pids = 0;
	if (l.cpu_millis >= c->plan->cpu_millis)
		l.cpu_millis = 0;
	if (l.pids && !has(c, OC_CG_PIDS))
		return unheld("processes", err);
	if (l.cpu_millis && !has(c, OC_CG_CPU))
		return unheld("cpus", err);
	c->data_limit = has(c, OC_CG_MEMORY) ? 0 : l.memory_bytes;
	if (c->own.kind == OC_CGROUP_NONE)
		return 0;
	if ((has(c, OC_CG_MEMORY) && limit_memory(c, l.memory_bytes, err) < 0) ||
	    /* The runner is no process of the call. */
	    (has(c, OC_CG_PIDS) &&
	     put(dir_of(c, OC_CG_PIDS), "pids.max", l.pids ? l.pids + 1 : 0, "max", err) < 0) ||
	    (has(c, OC_CG_CPU) && limit_cpu(c, l.cpu_millis, err) < 0))
		return oc_err_step(err, "cgroup");
	begin_counts(c);
	return 0;
}

/* Before 5.11 a group may be told to not count for its parent: the sandbox's limit would not hold
 * for the call. */
static int count_upwards(const struct oc_cgroup *in, struct oc_err *err)
{
	char text[8];

	if (oc_read_file_at(in->leaf[OC_CG_MEMORY], "memory.use_hierarchy", text, sizeof text) >
		    0 &&
	    text[0] == '0' &&
	    oc_write_file_at(in->leaf[OC_CG_MEMORY], "memory.use_hierarchy", "1") < 0)
		return oc_fail(err, errno, "cannot switch memory.use_hierarchy on");
	return 0;
}

static int make(struct oc_cgroup_call *c, int i, struct oc_err *err)
{
	const char *name = c->own.name;
	int parent = c->in->leaf[i];

	/* One that could not be removed in time. */
	if (mkdirat(parent, name, 0755) < 0 &&
	    (errno != EEXIST || unlinkat(parent, name, AT_REMOVEDIR) < 0 ||
	     mkdirat(parent, name, 0755) < 0))
		return oc_fail(err, errno, "cannot make the cgroup %s", name);
	c->own.leaf[i] = oc_openat2(parent, name, O_RDONLY | O_DIRECTORY, 0, BENEATH);
	if (c->own.leaf[i] < 0)
		return oc_fail(err, errno, "cannot open the new cgroup %s", name);
	if (c->in->kind == OC_CGROUP_V2)
		return 0;
	c->own.tasks[i] = oc_openat2(c->own.leaf[i], "tasks", O_WRONLY, 0, BENEATH);
	if (c->own.tasks[i] < 0)
		return oc_fail(err, errno, "cannot open tasks of the cgroup %s", name);
	return 0;
}

static int make_all(struct oc_cgroup_call *c, struct oc_err *err)
{
	if (c->in->kind == OC_CGROUP_V1 && count_upwards(c->in, err) < 0)
		return -1;
	for (int i = 0; i < (c->in->kind == OC_CGROUP_V1 ? OC_CG_COUNT : 1); i++)
		if (make(c, i, err) < 0)
			return -1;
	/* Not with the group's other limits: all of an over-full call ends, not one process out of
	 * its middle. */
	if (has(c, OC_CG_MEMORY) && c->own.kind == OC_CGROUP_V2) {
		if (oc_write_file_at(c->own.leaf[0], "memory.oom.group", "1") < 0 &&
		    errno != ENOENT)
			return oc_fail(err, errno, "cannot set memory.oom.group of the call");
		c->peak = oc_openat2(c->own.leaf[0], "memory.peak", O_RDWR, 0, BENEATH);
	}
	return 0;
}

int oc_cgroup_call_create(struct oc_cgroup_call *c, const struct oc_cgroup *in,
			  const struct oc_plan *plan, unsigned number,
			  const struct oc_call_limits *limits, struct oc_err *err)
{
	oc_cgroup_call_init(c);
	c->plan = plan;
	c->in = in;
	snprintf(c->own.name, sizeof c->own.name, "call-%u", number);
	c->own.kind = in->kind;
	if ((in->kind == OC_CGROUP_NONE || make_all(c, err) == 0) &&
	    oc_cgroup_call_limit(c, limits, err) == 0)
		return 0;
	oc_err_step(err, "cgroup");
	oc_cgroup_call_remove(c);
	return -1;
}

int oc_cgroup_call_join(const struct oc_cgroup_call *c, pid_t pid, struct oc_err *err)
{
	char text[16];

	if (c->own.kind != OC_CGROUP_V2)
		return 0;
	snprintf(text, sizeof text, "%d", (int)pid);
	if (oc_write_file_at(c->own.leaf[0], "cgroup.procs", text) < 0) {
		oc_fail(err, errno, "cannot move a runner to the cgroup %s", c->own.name);
		return oc_err_step(err, "cgroup");
	}
	return 0;
}

void oc_cgroup_call_usage(const struct oc_cgroup_call *c, struct oc_cgroup_usage *u)
{
	const struct oc_cgroup_usage *m = &c->mark;

	memset(u, 0, sizeof *u);
	if (c->own.kind == OC_CGROUP_NONE)
		return;
	look(c, u);
	/* A peak that has not grown was an earlier call's. */
	if (u->memory_peak <= m->memory_peak)
		u->memory_peak = 0;
	/* The runner was in it from the beginning. */
	u->pids_peak = u->pids_peak > m->pids_peak && u->pids_peak > 1 ? u->pids_peak - 1 : 0;
	u->cpu_user_us -= m->cpu_user_us;
	u->cpu_system_us -= m->cpu_system_us;
	u->oom_kills -= m->oom_kills;
	u->pids_refused -= m->pids_refused;
}

int oc_cgroup_call_oom_event(const struct oc_cgroup_call *c)
{
	return oc_cgroup_oom_event(&c->own);
}

int oc_cgroup_call_remove(struct oc_cgroup_call *c)
{
	int failed = 0;

	if (!c->in)
		return 0;
	oc_closep(&c->peak);
	c->peak = -1;
	c->peak_is_new = false;
	for (int i = 0, left = OC_CGROUP_CALL_WAIT_MS; i < OC_CG_COUNT; i++) {
		if (c->in->leaf[i] < 0)
			continue;
		/* The last exit is accounted a moment after it can be waited for. */
		while (unlinkat(c->in->leaf[i], c->own.name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
			if (errno != EBUSY || left-- == 0) {
				failed = errno;
				break;
			}
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		}
		if (failed)
			break;
	}
	if (failed) {
		errno = failed;
		return -1;
	}
	for (int i = 0; i < OC_CG_COUNT; i++) {
		oc_closep(&c->own.leaf[i]);
		oc_closep(&c->own.tasks[i]);
	}
	oc_cgroup_call_init(c);
	return 0;
}
