/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask - what may leave the process: everything but secrets, which are known by the name of their key.
 *
 * The names are matched broadly: a name that is hidden without need costs a question, one that is shown costs a secret.
 */
#include <string.h>

#include "gateway/config/internal.h"

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Letters and digits only, lower case: "api_key", "apiKey" and "API-KEY" are one. */
static void plain(const char *key, char *out, size_t size)
{
	size_t n = 0;

	for (; *key && n + 1 < size; key++) {
		char c = lower(*key);
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			out[n++] = c;
	}
	out[n] = 0;
}

static bool ends(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n >= m && strcmp(s + n - m, end) == 0;
}

static bool secret_name(const char *key)
{
	static const char *const tails[] = {
		"token",      "password",   "passwd",	  "passphrase",	 "secret",     "apikey",
		"accesskey",  "privatekey", "signingkey", "credential",	 "credentials", "cookie",
		"authorization", "tokens",  "secrets",	  "passwords",	 "apikeys",    "auth",
		"bearer",     "webhookurl", "seed",	  "mnemonic",
	};
	char name[128];

	plain(key, name, sizeof(name));
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		if (ends(name, tails[i]))
			return true;
	return false;
}

/* Objects whose every text is one: environment variables and headers. */
static bool secret_parent(const struct oc_json *v)
{
	const struct oc_json *up = v->parent;

	if (!up || !up->key || up->type != OC_JSON_OBJECT)
		return false;
	if (strcmp(up->key, "vars") == 0 || strcmp(up->key, "env") == 0 ||
	    strcmp(up->key, "headers") == 0)
		return true;
	return false;
}

bool oc_config_is_secret(const struct oc_json *v)
{
	const struct oc_json *named = v;

	if (v->type != OC_JSON_STRING && v->type != OC_JSON_NUMBER)
		return false;
	/* The name of a variable that is unset, as it stands in the file, tells nothing. */
	if (v->unset_env)
		return false;
	while (named && !named->key)
		named = named->parent;
	if (!named)
		return false;
	if (v->type == OC_JSON_NUMBER) {
		char name[128];
		plain(named->key, name, sizeof(name));
		return ends(name, "password") || ends(name, "secret") || ends(name, "pin");
	}
	return secret_name(named->key) || secret_parent(named);
}

void oc_config_write_masked(struct oc_json_writer *w, const struct oc_json *v)
{
	if (oc_config_is_secret(v)) {
		oc_jw_string(w, OC_CONFIG_REDACTED);
	} else if (v->type == OC_JSON_ARRAY) {
		oc_jw_array(w);
		for (const struct oc_json *m = v->child; m; m = m->next)
			oc_config_write_masked(w, m);
		oc_jw_array_end(w);
	} else if (v->type == OC_JSON_OBJECT) {
		oc_jw_object(w);
		for (const struct oc_json *m = v->child; m; m = m->next) {
			oc_jw_key(w, m->key);
			oc_config_write_masked(w, m);
		}
		oc_jw_object_end(w);
	} else {
		oc_jw_value(w, v);
	}
}
