/*
 * Text of a letter on its way to the wire.
 *
 * What is small is read whole and counted, so that a literal is always as long as it says. Of
 * what is large the length is known from the index; a file that has become shorter is filled up
 * with blanks, a longer one is cut (F03): the dialogue goes on, and the command fails at its
 * end.
 */
#include "imapd/fetch_impl.h"

#include "base/defer.h"
#include "imapd/print.h"
#include "store/lines.h"

#include <errno.h>

uint64_t wire_count(struct str in, bool crlf, char last)
{
    uint64_t n = in.n;
    const char *p = in.p, *end = in.p + in.n;

    if (!crlf)
        return n + lines_lf(in);
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
        char before = p > in.p ? p[-1] : last;

        n += before != '\r';
        p++;
    }
    return n;
}

static void hide_nul(char *p, size_t n)
{
    char *end = p + n;

    while (p < end && (p = memchr(p, '\0', (size_t)(end - p))))
        *p++ = (char)0x80;
}

char *wire_write(char *to, struct str in, bool crlf, char last)
{
    const char *p = in.p, *end = in.p + in.n;
    char *start = to;

    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((lf ? lf : end) - p);

        to = print_text(to, (struct str){p, n});
        if (!lf)
            break;
        if (n)
            last = lf[-1];
        if (!crlf || last != '\r')
            *to++ = '\r';
        *to++ = '\n';
        last = '\n';
        p = lf + 1;
    }
    hide_nul(start, (size_t)(to - start));
    return to;
}

ssize_t letter_read(const struct letter *l, char *to, size_t room, uint64_t at)
{
    size_t n = 0;

    while (n < room) {
        ssize_t r = pread(l->fd, to + n, room - n, (off_t)(at + n));

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        n += (size_t)r;
    }
    return (ssize_t)n;
}

static void literal(struct buf *out, uint64_t n)
{
    buf_add(out, STR(" {"));
    buf_add_number(out, n);
    buf_add(out, STR("}\r\n"));
}

/* How much of `wire` octets an item asks for (RFC 3501 6.4.5: beyond the end it is empty). */
static uint64_t partial(const struct fetch_item *item, uint64_t wire)
{
    uint64_t left = item->from < wire ? wire - item->from : 0;

    if (!item->partial)
        return wire;
    return item->octets < left ? item->octets : left;
}

static void tell_slice(struct buf *out, const struct fetch_item *item, struct str in, bool crlf,
                       uint64_t wire)
{
    uint64_t n = partial(item, wire);
    DEFER(free_mem) char *all = malloc(wire + 1);

    if (!all)
        abort();
    wire_write(all, in, crlf, 0);
    literal(out, n);
    if (n)
        buf_add(out, (struct str){all + item->from, (size_t)n});
}

/* How many octets all of `in` is on the wire. */
static uint64_t tell_bytes(struct buf *out, const struct fetch_item *item, struct str in,
                           bool crlf)
{
    uint64_t wire = wire_count(in, crlf, 0);
    char *to;

    if (item->partial) {
        tell_slice(out, item, in, crlf, wire);
        return wire;
    }
    literal(out, wire);
    if ((to = buf_room(out, wire + 1)))
        buf_grown(out, (size_t)(wire_write(to, in, crlf, 0) - to));
    return wire;
}

static void tell_small(struct step *s, struct letter *l, const struct fetch_item *item,
                       const struct text *text)
{
    size_t room = (size_t)(text->end - text->at);
    DEFER(free_mem) char *all = malloc(room + 1);

    if (!all)
        abort();
    ssize_t n = letter_read(l, all, room, text->at);
    l->damaged |= n < 0 || (size_t)n < room;
    uint64_t wire = tell_bytes(s->out, item, (struct str){all, n < 0 ? 0 : (size_t)n}, l->crlf);
    l->other |= text->at == 0 && text->end == l->size && wire != l->vsize;
}

/* ---- large ---- */

