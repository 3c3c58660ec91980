#include "mail/structure.h"

#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/structure_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/*
 * Lines are found with memchr and counted; only those that begin with "--" are looked at more
 * closely, and in a head the empty one.
 *
 *                    empty line: head_done()
 *     HEAD ───────────────────────────────────────▶ BODY
 *      ▲ └── of message/rfc822: push() the letter ──┐ │
 *      │◀───────────────────────────────────────────┘ │
 *      │        delimiter: close_above(), push()      │
 *      └──────────────────────────────────────────────┘   closing delimiter: stays in BODY
 *
 * The open parts are a stack: the letter, what is in it, down to where the bytes go now. A
 * delimiter of any of them counts wherever it comes (RFC 2046 5.1.2), the longest that fits.
 * A line that is cut by the end of a piece is held, as far as a delimiter may reach.
 */

enum {
    LEVELS = STRUCTURE_DEPTH + 2, /* containers, and a leaf in the deepest          */
    HELD_BYTES = STRUCTURE_BOUNDARY_BYTES + 5, /* "--" boundary "--", and one more */
};

/* How far the reading has come: what the counts of a part are differences of. */
struct mark {
    uint64_t at, lf, lines; /* octets, LFs that are no CRLF yet, LFs */
};

struct level {
    struct part *part;
    struct part **tail;  /* where its next kid goes                       */
    struct str boundary; /* n is 0 where it has none                      */
    struct mark header, body;
    bool digest;   /* multipart/digest: RFC 2046 5.1.5              */
    bool epilogue; /* behind its closing delimiter: no more kids    */
};

struct structure_reader {
    struct arena *a;
    struct level stack[LEVELS];
    unsigned depth, parts, boundaries;
    bool in_head;
    struct mark here;  /* the start of the line                                      */
    unsigned last_end; /* octets of the line end before it                           */
    uint64_t line;     /* octets of it in earlier pieces                             */
    size_t nheld;      /* of these, the first are kept                               */
    bool cr;           /* the last of them is CR                                     */
    bool ended, crlf;  /* a line has ended, the first one in CRLF                     */
    char held[HELD_BYTES];
    const char *run;  /* octets of the head in this piece begin here; not yet kept  */
    struct buf head;  /* those of earlier pieces                                    */
    size_t head_line; /* without the line held                                      */
    size_t envelopes; /* octets that envelopes may still have                       */
    struct arena scratch;
};

static bool str_is(struct str s, const char *word)
{
    return !word || str_eq_nocase(s, str_c(word));
}

bool part_is(const struct part *p, const char *type, const char *subtype)
{
    return str_is(p->type, type) && str_is(p->subtype, subtype);
}

/* ---- levels ---- */

static struct level *innermost(struct structure_reader *r)
{
    return &r->stack[r->depth - 1];
}

static void push(struct structure_reader *r)
{
    struct level *l = &r->stack[r->depth];
    struct part *p = ARENA_NEW(r->a, struct part);

    assert(r->depth < LEVELS);
    if (r->depth) {
        struct level *up = innermost(r);

        p->parent = up->part;
        *up->tail = p;
        up->tail = &p->next;
        up->part->nkids++;
    }
    *l = (struct level){.part = p, .tail = &p->kids, .header = r->here};
    r->depth++;
    r->parts++;
    r->in_head = true;
    r->run = NULL;
}

/* RFC 2045 5.2: what is not what it says it is, is text; beyond the limits it is just octets.
 */
static void become(struct part *p, struct str type, struct str subtype)
{
    p->type = type;
    p->subtype = subtype;
    p->params.n = 0;
}

static struct mark no_later(struct mark m, struct mark end)
{
    return m.at < end.at ? m : end;
}

static void close_level(struct structure_reader *r, struct mark end)
{
    struct level *l = innermost(r);
    struct part *p = l->part;
    struct mark header = no_later(l->header, end), body = no_later(l->body, end);

    p->header_at = header.at;
    p->body_at = body.at;
    p->body_end = end.at;
    p->header_lf = body.lf - header.lf;
    p->body_lf = end.lf - body.lf;
    p->body_lines = end.lines - body.lines;
    if (l->boundary.n) {
        r->boundaries--;
        if (!p->kids) /* 1*body-part: its text is all there is */
            become(p, STR("text"), STR("plain"));
    }
    r->depth--;
}

