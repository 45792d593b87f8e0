/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp - OCI/Docker seccomp profile -> classic BPF program for this machine's architecture.
 *
 * Three pure parts: the reader (JSON to rules), the compiler (rules to instructions) and the check
 * (interprets the instructions and compares every answer with the rules).  Nothing is loaded here.
 *
 * The meaning of a profile: the rules of a system call are tried in the order of the file and the
 * first one whose conditions all hold decides; if none does, defaultAction decides.  An entry
 * without args always holds, so one that follows it for the same system call is an error.
 *
 * Why not libseccomp's own compiler: it has no "else" for one system call (socket() must answer
 * EAFNOSUPPORT, unknown calls ENOSYS), it drops conditional rules once an unconditional one was
 * added, its SCMP_CMP_EQ compares 64 bits of arguments of which the kernel reads 32
 * (CVE-2019-10063), and its programs are several times as long.  Names and numbers come from
 * libseccomp.
 */
#ifndef OC_PROFILES_GEN_SECCOMP_H
#define OC_PROFILES_GEN_SECCOMP_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

#define OC_SECCOMP_MAX_NR    1024u /* no architecture that we know comes near it */
#define OC_SECCOMP_MAX_RULES 8192u /* rules of a profile, counted per system call */
#define OC_SECCOMP_MAX_ARGS  6u

enum oc_seccomp_op {
	OC_CMP_NE,
	OC_CMP_LT,
	OC_CMP_LE,
	OC_CMP_EQ,
	OC_CMP_GE,
	OC_CMP_GT,
};

/* Holds if (argument & mask) op value.  The mask never has a bit that the kernel does not read. */
struct oc_seccomp_cond {
	unsigned arg;
	enum oc_seccomp_op op;
	uint64_t mask, value;
};

struct oc_seccomp_rule {
	struct oc_seccomp_rule *next; /* tried when this one does not hold */
	uint32_t action;	      /* SECCOMP_RET_* with data */
	unsigned cond_count;
	struct oc_seccomp_cond cond[OC_SECCOMP_MAX_ARGS];
	const char *comment; /* of the entry in the file, or NULL */
	unsigned line;
};

struct oc_seccomp_profile {
	uint32_t default_action;
	struct oc_seccomp_rule *rules[OC_SECCOMP_MAX_NR]; /* by number */
	unsigned rule_count;
	const char *
		*unknown; /* names that this program does not know, NULL-terminated, never NULL */
};

struct oc_seccomp_program {
	struct sock_filter *insns; /* in the arena */
	unsigned short count;
};

enum oc_seccomp_mode {
	OC_SECCOMP_TOLERANT, /* an unknown name is skipped if what is not listed is denied anyway */
	OC_SECCOMP_PEDANTIC  /* an unknown name is an error: profiles that are compiled in */
};

/* Read a parsed JSON document.  The profile lives in the arena. */
int oc_seccomp_read(struct oc_arena *a, const struct oc_json *root, enum oc_seccomp_mode mode,
		    struct oc_seccomp_profile **out, struct oc_err *err);

/* Compile; the program is checked against the rules before it is returned. */
int oc_seccomp_compile(struct oc_arena *a, const struct oc_seccomp_profile *p,
		       struct oc_seccomp_program *out, struct oc_err *err);

struct seccomp_data;
/* What the rules say. */
uint32_t oc_seccomp_decide(const struct oc_seccomp_profile *p, const struct seccomp_data *d);
/* What the program says, as the kernel would run it; SECCOMP_RET_KILL_PROCESS for a bad program. */
uint32_t oc_seccomp_run(const struct oc_seccomp_program *prog, const struct seccomp_data *d);
/* Compare both for every number and, for conditional ones, around every constant of the rules. */
int oc_seccomp_check(const struct oc_seccomp_profile *p, const struct oc_seccomp_program *prog,
		     struct oc_err *err);

/* AUDIT_ARCH_* of this machine, its OCI name ("SCMP_ARCH_X86_64") and Docker's ("amd64"). */
uint32_t oc_seccomp_audit_arch(void);
const char *oc_seccomp_arch_oci(void);
const char *oc_seccomp_arch_docker(void);

/* Number of a system call here; -1: unknown; -2: exists on other architectures only. */
int oc_seccomp_number(const char *name);
/* Bits of the argument that the kernel reads; 0 if this program does not know. */
uint64_t oc_seccomp_arg_mask(const char *name, unsigned arg);

#endif