static void begin_stream(struct step *s, struct letter *l, const struct fetch_item *item,
                         const struct text *text)
{
    const struct work_resume *r = &s->w->resume;
    uint64_t skip = item->partial ? item->from : 0;

    l->streaming = true;
    l->stream.from = l->stream.at = text->at;
    l->stream.end = text->end;
    l->stream.wire = 0;
    l->stream.last = 0;
    l->stream.skip = skip;
    l->stream.left = partial(item, text->wire);
    l->stream.whole = text->at == 0 && text->end == l->size && !item->partial;
    if (r->uid == l->uid && r->from == text->at && r->wire <= skip) {
        l->stream.at = r->at;
        l->stream.wire = r->wire;
        l->stream.last = r->last;
        l->stream.skip = skip - r->wire;
    }
    literal(s->out, l->stream.left);
}

/* For the next piece of it, which begins in this chunk or behind it. */
static void remember(struct step *s, const struct letter *l)
{
    s->w->resume = (struct work_resume){.uid = l->uid,
                                        .last = l->stream.last,
                                        .from = l->stream.from,
                                        .at = l->stream.at,
                                        .wire = l->stream.wire};
}

static void fill_up(struct step *s, struct letter *l)
{
    size_t n = l->stream.left < FETCH_CHUNK_BYTES ? (size_t)l->stream.left : FETCH_CHUNK_BYTES;
    char *to = buf_room(s->out, n);

    l->damaged = true;
    l->stream.left = to ? l->stream.left - n : 0;
    if (!to)
        return;
    memset(to, ' ', n);
    buf_grown(s->out, n);
}

/* One chunk: what lies before the part that was asked for is passed over. */
static void send_chunk(struct step *s, struct letter *l, struct str in)
{
    uint64_t wire = wire_count(in, l->crlf, l->stream.last);
    DEFER(free_mem) char *text = malloc(wire + 1);
    uint64_t skip = l->stream.skip < wire ? l->stream.skip : wire;
    uint64_t n = wire - skip < l->stream.left ? wire - skip : l->stream.left;

    if (!text)
        abort();
    if (n) {
        wire_write(text, in, l->crlf, l->stream.last);
        buf_add(s->out, (struct str){text + skip, (size_t)n});
    }
    remember(s, l);
    l->stream.skip -= skip;
    l->stream.left -= n;
    l->stream.wire += wire;
    l->stream.at += in.n;
    l->stream.last = in.p[in.n - 1];
}

bool text_stream(struct step *s, struct letter *l)
{
    DEFER(free_mem) char *chunk = malloc(FETCH_CHUNK_BYTES);

    if (!chunk)
        abort();
    while (l->stream.left && !work_full(s)) {
        uint64_t rest = l->stream.at < l->stream.end ? l->stream.end - l->stream.at : 0;
        size_t room = rest < FETCH_CHUNK_BYTES ? (size_t)rest : FETCH_CHUNK_BYTES;
        ssize_t n = letter_read(l, chunk, room, l->stream.at);

        if (n <= 0)
            fill_up(s, l);
        else
            send_chunk(s, l, (struct str){chunk, (size_t)n});
    }
    l->streaming = l->stream.left > 0;
    l->other |= !l->streaming && l->stream.whole && l->stream.at < l->stream.end;
    return !l->streaming;
}

void text_tell(struct step *s, struct letter *l, const struct fetch_item *item,
               const struct text *text)
{
    uint64_t n = text->end > text->at ? text->end - text->at : 0;

    if (text->kind == TEXT_NIL) {
        buf_add(s->out, STR(" NIL"));
    } else if (text->kind == TEXT_BYTES) {
        tell_bytes(s->out, item, text->bytes, l->crlf);
    } else if (!n) {
        tell_bytes(s->out, item, STR(""), l->crlf);
    } else if (n <= FETCH_SMALL_BYTES) {
        tell_small(s, l, item, text);
    } else {
        begin_stream(s, l, item, text);
        text_stream(s, l);
    }
}
