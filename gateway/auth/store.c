/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - <state>/devices/paired.json and token-key, and the requests that wait for an answer.
 *
 * A token is not stored: it is HMAC-SHA256(token-key, device, role, serial), so that the same one can be handed out at
 * every connect and the list of devices can be read without giving any away.  A new serial makes the old token worthless.
 * Everything is written by temporary file and rename, 0600, through the descriptor of the directory.  Requests live in memory:
 * they are at most five minutes old, and the device asks again.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "gateway/auth/internal.h"
#include "gateway/config/state.h"

#if defined(__GNUC__) && !defined(__clang__)
/* gcc 12 loses sight of what a member of a list holds. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define FILE_NAME "paired.json"
#define KEY_NAME  "token-key"
enum { file_bytes_max = 8 << 20 };

static char *copy(const char *s)
{
	if (!s)
		return NULL;
	size_t size = strlen(s) + 1;
	char *out = malloc(size);
	if (!out)
		oc_oom();
	return memcpy(out, s, size);
}

static void set(char **to, const char *s)
{
	char *old = *to;

	*to = copy(s);
	free(old);
}

static void token_free(struct oc_token *t)
{
	free(t->role);
	free(t->serial);
	free(t->legacy);
	oc_scopes_free(&t->scopes);
	free(t);
}

void oc_device_free(struct oc_device *d)
{
	for (struct oc_token *t = d->tokens, *next; t; t = next) {
		next = t->next;
		token_free(t);
	}
	free(d->id);
	free(d->key);
	free(d->name);
	free(d->label);
	free(d->platform);
	free(d->family);
	free(d->client_id);
	free(d->client_mode);
	free(d->ip);
	oc_scopes_free(&d->roles);
	oc_scopes_free(&d->scopes);
	free(d);
}

void oc_pending_clear(struct oc_pending *p)
{
	free(p->device);
	free(p->key);
	free(p->name);
	free(p->platform);
	free(p->family);
	free(p->client_id);
	free(p->client_mode);
	free(p->ip);
	free(p->role);
	oc_scopes_free(&p->scopes);
}

/* --- reading --- */

static const char *text(const struct oc_json *v, const char *key)
{
	v = oc_json_get(v, key);
	return v && v->type == OC_JSON_STRING && *v->string ? v->string : NULL;
}

static int64_t when(const struct oc_json *v, const char *key)
{
	v = oc_json_get(v, key);
	if (!v || v->type != OC_JSON_NUMBER || !(v->number >= 0) || v->number > 9e15)
		return 0;
	return (int64_t)v->number;
}

static void read_scopes(const struct oc_json *v, const char *key, struct oc_scopes *out)
{
	v = oc_json_get(v, key);
	for (const struct oc_json *e = v && v->type == OC_JSON_ARRAY ? v->child : NULL; e; e = e->next)
		if (e->type == OC_JSON_STRING && *e->string) {
			const char *one = e->string;
			oc_scopes_add(out, &(struct oc_scopes){.list = &one, .count = 1});
		}
}

static void read_token(struct oc_device *d, const struct oc_json *v)
{
	const char *role = text(v, "role");
	struct oc_token *t;

	if (!role)
		role = v->key;
	if (!role || oc_store_token(d, role) || !(t = calloc(1, sizeof(*t))))
		return;
	t->role = copy(role);
	t->serial = copy(text(v, "serial"));
	t->legacy = t->serial ? NULL : copy(text(v, "token"));
	if (!t->serial && !t->legacy)
		oc_store_new_serial(t);
	read_scopes(v, "scopes", &t->scopes);
	t->created_ms = when(v, "createdAtMs");
	t->rotated_ms = when(v, "rotatedAtMs");
	t->used_ms = when(v, "lastUsedAtMs");
	t->revoked_ms = when(v, "revokedAtMs");
	t->next = d->tokens;
	d->tokens = t;
}

static int read_device(struct oc_auth *a, struct oc_arena *arena, const struct oc_json *v,
		       struct oc_err *err)
{
	const char *id = text(v, "deviceId"), *key = text(v, "publicKey");
	unsigned char raw[32];

