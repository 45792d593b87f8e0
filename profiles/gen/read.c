/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read - seccomp profile, OCI or Docker JSON, to rules.
 *
 * Refuses what it does not understand, with file, line and path: a key that is skipped could be the
 * one that denies.  Must not read anything but the tree that it is given.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "profiles/gen/seccomp.h"

struct reader {
	struct oc_arena *a;
	struct oc_err *err;
	struct oc_seccomp_profile *p;
	enum oc_seccomp_mode mode;
	size_t unknown_count, unknown_cap;
};

#define FAIL(r, v, ...) oc_json_fail((r)->a, (v), (r)->err, __VA_ARGS__)

static int want(struct reader *r, const struct oc_json *v, enum oc_json_type type)
{
	if (v->type == type)
		return 0;
	return FAIL(r, v, "must be %s, is %s", oc_json_type_name(type), oc_json_type_name(v->type));
}

static int want_strings(struct reader *r, const struct oc_json *v)
{
	if (want(r, v, OC_JSON_ARRAY) < 0)
		return -1;
	for (const struct oc_json *e = v->child; e; e = e->next)
		if (want(r, e, OC_JSON_STRING) < 0)
			return -1;
	return 0;
}

static bool has_string(const struct oc_json *array, const char *s)
{
	for (const struct oc_json *e = array ? array->child : NULL; e; e = e->next)
		if (strcmp(e->string, s) == 0)
			return true;
	return false;
}

static int want_keys(struct reader *r, const struct oc_json *v, const char *const *known)
{
	if (want(r, v, OC_JSON_OBJECT) < 0)
		return -1;
	for (const struct oc_json *m = v->child; m; m = m->next) {
		const char *const *k = known;
		while (*k && strcmp(*k, m->key) != 0)
			k++;
		if (!*k)
			return FAIL(r, m, "unknown key");
	}
	return 0;
}

/* The double of the JSON reader has 53 bits; masks need 64. */
static int read_u64(struct reader *r, const struct oc_json *v, uint64_t *out)
{
	if (want(r, v, OC_JSON_NUMBER) < 0)
		return -1;
	const char *s = v->string;
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	if (s[strspn(hex ? s + 2 : s, hex ? "0123456789abcdefABCDEF" : "0123456789") +
	      (hex ? 2 : 0)])
		return FAIL(r, v, "must be a whole number from 0 to 2^64-1");
	char *end;
	errno = 0;
	unsigned long long n = strtoull(s, &end, hex ? 16 : 10);
	if (errno || *end || end == s)
		return FAIL(r, v, "must be a whole number from 0 to 2^64-1");
	*out = n;
	return 0;
}

static const struct {
	const char *name;
	uint32_t ret;
} actions[] = {
	{"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
	{"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
	{"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
	{"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
	{"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
	{"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
	{"SCMP_ACT_LOG", SECCOMP_RET_LOG},
};

/* errno_value may be NULL: EPERM, as in the OCI specification. */
static int read_action(struct reader *r, const struct oc_json *v, const struct oc_json *errno_value,
		       uint32_t *out)
{
	if (want(r, v, OC_JSON_STRING) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].name, v->string) != 0)
			continue;
		*out = actions[i].ret;
		uint64_t n = EPERM;
		if (errno_value && read_u64(r, errno_value, &n) < 0)
			return -1;
		if (*out != SECCOMP_RET_ERRNO) {
			if (errno_value)
				return FAIL(r, errno_value, "has no meaning with %s", v->string);
			return 0;
		}
		/* 0 would make the call look done; above 4095 the kernel clamps. */
		if (n < 1 || n > 4095)
			return FAIL(r, errno_value, "must be an errno from 1 to 4095");
		*out |= (uint32_t)n;
		return 0;
	}
	if (strcmp(v->string, "SCMP_ACT_NOTIFY") == 0 || strcmp(v->string, "SCMP_ACT_TRACE") == 0)
		return FAIL(r, v, "%s needs a supervisor, and there is none here", v->string);
	return FAIL(r, v, "unknown action \"%s\"", v->string);
}

static int read_op(struct reader *r, const struct oc_json *v, enum oc_seccomp_op *op, bool *masked)
{
	static const char *const names[] = {
		[OC_CMP_NE] = "SCMP_CMP_NE", [OC_CMP_LT] = "SCMP_CMP_LT",
		[OC_CMP_LE] = "SCMP_CMP_LE", [OC_CMP_EQ] = "SCMP_CMP_EQ",
		[OC_CMP_GE] = "SCMP_CMP_GE", [OC_CMP_GT] = "SCMP_CMP_GT",
	};
	if (want(r, v, OC_JSON_STRING) < 0)
		return -1;
	*masked = strcmp(v->string, "SCMP_CMP_MASKED_EQ") == 0;
	*op = OC_CMP_EQ;
	if (*masked)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], v->string) == 0) {
			*op = (enum oc_seccomp_op)i;
			return 0;
		}
	return FAIL(r, v, "unknown comparison \"%s\"", v->string);
}

