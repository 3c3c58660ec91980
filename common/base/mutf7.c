#include "base/mutf7.h"

#include "base/ascii.h"
#include "base/utf8.h"

static const char letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* UTF-16 between '&' and '-', six bits a letter. */
struct encoder {
    struct buf *out;
    uint32_t bits;
    unsigned n;
    bool shifted;
};

static void add_unit(struct encoder *e, uint32_t unit)
{
    if (!e->shifted)
        buf_add_byte(e->out, '&');
    e->shifted = true;
    e->bits = e->bits << 16 | unit;
    for (e->n += 16; e->n >= 6; e->n -= 6)
        buf_add_byte(e->out, letters[e->bits >> (e->n - 6) & 63]);
    e->bits &= (1u << e->n) - 1;
}

static void shift_back(struct encoder *e)
{
    if (!e->shifted)
        return;
    if (e->n)
        buf_add_byte(e->out, letters[e->bits << (6 - e->n) & 63]);
    buf_add_byte(e->out, '-');
    *e = (struct encoder){.out = e->out};
}

static void add_point(struct encoder *e, uint32_t c, char also)
{
    if (c == '&') {
        shift_back(e);
        buf_add(e->out, STR("&-"));
    } else if (c < 0x80 && ascii_is_print((char)c) && (char)c != also) {
        shift_back(e);
        buf_add_byte(e->out, (char)c);
    } else if (c < 0x10000) {
        add_unit(e, c);
    } else {
        add_unit(e, 0xd800 | (c - 0x10000) >> 10);
        add_unit(e, 0xdc00 | (c & 0x3ff));
    }
}

bool mutf7_encode(struct buf *out, struct str utf8, char also)
{
    struct encoder e = {.out = out};
    uint32_t c;

    while (scan_utf8(&utf8, &c))
        add_point(&e, c, also);
    shift_back(&e);
    return utf8.n == 0;
}

static bool scan_letter(struct str *in, uint32_t *six)
{
    const char *at = in->n && in->p[0] ? strchr(letters, in->p[0]) : NULL;

    if (!at)
        return false;
    *in = str_skip(*in, 1);
    *six = (uint32_t)(at - letters);
    return true;
}

/* One unit of UTF-16; `high` is the first half of a pair that waits for its second. */
static bool decode_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
    bool second = unit >= 0xdc00 && unit <= 0xdfff;

    if (second != (*high != 0))
        return false;
    if (second) {
        utf8_add(out, 0x10000 + ((*high & 0x3ff) << 10 | (unit & 0x3ff)));
        *high = 0;
    } else if (unit >= 0xd800 && unit <= 0xdbff) {
        *high = unit;
    } else {
        utf8_add(out, unit);
    }
    return true;
}

/* The letters between '&' and '-'; bits that are left over are not looked at here. */
static bool decode_shifted(struct buf *out, struct str *in)
{
    uint32_t bits = 0, high = 0, six;
    unsigned n = 0;

    while (scan_letter(in, &six)) {
        bits = bits << 6 | six;
        n += 6;
        if (n < 16)
            continue;
        n -= 16;
        if (!decode_unit(out, bits >> n & 0xffff, &high))
            return false;
        bits &= (1u << n) - 1;
    }
    return !high && scan_byte(in, '-');
}

static bool decode(struct buf *out, struct str s)
{
    while (s.n) {
        char c = s.p[0];

        s = str_skip(s, 1);
        if (c != '&')
            buf_add_byte(out, c);
        else if (scan_byte(&s, '-'))
            buf_add_byte(out, '&');
        else if (!decode_shifted(out, &s))
            return false;
    }
    return true;
}

/* A spelling is the right one where it comes out the same again. UTF-8 is at most as long as
 * its modified UTF-7; what is longer in `again` is another spelling. */
bool mutf7_decode(struct buf *out, struct str text, char also)
{
    struct buf plain, again;
    bool good;

    buf_init(&plain, text.n);
    buf_init(&again, text.n);
    good = decode(&plain, text) && !buf_failed(&plain) &&
           mutf7_encode(&again, buf_str(&plain), also) && !buf_failed(&again) &&
           str_eq(buf_str(&again), text);
    if (good)
        buf_add(out, buf_str(&plain));
    buf_done(&plain);
    buf_done(&again);
    return good && !buf_failed(out);
}
