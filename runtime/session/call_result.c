/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_result - see call_result.h.
 */
#include "runtime/session/call_result.h"

#include <signal.h>
#include <sys/wait.h>

struct outcome {
	int status, exit_code, signal;
	enum oc_cause cause;
	uint64_t user_us, system_us, memory_peak, pids_peak;
	const struct oc_err *error;
	struct oc_err disk;
};

static uint64_t us(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

static void exit_of(const struct oc_call *c, struct outcome *o)
{
	o->exit_code = -1;
	if (c->error) {
		o->cause = OC_CAUSE_SETUP;
		o->status = c->error_status;
		o->error = c->error;
	} else if (c->reported && WIFEXITED(c->wait_status)) {
		o->cause = OC_CAUSE_EXIT;
		o->status = o->exit_code = WEXITSTATUS(c->wait_status);
	} else {
		/* Without a report its runner was killed, and it with that. */
		o->cause = OC_CAUSE_SIGNAL;
		o->signal = c->reported && WIFSIGNALED(c->wait_status) ? WTERMSIG(c->wait_status)
								       : SIGKILL;
		o->status = 128 + o->signal;
	}
}

/* Who used up what.  A command that went well is not asked, so that a short one costs no file of
 * the kernel's. */
static void judge(struct oc_keep *k, const struct oc_call *c, struct outcome *o)
{
	struct oc_cgroup_usage u = {0};
	struct oc_runner *r = c->runner;

	o->user_us = us(&c->usage.ru_utime);
	o->system_us = us(&c->usage.ru_stime);
	o->memory_peak = (uint64_t)c->usage.ru_maxrss * 1024;
	if (r && (o->status != 0 || r->limited)) {
		oc_cgroup_call_usage(&r->leaf, &u);
		if (u.memory_peak && !r->used)
			o->memory_peak = u.memory_peak;
		if (!r->used)
			o->pids_peak = u.pids_peak;
		/* Its counts are this call's: the next one gets a group that begins with none. */
		r->limited = r->limited || u.pids_refused || u.oom_kills;
		if (u.cpu_user_us || u.cpu_system_us) {
			o->user_us = u.cpu_user_us;
			o->system_us = u.cpu_system_us;
		}
	}
	if (c->timed_out) {
		o->cause = OC_CAUSE_TIMEOUT;
		o->status = 124;
		return;
	}
	if (o->status == 0 || c->killed)
		return;
	k->s.disk.over = false;
	oc_disk_look(&k->s.disk);
	if (c->oom || u.oom_kills || k->s.over_memory) {
		o->cause = OC_CAUSE_OOM;
	} else if (u.pids_refused || (k->s.child.nproc_limit > 0 &&
				      k->s.sampled_pids >= (uint64_t)k->s.child.nproc_limit)) {
		o->cause = OC_CAUSE_PIDS;
	}
	if (c->disk || k->s.disk.over) {
		o->cause = OC_CAUSE_DISK;
		oc_fail(&o->disk, 0, "%s", c->disk ? k->disk_why : k->s.disk.why);
		oc_err_step(&o->disk, "disk");
		o->error = &o->disk;
	}
}

static void number(struct oc_json_writer *w, const char *key, uint64_t n, bool known)
{
	oc_jw_key(w, key);
	if (known)
		oc_jw_uint(w, n);
	else
		oc_jw_null(w);
}

static void write_items(const struct oc_sweep *found, struct oc_json_writer *w)
{
	for (size_t i = 0; i < found->count; i++) {
		oc_jw_object(w);
		oc_jw_key(w, "path");
		oc_jw_string(w, found->items[i].path);
		oc_jw_key(w, "moved");
		oc_jw_string(w, found->items[i].moved);
		oc_jw_key(w, "why");
		oc_jw_string(w, found->items[i].why);
		oc_jw_object_end(w);
	}
}

static void write_found(struct oc_keep *k, const struct oc_sweep *found, struct oc_json_writer *w)
{
	const struct oc_sweep *incomplete = found->incomplete ? found : &k->early;

	oc_jw_key(w, "quarantined");
	oc_jw_array(w);
	write_items(&k->early, w);
	write_items(found, w);
	oc_jw_array_end(w);
	if (incomplete->incomplete) {
		oc_jw_key(w, "quarantineIncomplete");
		oc_jw_string(w, incomplete->incomplete_why);
	}
	k->early = (struct oc_sweep){0};
}

void oc_call_result_write(struct oc_keep *k, const struct oc_call *c, const struct oc_sweep *found,
			  struct oc_json_writer *w)
{
	struct outcome o = {0};

	exit_of(c, &o);
	if (!c->error)
		judge(k, c, &o);
	oc_jw_object(w);
	number(w, "status", (uint64_t)o.status, true);
	oc_jw_key(w, "cause");
	oc_jw_string(w, oc_cause_name(o.cause));
	number(w, "exit", (uint64_t)o.exit_code, o.exit_code >= 0);
	number(w, "signal", (uint64_t)o.signal, o.signal > 0);
	oc_jw_key(w, "usage");
	oc_jw_object(w);
	number(w, "wallUs", c->ended_us - c->started_us, true);
	number(w, "userUs", o.user_us, true);
	number(w, "systemUs", o.system_us, true);
	number(w, "memoryPeakBytes", o.memory_peak, o.memory_peak > 0);
	number(w, "pidsPeak", o.pids_peak, o.pids_peak > 0);
	if (k->plan->disk_bytes)
		number(w, "diskPeakBytes", k->s.disk.peak, k->s.disk.peak > 0);
	oc_jw_object_end(w);
	write_found(k, found, w);
	if (o.error) {
		oc_jw_key(w, "error");
		oc_jw_object(w);
		oc_jw_key(w, "step");
		oc_jw_string(w, o.error->step);
		oc_jw_key(w, "message");
		oc_jw_string(w, o.error->msg);
		oc_jw_key(w, "hint");
		oc_jw_string(w, o.error->hint);
		oc_jw_object_end(w);
	}
	oc_jw_object_end(w);
}
