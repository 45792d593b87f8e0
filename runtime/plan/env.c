/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env - the environment of the payload: built from nothing, names of others only by rule.
 *
 * May read the caller's environment, for names that --env-pass gives.  Must never pass a variable
 * that was not asked for, or one that makes a program load code, read another configuration or
 * hand out a credential.
 *
 * The rules look strict for a sandbox that holds the program anyway.  They are there because the
 * same names steer helpers of the host that run with the workspace (git, editors, package
 * managers), and because one rule for host and sandbox is one that can be remembered.
 */
#include "runtime/plan/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* spec tools-sandbox-audit 3.3, union of all lists; sorted bytewise for the search. */
static const char *const refused_names[] = {
	"ALL_PROXY", "AMQP_URL", "ANSIBLE_CALLBACK_PLUGINS", "ANSIBLE_COLLECTIONS_PATH",
	"ANSIBLE_CONFIG", "ANSIBLE_CONNECTION_PLUGINS", "ANSIBLE_FILTER_PLUGINS",
	"ANSIBLE_INVENTORY_PLUGINS", "ANSIBLE_LIBRARY", "ANSIBLE_LOOKUP_PLUGINS",
	"ANSIBLE_MODULE_UTILS", "ANSIBLE_REMOTE_TEMP", "ANSIBLE_ROLES_PATH",
	"ANSIBLE_STRATEGY_PLUGINS", "ANT_OPTS", "AWS_ACCESS_KEY_ID", "AWS_CONFIG_FILE",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN",
	"AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AZURE_AUTH_LOCATION",
	"AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "BASHOPTS", "BASH_ENV", "BROWSER",
	"BUNDLE_GEMFILE", "BUN_CONFIG_REGISTRY", "BZR_EDITOR", "BZR_PLUGIN_PATH", "BZR_SSH",
	"CARGO_BUILD_RUSTC", "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER",
	"CARGO_BUILD_RUSTDOC", "CARGO_HOME", "CATALINA_OPTS", "CC", "CFLAGS", "CGO_CFLAGS",
	"CGO_LDFLAGS", "CLASSPATH", "CMAKE_CXX_COMPILER", "CMAKE_C_COMPILER",
	"CMAKE_TOOLCHAIN_FILE", "COMPOSER_HOME", "CONDA_DEFAULT_ENV", "CONDA_PREFIX",
	"CONFIG_SHELL", "CONFIG_SITE", "CORECLR_PROFILER", "CORECLR_PROFILER_PATH", "CPATH",
	"CPLUS_INCLUDE_PATH", "CPP", "CURL_CA_BUNDLE", "CURL_HOME", "CXX", "CXXCPP",
	"C_INCLUDE_PATH", "DATABASE_URL", "DENO_DIR", "DOCKER_CERT_PATH", "DOCKER_CONTEXT",
	"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOTNET_ADDITIONAL_DEPS", "DOTNET_STARTUP_HOOKS",
	"EDITOR", "ELIXIR_ERL_OPTIONS", "EMACSLOADPATH", "ENV", "ERL_AFLAGS", "ERL_FLAGS",
	"ERL_ZFLAGS", "EXINIT", "FCEDIT", "FPATH", "GCONV_PATH", "GEM_HOME", "GEM_PATH",
	"GH_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN", "GIT_ALLOW_PROTOCOL",
	"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_ASKPASS", "GIT_COMMON_DIR", "GIT_DIR",
	"GIT_EDITOR", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_HOOK_PATH", "GIT_INDEX_FILE",
	"GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_PAGER", "GIT_PROTOCOL_FROM_USER",
	"GIT_PROXY_COMMAND", "GIT_SEQUENCE_EDITOR", "GIT_SSH", "GIT_SSH_COMMAND",
	"GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_NO_VERIFY", "GIT_TEMPLATE_DIR",
	"GIT_WORK_TREE", "GLIBC_TUNABLES", "GOENV", "GOFLAGS", "GONOPROXY", "GONOSUMCHECK",
	"GONOSUMDB", "GOOGLE_APPLICATION_CREDENTIALS", "GOPATH", "GOPRIVATE", "GOPROXY",
	"GRADLE_OPTS", "GRADLE_USER_HOME", "GVIMINIT", "HELM_HOME", "HELM_PLUGINS", "HGEDITOR",
	"HGMERGE", "HGRCPATH", "HISTFILE", "HOME", "HOSTALIASES", "HTTPS_PROXY", "HTTP_PROXY",
	"IFS", "JAVA_OPTS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JULIA_EDITOR", "KSH_ENV",
	"KUBECONFIG", "LDFLAGS", "LESSCLOSE", "LESSOPEN", "LIBRARY_PATH", "LUA_CPATH",
	"LUA_INIT", "LUA_INIT_5_1", "LUA_INIT_5_2", "LUA_INIT_5_3", "LUA_INIT_5_4", "LUA_PATH",
	"MAKE", "MAKEFLAGS", "MANPAGER", "MAVEN_OPTS", "MFLAGS", "MONGODB_URI", "MYVIMRC",
	"NODE_AUTH_TOKEN", "NODE_EXTRA_CA_CERTS", "NODE_OPTIONS", "NODE_PATH",
	"NODE_REDIRECT_WARNINGS", "NODE_REPL_EXTERNAL_MODULE", "NODE_REPL_HISTORY",
	"NODE_TLS_REJECT_UNAUTHORIZED", "NODE_V8_COVERAGE", "NO_PROXY", "NPM_TOKEN",
	"OBJC_INCLUDE_PATH", "OPENSSL_CONF", "OPENSSL_ENGINES", "PACKER_PLUGIN_PATH", "PAGER",
	"PERL5DB", "PERL5DBCMD", "PERL5LIB", "PERL5OPT", "PHPRC", "PHP_INI_SCAN_DIR",
	"PIP_CONFIG_FILE", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL",
	"PIP_PYPI_URL", "PIP_TRUSTED_HOST", "PROMPT_COMMAND", "PS4", "PYTHONBREAKPOINT",
	"PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "REDIS_URL",
	"REQUESTS_CA_BUNDLE", "RUBYLIB", "RUBYOPT", "RUBYSHELL", "RUSTC",
	"RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "RUSTDOC", "RUSTFLAGS", "RUSTUP_DIST_ROOT",
	"RUSTUP_DIST_SERVER", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTUP_UPDATE_ROOT",
	"R_ENVIRON", "R_ENVIRON_USER", "R_LIBS_USER", "R_PROFILE", "R_PROFILE_USER", "SBT_OPTS",
	"SHELL", "SHELLOPTS", "SSH_ASKPASS", "SSH_AUTH_SOCK", "SSLKEYLOGFILE", "SSL_CERT_DIR",
	"SSL_CERT_FILE", "SUDO_ASKPASS", "SUDO_EDITOR", "SVN_EDITOR", "SVN_SSH", "SYSTEMROOT",
	"TCLLIBPATH", "TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR", "UV_DEFAULT_INDEX",
	"UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_INDEX_URL", "UV_PYTHON", "VAGRANT_VAGRANTFILE",
	"VIMINIT", "VIRTUAL_ENV", "VISUAL", "WGETRC", "WINDIR", "XDG_CACHE_HOME",
	"XDG_CONFIG_DIRS", "XDG_CONFIG_HOME", "XDG_DATA_DIRS", "XDG_DATA_HOME",
	"XDG_RUNTIME_DIR", "XDG_STATE_HOME", "YARN_RC_FILENAME", "ZDOTDIR", "_JAVA_OPTIONS",
};
static const char *const refused_prefixes[] = { "BASH_FUNC_", "CARGO_REGISTRIES_", "DYLD_",   "GIT_CONFIG_",
						"LD_",	      "NPM_CONFIG_",	   "TF_VAR_" };

