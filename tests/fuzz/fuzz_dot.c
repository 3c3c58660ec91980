/*
 * Properties: the decoder says what a slow reference says that was written from
 * the grammar; where the input is cut does not matter; what the encoder makes of
 * any text holds no bare CR or LF and one end; a text with LF line ends comes
 * back from encoder and decoder as it was.
 */
#include "wire/dot.h"

#include <stdlib.h>

struct result {
    struct buf text;
    enum dot_flaw flaw;
    size_t taken;
    bool end;
};

static bool at(struct str s, size_t i, struct str word)
{
    return i <= s.n && str_starts(str_skip(s, i), word);
}

/* letter = *line "." CRLF; line = [stuffing dot] *octet CRLF       RFC 5321 4.5.2, 4.1.1.4
 * The end is the first "." CRLF that stands at the start or behind CRLF. */
static void reference(struct str in, struct result *r)
{
    size_t i = 0;
    bool line_start = true;

    while (i < in.n && !(line_start && at(in, i, STR(".\r\n")))) {
        if (line_start && in.p[i] == '.') {
            line_start = false;
            i++;
        } else if (at(in, i, STR("\r\n"))) {
            if (r->flaw == DOT_CLEAN)
                buf_add_byte(&r->text, '\n');
            line_start = true;
            i += 2;
        } else if (in.p[i] == '\r' && i + 1 == in.n) {
            i++; /* an LF may follow */
        } else {
            line_start = false;
            if (r->flaw == DOT_CLEAN)
                r->flaw = in.p[i] == '\r'   ? DOT_BARE_CR
                          : in.p[i] == '\n' ? DOT_BARE_LF
                          : in.p[i] == '\0' ? DOT_NUL
                                            : DOT_CLEAN;
            if (r->flaw == DOT_CLEAN)
                buf_add_byte(&r->text, in.p[i]);
            i++;
        }
    }
    r->end = i < in.n;
    r->taken = r->end ? i + 3 : i;
}

static void decode(struct str all, size_t step, struct result *r)
{
    struct dot_decoder d;
    struct str in = {all.p, 0};
    size_t fed = 0;

    dot_decoder_init(&d);
    while (!r->end && fed < all.n) {
        size_t more = all.n - fed < step ? all.n - fed : step;

        in.n += more;
        fed += more;
        r->end = dot_decode(&d, &in, &r->text, SIZE_MAX);
    }
    r->flaw = d.flaw;
    r->taken = (size_t)(in.p - all.p);
}

static void init(struct result *r)
{
    *r = (struct result){.flaw = DOT_CLEAN};
    buf_init(&r->text, 1 << 20);
}

static void same(const struct result *a, const struct result *b)
{
    if (a->end != b->end || a->flaw != b->flaw || a->taken != b->taken ||
        !str_eq(buf_str(&a->text), buf_str(&b->text)))
        abort();
}

static void encode(struct str in, size_t step, struct buf *out)
{
    struct dot_encoder e;

    dot_encoder_init(&e);
    for (; in.n; in = str_skip(in, str_first(in, step).n))
        dot_encode(&e, str_first(in, step), out);
    dot_encode_end(&e, out);
}

static void there_and_back(struct str in)
{
    struct buf whole, bytes;
    struct result back;
    bool lf_only = true, nul = false;

    buf_init(&whole, 1 << 20);
    buf_init(&bytes, 1 << 20);
    init(&back);
    encode(in, in.n ? in.n : 1, &whole);
    encode(in, 1, &bytes);
    if (!str_eq(buf_str(&whole), buf_str(&bytes)))
        abort();
    decode(buf_str(&whole), whole.n, &back);
    for (size_t i = 0; i < in.n; i++) {
        lf_only = lf_only && in.p[i] != '\r';
        nul = nul || in.p[i] == '\0';
    }
    if (!back.end || back.taken != whole.n || back.flaw != (nul ? DOT_NUL : DOT_CLEAN))
        abort();
    if (lf_only && !nul) {
        buf_clear(&bytes);
        buf_add(&bytes, in);
        if (in.n && in.p[in.n - 1] != '\n')
            buf_add_byte(&bytes, '\n');
        if (!str_eq(buf_str(&bytes), buf_str(&back.text)))
            abort();
    }
    buf_done(&whole);
    buf_done(&bytes);
    buf_done(&back.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < 65536 ? size : 65536};
    struct result want, whole, bytes, sevens;

    init(&want);
    init(&whole);
    init(&bytes);
    init(&sevens);
    reference(in, &want);
    decode(in, in.n, &whole);
    decode(in, 1, &bytes);
    decode(in, 7, &sevens);
    same(&want, &whole);
    same(&want, &bytes);
    same(&want, &sevens);
    buf_done(&want.text);
    buf_done(&whole.text);
    buf_done(&bytes.text);
    buf_done(&sevens.text);
    there_and_back(in);
    return 0;
}
