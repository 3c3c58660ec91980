#include "mail/recode.h"

#include "base/ascii.h"
#include "base/utf8.h"
#include "mail/encoder.h"
#include "mail/header.h"
#include "mail/structure.h"

struct recoder {
    struct str letter;
    const struct recode_out *to;
    struct buf out;
    bool failed;
};

bool recode_is_8bit(struct str letter)
{
    return !utf8_is_ascii(str_skip(letter, header_end(letter)));
}

/* ---- what a part is ---- */

struct look {
    size_t octets, high; /* high: above 0x7f                                    */
    bool odd;            /* bare CR, NUL, a long line: no text could hold it    */
};

static struct look look_at(struct str body)
{
    struct look l = {.octets = body.n};
    size_t line = 0;

    for (size_t i = 0; i < body.n; i++) {
        char c = body.p[i];

        line = c == '\n' ? 0 : line + 1;
        l.high += ascii_is_8bit(c);
        l.odd |= c == '\0' || (c == '\r' && (i + 1 == body.n || body.p[i + 1] != '\n')) ||
                 line > RECODE_LINE_BYTES;
    }
    return l;
}

static struct str bytes(const struct recoder *r, uint64_t from, uint64_t to)
{
    return (struct str){r->letter.p + from, (size_t)(to - from)};
}

static bool says_type(struct str head, const char *type)
{
    struct header_field f;

    if (!header_find(head, STR("Content-Type"), &f))
        return false;
    struct str v = f.value;
    while (v.n && (v.p[0] == ' ' || v.p[0] == '\t' || v.p[0] == '\n' || v.p[0] == '\r'))
        v = str_skip(v, 1);
    return str_starts_nocase(v, str_c(type));
}

/* ---- writing ---- */

static void flush(struct recoder *r, size_t above)
{
    if (r->out.n <= above)
        return;
    r->to->write(r->to->arg, buf_str(&r->out));
    buf_clear(&r->out);
}

static void put(struct recoder *r, struct str s)
{
    while (s.n) {
        struct str piece = str_first(s, RECODE_PIECE_BYTES);

        buf_add(&r->out, piece);
        s = str_skip(s, piece.n);
        flush(r, RECODE_PIECE_BYTES);
    }
}

/* What nobody reads, between parts: a stray octet is not worth a letter. */
static void put_ascii(struct recoder *r, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        buf_add_byte(&r->out, ascii_is_8bit(s.p[i]) ? '?' : s.p[i]);
        flush(r, RECODE_PIECE_BYTES);
    }
}

static void put_encoded(struct recoder *r, struct str body, enum encoding encoding)
{
    struct encoder e;

    encoder_init(&e, encoding, false);
    while (body.n) {
        struct str piece = str_first(body, RECODE_PIECE_BYTES);

        encoder_feed(&e, &r->out, piece);
        body = str_skip(body, piece.n);
        flush(r, RECODE_PIECE_BYTES);
    }
    encoder_end(&e, &r->out);
}

/* Already quoted-printable or base64, with octets that do not belong there: escaped as they
 * mean themselves in the one, left out as they mean nothing in the other. */
static void put_mended(struct recoder *r, struct str body, enum encoding encoding)
{
    for (size_t i = 0; i < body.n; i++) {
        if (!ascii_is_8bit(body.p[i]))
            buf_add_byte(&r->out, body.p[i]);
        else if (encoding == ENCODING_QP)
            buf_addf(&r->out, "=%02X", (unsigned)(unsigned char)body.p[i]);
        flush(r, RECODE_PIECE_BYTES);
    }
}

/* The head of a part without its encoding, and with `fields` before its empty line: nothing
 * that stands there can be taken for a line of theirs. */
static void put_head(struct recoder *r, struct str head, const char *fields)
{
    size_t empty = head.n >= 2 && head.p[head.n - 2] == '\r' ? 2 : 1;
    struct str in = head;
    struct header_field f;
    const char *at = head.p;

    while (header_next(&in, &f)) {
        put(r, (struct str){at, (size_t)(f.all.p - at)});
        if (!str_eq_nocase(f.name, STR("Content-Transfer-Encoding")))
            put(r, f.all);
        at = f.all.p + f.all.n;
    }
    if (head.n < empty) {
        r->failed = true; /* no head, and so no body either */
        return;
    }
    const char *end = head.p + head.n - empty;
    put(r, (struct str){at, (size_t)(end - at)});
    put(r, str_c(fields));
    put(r, (struct str){end, empty});
}

