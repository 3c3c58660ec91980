/*
 * plain - the one inner loop of all framing: how many bytes may be copied
 * before one that means something (CR, LF or NUL).
 */
#ifndef POSTA_WIRE_PLAIN_H
#define POSTA_WIRE_PLAIN_H

#include "base/str.h"

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

static inline bool is_plain(char c)
{
    return c != '\r' && c != '\n' && c != '\0';
}

/* How many bytes at the front of `s` are neither CR, LF nor NUL. */
static inline size_t plain_run(struct str s)
{
    size_t i = 0;

#ifdef __SSE2__
    const __m128i cr = _mm_set1_epi8('\r');
    const __m128i lf = _mm_set1_epi8('\n');
    const __m128i nul = _mm_setzero_si128();

    for (; s.n - i >= sizeof(__m128i); i += sizeof(__m128i)) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i));
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, cr), _mm_cmpeq_epi8(v, lf)),
                                   _mm_cmpeq_epi8(v, nul));
        unsigned at = (unsigned)_mm_movemask_epi8(hit);

        if (at)
            return i + (unsigned)__builtin_ctz(at);
    }
#endif
    while (i < s.n && is_plain(s.p[i]))
        i++;
    return i;
}

#endif
