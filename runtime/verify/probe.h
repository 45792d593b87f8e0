/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe - oc-probe, the payload that tries what a plan forbids.
 *
 * Runs inside the sandbox behind all of its layers and says what happened: facts, one JSON line per
 * try. It does not know what was claimed.  May: try.  Must not: allocate from the heap, leave
 * anything behind, or damage what it is allowed to reach (every try is chosen so that its success
 * is harmless).
 */
#ifndef OC_RUNTIME_VERIFY_PROBE_H
#define OC_RUNTIME_VERIFY_PROBE_H

#include <stddef.h>

/*
 * What the verifier hands over on descriptor 0, a SOCK_SEQPACKET socket: one message with these
 * descriptors. The probe must have looked at its own descriptors before it takes them.
 */
enum oc_probe_fd {
	OC_PROBE_FD_INPUT, /* memfd: records "name[ argument]", each ended by NUL */
	OC_PROBE_FD_ROOT, /* O_PATH: root directory of the host: what a leaked descriptor would give
			   */
	OC_PROBE_FD_SOCK, /* unconnected AF_UNIX stream socket of the host's network namespace */
	OC_PROBE_FD_COUNT
};

/* Longest detail; longer lists end in "...". */
#define OC_PROBE_DETAIL 2048

/* Room for one answer; shared with the child that tries. */
struct oc_probe_out {
	char observed[16];
	char detail[OC_PROBE_DETAIL];
};

struct oc_probe_ctx {
	const char *arg; /* "" if the record has none */
	int fd[OC_PROBE_FD_COUNT];
};

typedef void (*oc_probe_fn)(struct oc_probe_out *out, const struct oc_probe_ctx *ctx);

/* The part of a name before the dot is the name of a layer (runtime/plan/layer.h). */
struct oc_probe {
	const char *name;
	oc_probe_fn run;
};

/* NULL-terminated (name) tables. */
extern const struct oc_probe
	oc_probe_process[]; /* probe_process.c: ids, namespaces, credentials, limits, descriptors */
extern const struct oc_probe oc_probe_files[]; /* probe_files.c: mounts, masks, devices, Landlock */
extern const struct oc_probe oc_probe_net[];	 /* probe_net.c: what a network refuses */
extern const struct oc_probe oc_probe_seccomp[]; /* probe_seccomp.c: system calls */

/* observed: "denied" (detail: errno), "allowed", "value", "absent", "error" (the try itself was not
 * possible), ... */
__attribute__((format(printf, 3, 4))) void oc_probe_say(struct oc_probe_out *out,
							const char *observed, const char *fmt, ...);
/* Append to the detail of an answer, cut with "..." when it is full. */
__attribute__((format(printf, 2, 3))) void oc_probe_add(struct oc_probe_out *out, const char *fmt,
							...);
/* Answer of a system call: "allowed" when r >= 0, "denied" with the name of errno otherwise. */
void oc_probe_result(struct oc_probe_out *out, long r);
/* Name of an errno: "EPERM"; a number when it has none. */
const char *oc_probe_errname(int e);
/* Read a small file; -1 with errno. The result is NUL-terminated. */
long oc_probe_slurp(const char *path, char *buf, size_t size);

#endif
