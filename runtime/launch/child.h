/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child - what crosses clone3, and the steps on the far side of it.
 *
 * The parent fills struct oc_child completely before clone3.  Afterwards the child only makes system calls
 * with what is in it: it parses nothing, looks nothing up by name outside of the new root, and does not touch the heap.
 * Each step is one function that either succeeds or fills the error; whether its layer may be missing is decided in
 * one place, oc_child_step().
 */
#ifndef OC_RUNTIME_LAUNCH_CHILD_H
#define OC_RUNTIME_LAUNCH_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>

#include "runtime/launch/aside.h"
#include "runtime/launch/filters.h"
#include "runtime/launch/launch.h"

/* What a bind row needs beyond the plan. */
struct oc_child_mount {
	int tree_fd; /* root: detached, flagged and id-mapped by the parent; else -1 */
	/* Filled by the child: what is mounted there, kept for the Landlock rule of a writable row; or -1. */
	int at_fd;
};

#define OC_DEVICES 6 /* null zero full random urandom tty */

struct oc_child {
	const struct oc_plan *plan;
	const struct oc_launch_options *opt;

	int status_fd;	 /* SEQPACKET to the monitor */
	bool privileged; /* the monitor has CAP_SYS_ADMIN: it wrote the maps and cloned the sources */
	uint64_t clone_flags;
	struct oc_child_mount *mounts; /* plan->mount_count rows */
	int cgroup_tasks_fd[8];	       /* v1: "tasks" of each leaf, opened by the parent */
	int cgroup_tasks_count;
	bool late_cgroup;    /* v1, root: the monitor makes the cgroups meanwhile and sends their tasks files */
	bool wait_for_net;   /* the monitor says when the egress broker serves */
	bool join_cgroup_ns; /* unshare it after the join (v1); on v2 clone3 did it */

	const struct sock_filter *filter; /* of the payload */
	unsigned short filter_len;
	const struct oc_filter *init_filter;
	const struct oc_filter *floor; /* below a profile of the user's own; else NULL */
	/* The command; a runner (runner.c) fills these for every call. */
	char *const *argv;
	char *const *envp;
	const char *path_env; /* where argv[0] is looked for */
	const char *workdir;
	int exec_fd; /* program to run in place of argv[0], or -1 */
	/* A keeper: we wear the payload's Landlock domain (and its filter) ourselves, it inherits them. */
	bool confined, filtered;
	mode_t umask;
	int stdio[3];	    /* descriptors of the payload's 0 1 2, -1: the terminal */
	const char *input_path; /* host path of a regular file that is standard input, to be opened again through a read-only mount; or NULL */
	bool want_pty;
	bool copy_termios;
	struct termios termios;
	struct winsize winsize;
	struct oc_child_overlay {
		int lock_fd; /* of its store, for as long as the sandbox lives; or -1 */
		int tree_fd; /* root: its data directory, detached and id-mapped; else -1 */
		const char *data;
		dev_t dev;
		ino_t ino;
	} overlay; /* see overlay.h */
	int nproc_limit; /* stand-in for pids, 0: none */
	uint64_t data_limit; /* stand-in for memory, 0: none */
	int cpu_limit;	     /* stand-in for cpus: so many processors, 0: all */

	/* filled by the child */
	int root_fd;
	int parent_fd;	       /* directory that held the target of an earlier row, or -1 */
	const char *parent_of; /* that target */
	bool parent_own;       /* it lies in a file system that we made */
	dev_t own_dev[16]; /* file systems that we made: mount points may be created there */
	unsigned own_dev_count;
	int null_fd; /* /dev/null inside, attached, to be cloned; or -1 */
	int device_fd[OC_DEVICES]; /* detached clones of the host's, checked and with their flags */
	int empty_dir_fd; /* an empty directory of ours that is never seen: the one under /proc; or -1 */
	int dev_fd, shm_fd; /* /dev and /dev/shm, for their Landlock rules */
	const struct oc_mount *row; /* argument of the two steps below */
	int point_fd;
	int ruleset_fd;
	int pty_master, pty_slave;
	struct oc_aside aside;
	int proc_fd, sys_fd;
	enum oc_layer_state state[OC_LAYER_COUNT];
	char detail[OC_LAYER_COUNT][96];
	struct oc_err err; /* also written by the payload before its execve, it shares our memory */
	bool exec_failed;
	/* Test build only: name of a layer or step that is left out while we claim it.  Always here: others hold this struct. */
	const char *drop;
};

typedef int (*oc_step_fn)(struct oc_child *c, struct oc_err *err);

/*
 * Run one step of a layer.  On failure: if the plan allows the layer to be missing, it is marked so and 0 is returned;
 * else the error names the layer and -1 is returned.
 */
int oc_child_step(struct oc_child *c, enum oc_layer layer, oc_step_fn fn);
/* Decimal digits of n, without stdio: the far side of clone3 formats with this. Returns a place in buf. */
const char *oc_digits(char buf[24], uint64_t n);
void oc_child_detail(struct oc_child *c, enum oc_layer layer, const char *text);
/* Append to it. */
void oc_child_detail_add(struct oc_child *c, enum oc_layer layer, const char *text);

