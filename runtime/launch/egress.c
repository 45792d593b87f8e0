/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress - see egress.h: start, watch, end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/egress_internal.h"
#include "runtime/launch/helper.h"
#include "runtime/launch/sys.h"

#define PIPE_ROOM    (256 << 10) /* of 64 MB that a user has for all his pipes */
#define READ_AT_ONCE 16384
#define READY_MS     10000
#define END_MS	     2000 /* it takes a second of that for what is still on its way */
#define REFUSED	     125  /* exit status of a broker that has said why */

void oc_egress_init(struct oc_egress *e, const struct oc_plan *plan,
		    struct oc_egress_report *report)
{
	*e = (struct oc_egress){
		.plan = plan,
		.on = plan->egress.mode != OC_EGRESS_NONE,
		.broker = OC_BROKER_NONE,
		.rules = -1,
		.records = -1,
		.live = {-1, -1, 0},
		.kept = {-1, -1, 0},
		.report = report,
	};
	oc_control_init(&e->door);
#ifdef OC_TEST_WEAKEN
	/* Without a namespace of its own there is no inside to set up. */
	e->drop = getenv("OC_TEST_DROP") ? getenv("OC_TEST_DROP") : "";
	if (strcmp(e->drop, "net") == 0)
		e->on = false;
#endif
}

int oc_egress_spawn(struct oc_egress *e, struct oc_err *err)
{
	if (!e->on)
		return 0;
	const char *name = "oc-egress";
#ifdef OC_TEST_WEAKEN
	if (strcmp(e->drop, "egress-jail") == 0)
		name = "oc-egress-weak";
#endif
	oc_auto_close program = oc_helper_open(name, err);
	if (program < 0 || oc_broker_spawn(&e->broker, program, err) < 0)
		return oc_err_step(err, "net");
	return 0;
}

static struct oc_broker_budget budget(const struct oc_egress_budget *b)
{
	return (struct oc_broker_budget){b->upload_bytes, b->connections, b->names};
}

static const char *const *texts(struct oc_arena *a, const struct oc_egress_list_row *rows, size_t n)
{
	const char **list = oc_arena_array(a, n + 1, sizeof *list);

	for (size_t i = 0; i < n; i++)
		list[i] = rows[i].text;
	return list;
}

void oc_egress_config(const struct oc_plan *plan, struct oc_broker_config *out)
{
	const struct oc_plan_egress *p = &plan->egress;

	*out = (struct oc_broker_config){
		.mode = oc_egress_mode_name(p->mode),
		.allow = texts(plan->arena, p->allow, p->allow_count),
		.deny = texts(plan->arena, p->deny, p->deny_count),
		.allow_private = texts(plan->arena, p->allow_private, p->allow_private_count),
		.allow_count = p->allow_count,
		.deny_count = p->deny_count,
		.allow_private_count = p->allow_private_count,
		.resolvers = (const char *const *)p->resolvers,
		.resolver_count = p->resolver_count,
		.budget = budget(&p->budget),
		.rule_budget = budget(&p->rule_budget),
	};
}

/* --- start --- */

/* What the control socket says of a broker that has ended does not say why. */
static int explain_end(struct oc_egress *e, struct oc_err *err)
{
	struct pollfd p = {.fd = e->broker.pidfd, .events = POLLIN};
	int status;

	if (e->broker.pid <= 0 || poll(&p, 1, 500) != 1 || waitpid(e->broker.pid, &status, 0) < 0)
		return oc_err_step(err, "net");
	e->broker.pid = -1;
	if (WIFSIGNALED(status)) {
		oc_fail(err, 0, "oc-egress was ended by signal %d before it served",
			WTERMSIG(status));
	} else if (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127) {
		oc_fail(err, 0, "cannot execute oc-egress");
		oc_err_hint(
			err,
			"it is installed together with oc-sandbox, and needs the libraries that "
			"it was built with");
	} else if (WEXITSTATUS(status) != REFUSED) {
		oc_fail(err, 0, "oc-egress has ended with status %d before it served",
			WEXITSTATUS(status));
		oc_err_hint(err, "see `oc-sandbox doctor`");
	}
	return oc_err_step(err, "net");
}

