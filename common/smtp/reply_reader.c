#include "smtp/reply_reader.h"

#include "smtp/limits.h"
#include "wire/line.h"

void reply_reader_init(struct reply_reader *r)
{
    *r = (struct reply_reader){.code = 0};
    buf_init(&r->text, SMTP_REPLY_BYTES);
}

void reply_reader_done(struct reply_reader *r)
{
    buf_done(&r->text);
}

void reply_reader_next(struct reply_reader *r)
{
    r->code = 0;
    r->bytes = 0;
    r->lines = 0;
    buf_clear(&r->text);
    buf_release(&r->text);
}

/* Reply-code, then "-" or SP or the end of the line        RFC 5321 4.2
 * Reply-code = %x32-35 %x30-35 %x30-39; a second digit above 5 is let through. */
static bool scan_code(struct str *line, int *code, bool *more)
{
    struct str digits = str_first(*line, 3);
    uint32_t v;

    if (line->n < 3 || !scan_u32(&digits, 599, &v) || digits.n || v < 200)
        return false;
    *line = str_skip(*line, 3);
    *code = (int)v;
    *more = scan_byte(line, '-');
    return *more || line->n == 0 || scan_byte(line, ' ');
}

/* True when it was the last line of a reply. */
static bool add_line(struct reply_reader *r, struct str line)
{
    bool more = false;
    int code = 0;

    r->bytes += line.n + 2;
    r->lines++;
    if (!scan_code(&line, &code, &more) || (r->code && r->code != code))
        r->flaw = "the answer is not SMTP";
    else if (r->lines > SMTP_REPLY_LINES || r->bytes > SMTP_REPLY_BYTES)
        r->flaw = "the answer is too long";
    if (r->flaw)
        return false;
    if (r->lines > 1)
        buf_add_byte(&r->text, '\n');
    buf_add(&r->text, line);
    r->code = code;
    return !more;
}

bool reply_reader_take(struct reply_reader *r, struct buf *in)
{
    bool last = false;

    while (!last && !r->flaw) {
        struct str text = buf_str(in), line;

        switch (line_take(&text, SMTP_REPLY_BYTES, &r->scanned, &line)) {
        case LINE_OK:
            last = add_line(r, line);
            buf_drop(in, in->n - text.n);
            break;
        case LINE_MORE:
            return false;
        case LINE_TOO_LONG:
            r->flaw = "the answer is too long";
            break;
        case LINE_BAD:
            r->flaw = "the answer has a bare CR, LF or NUL";
            break;
        }
    }
    return last;
}

struct smtp_reply reply_reader_reply(const struct reply_reader *r, struct arena *a)
{
    struct smtp_reply reply = smtp_reply_parse(r->code, buf_str(&r->text));
    struct str rest = reply.text, line;
    struct buf one;

    buf_init(&one, SMTP_REPLY_BYTES);
    while (rest.n) {
        line = str_first(rest, str_find(rest, '\n'));
        rest = str_skip(rest, line.n);
        scan_byte(&rest, '\n');
        if (reply.enhanced.n)
            scan_word(&line, reply.enhanced);
        line = str_trim(line);
        if (one.n && line.n)
            buf_add_byte(&one, ' ');
        buf_add(&one, line);
    }
    reply.enhanced = arena_dup(a, reply.enhanced);
    reply.text = arena_dup(a, str_first(buf_str(&one), SMTP_REPLY_KEPT_BYTES));
    buf_done(&one);
    return reply;
}
