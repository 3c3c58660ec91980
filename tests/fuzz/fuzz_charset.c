/*
 * A charset's name in the first line, a text behind it. Properties: what comes out is UTF-8,
 * and cut anywhere it is the same; folded too; folding what is folded changes nothing.
 */
#include "base/utf8.h"
#include "mail/charset.h"

#include <stdlib.h>

enum { TEXT_BYTES = 256, OUT_BYTES = 65536 };

static void is(const struct buf *out, const struct buf *want)
{
    if (buf_failed(out) || !str_eq(buf_str(out), buf_str(want)))
        abort();
}

static void read_cut(struct charset_reader *r, struct str in, size_t cut, struct buf *out)
{
    buf_clear(out);
    charset_reader_feed(r, out, str_first(in, cut));
    charset_reader_feed(r, out, str_skip(in, cut));
    charset_reader_end(r, out);
}

static void fold_cut(struct charset_folder *f, struct str in, size_t cut, struct buf *out)
{
    buf_clear(out);
    charset_folder_feed(f, out, str_first(in, cut));
    charset_folder_feed(f, out, str_skip(in, cut));
    charset_folder_end(f, out);
}

static void folding(struct str in)
{
    struct charset_folder f;
    struct buf whole, out;

    buf_init(&whole, OUT_BYTES);
    buf_init(&out, OUT_BYTES);
    charset_fold(&whole, in);
    if (!utf8_valid(buf_str(&whole)))
        abort();
    charset_folder_init(&f);
    for (size_t cut = 0; cut <= in.n; cut++) {
        fold_cut(&f, in, cut, &out);
        is(&out, &whole);
    }
    charset_folder_done(&f);
    buf_clear(&out);
    charset_fold(&out, buf_str(&whole));
    is(&out, &whole);
    buf_done(&whole);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size}, name;
    struct charset_reader r;
    struct buf whole, out;

    name = str_first(in, str_find(in, '\n'));
    if (name.n == in.n)
        return 0;
    in = str_first(str_skip(in, name.n + 1), TEXT_BYTES);
    buf_init(&whole, OUT_BYTES);
    buf_init(&out, OUT_BYTES);
    charset_to_utf8(&whole, name, in);
    if (!utf8_valid(buf_str(&whole)))
        abort();
    charset_reader_init(&r, name);
    for (size_t cut = 0; cut <= in.n; cut++) {
        read_cut(&r, in, cut, &out);
        is(&out, &whole);
    }
    charset_reader_done(&r);
    folding(in);
    folding(buf_str(&whole));
    buf_done(&whole);
    buf_done(&out);
    return 0;
}
