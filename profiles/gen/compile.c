/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile - rules to classic BPF.
 *
 * Theory of operation.  System call numbers with the same outcome are joined to ranges, and a
 * balanced tree of "number >= start of range" finds the range: the kernel runs the program once for
 * every number when it is loaded (always-allow bitmap, Linux 5.11), so depth is load time.  Code is
 * emitted from its end to its beginning, so that every jump target is known when the jump is
 * written and equal returns are shared; a label is the number of instructions behind it.
 * Conditional jumps reach 255 instructions; for more, a copy of the return or a plain jump is put
 * in between.
 *
 * Only native calls: another architecture kills the process before the number is looked at, and so
 * do x32 numbers (bit 30), which x86-64 kernels take under the same audit architecture.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <string.h>

#include "profiles/gen/seccomp.h"

#define X32_BIT 0x40000000u
#define NR_NONE UINT32_MAX /* what a tracer leaves behind when it skips a call */

struct emitter {
	struct sock_filter code[BPF_MAXINSNS]; /* code[0] is the last instruction */
	unsigned count;
	bool full;
};

/* A place in the program, and the 32-bit half of an argument that it begins by loading. */
struct entry {
	unsigned label;
	bool loads;
	uint32_t offset;
	unsigned after_load;
};

static unsigned put(struct emitter *e, uint16_t op, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (e->count == BPF_MAXINSNS) {
		e->full = true;
		return 0;
	}
	e->code[e->count] = (struct sock_filter){.code = op, .jt = jt, .jf = jf, .k = k};
	return e->count++;
}

static unsigned distance(const struct emitter *e, unsigned label)
{
	return e->count - label - 1;
}

static unsigned put_return(struct emitter *e, uint32_t action)
{
	for (unsigned i = e->count; i-- > 0 && distance(e, i) < 200;)
		if (e->code[i].code == (BPF_RET | BPF_K) && e->code[i].k == action)
			return i;
	return put(e, BPF_RET | BPF_K, 0, 0, action);
}

/* Bring a label into reach of a conditional jump, with room for one more helper. */
static void bring_near(struct emitter *e, unsigned *label)
{
	if (distance(e, *label) < 254)
		return;
	const struct sock_filter *target = &e->code[*label];
	*label = target->code == (BPF_RET | BPF_K)
			 ? put(e, BPF_RET | BPF_K, 0, 0, target->k)
			 : put(e, BPF_JMP | BPF_JA, 0, 0, distance(e, *label));
}

static unsigned put_jump(struct emitter *e, uint16_t op, uint32_t k, unsigned yes, unsigned no)
{
	if (e->full)
		return 0;
	if (yes == no)
		return yes;
	bring_near(e, &yes);
	bring_near(e, &no);
	return put(e, (uint16_t)(BPF_JMP | BPF_K | op), (uint8_t)distance(e, yes),
		   (uint8_t)distance(e, no), k);
}

static uint32_t arg_offset(unsigned arg, bool high)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the halves of an argument are in the other order"
#endif
	return (uint32_t)(offsetof(struct seccomp_data, args) + arg * 8 + (high ? 4 : 0));
}

