/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of calls below the leaf of a sandbox: with the cgroups of this host (v1 or v2) as far as
 * the caller gets any, and without.
 */
#include "tests/unit/cm.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "runtime/launch/cgroup_call.h"

#define MIB (1u << 20)

static struct oc_plan plan = {.memory_bytes = 64 * MIB, .pids = 16, .cpu_millis = 1000};
static struct oc_cgroup group;

static int begin(void **state)
{
	struct oc_err err = {0};

	(void)state;
	oc_cgroup_init(&group);
	group.nested = true;
	if (oc_cgroup_create(&group, &plan, &err) < 0)
		printf("# no cgroup: %s\n", err.msg);
	else
		printf("# %s\n", group.detail);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return oc_cgroup_remove(&group);
}

#define NEEDS_GROUP()                                                                              \
	do {                                                                                       \
		if (group.kind == OC_CGROUP_NONE || group.missing)                                 \
			skip();                                                                    \
	} while (0)

/* A process in the group of a call; body runs there. */
static pid_t in_call(const struct oc_cgroup_call *c, int (*body)(void))
{
	struct oc_err err = {0};
	int go[2], joined[2];
	char byte;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(joined), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(go[1]);
		close(joined[0]);
		for (int i = 0; i < OC_CG_COUNT; i++)
			if (c->own.tasks[i] >= 0 && write(c->own.tasks[i], "0", 1) != 1)
				_exit(99);
		close(joined[1]);
		if (read(go[0], &byte, 1) != 1)
			_exit(98);
		_exit(body());
	}
	close(go[0]);
	close(joined[1]);
	assert_int_equal(read(joined[0], &byte, 1), 0);
	close(joined[0]);
	if (oc_cgroup_call_join(c, pid, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(write(go[1], "x", 1), 1);
	close(go[1]);
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void create(struct oc_cgroup_call *c, unsigned number, struct oc_call_limits limits)
{
	struct oc_err err = {0};

	if (oc_cgroup_call_create(c, &group, &plan, number, &limits, &err) < 0)
		fail_msg("%s", err.msg);
}

static void limit(struct oc_cgroup_call *c, struct oc_call_limits limits)
{
	struct oc_err err = {0};

	if (oc_cgroup_call_limit(c, &limits, &err) < 0)
		fail_msg("%s", err.msg);
}

static void drop(struct oc_cgroup_call *c)
{
	assert_int_equal(oc_cgroup_call_remove(c), 0);
	assert_int_equal(c->own.leaf[0], -1);
}

/* How many children it gets, up to 12. */
static int fork_many(void)
{
	pid_t pid[12];
	int n = 0;

	while (n < 12 && (pid[n] = fork()) >= 0) {
		if (pid[n] == 0) {
			pause();
			_exit(0);
		}
		n++;
	}
	for (int i = 0; i < n; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	return n;
}

static int fill(size_t size)
{
	volatile char *p =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < size; i += 4096)
		p[i] = 1;
	munmap((void *)(uintptr_t)p, size);
	return 0;
}

static int fill_8(void)
{
	return fill(8 * MIB);
}

static int fill_32(void)
{
	return fill(32 * MIB);
}

static int fill_200(void)
{
	return fill(200 * MIB);
}

static int burn(void)
{
	struct timespec t;

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	while (t.tv_sec == 0 && t.tv_nsec < 200000000);
	return 0;
}

static void test_pids(void **state)
{
	struct oc_cgroup_call a, b;
	struct oc_cgroup_usage u;

	(void)state;
	NEEDS_GROUP();
	create(&a, 1, (struct oc_call_limits){.pids = 4});
	create(&b, 2, (struct oc_call_limits){0});
	/* The first process stands for the runner, which is not counted: 4 more. */
	assert_int_equal(WEXITSTATUS(status_of(in_call(&a, fork_many))), 4);
	oc_cgroup_call_usage(&a, &u);
	assert_int_equal(u.pids_refused, 1);
	assert_int_equal(u.pids_peak, 4);
	/* Its limit is not the other's, and is not the sandbox's. */
	assert_int_equal(WEXITSTATUS(status_of(in_call(&b, fork_many))), 12);
	oc_cgroup_call_usage(&b, &u);
	assert_int_equal(u.pids_refused, 0);
	/* The next call of the same runner: nothing of the last one counts. */
	limit(&a, (struct oc_call_limits){.pids = 6});
	oc_cgroup_call_usage(&a, &u);
	assert_int_equal(u.pids_refused, 0);
	assert_int_equal(u.pids_peak, 0);
	assert_int_equal(WEXITSTATUS(status_of(in_call(&a, fork_many))), 6);
	oc_cgroup_call_usage(&a, &u);
	assert_int_equal(u.pids_refused, 1);
	assert_int_equal(u.pids_peak, 6);
	limit(&a, (struct oc_call_limits){0});
	assert_int_equal(WEXITSTATUS(status_of(in_call(&a, fork_many))), 12);
	drop(&a);
	drop(&b);
}

/* The sandbox's limit holds for both together. */
static void test_pids_of_the_sandbox(void **state)
{
	struct oc_cgroup_call a, b;
	int together = 0;

	(void)state;
	NEEDS_GROUP();
	create(&a, 1, (struct oc_call_limits){.pids = 1000});
	create(&b, 2, (struct oc_call_limits){0});
	pid_t pid[12];
	for (int i = 0; i < 12; i++)
		pid[i] = in_call(&a, pause);
	together = WEXITSTATUS(status_of(in_call(&b, fork_many)));
	for (int i = 0; i < 12; i++) {
		kill(pid[i], SIGKILL);
		status_of(pid[i]);
	}
	assert_int_equal(together, 16 - 12 - 1);
	drop(&a);
	drop(&b);
}

static void test_memory(void **state)
{
	struct oc_cgroup_call a, b;
	struct oc_cgroup_usage u;

	(void)state;
	NEEDS_GROUP();
	create(&a, 1, (struct oc_call_limits){.memory_bytes = 16 * MIB});
	create(&b, 2, (struct oc_call_limits){0});
	oc_auto_close event = oc_cgroup_call_oom_event(&a);
	oc_auto_close other = oc_cgroup_call_oom_event(&b);
	assert_int_equal(status_of(in_call(&a, fill_8)), 0);
	oc_cgroup_call_usage(&a, &u);
	assert_in_range(u.memory_peak, 8 * MIB, 16 * MIB);
	assert_int_equal(u.oom_kills, 0);
	assert_int_equal(WTERMSIG(status_of(in_call(&a, fill_32))), SIGKILL);
	oc_cgroup_call_usage(&a, &u);
	assert_true(u.oom_kills > 0);
	if (group.kind == OC_CGROUP_V1) {
		struct pollfd p[2] = {{.fd = event, .events = POLLIN},
				      {.fd = other, .events = POLLIN}};
		assert_int_equal(poll(p, 2, 1000), 1);
		assert_true(p[0].revents & POLLIN);
	}
	assert_int_equal(status_of(in_call(&b, fill_32)), 0);
	oc_cgroup_call_usage(&b, &u);
	assert_in_range(u.memory_peak, 32 * MIB, 64 * MIB);
	assert_int_equal(u.oom_kills, 0);
	/* The next call of the first. */
	limit(&a, (struct oc_call_limits){0});
	oc_cgroup_call_usage(&a, &u);
	assert_int_equal(u.oom_kills, 0);
	assert_int_equal(status_of(in_call(&a, fill_8)), 0);
	oc_cgroup_call_usage(&a, &u);
	if (u.memory_peak) /* v2 before 6.12 does not know */
		assert_in_range(u.memory_peak, 8 * MIB, 16 * MIB);
	assert_int_equal(status_of(in_call(&a, fill_32)), 0);
	/* Within the sandbox's: the call dies, and only that. */
	pid_t idle = in_call(&b, pause);
	assert_int_equal(WTERMSIG(status_of(in_call(&a, fill_200))), SIGKILL);
	oc_cgroup_call_usage(&a, &u);
	assert_true(u.oom_kills > 0);
	oc_cgroup_call_usage(&b, &u);
	assert_int_equal(u.oom_kills, 0);
	assert_int_equal(waitpid(idle, NULL, WNOHANG), 0);
	kill(idle, SIGKILL);
	status_of(idle);
	drop(&a);
	drop(&b);
}

static uint64_t ms_of(int (*body)(void), const struct oc_cgroup_call *c)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(status_of(in_call(c, body)), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (uint64_t)((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
}

static void test_cpu(void **state)
{
	struct oc_cgroup_call a;
	struct oc_cgroup_usage u;

	(void)state;
	NEEDS_GROUP();
	create(&a, 1, (struct oc_call_limits){.cpu_millis = 200});
	/* 200 ms at a fifth of a processor. */
	assert_in_range(ms_of(burn, &a), 600, 100000);
	oc_cgroup_call_usage(&a, &u);
	if (group.kind == OC_CGROUP_V2)
		assert_in_range(u.cpu_user_us + u.cpu_system_us, 190000, 2000000);
	/* More than the sandbox has: as the sandbox has it. */
	limit(&a, (struct oc_call_limits){.cpu_millis = 64000});
	oc_cgroup_call_usage(&a, &u);
	assert_int_equal(u.cpu_user_us, 0);
	limit(&a, (struct oc_call_limits){0});
	drop(&a);
}

static void test_busy(void **state)
{
	struct oc_cgroup_call a, again;

	(void)state;
	NEEDS_GROUP();
	create(&a, 7, (struct oc_call_limits){0});
	pid_t pid = in_call(&a, pause);
	assert_int_equal(oc_cgroup_call_remove(&a), -1);
	assert_int_equal(errno, EBUSY);
	kill(pid, SIGKILL);
	status_of(pid);
	drop(&a);
	/* One that was left behind does not stand in the way. */
	assert_int_equal(mkdirat(group.leaf[0], "call-7", 0755), 0);
	create(&again, 7, (struct oc_call_limits){0});
	drop(&again);
}

/* What the janitor does: groups in the leaf go with it, and those that another call has left. */
static void test_all_at_once(void **state)
{
	struct oc_cgroup_call c[3];
	struct oc_cgroup g;
	struct oc_err err = {0};
	struct stat st;

	(void)state;
	NEEDS_GROUP();
	oc_cgroup_init(&g);
	g.nested = true;
	assert_int_equal(oc_cgroup_create(&g, &plan, &err), 0);
	char name[sizeof g.name];
	strcpy(name, g.name);
	for (unsigned i = 0; i < 3; i++) {
		struct oc_call_limits none = {0};
		assert_int_equal(oc_cgroup_call_create(&c[i], &g, &plan, i, &none, &err), 0);
	}
	int parent = dup(g.parent[0]);
	assert_int_equal(oc_cgroup_remove(&g), 0);
	assert_int_equal(fstatat(parent, name, &st, 0), -1);
	close(parent);
	for (unsigned i = 0; i < 3; i++) {
		c[i].in = &group;
		drop(&c[i]);
	}
}

static void test_without(void **state)
{
	struct oc_cgroup none;
	struct oc_cgroup_call c;
	struct oc_cgroup_usage u;
	struct oc_err err = {0};

	(void)state;
	oc_cgroup_init(&none);
	struct oc_call_limits l = {.memory_bytes = 16 * MIB};
	assert_int_equal(oc_cgroup_call_create(&c, &none, &plan, 1, &l, &err), 0);
	assert_int_equal(c.own.kind, OC_CGROUP_NONE);
	assert_int_equal(c.data_limit, 16 * MIB);
	assert_int_equal(oc_cgroup_call_join(&c, getpid(), &err), 0);
	oc_cgroup_call_usage(&c, &u);
	assert_int_equal(u.memory_peak, 0);
	assert_int_equal(oc_cgroup_call_oom_event(&c), -1);
	l = (struct oc_call_limits){.pids = 4};
	assert_int_equal(oc_cgroup_call_limit(&c, &l, &err), -1);
	assert_non_null(strstr(err.msg, "its own limit of processes"));
	l = (struct oc_call_limits){.cpu_millis = 4};
	assert_int_equal(oc_cgroup_call_limit(&c, &l, &err), -1);
	assert_non_null(strstr(err.msg, "its own limit of cpus"));
	/* What the sandbox has, too, needs nothing of its own. */
	l = (struct oc_call_limits){.pids = 16, .cpu_millis = 1000, .memory_bytes = 64 * MIB};
	assert_int_equal(oc_cgroup_call_limit(&c, &l, &err), 0);
	assert_int_equal(c.data_limit, 0);
	l = (struct oc_call_limits){.memory_bytes = 4096};
	assert_int_equal(oc_cgroup_call_limit(&c, &l, &err), -1);
	assert_int_equal(oc_cgroup_call_remove(&c), 0);
	assert_int_equal(oc_cgroup_call_remove(&c), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pids),	cmocka_unit_test(test_pids_of_the_sandbox),
		cmocka_unit_test(test_memory),	cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_busy),	cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_without),
	};

	if (cm_skip_without_openat2())
		return 0;
	return cmocka_run_group_tests(tests, begin, end);
}
