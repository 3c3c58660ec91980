/*
 * The encoded words of encoding.h: RFC 2047.
 *
 * One pass over the value. A word that follows another with the same charset goes on in its
 * converter, so that a character which a writer cut in two is whole again.
 */
#include "base/ascii.h"
#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/encoding.h"

struct word {
    struct str charset, text;
    enum encoding encoding;
};

struct reading {
    struct charset_reader charset;
    struct str name;      /* of the charset of the word just read; p is NULL: it was none */
    struct buf raw, text; /* one word decoded, and as UTF-8 */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* token = 1*<any CHAR except SPACE, CTLs, and especials>, here all but "?"; RFC 2231 5 puts
 * "*" and a language behind a charset. */
static bool scan_charset(struct str *in, struct str *out)
{
    size_t n = 0;

    while (n < in->n && n <= CHARSET_NAME_BYTES && in->p[n] != '?' && in->p[n] != ' ' &&
           ascii_is_print(in->p[n]))
        n++;
    if (!n || n > CHARSET_NAME_BYTES || n == in->n || in->p[n] != '?')
        return false;
    *out = str_first(*in, str_find(str_first(*in, n), '*'));
    *in = str_skip(*in, n + 1);
    return true;
}

/* encoding = "B" / "Q" */
static bool scan_encoding(struct str *in, enum encoding *out)
{
    if (scan_word_nocase(in, STR("B?")))
        *out = ENCODING_BASE64;
    else if (scan_word_nocase(in, STR("Q?")))
        *out = ENCODING_QP;
    else
        return false;
    return true;
}

/* encoded-word = "=?" charset "?" encoding "?" encoded-text "?="        RFC 2047 2 */
static bool scan_encoded_word(struct str *in, struct word *out)
{
    struct str s = *in;
    struct word w;

    if (!scan_word(&s, STR("=?")) || !scan_charset(&s, &w.charset) ||
        !scan_encoding(&s, &w.encoding))
        return false;
    w.text = str_first(s, str_find(s, '?'));
    s = str_skip(s, w.text.n);
    if (!scan_word(&s, STR("?=")))
        return false;
    *in = s;
    *out = w;
    return true;
}

/* Q: as quoted-printable, but "_" is a space and nothing is a line end (RFC 2047 4.2). */
static void decode_q(struct buf *out, struct str text)
{
    struct decoder d;

    decoder_init(&d, ENCODING_QP);
    for (struct str s = text; s.n;) {
        size_t n = 0;

        while (n < s.n && s.p[n] != '_' && s.p[n] != '\n' && s.p[n] != '\r')
            n++;
        decoder_feed(&d, out, str_first(s, n));
        if (n < s.n) {
            decoder_end(&d, out);
            if (s.p[n] == '_')
                buf_add_byte(out, ' ');
            n++;
        }
        s = str_skip(s, n);
    }
    decoder_end(&d, out);
}

/* A control character: C0 with DEL, or C1, which in UTF-8 begins with 0xc2. */
static size_t control_at(struct str s)
{
    unsigned char c = (unsigned char)s.p[0], next = s.n > 1 ? (unsigned char)s.p[1] : 0;

    if (c < 0x20 || c == 0x7f)
        return 1;
    return c == 0xc2 && next < 0xa0 ? 2 : 0;
}

static void add_without_controls(struct buf *out, struct str s)
{
    for (size_t n = 0; s.n; n = 0) {
        while (n < s.n && !control_at(str_skip(s, n)))
            n++;
        buf_add(out, str_first(s, n));
        s = str_skip(s, n);
        if (!s.n)
            break;
        utf8_add(out, UTF8_REPLACEMENT);
        s = str_skip(s, control_at(s));
    }
}

static void text_read(struct reading *r, struct buf *out)
{
    add_without_controls(out, buf_str(&r->text));
    buf_clear(&r->text);
}

/* No word follows that goes on with this one's charset. */
static void end_words(struct reading *r, struct buf *out)
{
    if (!r->name.p)
        return;
    charset_reader_end(&r->charset, &r->text);
    text_read(r, out);
    charset_reader_done(&r->charset);
    r->name = (struct str){NULL, 0};
}

static void read_word(struct reading *r, struct buf *out, const struct word *w)
{
    struct decoder d;

    if (!r->name.p || !str_eq_nocase(r->name, w->charset)) {
        end_words(r, out);
        charset_reader_init(&r->charset, w->charset);
        r->name = w->charset;
    }
    buf_clear(&r->raw);
    if (w->encoding == ENCODING_QP) {
        decode_q(&r->raw, w->text);
    } else {
        decoder_init(&d, ENCODING_BASE64);
        decoder_feed(&d, &r->raw, w->text);
        decoder_end(&d, &r->raw);
    }
    charset_reader_feed(&r->charset, &r->text, buf_str(&r->raw));
    text_read(r, out);
}

/* Text between words: raw, without its line ends. */
static void add_raw(struct buf *out, struct str s)
{
    struct buf valid;

    buf_init(&valid, 3 * s.n);
    charset_to_utf8(&valid, STR(""), s);
    for (struct str v = buf_str(&valid); v.n;) {
        size_t n = 0;

        while (n < v.n && (v.p[n] == '\t' || !control_at(str_skip(v, n))))
            n++;
        buf_add(out, str_first(v, n));
        v = str_skip(v, n);
        if (scan_byte(&v, '\n') || scan_word(&v, STR("\r\n")) || !v.n)
            continue;
        utf8_add(out, UTF8_REPLACEMENT);
        v = str_skip(v, control_at(v));
    }
    buf_done(&valid);
}

static bool is_all_blank(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_blank(s.p[i]))
            return false;
    return true;
}

/* Up to the next "=?" that may begin a word. */
static size_t raw_run(struct str s)
{
    for (size_t n = 0;; n++) {
        n += str_find(str_skip(s, n), '=');
        if (n == s.n || (n + 1 < s.n && s.p[n + 1] == '?'))
            return n;
    }
}

void encoded_words_decode(struct buf *out, struct str value)
{
    struct reading r = {
        .name = {NULL, 0}
    };
    struct str raw = {value.p, 0}; /* not yet told: behind the last word */
    struct word w;

    buf_init(&r.raw, value.n + 8);
    buf_init(&r.text, 3 * value.n + 64);
    while (value.n) {
        size_t n = raw_run(value);

        raw.n += n;
        value = str_skip(value, n);
        if (scan_encoded_word(&value, &w)) {
            if (!r.name.p || !is_all_blank(raw)) {
                end_words(&r, out);
                add_raw(out, raw);
            }
            read_word(&r, out, &w);
            raw = (struct str){value.p, 0};
        } else if (value.n) {
            raw.n++;
            value = str_skip(value, 1);
        }
    }
    end_words(&r, out);
    add_raw(out, raw);
    buf_done(&r.raw);
    buf_done(&r.text);
}
