/*
 *            a line                         frame_take()
 *   AT_LINE ────────▶ FRAME_COMMAND   ┌──────────────────▶ TAKING ─── all octets ──▶ AT_LINE
 *      │ └─ ends in {n} ─▶ ASKED ─────┤  frame_stream()
 *      │                              ├──────────────────▶ STREAMING ─ FRAME_PIECE … ▶ AT_LINE
 *      │                              │  frame_refuse()
 *      │                              └──────────────────▶ PASSING, then AT_LINE and `skipping`
 *      ├─ NUL, bare CR, bare LF ─▶ FRAME_BAD, `skipping` where the command goes on
 *      └─ over a limit ─▶ DEAD
 *
 * `skipping`: lines and literals of a command that has been answered are passed over. It ends
 * with a line that announces no literal, or one for which the client waits in vain.
 */
#include "imapd/frame.h"

#include "base/ascii.h"

#include <assert.h>

enum state { AT_LINE, ASKED, TAKING, STREAMING, PASSING, DEAD };
enum { LITERAL_DIGITS = 20 }; /* more are as good as too large a number */

void frame_init(struct frame *f)
{
    *f = (struct frame){.state = AT_LINE, .stranger = true};
    buf_init(&f->in, FRAME_INPUT_BYTES);
    buf_init(&f->command, FRAME_COMMAND_BYTES + FRAME_LINE_BYTES);
}

static void wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
}

void frame_done(struct frame *f)
{
    if (f->stranger) {
        wipe(&f->in);
        wipe(&f->command);
    }
    buf_done(&f->in);
    buf_done(&f->command);
}

void frame_feed(struct frame *f, struct str in)
{
    if (f->state != DEAD)
        buf_add(&f->in, in);
}

/* Out of `in`. */
static void drop(struct frame *f, size_t n)
{
    if (f->stranger && n)
        explicit_bzero(f->in.p + f->in.from, n);
    buf_drop(&f->in, n);
    f->scanned = 0;
}

static void forget_text(struct frame *f)
{
    if (f->stranger)
        wipe(&f->command);
    buf_clear(&f->command);
}

/* The next line begins a command. */
static void forget_command(struct frame *f)
{
    forget_text(f);
    f->literals = f->line_bytes = 0;
    f->skipping = f->handed = false;
    f->state = AT_LINE;
}

static enum frame_event die(struct frame *f)
{
    f->text = buf_str(&f->command);
    f->state = DEAD;
    return FRAME_TOO_LONG;
}

/* A line of at most `max` octets with its CRLF. */
static enum frame_event find_line(struct frame *f, size_t max, struct str *line)
{
    struct str in = buf_str(&f->in);

    for (size_t i = f->scanned; i < in.n && i < max; i++) {
        const char *lf = memchr(in.p + i, '\n', (in.n < max ? in.n : max) - i);

        i = lf ? (size_t)(lf - in.p) : in.n;
        if (lf && i > 0 && in.p[i - 1] == '\r') {
            *line = str_first(in, i - 1);
            return FRAME_COMMAND;
        }
    }
    f->scanned = in.n;
    return in.n >= max || buf_failed(&f->in) ? FRAME_TOO_LONG : FRAME_MORE;
}

static bool is_clean(struct str line)
{
    return !memchr(line.p, '\0', line.n) && !memchr(line.p, '\r', line.n) &&
           !memchr(line.p, '\n', line.n);
}

/* literal = "{" number ["+"] "}" CRLF, at the end of a line. What is not one (I03) is part of
 * the line, and no grammar will have it. */
static bool announces_literal(struct frame *f, struct str line)
{
    size_t end = line.n, digits = 0;

    if (end < 3 || line.p[--end] != '}')
        return false;
    f->synchronizing = line.p[end - 1] != '+';
    end -= !f->synchronizing;
    while (digits < end && ascii_is_digit(line.p[end - digits - 1]))
        digits++;
    if (digits == 0 || digits == end || line.p[end - digits - 1] != '{')
        return false;
    struct str number = {line.p + end - digits, digits};
    if (digits > LITERAL_DIGITS || !scan_u64(&number, UINT64_MAX, &f->octets))
        f->octets = UINT64_MAX;
    return true;
}

static bool fits(const struct frame *f)
{
    size_t most = f->stranger ? FRAME_STRANGER_BYTES : FRAME_COMMAND_BYTES;
    size_t have = buf_str(&f->command).n;

    return f->literals <= FRAME_LITERALS && have <= most && f->octets <= most - have;
}

static enum frame_event hand(struct frame *f, enum frame_event event)
{
    f->text = buf_str(&f->command);
    f->handed = event != FRAME_LITERAL;
    return event;
}

/* What follows a line that belongs to a command already answered. */
static void skip_line(struct frame *f, struct str line)
{
    bool more = announces_literal(f, line) && !f->synchronizing;

    drop(f, line.n + 2);
    if (!more) {
        forget_command(f);
        return;
    }
    f->skipping = true;
    f->state = PASSING;
}

static enum frame_event flawed_line(struct frame *f, struct str line)
{
    bool more = announces_literal(f, line) && !f->synchronizing;

    buf_add(&f->command, line);
    drop(f, line.n + 2);
    if (more) {
        f->skipping = true;
        f->state = PASSING;
    }
    return hand(f, FRAME_BAD);
}

