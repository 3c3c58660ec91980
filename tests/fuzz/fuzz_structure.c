/*
 * Properties: where the letter is cut into pieces changes nothing; parts lie in their parents,
 * in order, and are counted as a slow recount counts them; BODYSTRUCTURE, BODY and ENVELOPE are
 * what RFC 3501 9 allows; a packed tree prints the same when unpacked, and unpacking anything
 * else is harmless; limits hold.
 */
#include "mail/structure.h"
#include "tests/fuzz/imap_text.h"

enum { OUT_BYTES_MAX = 256 << 20, EACH_CUT_BYTES = 300 };

/* ---- body = "(" (body-type-1part / body-type-mpart) ")"        RFC 3501 9 ---- */

static void take_number(struct str *in)
{
    uint64_t n = 0;

    must(scan_u64(in, UINT64_MAX, &n));
}

static void take_params(struct str *in)
{
    if (scan_word(in, STR("NIL")))
        return;
    must(scan_byte(in, '('));
    do
        must(take_string(in) && scan_byte(in, ' ') && take_string(in));
    while (scan_byte(in, ' '));
    must(scan_byte(in, ')'));
}

static void take_extension(struct str *in)
{
    must(scan_byte(in, ' '));
    if (!scan_word(in, STR("NIL"))) {
        must(scan_byte(in, '(') && take_string(in) && scan_byte(in, ' '));
        take_params(in);
        must(scan_byte(in, ')'));
    }
    must(scan_byte(in, ' '));
    if (scan_byte(in, '(')) {
        do
            must(take_string(in));
        while (scan_byte(in, ' '));
        must(scan_byte(in, ')'));
    } else {
        take_nstring(in);
    }
    must(scan_byte(in, ' '));
    take_nstring(in);
}

static void take_body(struct str *in, const struct part *p, bool extended);

static void take_single(struct str *in, const struct part *p, bool extended)
{
    must(take_string(in) && scan_byte(in, ' ') && take_string(in) && scan_byte(in, ' '));
    take_params(in);
    for (unsigned i = 0; i < 3; i++) {
        must(scan_byte(in, ' '));
        take_nstring(in);
    }
    must(scan_byte(in, ' '));
    take_number(in);
    if (part_is(p, "message", "rfc822")) {
        must(p->nkids == 1 && scan_byte(in, ' '));
        take_envelope(in);
        must(scan_byte(in, ' '));
        take_body(in, p->kids, extended);
    }
    if (part_is(p, "message", "rfc822") || part_is(p, "text", NULL)) {
        must(scan_byte(in, ' '));
        take_number(in);
    }
    if (extended) {
        must(scan_byte(in, ' '));
        take_nstring(in);
        take_extension(in);
    }
}

static void take_body(struct str *in, const struct part *p, bool extended)
{
    must(scan_byte(in, '('));
    if (part_is(p, "multipart", NULL)) {
        must(p->nkids > 0);
        for (const struct part *kid = p->kids; kid; kid = kid->next)
            take_body(in, kid, extended);
        must(scan_byte(in, ' ') && take_string(in));
        if (extended) {
            must(scan_byte(in, ' '));
            take_params(in);
            take_extension(in);
        }
    } else {
        take_single(in, p, extended);
    }
    must(scan_byte(in, ')'));
}

static void print(struct buf *out, const struct part *top, bool extended)
{
    buf_clear(out);
    structure_print(out, top, extended);
    must(!buf_failed(out));
    struct str text = buf_str(out);
    take_body(&text, top, extended);
    must(text.n == 0);
}

/* ---- the tree ---- */

/* The letter's first line end says whether CR belongs to one. */
static void recount(struct str letter, uint64_t from, uint64_t to, uint64_t *lf,
                    uint64_t *lines)
{
    size_t first = str_find(letter, '\n');
    bool crlf = first > 0 && first < letter.n && letter.p[first - 1] == '\r';

    *lf = *lines = 0;
    for (uint64_t i = from; i < to; i++) {
        if (letter.p[i] != '\n')
            continue;
        ++*lines;
        *lf += !crlf || i == 0 || letter.p[i - 1] != '\r';
    }
}