/* ---- a head ---- */

/* What a field tells about a part; the first of a name counts. */
static void take_field(struct structure_reader *r, struct part *p, struct header_field f,
                       bool *typed)
{
    static const struct {
        struct str name;
        size_t at; /* of the text in struct part */
    } texts[] = {
        {STR_LIT("Content-ID"),          offsetof(struct part, id)         },
        {STR_LIT("Content-Description"), offsetof(struct part, description)},
        {STR_LIT("Content-MD5"),         offsetof(struct part, md5)        },
        {STR_LIT("Content-Location"),    offsetof(struct part, location)   },
    };

    if (!str_starts_nocase(f.name, STR("Content-")))
        return;
    if (str_eq_nocase(f.name, STR("Content-Type"))) {
        if (!p->type.p && !*typed)
            content_type_parse(r->a, f.value, p);
        *typed = true;
    } else if (str_eq_nocase(f.name, STR("Content-Transfer-Encoding"))) {
        if (!p->transfer_encoding.p)
            transfer_encoding_parse(r->a, f.value, p);
    } else if (str_eq_nocase(f.name, STR("Content-Disposition"))) {
        if (!p->disposition.p)
            disposition_parse(r->a, f.value, p);
    } else if (str_eq_nocase(f.name, STR("Content-Language"))) {
        if (!p->languages)
            languages_parse(r->a, f.value, p);
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct str *to = (struct str *)((char *)p + texts[i].at);

        if (!to->p && str_eq_nocase(f.name, texts[i].name))
            *to = field_text(r->a, f.value);
    }
}

static void read_fields(struct structure_reader *r, struct str head)
{
    struct part *p = innermost(r)->part;
    struct header_field f;
    bool typed = false;

    while (header_next(&head, &f))
        take_field(r, p, f, &typed);
    if (p->type.p)
        return;
    bool digest = r->depth > 1 && r->stack[r->depth - 2].digest && !typed;
    p->type = digest ? STR("message") : STR("text");
    p->subtype = digest ? STR("rfc822") : STR("plain");
}

static void keep_envelope(struct structure_reader *r, struct part *p, struct str head)
{
    struct buf out;

    buf_init(&out, r->envelopes);
    envelope_print(&out, head, &r->scratch);
    arena_reset(&r->scratch);
    if (!buf_failed(&out)) {
        p->envelope = arena_dup(r->a, buf_str(&out));
        r->envelopes -= out.n;
    }
    buf_done(&out);
}

/* Room for one container more, and something in it? */
static bool may_nest(const struct structure_reader *r)
{
    return r->depth <= STRUCTURE_DEPTH && r->parts < STRUCTURE_PARTS;
}

static void open_multipart(struct structure_reader *r, struct level *l)
{
    struct str boundary = param_value(&l->part->params, STR("boundary"));

    if (!may_nest(r)) {
        become(l->part, STR("application"), STR("octet-stream"));
    } else if (boundary.n == 0) {
        become(l->part, STR("text"), STR("plain"));
    } else {
        l->boundary = str_first(boundary, STRUCTURE_BOUNDARY_BYTES);
        l->digest = str_eq_nocase(l->part->subtype, STR("digest"));
        r->boundaries++;
    }
}

/* The head of the innermost part is over, its body begins at r->here. */
static void head_done(struct structure_reader *r, struct str head)
{
    struct level *l = innermost(r);
    struct part *p = l->part;

    r->in_head = false;
    l->body = r->here;
    read_fields(r, head);
    if (p->parent && part_is(p->parent, "message", "rfc822"))
        keep_envelope(r, p->parent, head);
    if (part_is(p, "multipart", NULL)) {
        open_multipart(r, l);
    } else if (part_is(p, "message", "rfc822")) {
        if (may_nest(r))
            push(r);
        else
            become(p, STR("application"), STR("octet-stream"));
    }
    buf_clear(&r->head);
    r->run = NULL;
}

/* No more of this head, nor of those in it, will come: all of it is `head`. */
static void head_cut(struct structure_reader *r, struct str head)
{
    head_done(r, head);
    while (r->in_head)
        head_done(r, STR(""));
}

