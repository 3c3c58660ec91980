#include "mail/encoder.h"

#include "base/ascii.h"
#include "base/base64.h"

void encoder_init(struct encoder *e, enum encoding encoding, bool binary)
{
    *e = (struct encoder){.encoding = encoding, .binary = binary};
}

/* ---- base64 ---- */

static void base64_flush(struct encoder *e, struct buf *out)
{
    if (e->column == ENCODER_LINE_BYTES) {
        buf_add_byte(out, '\n');
        e->column = 0;
    }
    base64_add(out, (struct str){e->held, e->n});
    e->column += 4;
    e->n = 0;
}

static void base64_octet(struct encoder *e, struct buf *out, char c)
{
    e->held[e->n++] = c;
    if (e->n == sizeof(e->held))
        base64_flush(e, out);
}

static void feed_base64(struct encoder *e, struct buf *out, struct str in)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (c == '\n' && !e->binary && !e->cr)
            base64_octet(e, out, '\r');
        base64_octet(e, out, c);
        e->cr = c == '\r';
    }
}

/* ---- quoted-printable ---- */

/* `s` stays together; a soft line break comes where its line would be too long, and leaves room
 * for its own "=". */
static void qp_add(struct encoder *e, struct buf *out, struct str s)
{
    if (e->column + s.n >= ENCODER_LINE_BYTES) {
        buf_add(out, STR("=\n"));
        e->column = 0;
        if (s.p[0] == '-') /* no boundary comes to stand at the start of a line */
            s = STR("=2D");
    }
    buf_add(out, s);
    e->column += (unsigned)s.n;
}

static void qp_escape(struct encoder *e, struct buf *out, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned char u = (unsigned char)c;
    const char text[3] = {'=', digits[u >> 4], digits[u & 15]};

    qp_add(e, out, (struct str){text, sizeof(text)});
}

/* White space at the end of a line would be lost on the way (RFC 2045 6.7, rule 3). */
static void qp_blank(struct encoder *e, struct buf *out, bool line_ends)
{
    if (e->blank && line_ends)
        qp_escape(e, out, e->blank);
    else if (e->blank)
        qp_add(e, out, (struct str){&e->blank, 1});
    e->blank = 0;
}

static void qp_line_end(struct encoder *e, struct buf *out)
{
    qp_blank(e, out, true);
    buf_add_byte(out, '\n');
    e->column = 0;
}

static void qp_octet(struct encoder *e, struct buf *out, char c)
{
    qp_blank(e, out, false);
    if (c == ' ' || c == '\t')
        e->blank = c;
    else if (ascii_is_print(c) && c != '=')
        qp_add(e, out, (struct str){&c, 1});
    else
        qp_escape(e, out, c);
}

static void feed_qp(struct encoder *e, struct buf *out, struct str in)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (e->cr) { /* before LF it belongs to the line end, else it is an octet of its own */
            e->cr = false;
            if (c != '\n')
                qp_octet(e, out, '\r');
        }
        if (c == '\r' && !e->binary)
            e->cr = true;
        else if (c == '\n' && !e->binary)
            qp_line_end(e, out);
        else
            qp_octet(e, out, c);
    }
}

/* ---- both ---- */

void encoder_feed(struct encoder *e, struct buf *out, struct str in)
{
    if (e->encoding == ENCODING_BASE64)
        feed_base64(e, out, in);
    else
        feed_qp(e, out, in);
}

void encoder_end(struct encoder *e, struct buf *out)
{
    if (e->encoding == ENCODING_BASE64) {
        if (e->n)
            base64_flush(e, out);
        return;
    }
    if (e->cr)
        qp_octet(e, out, '\r');
    e->cr = false;
    qp_blank(e, out, true);
}
