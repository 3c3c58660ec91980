/* Which octets a section means: RFC 3501 6.4.5. */
#include "imapd/fetch_impl.h"

#include "base/defer.h"
#include "imapd/print.h"
#include "mail/envelope.h"
#include "mail/header.h"

void letter_init(struct letter *l)
{
    *l = (struct letter){.fd = -1};
    arena_init(&l->arena);
    buf_init(&l->chosen, HEADER_BYTES + 4);
}

void letter_close(struct letter *l)
{
    struct arena arena = l->arena;
    struct buf chosen = l->chosen;

    if (l->fd >= 0)
        close(l->fd);
    arena_reset(&arena);
    *l = (struct letter){.fd = -1, .arena = arena, .chosen = chosen};
}

void letter_done(struct letter *l)
{
    letter_close(l);
    arena_done(&l->arena);
    buf_done(&l->chosen);
}

/* RFC822.HEADER and RFC822.TEXT are sections under another name. */
static struct section section_of(const struct fetch_item *item)
{
    struct section s = item->section;

    if (item->what == FETCH_RFC822_HEADER || item->what == FETCH_RFC822_TEXT ||
        item->what == FETCH_RFC822)
        s = (struct section){.text = item->what == FETCH_RFC822          ? SECTION_ALL
                                     : item->what == FETCH_RFC822_HEADER ? SECTION_HEADER
                                                                         : SECTION_TEXT};
    return s;
}

static bool kept(const struct section *s)
{
    if (s->nnumbers || s->text != SECTION_FIELDS)
        return false;
    for (unsigned i = 0; i < s->nfields; i++)
        if (!message_header_keeps(s->fields[i]))
            return false;
    return true;
}

unsigned section_want(const struct fetch_item *item)
{
    struct section s = section_of(item);

    if (kept(&s))
        return WANT_HEADER;
    return WANT_SIZE | (s.nnumbers ? WANT_PARTS : 0U);
}

/* ---- as it is told ---- */

static struct str text_name(enum section_text text)
{
    switch (text) {
    case SECTION_ALL:
        break;
    case SECTION_HEADER:
        return STR("HEADER");
    case SECTION_FIELDS:
        return STR("HEADER.FIELDS");
    case SECTION_FIELDS_NOT:
        return STR("HEADER.FIELDS.NOT");
    case SECTION_TEXT:
        return STR("TEXT");
    case SECTION_MIME:
        return STR("MIME");
    }
    return STR("");
}

static bool is_field_atom(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("(){%*\"\\]", s.p[i]))
            return false;
    return s.n > 0;
}

static void print_fields(struct buf *out, const struct section *s)
{
    buf_add(out, STR(" ("));
    for (unsigned i = 0; i < s->nfields; i++) {
        if (i)
            buf_add_byte(out, ' ');
        if (is_field_atom(s->fields[i]))
            buf_add(out, s->fields[i]);
        else
            imap_string(out, s->fields[i]);
    }
    buf_add_byte(out, ')');
}

void section_print(struct buf *out, const struct fetch_item *item)
{
    const struct section *s = &item->section;
    struct str name = text_name(s->text);

    if (item->what != FETCH_SECTION) {
        buf_add(out, item->what == FETCH_RFC822          ? STR("RFC822")
                     : item->what == FETCH_RFC822_HEADER ? STR("RFC822.HEADER")
                                                         : STR("RFC822.TEXT"));
        return;
    }
    buf_add(out, STR("BODY["));
    for (unsigned i = 0; i < s->nnumbers; i++) {
        if (i)
            buf_add_byte(out, '.');
        buf_add_number(out, s->numbers[i]);
    }
    if (s->nnumbers && name.n)
        buf_add_byte(out, '.');
    buf_add(out, name);
    if (s->text == SECTION_FIELDS || s->text == SECTION_FIELDS_NOT)
        print_fields(out, s);
    buf_add_byte(out, ']');
    if (item->partial) {
        buf_add_byte(out, '<');
        buf_add_number(out, item->from);
        buf_add_byte(out, '>');
    }
}

/* ---- the head of the letter, found by reading ---- */

/* Where the empty line ends in `in`, if it does. *line: octets of the line so far, 0 and 1 for
 * nothing and a CR. */
static bool empty_line(struct str in, unsigned *line, size_t *end)
{
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n' && *line < 2) {
            *end = i + 1;
            return true;
        }
        if (in.p[i] == '\n')
            *line = 0;
        else
            *line = *line == 0 && in.p[i] == '\r' ? 1 : 2;
    }
    return false;
}

