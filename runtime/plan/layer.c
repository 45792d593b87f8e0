/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer - the table behind layer.h.  Data only.
 *
 * Essential is what makes the difference between a sandbox and a process with fewer rights: with
 * one of these gone the payload would see the host's files, processes or network, or could undo the rest.
 */
#include "runtime/plan/layer.h"

#include <string.h>

static const struct oc_layer_info layers[OC_LAYER_COUNT] = {
	[OC_LAYER_USER] = { "user", "own user namespace, payload has an unprivileged id", true },
	[OC_LAYER_MOUNT] = { "mount", "own mount namespace", true },
	[OC_LAYER_PID] = { "pid", "own process ids and own pid 1", true },
	[OC_LAYER_IPC] = { "ipc", "own System V IPC and POSIX message queues", false },
	[OC_LAYER_UTS] = { "uts", "own host name", false },
	[OC_LAYER_CGROUP_NS] = { "cgroup-namespace", "own view of the cgroup tree", false },
	[OC_LAYER_NET] = { "net", "own network namespace", true },
	[OC_LAYER_ROOTFS] = { "rootfs", "own root file system, the host's detached", true },
	[OC_LAYER_PROC] = { "proc", "own /proc, read-only", false },
	[OC_LAYER_DEV] = { "dev", "own /dev, terminals and shared memory", false },
	[OC_LAYER_MASKS] = { "masks", "kernel paths hidden or read-only", false },
	[OC_LAYER_NESTED] = { "nested", "no further namespaces inside", false },
	[OC_LAYER_CAPS] = { "capabilities", "all capability sets and the bounding set empty", true },
	[OC_LAYER_SECUREBITS] = { "securebits", "securebits set and locked", false },
	[OC_LAYER_NNP] = { "no-new-privs", "no privilege gained by execve", true },
	[OC_LAYER_LANDLOCK] = { "landlock", "second file-system and IPC layer", false },
	[OC_LAYER_SECCOMP] = { "seccomp", "system call filter", false },
	[OC_LAYER_KEYRING] = { "keyring", "own session keyring", false },
	[OC_LAYER_DESCRIPTORS] = { "descriptors", "no inherited descriptor but 0, 1, 2", true },
	[OC_LAYER_RLIMITS] = { "rlimits", "resource limits of the process", false },
	[OC_LAYER_CGROUP] = { "cgroup", "cgroup limits: memory, swap, pids, cpu", false },
};

const struct oc_layer_info *oc_layer_info(enum oc_layer l)
{
	return &layers[l];
}

int oc_layer_find(const char *name)
{
	for (int i = 0; i < OC_LAYER_COUNT; i++)
		if (strcmp(layers[i].name, name) == 0)
			return i;
	return -1;
}
