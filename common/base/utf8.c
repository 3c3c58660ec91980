#include "base/utf8.h"

#include "base/ascii.h"

/* UTF8-2 / UTF8-3 / UTF8-4 of RFC 3629 4: how many octets follow the first, and the least code
 * point that needs so many. 0 where `first` begins nothing. */
static size_t tail_of(unsigned char first, uint32_t *least)
{
    if (first >= 0xc2 && first <= 0xdf) {
        *least = 0x80;
        return 1;
    }
    if ((first & 0xf0) == 0xe0) {
        *least = 0x800;
        return 2;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        *least = 0x10000;
        return 3;
    }
    return 0;
}

static bool is_point(uint32_t v)
{
    return v <= 0x10ffff && (v < 0xd800 || v > 0xdfff);
}

bool scan_utf8(struct str *in, uint32_t *point)
{
    unsigned char first = in->n ? (unsigned char)in->p[0] : 0;
    uint32_t v = first, least = 0;

    if (in->n == 0)
        return false;
    if (first >= 0x80) {
        size_t tail = tail_of(first, &least);

        if (tail == 0 || in->n <= tail)
            return false;
        v = first & (0x3fU >> tail);
        for (size_t i = 1; i <= tail; i++) {
            unsigned char c = (unsigned char)in->p[i];

            if ((c & 0xc0) != 0x80)
                return false;
            v = v << 6 | (c & 0x3f);
        }
        if (v < least || !is_point(v))
            return false;
        *in = str_skip(*in, tail);
    }
    *in = str_skip(*in, 1);
    *point = v;
    return true;
}

bool utf8_valid(struct str s)
{
    uint32_t point;

    while (scan_utf8(&s, &point))
        ;
    return s.n == 0;
}

size_t utf8_ascii_run(struct str s)
{
    size_t i = 0;
    uint64_t eight;

    for (; s.n - i >= sizeof(eight); i += sizeof(eight)) {
        memcpy(&eight, s.p + i, sizeof(eight));
        if (eight & UINT64_C(0x8080808080808080))
            break;
    }
    while (i < s.n && !ascii_is_8bit(s.p[i]))
        i++;
    return i;
}

bool utf8_is_ascii(struct str s)
{
    return utf8_ascii_run(s) == s.n;
}

void utf8_add(struct buf *out, uint32_t point)
{
    uint32_t v = is_point(point) ? point : UTF8_REPLACEMENT;

    if (v < 0x80) {
        buf_add_byte(out, (char)v);
        return;
    }
    if (v < 0x800) {
        buf_add_byte(out, (char)(0xc0 | v >> 6));
    } else {
        if (v < 0x10000) {
            buf_add_byte(out, (char)(0xe0 | v >> 12));
        } else {
            buf_add_byte(out, (char)(0xf0 | v >> 18));
            buf_add_byte(out, (char)(0x80 | (v >> 12 & 0x3f)));
        }
        buf_add_byte(out, (char)(0x80 | (v >> 6 & 0x3f)));
    }
    buf_add_byte(out, (char)(0x80 | (v & 0x3f)));
}
