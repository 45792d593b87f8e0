/* SPDX-License-Identifier: Apache-2.0 */
/*
 * obtain - see obtain.h.
 */
#include "runtime/session/obtain.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/session/activity.h"
#include "runtime/session/end.h"
#include "runtime/session/keep.h"
#include "runtime/session/scope.h"

/* As one word of a shell. */
static const char *quoted(struct oc_arena *a, const char *s)
{
	oc_auto_buf out = {0};

	if (*s &&
	    strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:._-/@+") ==
		    strlen(s))
		return s;
	oc_buf_puts(&out, "'");
	for (; *s; s++)
		if (*s == '\'')
			oc_buf_puts(&out, "'\\''");
		else
			oc_buf_add(&out, s, 1);
	oc_buf_puts(&out, "'");
	return oc_arena_strdup(a, out.data);
}

const char *oc_obtain_recreate(struct oc_arena *a, const char *scope_key)
{
	const char *agent = strncmp(scope_key, "agent:", 6) == 0 ? scope_key + 6 : NULL;

	/* agent:ID is the scope of an agent, agent:ID:... that of one of its sessions. */
	if (agent && *agent && !strchr(agent, ':'))
		return oc_arena_printf(a, "oc-sandbox recreate --agent %s", quoted(a, agent));
	return oc_arena_printf(a, "oc-sandbox recreate --session %s", quoted(a, scope_key));
}

/* It is about to be joined: its idle time begins anew, and we know that it answers. */
static int touch(struct oc_arena *a, const struct oc_door *d, struct oc_err *err)
{
	static char text[] = "{\"op\":\"touch\"}";
	const struct oc_buf request = {.data = text, .len = sizeof text - 1};
	struct oc_json *answer;

	return oc_door_call(a, d, &request, &answer, err);
}

static bool dead(struct oc_door *d)
{
	struct oc_door again = *d;

	/* Our own descriptor holds no lock: it is the lock of the entry that says whether it lives.
	 */
	again.dir_fd = -1;
	if (oc_door_open(&again) < 0)
		return errno == ENOENT || errno == ENOTEMPTY;
	oc_door_close(&again);
	return false;
}

static int in_use(const struct oc_plan *plan, const struct oc_door *d,
		  const struct oc_activity *act, struct oc_err *err)
{
	if (act->calls)
		oc_fail(err, 0,
			"the sandbox %s of %s was made from another plan, and %u command%s in it",
			d->id, plan->scope_key, act->calls, act->calls == 1 ? " runs" : "s run");
	else
		oc_fail(err, 0,
			"the sandbox %s of %s was made from another plan, and was used %llu s ago",
			d->id, plan->scope_key,
			(unsigned long long)(oc_activity_idle_ms(act) / 1000));
	oc_err_step(err, "scope");
	return oc_err_hint(err, "to end it and make a new one: %s",
			   oc_obtain_recreate(plan->arena, plan->scope_key));
}

/* 1: join it.  0: it has ended, or is ended now.  -1. */
static int look_at(const struct oc_plan *plan, unsigned flags, struct oc_door *d,
		   struct oc_err *err)
{
	struct oc_activity act = {0};
	char hash[65];

	oc_plan_sandbox_hash(plan, hash);
	if (strcmp(hash, d->sandbox_hash ? d->sandbox_hash : "") == 0) {
		struct oc_err why = {0};
		if (touch(plan->arena, d, &why) == 0)
			return 1;
		/* It was about to end: then it is not there for long. */
		struct oc_ending end = {.door = *d};
		bool ends =
			oc_activity_read(d->dir_fd, &act) == 0 && act.state == OC_ACTIVITY_STOPPING;
		if (!dead(d) && (ends || flags & OC_OBTAIN_RECREATE))
			oc_end_sandboxes(&end, 1);
		if (dead(d))
			return 0;
		*err = why;
		return -1;
	}
	/* Without a word of what it does it counts as in use. */
	if (oc_activity_read(d->dir_fd, &act) < 0)
		act = (struct oc_activity){.used_ns = oc_activity_clock()};
	if (!(flags & OC_OBTAIN_RECREATE) &&
	    (act.calls || oc_activity_idle_ms(&act) < OC_OBTAIN_RECENT_MS))
		return in_use(plan, d, &act, err);
	struct oc_ending end = {.door = *d};
	oc_end_sandboxes(&end, 1);
	if (end.how == OC_END_FAILED) {
		*err = end.err;
		return -1;
	}
	return 0;
}

static int make(const struct oc_plan *plan, struct oc_scope *s, struct oc_door *door,
		struct oc_err *err)
{
	char id[OC_RUNDIR_ID_LEN + 1];

	if (oc_keep_start(plan, id, err) < 0)
		return -1;
	int r = oc_door_by_id(plan->arena, plan->state_dir, id, door, err);
	if (r > 0)
		oc_fail(err, 0, "the sandbox %s ended as soon as it was made", id);
	if (r)
		return -1;
	if (!s || oc_scope_set(s, id, err) == 0)
		return 0;
	/* Nobody would find it again. */
	struct oc_ending end = {.door = *door};
	oc_end_sandboxes(&end, 1);
	oc_door_close(door);
	return -1;
}

static int none(const struct oc_plan *plan, struct oc_err *err)
{
	oc_fail(err, 0, "there is no live sandbox of %s to join", plan->scope_key);
	oc_err_step(err, "scope");
	return oc_err_hint(err, "without --join-only it is made");
}

int oc_keep_obtain(const struct oc_plan *plan, unsigned flags, struct oc_door *door, bool *joined,
		   struct oc_err *err)
{
	struct oc_scope s;
	bool live;

	*joined = false;
	if (!plan->scope_key) {
		if (!(flags & OC_OBTAIN_JOIN))
			return make(plan, NULL, door, err);
		oc_fail(err, 0, "only the sandbox of an agent can be joined");
		return oc_err_hint(err, "add --agent ID");
	}
	if (oc_scope_lock(&s, plan->arena, plan->state_dir, plan->scope_key, door, &live, err) < 0)
		return oc_err_step(err, "scope");
	int r = 0;
	bool was_there = live;
	if (live) {
		r = look_at(plan, flags, door, err);
		if (r == 0) {
			oc_door_close(door);
			oc_scope_ended(&s);
			live = false;
		}
	}
	*joined = r == 1;
	if (r == 0 && flags & OC_OBTAIN_JOIN)
		r = none(plan, err);
	else if (r == 0 && flags & OC_OBTAIN_IF_LIVE && !was_there)
		r = 1;
	else if (r == 0)
		r = make(plan, &s, door, err);
	else if (r == 1)
		r = 0;
	if (r < 0 && live)
		oc_door_close(door);
	oc_scope_unlock(&s);
	return r;
}