/* Load one half, masked if need be, and jump. */
static struct entry put_test(struct emitter *e, uint32_t offset, uint32_t mask, uint16_t op,
			     uint32_t k, struct entry yes, struct entry no)
{
	if (yes.label == no.label)
		return yes;
	/* The half is still in the accumulator if it was not masked. */
	unsigned yes_at = yes.label, no_at = no.label;
	bool masks = mask != UINT32_MAX;
	if (op == BPF_JEQ && masks && k == 0) { /* no bit of the mask: one instruction less */
		struct entry t = yes;
		yes = no;
		no = t;
		yes_at = yes.label;
		no_at = no.label;
		op = BPF_JSET;
		k = mask;
		masks = false;
	}
	if (!masks && yes.loads && yes.offset == offset)
		yes_at = yes.after_load;
	if (!masks && no.loads && no.offset == offset)
		no_at = no.after_load;
	unsigned after = put_jump(e, op, k, yes_at, no_at);
	if (masks)
		after = put(e, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
	struct entry self = {.loads = true, .offset = offset, .after_load = after};
	self.label = put(e, BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
	return self;
}

/* One condition; the high half decides first, unless it is equal or not compared. */
static struct entry put_cond(struct emitter *e, const struct oc_seccomp_cond *c, struct entry yes,
			     struct entry no)
{
	enum oc_seccomp_op op = c->op;
	uint32_t lo_mask = (uint32_t)c->mask, lo = (uint32_t)c->value;
	uint32_t hi_mask = (uint32_t)(c->mask >> 32), hi = (uint32_t)(c->value >> 32);
	uint32_t lo_at = arg_offset(c->arg, false), hi_at = arg_offset(c->arg, true);

	/* ne, lt and le are eq, ge and gt with the branches exchanged. */
	if (op == OC_CMP_NE || op == OC_CMP_LT || op == OC_CMP_LE) {
		struct entry t = yes;
		yes = no;
		no = t;
		op = op == OC_CMP_NE ? OC_CMP_EQ : op == OC_CMP_LT ? OC_CMP_GE : OC_CMP_GT;
	}
	uint16_t jump = op == OC_CMP_EQ ? BPF_JEQ : op == OC_CMP_GE ? BPF_JGE : BPF_JGT;
	struct entry low = lo_mask || !hi_mask || op != OC_CMP_EQ
				   ? put_test(e, lo_at, lo_mask, jump, lo, yes, no)
				   : yes;
	if (!hi_mask)
		return low;
	if (op == OC_CMP_EQ)
		return put_test(e, hi_at, hi_mask, BPF_JEQ, hi, low, no);
	struct entry equal = put_test(e, hi_at, hi_mask, BPF_JEQ, hi, low, no);
	return put_test(e, hi_at, hi_mask, BPF_JGT, hi, yes, equal);
}

/* The rules of one call, first one first; `rest` is where to go when none holds. */
static struct entry put_rules(struct emitter *e, const struct oc_seccomp_rule *rule,
			      uint32_t default_action, unsigned depth)
{
	struct entry none = {0};
	if (!rule || rule->cond_count == 0) {
		none.label = put_return(e, rule ? rule->action : default_action);
		return none;
	}
	if (depth > BPF_MAXINSNS) {
		e->full = true;
		return none;
	}
	struct entry no = put_rules(e, rule->next, default_action, depth + 1);
	struct entry yes = {.label = put_return(e, rule->action)};
	for (unsigned i = rule->cond_count; i-- > 0 && !e->full;)
		yes = put_cond(e, &rule->cond[i], yes, no);
	return yes;
}

struct range {
	uint32_t start;
	uint32_t action; /* when there is no conditional rule */
	const struct oc_seccomp_rule *rules;
};

static size_t find_ranges(const struct oc_seccomp_profile *p, struct range *out)
{
	size_t n = 0;
	for (uint32_t nr = 0; nr <= OC_SECCOMP_MAX_NR; nr++) {
		const struct oc_seccomp_rule *rule = nr < OC_SECCOMP_MAX_NR ? p->rules[nr] : NULL;
		struct range r = {.start = nr, .action = p->default_action};
		if (rule && rule->cond_count == 0)
			r.action = rule->action;
		else
			r.rules = rule;
		if (n == 0 || r.rules || out[n - 1].rules || out[n - 1].action != r.action)
			out[n++] = r;
	}
	return n;
}

static unsigned put_tree(struct emitter *e, const struct oc_seccomp_profile *p,
			 const struct range *r, size_t n)
{
	if (e->full)
		return 0;
	if (n == 1)
		return r->rules ? put_rules(e, r->rules, p->default_action, 0).label
				: put_return(e, r->action);
	size_t half = n / 2;
	unsigned high = put_tree(e, p, r + half, n - half);
	unsigned low = put_tree(e, p, r, half);
	return put_jump(e, BPF_JGE, r[half].start, high, low);
}

/*
 * Loads that nobody jumps to (see struct entry) are left out.  Every jump goes forward, so one pass
 * finds what is reached.
 */
static unsigned drop_unreached(struct sock_filter *f, unsigned count)
{
	bool reached[BPF_MAXINSNS + 1] = {true};
	unsigned moved_to[BPF_MAXINSNS + 1], kept = 0;
	for (unsigned i = 0; i < count; i++) {
		moved_to[i] = kept;
		if (!reached[i])
			continue;
		kept++;
		if (BPF_CLASS(f[i].code) == BPF_RET)
			continue;
		if (f[i].code == (BPF_JMP | BPF_JA)) {
			reached[i + 1 + f[i].k] = true;
		} else if (BPF_CLASS(f[i].code) == BPF_JMP) {
			reached[i + 1 + f[i].jt] = true;
			reached[i + 1 + f[i].jf] = true;
		} else {
			reached[i + 1] = true;
		}
	}
	for (unsigned i = 0; i < count; i++) {
		if (!reached[i])
			continue;
		struct sock_filter n = f[i];
		if (n.code == (BPF_JMP | BPF_JA)) {
			n.k = moved_to[i + 1 + n.k] - moved_to[i] - 1;
		} else if (BPF_CLASS(n.code) == BPF_JMP) {
			n.jt = (uint8_t)(moved_to[i + 1 + n.jt] - moved_to[i] - 1);
			n.jf = (uint8_t)(moved_to[i + 1 + n.jf] - moved_to[i] - 1);
		}
		f[moved_to[i]] = n;
	}
	return kept;
}

int oc_seccomp_compile(struct oc_arena *a, const struct oc_seccomp_profile *p,
		       struct oc_seccomp_program *out, struct oc_err *err)
{
	struct emitter *e = oc_arena_alloc(a, sizeof(*e));
	struct range *ranges = oc_arena_array(a, OC_SECCOMP_MAX_NR + 1, sizeof(*ranges));
	unsigned tree = put_tree(e, p, ranges, find_ranges(p, ranges));
	unsigned kill = put_return(e, SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
	unsigned none = put_return(e, p->default_action);
	unsigned x32 = put_jump(e, BPF_JEQ, NR_NONE, none, kill);
	tree = put_jump(e, BPF_JGE, X32_BIT, x32, tree);
#endif
	/* The load must be followed by the tree's first test. */
	if (tree + 1 != e->count)
		(void)put(e, BPF_JMP | BPF_JA, 0, 0, distance(e, tree));
	unsigned native = put(e, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	put_jump(e, BPF_JEQ, oc_seccomp_audit_arch(), native, kill);
	put(e, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	if (e->full)
		return oc_fail(err, 0, "the filter needs more than %d instructions", BPF_MAXINSNS);
	out->insns = oc_arena_array(a, e->count, sizeof(*out->insns));
	for (unsigned i = 0; i < e->count; i++)
		out->insns[i] = e->code[e->count - 1 - i];
	out->count = (unsigned short)drop_unreached(out->insns, e->count);
	return oc_seccomp_check(p, out, err);
}
