/*
 * POP3 session (RFC 1939 sections 3 to 7).
 *
 *            greeting
 *               |
 *         AUTHORIZATION --- QUIT -------------------------> CLOSED
 *          |    ^   |  USER PASS, AUTH                        ^
 *     STLS |    |   |  [want_login, pop3_answer_maildrop]     |
 *          +----+   v                                         |
 *               TRANSACTION -- QUIT --> UPDATE ---------------+
 *                    |       [cmd_quit]   [pop3_answer_commit]
 *                    |  LIST, UIDL: entries, some at a time     [list_on, pop3_answer_entry]
 *                    |  RETR, TOP: one entry, then the letter   [pop3_answer_letter]
 *
 * Any state goes to CLOSED on bytes that are no line (bare CR or LF, NUL), on a line without
 * end, and at a limit.
 */
#include "pop3d/session_impl.h"

#include "base/base64.h"
#include "wire/line.h"

#include <assert.h>

void session_ok(struct pop3_session *s, const char *text)
{
    buf_addf(&s->out, "+OK %s\r\n", text);
}

void session_no(struct pop3_session *s, const char *text)
{
    buf_addf(&s->out, "-ERR %s\r\n", text);
}

void session_no_and_close(struct pop3_session *s, const char *text)
{
    session_no(s, text);
    s->state = CLOSED;
}

/* Refuses what is no proper command; some are mistakes, many are somebody trying. */
void session_bad_command(struct pop3_session *s, const char *text)
{
    if (++s->bad >= s->config->bad_commands)
        session_no_and_close(s, "too many bad commands");
    else
        session_no(s, text);
}

static void wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_clear(b);
}

void session_want_entries(struct pop3_session *s, enum purpose purpose, uint32_t first,
                          uint32_t count)
{
    s->purpose = purpose;
    s->req.first = first;
    s->req.count = count;
    s->req.uidl = purpose == FOR_UIDL || purpose == FOR_ONE_UIDL;
    s->entry = 0;
    s->want = POP3_WANT_ENTRIES;
}

void session_want_login(struct pop3_session *s, bool first, bool has_response)
{
    s->req.auth.mechanism = str_c(s->mechanism);
    s->req.auth.first = first;
    s->req.auth.cancelled = false;
    s->req.auth.has_response = has_response;
    s->req.auth.response = buf_str(&s->secret);
    s->want = POP3_WANT_LOGIN;
}

/* client-response = base64 / cancel        RFC 5034 4 */
static void run_response(struct pop3_session *s, struct str line)
{
    bool cancel = str_eq(line, STR("*"));

    s->in_exchange = false;
    if (!cancel && base64_decode(&s->secret, line)) {
        session_want_login(s, false, true);
        return;
    }
    session_want_login(s, false, false);
    s->req.auth.cancelled = true;
    session_bad_command(s, cancel ? "cancelled" : "that is not base64");
}

/* Swallows an overlong line byte by byte, so that cutting it anywhere changes nothing. */
static void discard(struct pop3_session *s)
{
    struct str in = buf_str(&s->in);
    size_t i = 0;

    while (i < in.n && s->discarded <= POP3_DISCARD_BYTES) {
        bool end = s->discarded_cr && in.p[i] == '\n';

        s->discarded_cr = in.p[i++] == '\r';
        s->discarded++;
        if (end) {
            s->discarded = 0;
            break;
        }
    }
    buf_drop(&s->in, i);
    if (s->discarded > POP3_DISCARD_BYTES)
        session_no_and_close(s, "line too long");
    else if (s->discarded == 0)
        session_bad_command(s, "line too long");
}

/* Begins to swallow: what has come belongs to the line, with a CR at its end that may be half
 * of CRLF. */
static void discard_begin(struct pop3_session *s)
{
    s->scanned = 0;
    s->discarded_cr = false;
    if (s->in_exchange) {
        s->in_exchange = false;
        session_no_and_close(s, "line too long");
    } else {
        discard(s);
    }
}