/* FRAME_MORE without *stop: look again, in another state. */
static enum frame_event next_line(struct frame *f, bool *stop)
{
    size_t most = f->stranger ? FRAME_STRANGER_BYTES : FRAME_LINE_BYTES;
    struct str line;
    enum frame_event event = find_line(f, most - f->line_bytes, &line);

    *stop = true;
    if (event == FRAME_TOO_LONG)
        return die(f);
    if (event == FRAME_MORE)
        return event;
    f->line_bytes += (uint32_t)line.n + 2;
    if (f->skipping) {
        skip_line(f, line);
        *stop = false;
        return FRAME_MORE;
    }
    if (!is_clean(line))
        return flawed_line(f, line);
    bool literal = announces_literal(f, line);
    buf_add(&f->command, line);
    drop(f, line.n + 2);
    if (!literal)
        return hand(f, FRAME_COMMAND);
    f->literals++;
    f->fits = fits(f);
    f->state = ASKED;
    return hand(f, FRAME_LITERAL);
}

/* Octets of the literal that are there. */
static struct str octets_of(struct frame *f, size_t max)
{
    struct str in = str_first(buf_str(&f->in), max);

    return f->octets < in.n ? str_first(in, (size_t)f->octets) : in;
}

/* Moves octets out of the way or into the command; true when they were the last. */
static bool move_octets(struct frame *f)
{
    struct str part = octets_of(f, SIZE_MAX);

    if (f->state == TAKING)
        buf_add(&f->command, part);
    f->octets -= part.n;
    drop(f, part.n);
    if (f->octets)
        return false;
    f->state = AT_LINE;
    return true;
}

/* Pieces are copied, as the input may move while somebody writes them to disk. */
static enum frame_event next_piece(struct frame *f)
{
    struct str part = octets_of(f, FRAME_PIECE_BYTES);

    if (part.n < FRAME_PIECE_BYTES && part.n < f->octets)
        return FRAME_MORE;
    buf_add(&f->command, part);
    f->octets -= part.n;
    drop(f, part.n);
    f->last = f->octets == 0;
    if (f->last)
        f->state = AT_LINE;
    return hand(f, FRAME_PIECE);
}

/* What was handed out last is no longer needed. */
static void take_back(struct frame *f)
{
    bool middle = f->state == STREAMING || f->skipping || f->last;

    if (!f->handed)
        return;
    f->handed = f->last = false;
    if (middle)
        forget_text(f);
    else
        forget_command(f);
}

enum frame_event frame_next(struct frame *f)
{
    bool stop = false;
    enum frame_event event = FRAME_MORE;

    assert(f->state != ASKED);
    take_back(f);
    while (!stop) {
        switch ((enum state)f->state) {
        case AT_LINE:
            event = next_line(f, &stop);
            break;
        case TAKING:
        case PASSING:
            stop = !move_octets(f);
            break;
        case STREAMING:
            event = next_piece(f);
            stop = true;
            break;
        case ASKED:
        case DEAD:
            return FRAME_TOO_LONG;
        }
    }
    if (event == FRAME_MORE && buf_failed(&f->in))
        return die(f);
    if (event == FRAME_MORE && f->stranger)
        buf_release(&f->in); /* many of them may wait, and none has more to come than a line */
    return event;
}

void frame_take(struct frame *f)
{
    assert(f->state == ASKED && f->fits);
    buf_add(&f->command, STR("\r\n"));
    f->state = TAKING;
}

void frame_stream(struct frame *f)
{
    assert(f->state == ASKED);
    forget_text(f);
    f->state = STREAMING;
}

/* Also while it is streamed, and when its last piece is there: the rest is passed over. */
void frame_refuse(struct frame *f)
{
    if (f->state == ASKED && f->synchronizing) {
        forget_command(f);
        return;
    }
    if (f->state != AT_LINE)
        f->state = PASSING;
    forget_text(f);
    f->skipping = true;
}

/* The line stays in `command`, so that its text outlives what is fed. */
enum frame_event frame_line(struct frame *f, size_t max, struct str *line)
{
    struct str found;

    if (f->state == DEAD)
        return FRAME_TOO_LONG;
    forget_command(f);
    enum frame_event event = find_line(f, max, &found);
    if (event == FRAME_TOO_LONG)
        return die(f);
    if (event != FRAME_COMMAND)
        return event;
    event = is_clean(found) ? FRAME_COMMAND : FRAME_BAD;
    buf_add(&f->command, found);
    drop(f, found.n + 2);
    *line = buf_str(&f->command);
    f->handed = true;
    return event;
}

void frame_trust(struct frame *f)
{
    forget_command(f);
    f->stranger = false;
}

void frame_restart(struct frame *f)
{
    wipe(&f->in);
    buf_clear(&f->in);
    f->scanned = 0;
    f->last = false;
    forget_command(f);
}

bool frame_idle(const struct frame *f)
{
    return f->state == AT_LINE && !f->skipping && buf_str(&f->in).n == 0 &&
           (f->handed || buf_str(&f->command).n == 0);
}

void frame_rest(struct frame *f)
{
    buf_release(&f->in);
    if (f->state == AT_LINE && f->handed && !f->last && !f->skipping)
        forget_command(f);
    buf_release(&f->command);
}
