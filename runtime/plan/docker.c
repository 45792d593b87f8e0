/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker - the docker.* keys of openclaw.json, carried out natively.  spec tools-sandbox-audit 1.2 and 9.
 *
 * A key whose effect this program gives is mapped; one that it gives always is accepted; one that it cannot give,
 * or that would take a layer away, is an error.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "runtime/plan/keys.h"

static int image(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	static const char default_image[] = "openclaw-sandbox:bookworm-slim";
	const char *name = oc_keys_text(c, v);
	(void)arg;
	if (*name == '/')
		return oc_key_path(c, v, OC_S_ROOTFS, err);
	if (strcmp(name, default_image) == 0) {
		oc_keys_set(c, OC_S_ROOTFS, "host", 0, v);
		return 0;
	}
	oc_json_fail(c->a, v, err, "\"%.100s\" is the name of a container image, and images are not pulled", name);
	return oc_err_hint(err, "unpack the image and give the absolute path of the directory, or take the key out to "
				"run with the programs of this machine");
}

static int namespace_join(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	(void)arg;
	if (!v->boolean)
		return 0;
	oc_json_fail(c->a, v, err, "a sandbox never joins the namespace of another container");
	return oc_err_hint(err, "take the key out");
}

static int gpus(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	(void)arg;
	if (!*oc_keys_text(c, v))
		return 0;
	oc_json_fail(c->a, v, err, "graphics devices cannot be given to a sandbox");
	return oc_err_hint(err, "take the key out");
}

static int seccomp(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	const char *name = oc_keys_text(c, v);
	(void)arg;
	if (!*name)
		return 0;
	if (strcasecmp(name, "unconfined") == 0) {
		oc_json_fail(c->a, v, err, "a sandbox without a system call filter does not exist");
		return oc_err_hint(err, "take the key out, or give the path of a profile");
	}
	if (oc_check_seccomp(c->a, &name, err) < 0)
		return oc_keys_at(c, v, err);
	oc_keys_set(c, OC_S_SECCOMP, name, 0, v);
	return 0;
}

static int apparmor(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	const char *name = oc_keys_text(c, v);
	(void)arg;
	if (!*name)
		return 0;
	if (strcasecmp(name, "unconfined") == 0)
		oc_json_fail(c->a, v, err, "\"unconfined\" is refused");
	else
		oc_json_fail(c->a, v, err, "AppArmor profiles are not applied here: Landlock is the second file-system layer");
	return oc_err_hint(err, "take the key out");
}

static int cap_drop(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	bool all = false;
	(void)arg;
	if (oc_keys_strings(c, v, err) < 0)
		return -1;
	for (const struct oc_json *m = v->child; m; m = m->next)
		all |= strcasecmp(m->string, "ALL") == 0;
	if (!all)
		oc_warn(c->b, "%s: a sandbox drops all capabilities, also those that are not in this list",
			oc_keys_origin(c, v));
	return 0;
}

static int setup_command(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	bool empty = true;
	(void)arg;
	if (v->type == OC_JSON_STRING) {
		empty = !*oc_keys_text(c, v);
	} else {
		if (oc_keys_strings(c, v, err) < 0)
			return -1;
		for (const struct oc_json *m = v->child; m; m = m->next)
			empty &= !*oc_keys_text(c, m);
	}
	if (empty)
		return 0;
	oc_json_fail(c->a, v, err, "a set-up command needs a sandbox that is kept, which this command does not have yet");
	return oc_err_hint(err, "run it as the first command, or put what it installs into an image directory");
}

static int memory(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	if (!*oc_keys_text(c, v))
		return 0;
	if (oc_key_size(c, v, arg, err) < 0)
		return -1;
	c->s->v[arg].docker = true;
	return 0;
}

static int memory_swap(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	const char *s = oc_keys_text(c, v);
	uint64_t n = 0;
	enum oc_swap_unit unit = OC_SWAP_TOTAL;
	if (!*s || strcmp(s, "0") == 0)
		return 0;
	if (strcmp(s, "-1") == 0)
		unit = OC_SWAP_UNLIMITED;
	else if (oc_parse_size(s, &n, err) < 0)
		return oc_keys_at(c, v, err);
	oc_keys_set(c, arg, NULL, n, v);
	c->s->v[arg].docker = true;
	c->s->v[arg].swap_unit = unit;
	return 0;
}

/* Docker reads 0 as "no limit"; here there is always one. */
static bool no_limit(struct oc_keys_ctx *c, const struct oc_json *v)
{
	if (v->type != OC_JSON_NUMBER || v->number > 0)
		return false;
	oc_warn(c->b, "%s: a sandbox always has this limit, the default stays", oc_keys_origin(c, v));
	return true;
}

