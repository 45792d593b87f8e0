/* SPDX-License-Identifier: Apache-2.0 */
/* The reader and the compiler of seccomp profiles, and what the shipped profiles account for. */
#include <errno.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "profiles/gen/seccomp.h"
#include "runtime/launch/filters.h"

static const struct {
	const char *name;
	int nr;
} kernel_table[] = {
#include "tests/unit/syscall_table.h"
};

static int parse(struct oc_arena *a, const char *text, enum oc_seccomp_mode mode,
		 struct oc_seccomp_profile **p, struct oc_err *err)
{
	struct oc_json *root;
	if (oc_json_parse(a, text, strlen(text), "t.json", &root, err) < 0)
		return -1;
	return oc_seccomp_read(a, root, mode, p, err);
}

static struct oc_seccomp_profile *shipped(struct oc_arena *a, const char *name)
{
	static char text[1 << 18];
	char path[512];
	const char *top = getenv("top_srcdir");
	struct oc_seccomp_profile *p = NULL;
	struct oc_err err = {0};
	snprintf(path, sizeof(path), "%s/profiles/seccomp/%s.json", top ? top : ".", name);
	FILE *f = fopen(path, "re");
	if (!f)
		fail_msg("cannot open %s", path);
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	if (parse(a, text, OC_SECCOMP_PEDANTIC, &p, &err) < 0)
		fail_msg("%s: %s", path, err.msg);
	return p;
}

static uint32_t decide(const struct oc_seccomp_profile *p, int nr, uint64_t a0, uint64_t a1,
		       uint64_t a2)
{
	struct seccomp_data d = {.nr = nr, .arch = oc_seccomp_audit_arch(), .args = {a0, a1, a2}};
	return oc_seccomp_decide(p, &d);
}

static void test_refused(void **state)
{
	(void)state;
#define RULE(x) "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[" x "]}"
#define E	"\"action\":\"SCMP_ACT_ERRNO\""
	static const struct {
		const char *text, *message;
	} rows[] = {
		{"{", "t.json"},
		{"[]", "must be object"},
		{"{}", "needs defaultAction"},
		{"{\"defaultAction\":\"SCMP_ACT_MAYBE\"}", "unknown action"},
		{"{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "supervisor"},
		{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":0}", "from 1 to 4095"},
		{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4096}",
		 "from 1 to 4095"},
		{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":-1}", "whole number"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}", "no meaning"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"sycalls\":[]}", "unknown key"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\"}", "unknown key"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_NEW_"
		 "LISTENER\"]}",
		 "not supported"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_MIPS\"]}",
		 "does not list"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":[{\"architecture\":\"SCMP_ARCH_"
		 "X86\"}]}",
		 "does not list"},
		{RULE("{" E "}"), "needs action"},
		{RULE("{\"names\":[\"read\"]}"), "needs action"},
		{RULE("{\"names\":[\"read\"],\"name\":\"read\"," E "}"), "needs action"},
		{RULE("{\"names\":[\"opennat\"]," E "}"), "unknown system call"},
		{RULE("{\"names\":[7]," E "}"), "must be string"},
		{RULE("{\"names\":[\"ioctl\"]," E
		      ",\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}"),
		 "from 0 to 5"},
		{RULE("{\"names\":[\"ioctl\"]," E
		      ",\"args\":[{\"index\":1,\"value\":1.5,\"op\":\"SCMP_CMP_EQ\"}]}"),
		 "whole number"},
		{RULE("{\"names\":[\"ioctl\"]," E ",\"args\":[{\"index\":1,\"value\":"
						  "18446744073709551616,\"op\":\"SCMP_CMP_EQ\"}]}"),
		 "whole number"},
		{RULE("{\"names\":[\"ioctl\"]," E
		      ",\"args\":[{\"index\":1,\"value\":4294988818,\"op\":\"SCMP_CMP_EQ\"}]}"),
		 "can never have"},
		{RULE("{\"names\":[\"ioctl\"]," E
		      ",\"args\":[{\"index\":1,\"value\":1,\"op\":\"EQ\"}]}"),
		 "unknown comparison"},
		{RULE("{\"names\":[\"ioctl\"]," E
		      ",\"args\":[{\"index\":1,\"op\":\"SCMP_CMP_EQ\"}]}"),
		 "needs index"},
		/* How wide the second argument of getsid is, nobody said. */
		{RULE("{\"names\":[\"getsid\"]," E
		      ",\"args\":[{\"index\":1,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}"),
		 "SCMP_CMP_MASKED_EQ"},
		{RULE("{\"names\":[\"ioctl\"]," E
		      ",\"args\":[{\"index\":1,\"value\":0,\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_"
		      "EQ\"}]}"),
		 "compares nothing"},
		{RULE("{\"names\":[\"ioctl\"]," E
		      ",\"args\":[{\"index\":1,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},"
		      "{\"index\":1,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]}"),
		 "compared twice"},
		{RULE("{\"names\":[\"read\"]," E
		      "},{\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL\"}"),
		 "never reached"},
		{RULE("{\"names\":[\"read\"]," E ",\"includes\":{\"minKernel\":\"6.6\"}}"),
		 "above 5.12"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		oc_auto_arena a = {0};
		struct oc_seccomp_profile *p;
		struct oc_err err = {0};
		if (parse(&a, rows[i].text, OC_SECCOMP_TOLERANT, &p, &err) >= 0)
			fail_msg("accepted: %s", rows[i].text);
		if (!strstr(err.msg, rows[i].message) || !strstr(err.msg, "t.json:1"))
			fail_msg("%s: \"%s\" has no \"%s\"", rows[i].text, err.msg,
				 rows[i].message);
	}
}