static void keep_head(struct structure_reader *r, const char *from, const char *to)
{
    size_t room = STRUCTURE_HEADER_BYTES - r->head.n, n = (size_t)(to - from);

    buf_add(&r->head, (struct str){from, n < room ? n : room});
}

/* What came of the head before the line that begins at `line` in this piece, or that is held.
 */
static struct str head_before(struct structure_reader *r, const char *line)
{
    if (r->line) {
        r->head.n = r->head_line;
    } else if (r->run && r->head.n == 0) {
        return str_first((struct str){r->run, (size_t)(line - r->run)}, STRUCTURE_HEADER_BYTES);
    } else if (r->run) {
        keep_head(r, r->run, line);
    }
    return buf_str(&r->head);
}

/* ---- delimiters ---- */

/* Is the line no more than this delimiter? */
static bool is_whole(struct str after_dashes, const struct level *l)
{
    struct str rest = str_skip(after_dashes, l->boundary.n);

    scan_word(&rest, STR("--"));
    return rest.n == 0 || rest.p[0] == ' ' || rest.p[0] == '\t' || rest.p[0] == '\r' ||
           rest.p[0] == '\n';
}

static bool is_better(const struct level *l, const struct level *best, struct str after_dashes)
{
    if (best->epilogue && !l->epilogue && is_whole(after_dashes, l))
        return true;
    return l->boundary.n > best->boundary.n;
}

/* delimiter = CRLF "--" boundary; only its beginning is compared (RFC 2046 5.1.1). The longest;
 * of a multipart that has ended, only where no other fits just as well. Its level, or NULL. */
static struct level *find_delimiter(struct structure_reader *r, struct str after_dashes)
{
    struct level *best = NULL;

    for (unsigned i = r->depth; i-- > 0;) {
        struct level *l = &r->stack[i];

        if (l->boundary.n && str_starts(after_dashes, l->boundary) &&
            (!best || is_better(l, best, after_dashes)))
            best = l;
    }
    return best && !best->epilogue ? best : NULL;
}

/* The line end before a delimiter belongs to it (RFC 2046 5.1.1). */
static struct mark before_line_end(const struct structure_reader *r)
{
    return (struct mark){r->here.at - r->last_end, r->here.lf - (r->last_end == 1),
                         r->here.lines - (r->last_end > 0)};
}

/* The line begins with `seen`. Is it a delimiter? Then what it ends is closed. */
static struct level *end_parts(struct structure_reader *r, struct str seen, const char *line)
{
    if (r->boundaries == 0 || !str_starts(seen, STR("--")))
        return NULL;
    struct level *l = find_delimiter(r, str_skip(seen, 2));
    if (!l)
        return NULL;
    if (r->in_head)
        head_cut(r, head_before(r, line));

    struct mark end = before_line_end(r);
    while (innermost(r) != l)
        close_level(r, end);
    return l;
}

/* A whole line, or what is left at the end: it begins with `seen` (at `line`, where it is of
 * one piece), has `n` octets, `end` of which are its line end. */
static void take_line(struct structure_reader *r, struct str seen, const char *line, uint64_t n,
                      unsigned end)
{
    struct level *l = end_parts(r, seen, line);
    bool empty = r->in_head && end && (n == end || (n == 2 && seen.p[0] == '\r'));
    struct str head = empty ? head_before(r, line) : STR("");

    r->here.at += n;
    r->here.lf += end == 1;
    r->here.lines += end > 0;
    r->last_end = end;
    if (empty)
        head_done(r, head);
    if (!l)
        return;
    l->epilogue =
        r->parts == STRUCTURE_PARTS || str_starts(str_skip(seen, 2 + l->boundary.n), STR("--"));
    if (!l->epilogue)
        push(r);
}

/* ---- pieces ---- */

/* Lines of a body that need no closer look: only counted. */
static const char *count_lines(struct structure_reader *r, const char *p, const char *end)
{
    uint64_t lf = 0, lines = 0;
    const char *start = p, *nl;
    bool cr = false;

    while (p < end && *p != '-' && (nl = memchr(p, '\n', (size_t)(end - p)))) {
        cr = r->crlf && nl > p && nl[-1] == '\r';
        lf += !cr;
        lines++;
        p = nl + 1;
    }
    if (p == start)
        return p;
    r->here.at += (uint64_t)(p - start);
    r->here.lf += lf;
    r->here.lines += lines;
    r->last_end = cr ? 2 : 1;
    return p;
}

