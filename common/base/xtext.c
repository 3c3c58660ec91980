#include "base/xtext.h"

#include "base/ascii.h"
#include "base/hex.h"

/* xchar = any ASCII CHAR between "!" (33) and "~" (126) inclusive, except for "+" and "=" */
static bool is_xchar(char c)
{
    return ascii_is_print(c) && c != ' ' && c != '+' && c != '=';
}

void xtext_add(struct buf *out, struct str octets)
{
    for (size_t i = 0; i < octets.n; i++) {
        if (is_xchar(octets.p[i]))
            buf_add_byte(out, octets.p[i]);
        else
            buf_addf(out, "+%02X", (unsigned)(unsigned char)octets.p[i]);
    }
}

/* hexchar = ASCII "+" immediately followed by two upper case hexadecimal digits */
static bool scan_hexchar(struct str *in, char *out)
{
    if (in->n < 3 || in->p[0] != '+' || ascii_is_lower(in->p[1]) || ascii_is_lower(in->p[2]))
        return false;

    int high = hex_value(in->p[1]), low = hex_value(in->p[2]);
    if (high < 0 || low < 0)
        return false;
    *out = (char)(high << 4 | low);
    *in = str_skip(*in, 3);
    return true;
}

/* xtext = *( xchar / hexchar ) */
bool xtext_decode(struct buf *out, struct str text)
{
    size_t before = out->n;

    while (text.n && !buf_failed(out)) {
        char c = text.p[0];

        if (is_xchar(c))
            text = str_skip(text, 1);
        else if (!scan_hexchar(&text, &c))
            break;
        buf_add_byte(out, c);
    }
    if (text.n == 0 && !buf_failed(out))
        return true;
    out->n = before;
    return false;
}
