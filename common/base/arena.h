/*
 * arena - memory that is given back all at once, with the command or the
 * session it belongs to.
 *
 * Small arenas cost one block. There is no limit here: what a stranger can put
 * into an arena is limited where it is read. Running out of memory ends the
 * process.
 */
#ifndef POSTA_ARENA_H
#define POSTA_ARENA_H

#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
};

void arena_init(struct arena *a);
void arena_reset(struct arena *a); /* forgets all; keeps one small block */
void arena_done(struct arena *a);

/* Zeroed, aligned for any type, never NULL. */
void *arena_alloc(struct arena *a, size_t n);

/* A copy with a NUL behind it that does not count. */
struct str arena_dup(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), nonnull));

#define ARENA_NEW(arena, type)      ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, n) ((type *)arena_alloc((arena), sizeof(type) * (n)))

#endif