	if (!id || !key || oc_device_key(key, raw) < 0 || oc_store_find(a, id))
		return oc_json_fail(arena, v, err, "is no record of a device");
	struct oc_device *d = calloc(1, sizeof(*d));
	if (!d)
		oc_oom();
	d->id = copy(id);
	d->key = copy(key);
	d->name = copy(text(v, "displayName"));
	d->label = copy(text(v, "operatorLabel"));
	d->platform = copy(text(v, "platform"));
	d->family = copy(text(v, "deviceFamily"));
	d->client_id = copy(text(v, "clientId"));
	d->client_mode = copy(text(v, "clientMode"));
	d->ip = copy(text(v, "remoteIp"));
	read_scopes(v, "roles", &d->roles);
	const char *role = text(v, "role");
	if (role)
		oc_scopes_add(&d->roles, &(struct oc_scopes){.list = &role, .count = 1});
	read_scopes(v, oc_json_get(v, "approvedScopes") ? "approvedScopes" : "scopes", &d->scopes);
	d->created_ms = when(v, "createdAtMs");
	d->approved_ms = when(v, "approvedAtMs");
	const struct oc_json *tokens = oc_json_get(v, "tokens");
	for (const struct oc_json *t = tokens ? tokens->child : NULL; t; t = t->next)
		if (t->type == OC_JSON_OBJECT)
			read_token(d, t);
	d->next = a->devices;
	a->devices = d;
	return 0;
}

static int read_file(struct oc_auth *a, struct oc_err *err)
{
	oc_auto_buf data = {0};
	oc_auto_arena arena = {0};
	struct oc_json *v;
	struct stat st;

	oc_auto_close fd = oc_openat2(a->dir, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0,
				      RESOLVE_BENEATH);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return oc_fail(err, errno, "cannot open devices/" FILE_NAME);
	if (!S_ISREG(st.st_mode) || oc_read_all(fd, &data, file_bytes_max) < 0)
		return oc_fail(err, errno, "cannot read devices/" FILE_NAME);
	if (oc_json_parse_message(&arena, data.len ? data.data : "", data.len, "devices/" FILE_NAME,
				  file_bytes_max, &v, err) < 0)
		return oc_err_hint(err, "put it right, or remove it: then all devices pair anew");
	unsigned n = 0;
	for (const struct oc_json *d = v->child; d; d = d->next)
		if (++n > oc_devices_max || read_device(a, &arena, d, err) < 0)
			return n > oc_devices_max
				       ? oc_fail(err, 0, "devices/" FILE_NAME " has too many devices")
				       : -1;
	return 0;
}

static int read_key(struct oc_auth *a, struct oc_err *err)
{
	struct stat st;

	oc_auto_close fd =
		oc_openat2(a->dir, KEY_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, RESOLVE_BENEATH);
	if (fd < 0 && errno == ENOENT) {
		if (getrandom(a->key, sizeof(a->key), 0) != (ssize_t)sizeof(a->key))
			return oc_fail(err, errno, "no random bytes");
		return oc_atomic_write_at(a->dir, KEY_NAME, a->key, sizeof(a->key), 0600, err);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return oc_fail(err, errno, "cannot open devices/" KEY_NAME);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) || st.st_size != sizeof(a->key) ||
	    read(fd, a->key, sizeof(a->key)) != (ssize_t)sizeof(a->key)) {
		oc_fail(err, 0, "devices/" KEY_NAME " must be a file of 32 bytes with mode 0600");
		return oc_err_hint(err, "remove it: a new one is made, and devices get new tokens");
	}
	return 0;
}

int oc_auth_open(int state, struct oc_auth **out, struct oc_err *err)
{
	struct oc_auth *a = calloc(1, sizeof(*a));

	*out = NULL;
	if (!a)
		oc_oom();
	a->limit = oc_limit_new();
	a->dir = oc_state_subdir(state, "devices", err);
	if (a->dir < 0 || read_key(a, err) < 0 || read_file(a, err) < 0) {
		oc_auth_close(a);
		return oc_err_step(err, "devices");
	}
	*out = a;
	return 0;
}

void oc_auth_close(struct oc_auth *a)
{
	if (!a)
		return;
	if (a->dirty)
		oc_store_save(a, NULL);
	while (a->devices)
		oc_store_remove(a, a->devices);
	while (a->pending)
		oc_pending_drop(a, a->pending);
	oc_limit_free(a->limit);
	if (a->dir >= 0)
		close(a->dir);
	OPENSSL_cleanse(a->key, sizeof(a->key));
	free(a);
}

/* --- writing --- */

static void put(struct oc_json_writer *w, const char *key, const char *s)
{
	if (!s)
		return;
	oc_jw_key(w, key);
	oc_jw_string(w, s);
}

static void put_time(struct oc_json_writer *w, const char *key, int64_t ms)
{
	if (!ms)
		return;
	oc_jw_key(w, key);
	oc_jw_int(w, ms);
}