/*
 * One condition for the system call `name`.  The bits that the kernel does not read must not take
 * part: 0x1_0000_5412 is TIOCSTI to ioctl(2), and is not equal to it in 64 bits.
 */
static int read_cond(struct reader *r, const struct oc_json *v, const char *name,
		     struct oc_seccomp_cond *c)
{
	static const char *const keys[] = {"index", "value", "valueTwo", "op", NULL};
	const struct oc_json *index = oc_json_get(v, "index"), *value = oc_json_get(v, "value"),
			     *two = oc_json_get(v, "valueTwo"), *op = oc_json_get(v, "op");
	uint64_t arg, first, second = 0;
	bool masked;
	if (want_keys(r, v, keys) < 0)
		return -1;
	if (!index || !value || !op)
		return FAIL(r, v, "needs index, value and op");
	if (read_u64(r, index, &arg) < 0 || read_u64(r, value, &first) < 0 ||
	    (two && read_u64(r, two, &second) < 0) || read_op(r, op, &c->op, &masked) < 0)
		return -1;
	if (arg >= OC_SECCOMP_MAX_ARGS)
		return FAIL(r, index, "must be from 0 to 5");
	uint64_t width = oc_seccomp_arg_mask(name, (unsigned)arg);
	if (!width && !masked)
		return FAIL(
			r, v,
			"it is not known how many bits of argument %u the kernel reads in %s; say "
			"which ones to compare with SCMP_CMP_MASKED_EQ",
			(unsigned)arg, name);
	c->arg = (unsigned)arg;
	if (masked) {
		c->mask = width ? first & width : first;
		c->value = second;
		if (first == 0)
			return FAIL(r, value, "a mask of 0 compares nothing");
	} else {
		c->mask = width;
		c->value = first;
		if (second)
			return FAIL(r, two, "valueTwo is for SCMP_CMP_MASKED_EQ only");
	}
	if (c->value & ~c->mask)
		return FAIL(r, masked && two ? two : value,
			    "argument %u of %s can never have this value (mask 0x%llx)", c->arg,
			    name, (unsigned long long)c->mask);
	return 0;
}

static bool same_conds(const struct oc_seccomp_rule *x, const struct oc_seccomp_rule *y)
{
	if (x->cond_count != y->cond_count)
		return false;
	for (unsigned i = 0; i < x->cond_count; i++)
		if (x->cond[i].arg != y->cond[i].arg || x->cond[i].op != y->cond[i].op ||
		    x->cond[i].mask != y->cond[i].mask || x->cond[i].value != y->cond[i].value)
			return false;
	return true;
}

static int add_rule(struct reader *r, const struct oc_json *entry, const char *name, int nr,
		    const struct oc_json *args, uint32_t action)
{
	struct oc_seccomp_rule *rule = oc_arena_alloc(r->a, sizeof(*rule));
	const struct oc_json *comment = oc_json_get(entry, "comment");
	rule->action = action;
	rule->comment = comment ? comment->string : NULL;
	rule->line = entry->line;
	for (const struct oc_json *e = args ? args->child : NULL; e; e = e->next) {
		if (rule->cond_count == OC_SECCOMP_MAX_ARGS)
			return FAIL(r, e, "more than six conditions");
		struct oc_seccomp_cond *c = &rule->cond[rule->cond_count];
		if (read_cond(r, e, name, c) < 0)
			return -1;
		/* The OCI text says "and", runc does "or". */
		for (unsigned i = 0; i < rule->cond_count; i++)
			if (rule->cond[i].arg == c->arg)
				return FAIL(r, e,
					    "argument %u is compared twice; runtimes disagree on "
					    "what that means, write two entries",
					    c->arg);
		rule->cond_count++;
	}
	struct oc_seccomp_rule **end = &r->p->rules[nr];
	for (; *end; end = &(*end)->next) {
		if ((*end)->action == action && same_conds(*end, rule))
			return 0; /* Docker's profile has such repetitions */
		if ((*end)->cond_count == 0)
			return FAIL(
				r, entry,
				"%s: never reached, the entry in line %u decides all calls of it "
				"(the first entry that fits wins)",
				name, (*end)->line);
		if (same_conds(*end, rule))
			return FAIL(r, entry, "%s: contradicts the entry in line %u", name,
				    (*end)->line);
	}
	*end = rule;
	if (++r->p->rule_count > OC_SECCOMP_MAX_RULES)
		return FAIL(r, entry, "more than %u rules", OC_SECCOMP_MAX_RULES);
	return 0;
}

