#include "store/lines.h"

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

uint64_t lines_lf(struct str s)
{
    uint64_t n = 0;
    size_t i = 0;

#ifdef __SSE2__
    const __m128i lf = _mm_set1_epi8('\n');
    const __m128i zero = _mm_setzero_si128();

    while (s.n - i >= sizeof(__m128i)) {
        __m128i sums = zero;
        /* a byte of `sums` counts to 255 at most */
        for (int k = 0; k < 255 && s.n - i >= sizeof(__m128i); k++, i += sizeof(__m128i)) {
            __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i));

            sums = _mm_sub_epi8(sums, _mm_cmpeq_epi8(v, lf));
        }
        sums = _mm_sad_epu8(sums, zero);
        n += (uint64_t)_mm_cvtsi128_si64(sums) +
             (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(sums, sums));
    }
#endif
    for (; i < s.n; i++)
        n += s.p[i] == '\n';
    return n;
}

/* LFs at the front of `s` and inside it that have no CR before them. */
static uint64_t count_bare(struct str s, char before)
{
    uint64_t n = 0;

    for (size_t i = str_find(s, '\n'); i < s.n;) {
        n += (i ? s.p[i - 1] : before) != '\r';
        i += 1 + str_find(str_skip(s, i + 1), '\n');
    }
    return n;
}

void lines_add(struct lines_count *c, struct str s)
{
    if (s.n == 0)
        return;
    if (c->lf == 0) {
        size_t at = str_find(s, '\n');

        if (at < s.n)
            c->crlf = (at ? s.p[at - 1] : c->last) == '\r';
    }
    c->lf += lines_lf(s);
    if (c->crlf)
        c->bare_lf += count_bare(s, c->last);
    c->octets += s.n;
    c->last = s.p[s.n - 1];
}

uint64_t lines_wire_octets(const struct lines_count *c)
{
    return c->octets + (c->crlf ? c->bare_lf : c->lf);
}

bool lines_may_be(const struct lines_count *c, uint64_t vsize)
{
    return vsize >= c->octets && vsize <= lines_wire_octets(c);
}
