/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claims - what a plan promises, as a list of tries with the answer that each must get.  Pure but
 * for stat(2) on the host.
 */
#ifndef OC_RUNTIME_VERIFY_CLAIMS_H
#define OC_RUNTIME_VERIFY_CLAIMS_H

#include "runtime/verify/verify.h"

enum oc_expect {
	OC_EXPECT_REFUSED,    /* denied, absent or killed */
	OC_EXPECT_REFUSED_AS, /* denied, the detail begins with text */
	OC_EXPECT_KILLED,
	OC_EXPECT_ALLOWED,
	OC_EXPECT_IS,	    /* value, the detail is text */
	OC_EXPECT_IS_NOT,   /* value, the detail is not text */
	OC_EXPECT_HAS,	    /* value, each word of text (',') is a word of the detail */
	OC_EXPECT_AT_MOST,  /* value, number not above text */
	OC_EXPECT_HIDDEN,   /* absent or masked */
	OC_EXPECT_EMPTY,    /* absent or empty */
	OC_EXPECT_NOT_HOST, /* anything but the host's own object */
	OC_EXPECT_RLIMIT,   /* value "soft:hard", neither above those of text */
	OC_EXPECT_DEVICES, /* exactly the nodes of text (' '), others only if the plan has a row for
			      them */
	OC_EXPECT_GROUPS,  /* the value's words: uid and gid those of text, groups none but overflow
			      or the gid */
	OC_EXPECT_KEYRING, /* denied, or another serial than text */
	OC_EXPECT_CPU, /* cpu_ms not above what text (thousandths of a processor) gives in wall_ms
			*/
};

struct oc_claim {
	const char *probe;
	const char *arg; /* "" if none */
	const char *object;
	enum oc_expect expect;
	const char *text;
	const char *words; /* the claim for people */
	bool outside;	   /* answered by the helper that looks from outside, not by the probe */
};

/* What the verifier has put up on the host for the probe to run into. */
struct oc_verify_bait {
	unsigned port;		/* listening on 127.0.0.1 */
	char abstract_name[32]; /* listening in the abstract socket namespace */
	int shm_id;		/* System V segment */
	long keyring;		/* serial of our session keyring, -1 unknown */
	int landlock_abi;	/* -1: none */
	unsigned root_major, root_minor;
	char ns[7][64];	    /* ours, in the order user mnt pid ipc uts cgroup net */
	bool keys_readable; /* /proc/keys is there and not covered */
	bool kept;	    /* tried as a command of a sandbox that is kept */
};

struct oc_claims {
	struct oc_claim *row;
	size_t count, cap;
	struct oc_arena *arena;
};

void oc_claims_build(struct oc_claims *c, const struct oc_plan *plan,
		     const struct oc_verify_bait *bait);
/* Claims about limits that are tried by effect; plan may be a copy with smaller limits, real is the
 * plan itself. */
void oc_claims_limits(struct oc_claims *c, const struct oc_plan *plan, const struct oc_plan *real);

/* One more claim; words: for people. */
struct oc_claim *oc_claims_add(struct oc_claims *c, const char *probe, const char *arg,
			       enum oc_expect expect, const char *text, const char *words);
void oc_claims_add_outside(struct oc_claims *c, const char *probe, enum oc_expect expect,
			   const char *text, const char *words);
/* claims_net.c: about the network of a plan that has one. */
void oc_claims_net(struct oc_claims *c, const struct oc_plan *plan);

/* Does an answer fulfil a claim? */
bool oc_claim_holds(const struct oc_claim *c, const struct oc_plan *plan, const char *observed,
		    const char *detail);

#endif
