/*
 * The first octet chooses the encoding. Properties: what is decoded is no longer than what it
 * came from; cut anywhere, and octet by octet, it is the same.
 */
#include "mail/encoding.h"

#include <stdlib.h>

static void decode(enum encoding e, struct str in, size_t cut, struct buf *out)
{
    struct decoder d;

    buf_clear(out);
    decoder_init(&d, e);
    decoder_feed(&d, out, str_first(in, cut));
    decoder_feed(&d, out, str_skip(in, cut));
    decoder_end(&d, out);
}

static void is(const struct buf *out, const struct buf *want)
{
    if (buf_failed(out) || !str_eq(buf_str(out), buf_str(want)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < 512 ? size : 512};
    struct buf whole, out;
    struct decoder d;

    if (!in.n)
        return 0;
    enum encoding e = data[0] % (ENCODING_UNKNOWN + 1);
    in = str_skip(in, 1);
    buf_init(&whole, in.n + 6); /* the room that base64 asks for ahead */
    buf_init(&out, in.n + 6);
    decode(e, in, in.n, &whole);
    if (buf_str(&whole).n > in.n)
        abort();
    for (size_t cut = 0; cut < in.n; cut++) {
        decode(e, in, cut, &out);
        is(&out, &whole);
    }
    buf_clear(&out);
    decoder_init(&d, e);
    for (size_t i = 0; i < in.n; i++)
        decoder_feed(&d, &out, (struct str){in.p + i, 1});
    decoder_end(&d, &out);
    is(&out, &whole);
    buf_done(&whole);
    buf_done(&out);
    return 0;
}
