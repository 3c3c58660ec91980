#include "base/hex.h"

#include "base/ascii.h"

void hex_add(struct buf *out, struct str octets)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < octets.n; i++) {
        unsigned char c = (unsigned char)octets.p[i];

        buf_add_byte(out, digits[c >> 4]);
        buf_add_byte(out, digits[c & 15]);
    }
}

int hex_value(char digit)
{
    char c = ascii_lower(digit);

    if (ascii_is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(struct buf *out, struct str text)
{
    size_t before = out->n;
    bool good = text.n % 2 == 0 && !buf_failed(out);

    for (size_t i = 0; good && i < text.n; i += 2) {
        int high = hex_value(text.p[i]), low = hex_value(text.p[i + 1]);

        good = high >= 0 && low >= 0;
        if (good)
            buf_add_byte(out, (char)(high << 4 | low));
        good = good && !buf_failed(out);
    }
    if (!good)
        out->n = before;
    return good;
}