/* A file written for Docker: equality means the bits that the kernel reads. */
static void test_width(void **state)
{
	(void)state;
	oc_auto_arena a = {0};
	struct oc_seccomp_profile *p;
	struct oc_seccomp_program prog;
	struct oc_err err = {0};
	const char *text = RULE(
		"{\"names\":[\"ioctl\"]," E
		",\"args\":[{\"index\":1,\"value\":21522,\"op\":\"SCMP_CMP_EQ\"}]},"
		"{\"names\":[\"fchmod\"]," E
		",\"args\":[{\"index\":1,\"value\":2541,\"op\":\"SCMP_CMP_EQ\"}]},"
		"{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
		"\"value\":40,\"op\":\"SCMP_CMP_NE\"}]},"
		"{\"names\":[\"socket\"],\"errnoRet\":22," E "},"
		"{\"names\":[\"mmap\"]," E
		",\"args\":[{\"index\":1,\"value\":4294967297,\"op\":\"SCMP_CMP_GE\"}]},"
		"{\"names\":[\"brk\"]," E ",\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"getpid\"]," E ",\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"getuid\"]," E ",\"excludes\":{\"arches\":[\"amd64\",\"arm64\"]}}");
	if (parse(&a, text, OC_SECCOMP_TOLERANT, &p, &err) < 0)
		fail_msg("%s", err.msg);
	const uint32_t no = SECCOMP_RET_ERRNO | EPERM, yes = SECCOMP_RET_ALLOW;
	assert_int_equal(decide(p, SYS_ioctl, 0, 0x5412, 0), no);
	assert_int_equal(decide(p, SYS_ioctl, 0, UINT64_C(0x100005412), 0), no);
	assert_int_equal(decide(p, SYS_ioctl, 0, 0x5413, 0), yes);
	assert_int_equal(decide(p, SYS_fchmod, 0, 04755, 0), no);
	assert_int_equal(decide(p, SYS_fchmod, 0, 0x10000 | 04755, 0), no);
	assert_int_equal(decide(p, SYS_socket, UINT64_C(0x100000028), 1, 0),
			 SECCOMP_RET_ERRNO | EINVAL);
	assert_int_equal(decide(p, SYS_socket, 2, 1, 0), yes);
	assert_int_equal(decide(p, SYS_mmap, 0, UINT64_C(0x100000000), 0), yes);
	assert_int_equal(decide(p, SYS_mmap, 0, UINT64_C(0x100000001), 0), no);
	assert_int_equal(decide(p, SYS_mmap, 0, UINT64_C(0x200000000), 0), no);
	assert_int_equal(decide(p, SYS_brk, 0, 0, 0), yes);
	assert_int_equal(decide(p, SYS_getpid, 0, 0, 0), no);
	assert_int_equal(decide(p, SYS_getuid, 0, 0, 0), yes);
	if (oc_seccomp_compile(&a, p, &prog, &err) < 0)
		fail_msg("%s", err.msg);
}

static void test_unknown_name(void **state)
{
	(void)state;
	oc_auto_arena a = {0};
	struct oc_seccomp_profile *p;
	struct oc_err err = {0};
	const char *text =
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\","
		"\"from_the_future\"],\"action\":\"SCMP_ACT_ALLOW\"}]}";
	assert_int_equal(parse(&a, text, OC_SECCOMP_PEDANTIC, &p, &err), -1);
	assert_int_equal(parse(&a, text, OC_SECCOMP_TOLERANT, &p, &err), 0);
	assert_string_equal(p->unknown[0], "from_the_future");
	assert_null(p->unknown[1]);
	assert_int_equal(decide(p, SYS_read, 0, 0, 0), SECCOMP_RET_ALLOW);
}

