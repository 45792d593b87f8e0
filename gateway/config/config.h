/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - openclaw.json as the gateway uses it: one immutable snapshot.
 *
 * oc_config_load reads files and the environment; everything after it is pure.  A snapshot is never changed: a reload makes a
 * new one, and who works with the old one keeps a reference.  A process that may not read files gets its snapshot as text
 * (oc_config_pack, oc_config_unpack).  Knows nothing of sockets, clients and methods.  Must never print or hand out a secret:
 * whatever leaves the process goes through oc_config_write_masked.
 */
#ifndef OC_GATEWAY_CONFIG_CONFIG_H
#define OC_GATEWAY_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conftext.h"
#include "base/json.h"
#include "netns/policy/addr.h"

#define OC_CONFIG_PORT_DEFAULT 18789
#define OC_CONFIG_PORT_DEV     19001
/* Exit status of a gateway whose configuration is wrong: a supervisor must not start it again. */
#define OC_EXIT_CONFIG 78

enum oc_config_bind { OC_BIND_LOOPBACK, OC_BIND_LAN, OC_BIND_TAILNET, OC_BIND_CUSTOM, OC_BIND_AUTO };
enum oc_config_auth_mode { OC_AUTH_TOKEN, OC_AUTH_PASSWORD, OC_AUTH_NONE, OC_AUTH_TRUSTED_PROXY };
/* Where a value comes from. */
enum oc_config_from { OC_FROM_DEFAULT, OC_FROM_CONFIG, OC_FROM_ENV, OC_FROM_FLAG, OC_FROM_STORE };
enum oc_log_level { OC_LOG_SILENT, OC_LOG_FATAL, OC_LOG_ERROR, OC_LOG_WARN, OC_LOG_INFO, OC_LOG_DEBUG, OC_LOG_TRACE };

const char *oc_config_bind_name(enum oc_config_bind b);
const char *oc_config_auth_mode_name(enum oc_config_auth_mode m); /* "token", "password", "none", "trusted-proxy" */
const char *oc_config_from_name(enum oc_config_from f);

struct oc_config_net { /* an address or CIDR block */
	struct oc_addr addr;
	unsigned bits;
};
struct oc_config_strings {
	const char **list;
	size_t count;
};
struct oc_config_grant { /* gateway.auth.trustedProxy.identityScopes */
	const char *user;
	struct oc_config_strings scopes;
};

struct oc_config_auth {
	enum oc_config_auth_mode mode;
	enum oc_config_from mode_from;
	const char *token, *password; /* NULL: there is none */
	enum oc_config_from token_from, password_from;
	/* Mode token and no token anywhere: oc_state_token makes one, then load again.  Nobody enters until then. */
	bool needs_token;
	struct {
		const char *user_header; /* NULL: not configured */
		struct oc_config_strings required_headers, allow_users;
		struct oc_config_grant *grants;
		size_t grant_count;
		bool allow_loopback;
		bool auto_approve;
		struct oc_config_strings auto_approve_scopes;
	} proxy;
	struct {
		unsigned max_attempts, window_ms, lockout_ms; /* 10, 60000, 300000 */
		bool exempt_loopback;			      /* true */
	} limit;
};

struct oc_config_agent {
	const char *id; /* normalised: [a-z0-9][a-z0-9_-]{0,63} */
	const char *name, *workspace; /* NULL: unset */
	bool is_default;
	const struct oc_json *node;
};

struct oc_config_warning {
	const char *path; /* key, "" for the whole */
	const char *text; /* one line, with file:line where there is one */
};

struct oc_config {
	struct oc_arena arena; /* owns everything below */
	unsigned refs;
	const struct oc_config_source *source; /* for oc_config_pack */

	const char *state_dir, *path; /* absolute */
	bool exists;		      /* the file path is there */
	char hash[65];		      /* SHA-256 of the root file's text, of "" without a file */
	char applied_hash[65];	      /* SHA-256 of what is in force: includes, variables and flags as well */
	const struct oc_json *root;   /* whole tree, includes and variables resolved; an empty object without a file */
	struct oc_config_strings files; /* root file and includes, absolute: what to watch */
	struct oc_config_warning *warnings;
	size_t warning_count;

