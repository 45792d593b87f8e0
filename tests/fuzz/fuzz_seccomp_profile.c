/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a seccomp profile.  What is accepted must compile to a program that agrees with its
 * rules (the compiler checks that itself, and a disagreement is a crash here), or be too large.
 *
 * fuzz-sources: profiles/gen/read.c profiles/gen/compile.c profiles/gen/check.c
 * profiles/gen/names.c
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiles/gen/seccomp.h"

static int (*resolve)(uint32_t arch, const char *name);

/* The fuzzers are linked with libc only; the real function is looked up when it starts. */
int seccomp_syscall_resolve_name_arch(uint32_t arch, const char *name);
int seccomp_syscall_resolve_name_arch(uint32_t arch, const char *name)
{
	return resolve(arch, name);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	void *lib = dlopen("libseccomp.so.2", RTLD_NOW | RTLD_LOCAL);
	void *symbol = lib ? dlsym(lib, "seccomp_syscall_resolve_name_arch") : NULL;
	if (!symbol) {
		fprintf(stderr, "libseccomp.so.2 is missing\n");
		exit(1);
	}
	memcpy(&resolve, &symbol, sizeof(resolve));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oc_auto_arena a = {0};
	struct oc_json *root;
	struct oc_seccomp_profile *p;
	struct oc_seccomp_program prog;
	struct oc_err err = {0};
	if (oc_json_parse(&a, (const char *)data, size, "fuzz", &root, &err) < 0)
		return 0;
	if (oc_seccomp_read(&a, root, OC_SECCOMP_TOLERANT, &p, &err) < 0) {
		if (!err.msg[0])
			abort();
		return 0;
	}
	if (oc_seccomp_compile(&a, p, &prog, &err) < 0 && !strstr(err.msg, "instructions"))
		abort();
	return 0;
}
