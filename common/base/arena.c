#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Most arenas are small. One that is not takes ever larger blocks: each call to malloc() that
 * has to move the end of a thread's heap is a system call. */
enum { BLOCK_BYTES = 1024, BLOCK_BYTES_MAX = 65536 };

struct arena_block {
    struct arena_block *next;
    size_t used, room;
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *a)
{
    a->blocks = NULL;
}

void arena_done(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *b = a->blocks;

        a->blocks = b->next;
        free(b);
    }
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = NULL;

    while (a->blocks) {
        struct arena_block *b = a->blocks;

        a->blocks = b->next;
        if (!keep && b->room == BLOCK_BYTES)
            keep = b;
        else
            free(b);
    }
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
    }
    a->blocks = keep;
}

/* Behind a block that was made to measure the least again. */
static size_t next_room(const struct arena_block *last)
{
    if (!last || last->room > BLOCK_BYTES_MAX)
        return BLOCK_BYTES;
    return last->room < BLOCK_BYTES_MAX / 2 ? 2 * last->room : BLOCK_BYTES_MAX;
}

void *arena_alloc(struct arena *a, size_t n)
{
    size_t size = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_block *b = a->blocks;

    if (size < n)
        abort();
    if (!b || b->room - b->used < size) {
        size_t room = next_room(b);

        room = size > room ? size : room;
        b = malloc(sizeof(*b) + room);
        if (!b)
            abort();
        b->used = 0;
        b->room = room;
        b->next = a->blocks;
        a->blocks = b;
    }
    void *p = b->bytes + b->used;
    b->used += size;
    return memset(p, 0, size);
}

struct str arena_dup(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);

    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        abort();

    char *p = arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return (struct str){p, (size_t)n};
}
