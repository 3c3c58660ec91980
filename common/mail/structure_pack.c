/*
 * A tree as octets: a version, then each part and behind it its kids.
 *
 *     part    = texts params disposition-params languages counts nkids *part
 *     texts   = 9 text (see texts[] below)
 *     text    = number [octets]                      0 is none, else the length and 1
 *     params  = number *(text text)
 *     counts  = header_at (from the end of what is before it in its parent), the lengths of
 *               head and body, header_lf, body_lf, body_lines
 *     number  = LEB128: seven bits an octet, low ones first
 *
 * What is read is believed as little as a letter: anything that could not have been written is
 * refused, and all limits of structure.h hold.
 */
#include "mail/structure.h"

#include <string.h>

enum { VERSION = 1 };

static const size_t texts[] = {
    offsetof(struct part, type),        offsetof(struct part, subtype),
    offsetof(struct part, id),          offsetof(struct part, description),
    offsetof(struct part, md5),         offsetof(struct part, transfer_encoding),
    offsetof(struct part, disposition), offsetof(struct part, location),
    offsetof(struct part, envelope),
};

enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

static struct str *text_of(struct part *p, unsigned i)
{
    return (struct str *)((char *)p + texts[i]);
}

/* ---- writing ---- */

static void put(struct buf *out, uint64_t n)
{
    for (; n > 0x7f; n >>= 7)
        buf_add_byte(out, (char)(n | 0x80));
    buf_add_byte(out, (char)n);
}

static void put_text(struct buf *out, struct str s)
{
    put(out, s.p ? s.n + 1 : 0);
    if (s.p)
        buf_add(out, s);
}

static void put_params(struct buf *out, const struct part_params *params)
{
    put(out, params->n);
    for (unsigned i = 0; i < params->n; i++) {
        put_text(out, params->p[i].name);
        put_text(out, params->p[i].value);
    }
}

/* `after` is where its parent's body begins, or the sibling before it ends. */
static void put_part(struct buf *out, const struct part *p, uint64_t after)
{
    for (unsigned i = 0; i < TEXTS; i++)
        put_text(out, *(const struct str *)((const char *)p + texts[i]));
    put_params(out, &p->params);
    put_params(out, &p->disposition_params);
    put(out, p->nlanguages);
    for (unsigned i = 0; i < p->nlanguages; i++)
        put_text(out, p->languages[i]);
    put(out, p->header_at - after);
    put(out, p->body_at - p->header_at);
    put(out, p->body_end - p->body_at);
    put(out, p->header_lf);
    put(out, p->body_lf);
    put(out, p->body_lines);
    put(out, p->nkids);
    after = p->body_at;
    for (const struct part *kid = p->kids; kid; kid = kid->next) {
        put_part(out, kid, after);
        after = kid->body_end;
    }
}

void structure_pack(struct buf *out, const struct part *top)
{
    put(out, VERSION);
    put_part(out, top, 0);
}

/* ---- reading ---- */

struct unpacker {
    struct str in;
    struct arena *a;
    unsigned parts, depth;
    bool bad;
};

static uint64_t get(struct unpacker *u, uint64_t max)
{
    uint64_t n = 0;

    for (unsigned shift = 0; shift < 64 && u->in.n; shift += 7) {
        unsigned char c = (unsigned char)u->in.p[0];

        u->in = str_skip(u->in, 1);
        n |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80 && n <= max && (shift < 63 || c < 2))
            return n;
        if (c < 0x80)
            break;
    }
    u->bad = true;
    return 0;
}

static struct str get_text(struct unpacker *u)
{
    uint64_t n = get(u, u->in.n);

    if (n == 0)
        return (struct str){NULL, 0};
    if (n - 1 > u->in.n) {
        u->bad = true;
        return STR("");
    }
    struct str s = str_first(u->in, n - 1);
    u->in = str_skip(u->in, n - 1);
    return s;
}

static struct str get_string(struct unpacker *u) /* one that is there */
{
    struct str s = get_text(u);

    u->bad = u->bad || !s.p;
    return s;
}

static struct part_params get_params(struct unpacker *u)
{
    struct part_params params = {.n = (unsigned)get(u, STRUCTURE_PARAMS)};

    params.p = params.n ? ARENA_ARRAY(u->a, struct part_param, params.n) : NULL;
    for (unsigned i = 0; i < params.n && !u->bad; i++) {
        params.p[i].name = get_string(u);
        params.p[i].value = get_string(u);
    }
    return params;
}

static void get_languages(struct unpacker *u, struct part *p)
{
    p->nlanguages = (unsigned)get(u, STRUCTURE_LANGUAGES);
    p->languages = p->nlanguages ? ARENA_ARRAY(u->a, struct str, p->nlanguages) : NULL;
    for (unsigned i = 0; i < p->nlanguages && !u->bad; i++)
        p->languages[i] = get_string(u);
}

/* It lies from `after` to at most `end`. */
static void get_counts(struct unpacker *u, struct part *p, uint64_t after, uint64_t end)
{
    p->header_at = after + get(u, end - after);
    p->body_at = p->header_at + get(u, end - p->header_at);
    p->body_end = p->body_at + get(u, end - p->body_at);
    p->header_lf = get(u, p->body_at - p->header_at);
    p->body_lf = get(u, p->body_end - p->body_at);
    p->body_lines = get(u, p->body_end - p->body_at);
    p->nkids = (unsigned)get(u, STRUCTURE_PARTS);
}

/* Only multipart has kids, and message/rfc822 one. */
static bool kids_fit(const struct part *p)
{
    if (part_is(p, "message", "rfc822"))
        return p->nkids == 1;
    return part_is(p, "multipart", NULL) ? p->nkids > 0 : p->nkids == 0;
}

static struct part *get_part(struct unpacker *u, struct part *parent, uint64_t after,
                             uint64_t end)
{
    struct part *p, **tail;

    if (u->bad || u->parts == STRUCTURE_PARTS || u->depth > STRUCTURE_DEPTH) {
        u->bad = true;
        return NULL;
    }
    u->parts++;
    u->depth++;
    p = ARENA_NEW(u->a, struct part);
    p->parent = parent;
    for (unsigned i = 0; i < TEXTS; i++)
        *text_of(p, i) = get_text(u);
    p->params = get_params(u);
    p->disposition_params = get_params(u);
    get_languages(u, p);
    get_counts(u, p, after, end);
    u->bad = u->bad || !p->type.p || !p->subtype.p || !kids_fit(p);
    tail = &p->kids;
    after = p->body_at;
    for (unsigned i = 0; i < p->nkids && !u->bad; i++) {
        *tail = get_part(u, p, after, p->body_end);
        if (u->bad)
            break;
        after = (*tail)->body_end;
        tail = &(*tail)->next;
    }
    u->depth--;
    return p;
}

struct part *structure_unpack(struct str packed, struct arena *a)
{
    struct unpacker u = {.in = arena_dup(a, packed), .a = a};

    if (get(&u, VERSION) != VERSION)
        return NULL;
    struct part *top = get_part(&u, NULL, 0, INT64_MAX);
    return u.bad || u.in.n ? NULL : top;
}