int oc_egress_send(struct oc_egress *e, const int fds[OC_MSG_FDS], struct oc_err *err)
{
	struct oc_net_sockets s;
	int log[2];

	oc_msg_sockets(fds, &s);
	if (s.tcp4 < 0 || s.dns4 < 0 || s.rules < 0) {
		oc_net_sockets_close(&s);
		oc_fail(err, EPROTO, "the sockets of the network did not arrive");
		return oc_err_step(err, "net");
	}
	e->rules = oc_steal_fd(&s.rules);
	oc_egress_config(e->plan, &e->config);
	if (pipe2(log, O_CLOEXEC | O_NONBLOCK) < 0) {
		oc_net_sockets_close(&s);
		oc_fail(err, errno, "cannot make a pipe for the records");
		return oc_err_step(err, "net");
	}
	e->records = log[0];
	/* Best effort: what does not fit is counted by the broker. */
	(void)fcntl(log[1], F_SETPIPE_SZ, PIPE_ROOM);
#ifdef OC_TEST_WEAKEN
	if (strcmp(e->drop, "egress-rules") == 0)
		e->config.mode = "open";
	if (strcmp(e->drop, "egress-sockets") == 0)
		(void)!dup(s.tcp4);
#endif
	int r = oc_broker_send(&e->broker, &e->config, &s, log[1], err);
	oc_net_sockets_close(&s);
	close(log[1]);
	return r < 0 ? explain_end(e, err) : 0;
}

int oc_egress_ready(struct oc_egress *e, struct oc_err *err)
{
	if (oc_broker_ready(&e->broker, READY_MS, err) < 0)
		return explain_end(e, err);
	e->report->started = true;
	return 0;
}

int oc_egress_keep_door(struct oc_egress *e, const struct oc_control_service *service,
			struct oc_err *err)
{
	e->stays = true;
	oc_control_keep(&e->door, e->plan, service);
	if (oc_control_open(&e->door, e->plan, err) < 0)
		return oc_err_step(err, "door");
	if (!e->on)
		return 0;
	e->live.dir = e->door.dir_fd;
	e->live.fd = oc_control_log(&e->door, err);
	if (e->live.fd < 0)
		return oc_err_step(err, "door");
	oc_egress_keep(e);
	return 0;
}

void oc_egress_open(struct oc_egress *e)
{
	struct oc_err why = {0};

	if (!e->on || e->stays)
		return;
	if (oc_control_open(&e->door, e->plan, &why) == 0) {
		e->live.dir = e->door.dir_fd;
		e->live.fd = oc_control_log(&e->door, &why);
	}
	if (e->live.fd < 0)
		snprintf(e->report->no_door, sizeof e->report->no_door, "%s", why.msg);
	oc_egress_keep(e);
}

/* --- while it runs --- */

/* The kernel closes its sockets: every connection breaks, every new one is refused. */
void oc_egress_cut(struct oc_egress *e, const char *why)
{
	struct pollfd p = {.fd = e->broker.pidfd, .events = POLLIN};
	struct oc_egress_report *r = e->report;
	int status = 0;

	if (poll(&p, 1, 0) == 1)
		why = NULL;
	oc_sys_pidfd_send_signal(e->broker.pidfd, SIGKILL, 0);
	if (e->broker.pid > 0 && waitpid(e->broker.pid, &status, 0) == e->broker.pid)
		e->broker.pid = -1;
	oc_broker_stop(&e->broker);
	r->ended = true;
	if (why)
		snprintf(r->how, sizeof r->how, "%s", why);
	else if (WIFSIGNALED(status))
		snprintf(r->how, sizeof r->how, "signal %d", WTERMSIG(status));
	else
		snprintf(r->how, sizeof r->how, "exit status %d", WEXITSTATUS(status));
}

void oc_egress_broker_poll(const struct oc_egress *e, struct pollfd p[OC_EGRESS_BROKER_POLL])
{
	p[0] = (struct pollfd){.fd = e->broker.pidfd, .events = POLLIN};
	p[1] = (struct pollfd){.fd = e->records, .events = POLLIN};
}

void oc_egress_broker_run(struct oc_egress *e, const struct pollfd p[OC_EGRESS_BROKER_POLL])
{
	if (!e->on)
		return;
	if (p[1].revents)
		oc_egress_read(e, READ_AT_ONCE);
	if (p[0].revents)
		oc_egress_cut(e, NULL);
}

void oc_egress_poll(const struct oc_egress *e, struct pollfd p[OC_EGRESS_POLL])
{
	oc_egress_broker_poll(e, p);
	oc_control_poll(&e->door, p + OC_EGRESS_BROKER_POLL);
}

void oc_egress_run(struct oc_egress *e, const struct pollfd p[OC_EGRESS_POLL])
{
	if (!e->on)
		return;
	oc_egress_broker_run(e, p);
	oc_control_run(&e->door, p + OC_EGRESS_BROKER_POLL, oc_egress_handle, e);
}

/* --- numbers --- */

static void number(struct oc_arena *a, const struct oc_json *v, const char *key, uint64_t *out)
{
	const struct oc_json *n = oc_json_get(v, key);
	struct oc_err why = {0};
	int64_t value = 0;

	if (n && oc_json_int(a, n, 0, INT64_MAX / 2048, &value, &why) == 0)
		*out = (uint64_t)value;
}

