/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - see control.h.
 */
#include "runtime/launch/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "netns/policy/record.h"

#define BACKLOG	     8
#define BACKLOG_KEPT 128

static void set_room(struct oc_control *c, struct oc_control_client *client, unsigned room)
{
	c->client = client;
	c->room = room;
	for (unsigned i = 0; i < room; i++)
		client[i] = (struct oc_control_client){.fd = -1};
}

void oc_control_init(struct oc_control *c)
{
	*c = (struct oc_control){.run_fd = -1, .dir_fd = -1, .listen_fd = -1};
	set_room(c, c->few, OC_CONTROL_CLIENTS);
}

void oc_control_keep(struct oc_control *c, const struct oc_plan *plan,
		     const struct oc_control_service *service)
{
	c->service = service;
	set_room(c, oc_arena_array(plan->arena, OC_CONTROL_KEPT_CLIENTS, sizeof *c->client),
		 OC_CONTROL_KEPT_CLIENTS);
	c->buf = oc_arena_alloc(plan->arena, OC_CONTROL_MESSAGE_MAX + 1);
}

/* --- making it --- */

static void write_number(struct oc_json_writer *w, const char *key, uint64_t n)
{
	oc_jw_key(w, key);
	oc_jw_uint(w, n);
}

static void write_text(struct oc_json_writer *w, const char *key, const char *text)
{
	oc_jw_key(w, key);
	oc_jw_string(w, text);
}

/* What `ps`, `prune` and whoever wants to join it must know without asking it. */
static void write_kept(const struct oc_plan *plan, struct oc_json_writer *w)
{
	static const char *const access[] = {
		[OC_ACCESS_NONE] = "none",
		[OC_ACCESS_RO] = "ro",
		[OC_ACCESS_RW] = "rw",
		[OC_ACCESS_OVERLAY] = "overlay",
	};
	struct timespec boot;
	char hash[65];

	clock_gettime(CLOCK_BOOTTIME, &boot);
	oc_plan_sandbox_hash(plan, hash);
	oc_jw_key(w, "keep");
	oc_jw_bool(w, true);
	write_text(w, "sandboxHash", hash);
	write_number(w, "idleMs", plan->idle_ms);
	write_number(w, "maxAgeMs", plan->max_age_ms);
	write_text(w, "access", access[plan->access]);
	write_text(w, "workspace", plan->workspace);
	write_text(w, "scratchDir", plan->scratch_dir);
	write_text(w, "overlayDir", plan->overlay_dir);
	write_text(w, "egress", oc_egress_mode_name(plan->egress.mode));
	write_number(w, "bootNs", (uint64_t)boot.tv_sec * 1000000000 + (uint64_t)boot.tv_nsec);
}

static int write_info(const struct oc_control *c, const struct oc_plan *plan, struct oc_err *err)
{
	oc_auto_buf text = {0};
	struct oc_json_writer w;
	struct timespec now;
	char created[25];

	clock_gettime(CLOCK_REALTIME, &now);
	oc_record_time((int64_t)now.tv_sec * 1000000000 + now.tv_nsec, created);
	oc_jw_init(&w, &text, 0);
	oc_jw_object(&w);
	oc_jw_key(&w, "version");
	oc_jw_int(&w, c->service ? 2 : 1);
	oc_jw_key(&w, "id");
	oc_jw_string(&w, c->id);
	oc_jw_key(&w, "pid");
	oc_jw_int(&w, getpid());
	oc_jw_key(&w, "startTime");
	oc_jw_uint(&w, oc_rundir_start_time(getpid()));
	oc_jw_key(&w, "agent");
	oc_jw_string(&w, plan->agent);
	oc_jw_key(&w, "scopeKey");
	oc_jw_string(&w, plan->scope_key);
	oc_jw_key(&w, "created");
	oc_jw_string(&w, created);
	if (c->service)
		write_kept(plan, &w);
	oc_jw_object_end(&w);
	oc_buf_puts(&text, "\n");
	oc_auto_close fd =
		oc_openat2(c->dir_fd, "info.json", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600,
			   RESOLVE_BENEATH);
	if (fd < 0 || oc_write_all(fd, text.data, text.len) < 0)
		return oc_fail(err, errno, "cannot write info.json of the sandbox");
	return 0;
}

static int listen_on(struct oc_control *c, struct oc_err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	/* Through the descriptor: however long the path of the run directory is, this is short. */
	snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/control", c->dir_fd);
	c->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->listen_fd < 0)
		return oc_fail(err, errno, "cannot make a socket");
	if (bind(c->listen_fd, (struct sockaddr *)&addr, sizeof addr) < 0 ||
	    fchmodat(c->dir_fd, "control", 0600, 0) < 0 ||
	    listen(c->listen_fd, c->service ? BACKLOG_KEPT : BACKLOG) < 0)
		return oc_fail(err, errno, "cannot listen on the control socket of the sandbox");
	return 0;
}

int oc_control_open(struct oc_control *c, const struct oc_plan *plan, struct oc_err *err)
{
	c->plan = plan;
	c->run_fd = oc_rundir_make(plan->state_dir, err);
	if (c->run_fd >= 0) {
		oc_rundir_sweep(c->run_fd);
		c->dir_fd = oc_rundir_new(c->run_fd, c->id, err);
	}
	if (c->dir_fd >= 0 && listen_on(c, err) == 0 && write_info(c, plan, err) == 0)
		return 0;
	oc_control_close(c);
	return -1;
}

int oc_control_log(const struct oc_control *c, struct oc_err *err)
{
	int fd = oc_openat2(c->dir_fd, "egress.jsonl",
			    O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, 0600,
			    RESOLVE_BENEATH);

	return fd >= 0 ? fd : oc_fail(err, errno, "cannot make egress.jsonl of the sandbox");
}

void oc_control_close(struct oc_control *c)
{
	if (c->dir_fd >= 0)
		oc_rundir_remove(c->run_fd, c->dir_fd, c->id);
	else if (c->run_fd >= 0 && c->id[0])
		unlinkat(c->run_fd, c->id, AT_REMOVEDIR); /* killed while it was being made */
	for (unsigned i = 0; i < c->room; i++)
		oc_closep(&c->client[i].fd);
	oc_closep(&c->listen_fd);
	oc_closep(&c->dir_fd);
	oc_closep(&c->run_fd);
	oc_control_init(c);
}

void oc_control_shut(struct oc_control *c)
{
	oc_closep(&c->listen_fd);
	c->listen_fd = -1;
}
