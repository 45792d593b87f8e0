/* SPDX-License-Identifier: Apache-2.0 */
/*
 * activity - see activity.h.
 */
#include "runtime/session/activity.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/launch/rundir.h"

uint64_t oc_activity_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

struct oc_activity *oc_activity_make(int dir_fd, struct oc_err *err)
{
	const struct oc_activity first = {.magic = OC_ACTIVITY_MAGIC,
					  .state = OC_ACTIVITY_STARTING,
					  .used_ns = oc_activity_clock()};
	oc_auto_close fd =
		oc_openat2(dir_fd, OC_ACTIVITY_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600,
			   RESOLVE_BENEATH);

	/* Written, not only made longer: a full file system is an error now, not SIGBUS later. */
	if (fd < 0 || oc_write_all(fd, &first, sizeof first) < 0) {
		oc_fail(err, errno, "cannot make the file %s of the sandbox", OC_ACTIVITY_FILE);
		return NULL;
	}
	void *p = mmap(NULL, sizeof first, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		oc_fail(err, errno, "cannot map the file %s of the sandbox", OC_ACTIVITY_FILE);
		return NULL;
	}
	return p;
}

void oc_activity_note(struct oc_activity *p, enum oc_activity_state state, unsigned calls)
{
	__atomic_store_n(&p->used_ns, oc_activity_clock(), __ATOMIC_RELAXED);
	__atomic_store_n(&p->calls, calls, __ATOMIC_RELAXED);
	__atomic_store_n(&p->state, (uint32_t)state, __ATOMIC_RELAXED);
}

int oc_activity_read(int dir_fd, struct oc_activity *out)
{
	union {
		struct oc_activity a;
		char bytes[sizeof(struct oc_activity) + 1];
	} u;

	if (oc_rundir_read(dir_fd, OC_ACTIVITY_FILE, u.bytes, sizeof u.bytes) !=
		    (ssize_t)sizeof u.a ||
	    u.a.magic != OC_ACTIVITY_MAGIC || u.a.state > OC_ACTIVITY_STOPPING)
		return -1;
	*out = u.a;
	return 0;
}

uint64_t oc_activity_idle_ms(const struct oc_activity *p)
{
	uint64_t now = oc_activity_clock();

	return p->calls || now < p->used_ns ? 0 : (now - p->used_ns) / 1000000;
}
