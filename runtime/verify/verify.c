/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify - see verify.h.  The probe runs in the sandbox of the plan, its answers are put next to
 * the claims.
 */
#include "runtime/verify/verify.h"
#include "runtime/launch/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "runtime/verify/claims.h"
#include "runtime/verify/kept.h"
#include "runtime/verify/outside.h"
#include "runtime/verify/probe.h"

/* Limits are tried by effect on at most this much. */
#define TRY_MEMORY (UINT64_C(96) << 20)
#define TRY_PIDS   UINT64_C(512)
/* A run with 10,000 binds takes seconds. */
#define RUN_MS UINT64_C(300000)

const char *oc_verdict_name(enum oc_verdict v)
{
	switch (v) {
	case OC_VERDICT_OK:
		return "ok";
	case OC_VERDICT_DIFFERS:
		return "differs";
	case OC_VERDICT_UNTRIED:
		return "untried";
	case OC_VERDICT_MISSING:
		return "missing";
	}
	return "?";
}

/* --- the probe's program --- */

static int find_probe(const char *path, struct oc_err *err)
{
	if (path) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		return fd >= 0 ? fd : oc_fail(err, errno, "cannot open %s", path);
	}
	return oc_helper_open("oc-probe", err);
}

/* A sealed copy: inside there is no path to it, and nobody can change it meanwhile. */
static int load_probe(const char *path, struct oc_err *err)
{
	oc_auto_close src = find_probe(path, err);

	return src < 0 ? -1 : oc_helper_seal(src, "oc-probe", err);
}

/* --- what is put up on the host --- */

struct trap {
	int tcp, abstract, root, sock, leak;
	void *shm;
};

static void trap_close(struct trap *t)
{
	oc_closep(&t->tcp);
	oc_closep(&t->abstract);
	oc_closep(&t->root);
	oc_closep(&t->sock);
	oc_closep(&t->leak);
	if (t->shm)
		shmdt(t->shm);
}

static int trap_sockets(struct trap *t, struct oc_verify_bait *b, struct oc_err *err)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(sin);
	unsigned char rnd[8];

	t->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (t->tcp < 0 || bind(t->tcp, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    listen(t->tcp, 4) < 0 || getsockname(t->tcp, (struct sockaddr *)&sin, &len) < 0)
		return oc_fail(err, errno, "cannot listen on the loopback interface");
	b->port = ntohs(sin.sin_port);
	if (getrandom(rnd, sizeof(rnd), 0) != (ssize_t)sizeof(rnd))
		return oc_fail(err, errno, "getrandom");
	snprintf(b->abstract_name, sizeof(b->abstract_name),
		 "oc-verify-%02x%02x%02x%02x%02x%02x%02x%02x", rnd[0], rnd[1], rnd[2], rnd[3],
		 rnd[4], rnd[5], rnd[6], rnd[7]);
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(b->abstract_name));
	memcpy(sun.sun_path + 1, b->abstract_name, strlen(b->abstract_name));
	t->abstract = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	t->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (t->abstract < 0 || t->sock < 0 || bind(t->abstract, (struct sockaddr *)&sun, len) < 0 ||
	    listen(t->abstract, 4) < 0)
		return oc_fail(err, errno, "cannot listen on an abstract socket");
	return 0;
}

static int trap_set(struct trap *t, struct oc_verify_bait *b, struct oc_err *err)
{
	static const char *const ns[] = {"user", "mnt", "pid", "ipc", "uts", "cgroup", "net"};
	char path[64];
	struct stat st;

	*t = (struct trap){-1, -1, -1, -1, -1, NULL};
	if (trap_sockets(t, b, err) < 0)
		return -1;
	/* Marked for removal at once: it lives as long as we are attached, and is not left behind
	 * if we are killed. */
	b->shm_id = shmget(IPC_PRIVATE, 4096, 0666);
	if (b->shm_id < 0)
		return oc_fail(err, errno, "cannot make a System V segment");
	void *shm = shmat(b->shm_id, NULL, 0);
	int e = errno;
	shmctl(b->shm_id, IPC_RMID, NULL);
	if ((intptr_t)shm == -1)
		return oc_fail(err, e, "cannot attach a System V segment");
	t->shm = shm;
	t->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->root < 0 || fstat(t->root, &st) < 0)
		return oc_fail(err, errno, "cannot open /");
	b->root_major = major(st.st_dev);
	b->root_minor = minor(st.st_dev);
	/* And one that a careless program leaves open, without the flag that closes it. */
	t->leak = fcntl(t->root, F_DUPFD, 40);
	if (t->leak < 0)
		return oc_fail(err, errno, "cannot duplicate a descriptor");
	for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", ns[i]);
		if (readlink(path, b->ns[i], sizeof(b->ns[i]) - 1) < 0)
			return oc_fail(err, errno, "cannot read %s", path);
	}
	b->landlock_abi =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct statfs fs;
	b->keys_readable = statfs("/proc/keys", &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
	b->keyring = syscall(SYS_keyctl, 0UL, -3L, 0UL, 0UL, 0UL);
	return 0;
}