/* The self-check must notice each single wrong jump, constant or return. */
static void test_check_notices(void **state)
{
	(void)state;
	oc_auto_arena a = {0};
	struct oc_seccomp_profile *p = shipped(&a, "default");
	struct oc_seccomp_program prog;
	struct oc_err err = {0};
	assert_int_equal(oc_seccomp_compile(&a, p, &prog, &err), 0);
	unsigned missed = 0, tried = 0;
	for (unsigned i = 0; i < prog.count; i += 3) {
		struct sock_filter keep = prog.insns[i];
		for (int how = 0; how < 3; how++) {
			bool jump = BPF_CLASS(keep.code) == BPF_JMP;
			if (how == 1 && (!jump || keep.jt == keep.jf))
				continue;
			if (how == 0)
				prog.insns[i].k ^= 1u << (tried % 3);
			if (how == 1) {
				prog.insns[i].jt = keep.jf;
				prog.insns[i].jf = keep.jt;
			}
			if (how == 2) {
				if (BPF_CLASS(keep.code) != BPF_RET)
					continue;
				prog.insns[i].k = SECCOMP_RET_LOG;
			}
			tried++;
			if (oc_seccomp_check(p, &prog, &err) == 0) {
				missed++;
				print_error("change %d of instruction %u (code 0x%x k 0x%x) goes "
					    "unseen\n",
					    how, i, keep.code, keep.k);
			}
			prog.insns[i] = keep;
		}
	}
	print_message("# %u changes, %u unseen\n", tried, missed);
	/* Between two calls with the same rules (chmod, fchmod) a boundary may be off by one. */
	assert_true(missed * 100 <= tried);
}

