/*
 * buf - bytes that grow, up to a limit fixed at birth.
 *
 * Appending never returns an error. A write that would pass the limit marks
 * the buffer as failed and every later write is dropped; the caller asks
 * buf_failed() once, where it matters. Running out of memory ends the process.
 *
 * Bytes leave at the front without being moved; the room they held is used
 * again when the buffer next grows, or at once when it becomes empty.
 */
#ifndef POSTA_BUF_H
#define POSTA_BUF_H

#include "base/str.h"

#include <stdarg.h>

struct buf {
    char *p;         /* the block; the content starts at p + from */
    size_t from, n;  /* n bytes of content                        */
    size_t cap, max; /* room in the block; most bytes of content  */
    bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);  /* frees; usable again as after buf_init */
void buf_clear(struct buf *b); /* empty and not failed; keeps its room  */

void buf_add(struct buf *b, struct str s);
void buf_add_byte(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
void buf_drop(struct buf *b, size_t n); /* from the front */

/* Room for `more` bytes to be written at the returned place, then told by
 * buf_grown(); NULL (and failed) where the limit forbids it. */
char *buf_room(struct buf *b, size_t more);
void buf_grown(struct buf *b, size_t n);

/* Give the block back to the system when the buffer is empty: an idle session
 * holds nothing. */
void buf_release(struct buf *b);

static inline bool buf_failed(const struct buf *b)
{
    return b->failed;
}

static inline struct str buf_str(const struct buf *b)
{
    return b->p ? (struct str){b->p + b->from, b->n} : (struct str){"", 0};
}

/* The content with a NUL behind it; valid until the next change. */
const char *buf_c(struct buf *b);

#endif