	/* gateway.* */
	uint16_t port;
	enum oc_config_from port_from;
	enum oc_config_bind bind;
	enum oc_config_from bind_from;
	/* What to listen on, in this order; all but those marked optional must succeed. */
	struct oc_config_listen {
		struct oc_addr addr;
		bool optional; /* ::1 on a host without IPv6 */
	} listen[4];
	size_t listen_count;
	bool exposed; /* listens on more than loopback */
	struct oc_addr *own; /* addresses of this host's interfaces */
	size_t own_count;
	struct oc_config_auth auth;
	struct oc_config_net *trusted_proxies;
	size_t trusted_proxy_count;
	bool allow_real_ip;
	bool auto_approve_local; /* gateway.nodes.pairing.autoApproveLocal, true */
	struct {
		bool enabled;
		const char *base_path; /* "" or "/x", no trailing slash */
		struct oc_config_strings allowed_origins;
		bool host_header_fallback;
	} ui;
	struct {
		bool enabled;
		const char *cert, *key, *ca; /* absolute paths */
	} tls;
	const char *hsts; /* Strict-Transport-Security, NULL: none */
	bool http_chat_completions, http_responses;
	struct oc_config_strings tools_deny, tools_allow; /* gateway.tools */
	bool reload; /* gateway.reload.mode is not off */
	unsigned handshake_ms, tick_ms;

	/* hooks.* */
	struct {
		bool enabled;
		const char *token, *path;
	} hooks;

	/* agents.*, session.* */
	struct oc_config_agent *agents; /* at least one: "main" when none is configured */
	size_t agent_count;
	const struct oc_config_agent *default_agent;
	bool agents_as_map; /* the dialect found: agents.entries */
	const char *main_key, *session_scope; /* "main", "per-sender" */

	/* logging.* */
	struct {
		const char *file; /* absolute; NULL: the usual place */
		enum oc_log_level level, console_level;
		bool console_json;
		uint64_t max_bytes;
	} log;
};

struct oc_config_flags { /* NULL or 0: not given */
	const char *config_path, *bind, *token, *password, *auth;
	unsigned port; /* if port_set */
	bool port_set, dev;
};

struct oc_config_options {
	oc_getenv_fn getenv; /* NULL: the process's environment */
	void *ctx;
	struct oc_config_flags flags;
	bool client; /* for a command that only connects: what only a server needs is not judged */
};

/*
 * Load, check, and build a snapshot with one reference.  No file is no error.  The message of an error names file, line and key.
 * Reads the stored token (oc_state_token) too, makes nothing.
 */
int oc_config_load(const struct oc_config_options *opt, struct oc_config **out, struct oc_err *err);
struct oc_config *oc_config_ref(struct oc_config *c);
void oc_config_unref(struct oc_config *c);
static inline void oc_config_unrefp(struct oc_config **c)
{
	oc_config_unref(*c);
}
#define oc_auto_config __attribute__((cleanup(oc_config_unrefp))) struct oc_config

/* The snapshot as one JSON text with its secrets, for another process of this gateway; and back.  Reads no file, no environment. */
void oc_config_pack(const struct oc_config *c, struct oc_buf *out);
int oc_config_unpack(const char *text, size_t len, struct oc_config **out, struct oc_err *err);

/* First member that needs a restart of the server between two snapshots ("gateway.port"), NULL: everything can be swapped. */
const char *oc_config_needs_restart(const struct oc_config *before, const struct oc_config *after);

/* "agents.list[0].id" or "agents.entries.main.name": the value there, NULL. */
const struct oc_json *oc_config_at(const struct oc_config *c, const char *path);

#define OC_CONFIG_REDACTED "__OPENCLAW_REDACTED__"
/* True if the value at this path is a secret by its name. */
bool oc_config_is_secret(const struct oc_json *v);
/* v with every secret string replaced. */
void oc_config_write_masked(struct oc_json_writer *w, const struct oc_json *v);

#endif
