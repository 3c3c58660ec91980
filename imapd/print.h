/*
 * print - numbers into text, where printf would be most of the work: a FETCH of a hundred
 * thousand flags is made of them.
 */
#ifndef POSTA_IMAPD_PRINT_H
#define POSTA_IMAPD_PRINT_H

#include "base/buf.h"

enum { PRINT_NUMBER_BYTES = 20 };

/* At most PRINT_NUMBER_BYTES; returns what stands behind them. */
static inline char *print_number(char *to, uint64_t n)
{
    char digits[PRINT_NUMBER_BYTES];
    size_t i = sizeof(digits);

    do
        digits[--i] = (char)('0' + n % 10);
    while (n /= 10);
    memcpy(to, digits + i, sizeof(digits) - i);
    return to + sizeof(digits) - i;
}

static inline char *print_text(char *to, struct str s)
{
    if (s.n)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

static inline void buf_add_number(struct buf *out, uint64_t n)
{
    char *to = buf_room(out, PRINT_NUMBER_BYTES);

    if (to)
        buf_grown(out, (size_t)(print_number(to, n) - to));
}

#endif