static void check_part(struct str letter, const struct part *p, unsigned depth, unsigned *parts)
{
    uint64_t at = p->body_at, lf, lines;
    unsigned kids = 0;

    must(depth <= STRUCTURE_DEPTH && ++*parts <= STRUCTURE_PARTS);
    must(p->header_at <= p->body_at && p->body_at <= p->body_end && p->body_end <= letter.n);
    recount(letter, p->header_at, p->body_at, &lf, &lines);
    must(p->header_lf == lf);
    recount(letter, p->body_at, p->body_end, &lf, &lines);
    must(p->body_lf == lf && p->body_lines == lines);
    for (const struct part *kid = p->kids; kid; kid = kid->next) {
        must(kid->parent == p && kid->header_at >= at && kid->body_end <= p->body_end);
        at = kid->body_end;
        kids++;
        check_part(letter, kid, depth + 1, parts);
    }
    must(kids == p->nkids);
}

static void same(const struct part *a, const struct part *b)
{
    must(a->header_at == b->header_at && a->body_at == b->body_at &&
         a->body_end == b->body_end);
    must(a->header_lf == b->header_lf && a->body_lf == b->body_lf &&
         a->body_lines == b->body_lines && a->nkids == b->nkids);
    a = a->kids;
    for (b = b->kids; a && b; a = a->next, b = b->next)
        same(a, b);
    must(!a && !b);
}

static void same_tree(const struct part *a, const struct part *b, struct buf *out,
                      struct str want)
{
    must(b != NULL);
    same(a, b);
    print(out, b, true);
    must(str_eq(buf_str(out), want));
}

struct fuzz {
    struct str letter, want;
    const struct part *top;
    struct buf out;
};

/* The first piece has `first` octets, those behind it `step`. */
static void cut(struct fuzz *f, size_t first, size_t step)
{
    struct structure_reader *r;
    struct arena a;

    arena_init(&a);
    r = structure_reader_new(&a);
    structure_reader_feed(r, str_first(f->letter, first));
    for (size_t at = first; at < f->letter.n; at += step)
        structure_reader_feed(r, str_first(str_skip(f->letter, at), step));
    same_tree(f->top, structure_reader_end(r), &f->out, f->want);
    arena_done(&a);
}

static void cuts(struct fuzz *f)
{
    size_t n = f->letter.n;

    for (size_t first = 1; first < n && n <= EACH_CUT_BYTES; first++)
        cut(f, first, n);
    for (size_t step = 1; step < n && step < 8; step += 2)
        cut(f, step, step);
    for (size_t step = 100; step < n; step = step * 2 + 1)
        cut(f, step / 3, step);
}

static void packing(struct fuzz *f)
{
    struct buf packed, again;
    struct arena a;

    arena_init(&a);
    buf_init(&packed, OUT_BYTES_MAX);
    buf_init(&again, OUT_BYTES_MAX);
    structure_pack(&packed, f->top);
    struct part *top = structure_unpack(buf_str(&packed), &a);
    same_tree(f->top, top, &f->out, f->want);
    structure_pack(&again, top);
    must(str_eq(buf_str(&packed), buf_str(&again)));
    buf_done(&packed);
    buf_done(&again);
    arena_done(&a);
}

static void sections(const struct part *top)
{
    const struct part *p = structure_find(top, (uint32_t[]){1}, 1);

    must(p != NULL && structure_find(top, (uint32_t[]){0}, 1) == NULL);
    must(structure_find(top, (uint32_t[]){UINT32_MAX}, 1) == NULL);
    for (uint32_t n = 1; part_is(top, "multipart", NULL) && n <= top->nkids; n++, p = p->next)
        must(structure_find(top, &n, 1) == p);
}

static void any_octets(struct str octets)
{
    struct buf packed;
    struct arena a;

    arena_init(&a);
    buf_init(&packed, OUT_BYTES_MAX);
    struct part *top = structure_unpack(octets, &a);
    if (top) {
        structure_pack(&packed, top);
        must(structure_unpack(buf_str(&packed), &a) != NULL);
    }
    buf_done(&packed);
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = {
        .letter = {(const char *)data, size}
    };
    unsigned parts = 0;
    struct arena a;

    any_octets(f.letter);
    arena_init(&a);
    buf_init(&f.out, OUT_BYTES_MAX);
    f.top = structure_parse(f.letter, &a);
    must(f.top->header_at == 0 && f.top->body_end == size);
    check_part(f.letter, f.top, 0, &parts);
    sections(f.top);
    print(&f.out, f.top, false);
    print(&f.out, f.top, true);
    f.want = arena_dup(&a, buf_str(&f.out));
    cuts(&f);
    packing(&f);
    buf_done(&f.out);
    arena_done(&a);
    return 0;
}
