/*
 * Input: three octets that choose a partial, then a letter. Properties: HEADER and TEXT
 * together are the letter; each literal is as long as it says, and as BODYSTRUCTURE says; a
 * partial of a section is a slice of it; nothing that is told lies outside the letter.
 */
#include "imapd/fetch_impl.h"

#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 65536, OUT_BYTES = 4 << 20, PARTS_MAX = 40 };

struct world {
    struct work work;
    struct step step;
    struct buf out;
    struct letter letter;
    struct str text;
    uint64_t from, octets;
    unsigned parts;
};

static int file_of(struct str text)
{
    int fd = memfd_create("letter", MFD_CLOEXEC);

    assert(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
    return fd;
}

static void world_init(struct world *w, struct str text)
{
    struct letter *l = &w->letter;
    size_t lf = str_find(text, '\n');

    *w = (struct world){.text = text};
    buf_init(&w->out, OUT_BYTES);
    w->step.w = &w->work;
    w->step.out = &w->out;
    letter_init(l);
    l->fd = file_of(text);
    l->uid = 1;
    l->crlf = lf > 0 && lf < text.n && text.p[lf - 1] == '\r';
    l->size = text.n;
    l->vsize = wire_count(text, l->crlf, 0);
    l->top = structure_parse(text, &l->arena);
}

static void world_done(struct world *w)
{
    letter_done(&w->letter);
    buf_done(&w->out);
}

/* What an item sends; NIL: p is NULL. Valid until the next one. */
static struct str told(struct world *w, const struct fetch_item *item)
{
    struct text text;
    struct str in;
    uint32_t n;

    buf_clear(&w->out);
    assert(section_find(&w->letter, item, &text) == 0);
    text_tell(&w->step, &w->letter, item, &text);
    assert(!w->letter.damaged && !w->letter.streaming);
    in = buf_str(&w->out);
    if (str_eq(in, STR(" NIL")))
        return (struct str){NULL, 0};
    assert(scan_word(&in, STR(" {")) && scan_u32(&in, UINT32_MAX, &n));
    assert(scan_word(&in, STR("}\r\n")) && in.n == n);
    assert(!memchr(in.p, 0, in.n));
    return in;
}

/* The whole of it, yours to free; and a slice of it is what a partial is. */
static struct buf section(struct world *w, struct section s)
{
    struct fetch_item item = {.what = FETCH_SECTION, .section = s};
    struct str text = told(w, &item), slice;
    struct buf whole;

    buf_init(&whole, OUT_BYTES);
    if (!text.p)
        return whole;
    buf_add(&whole, text);
    item.partial = true;
    item.from = w->from;
    item.octets = w->octets;
    slice =
        str_first(str_skip(buf_str(&whole), w->from < whole.n ? w->from : whole.n), w->octets);
    assert(str_eq(told(w, &item), slice));
    return whole;
}

static void check_size(struct world *w, struct section s, uint64_t wire)
{
    struct buf whole = section(w, s);

    assert(whole.n == wire);
    buf_done(&whole);
}

static void check_parts(struct world *w, const struct part *p, uint32_t *numbers, unsigned n);

static void check_part(struct world *w, const struct part *p, uint32_t *numbers, unsigned n)
{
    struct section s = {.numbers = numbers, .nnumbers = n, .text = SECTION_ALL};

    assert(structure_find(w->letter.top, numbers, n) == p);
    check_size(w, s, part_body_wire(p));
    s.text = SECTION_MIME;
    check_size(w, s, part_header_wire(p));
    if (part_is(p, "message", "rfc822") && p->kids) {
        s.text = SECTION_HEADER;
        check_size(w, s, part_header_wire(p->kids));
        s.text = SECTION_TEXT;
        check_size(w, s, part_body_wire(p->kids));
        check_parts(w, p->kids, numbers, n);
    } else {
        check_parts(w, p, numbers, n);
    }
}

static void check_parts(struct world *w, const struct part *p, uint32_t *numbers, unsigned n)
{
    if (n == STRUCTURE_DEPTH || !part_is(p, "multipart", NULL))
        return;
    numbers[n] = 1;
    for (const struct part *kid = p->kids; kid && w->parts < PARTS_MAX; kid = kid->next) {
        w->parts++;
        check_part(w, kid, numbers, n + 1);
        numbers[n]++;
    }
}

static void check_letter(struct world *w)
{
    struct buf head = section(w, (struct section){.text = SECTION_HEADER});
    struct buf text = section(w, (struct section){.text = SECTION_TEXT});
    struct buf all = section(w, (struct section){.text = SECTION_ALL});
    struct str names[] = {STR_LIT("Subject"), STR_LIT("x")};
    struct section fields = {.text = SECTION_FIELDS, .fields = names, .nfields = 2};
    struct buf some = section(w, fields);

    fields.text = SECTION_FIELDS_NOT;
    struct buf others = section(w, fields);
    assert(all.n == w->letter.vsize && head.n + text.n == all.n);
    assert(head.n == part_header_wire(w->letter.top));
    assert(str_starts(buf_str(&all), buf_str(&head)));
    assert(text.n == 0 || memcmp(all.p + head.n, text.p, text.n) == 0);
    assert(some.n + others.n <= head.n + 6); /* an empty line each, and a last line's end */
    buf_done(&head);
    buf_done(&text);
    buf_done(&all);
    buf_done(&some);
    buf_done(&others);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t numbers[STRUCTURE_DEPTH + 1];
    struct world w;

    if (size < 3 || size > INPUT_MAX)
        return 0;
    world_init(&w, (struct str){(const char *)data + 3, size - 3});
    w.from = data[0] + 256U * (data[1] & 3U);
    w.octets = data[2] + 1U;
    check_letter(&w);
    check_parts(&w, w.letter.top, numbers, 0);
    world_done(&w);
    return 0;
}