/* Skipping an unknown name is safe only where the default denies at least as much. */
static int unknown_name(struct reader *r, const struct oc_json *v, uint32_t action)
{
	uint32_t def = r->p->default_action & SECCOMP_RET_ACTION_FULL;
	bool open = def == SECCOMP_RET_ALLOW || def == SECCOMP_RET_LOG;
	if (r->mode == OC_SECCOMP_PEDANTIC || (open && action != SECCOMP_RET_ALLOW))
		return FAIL(r, v, "unknown system call \"%s\"", v->string);
	if (r->unknown_count + 1 >= r->unknown_cap) {
		size_t cap = r->unknown_cap ? 2 * r->unknown_cap : 16;
		const char **grown = oc_arena_array(r->a, cap, sizeof(*grown));
		memcpy(grown, r->p->unknown, r->unknown_count * sizeof(*grown));
		r->p->unknown = grown;
		r->unknown_cap = cap;
	}
	r->p->unknown[r->unknown_count++] = v->string;
	return 0;
}

/*
 * Docker's includes/excludes: {caps, arches, minKernel}.  The payload has no capability at all.
 * Every kernel that can run the launcher is newer than 5.12.
 */
static int entry_applies(struct reader *r, const struct oc_json *entry, bool *applies)
{
	static const char *const keys[] = {"caps", "arches", "minKernel", NULL};
	const struct oc_json *inc = oc_json_get(entry, "includes"),
			     *exc = oc_json_get(entry, "excludes");
	*applies = true;
	for (int i = 0; i < 2; i++) {
		const struct oc_json *side = i ? exc : inc;
		if (!side)
			continue;
		if (want_keys(r, side, keys) < 0)
			return -1;
		const struct oc_json *caps = oc_json_get(side, "caps"),
				     *arches = oc_json_get(side, "arches"),
				     *kernel = oc_json_get(side, "minKernel");
		if ((caps && want_strings(r, caps) < 0) || (arches && want_strings(r, arches) < 0))
			return -1;
		bool here = arches && arches->count && has_string(arches, oc_seccomp_arch_docker());
		if (i == 0 && ((caps && caps->count) || (arches && arches->count && !here)))
			*applies = false;
		if (i == 1 && here)
			*applies = false;
		if (!kernel)
			continue;
		unsigned major = 0, minor = 0;
		char *end = NULL;
		if (i == 1)
			return FAIL(r, kernel, "only understood in includes");
		if (want(r, kernel, OC_JSON_STRING) < 0)
			return -1;
		if (kernel->string[0] >= '1' && kernel->string[0] <= '9')
			major = (unsigned)strtoul(kernel->string, &end, 10);
		if (end && end[0] == '.' && end[1] >= '0' && end[1] <= '9')
			minor = (unsigned)strtoul(end + 1, &end, 10);
		else
			end = NULL;
		if (!end || *end)
			return FAIL(r, kernel, "must be a version like \"4.8\"");
		if (major > 5 || (major == 5 && minor > 12))
			return FAIL(r, kernel, "versions above 5.12 are not understood");
	}
	return 0;
}

static int read_entry(struct reader *r, const struct oc_json *entry)
{
	static const char *const keys[] = {"names",   "name",	  "action",   "errnoRet", "args",
					   "comment", "includes", "excludes", "errno",	  NULL};
	if (want_keys(r, entry, keys) < 0)
		return -1;
	const struct oc_json *names = oc_json_get(entry, "names"),
			     *name = oc_json_get(entry, "name"),
			     *action = oc_json_get(entry, "action"),
			     *comment = oc_json_get(entry, "comment"),
			     *args = oc_json_get(entry, "args"),
			     *errno_ret = oc_json_get(entry, "errnoRet");
	const struct oc_json *errno_name = oc_json_get(entry, "errno");
	uint32_t ret;
	bool applies;

	if (!action || !names == !name)
		return FAIL(r, entry, "needs action, and either names or name");
	if (names ? want_strings(r, names) < 0 : want(r, name, OC_JSON_STRING) < 0)
		return -1;
	if (comment && want(r, comment, OC_JSON_STRING) < 0)
		return -1;
	if (errno_name && want(r, errno_name, OC_JSON_STRING) < 0) /* Docker: text for people */
		return -1;
	if (args && args->type == OC_JSON_NULL)
		args = NULL;
	if (args && want(r, args, OC_JSON_ARRAY) < 0)
		return -1;
	if (read_action(r, action, errno_ret, &ret) < 0 || entry_applies(r, entry, &applies) < 0)
		return -1;
	if (!applies)
		return 0;
	for (const struct oc_json *e = names ? names->child : name; e; e = names ? e->next : NULL) {
		int nr = oc_seccomp_number(e->string);
		if (nr == -1 ? unknown_name(r, e, ret) < 0
			     : nr >= 0 && add_rule(r, entry, e->string, nr, args, ret) < 0)
			return -1;
	}
	return 0;
}