#define COUNT(x) (sizeof(x) / sizeof(*(x)))
#define NAME_MAX_LEN 255

bool oc_env_name_valid(const char *name)
{
	if (!((*name >= 'A' && *name <= 'Z') || (*name >= 'a' && *name <= 'z') || *name == '_'))
		return false;
	const char *p = name;
	for (; *p; p++)
		if (!((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_'))
			return false;
	return p - name <= NAME_MAX_LEN;
}

static int compare_name(const void *key, const void *row)
{
	return strcmp(key, *(const char *const *)row);
}

/* The comparison is on the upper-case name: programs differ in whether http_proxy or HTTP_PROXY counts. */
static void upper(const char *name, char out[NAME_MAX_LEN + 1])
{
	size_t i = 0;
	for (; name[i] && i < NAME_MAX_LEN; i++)
		out[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
	out[i] = '\0';
}

bool oc_env_allowed(const char *name, const char **why)
{
	char up[NAME_MAX_LEN + 1];
	if (!oc_env_name_valid(name)) {
		*why = "it is not a name (letters, digits and '_', no digit first, at most 255)";
		return false;
	}
	upper(name, up);
	if (strcmp(up, "PATH") == 0) {
		*why = "PATH is set by the sandbox; use `env PATH=... COMMAND` inside, or docker.env in the configuration";
		return false;
	}
	if (strcmp(up, "HOME") == 0) {
		*why = "HOME is set by the sandbox; use `env HOME=... COMMAND` inside, or docker.env in the configuration";
		return false;
	}
	if (strcmp(up, "PWD") == 0 || strcmp(up, "OPENCLAW_SHELL") == 0) {
		*why = "the sandbox sets it itself";
		return false;
	}
	if (bsearch(up, refused_names, COUNT(refused_names), sizeof(*refused_names), compare_name)) {
		*why = "it can make programs load code, use another configuration or carry a credential";
		return false;
	}
	for (size_t i = 0; i < COUNT(refused_prefixes); i++) {
		if (strncmp(up, refused_prefixes[i], strlen(refused_prefixes[i])) == 0) {
			*why = "names that begin with BASH_FUNC_, CARGO_REGISTRIES_, DYLD_, GIT_CONFIG_, LD_, "
			       "NPM_CONFIG_ or TF_VAR_ steer how programs load code or where they get it";
			return false;
		}
	}
	return true;
}

bool oc_env_secret(const char *name)
{
	/* the names of 1.5 that the suffixes do not cover */
	static const char *const exact[] = { "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "LINE_CHANNEL_ACCESS_TOKEN" };
	static const char *const suffix[] = { "API_KEY",     "APIKEY",	   "TOKEN", "PASSWORD",
					      "PRIVATE_KEY", "PRIVATEKEY", "SECRET" };
	char up[NAME_MAX_LEN + 1];
	upper(name, up);
	size_t len = strlen(up);
	for (size_t i = 0; i < COUNT(exact); i++)
		if (strcmp(up, exact[i]) == 0)
			return true;
	for (size_t i = 0; i < COUNT(suffix); i++) {
		size_t n = strlen(suffix[i]);
		if (len >= n && strcmp(up + len - n, suffix[i]) == 0)
			return true;
	}
	return false;
}

int oc_env_value_check(const char *name, const char *value, struct oc_err *err)
{
	/* the kernel takes at most 128 KiB for "NAME=value" (MAX_ARG_STRLEN); execve would fail late with E2BIG */
	if (strlen(name) + 1 + strlen(value) > OC_MAX_ENV_LEN)
		return oc_fail(err, 0, "the value of %s is longer than %d bytes", name, OC_MAX_ENV_LEN);
	for (const unsigned char *p = (const unsigned char *)value; *p; p++)
		/* line feeds and tabs are in every certificate and in many lists */
		if ((*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
			return oc_fail(err, 0, "the value of %s contains a control byte (0x%02x)", name, *p);
	return 0;
}

void oc_env_put(struct oc_arena *a, struct oc_settings *s, const char *name, const char *value, oc_origin origin)
{
	struct oc_env_var *v = NULL;
	for (size_t i = 0; i < s->env.count && !v; i++)
		if (strcmp(s->env.items[i].name, name) == 0)
			v = &s->env.items[i];
	if (!v)
		v = oc_vec_add(a, &s->env);
	*v = (struct oc_env_var){ name, value, origin };
}

static int refuse(const char *flag, const char *name, const char *why, struct oc_err *err)
{
	return oc_fail(err, 0, "%s %.200s is refused: %s", flag, name, why);
}

int oc_env_flags(struct oc_builder *b, struct oc_err *err)
{
	const struct oc_plan_options *o = b->opt;
	const char *why;
	if (o->env_count + o->env_pass_count > OC_MAX_ENV)
		return oc_fail(err, 0, "%zu environment variables are given, the limit is %d",
			       o->env_count + o->env_pass_count, OC_MAX_ENV);
	for (size_t i = 0; i < o->env_pass_count; i++) {
		const char *name = o->env_pass[i];
		if (!oc_env_allowed(name, &why))
			return refuse("--env-pass", name, why, err);
		if (oc_env_secret(name)) {
			refuse("--env-pass", name, "the name says that it holds a credential", err);
			return oc_err_hint(err, "if the command must have it, give it by name in sandbox.docker.env");
		}
		const char *value = getenv(name);
		if (!value) {
			oc_warn(b, "--env-pass %s: not set here, so it is not set inside", name);
			continue;
		}
		if (oc_env_value_check(name, value, err) < 0)
			return oc_err_context(err, "--env-pass");
		oc_env_put(b->a, &b->s, name, value, "--env-pass");
	}
	for (size_t i = 0; i < o->env_count; i++) {
		const char *eq = strchr(o->env[i], '=');
		if (!eq) {
			oc_fail(err, 0, "--env \"%.200s\" is not NAME=VALUE", o->env[i]);
			return oc_err_hint(err, "to hand on a variable of your own environment use --env-pass NAME");
		}
		const char *name = oc_arena_strndup(b->a, o->env[i], (size_t)(eq - o->env[i]));
		if (!oc_env_allowed(name, &why))
			return refuse("--env", name, why, err);
		if (oc_env_value_check(name, eq + 1, err) < 0)
			return oc_err_context(err, "--env");
		oc_env_put(b->a, &b->s, name, eq + 1, "--env");
	}
	return 0;
}

int oc_env_config(struct oc_builder *b, struct oc_settings *s, const char *name, const char *value, oc_origin origin,
		  struct oc_err *err)
{
	const char *why;
	/*
	 * Who writes a credential into the configuration by name wants it inside; it is said aloud because
	 * every program in the sandbox can read it.  PATH and HOME are the administrator's to choose.
	 */
	bool own = strcmp(name, "PATH") == 0 || strcmp(name, "HOME") == 0;
	bool secret = oc_env_name_valid(name) && oc_env_secret(name);
	if (!own && !secret && !oc_env_allowed(name, &why))
		return refuse("the variable", name, why, err);
	if (oc_env_value_check(name, value, err) < 0)
		return -1;
	if (strcmp(name, "HOME") == 0 && oc_parse_path(b->a, "HOME", value, &value, err) < 0)
		return -1;
	if (secret)
		oc_warn(b, "%s: %s looks like a credential and is readable by everything in the sandbox", origin, name);
	else if (strlen(value) > 32768)
		oc_warn(b, "%s: the value is longer than 32768 bytes", origin);
	if (s->env.count >= OC_MAX_ENV)
		return oc_fail(err, 0, "more than %d environment variables", OC_MAX_ENV);
	oc_env_put(b->a, s, name, value, origin);
	return 0;
}

static void add_default(struct oc_builder *b, struct oc_env_var **out, const char *name, const char *value)
{
	for (size_t i = 0; i < b->s.env.count; i++)
		if (strcmp(b->s.env.items[i].name, name) == 0)
			return;
	*(*out)++ = (struct oc_env_var){ name, value, "default" };
}

int oc_env_finish(struct oc_builder *b, struct oc_err *err)
{
	struct oc_plan *plan = b->plan;
	enum { OWN = 11 };
	struct oc_env_var *list = oc_arena_array(b->a, b->s.env.count + OWN, sizeof(*list));
	struct oc_env_var *end = list;
	bool tty = plan->tty == OC_TTY_YES || (plan->tty == OC_TTY_AUTO && isatty(0));
	const char *term = tty ? getenv("TERM") : NULL;
	bool bash = plan->rootfs == OC_ROOTFS_HOST && access("/usr/bin/bash", X_OK) == 0;

	if (b->s.env.count > OC_MAX_ENV)
		return oc_fail(err, 0, "more than %d environment variables", OC_MAX_ENV);
	add_default(b, &end, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	add_default(b, &end, "HOME", "/workspace");
	add_default(b, &end, "PWD", plan->workdir);
	add_default(b, &end, "USER", "agent");
	add_default(b, &end, "LOGNAME", "agent");
	add_default(b, &end, "SHELL", bash ? "/bin/bash" : "/bin/sh");
	add_default(b, &end, "LANG", "C.UTF-8");
	add_default(b, &end, "TMPDIR", "/tmp");
	add_default(b, &end, "OPENCLAW_SHELL", "exec");
	if (tty)
		add_default(b, &end, "TERM",
			    term && *term && oc_env_value_check("TERM", term, NULL) == 0 ? term : "dumb");
	for (size_t i = 0; i < b->s.env.count; i++)
		*end++ = b->s.env.items[i];
	plan->env = list;
	plan->env_count = (size_t)(end - list);
	return 0;
}