/* The steps, in the order in which oc_child_main calls them. */
int oc_step_ids(struct oc_child *c, struct oc_err *err);
int oc_step_cgroup_join(struct oc_child *c, struct oc_err *err);
int oc_step_cgroup_ns(struct oc_child *c, struct oc_err *err);
int oc_step_hostname(struct oc_child *c, struct oc_err *err);
/* net.c: runs in the thread of aside.h. */
int oc_step_net(struct oc_child *c, struct oc_err *err);
int oc_step_propagation(struct oc_child *c, struct oc_err *err);
int oc_step_new_root(struct oc_child *c, struct oc_err *err);
int oc_step_rows(struct oc_child *c, struct oc_err *err);
int oc_step_input(struct oc_child *c, struct oc_err *err);
int oc_step_masks(struct oc_child *c, struct oc_err *err);
int oc_step_nested(struct oc_child *c, struct oc_err *err);
int oc_step_nested_proof(struct oc_child *c, struct oc_err *err);
int oc_step_pivot(struct oc_child *c, struct oc_err *err);
int oc_step_keyring(struct oc_child *c, struct oc_err *err);
int oc_step_tty(struct oc_child *c, struct oc_err *err);
int oc_step_ruleset(struct oc_child *c, struct oc_err *err);
int oc_step_securebits(struct oc_child *c, struct oc_err *err);
int oc_step_caps(struct oc_child *c, struct oc_err *err);
int oc_step_no_new_privs(struct oc_child *c, struct oc_err *err);
int oc_step_descriptors(struct oc_child *c, struct oc_err *err);

/* In the payload only. */
int oc_step_rlimits(struct oc_child *c, struct oc_err *err);
int oc_step_affinity(struct oc_child *c, struct oc_err *err);
int oc_step_landlock(struct oc_child *c, struct oc_err *err);
int oc_step_seccomp(struct oc_child *c, struct oc_err *err);
int oc_filter_load(const struct sock_filter *insns, size_t count, struct oc_err *err);

/* Rows with a layer of their own: c->row is mounted on c->point_fd. */
int oc_step_dev(struct oc_child *c, struct oc_err *err);
int oc_step_devices(struct oc_child *c, struct oc_err *err);
int oc_step_proc_make(struct oc_child *c, struct oc_err *err);
int oc_step_proc_attach(struct oc_child *c, struct oc_err *err);
/* Detached clone of /dev/null. */
int oc_dev_clone_null(struct oc_child *c, struct oc_err *err);
int oc_mount_sysfs(struct oc_child *c, int point_fd, struct oc_err *err);
/*
 * A mount of ours, all of whose writers have closed, becomes read-only.  Somebody on the host who looks into /proc/PID/fd just then
 * holds a file a moment longer than we do: EBUSY, which passes.
 */
int oc_mount_read_only(int fd);
/* New tmpfs; returns its detached mount. */
int oc_mount_tmpfs(uint64_t size, uint64_t inodes, mode_t mode, unsigned attrs, struct oc_err *err);

/* First function on the far side; never returns. */
_Noreturn void oc_child_main(struct oc_child *c);
/* Say OC_MSG_READY. */
void oc_child_say_ready(struct oc_child *c);
/* pid 1 after the payload was started: say so, reap, forward, report.  Never returns. */
_Noreturn void oc_init_loop(struct oc_child *c, pid_t payload, int signal_fd);
/* pid 1 of a sandbox that is kept, and what it starts: see call.h.  Never return. */
_Noreturn void oc_keeper_main(struct oc_child *c, int signal_fd);
_Noreturn void oc_runner_main(struct oc_child *c, int sock, const int *tasks, int count);
/* Start the payload; returns its pid, or -1 with c->err (exec_failed says whether the sandbox itself was fine). */
pid_t oc_payload_start(struct oc_child *c);

/* --- messages on the status socket --- */
enum oc_msg_type {
	OC_MSG_ERROR = 1, /* child: the sandbox could not be made */
	OC_MSG_READY,	  /* child: all layers are up, the payload runs; with the pty master if there is one; value 1: and last the workspace in memory */
	OC_MSG_NOEXEC,	  /* child: the sandbox was made, but the program could not be executed */
	OC_MSG_EXIT,	  /* init: the payload ended */
	OC_MSG_NET,	  /* child: the inside of the network is made; with its sockets */
	OC_MSG_GO,	  /* monitor: the id maps are written; or: the egress broker serves */
	OC_MSG_CGROUP,	  /* monitor: the cgroups are made; with their tasks files */
	OC_MSG_SIGNAL,	  /* monitor: send value to the payload's process group */
	OC_MSG_RUNNER,	  /* monitor: start runner value; with its socket and what it joins */
	OC_MSG_END,	  /* monitor: end runner value and all that descends from it */
	OC_MSG_GONE,	  /* keeper: that is done, or it ended by itself; err if it could not be started */
};
struct oc_msg {
	uint32_t type;
	int32_t value; /* wait status, signal, number of a runner */
	struct rusage usage;
	struct oc_err err;
	enum oc_layer_state state[OC_LAYER_COUNT];
	char detail[OC_LAYER_COUNT][96];
};
/* fd: descriptor to pass along, or -1. */
int oc_msg_send(int sock, const struct oc_msg *m, int fd);
/* The same with up to OC_MSG_FDS of them. */
#define OC_MSG_FDS 5
int oc_msg_send_fds(int sock, const struct oc_msg *m, const int *fds, size_t count);
ssize_t oc_msg_recv_fds(int sock, struct oc_msg *m, int fds[OC_MSG_FDS]);
/* What came with OC_MSG_NET, -1 where nothing came. */
struct oc_net_sockets;
void oc_msg_sockets(const int fds[OC_MSG_FDS], struct oc_net_sockets *s);
/* Returns the bytes read, 0 at the end, -1 with errno; *fd is -1 if none came. */
ssize_t oc_msg_recv(int sock, struct oc_msg *m, int *fd);

#endif
