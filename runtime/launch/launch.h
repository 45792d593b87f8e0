/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch - turns a plan into a running sandbox, runs its command, and takes everything away again.
 *
 * May: create namespaces, mounts inside them, cgroups below its own, one scratch directory in the state directory.
 * Must not: parse, look a name up, or allocate from the heap after clone3; go on after a failed security step.
 */
#ifndef OC_RUNTIME_LAUNCH_LAUNCH_H
#define OC_RUNTIME_LAUNCH_LAUNCH_H

#include "netns/setup/setup.h"
#include "runtime/plan/guard.h"
#include "runtime/plan/plan.h"

enum oc_cause { OC_CAUSE_EXIT, OC_CAUSE_SIGNAL, OC_CAUSE_TIMEOUT, OC_CAUSE_OOM, OC_CAUSE_PIDS, OC_CAUSE_DISK, OC_CAUSE_SETUP };
const char *oc_cause_name(enum oc_cause c);

enum oc_layer_state {
	OC_STATE_ENFORCED,
	OC_STATE_PARTIAL, /* a stand-in works in its place: detail says which */
	OC_STATE_MISSING  /* allowed to be missing, and is */
};

#define OC_EGRESS_RECORDS 256 /* the last ones are in the result */

/* What became of the network. All 0 with egress mode none. */
struct oc_egress_report {
	bool started;	       /* the broker served */
	bool ended;	       /* and ended before the sandbox: the network was cut */
	char how[48];	       /* it ended: "signal 9" */
	bool counted;	       /* the counters below are its last word; not if it ended */
	uint64_t accepted, allowed, refused; /* connections */
	uint64_t queries, answered;		   /* names */
	uint64_t sent, received;		   /* bytes */
	uint64_t reasons[OC_EGRESS_REASONS];	   /* decisions; allowed ones too */
	uint64_t records_dropped;		   /* by the rate limit */
	bool packets_counted;
	struct oc_net_refused packets; /* that are neither TCP nor DNS */
	uint64_t record_count;	       /* seen; the last OC_EGRESS_RECORDS of them: */
	const char *const *records;    /* lines of JSON, oldest first, valid as long as the plan */
	size_t records_kept;
	uint64_t records_lost; /* could not be written to a file */
	char no_door[640];     /* why `oc-sandbox net` cannot reach it, "" if it can */
};
/* Members "connections", "names", "bytes", "reasons" and "packets" of an open object, as far as they are known. */
void oc_egress_report_write(const struct oc_egress_report *r, struct oc_json_writer *w);

struct oc_result {
	int status; /* what oc-sandbox exits with */
	enum oc_cause cause;
	int exit_code; /* of the payload, -1 if it did not exit by itself */
	int signal;    /* that ended it, 0 if none */
	uint64_t wall_us, user_us, system_us;
	uint64_t memory_peak_bytes, pids_peak; /* 0: unknown */
	uint64_t disk_peak_bytes;	       /* of plan->disk_bytes; 0: unknown */
	enum oc_layer_state layer[OC_LAYER_COUNT];
	char layer_detail[OC_LAYER_COUNT][96]; /* "ABI 7", "cgroup v1: memory, pids, cpu", "sampling monitor", ... */
	struct oc_egress_report egress;
	struct oc_sweep sweep;		       /* what the command left for the host to run, and where it is now */
	struct oc_err error;		       /* cause setup, or exit 126 and 127 */
};

struct oc_launch_options {
	int in, out, err;	/* descriptors of the payload; usually 0, 1, 2 */
	int exec_fd;		/* program to run in place of argv[0] (a sealed memfd), or -1 */
	/*
	 * The caller exits as soon as it has reported the result, and has closed its standard streams then: the kernel takes the mounts of the
	 * sandbox apart after that.  Every process of it is dead before oc_launch_run returns either way.
	 */
	bool exits_next;
	bool die_with_caller;	/* the parent process of the caller is watched; when it ends, so does the sandbox */
	bool forward_signals;	/* TERM INT HUP QUIT USR1 USR2 of the caller go to the payload */
	bool keep;		/* no command: pid 1 waits for runners (call.h); plan->argv is not used */
	/*
	 * Called in place of the caller's own clean-up if it was killed, when everything inside is dead: by another process on
	 * the caller's memory, so only system calls, no heap.  NULL: nothing.
	 */
	void (*after_death)(void *ctx);
	void *ctx;
};

/*
 * Run plan->argv to its end.  Returns 0 and fills *res whether or not the payload failed; returns <0 (status 125, cause setup in *res too)
 * if the sandbox could not be made: then nothing ran.
 */
int oc_launch_run(const struct oc_plan *plan, const struct oc_launch_options *opt, struct oc_result *res, struct oc_err *err);

#endif
