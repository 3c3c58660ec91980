/*
 * Properties: what is decoded is UTF-8 without line ends and other controls but HTAB, and no
 * longer than three times what it came from; without "=?" only line ends go.
 */
#include "base/utf8.h"
#include "mail/encoding.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < 4096 ? size : 4096};
    struct buf out;
    bool plain = utf8_is_ascii(in);

    buf_init(&out, 3 * in.n);
    encoded_words_decode(&out, in);
    struct str s = buf_str(&out);
    if (buf_failed(&out) || !utf8_valid(s))
        abort();
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i],
                      next = i + 1 < s.n ? (unsigned char)s.p[i + 1] : 0;

        if ((c < 0x20 && c != '\t') || c == 0x7f || (c == 0xc2 && next < 0xa0))
            abort();
    }
    for (size_t i = 0; i < in.n; i++)
        plain =
            plain && ((in.p[i] >= 0x20 && in.p[i] < 0x7f) || in.p[i] == '\t') && in.p[i] != '?';
    if (plain && !str_eq(s, in))
        abort();
    buf_done(&out);
    return 0;
}
