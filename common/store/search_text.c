/*
 * A part goes through a row of pipes, a piece at a time:
 *
 *   file ── decoder ── charset_reader ── charset_folder ── window ── look()
 *           (encoding.h)     (charset.h)                    keeps as much of what it has looked
 *                                                           at as a string that goes on needs
 */
#include "store/search_text.h"

#include "mail/charset.h"
#include "mail/encoding.h"
#include "mail/header.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_BYTES = 1 << 24 }; /* more than any piece or head becomes */

struct search_text {
    struct str texts[SEARCH_TEXTS];
    unsigned n;
    size_t longest;
    uint64_t in_head; /* bits of those that ask for the letter's own head too */

    struct buf raw, decoded, text, window;
    struct charset_folder folder;

    const struct search_reading *r;
    uint64_t wanted, found; /* in what is being read: not found yet; all found */
    uint64_t octets;
    bool ended; /* enough was found */
};

struct search_text *search_text_new(void)
{
    struct search_text *t = calloc(1, sizeof(*t));

    if (!t)
        abort();
    buf_init(&t->raw, TEXT_BYTES);
    buf_init(&t->decoded, TEXT_BYTES);
    buf_init(&t->text, TEXT_BYTES);
    buf_init(&t->window, TEXT_BYTES);
    charset_folder_init(&t->folder);
    return t;
}

void search_text_free(struct search_text *t)
{
    if (!t)
        return;
    buf_done(&t->raw);
    buf_done(&t->decoded);
    buf_done(&t->text);
    buf_done(&t->window);
    charset_folder_done(&t->folder);
    free(t);
}

uint64_t search_text_add(struct search_text *t, struct str folded, bool in_head)
{
    uint64_t bit = UINT64_C(1) << t->n;

    assert(t->n < SEARCH_TEXTS);
    t->texts[t->n++] = folded;
    if (in_head)
        t->in_head |= bit;
    if (folded.n > t->longest)
        t->longest = folded.n;
    return bit;
}

/* ---- looking ---- */

static bool contains(struct str s, struct str what)
{
    return what.n == 0 || (what.n <= s.n && memmem(s.p, s.n, what.p, what.n));
}

/* What is in the window is looked through; `seen` octets of it have been before. */
static void look(struct search_text *t, size_t seen)
{
    struct str window = buf_str(&t->window);
    uint64_t before = t->found;

    for (uint64_t left = t->wanted; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        size_t n = t->texts[i].n ? t->texts[i].n - 1 : 0;

        if (contains(str_skip(window, seen > n ? seen - n : 0), t->texts[i]))
            t->found |= UINT64_C(1) << i;
    }
    t->wanted &= ~t->found;
    if (t->found != before)
        t->ended = t->r->enough(t->r->arg, t->found);
}

/* UTF-8 behind what came before; the end of a field or a part with `end`. */
static void read_text(struct search_text *t, struct str text, bool end)
{
    size_t seen = buf_str(&t->window).n;

    charset_folder_feed(&t->folder, &t->window, text);
    if (end)
        charset_folder_end(&t->folder, &t->window);
    look(t, seen);
    seen = buf_str(&t->window).n;
    buf_drop(&t->window, end ? seen : seen < t->longest ? 0 : seen - t->longest);
}

static bool done(const struct search_text *t)
{
    return t->ended || !t->wanted;
}

/* ---- reading ---- */

int search_read_at(struct buf *out, int fd, uint64_t at, uint64_t n, struct err *err)
{
    while (n && !buf_failed(out)) {
        size_t once = n < SEARCH_PIECE_BYTES ? (size_t)n : SEARCH_PIECE_BYTES;
        char *to = buf_room(out, once);
        ssize_t got = to ? pread(fd, to, once, (off_t)at) : 0;

        if (got < 0 && errno != EINTR)
            return err_os(err, "read a letter");
        if (got == 0)
            break;
        if (got > 0) {
            buf_grown(out, (size_t)got);
            at += (uint64_t)got;
            n -= (uint64_t)got;
        }
    }
    return 0;
}