static int find_head(struct letter *l)
{
    DEFER(free_mem) char *piece = malloc(FETCH_CHUNK_BYTES);
    size_t room = FETCH_FIRST_BYTES, end = 0;
    bool found = false;
    unsigned line = 0;
    char last = 0;

    if (!piece)
        abort();
    while (!found) {
        ssize_t n = letter_read(l, piece, room, l->head_end);

        if (n < 0)
            return (int)n;
        found = empty_line((struct str){piece, (size_t)n}, &line, &end);
        end = found ? end : (size_t)n;
        l->head_wire += wire_count((struct str){piece, end}, l->crlf, last);
        l->head_end += end;
        if ((size_t)n < room)
            break;
        last = piece[n - 1];
        room = FETCH_CHUNK_BYTES;
    }
    l->has_head = true;
    return 0;
}

/* ---- where it lies ---- */

/* Of the letter itself: no tree is needed. */
static int find_own(struct letter *l, enum section_text text, struct text *out)
{
    int code;

    *out = (struct text){.kind = TEXT_RANGE, .end = l->size, .wire = l->vsize};
    if (text == SECTION_ALL)
        return 0;
    if (!l->has_head && (code = find_head(l)) < 0)
        return code;
    if (text == SECTION_TEXT) {
        out->at = l->head_end < l->size ? l->head_end : l->size;
        out->wire = l->vsize > l->head_wire ? l->vsize - l->head_wire : 0;
    } else {
        out->end = l->head_end;
        out->wire = l->head_wire;
    }
    return 0;
}

static void find_head_of(const struct part *p, struct text *out)
{
    *out = (struct text){
        .kind = TEXT_RANGE, .at = p->header_at, .end = p->body_at, .wire = part_header_wire(p)};
}

static void find_body_of(const struct part *p, struct text *out)
{
    *out = (struct text){
        .kind = TEXT_RANGE, .at = p->body_at, .end = p->body_end, .wire = part_body_wire(p)};
}

/* HEADER and TEXT are those of a letter inside (RFC 3501 6.4.5: "MUST be … MESSAGE/RFC822"). */
static void find_part(const struct letter *l, const struct section *s, struct text *out)
{
    const struct part *p = l->top ? structure_find(l->top, s->numbers, s->nnumbers) : NULL;

    *out = (struct text){.kind = TEXT_NIL};
    if (!p)
        return;
    if (s->text == SECTION_ALL)
        find_body_of(p, out);
    else if (s->text == SECTION_MIME)
        find_head_of(p, out);
    else if (part_is(p, "message", "rfc822") && p->kids && s->text == SECTION_TEXT)
        find_body_of(p->kids, out);
    else if (part_is(p, "message", "rfc822") && p->kids)
        find_head_of(p->kids, out);
}

/* ---- fields chosen by name ---- */

static bool named(const struct section *s, struct str field)
{
    for (unsigned i = 0; i < s->nfields; i++)
        if (str_eq_nocase(s->fields[i], field))
            return true;
    return false;
}

/* "The header subset … includes the delimiting blank line" */
static void choose(struct letter *l, struct str head, const struct section *s, bool crlf,
                   struct text *out)
{
    struct header_field f;

    buf_clear(&l->chosen);
    while (header_next(&head, &f)) {
        if (named(s, f.name) != (s->text == SECTION_FIELDS))
            continue;
        buf_add(&l->chosen, f.all);
        if (f.all.p[f.all.n - 1] != '\n')
            buf_add_byte(&l->chosen, '\n');
    }
    buf_add(&l->chosen, crlf ? STR("\r\n") : STR("\n"));
    *out = (struct text){.kind = TEXT_BYTES, .bytes = buf_str(&l->chosen)};
}

static int choose_from_range(struct letter *l, const struct section *s, struct text *out)
{
    uint64_t n = out->end > out->at ? out->end - out->at : 0;
    size_t room = n < HEADER_BYTES ? (size_t)n : HEADER_BYTES;
    DEFER(free_mem) char *head = malloc(room + 1);

    if (!head)
        abort();
    ssize_t got = letter_read(l, head, room, out->at);
    if (got < 0)
        return (int)got;
    choose(l, (struct str){head, (size_t)got}, s, l->crlf, out);
    return 0;
}

int section_find(struct letter *l, const struct fetch_item *item, struct text *out)
{
    struct section s = section_of(item);
    int code = 0;

    if (l->has_header && kept(&s)) {
        /* kept ones have LF line ends: as wire_write() knows them in any letter */
        choose(l, l->header, &s, false, out);
        return 0;
    }
    if (s.nnumbers)
        find_part(l, &s, out);
    else
        code = find_own(l, s.text, out);
    if (code == 0 && out->kind == TEXT_RANGE &&
        (s.text == SECTION_FIELDS || s.text == SECTION_FIELDS_NOT))
        code = choose_from_range(l, &s, out);
    return code;
}