/* How much of a line is no secret: of AUTH the mechanism, whatever the client put behind it.
 * What a stranger says that is no command may be a password typed in the wrong place. */
static size_t shown_of(const struct pop3_session *s, struct str line)
{
    static const struct str pass = STR_LIT("PASS "), auth = STR_LIT("AUTH ");
    size_t n = line.n;

    if (s->in_exchange || (s->state == AUTHORIZATION && !session_is_command(line)))
        return 0;
    if (str_starts_nocase(line, pass))
        return pass.n;
    if (str_starts_nocase(line, auth))
        n = auth.n + str_find(str_skip(line, auth.n), ' ');
    return n < line.n ? n + 1 : line.n;
}

static void hear(struct pop3_session *s, struct str line)
{
    size_t shown = shown_of(s, line);

    if (!s->config->transcript || !*s->config->transcript)
        return;
    buf_add(&s->heard, str_first(line, shown));
    buf_add(&s->heard, shown < line.n ? STR("***\n") : STR("\n"));
}

/* Takes one line from the input and runs it; false where there is none yet. */
static bool run_line(struct pop3_session *s)
{
    struct str in = buf_str(&s->in), line;
    size_t max = s->in_exchange ? POP3_AUTH_LINE_BYTES : POP3_LINE_BYTES;

    if (s->discarded) {
        discard(s);
        return s->discarded == 0 || s->state == CLOSED;
    }
    switch (line_take(&in, max, &s->scanned, &line)) {
    case LINE_MORE:
        return false;
    case LINE_TOO_LONG:
        discard_begin(s);
        return s->discarded == 0 || s->state == CLOSED;
    case LINE_BAD:
        session_no_and_close(s, "lines end in CRLF, and hold no CR, LF or NUL");
        return true;
    case LINE_OK:
        break;
    }
    hear(s, line);
    if (s->in_exchange)
        run_response(s, line);
    else
        session_run_command(s, line);
    if (s->state == AUTHORIZATION) /* it may hold a password */
        explicit_bzero(s->in.p + s->in.from, line.n);
    buf_drop(&s->in, line.n + 2);
    if (s->want == POP3_WANT_STLS && buf_str(&s->in).n) {
        s->want = POP3_WANT_INPUT;
        session_no_and_close(s, "nothing may follow STLS before TLS has begun");
    }
    return true;
}

/* Asks for the next entries of a listing, or ends it. */
static void list_on(struct pop3_session *s)
{
    uint32_t left = s->count - s->list_at;

    if (left) {
        session_want_entries(s, s->purpose, s->list_at,
                             left < POP3_ENTRIES ? left : POP3_ENTRIES);
        s->list_at += s->req.count;
    } else {
        s->listing = false;
        buf_add(&s->out, STR(".\r\n"));
    }
}

struct pop3_session *pop3_new(const struct pop3_config *config, bool tls)
{
    struct pop3_session *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->config = config;
    s->state = AUTHORIZATION;
    s->want = POP3_WANT_INPUT;
    s->tls = tls;
    buf_init(&s->in, POP3_INPUT_BYTES);
    buf_init(&s->out, OUTPUT_MAX_BYTES);
    buf_init(&s->heard, 2 * (size_t)POP3_INPUT_BYTES);
    buf_init(&s->user, POP3_LINE_BYTES);
    buf_init(&s->secret, SECRET_BYTES);
    session_ok(s, "posta ready");
    return s;
}

void pop3_free(struct pop3_session *s)
{
    if (!s)
        return;
    wipe(&s->in);
    wipe(&s->secret);
    buf_done(&s->in);
    buf_done(&s->out);
    buf_done(&s->heard);
    buf_done(&s->user);
    buf_done(&s->secret);
    free(s->marked);
    free(s);
}

void pop3_feed(struct pop3_session *s, struct str in)
{
    if (s->state != CLOSED)
        buf_add(&s->in, in);
}

