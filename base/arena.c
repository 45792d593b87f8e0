/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - bump allocator, and a growing byte buffer.
 *
 * Memory comes from calloc(3) in blocks, but for what is reserved; a request that is large gets a block of its own.  No
 * function here returns NULL: running out of memory ends the process.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define OC_ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OC_ARENA_ASAN 1
#endif
#endif

/* Under ASan every allocation is a block of its own, so that an overflow of one is seen. */
#ifdef OC_ARENA_ASAN
enum { block_first = 0, block_max = 0 };
#else
enum { block_first = 8 << 10, block_max = 256 << 10 };
#endif

struct oc_arena_block {
	struct oc_arena_block *next;
	size_t used, size;
	size_t mapped; /* from mmap(2), so many bytes in all; 0: from calloc(3) */
	max_align_t data[];
};

_Noreturn void oc_oom(void)
{
	static const char msg[] = "openclaw: out of memory\n";
	ssize_t r = write(STDERR_FILENO, msg, sizeof(msg) - 1);
	(void)r;
	_exit(125);
}

static struct oc_arena_block *new_block(size_t size)
{
	struct oc_arena_block *b = calloc(1, sizeof(*b) + size);
	if (!b)
		oc_oom();
	b->size = size;
	return b;
}

void oc_arena_reserve(struct oc_arena *a, size_t size)
{
#ifndef OC_ARENA_ASAN
	struct oc_arena_block *b = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	/* It only saves time. */
	if (b == MAP_FAILED)
		return;
	b->mapped = size;
	b->size = size - sizeof *b;
	b->next = a->head;
	a->head = b;
#else
	(void)a;
	(void)size;
#endif
}

void *oc_arena_alloc(struct oc_arena *a, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	struct oc_arena_block *b = a->head;

	if (size > PTRDIFF_MAX / 2)
		oc_oom();
	size = size == 0 ? align : (size + align - 1) & ~(align - 1);
	if (b && b->size - b->used >= size) {
		char *p = (char *)b->data + b->used;
		b->used += size;
		return p;
	}
	size_t next = b ? b->size * 2 : block_first;
	if (next < block_first)
		next = block_first;
	if (next > block_max)
		next = block_max;
	if (size > next / 4) {
		/* Of its own, behind the head, which may have room for more. */
		struct oc_arena_block *own = new_block(size);
		struct oc_arena_block **at = b ? &b->next : &a->head;
		own->used = size;
		own->next = *at;
		*at = own;
		return own->data;
	}
	struct oc_arena_block *fresh = new_block(next);
	fresh->next = b;
	fresh->used = size;
	a->head = fresh;
	return fresh->data;
}

void *oc_arena_array(struct oc_arena *a, size_t n, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(n, size, &total))
		oc_oom();
	return oc_arena_alloc(a, total);
}

char *oc_arena_strndup(struct oc_arena *a, const char *s, size_t n)
{
	n = strnlen(s, n);
	char *p = oc_arena_alloc(a, n + 1);
	memcpy(p, s, n);
	return p;
}

char *oc_arena_strdup(struct oc_arena *a, const char *s)
{
	size_t n = strlen(s);
	char *p = oc_arena_alloc(a, n + 1);
	memcpy(p, s, n);
	return p;
}

char *oc_arena_vprintf(struct oc_arena *a, const char *fmt, va_list ap)
{
	char small[256];
	va_list again;

	va_copy(again, ap);
	int n = vsnprintf(small, sizeof(small), fmt, ap);
	if (n < 0)
		oc_oom(); /* the only cause without wide characters */
	char *p = oc_arena_alloc(a, (size_t)n + 1);
	if ((size_t)n < sizeof(small))
		memcpy(p, small, (size_t)n);
	else
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}

char *oc_arena_printf(struct oc_arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *p = oc_arena_vprintf(a, fmt, ap);
	va_end(ap);
	return p;
}

void oc_arena_free(struct oc_arena *a)
{
	struct oc_arena_block *b = a->head;
	while (b) {
		struct oc_arena_block *next = b->next;
		if (b->mapped)
			munmap(b, b->mapped);
		else
			free(b);
		b = next;
	}
	a->head = NULL;
}

/* Room for extra bytes and the NUL. */
static void reserve(struct oc_buf *b, size_t extra)
{
	size_t want;
	if (__builtin_add_overflow(b->len, extra, &want) || want >= PTRDIFF_MAX / 2)
		oc_oom();
	if (b->cap > want)
		return;
	size_t cap = b->cap ? b->cap * 2 : 128;
	if (cap <= want)
		cap = want + 1;
	char *p = realloc(b->data, cap);
	if (!p)
		oc_oom();
	b->data = p;
	b->cap = cap;
}

void oc_buf_add(struct oc_buf *b, const void *data, size_t len)
{
	reserve(b, len);
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = 0;
}

void oc_buf_puts(struct oc_buf *b, const char *s)
{
	oc_buf_add(b, s, strlen(s));
}

void oc_buf_printf(struct oc_buf *b, const char *fmt, ...)
{
	va_list ap;

	reserve(b, 64);
	va_start(ap, fmt);
	int n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
	va_end(ap);
	if (n < 0)
		oc_oom();
	if ((size_t)n >= b->cap - b->len) {
		reserve(b, (size_t)n);
		va_start(ap, fmt);
		vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
		va_end(ap);
	}
	b->len += (size_t)n;
}

void oc_buf_free(struct oc_buf *b)
{
	free(b->data);
	*b = (struct oc_buf){0};
}