static int pids_limit(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	return no_limit(c, v) ? 0 : oc_key_pids(c, v, arg, err);
}

static int cpus(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	return no_limit(c, v) ? 0 : oc_key_cpus(c, v, arg, err);
}

static int user(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	return *v->string ? oc_key_user(c, v, arg, err) : 0;
}

static bool is_address(const char *s)
{
	unsigned char bytes[16];
	return inet_pton(AF_INET, s, bytes) == 1 || inet_pton(AF_INET6, s, bytes) == 1;
}

static int dns(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	(void)arg;
	if (oc_keys_strings(c, v, err) < 0)
		return -1;
	if (v->count > 16)
		return oc_json_fail(c->a, v, err, "%u name servers, the limit is 16", v->count);
	c->s->dns.count = 0;
	for (const struct oc_json *m = v->child; m; m = m->next) {
		const char *s = oc_keys_text(c, m);
		if (!*s)
			continue;
		if (!is_address(s))
			return oc_json_fail(c->a, m, err, "\"%.100s\" is not an IP address", s);
		*oc_vec_add(c->a, &c->s->dns) = (struct oc_line){ s, oc_keys_origin(c, m) };
	}
	return 0;
}

static int extra_hosts(struct oc_keys_ctx *c, const struct oc_json *v, int arg, struct oc_err *err)
{
	(void)arg;
	if (oc_keys_strings(c, v, err) < 0)
		return -1;
	if (v->count > 256)
		return oc_json_fail(c->a, v, err, "%u hosts, the limit is 256", v->count);
	c->s->hosts.count = 0;
	for (const struct oc_json *m = v->child; m; m = m->next) {
		const char *s = oc_keys_text(c, m), *colon = strchr(s, ':');
		if (!*s)
			continue;
		const char *host = colon ? oc_arena_strndup(c->a, s, (size_t)(colon - s)) : s;
		if (!colon || oc_parse_hostname(host, err) < 0 || !is_address(colon + 1)) {
			oc_json_fail(c->a, m, err, "\"%.100s\" is not host:address", s);
			return oc_err_hint(err, "write \"name:192.0.2.1\" or \"name:2001:db8::1\"");
		}
		*oc_vec_add(c->a, &c->s->hosts) = (struct oc_line){ s, oc_keys_origin(c, m) };
	}
	return 0;
}

const struct oc_key oc_keys_table_docker[] = {
	{ "apparmorProfile", OC_T_STRING, apparmor, 0 },
	{ "binds", OC_T_ARRAY, oc_key_binds, 1 },
	{ "capDrop", OC_T_ARRAY, cap_drop, 0 },
	{ "containerPrefix", OC_T_STRING, NULL, 0 },
	{ "cpus", OC_T_NUMBER | OC_T_STRING, cpus, OC_S_CPUS },
	{ "dangerouslyAllowContainerNamespaceJoin", OC_T_BOOL, namespace_join, 0 },
	{ "dangerouslyAllowExternalBindSources", OC_T_BOOL, oc_key_bool, OC_S_EXTERNAL_SOURCES },
	{ "dangerouslyAllowReservedContainerTargets", OC_T_BOOL, oc_key_bool, OC_S_RESERVED_TARGETS },
	{ "dns", OC_T_ARRAY, dns, 0 },
	{ "env", OC_T_OBJECT, oc_key_env, 0 },
	{ "extraHosts", OC_T_ARRAY, extra_hosts, 0 },
	{ "gpus", OC_T_STRING, gpus, 0 },
	{ "image", OC_T_STRING, image, 0 },
	{ "memory", OC_T_NUMBER | OC_T_STRING, memory, OC_S_MEMORY },
	{ "memorySwap", OC_T_NUMBER | OC_T_STRING, memory_swap, OC_S_SWAP },
	{ "network", OC_T_STRING, oc_key_docker_network, 0 },
	{ "pidsLimit", OC_T_NUMBER, pids_limit, OC_S_PIDS },
	{ "readOnlyRoot", OC_T_BOOL, oc_key_bool, OC_S_READ_ONLY_ROOT },
	{ "seccompProfile", OC_T_STRING, seccomp, 0 },
	{ "setupCommand", OC_T_STRING | OC_T_ARRAY, setup_command, 0 },
	{ "tmpfs", OC_T_ARRAY, oc_key_tmpfs, 0 },
	{ "ulimits", OC_T_OBJECT, oc_key_ulimits, 0 },
	{ "user", OC_T_STRING, user, OC_S_USER },
	{ "workdir", OC_T_STRING, oc_key_path, OC_S_WORKDIR },
	{ NULL, 0, NULL, 0 },
};
