/* SPDX-License-Identifier: Apache-2.0 */
/* guard_config - see guard_config.h.  Pure. */
#include "runtime/plan/guard_config.h"

#include <string.h>

#include "base/err.h"

/* --- reader --- */

struct reader {
	const unsigned char *at, *end;
	bool eof;
	struct oc_buf var, value;
};

#define END '\n' /* the end of the file reads as a line end, as in git */

static int next_char(struct reader *r)
{
	if (r->at == r->end) {
		r->eof = true;
		return END;
	}
	int c = *r->at++;
	if (c == '\r' && r->at < r->end && *r->at == '\n') {
		r->at++;
		return '\n';
	}
	return c;
}

/* git's own classes (sane_ctype): no locale, no vertical tab, no form feed. */
static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
static bool is_alpha(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static bool is_key(int c)
{
	return is_alpha(c) || (c >= '0' && c <= '9') || c == '-';
}

static void put(struct oc_buf *b, int c)
{
	char ch = (char)c;
	oc_buf_add(b, &ch, 1);
}
static void put_lower(struct oc_buf *b, int c)
{
	put(b, c >= 'A' && c <= 'Z' ? c + 32 : c);
}
static void cut(struct oc_buf *b, size_t len)
{
	b->len = len;
	if (b->data)
		b->data[len] = '\0';
}

/* [section "sub"]: after the white space, c is the first byte of it. */
static int subsection(struct reader *r, int c)
{
	do {
		if (c == '\n')
			return -1;
		c = next_char(r);
	} while (is_space(c));
	if (c != '"')
		return -1;
	put(&r->var, '.');
	for (;;) {
		c = next_char(r);
		if (c == '\n')
			return -1;
		if (c == '"')
			break;
		if (c == '\\') {
			c = next_char(r);
			if (c == '\n')
				return -1;
		}
		put(&r->var, c);
	}
	return next_char(r) == ']' ? 0 : -1;
}

static int section(struct reader *r)
{
	cut(&r->var, 0);
	for (;;) {
		int c = next_char(r);
		if (r->eof)
			return -1;
		if (c == ']')
			return r->var.len > 0 ? 0 : -1;
		if (is_space(c))
			return subsection(r, c);
		if (!is_key(c) && c != '.')
			return -1;
		put_lower(&r->var, c);
	}
}

static int value(struct reader *r)
{
	bool quote = false, comment = false;
	size_t space = 0;

	cut(&r->value, 0);
	oc_buf_puts(&r->value, "");
	for (;;) {
		int c = next_char(r);
		if (c == '\n')
			return quote ? -1 : 0;
		if (comment)
			continue;
		if (is_space(c) && !quote) {
			if (r->value.len > 0)
				space++;
			continue;
		}
		if (!quote && (c == ';' || c == '#')) {
			comment = true;
			continue;
		}
		for (; space > 0; space--)
			put(&r->value, ' ');
		if (c == '\\') {
			c = next_char(r);
			switch (c) {
			case '\n':
				continue;
			case 't':
				c = '\t';
				break;
			case 'b':
				c = '\b';
				break;
			case 'n':
				c = '\n';
				break;
			case '\\':
			case '"':
				break;
			default:
				return -1;
			}
			put(&r->value, c);
			continue;
		}
		if (c == '"') {
			quote = !quote;
			continue;
		}
		put(&r->value, c);
	}
}

static int report(struct reader *r, bool has_value, oc_gitconf_fn fn, void *ctx)
{
	/* A NUL would end the strings early; git keeps it in the section name only.  Nothing good
	 * has one. */
	if (memchr(r->var.data, 0, r->var.len) ||
	    (has_value && r->value.len > 0 && memchr(r->value.data, 0, r->value.len)))
		return -1;
	char *first = strchr(r->var.data, '.');
	char *last = strrchr(r->var.data, '.');
	if (!first) /* a key before the first section: git hands it on, no caller knows it */
		return -1;
	*first = *last = '\0';
	struct oc_gitconf_entry e = {
		.section = r->var.data,
		.sub = first == last ? NULL : first + 1,
		.key = last + 1,
		.value = has_value ? (r->value.data ? r->value.data : "") : NULL,
	};
	int rc = fn(ctx, &e);
	*first = *last = '.';
	return rc;
}

static int key_value(struct reader *r, oc_gitconf_fn fn, void *ctx)
{
	int c;
	for (;;) {
		c = next_char(r);
		if (r->eof || !is_key(c))
			break;
		put_lower(&r->var, c);
	}
	while (c == ' ' || c == '\t')
		c = next_char(r);
	if (c == '\n')
		return report(r, false, fn, ctx);
	if (c != '=' || value(r) < 0)
		return -1;
	return report(r, true, fn, ctx);
}

static int parse(struct reader *r, oc_gitconf_fn fn, void *ctx)
{
	bool comment = false;
	size_t base = 0;

	for (;;) {
		int c = next_char(r);
		if (c == '\n') {
			if (r->eof)
				return 0;
			comment = false;
			continue;
		}
		if (comment || is_space(c))
			continue;
		if (c == '#' || c == ';') {
			comment = true;
			continue;
		}
		if (c == '[') {
			if (section(r) < 0)
				return -1;
			put(&r->var, '.');
			base = r->var.len;
			continue;
		}
		if (!is_alpha(c))
			return -1;
		cut(&r->var, base);
		put_lower(&r->var, c);
		int rc = key_value(r, fn, ctx);
		if (rc != 0)
			return rc;
	}
}

int oc_gitconf_parse(const char *text, size_t len, oc_gitconf_fn fn, void *ctx)
{
	struct reader r = {.at = (const unsigned char *)text,
			   .end = (const unsigned char *)text + len};

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		r.at += 3;
	int rc = parse(&r, fn, ctx);
	oc_buf_free(&r.var);
	oc_buf_free(&r.value);
	return rc;
}

/* --- what is inert --- */

enum value_kind {
	V_WORD,	    /* boolean, number, or one of git's words: letters, digits, ".", "_", "-" */
	V_FALSE,    /* only an explicit "false" */
	V_TEXT,	    /* free text that git only prints or stores */
	V_REF,	    /* name of a ref or a remote, refspec: no leading dash, no "::" */
	V_URL,	    /* https, http, ssh, git, file, scp form or path */
	V_WORKTREE, /* core.worktree */
};
enum sub_kind { S_NONE, S_ANY };

struct inert_key {
	const char *section, *key;
	enum sub_kind sub;
	enum value_kind value;
};

/*
 * What `git init`, `clone`, `submodule add`, `worktree add`, `branch --track` and ordinary `git
 * config` write. Not here, on purpose: anything that names a program (fsmonitor, editor, pager,
 * sshCommand, filter, diff, merge, alias, credential, gpg), a file (include, attributesFile,
 * excludesFile, hooksPath, templateDir, askPass), a rewrite (url.*.insteadOf), a policy
 * (protocol.*, safe.*, http.*), a bundle or a helper (uploadpack, receivepack, vcs).
 */
static const struct inert_key inert_keys[] = {
	{"core", "repositoryformatversion", S_NONE, V_WORD},
	{"core", "filemode", S_NONE, V_WORD},
	{"core", "bare", S_NONE, V_WORD},
	{"core", "logallrefupdates", S_NONE, V_WORD},
	{"core", "ignorecase", S_NONE, V_WORD},
	{"core", "precomposeunicode", S_NONE, V_WORD},
	{"core", "symlinks", S_NONE, V_WORD},
	{"core", "autocrlf", S_NONE, V_WORD},
	{"core", "safecrlf", S_NONE, V_WORD},
	{"core", "eol", S_NONE, V_WORD},
	{"core", "abbrev", S_NONE, V_WORD},
	{"core", "quotepath", S_NONE, V_WORD},
	{"core", "compression", S_NONE, V_WORD},
	{"core", "trustctime", S_NONE, V_WORD},
	{"core", "checkstat", S_NONE, V_WORD},
	{"core", "preloadindex", S_NONE, V_WORD},
	{"core", "untrackedcache", S_NONE, V_WORD},
	{"core", "splitindex", S_NONE, V_WORD},
	{"core", "commitgraph", S_NONE, V_WORD},
	{"core", "multipackindex", S_NONE, V_WORD},
	{"core", "sparsecheckout", S_NONE, V_WORD},
	{"core", "sparsecheckoutcone", S_NONE, V_WORD},
	/* true starts git's own daemon where it has one and is a hook name to older versions */
	{"core", "fsmonitor", S_NONE, V_FALSE},
	{"core", "worktree", S_NONE, V_WORKTREE},
	{"extensions", "objectformat", S_NONE, V_WORD},
	{"extensions", "compatobjectformat", S_NONE, V_WORD},
	{"extensions", "refstorage", S_NONE, V_WORD},
	{"extensions", "worktreeconfig", S_NONE, V_WORD},
	{"extensions", "preciousobjects", S_NONE, V_WORD},
	{"extensions", "noop", S_NONE, V_WORD},
	{"extensions", "partialclone", S_NONE, V_REF},
	{"extensions", "relativeworktrees", S_NONE, V_WORD},
	{"extensions", "submodulepathconfig", S_NONE, V_WORD},
	{"remote", "url", S_ANY, V_URL},
	{"remote", "pushurl", S_ANY, V_URL},
	{"remote", "fetch", S_ANY, V_REF},
	{"remote", "push", S_ANY, V_REF},
	{"remote", "mirror", S_ANY, V_WORD},
	{"remote", "prune", S_ANY, V_WORD},
	{"remote", "prunetags", S_ANY, V_WORD},
	{"remote", "skipdefaultupdate", S_ANY, V_WORD},
	{"remote", "skipfetchall", S_ANY, V_WORD},
	{"remote", "promisor", S_ANY, V_WORD},
	{"remote", "partialclonefilter", S_ANY, V_REF},
	{"remote", "tagopt", S_ANY, V_WORD},
	{"remote", "followremotehead", S_ANY, V_WORD},
	{"remote", "pushdefault", S_NONE, V_REF},
	{"branch", "remote", S_ANY, V_REF},
	{"branch", "pushremote", S_ANY, V_REF},
	{"branch", "merge", S_ANY, V_REF},
	{"branch", "rebase", S_ANY, V_WORD},
	{"branch", "description", S_ANY, V_TEXT},
	{"branch", "gh-merge-base", S_ANY, V_REF},
	{"branch", "vscode-merge-base", S_ANY, V_REF},
	{"branch", "autosetupmerge", S_NONE, V_WORD},
	{"branch", "autosetuprebase", S_NONE, V_WORD},
	{"branch", "sort", S_NONE, V_WORD},
	{"submodule", "url", S_ANY, V_URL},
	{"submodule", "active", S_ANY, V_WORD},
	{"submodule", "branch", S_ANY, V_REF},
	{"submodule", "ignore", S_ANY, V_WORD},
	{"submodule", "fetchrecursesubmodules", S_ANY, V_WORD},
	/* "!command" is what this key can do; a word cannot start with "!" */
	{"submodule", "update", S_ANY, V_WORD},
	{"submodule", "active", S_NONE, V_TEXT},
	{"submodule", "recurse", S_NONE, V_WORD},
	{"user", "name", S_NONE, V_TEXT},
	{"user", "email", S_NONE, V_TEXT},
	{"user", "useconfigonly", S_NONE, V_WORD},
	{"author", "name", S_NONE, V_TEXT},
	{"author", "email", S_NONE, V_TEXT},
	{"committer", "name", S_NONE, V_TEXT},
	{"committer", "email", S_NONE, V_TEXT},
	{"init", "defaultbranch", S_NONE, V_REF},
	{"commit", "gpgsign", S_NONE, V_FALSE},
	{"tag", "gpgsign", S_NONE, V_FALSE},
	{"pull", "rebase", S_NONE, V_WORD},
	{"pull", "ff", S_NONE, V_WORD},
	{"push", "default", S_NONE, V_WORD},
	{"push", "autosetupremote", S_NONE, V_WORD},
	{"fetch", "prune", S_NONE, V_WORD},
	{"merge", "ff", S_NONE, V_WORD},
	{"merge", "conflictstyle", S_NONE, V_WORD},
	{"rebase", "autosquash", S_NONE, V_WORD},
	{"rebase", "autostash", S_NONE, V_WORD},
	{"rerere", "enabled", S_NONE, V_WORD},
	{"diff", "renames", S_NONE, V_WORD},
	{"diff", "algorithm", S_NONE, V_WORD},
	{"color", "ui", S_NONE, V_WORD},
	{"gc", "auto", S_NONE, V_WORD},
	{"index", "version", S_NONE, V_WORD},
	{"index", "sparse", S_NONE, V_WORD},
	{"pack", "threads", S_NONE, V_WORD},
	{"advice", "detachedhead", S_NONE, V_WORD},
	{"lfs", "repositoryformatversion", S_NONE, V_WORD},
};

static bool is_word(const char *v)
{
	for (; *v; v++)
		if (!is_key(*v) && *v != '.' && *v != '_')
			return false;
	return true;
}

static bool is_ref(const char *v)
{
	return *v != '-' && !strstr(v, "::");
}

/*
 * "<helper>::<address>" runs git-remote-<helper>, and so does any scheme that git does not know; a
 * leading dash could be read as an option (CVE-2017-1000117), also as the host of an ssh address.
 */
static bool is_url(const char *v)
{
	static const char *const schemes[] = {"https://", "http://", "ssh://",
					      "git://",	  "file://", "git+ssh://"};
	const char *host = v;
	const char *colon = strchr(v, ':');

	if (*v == '\0' || *v == '-' || strstr(v, "::"))
		return false;
	const char *scheme_end = strstr(v, "://");
	if (scheme_end) {
		bool known = false;
		for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
			if (strncmp(v, schemes[i], strlen(schemes[i])) == 0)
				known = true;
		if (!known)
			return false;
		host = scheme_end + 3;
	} else if (!colon) {
		return true; /* a path */
	}
	if (*host == '-')
		return false;
	const char *end = host + strcspn(host, "/");
	for (const char *p = host; p < end; p++)
		if (*p == '@' && p[1] == '-')
			return false;
	return !strstr(host, "%2d") && !strstr(host, "%2D");
}

static const struct inert_key *find_key(const struct oc_gitconf_entry *e)
{
	for (size_t i = 0; i < sizeof(inert_keys) / sizeof(inert_keys[0]); i++) {
		const struct inert_key *k = &inert_keys[i];
		if (strcmp(k->section, e->section) == 0 && strcmp(k->key, e->key) == 0 &&
		    (k->sub == S_ANY) == (e->sub != NULL))
			return k;
	}
	return NULL;
}

bool oc_gitconf_entry_inert(const struct oc_gitconf_entry *e, oc_gitconf_path_fn path_ok, void *ctx)
{
	const struct inert_key *k = find_key(e);

	if (!k)
		return false;
	if (!e->value) /* "key" alone is a boolean true */
		return k->value == V_WORD;
	/* The name of a remote or branch travels to command lines and paths of git's own. */
	if (e->sub && (e->sub[0] == '-' || strstr(e->sub, "::")))
		return false;
	switch (k->value) {
	case V_WORD:
		/* git accepts "--no-tags" and "--tags" only for this one */
		return is_word(e->value) && (e->value[0] != '-' || strcmp(k->key, "tagopt") == 0 ||
					     (e->value[1] >= '0' && e->value[1] <= '9'));
	case V_FALSE:
		return strcmp(e->value, "false") == 0;
	case V_TEXT:
		return true;
	case V_REF:
		return is_ref(e->value);
	case V_URL:
		return is_url(e->value);
	case V_WORKTREE:
		return path_ok && path_ok(ctx, e->value);
	}
	return false;
}

struct inert_ctx {
	oc_gitconf_path_fn path_ok;
	void *path_ctx;
	struct oc_arena *a;
	const char *why;
};

static int inert_entry(void *ctx, const struct oc_gitconf_entry *e)
{
	struct inert_ctx *c = ctx;

	if (oc_gitconf_entry_inert(e, c->path_ok, c->path_ctx))
		return 0;
	c->why = oc_arena_printf(c->a, "it sets %s%s%.100s.%.100s to \"%.120s\"", e->section,
				 e->sub ? "." : "", e->sub ? e->sub : "", e->key,
				 e->value ? e->value : "true");
	return 1;
}

bool oc_gitconf_inert(struct oc_arena *a, const char *text, size_t len, oc_gitconf_path_fn path_ok,
		      void *ctx, const char **why)
{
	struct inert_ctx c = {.path_ok = path_ok, .path_ctx = ctx, .a = a};

	/* Control bytes: versions of git differ in what they make of them (CVE-2025-48384). */
	for (size_t i = 0; i < len; i++) {
		unsigned char ch = (unsigned char)text[i];
		if ((ch < 0x20 && ch != '\n' && ch != '\t' &&
		     !(ch == '\r' && i + 1 < len && text[i + 1] == '\n')) ||
		    ch == 0x7f) {
			*why = "it has control bytes";
			return false;
		}
	}
	int rc = oc_gitconf_parse(text, len, inert_entry, &c);
	if (rc == 0)
		return true;
	*why = c.why ? c.why : "it is not well formed";
	return false;
}

bool oc_gittodo_inert(const char *text, size_t len)
{
	static const char *const commands[] = {
		"pick",	 "p",	  "reword", "r",     "edit",  "e",	    "squash", "s",
		"fixup", "f",	  "drop",   "d",     "break", "b",	    "noop",   "label",
		"l",	 "reset", "t",	    "merge", "m",     "update-ref", "u",
	};
	const char *end = text + len;

	for (const char *line = text; line < end;) {
		const char *eol = memchr(line, '\n', (size_t)(end - line));
		if (!eol)
			eol = end;
		while (line < eol && is_space(*line))
			line++;
		const char *w = line;
		while (w < eol && !is_space(*w))
			w++;
		bool ok = w == line || *line == '#';
		for (size_t i = 0; !ok && i < sizeof(commands) / sizeof(commands[0]); i++)
			ok = strlen(commands[i]) == (size_t)(w - line) &&
			     memcmp(commands[i], line, (size_t)(w - line)) == 0;
		if (!ok)
			return false;
		line = eol < end ? eol + 1 : end;
	}
	return true;
}