/* A line goes on in the next piece. */
static void hold(struct structure_reader *r, const char *p, const char *end)
{
    size_t n = (size_t)(end - p), room = HELD_BYTES - r->nheld;

    if (n == 0)
        return;
    if (r->in_head) {
        if (r->line == 0) {
            keep_head(r, r->run, p);
            r->head_line = r->head.n;
        }
        keep_head(r, p, end);
    }
    memcpy(r->held + r->nheld, p, n < room ? n : room);
    r->nheld += n < room ? n : room;
    r->line += n;
    r->cr = end[-1] == '\r';
}

/* Of the line end behind `cr`: 2 octets of CRLF, or 1. The first one says what the file has;
 * among LFs a CR is text, as in the sizes of letters (store/FORMAT.md). */
static unsigned line_end(struct structure_reader *r, bool cr)
{
    if (!r->ended)
        r->crlf = cr;
    r->ended = true;
    return cr && r->crlf ? 2 : 1;
}

/* The line that was held ends at `nl`. */
static void release(struct structure_reader *r, const char *p, const char *nl)
{
    size_t n = (size_t)(nl + 1 - p), room = HELD_BYTES - r->nheld;
    bool cr = nl > p ? nl[-1] == '\r' : r->cr;

    memcpy(r->held + r->nheld, p, n < room ? n : room);
    r->nheld += n < room ? n : room;
    take_line(r, (struct str){r->held, r->nheld}, p, r->line + n, line_end(r, cr));
    r->line = r->nheld = 0;
}

void structure_reader_feed(struct structure_reader *r, struct str piece)
{
    const char *p = piece.p, *end = p + piece.n, *nl;

    r->run = p;
    while (p < end) {
        if (!r->in_head && r->line == 0)
            p = count_lines(r, p, end);
        nl = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
        if (!nl)
            break;
        if (r->line) {
            release(r, p, nl);
        } else {
            bool cr = nl > p && nl[-1] == '\r';

            take_line(r, (struct str){p, (size_t)(nl + 1 - p)}, p, (uint64_t)(nl + 1 - p),
                      line_end(r, cr));
        }
        p = nl + 1;
        if (!r->run)
            r->run = p;
    }
    if (r->in_head && r->line == 0 && p == end)
        keep_head(r, r->run, end);
    hold(r, p, end);
}

struct structure_reader *structure_reader_new(struct arena *a)
{
    struct structure_reader *r = calloc(1, sizeof(*r));

    if (!r)
        abort();
    r->a = a;
    arena_init(&r->scratch);
    buf_init(&r->head, STRUCTURE_HEADER_BYTES);
    r->envelopes = STRUCTURE_ENVELOPES_BYTES;
    push(r);
    return r;
}

struct part *structure_reader_end(struct structure_reader *r)
{
    struct part *top = r->stack[0].part;

    r->run = NULL;
    if (r->line)
        take_line(r, (struct str){r->held, r->nheld}, NULL, r->line, 0);
    if (r->in_head)
        head_cut(r, buf_str(&r->head));
    while (r->depth)
        close_level(r, r->here);
    buf_done(&r->head);
    arena_done(&r->scratch);
    free(r);
    return top;
}

struct part *structure_parse(struct str letter, struct arena *a)
{
    struct structure_reader *r = structure_reader_new(a);

    structure_reader_feed(r, letter);
    return structure_reader_end(r);
}

/* ---- sections ---- */

const struct part *structure_find(const struct part *top, const uint32_t *numbers, unsigned n)
{
    const struct part *p = top;
    bool letter = true; /* p is one, and its body has not been named yet */

    for (unsigned i = 0; i < n; i++) {
        uint32_t number = numbers[i];

        if (!letter && part_is(p, "message", "rfc822") && p->kids) {
            p = p->kids;
            letter = true;
        }
        if (part_is(p, "multipart", NULL) && p->kids) {
            for (p = p->kids; p && number > 1; number--)
                p = p->next;
            if (!p || number == 0)
                return NULL;
        } else if (!letter || number != 1) {
            return NULL;
        }
        letter = false;
    }
    return p;
}