enum pop3_want pop3_next(struct pop3_session *s, const struct pop3_request **req)
{
    *req = &s->req;
    buf_clear(&s->heard);
    while (s->state != CLOSED) {
        enum pop3_want want = s->want;

        if (want == POP3_WANT_LETTER_END || (want == POP3_WANT_LOGIN && s->req.auth.cancelled))
            s->want = POP3_WANT_INPUT; /* told once, not answered */
        if (want != POP3_WANT_INPUT)
            return want;
        if (buf_failed(&s->in) || buf_failed(&s->out))
            s->state = CLOSED;
        else if (buf_str(&s->out).n >= POP3_OUTPUT_BYTES)
            return POP3_WANT_FLUSH;
        else if (s->reading)
            s->want = POP3_WANT_LETTER;
        else if (s->listing)
            list_on(s);
        else if (!run_line(s))
            return POP3_WANT_INPUT;
    }
    return POP3_WANT_CLOSE;
}

/* The question is answered. */
static void answered(struct pop3_session *s, enum pop3_want question)
{
    assert(s->want == question);
    (void)question;
    s->want = POP3_WANT_INPUT;
}

/* What the client said in clear is forgotten (RFC 2595 4). There is no second greeting. */
void pop3_tls_started(struct pop3_session *s)
{
    answered(s, POP3_WANT_STLS);
    s->tls = true;
    buf_clear(&s->in);
    buf_clear(&s->user);
    s->scanned = 0;
}

void pop3_answer_challenge(struct pop3_session *s, struct str challenge)
{
    answered(s, POP3_WANT_LOGIN);
    wipe(&s->secret);
    s->in_exchange = true;
    buf_add(&s->out, STR("+ "));
    base64_add(&s->out, challenge);
    buf_add(&s->out, STR("\r\n"));
}

void pop3_answer_maildrop(struct pop3_session *s, uint32_t count, uint64_t octets)
{
    answered(s, POP3_WANT_LOGIN);
    wipe(&s->secret);
    s->state = TRANSACTION;
    s->bad = 0;
    s->count = count;
    s->octets = octets;
    buf_addf(&s->out, "+OK maildrop has %u messages (%llu octets)\r\n", count,
             (unsigned long long)octets);
}

void pop3_answer_refused(struct pop3_session *s, enum pop3_refusal why)
{
    static const char *const words[] = {
        [POP3_BAD] = "[AUTH] name or password is wrong",
        [POP3_DISABLED] = "[AUTH] the account is switched off",
        [POP3_TEMP] = "[SYS/TEMP] the maildrop cannot be opened now, try again later",
        [POP3_IN_USE] = "[IN-USE] another session has the maildrop",
    };

    answered(s, POP3_WANT_LOGIN);
    wipe(&s->secret);
    session_no(s, words[why]);
    if (why == POP3_BAD && ++s->failures >= s->config->auth_failures)
        s->state = CLOSED;
}

static void print_entry(struct pop3_session *s, uint32_t i, uint64_t octets, struct str uidl)
{
    if (s->req.uidl)
        buf_addf(&s->out, "%u %.*s\r\n", i + 1, STR_ARGS(uidl));
    else
        buf_addf(&s->out, "%u %llu\r\n", i + 1, (unsigned long long)octets);
}

static void mark(struct pop3_session *s, uint32_t i, uint64_t octets)
{
    if (!s->marked)
        s->marked = calloc(s->count, sizeof(*s->marked));
    if (!s->marked)
        abort();
    s->marked[i] = true;
    s->marked_count++;
    s->marked_octets += octets;
    session_ok(s, "marked");
}

