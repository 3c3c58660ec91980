#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_BLOCK_BYTES = 256 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_done(struct buf *b)
{
    free(b->p);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->from = b->n = 0;
    b->failed = false;
}

static void move_to_front(struct buf *b)
{
    if (b->from && b->n)
        memmove(b->p, b->p + b->from, b->n);
    b->from = 0;
}

/* One byte more than asked for is always there, for buf_c(). */
char *buf_room(struct buf *b, size_t more)
{
    if (b->failed || more > b->max - b->n) {
        b->failed = true;
        return NULL;
    }
    if (more < b->cap - b->from - b->n)
        return b->p + b->from + b->n;
    if (b->from)
        move_to_front(b);
    if (more >= b->cap - b->n) {
        size_t cap = b->cap ? b->cap : FIRST_BLOCK_BYTES;

        while (cap - b->n <= more)
            cap *= 2;
        b->p = realloc(b->p, cap);
        if (!b->p)
            abort();
        b->cap = cap;
    }
    return b->p + b->n;
}

void buf_grown(struct buf *b, size_t n)
{
    assert(b->from + b->n + n < b->cap);
    b->n += n;
}

void buf_add(struct buf *b, struct str s)
{
    char *to = s.n ? buf_room(b, s.n) : NULL;

    if (!to)
        return;
    memcpy(to, s.p, s.n);
    b->n += s.n;
}

void buf_add_byte(struct buf *b, char c)
{
    char *to = buf_room(b, 1);

    if (!to)
        return;
    *to = c;
    b->n++;
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;

    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    assert(n >= 0);

    char *to = buf_room(b, (size_t)n);
    if (!to)
        return;
    vsnprintf(to, (size_t)n + 1, fmt, ap);
    b->n += (size_t)n;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(b, fmt, ap);
    va_end(ap);
}

void buf_drop(struct buf *b, size_t n)
{
    assert(n <= b->n);
    b->n -= n;
    b->from = b->n ? b->from + n : 0;
}

void buf_release(struct buf *b)
{
    if (b->n || b->failed || !b->p)
        return;
    free(b->p);
    b->p = NULL;
    b->cap = b->from = 0;
}

const char *buf_c(struct buf *b)
{
    char *end = b->failed ? NULL : buf_room(b, 0);

    if (!end && !b->p)
        return "";
    b->p[b->from + b->n] = '\0';
    return b->p + b->from;
}