/* --- one run --- */

/* The records for the probe: claims that are answered inside, in their order; number 0 asks itself.
 */
static int write_input(const struct oc_claims *c, unsigned **numbers, struct oc_err *err)
{
	oc_auto_close fd = memfd_create("oc-verify-input", MFD_CLOEXEC);
	oc_auto_buf text = {0};
	unsigned next = 1;

	*numbers = oc_arena_array(c->arena, c->count + 2, sizeof(**numbers));
	for (size_t i = 0; i < c->count; i++) {
		const struct oc_claim *r = &c->row[i];

		if (r->outside || strcmp(r->probe, "descriptors.open") == 0)
			continue;
		oc_buf_puts(&text, r->probe);
		if (*r->arg) {
			oc_buf_puts(&text, " ");
			oc_buf_puts(&text, r->arg);
		}
		oc_buf_add(&text, "", 1);
		(*numbers)[next++] = (unsigned)i;
	}
	if (fd < 0 || oc_write_all(fd, text.data, text.len) < 0)
		return oc_fail(err, errno, "cannot write the probe's input");
	return oc_steal_fd(&fd);
}

static int hand_over(int sock, int input, const struct trap *t, struct oc_err *err)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * OC_PROBE_FD_COUNT)];
	} control = {0};
	const int fds[OC_PROBE_FD_COUNT] = {[OC_PROBE_FD_INPUT] = input,
					    [OC_PROBE_FD_ROOT] = t->root,
					    [OC_PROBE_FD_SOCK] = t->sock};
	char byte = 'F';
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) != 1)
		return oc_fail(err, errno, "cannot pass descriptors to the probe");
	return 0;
}

/* Put one line of output into the row that it answers. */
static void take_line(struct oc_arena *a, const char *line, size_t len, const unsigned *numbers,
		      const struct oc_claims *c, struct oc_verify_row *rows)
{
	struct oc_json *v, *id, *name, *observed, *detail;
	struct oc_err ignore;
	int64_t n;

	if (oc_json_parse(a, line, len, "oc-probe", &v, &ignore) < 0)
		return;
	id = oc_json_get(v, "id");
	name = oc_json_get(v, "probe");
	observed = oc_json_get(v, "observed");
	detail = oc_json_get(v, "detail");
	if (!id || !name || !observed || !detail || name->type != OC_JSON_STRING ||
	    observed->type != OC_JSON_STRING || detail->type != OC_JSON_STRING ||
	    oc_json_int(a, id, 0, (int64_t)c->count, &n, &ignore) < 0)
		return;
	for (size_t i = 0; i < c->count; i++) {
		bool own = c->row[i].outside ? (size_t)n == i
			   : strcmp(c->row[i].probe, "descriptors.open") == 0
				   ? n == 0
				   : n > 0 && numbers[n] == i;

		if (own && strcmp(c->row[i].probe, name->string) == 0) {
			rows[i].observed = observed->string;
			rows[i].detail = detail->string;
			return;
		}
	}
}

static int take_output(int fd, const unsigned *numbers, const struct oc_claims *c,
		       struct oc_verify_row *rows, struct oc_err *err)
{
	oc_auto_buf text = {0};

	if (lseek(fd, 0, SEEK_SET) < 0 || oc_read_all(fd, &text, 64u << 20) < 0)
		return oc_fail(err, errno, "cannot read the probe's output");
	for (size_t at = 0; at < text.len;) {
		const char *end = memchr(text.data + at, '\n', text.len - at);
		size_t len = end ? (size_t)(end - (text.data + at)) : text.len - at;

		take_line(c->arena, text.data + at, len, numbers, c, rows);
		at += len + 1;
	}
	return 0;
}

