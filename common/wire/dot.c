/*
 * The decoder's states, and what each octet does (RFC 5321 4.5.2, 2.3.8):
 *
 *            other                      CR             LF: emit LF
 *    BOL ------------> MID <-> run ---------> CR -------------------> BOL
 *     |  '.'                                  | other: bare CR, MID
 *     v         other                         |
 *    DOT --------------------------> MID <----+
 *     |  CR             other: bare CR
 *     v  -------------------------->
 *    DOT_CR -- LF --> the end
 *
 * A bare LF or a NUL is a flaw and leads to MID, never to BOL: a dot behind it
 * is data, and only CRLF "." CRLF ends the letter.
 */
#include "wire/dot.h"

#include "wire/plain.h"

enum { BOL, MID, CR, DOT, DOT_CR };

void dot_decoder_init(struct dot_decoder *d)
{
    *d = (struct dot_decoder){.state = BOL};
}

/* Where decoded bytes go. There is always room: decoding never makes more bytes than it takes.
 */
struct sink {
    char *at; /* NULL: nothing is kept any more */
    size_t n;
};

static void keep(struct sink *k, struct str s)
{
    if (!k->at)
        return;
    memcpy(k->at + k->n, s.p, s.n);
    k->n += s.n;
}

static void flaw(struct dot_decoder *d, struct sink *k, enum dot_flaw which)
{
    if (d->flaw == DOT_CLEAN)
        d->flaw = which;
    k->at = NULL;
    d->wire_n++;
    d->state = MID;
}

/* What stands in the line up to its CRLF, or to where the input stops. */
static void decode_line(struct dot_decoder *d, struct str *in, struct sink *k)
{
    size_t n = plain_run(*in);

    keep(k, str_first(*in, n));
    d->wire_n += n;
    d->state = MID;
    *in = str_skip(*in, n);
    if (in->n == 0)
        return;
    if (in->p[0] == '\n')
        flaw(d, k, DOT_BARE_LF);
    else if (in->p[0] == '\0')
        flaw(d, k, DOT_NUL);
    else
        d->state = CR;
    *in = str_skip(*in, 1);
}

/* True at the end. */
static bool decode(struct dot_decoder *d, struct str *in, struct sink *k)
{
    while (in->n) {
        switch (d->state) {
        case BOL:
            if (!scan_byte(in, '.'))
                decode_line(d, in, k);
            else
                d->state = DOT;
            break;
        case CR:
            if (!scan_byte(in, '\n')) {
                flaw(d, k, DOT_BARE_CR);
                break;
            }
            keep(k, STR("\n"));
            d->wire_n += 2;
            d->state = BOL;
            break;
        case DOT:
            d->state = scan_byte(in, '\r') ? DOT_CR : MID;
            break;
        case DOT_CR:
            if (scan_byte(in, '\n')) {
                d->state = BOL;
                return true;
            }
            flaw(d, k, DOT_BARE_CR);
            break;
        default:
            decode_line(d, in, k);
            break;
        }
    }
    return false;
}

bool dot_decode(struct dot_decoder *d, struct str *in, struct buf *out, size_t out_max)
{
    bool end = false;

    while (!end && in->n && d->flaw == DOT_CLEAN) {
        size_t most = out_max < out->max ? out_max + 1 : out->max;
        struct str part = str_first(*in, out->n < most ? most - out->n : 0);
        struct sink k = {part.n ? buf_room(out, part.n) : NULL, 0};
        size_t had = part.n;

        if (!k.at)
            return false;
        end = decode(d, &part, &k);
        buf_grown(out, k.n);
        *in = str_skip(*in, had - part.n);
    }
    if (!end && in->n) {
        struct sink nothing = {NULL, 0};

        end = decode(d, in, &nothing);
    }
    return end;
}

void dot_encoder_init(struct dot_encoder *e)
{
    *e = (struct dot_encoder){.state = BOL};
}

/* One line or a piece of one. CRLF in the text stays one line end, and a CR that stands alone
 * becomes one: a bare CR never leaves. */
static void encode_piece(struct dot_encoder *e, struct str *in, struct buf *out)
{
    struct str text = str_first(*in, plain_run(*in));
    bool dot = e->state == BOL && in->p[0] == '.';
    char *to;

    if (text.n == 0 && in->p[0] == '\0')
        text = str_first(*in, 1);
    *in = str_skip(*in, text.n);
    bool line_end = in->n && (in->p[0] == '\r' || in->p[0] == '\n');
    to = buf_room(out, dot + text.n + (line_end ? 2 : 0));
    if (line_end) {
        e->state = in->p[0] == '\r' ? CR : BOL;
        *in = str_skip(*in, 1);
    } else {
        e->state = MID;
    }
    if (!to)
        return;
    if (dot)
        *to++ = '.';
    if (text.n)
        memcpy(to, text.p, text.n);
    if (line_end) {
        to[text.n] = '\r';
        to[text.n + 1] = '\n';
    }
    buf_grown(out, dot + text.n + (line_end ? 2 : 0));
}

void dot_encode(struct dot_encoder *e, struct str in, struct buf *out)
{
    while (in.n) {
        if (e->state == CR) {
            e->state = BOL;
            scan_byte(&in, '\n');
        } else {
            encode_piece(e, &in, out);
        }
    }
}

void dot_encode_end(struct dot_encoder *e, struct buf *out)
{
    buf_add(out, e->state == MID ? STR("\r\n.\r\n") : STR(".\r\n"));
    e->state = BOL;
}

uint64_t wire_size(struct str in)
{
    uint64_t n = in.n;

    for (;;) {
        size_t at = str_find(in, '\n');

        if (at == in.n)
            return n;
        n++;
        in = str_skip(in, at + 1);
    }
}
