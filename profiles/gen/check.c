/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - two independent readings of a filter, and their comparison.
 *
 * A mistake in the compiler would be a hole that nobody sees; so every program is interpreted for
 * every number and for argument values around every constant of its rules before it is used.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "profiles/gen/seccomp.h"

static bool cond_holds(const struct oc_seccomp_cond *c, const struct seccomp_data *d)
{
	uint64_t v = d->args[c->arg] & c->mask;
	switch (c->op) {
	case OC_CMP_NE:
		return v != c->value;
	case OC_CMP_LT:
		return v < c->value;
	case OC_CMP_LE:
		return v <= c->value;
	case OC_CMP_EQ:
		return v == c->value;
	case OC_CMP_GE:
		return v >= c->value;
	case OC_CMP_GT:
		return v > c->value;
	}
	abort();
}

uint32_t oc_seccomp_decide(const struct oc_seccomp_profile *p, const struct seccomp_data *d)
{
	uint32_t nr = (uint32_t)d->nr;
	if (d->arch != oc_seccomp_audit_arch())
		return SECCOMP_RET_KILL_PROCESS;
#if defined(__x86_64__)
	if (nr >= 0x40000000u && nr != UINT32_MAX)
		return SECCOMP_RET_KILL_PROCESS;
#endif
	for (const struct oc_seccomp_rule *r = nr < OC_SECCOMP_MAX_NR ? p->rules[nr] : NULL; r;
	     r = r->next) {
		unsigned i = 0;
		while (i < r->cond_count && cond_holds(&r->cond[i], d))
			i++;
		if (i == r->cond_count)
			return r->action;
	}
	return p->default_action;
}

