#include "mail/encoding.h"

#include "base/ascii.h"
#include "mail/address.h"

enum encoding encoding_of(struct str value)
{
    static const struct {
        struct str name;
        enum encoding encoding;
    } rows[] = {
        {STR_LIT("7bit"),             ENCODING_7BIT  },
        {STR_LIT("8bit"),             ENCODING_8BIT  },
        {STR_LIT("binary"),           ENCODING_BINARY},
        {STR_LIT("quoted-printable"), ENCODING_QP    },
        {STR_LIT("base64"),           ENCODING_BASE64},
        {STR_LIT(""),                 ENCODING_7BIT  },
    };
    size_t n = 0;

    skip_cfws(&value);
    while (n < value.n && ascii_is_print(value.p[n]) && value.p[n] != ' ' &&
           value.p[n] != '(' && value.p[n] != ';')
        n++;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (str_eq_nocase(str_first(value, n), rows[i].name))
            return rows[i].encoding;
    return ENCODING_UNKNOWN;
}

void decoder_init(struct decoder *d, enum encoding encoding)
{
    *d = (struct decoder){.encoding = encoding};
}

/* ---- base64: RFC 2045 6.8 ---- */

enum { NO_LETTER = 64, PAD = 65 };

static unsigned letter_of(char c)
{
    if (ascii_is_upper(c))
        return (unsigned)(c - 'A');
    if (ascii_is_lower(c))
        return (unsigned)(c - 'a') + 26;
    if (ascii_is_digit(c))
        return (unsigned)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : c == '=' ? PAD : NO_LETTER;
}

/* A quantum that is not full: two letters are one octet, three are two, one is none. */
static size_t end_quantum(struct decoder *d, char *to)
{
    size_t n = d->n > 1 ? d->n - 1 : 0;

    d->bits <<= 6 * (4 - d->n);
    for (size_t i = 0; i < n; i++)
        to[i] = (char)(d->bits >> (16 - 8 * i) & 0xff);
    d->n = 0;
    d->bits = 0;
    return n;
}

static void feed_base64(struct decoder *d, struct buf *out, struct str in)
{
    /* a quantum begun earlier brings up to three octets more than this piece is worth */
    char *to = buf_room(out, in.n / 4 * 3 + 6);
    size_t n = 0;

    if (!to)
        return;
    for (size_t i = 0; i < in.n; i++) {
        unsigned letter = letter_of(in.p[i]);

        if (letter < NO_LETTER) {
            d->bits = d->bits << 6 | letter;
            d->n++;
        }
        if (d->n == 4 || letter == PAD)
            n += end_quantum(d, to + n);
    }
    buf_grown(out, n);
}

/* ---- quoted-printable: RFC 2045 6.7 ----
 * `held` begins with "=" where an escape or a soft line break may follow; else it is white
 * space, with or without CR, that goes if its line ends. */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int hex_of(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void let_go(struct decoder *d, struct buf *out)
{
    buf_add(out, (struct str){d->held, d->n});
    d->n = 0;
}

static bool is_escape(const struct decoder *d) /* "=", perhaps with white space behind it */
{
    return d->n && d->held[0] == '=';
}

static bool is_half_escape(const struct decoder *d) /* "=X" */
{
    return is_escape(d) && d->n == 2 && hex_of(d->held[1]) >= 0;
}

/* The line ends: white space before it was added under way, a soft break is no line end. */
static void end_line(struct decoder *d, struct buf *out)
{
    bool cr = d->n && d->held[d->n - 1] == '\r';

    if (is_half_escape(d))
        let_go(d, out);
    if (!is_escape(d))
        buf_add(out, cr ? STR("\r\n") : STR("\n"));
    d->n = 0;
}

/* True: the octet ended an escape, or waits in `held` too. */
static bool go_on_held(struct decoder *d, struct buf *out, char c)
{
    bool more;

    if (is_half_escape(d) && hex_of(c) >= 0) {
        buf_add_byte(out, (char)(hex_of(d->held[1]) << 4 | hex_of(c)));
        d->n = 0;
        return true;
    }
    more = is_blank(c) ? !is_half_escape(d) : is_escape(d) && d->n == 1 && hex_of(c) >= 0;
    if (!more || d->n == sizeof(d->held))
        return false;
    d->held[d->n++] = c;
    return true;
}

/* How much at the front is text whatever follows. */
static size_t text_run(struct str s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] != '=' && s.p[n] != '\n' && s.p[n] != '\r')
        n++;
    while (n && is_blank(s.p[n - 1]))
        n--;
    return n;
}

static void feed_qp(struct decoder *d, struct buf *out, struct str in)
{
    while (in.n) {
        size_t run = d->n ? 0 : text_run(in);
        char c;

        buf_add(out, str_first(in, run));
        in = str_skip(in, run);
        if (!in.n)
            break;
        c = in.p[0];
        in = str_skip(in, 1);
        if (c == '\n') {
            end_line(d, out);
        } else if (!go_on_held(d, out, c)) {
            let_go(d, out);
            if (c == '=' || is_blank(c))
                d->held[d->n++] = c;
            else
                buf_add_byte(out, c);
        }
    }
}

/* ---- all ---- */

void decoder_feed(struct decoder *d, struct buf *out, struct str in)
{
    if (d->encoding == ENCODING_BASE64)
        feed_base64(d, out, in);
    else if (d->encoding == ENCODING_QP)
        feed_qp(d, out, in);
    else
        buf_add(out, in);
}

void decoder_end(struct decoder *d, struct buf *out)
{
    char left[4];

    if (d->encoding == ENCODING_BASE64)
        buf_add(out, (struct str){left, end_quantum(d, left)});
    else if (d->encoding == ENCODING_QP)
        let_go(d, out);
}