static void write_device(struct oc_json_writer *w, const struct oc_device *d)
{
	oc_jw_key(w, d->id);
	oc_jw_object(w);
	put(w, "deviceId", d->id);
	put(w, "publicKey", d->key);
	put(w, "displayName", d->name);
	put(w, "operatorLabel", d->label);
	put(w, "platform", d->platform);
	put(w, "deviceFamily", d->family);
	put(w, "clientId", d->client_id);
	put(w, "clientMode", d->client_mode);
	put(w, "remoteIp", d->ip);
	oc_jw_key(w, "roles");
	oc_scopes_write(w, &d->roles);
	oc_jw_key(w, "scopes");
	oc_scopes_write(w, &d->scopes);
	put_time(w, "createdAtMs", d->created_ms);
	put_time(w, "approvedAtMs", d->approved_ms);
	oc_jw_key(w, "tokens");
	oc_jw_object(w);
	for (const struct oc_token *t = d->tokens; t; t = t->next) {
		oc_jw_key(w, t->role);
		oc_jw_object(w);
		put(w, "role", t->role);
		put(w, "serial", t->serial);
		put(w, "token", t->legacy);
		oc_jw_key(w, "scopes");
		oc_scopes_write(w, &t->scopes);
		put_time(w, "createdAtMs", t->created_ms);
		put_time(w, "rotatedAtMs", t->rotated_ms);
		put_time(w, "lastUsedAtMs", t->used_ms);
		put_time(w, "revokedAtMs", t->revoked_ms);
		oc_jw_object_end(w);
	}
	oc_jw_object_end(w);
	oc_jw_object_end(w);
}

int oc_store_save(struct oc_auth *a, struct oc_err *err)
{
	oc_auto_buf b = {0};
	struct oc_json_writer w;

	oc_jw_init(&w, &b, 2);
	oc_jw_object(&w);
	for (const struct oc_device *d = a->devices; d; d = d->next)
		write_device(&w, d);
	oc_jw_object_end(&w);
	oc_buf_puts(&b, "\n");
	if (oc_atomic_write_at(a->dir, FILE_NAME, b.data, b.len, 0600, err) < 0)
		return oc_err_step(err, "devices");
	a->dirty = false;
	return 0;
}

/* --- devices --- */

struct oc_device *oc_store_find(const struct oc_auth *a, const char *id)
{
	struct oc_device *d = a->devices;

	while (d && strcmp(d->id, id) != 0)
		d = d->next;
	return d;
}

struct oc_token *oc_store_token(const struct oc_device *d, const char *role)
{
	struct oc_token *t = d ? d->tokens : NULL;

	while (t && strcmp(t->role, role) != 0)
		t = t->next;
	return t;
}

int oc_store_token_text(const struct oc_auth *a, const struct oc_device *d, const struct oc_token *t,
			struct oc_arena *arena, const char **out)
{
	char mac[44];

	if (t->legacy) {
		*out = oc_arena_strdup(arena, t->legacy);
		return 0;
	}
	const char *name = oc_arena_printf(arena, "openclaw device token|%s|%s|%s", d->id, t->role,
					   t->serial);
	if (oc_hmac_text(a->key, name, mac) < 0)
		return -1;
	*out = oc_arena_strdup(arena, mac);
	OPENSSL_cleanse(mac, sizeof(mac));
	return 0;
}

void oc_store_new_serial(struct oc_token *t)
{
	char serial[37];

	oc_uuid(serial);
	free(t->legacy);
	t->legacy = NULL;
	set(&t->serial, serial);
}

struct oc_token *oc_store_issue(struct oc_device *d, const char *role, const struct oc_scopes *scopes,
				int64_t now_ms, bool *made)
{
	struct oc_token *t = d->tokens;

	while (t && strcmp(t->role, role) != 0)
		t = t->next;
	*made = !t || t->revoked_ms;
	if (!*made)
		return t;
	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			oc_oom();
		t->role = copy(role);
		t->next = d->tokens;
		d->tokens = t;
	}
	oc_store_new_serial(t);
	oc_scopes_free(&t->scopes);
	oc_scopes_add(&t->scopes, scopes);
	t->created_ms = now_ms;
	t->revoked_ms = t->rotated_ms = 0;
	return t;
}

/* The one that was not used for the longest time makes room. */
static void make_room(struct oc_auth *a)
{
	size_t n = 0;
	struct oc_device *oldest = NULL;
	int64_t least = 0;

	for (struct oc_device *d = a->devices; d; d = d->next) {
		int64_t last = d->approved_ms;
		for (const struct oc_token *t = d->tokens; t; t = t->next)
			if (t->used_ms > last)
				last = t->used_ms;
		if (!oldest || last < least) {
			oldest = d;
			least = last;
		}
		n++;
	}
	if (n >= oc_devices_max)
		oc_store_remove(a, oldest);
}

