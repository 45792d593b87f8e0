/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay_drop - changes out of the upper tree, and the store as a whole.
 */
#include <errno.h>
#include <fcntl.h>

#include "runtime/session/overlay_priv.h"

static int drop(struct oc_overlay *o, const struct oc_overlay_node *n, struct oc_err *err)
{
	oc_auto_buf path = {0};
	oc_auto_close dir =
		oc_beneath_node(&o->upper, n, true, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (dir < 0 && errno == ENOENT)
		return 0;
	if (dir >= 0 &&
	    (S_ISDIR(n->mode) ? oc_tree_remove(dir, n->name) : oc_unlink(dir, n->name, 0)) == 0)
		return 0;
	int cause = errno;
	if (cause == ENOENT)
		return 0;
	oc_overlay_path(n, &path);
	return oc_fail(err, cause, "cannot drop %s", path.data);
}

/* A directory on the way that has nothing of its own is nothing when it is empty. */
static void prune(struct oc_overlay *o, const struct oc_overlay_node *n)
{
	for (; n->parent && n->change == OC_CHANGE_NONE && !n->opaque; n = n->parent) {
		oc_auto_close dir =
			oc_beneath_node(&o->upper, n, true, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (dir < 0 || oc_unlink(dir, n->name, AT_REMOVEDIR) < 0)
			return;
	}
}

/* The next that is not below n. */
static struct oc_overlay_node *past(const struct oc_overlay_node *n)
{
	while (n && !n->next)
		n = n->parent;
	return n ? n->next : NULL;
}

int oc_overlay_discard(struct oc_overlay *o,
		       void (*done)(void *ctx, const struct oc_overlay_node *n), void *ctx,
		       struct oc_err *err)
{
	for (struct oc_overlay_node *n = o->root; n;) {
		if (!n->selected || !n->parent || !n->in_upper) {
			n = oc_overlay_next(n);
			continue;
		}
		struct oc_overlay_node *next = past(n);
		if (drop(o, n, err) < 0)
			return -1;
		for (struct oc_overlay_node *c = n; done && c && c != next; c = oc_overlay_next(c))
			if (c->change != OC_CHANGE_NONE)
				done(ctx, c);
		prune(o, n->parent);
		n = next;
	}
	return 0;
}

int oc_overlay_remove(struct oc_overlay *o, struct oc_err *err)
{
	static const char *const names[] = {"data", "meta.json.tmp", "meta.json", "lock"};
	const char *path = o->store.path;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (oc_tree_remove(o->store.dir_fd, names[i]) < 0)
			return oc_fail(err, errno, "cannot remove %s/%s", path, names[i]);
	/* By its name, and only if it is empty. */
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR) < 0 && errno != ENOENT
		       ? oc_fail(err, errno, "cannot remove %s", path)
		       : 0;
}
