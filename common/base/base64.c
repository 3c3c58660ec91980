#include "base/base64.h"

#include "base/ascii.h"

static const char letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_add(struct buf *out, struct str octets)
{
    for (size_t i = 0; i < octets.n; i += 3) {
        size_t have = octets.n - i < 3 ? octets.n - i : 3;
        uint32_t v = 0;
        char quad[4] = {'=', '=', '=', '='};

        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < have ? (unsigned char)octets.p[i + k] : 0);
        for (size_t k = 0; k <= have; k++)
            quad[k] = letters[v >> (18 - 6 * k) & 63];
        buf_add(out, (struct str){quad, 4});
    }
}

static int value_of(char c)
{
    if (ascii_is_upper(c))
        return c - 'A';
    if (ascii_is_lower(c))
        return c - 'a' + 26;
    if (ascii_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four letters become one to three octets; 0 where they cannot. */
static size_t decode_quad(const char *quad, bool last, char *to)
{
    size_t n = 4;
    uint32_t v = 0;

    if (last && quad[3] == '=')
        n = quad[2] == '=' ? 2 : 3;
    for (size_t k = 0; k < 4; k++) {
        int d = k < n ? value_of(quad[k]) : 0;

        if (d < 0)
            return 0;
        v = v << 6 | (uint32_t)d;
    }
    /* what the pad leaves over must be zero, or two texts would be one value */
    if ((n == 2 && (v & 0xffff)) || (n == 3 && (v & 0xff)))
        return 0;
    for (size_t k = 0; k < 3; k++)
        to[k] = (char)(v >> (16 - 8 * k) & 0xff);
    return n - 1;
}

bool base64_decode(struct buf *out, struct str text)
{
    size_t before = out->n;

    if (text.n % 4 || out->failed)
        return false;
    for (size_t i = 0; i < text.n; i += 4) {
        char octets[3];
        size_t n = decode_quad(text.p + i, i + 4 == text.n, octets);

        if (n)
            buf_add(out, (struct str){octets, n});
        if (n == 0 || buf_failed(out)) {
            out->n = before;
            return false;
        }
    }
    return true;
}