void pop3_answer_entry(struct pop3_session *s, uint64_t octets, struct str uidl)
{
    uint32_t i = s->req.first + s->entry++;

    assert(s->want == POP3_WANT_ENTRIES);
    if (s->entry == s->req.count)
        answered(s, POP3_WANT_ENTRIES);
    switch (s->purpose) {
    case FOR_LIST:
    case FOR_UIDL:
        if (!session_is_marked(s, i))
            print_entry(s, i, octets, uidl);
        break;
    case FOR_ONE_LIST:
    case FOR_ONE_UIDL:
        buf_add(&s->out, STR("+OK "));
        print_entry(s, i, octets, uidl);
        break;
    case FOR_DELE:
        mark(s, i, octets);
        break;
    case FOR_LETTER:
        s->letter_octets = octets;
        s->reading = true;
        s->req.start = true;
        s->req.top = s->top.on;
        break;
    }
}

/*
 * How much of `piece` belongs to the header, the blank line and top.lines lines of the body
 * (RFC 1939 7); *enough when nothing behind it does.
 */
static size_t top_part(struct pop3_session *s, struct str piece, bool *enough)
{
    size_t at = 0;

    while (at < piece.n && !(s->top.in_body && s->top.lines == 0)) {
        struct str rest = str_skip(piece, at);
        size_t n = str_find(rest, '\n');

        if (s->top.blank && n > 0 && !(n == 1 && rest.p[0] == '\r'))
            s->top.blank = false;
        at += n;
        if (at == piece.n)
            break;
        at++;
        if (s->top.in_body)
            s->top.lines--;
        else if (s->top.blank)
            s->top.in_body = true;
        s->top.blank = true;
    }
    *enough = s->top.in_body && s->top.lines == 0;
    return at;
}

void pop3_answer_letter(struct pop3_session *s, struct str piece, bool last)
{
    bool enough = false;

    assert(piece.n <= POP3_PIECE_BYTES);
    answered(s, POP3_WANT_LETTER);
    if (s->req.start) {
        buf_addf(&s->out, "+OK %llu octets\r\n", (unsigned long long)s->letter_octets);
        dot_encoder_init(&s->encoder);
        s->req.start = false;
    }
    if (s->top.on)
        piece = str_first(piece, top_part(s, piece, &enough));
    dot_encode(&s->encoder, piece, &s->out);
    if (!last && !enough)
        return;
    dot_encode_end(&s->encoder, &s->out);
    s->reading = false;
    if (!last)
        s->want = POP3_WANT_LETTER_END;
}

void pop3_answer_no_letter(struct pop3_session *s, bool gone)
{
    answered(s, POP3_WANT_LETTER);
    s->reading = false;
    if (!s->req.start)
        s->state = CLOSED; /* half a letter is out: without the final dot the client knows */
    else
        session_no(s,
                   gone ? "the message has gone" : "[SYS/TEMP] the message cannot be read now");
}

void pop3_answer_commit(struct pop3_session *s, bool good)
{
    answered(s, POP3_WANT_COMMIT);
    s->state = CLOSED;
    if (good)
        session_ok(s, "bye");
    else
        session_no(s, "[SYS/TEMP] some marked messages were not removed");
}

void pop3_end(struct pop3_session *s, const char *words)
{
    if (words && s->state != CLOSED && !s->reading && !s->listing)
        session_no(s, words);
    s->state = CLOSED;
}

bool pop3_idle(const struct pop3_session *s)
{
    return s->want == POP3_WANT_INPUT && !s->reading && !s->listing && !s->in_exchange &&
           buf_str(&s->in).n == 0 && s->discarded == 0;
}

bool pop3_logged_in(const struct pop3_session *s)
{
    return s->state == TRANSACTION || s->state == UPDATE;
}

uint32_t pop3_marked(const struct pop3_session *s)
{
    return s->marked_count;
}

struct str pop3_heard(const struct pop3_session *s)
{
    return buf_str(&s->heard);
}

struct str pop3_output(const struct pop3_session *s)
{
    return buf_str(&s->out);
}

void pop3_sent(struct pop3_session *s, size_t n)
{
    buf_drop(&s->out, n);
}

void pop3_rest(struct pop3_session *s)
{
    buf_release(&s->in);
    buf_release(&s->out);
    buf_clear(&s->heard);
    buf_release(&s->heard);
    buf_release(&s->user);
    buf_release(&s->secret);
}