/* The file must be meant for this architecture.  Others that it also lists stay closed. */
static int read_arches(struct reader *r, const struct oc_json *root)
{
	static const char *const map_keys[] = {"architecture", "subArchitectures", NULL};
	const struct oc_json *map = oc_json_get(root, "archMap"),
			     *list = oc_json_get(root, "architectures");
	bool found = false;
	if (map) {
		if (want(r, map, OC_JSON_ARRAY) < 0)
			return -1;
		for (const struct oc_json *e = map->child; e; e = e->next) {
			if (want_keys(r, e, map_keys) < 0)
				return -1;
			const struct oc_json *arch = oc_json_get(e, "architecture"),
					     *sub = oc_json_get(e, "subArchitectures");
			if (!arch)
				return FAIL(r, e, "needs architecture");
			if (want(r, arch, OC_JSON_STRING) < 0)
				return -1;
			if (sub && sub->type != OC_JSON_NULL && want_strings(r, sub) < 0)
				return -1;
			found = found || strcmp(arch->string, oc_seccomp_arch_oci()) == 0;
		}
		if (map->count && !found)
			return FAIL(r, map, "does not list %s", oc_seccomp_arch_oci());
	}
	if (list) {
		if (want_strings(r, list) < 0)
			return -1;
		if (list->count && !has_string(list, oc_seccomp_arch_oci()))
			return FAIL(r, list, "does not list %s", oc_seccomp_arch_oci());
	}
	return 0;
}

/* What a filter is loaded with is the launcher's business; a listener would be a hole. */
static int read_flags(struct reader *r, const struct oc_json *flags)
{
	if (want_strings(r, flags) < 0)
		return -1;
	for (const struct oc_json *e = flags->child; e; e = e->next)
		if (strcmp(e->string, "SECCOMP_FILTER_FLAG_TSYNC") != 0 &&
		    strcmp(e->string, "SECCOMP_FILTER_FLAG_LOG") != 0 &&
		    strcmp(e->string, "SECCOMP_FILTER_FLAG_SPEC_ALLOW") != 0)
			return FAIL(r, e, "flag \"%s\" is not supported", e->string);
	return 0;
}

int oc_seccomp_read(struct oc_arena *a, const struct oc_json *root, enum oc_seccomp_mode mode,
		    struct oc_seccomp_profile **out, struct oc_err *err)
{
	static const char *const keys[] = {"defaultAction", "defaultErrnoRet", "defaultErrno",
					   "architectures", "archMap",	       "flags",
					   "syscalls",	    "comment",	       NULL};
	struct reader r = {.a = a, .err = err, .mode = mode};
	r.p = oc_arena_alloc(a, sizeof(*r.p));
	r.p->unknown = oc_arena_array(a, 1, sizeof(*r.p->unknown));

	if (want_keys(&r, root, keys) < 0)
		return -1;
	const struct oc_json *def = oc_json_get(root, "defaultAction"),
			     *flags = oc_json_get(root, "flags"),
			     *syscalls = oc_json_get(root, "syscalls"),
			     *name = oc_json_get(root, "defaultErrno"),
			     *comment = oc_json_get(root, "comment");
	if (!def)
		return FAIL(&r, root, "needs defaultAction");
	if (read_action(&r, def, oc_json_get(root, "defaultErrnoRet"), &r.p->default_action) < 0)
		return -1;
	if ((name && want(&r, name, OC_JSON_STRING) < 0) ||
	    (comment && want(&r, comment, OC_JSON_STRING) < 0) || read_arches(&r, root) < 0 ||
	    (flags && read_flags(&r, flags) < 0))
		return -1;
	if (syscalls && want(&r, syscalls, OC_JSON_ARRAY) < 0)
		return -1;
	for (const struct oc_json *e = syscalls ? syscalls->child : NULL; e; e = e->next)
		if (read_entry(&r, e) < 0)
			return -1;
	*out = r.p;
	return 0;
}