static pid_t start_helper(int sock, int theirs, int pipe_fd, int pipe_write, int out,
			  const struct oc_claims *c, const struct oc_plan *plan)
{
	int started[2];
	char byte;

	if (pipe2(started, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		close(theirs);
		close(pipe_write);
		close(started[0]);
		oc_outside_run(sock, pipe_fd, out, started[1], c, plan);
		_exit(0);
	}
	/* Until it has seen the host without the sandbox. */
	close(started[1]);
	if (pid > 0)
		(void)!read(started[0], &byte, 1);
	close(started[0]);
	return pid;
}

static int run_probe(const struct oc_plan *plan, int program, const struct trap *t,
		     const struct oc_claims *c, oc_verify_run_fn run, struct oc_verify_row *rows,
		     struct oc_result *res, struct oc_err *err)
{
	char name[] = "oc-probe";
	char *const argv[] = {name, NULL};
	struct oc_plan copy = *plan;
	unsigned *numbers;
	int sv[2], p[2], one = 1, r;
	oc_auto_close input = write_input(c, &numbers, err);
	oc_auto_close out = memfd_create("oc-verify-output", MFD_CLOEXEC);

	if (input < 0)
		return -1;
	if (out < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return oc_fail(err, errno, "cannot talk to the probe");
	oc_auto_close ours = sv[0];
	oc_auto_close theirs = sv[1];
	if (pipe2(p, O_CLOEXEC) < 0)
		return oc_fail(err, errno, "cannot talk to the probe");
	oc_auto_close from = p[0];
	oc_auto_close to = p[1];
	/* Both ends of the handshake: the helper must be told who sends. */
	if (hand_over(ours, input, t, err) < 0 ||
	    setsockopt(ours, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0)
		return -1;
	pid_t helper = start_helper(ours, theirs, from, to, out, c, plan);
	if (helper < 0)
		return oc_fail(err, errno, "fork");
	close(oc_steal_fd(&ours));
	close(oc_steal_fd(&from));

	copy.argv = argv;
	copy.tty = OC_TTY_NO;
	/* The command's time limit is not ours, but nothing here may hang. */
	copy.timeout_ms = RUN_MS;
	struct oc_launch_options opt = {.in = theirs, .out = to, .err = to, .exec_fd = program};
	r = run(&copy, &opt, res, err);
	close(oc_steal_fd(&theirs));
	close(oc_steal_fd(&to));
	while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
		;
	if (r == 0 && (res->status == 126 || res->status == 127) && res->error.msg[0]) {
		*err = res->error;
		return oc_err_context(err, "oc-probe");
	}
	return r < 0 ? -1 : take_output(out, numbers, c, rows, err);
}

/* --- judgement --- */

static enum oc_layer layer_of(const char *probe)
{
	char name[32];
	size_t n = strcspn(probe, ".");
	int l;

	snprintf(name, sizeof(name), "%.*s", (int)n, probe);
	l = oc_layer_find(name);
	return l < 0 ? OC_LAYER_COUNT : (enum oc_layer)l;
}

static bool may_be_missing(const struct oc_plan *plan, const struct oc_result *res, enum oc_layer l)
{
	if (res->layer[l] == OC_STATE_MISSING)
		return plan->may_be_missing & OC_LAYER_BIT(l);
	/* Stand-ins for cgroup limits are not as exact, and the result says that they are what
	 * there is. */
	return l == OC_LAYER_CGROUP && res->layer[l] == OC_STATE_PARTIAL && !plan->require_cgroup;
}

static void judge(const struct oc_plan *plan, const struct oc_result *res, const struct oc_claim *c,
		  struct oc_verify_row *row)
{
	if (oc_claim_holds(c, plan, row->observed, row->detail))
		row->verdict = OC_VERDICT_OK;
	else if (row->layer < OC_LAYER_COUNT && may_be_missing(plan, res, row->layer))
		row->verdict = OC_VERDICT_MISSING;
	else if (strcmp(row->observed, "none") == 0 || strcmp(row->observed, "error") == 0)
		row->verdict = OC_VERDICT_UNTRIED;
	else
		row->verdict = OC_VERDICT_DIFFERS;
}

static struct oc_verify_row *empty_rows(const struct oc_claims *c)
{
	struct oc_verify_row *rows = oc_arena_array(c->arena, c->count + 1, sizeof(*rows));

	for (size_t i = 0; i < c->count; i++)
		rows[i] = (struct oc_verify_row){.layer = layer_of(c->row[i].probe),
						 .probe = c->row[i].probe,
						 .object = c->row[i].object,
						 .claimed = c->row[i].words,
						 .observed = "none",
						 .detail = ""};
	return rows;
}

static void set_row(const struct oc_claims *c, struct oc_verify_row *rows, const char *probe,
		    const char *detail)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->row[i].probe, probe) == 0) {
			rows[i].observed = "value";
			rows[i].detail = detail;
		}
}