uint32_t oc_seccomp_run(const struct oc_seccomp_program *prog, const struct seccomp_data *d)
{
	uint32_t a = 0;
	for (unsigned pc = 0; pc < prog->count; pc++) {
		const struct sock_filter *f = &prog->insns[pc];
		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (f->k % 4 || f->k > sizeof(*d) - 4)
				return SECCOMP_RET_KILL_PROCESS;
			memcpy(&a, (const char *)d + f->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += a & f->k ? f->jt : f->jf;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			return SECCOMP_RET_KILL_PROCESS;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}

static int compare(const struct oc_seccomp_profile *p, const struct oc_seccomp_program *prog,
		   const struct seccomp_data *d, struct oc_err *err)
{
	uint32_t want = oc_seccomp_decide(p, d), got = oc_seccomp_run(prog, d);
	if (want == got)
		return 0;
	return oc_fail(err, 0,
		       "the compiled filter answers 0x%x in place of 0x%x for system call %d (arch "
		       "0x%x, arguments 0x%llx 0x%llx 0x%llx 0x%llx)",
		       got, want, d->nr, d->arch, (unsigned long long)d->args[0],
		       (unsigned long long)d->args[1], (unsigned long long)d->args[2],
		       (unsigned long long)d->args[3]);
}

#define NEAR  14u
#define TRIED (NEAR + 64)
/* Values around the constant of one condition: high-bit forms, then every single bit changed. */
static uint64_t near_value(const struct oc_seccomp_cond *c, unsigned which)
{
	const uint64_t v = c->value, m = c->mask;
	const uint64_t values[NEAR] = {v,
				       v + 1,
				       v - 1,
				       v | UINT64_C(1) << 32,
				       v | UINT64_C(0xdead0000) << 32,
				       v | m,
				       v | ~m,
				       v ^ (m & UINT64_C(0xaaaaaaaaaaaaaaaa)),
				       v | 0x10000,
				       0,
				       1,
				       UINT64_MAX,
				       UINT32_MAX,
				       UINT64_C(1) << 32};
	return which < NEAR ? values[which] : v ^ UINT64_C(1) << (which - NEAR);
}

static unsigned draw(uint64_t *seed, unsigned limit)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(*seed >> 33) % limit;
}

/* Arguments from the constants of random rules of the list. */
static void scatter(const struct oc_seccomp_rule *list, unsigned length, uint64_t *seed,
		    struct seccomp_data *d)
{
	for (unsigned tries = 0; tries < 6; tries++) {
		const struct oc_seccomp_rule *r = list;
		for (unsigned skip = draw(seed, length); skip > 0; skip--)
			r = r->next;
		for (unsigned i = 0; i < r->cond_count; i++)
			d->args[r->cond[i].arg] = near_value(&r->cond[i], draw(seed, NEAR));
	}
}

static void satisfy(const struct oc_seccomp_rule *r, struct seccomp_data *d)
{
	for (unsigned i = 0; i < r->cond_count; i++) {
		const struct oc_seccomp_cond *c = &r->cond[i];
		d->args[c->arg] = c->value;
		if (c->op == OC_CMP_NE || c->op == OC_CMP_GT)
			d->args[c->arg]++;
		if (c->op == OC_CMP_LT)
			d->args[c->arg]--;
	}
}

/*
 * The arguments that the rules of `list` look at, given to system call nr: each condition takes
 * every near value, while the others hold or the remaining arguments are scattered.
 */
static int check_list(const struct oc_seccomp_profile *p, const struct oc_seccomp_program *prog,
		      int nr, const struct oc_seccomp_rule *list, unsigned step, uint64_t *seed,
		      struct oc_err *err)
{
	unsigned length = 0;
	for (const struct oc_seccomp_rule *r = list; r; r = r->next)
		length++;
	for (const struct oc_seccomp_rule *r = list; r && r->cond_count; r = r->next)
		for (unsigned v = 0; v < TRIED * r->cond_count; v += step)
			for (unsigned how = 0; how < 3; how++) {
				const struct oc_seccomp_cond *c = &r->cond[v / TRIED];
				struct seccomp_data d = {.nr = nr, .arch = oc_seccomp_audit_arch()};
				if (how > 0)
					scatter(list, length < 64 ? length : 64, seed, &d);
				if (how < 2)
					satisfy(r, &d);
				d.args[c->arg] = near_value(c, v % TRIED);
				if (compare(p, prog, &d, err) < 0)
					return -1;
			}
	return 0;
}

int oc_seccomp_check(const struct oc_seccomp_profile *p, const struct oc_seccomp_program *prog,
		     struct oc_err *err)
{
	static const uint32_t edges[] = {0x3fffffff, 0x40000000, 0x40000001, 0x400001ff, 0x7fffffff,
					 0x80000000, 0xc0000000, 0xfffffffe, 0xffffffff};
	uint64_t seed = 1;
	for (uint32_t nr = 0; nr < OC_SECCOMP_MAX_NR + 64; nr++) {
		struct seccomp_data d = {.nr = (int)nr, .arch = oc_seccomp_audit_arch()};
		struct seccomp_data foreign = {.nr = (int)nr, .arch = oc_seccomp_audit_arch() ^ 1};
		if (compare(p, prog, &d, err) < 0 || compare(p, prog, &foreign, err) < 0)
			return -1;
		memset(d.args, 0xff, sizeof(d.args));
		if (compare(p, prog, &d, err) < 0)
			return -1;
		const struct oc_seccomp_rule *list = nr < OC_SECCOMP_MAX_NR ? p->rules[nr] : NULL;
		if (!list || !list->cond_count)
			continue;
		/* The neighbours too: a boundary of the tree that is off by some would reach them.
		 */
		for (uint32_t n = nr < 4 ? 0 : nr - 4; n <= nr + 4; n++)
			if (check_list(p, prog, (int)n, list, n == nr ? 1 : 11, &seed, err) < 0)
				return -1;
	}
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		struct seccomp_data d = {.nr = (int)edges[i], .arch = oc_seccomp_audit_arch()};
		if (compare(p, prog, &d, err) < 0)
			return -1;
	}
	return 0;
}