/* A rule set that needs far jumps, 64-bit ranges and every comparison. */
static void test_large(void **state)
{
	(void)state;
	static const char *const ops[] = {"NE", "LT", "LE", "EQ", "GE", "GT"};
	oc_auto_arena a = {0};
	oc_auto_buf b = {0};
	struct oc_seccomp_profile *p;
	struct oc_seccomp_program prog;
	struct oc_err err = {0};
	oc_buf_puts(&b, "{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\",\"syscalls\":[");
	for (unsigned i = 0; i < 300; i++)
		oc_buf_printf(&b,
			      "%s{\"name\":\"%s\",\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":%u,"
			      "\"args\":["
			      "{\"index\":%u,\"value\":%llu,\"op\":\"SCMP_CMP_%s\"},"
			      "{\"index\":0,\"value\":%u,\"valueTwo\":%u,\"op\":\"SCMP_CMP_MASKED_"
			      "EQ\"}]}",
			      i ? "," : "", i % 3 ? "mmap" : "mremap", 1 + i, 1 + i % 4,
			      (unsigned long long)i << (i % 40), ops[i % 6], 0xff00u,
			      0xff00u & (i << 8));
	oc_buf_puts(&b, "]}");
	if (parse(&a, b.data, OC_SECCOMP_TOLERANT, &p, &err) < 0 ||
	    oc_seccomp_compile(&a, p, &prog, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(prog.count > 800);
}

static void test_too_large(void **state)
{
	(void)state;
	oc_auto_arena a = {0};
	oc_auto_buf b = {0};
	struct oc_seccomp_profile *p;
	struct oc_seccomp_program prog;
	struct oc_err err = {0};
	oc_buf_puts(&b, "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[");
	for (unsigned i = 0; i < 3000; i++)
		oc_buf_printf(&b,
			      "%s{\"name\":\"mmap\",\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
			      "{\"index\":0,\"value\":%u,\"op\":\"SCMP_CMP_EQ\"}]}",
			      i ? "," : "", i);
	oc_buf_puts(&b, "]}");
	if (parse(&a, b.data, OC_SECCOMP_TOLERANT, &p, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(oc_seccomp_compile(&a, p, &prog, &err), -1);
	assert_non_null(strstr(err.msg, "4096"));
}

static const char *const profiles[] = {"default", "strict", "build"};

/*
 * Every call of the build machine's kernel headers is either let through, or refused with a reason,
 * or younger than the last one that was looked at: then it is ENOSYS.
 */
static void test_accounted(void **state)
{
	(void)state;
	const int reviewed = 470;
	unsigned wrong = 0, allowed, denied, unknown;
	assert_true(sizeof(kernel_table) / sizeof(kernel_table[0]) > 280);
	for (size_t f = 0; f < 3; f++) {
		oc_auto_arena a = {0};
		struct oc_seccomp_profile *p = shipped(&a, profiles[f]);
		allowed = denied = unknown = 0;
		for (size_t i = 0; i < sizeof(kernel_table) / sizeof(kernel_table[0]); i++) {
			int nr = kernel_table[i].nr;
			const struct oc_seccomp_rule *r = p->rules[nr];
			if (!r && nr > reviewed) {
				assert_int_equal(decide(p, nr, 0, 0, 0),
						 SECCOMP_RET_ERRNO | ENOSYS);
				unknown++;
				continue;
			}
			if (!r) {
				print_error("%s: nothing about %s\n", profiles[f],
					    kernel_table[i].name);
				wrong++;
				continue;
			}
			bool lets = false;
			for (; r; r = r->next) {
				lets = lets || r->action == SECCOMP_RET_ALLOW;
				if (r->action != SECCOMP_RET_ALLOW &&
				    (!r->comment || !*r->comment)) {
					print_error("%s: no reason for %s\n", profiles[f],
						    kernel_table[i].name);
					wrong++;
				}
			}
			*(lets ? &allowed : &denied) += 1;
		}
		print_message("# %s: %u allowed, %u denied, %u unknown\n", profiles[f], allowed,
			      denied, unknown);
	}
	assert_int_equal(wrong, 0);
}

static void test_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kernel_table) / sizeof(kernel_table[0]); i++)
		if (oc_seccomp_number(kernel_table[i].name) != kernel_table[i].nr)
			fail_msg("%s is %d, not %d", kernel_table[i].name, kernel_table[i].nr,
				 oc_seccomp_number(kernel_table[i].name));
	assert_int_equal(oc_seccomp_number("no_such_call"), -1);
	assert_int_equal(oc_seccomp_number(""), -1);
	/* Found by bsearch: a row out of order would be missing. */
	assert_int_equal(oc_seccomp_arg_mask("accept4", 0), UINT32_MAX);
	assert_int_equal(oc_seccomp_arg_mask("fchmodat2", 2), UINT16_MAX);
	assert_int_equal(oc_seccomp_arg_mask("mmap", 5), UINT64_MAX);
	assert_int_equal(oc_seccomp_arg_mask("mmap", 6), 0);
	assert_int_equal(oc_seccomp_arg_mask("waitid", 3), UINT32_MAX);
	assert_int_equal(oc_seccomp_arg_mask("memfd_create", 1), UINT32_MAX);
}

/* strict allows nothing that default refuses, default nothing that build refuses. */
static void test_order(void **state)
{
	(void)state;
	oc_auto_arena a = {0};
	struct oc_seccomp_profile *p[3] = {shipped(&a, "strict"), shipped(&a, "default"),
					   shipped(&a, "build")};
	static const uint64_t values[] = {0,	   1,	       2,	   3,	      5,
					  8,	   10,	       16,	   17,	      35,
					  0x40,	   04755,      0x1000,	   0x5412,    0x20000,
					  0x40000, 0x10000000, UINT32_MAX, UINT64_MAX};
	const unsigned n = sizeof(values) / sizeof(values[0]);
	for (int nr = 0; nr < (int)OC_SECCOMP_MAX_NR; nr++)
		for (unsigned i = 0; i < n * n * n; i++) {
			uint64_t x = values[i % n], y = values[i / n % n], z = values[i / n / n];
			for (int k = 0; k < 2; k++)
				if (decide(p[k], nr, x, y, z) == SECCOMP_RET_ALLOW)
					assert_int_equal(decide(p[k + 1], nr, x, y, z),
							 SECCOMP_RET_ALLOW);
			if (!p[0]->rules[nr] || !p[0]->rules[nr]->cond_count)
				break;
		}
}

/* What is linked in is what the files say. */
static void test_built_in(void **state)
{
	(void)state;
	static const char *const all[] = {"default", "strict", "build", "init"};
	for (size_t f = 0; f < 4; f++) {
		oc_auto_arena a = {0};
		struct oc_seccomp_program prog;
		struct oc_err err = {0};
		const struct oc_filter *x = oc_filter_find(all[f]);
		assert_non_null(x);
		assert_int_equal(oc_seccomp_compile(&a, shipped(&a, all[f]), &prog, &err), 0);
		assert_int_equal(prog.count, x->count);
		assert_memory_equal(prog.insns, x->insns, prog.count * sizeof(*prog.insns));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),	      cmocka_unit_test(test_width),
		cmocka_unit_test(test_unknown_name),  cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_check_notices), cmocka_unit_test(test_large),
		cmocka_unit_test(test_too_large),     cmocka_unit_test(test_accounted),
		cmocka_unit_test(test_order),	      cmocka_unit_test(test_built_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