static void take_numbers(struct oc_egress_report *r, const struct oc_buf *answer)
{
	oc_auto_arena a = {0};
	struct oc_err why = {0};
	struct oc_json *v;

	if (oc_json_parse(&a, answer->data, answer->len, "oc-egress", &v, &why) < 0)
		return;
	number(&a, v, "accepted", &r->accepted);
	number(&a, v, "allowed", &r->allowed);
	number(&a, v, "refused", &r->refused);
	number(&a, v, "queries", &r->queries);
	number(&a, v, "answered", &r->answered);
	number(&a, v, "sentBytes", &r->sent);
	number(&a, v, "receivedBytes", &r->received);
	const struct oc_json *reasons = oc_json_get(v, "reasons");
	for (unsigned i = 0; i < OC_EGRESS_REASONS; i++)
		number(&a, reasons, oc_egress_reason_id((enum oc_egress_reason)i), &r->reasons[i]);
	r->counted = true;
}

void oc_egress_count(struct oc_egress *e, struct oc_egress_report *r)
{
	struct oc_err why = {0};

	r->packets_counted = e->rules >= 0 && oc_net_refused_read(e->rules, &r->packets, &why) == 0;
}

static void put(struct oc_json_writer *w, const char *key, uint64_t n)
{
	oc_jw_key(w, key);
	oc_jw_uint(w, n);
}

void oc_egress_report_write(const struct oc_egress_report *r, struct oc_json_writer *w)
{
	if (r->counted) {
		oc_jw_key(w, "connections");
		oc_jw_object(w);
		put(w, "accepted", r->accepted);
		put(w, "allowed", r->allowed);
		put(w, "refused", r->refused);
		oc_jw_object_end(w);
		oc_jw_key(w, "names");
		oc_jw_object(w);
		put(w, "queries", r->queries);
		put(w, "answered", r->answered);
		oc_jw_object_end(w);
		oc_jw_key(w, "bytes");
		oc_jw_object(w);
		put(w, "sent", r->sent);
		put(w, "received", r->received);
		oc_jw_object_end(w);
		oc_jw_key(w, "reasons");
		oc_jw_object(w);
		for (unsigned i = 0; i < OC_EGRESS_REASONS; i++)
			if (r->reasons[i])
				put(w, oc_egress_reason_id((enum oc_egress_reason)i),
				    r->reasons[i]);
		oc_jw_object_end(w);
	}
	if (r->packets_counted) {
		const struct oc_net_refused *p = &r->packets;
		uint64_t known = p->udp + p->icmp + p->tcp;
		oc_jw_key(w, "packets");
		oc_jw_object(w);
		put(w, "udp", p->udp);
		put(w, "icmp", p->icmp);
		put(w, "tcp", p->tcp);
		put(w, "other", p->total > known ? p->total - known : 0);
		put(w, "ipv6", p->ipv6);
		oc_jw_object_end(w);
	}
}

/* --- the end --- */

void oc_egress_leave(struct oc_egress *e)
{
	struct pollfd p = {.fd = e->broker.pidfd, .events = POLLIN};
	struct oc_err why = {0};

	if (!e->on || !e->report->started || e->report->ended)
		return;
	if (poll(&p, 1, 0) == 1)
		oc_egress_cut(e, NULL);
	else
		e->leaving = oc_broker_end(&e->broker, &why) == 0;
}

void oc_egress_end(struct oc_egress *e)
{
	oc_auto_buf answer = {0};
	struct oc_err why = {0};

	if (!e->on) {
		oc_control_close(&e->door);
		return;
	}
	/* The broker has something to do yet. */
	oc_closep(&e->live.fd);
	e->live.fd = -1;
	oc_control_close(&e->door);
	oc_egress_count(e, e->report);
	if (e->leaving && oc_broker_ended(&e->broker, &answer, END_MS, &why) == 0)
		take_numbers(e->report, &answer);
	else if (e->leaving)
		oc_egress_cut(e, "it did not answer");
	/* All of them were written before the answer. */
	oc_egress_read(e, PIPE_ROOM);
	oc_closep(&e->records);
	e->records = -1;
	oc_egress_list(e);
	oc_closep(&e->rules);
	oc_closep(&e->kept.fd);
	oc_closep(&e->kept.dir);
	oc_egress_texts_free(&e->allow);
	oc_egress_texts_free(&e->deny);
	oc_buf_free(&e->line);
	e->on = false;
	oc_broker_stop(&e->broker);
}

void oc_egress_abandon(struct oc_egress *e)
{
	struct pollfd p = {.fd = e->broker.pidfd, .events = POLLIN};

	if (!e->on) {
		oc_control_close(&e->door);
		return;
	}
	/* It has the monitor's death as its own; that is a moment later, and this is certain. */
	if (p.fd >= 0) {
		oc_sys_pidfd_send_signal(p.fd, SIGKILL, 0);
		while (poll(&p, 1, -1) != 1)
			;
	}
	oc_control_close(&e->door);
}