struct oc_device *oc_store_approve(struct oc_auth *a, const struct oc_pending *p, int64_t now_ms)
{
	struct oc_device *d = oc_store_find(a, p->device);
	const char *role = p->role;
	bool made;

	if (!d) {
		make_room(a);
		d = calloc(1, sizeof(*d));
		if (!d)
			oc_oom();
		d->id = copy(p->device);
		d->created_ms = now_ms;
		d->next = a->devices;
		a->devices = d;
	}
	set(&d->key, p->key);
	if (p->name)
		set(&d->name, p->name);
	set(&d->platform, p->platform);
	set(&d->family, p->family);
	set(&d->client_id, p->client_id);
	set(&d->client_mode, p->client_mode);
	set(&d->ip, p->ip);
	d->approved_ms = now_ms;
	oc_scopes_add(&d->roles, &(struct oc_scopes){.list = &role, .count = 1});
	oc_scopes_add(&d->scopes, &p->scopes);
	struct oc_token *t = oc_store_issue(d, p->role, &p->scopes, now_ms, &made);
	oc_scopes_add(&t->scopes, &p->scopes);
	return d;
}

void oc_store_rename(struct oc_device *d, const char *label)
{
	set(&d->label, label);
}

void oc_store_revoke(struct oc_device *d, struct oc_token *t, int64_t now_ms)
{
	oc_store_new_serial(t);
	t->revoked_ms = now_ms;
	for (size_t i = 0; i < d->roles.count; i++)
		if (strcmp(d->roles.list[i], t->role) == 0) {
			free((void *)d->roles.list[i]);
			d->roles.list[i] = d->roles.list[--d->roles.count];
		}
}

void oc_store_remove(struct oc_auth *a, struct oc_device *d)
{
	struct oc_device **at = &a->devices;

	while (*at && *at != d)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = d->next;
	oc_device_free(d);
}

/* --- requests --- */

struct oc_pending *oc_pending_find(const struct oc_auth *a, const char *id)
{
	struct oc_pending *p = a->pending;

	while (p && strcmp(p->id, id) != 0)
		p = p->next;
	return p;
}

struct oc_pending *oc_pending_of(const struct oc_auth *a, const char *device)
{
	struct oc_pending *p = a->pending;

	while (p && strcmp(p->device, device) != 0)
		p = p->next;
	return p;
}

void oc_pending_drop(struct oc_auth *a, struct oc_pending *p)
{
	struct oc_pending **at = &a->pending;

	while (*at && *at != p)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = p->next;
	oc_pending_clear(p);
	free(p);
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

struct oc_pending *oc_pending_put(struct oc_auth *a, const struct oc_pending *like, int64_t now_ms,
				  char replaced[37])
{
	struct oc_pending *old = oc_pending_of(a, like->device), **tail = &a->pending;
	size_t n = 0;

	replaced[0] = 0;
	if (old && same(old->role, like->role) && same(old->key, like->key) &&
	    old->scopes.count == like->scopes.count && same(old->reason, like->reason)) {
		size_t i = 0;
		while (i < old->scopes.count && same(old->scopes.list[i], like->scopes.list[i]))
			i++;
		if (i == old->scopes.count) {
			old->seen_ms = now_ms;
			return old;
		}
	}
	if (old) {
		memcpy(replaced, old->id, 37);
		oc_pending_drop(a, old);
	}
	for (struct oc_pending *p = a->pending; p; p = p->next)
		n++;
	if (n >= oc_pending_max)
		oc_pending_drop(a, a->pending); /* the oldest is first */
	struct oc_pending *p = calloc(1, sizeof(*p));
	if (!p)
		oc_oom();
	oc_uuid(p->id);
	p->device = copy(like->device);
	p->key = copy(like->key);
	p->name = copy(like->name);
	p->platform = copy(like->platform);
	p->family = copy(like->family);
	p->client_id = copy(like->client_id);
	p->client_mode = copy(like->client_mode);
	p->ip = copy(like->ip);
	p->role = copy(like->role);
	p->reason = like->reason;
	p->scopes = oc_scopes_copy(&like->scopes);
	p->repair = like->repair;
	p->created_ms = p->seen_ms = now_ms;
	while (*tail)
		tail = &(*tail)->next;
	*tail = p;
	return p;
}

void oc_auth_tick(struct oc_auth *a, int64_t now_ms, int64_t mono_ms)
{
	for (struct oc_pending *p = a->pending, *next; p; p = next) {
		next = p->next;
		if (now_ms - p->seen_ms > oc_pending_ms || p->seen_ms > now_ms + oc_pending_ms)
			oc_pending_drop(a, p);
	}
	oc_limit_tick(a->limit, mono_ms);
	if (a->dirty)
		oc_store_save(a, NULL);
}
