#include "base/str.h"

#include "base/ascii.h"

bool str_eq_nocase(struct str a, struct str b)
{
    return a.n == b.n && str_starts_nocase(a, b);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq(str_first(s, prefix.n), prefix);
}

bool str_starts_nocase(struct str s, struct str prefix)
{
    if (s.n < prefix.n)
        return false;
    for (size_t i = 0; i < prefix.n; i++)
        if (ascii_lower(s.p[i]) != ascii_lower(prefix.p[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;

    return d ? d : (a.n > b.n) - (a.n < b.n);
}

size_t str_find(struct str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.n && is_blank(s.p[0]))
        s = str_skip(s, 1);
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool scan_byte(struct str *in, char c)
{
    if (in->n == 0 || in->p[0] != c)
        return false;
    *in = str_skip(*in, 1);
    return true;
}

bool scan_word(struct str *in, struct str word)
{
    if (!str_starts(*in, word))
        return false;
    *in = str_skip(*in, word.n);
    return true;
}

bool scan_word_nocase(struct str *in, struct str word)
{
    if (!str_starts_nocase(*in, word))
        return false;
    *in = str_skip(*in, word.n);
    return true;
}

bool scan_until(struct str *in, char stop, struct str *out)
{
    size_t n = str_find(*in, stop);

    if (n == 0)
        return false;
    *out = str_first(*in, n);
    *in = str_skip(*in, n);
    return true;
}

bool scan_u64(struct str *in, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    size_t i = 0;

    for (; i < in->n && ascii_is_digit(in->p[i]); i++) {
        uint64_t digit = (uint64_t)(in->p[i] - '0');

        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
        if (v > max)
            return false;
    }
    if (i == 0)
        return false;
    *out = v;
    *in = str_skip(*in, i);
    return true;
}

bool scan_u32(struct str *in, uint32_t max, uint32_t *out)
{
    uint64_t v;

    if (!scan_u64(in, max, &v))
        return false;
    *out = (uint32_t)v;
    return true;
}