static void read_field(struct search_text *t, const struct header_field *f)
{
    buf_clear(&t->text);
    buf_add(&t->text, f->name);
    buf_add(&t->text, STR(":"));
    encoded_words_decode(&t->text, f->value);
    read_text(t, buf_str(&t->text), true);
}

static int read_head(struct search_text *t, const struct part *p, struct err *err)
{
    uint64_t n = p->body_at - p->header_at;
    struct header_field f;
    struct str head;

    buf_clear(&t->raw);
    int rc = search_read_at(&t->raw, t->r->fd, p->header_at,
                            n < HEADER_BYTES ? n : HEADER_BYTES, err);
    if (rc < 0)
        return rc;
    head = buf_str(&t->raw);
    t->octets += head.n;
    while (!done(t) && header_next(&head, &f))
        read_field(t, &f);
    return 0;
}

static struct str charset_of(const struct part *p)
{
    for (unsigned i = 0; i < p->params.n; i++)
        if (str_eq_nocase(p->params.p[i].name, STR("charset")))
            return p->params.p[i].value;
    return STR("");
}

/* One piece; the part ends with an empty one. */
static void read_piece(struct search_text *t, struct decoder *d, struct charset_reader *c,
                       struct str piece)
{
    buf_clear(&t->decoded);
    buf_clear(&t->text);
    decoder_feed(d, &t->decoded, piece);
    if (!piece.n)
        decoder_end(d, &t->decoded);
    charset_reader_feed(c, &t->text, buf_str(&t->decoded));
    if (!piece.n)
        charset_reader_end(c, &t->text);
    read_text(t, buf_str(&t->text), !piece.n);
}

static int read_body(struct search_text *t, const struct part *p, struct err *err)
{
    struct charset_reader c;
    struct decoder d;
    uint64_t at = p->body_at;
    int rc = 0;

    decoder_init(&d, encoding_of(p->transfer_encoding));
    charset_reader_init(&c, charset_of(p));
    while (!rc && at < p->body_end && !done(t)) {
        uint64_t n = p->body_end - at;

        buf_clear(&t->raw);
        rc = search_read_at(&t->raw, t->r->fd, at,
                            n < SEARCH_PIECE_BYTES ? n : SEARCH_PIECE_BYTES, err);
        if (rc < 0 || !buf_str(&t->raw).n)
            break;
        at += buf_str(&t->raw).n;
        t->octets += buf_str(&t->raw).n;
        read_piece(t, &d, &c, buf_str(&t->raw));
    }
    if (!rc)
        read_piece(t, &d, &c, STR(""));
    charset_reader_done(&c);
    return rc;
}

static bool is_text(const struct part *p)
{
    return str_eq_nocase(p->type, STR("text")) || str_eq_nocase(p->type, STR("message"));
}

/* As deep as the tree: STRUCTURE_DEPTH. */
static int read_part(struct search_text *t, const struct part *p, struct err *err)
{
    bool letter = str_eq_nocase(p->type, STR("message"));
    int rc = 0;

    if (!p->kids)
        return is_text(p) ? read_body(t, p, err) : 0;
    for (const struct part *kid = p->kids; kid && !rc && !done(t); kid = kid->next) {
        if (letter)
            rc = read_head(t, kid, err);
        if (!rc && !done(t))
            rc = read_part(t, kid, err);
    }
    return rc;
}

int search_text_read(struct search_text *t, const struct search_reading *r, uint64_t *found,
                     uint64_t *octets, struct err *err)
{
    uint64_t all = t->n < SEARCH_TEXTS ? (UINT64_C(1) << t->n) - 1 : UINT64_MAX;
    int rc = 0;

    t->r = r;
    t->found = t->octets = 0;
    t->ended = false;
    charset_folder_end(&t->folder, &t->window); /* of a letter that could not be read */
    buf_clear(&t->window);
    t->wanted = r->wanted & all & t->in_head;
    if (t->wanted)
        rc = read_head(t, r->top, err);
    t->wanted = r->wanted & all & ~t->found;
    if (!rc && !done(t))
        rc = read_part(t, r->top, err);
    *octets += t->octets;
    if (!rc)
        *found = t->found;
    return rc;
}