/* A refusal that the broker did not decide on may be one by chance: its own words are asked, too.
 */
static void take_records(const struct oc_claims *c, const struct oc_egress_report *r,
			 struct oc_verify_row *rows)
{
	for (size_t i = 0; r->counted && i < c->count; i++) {
		const char *probe = c->row[i].probe;
		if (strcmp(probe, "net.name-recorded") != 0 &&
		    strcmp(probe, "net.address-recorded") != 0)
			continue;
		rows[i].observed = "value";
		rows[i].detail = "nothing of that kind";
		for (unsigned k = 0; k < OC_EGRESS_REASONS; k++)
			if (r->reasons[k] &&
			    strcmp(c->row[i].text, oc_egress_reason_id((enum oc_egress_reason)k)) ==
				    0)
				rows[i].detail = c->row[i].text;
	}
	if (r->packets_counted)
		set_row(c, rows, "net.datagram-counted", r->packets.udp ? "yes" : "no");
}

/* Limits by effect: a sandbox of its own, for the memory one may be its end. */
static int run_limits(const struct oc_plan *plan, int program, const struct trap *t,
		      oc_verify_run_fn run, struct oc_claims *c, struct oc_verify_row **rows,
		      struct oc_result *res, struct oc_err *err)
{
	struct oc_plan small = *plan;

	if (small.memory_bytes > TRY_MEMORY)
		small.memory_bytes = TRY_MEMORY;
	if (small.pids > TRY_PIDS)
		small.pids = TRY_PIDS;
	/* Not so many that they reach the limit of memory first: one costs the kernel about 100 KB.
	 */
	const uint64_t room = small.memory_bytes / (384u << 10);
	if (small.pids > room)
		small.pids = room > 8 ? room : 8;
	small.swap_bytes = 0;
	oc_claims_limits(c, &small, plan);
	*rows = empty_rows(c);
	if (run_probe(&small, program, t, c, run, *rows, res, err) < 0)
		return oc_err_context(err, "the sandbox with small limits");
	/* Killed with everything else in it: as refused as can be. */
	struct oc_verify_row *last = &(*rows)[c->count - 1];
	if (strcmp(last->observed, "none") == 0 && res->cause == OC_CAUSE_OOM) {
		last->observed = "killed";
		last->detail = "the whole sandbox";
	}
	return 0;
}

int oc_verify_with(const struct oc_plan *plan, const char *probe_path, oc_verify_run_fn run,
		   struct oc_verify_report *rep, struct oc_err *err)
{
	struct oc_verify_bait bait = {0};
	struct oc_claims claims = {.arena = plan->arena}, limits = {.arena = plan->arena};
	struct oc_verify_row *rows, *limit_rows = NULL;
	struct oc_result second = {0};
	struct trap t;
	int r = -1;

	memset(rep, 0, sizeof(*rep));
	bait.kept = run == oc_verify_run_kept;
	oc_plan_hash(plan, rep->plan_hash);
	oc_auto_close program = load_probe(probe_path, err);
	if (program < 0)
		return oc_err_step(err, "verify");
	if (trap_set(&t, &bait, err) == 0) {
		oc_claims_build(&claims, plan, &bait);
		rows = empty_rows(&claims);
		r = run_probe(plan, program, &t, &claims, run, rows, &rep->result, err);
		take_records(&claims, &rep->result.egress, rows);
		if (r == 0)
			r = run_limits(plan, program, &t, run, &limits, &limit_rows, &second, err);
	}
	trap_close(&t);
	if (r < 0)
		return oc_err_step(err, "verify");

	rep->rows = oc_arena_array(plan->arena, claims.count + limits.count, sizeof(*rep->rows));
	for (size_t i = 0; i < claims.count + limits.count; i++) {
		bool first = i < claims.count;
		struct oc_verify_row *row = &rep->rows[rep->count++];

		*row = first ? rows[i] : limit_rows[i - claims.count];
		judge(plan, first ? &rep->result : &second,
		      first ? &claims.row[i] : &limits.row[i - claims.count], row);
		rep->differs +=
			row->verdict == OC_VERDICT_DIFFERS || row->verdict == OC_VERDICT_UNTRIED;
		rep->missing += row->verdict == OC_VERDICT_MISSING;
	}
	return 0;
}

int oc_verify_plan(const struct oc_plan *plan, bool keep, struct oc_verify_report *rep,
		   struct oc_err *err)
{
	return oc_verify_with(plan, NULL, keep ? oc_verify_run_kept : oc_launch_run, rep, err);
}
