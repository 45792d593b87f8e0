/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer - the names of the layers of isolation, shared by plan, launch, verify, doctor and the result.
 */
#ifndef OC_RUNTIME_PLAN_LAYER_H
#define OC_RUNTIME_PLAN_LAYER_H

#include <stdbool.h>
#include <stdint.h>

enum oc_layer {
	OC_LAYER_USER,	      /* own user namespace, payload mapped to an unprivileged id */
	OC_LAYER_MOUNT,	      /* own mount namespace */
	OC_LAYER_PID,	      /* own pid namespace with its own pid 1 */
	OC_LAYER_IPC,	      /* own System V IPC and POSIX queues */
	OC_LAYER_UTS,	      /* own host name */
	OC_LAYER_CGROUP_NS,   /* own view of the cgroup tree */
	OC_LAYER_NET,	      /* own network namespace */
	OC_LAYER_ROOTFS,      /* own root file system, old root detached */
	OC_LAYER_PROC,	      /* own /proc, read-only */
	OC_LAYER_DEV,	      /* own /dev, devpts, shm */
	OC_LAYER_MASKS,	      /* kernel paths hidden */
	OC_LAYER_NESTED,      /* no further namespaces inside */
	OC_LAYER_CAPS,	      /* all capability sets and the bounding set empty */
	OC_LAYER_SECUREBITS,  /* securebits locked */
	OC_LAYER_NNP,	      /* no_new_privs */
	OC_LAYER_LANDLOCK,    /* second file-system and IPC layer */
	OC_LAYER_SECCOMP,     /* system call filter */
	OC_LAYER_KEYRING,     /* own session keyring */
	OC_LAYER_DESCRIPTORS, /* no inherited descriptor but 0, 1, 2 */
	OC_LAYER_RLIMITS,     /* resource limits of the process */
	OC_LAYER_CGROUP,      /* cgroup limits: memory, swap, pids, cpu */
	OC_LAYER_COUNT
};

#define OC_LAYER_BIT(l) (UINT32_C(1) << (l))

struct oc_layer_info {
	const char *name;    /* as in --allow-missing and in every report: "user", "cgroup-namespace", ... */
	const char *summary; /* one line */
	bool essential;	     /* a launch without it is no sandbox: --allow-missing refuses it */
};

/* Row of a layer; l < OC_LAYER_COUNT. */
const struct oc_layer_info *oc_layer_info(enum oc_layer l);
/* -1 if there is none of that name. */
int oc_layer_find(const char *name);

#endif