/* ---- parts ---- */

static void put_part(struct recoder *r, const struct part *p);

static enum encoding encoding_for(const struct part *p, const struct look *l)
{
    if (!part_is(p, "text", NULL))
        return ENCODING_BASE64;
    return l->octets / 6 > l->high ? ENCODING_QP : ENCODING_BASE64;
}

/* A letter of before MIME (RFC 2045 5.2): its charset is anybody's guess (RFC 1428). */
static const char *charset_fields(struct str head, struct str body)
{
    struct header_field f;

    if (header_find(head, STR("Content-Type"), &f))
        return "";
    return utf8_valid(body) ? "Content-Type: text/plain; charset=utf-8\n"
                            : "Content-Type: text/plain; charset=unknown-8bit\n";
}

static void put_leaf(struct recoder *r, const struct part *p)
{
    struct str head = bytes(r, p->header_at, p->body_at),
               body = bytes(r, p->body_at, p->body_end);
    enum encoding now =
        p->transfer_encoding.p ? encoding_of(p->transfer_encoding) : ENCODING_7BIT;
    struct look l = look_at(body);
    struct header_field f;
    char fields[160];

    if (!l.high && !l.odd) {
        put(r, head);
        put(r, body);
        return;
    }
    if (now == ENCODING_QP || now == ENCODING_BASE64) {
        put(r, head);
        put_mended(r, body, now);
        return;
    }
    if (now == ENCODING_UNKNOWN || says_type(head, "multipart/") ||
        says_type(head, "message/")) {
        r->failed = true;
        return;
    }
    enum encoding to = encoding_for(p, &l);
    bool top = !p->parent || part_is(p->parent, "message", NULL),
         mime = header_find(head, STR("MIME-Version"), &f);
    snprintf(fields, sizeof(fields), "%s%sContent-Transfer-Encoding: %s\n",
             top && !mime ? "MIME-Version: 1.0\n" : "", top ? charset_fields(head, body) : "",
             to == ENCODING_QP ? "quoted-printable" : "base64");
    put_head(r, head, fields);
    put_encoded(r, body, to);
}

/* A multipart, or a letter in a letter. */
static void put_container(struct recoder *r, const struct part *p)
{
    struct str head = bytes(r, p->header_at, p->body_at);
    enum encoding now =
        p->transfer_encoding.p ? encoding_of(p->transfer_encoding) : ENCODING_7BIT;
    uint64_t at = p->body_at;

    if (now == ENCODING_8BIT || now == ENCODING_BINARY)
        put_head(r, head, "Content-Transfer-Encoding: 7bit\n");
    else
        put(r, head);
    for (const struct part *kid = p->kids; kid && !r->failed; kid = kid->next) {
        put_ascii(r, bytes(r, at, kid->header_at));
        put_part(r, kid);
        at = kid->body_end;
    }
    put_ascii(r, bytes(r, at, p->body_end));
}

static void put_part(struct recoder *r, const struct part *p)
{
    if (p->body_at - p->header_at > HEADER_BYTES)
        r->failed = true;
    else if (p->kids)
        put_container(r, p);
    else
        put_leaf(r, p);
}

bool recode_7bit(struct str letter, const struct recode_out *out)
{
    struct recoder r = {.letter = letter, .to = out};
    struct arena a;

    arena_init(&a);
    buf_init(&r.out, 8 * RECODE_PIECE_BYTES); /* one piece, encoded, and what was held */
    const struct part *top = structure_parse(letter, &a);
    put_part(&r, top);
    put(&r, bytes(&r, top->body_end, letter.n));
    flush(&r, 0);
    r.failed = r.failed || buf_failed(&r.out);
    buf_done(&r.out);
    arena_done(&a);
    return !r.failed;
}
