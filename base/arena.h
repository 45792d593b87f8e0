/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - bump allocator for values that live as long as one plan, one config or one request.
 *
 * Nothing is freed singly.  Running out of memory prints one line and ends the process with
 * status 125: there is no caller that could do better, and no half-built plan ever runs.
 */
#ifndef OC_BASE_ARENA_H
#define OC_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct oc_arena {
	struct oc_arena_block *head;
};

/*
 * For an empty arena that is about to get about so many bytes: memory in one piece and already there, where every page of it would
 * cost a fault of its own on first use.
 */
void oc_arena_reserve(struct oc_arena *a, size_t size);
/* Zeroed memory, aligned for any type.  Never NULL, also for size 0. */
void *oc_arena_alloc(struct oc_arena *a, size_t size);
/* n * size with overflow check. */
void *oc_arena_array(struct oc_arena *a, size_t n, size_t size);
char *oc_arena_strdup(struct oc_arena *a, const char *s);
char *oc_arena_strndup(struct oc_arena *a, const char *s, size_t n);
__attribute__((format(printf, 2, 3))) char *oc_arena_printf(struct oc_arena *a, const char *fmt, ...);
char *oc_arena_vprintf(struct oc_arena *a, const char *fmt, va_list ap);
void oc_arena_free(struct oc_arena *a);
static inline void oc_arena_freep(struct oc_arena *a)
{
	oc_arena_free(a);
}
#define oc_auto_arena __attribute__((cleanup(oc_arena_freep))) struct oc_arena

/* Prints "out of memory" and ends the process with status 125. */
_Noreturn void oc_oom(void);

/*
 * Growing byte buffer on the heap; always NUL-terminated once something was added.
 * Zero-initialise; free with oc_buf_free or declare oc_auto_buf.
 */
struct oc_buf {
	char *data;
	size_t len, cap;
};
void oc_buf_add(struct oc_buf *b, const void *data, size_t len);
void oc_buf_puts(struct oc_buf *b, const char *s);
__attribute__((format(printf, 2, 3))) void oc_buf_printf(struct oc_buf *b, const char *fmt, ...);
void oc_buf_free(struct oc_buf *b);
#define oc_auto_buf __attribute__((cleanup(oc_buf_free))) struct oc_buf

#endif
