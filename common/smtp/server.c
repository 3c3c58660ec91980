/*
 * The session: framing, what is asked of the program, and its answers.
 *
 * What the next bytes are (s->reading):
 *
 *             334 [auth.c]                  a response [smtp_auth_line]
 *    COMMAND ----------------------> AUTH -------------------------> COMMAND
 *       |    354 [answer_letter]          lone dot [end_letter]
 *       |--------------------------> LETTER -----------------------> COMMAND
 *       |    line too long [read_line]    its CRLF [read_discard]
 *       `--------------------------> DISCARD ----------------------> COMMAND
 *
 * What the program was asked (s->want): while it is not SMTP_WANT_INPUT no byte
 * is looked at. s->closed ends all.
 */
#include "smtp/server.h"

#include "smtp/session.h"
#include "wire/line.h"

#include <assert.h>
#include <stdlib.h>

enum {
    INPUT_BYTES = 4 << 20,    /* fed and not yet looked at; a program feeds less */
    KEPT_BYTES = 1024,        /* room that an idle session may keep in a buffer  */
    LETTER_OVERRUN_FACTOR = 2 /* a letter so many times too large is not awaited */
};

/* ---- replies ------------------------------------------------------------ */

void smtp_say(struct smtp_server *s, struct smtp_reply r)
{
    if (!s->closed)
        smtp_reply_print(&s->out, r);
}

void smtp_bye(struct smtp_server *s, struct smtp_reply r)
{
    smtp_say(s, r);
    s->closed = true;
    s->want = SMTP_WANT_INPUT;
}

void smtp_refuse(struct smtp_server *s, struct smtp_reply r)
{
    if (++s->bad > s->bad_max)
        smtp_bye(s, SMTP_REPLY(421, "4.7.0", "too many errors"));
    else
        smtp_say(s, r);
}

void smtp_ask(struct smtp_server *s, enum smtp_want want)
{
    assert(s->want == SMTP_WANT_INPUT);
    s->want = want;
}

bool smtp_answered(struct smtp_server *s, unsigned wants)
{
    if (s->closed)
        return false;
    assert(1u << s->want & wants);
    s->want = SMTP_WANT_INPUT;
    return true;
}

/* ---- the transaction ---------------------------------------------------- */

void smtp_transaction_end(struct smtp_server *s)
{
    arena_reset(&s->transaction);
    s->mail = false;
    s->nrcpts = 0;
    s->req.mail = (struct smtp_mail){0};
}

void smtp_mail_refused(struct smtp_server *s)
{
    smtp_transaction_end(s);
    s->forgiven = s->config->recipients_max;
}

static void accept_recipient(struct smtp_server *s)
{
    struct smtp_rcpt r = s->req.rcpt;

    if (s->nrcpts == s->rcpts_room) {
        s->rcpts_room = s->rcpts_room ? s->rcpts_room * 2 : 4;
        s->rcpts = reallocarray(s->rcpts, s->rcpts_room, sizeof(*s->rcpts));
        if (!s->rcpts)
            abort();
    }
    r.forward_path = arena_dup(&s->transaction, r.forward_path);
    r.orcpt = arena_dup(&s->transaction, r.orcpt);
    s->rcpts[s->nrcpts++] = r;
}

/* The reply to a whole letter: one, or for LMTP one a recipient (RFC 2033 4.2). */
static void say_for_letter(struct smtp_server *s, struct smtp_reply r)
{
    size_t n = s->config->kind == SMTP_LMTP ? s->nrcpts : 1;

    while (n-- > 0)
        smtp_say(s, r);
}

/* ---- the letter --------------------------------------------------------- */

static void begin_letter(struct smtp_server *s)
{
    s->reading = SMTP_READ_LETTER;
    s->too_much = s->aborted = s->end_seen = false;
    s->letter_n = 0;
    dot_decoder_init(&s->dot);
}

static void leave_letter(struct smtp_server *s)
{
    s->reading = SMTP_READ_COMMAND;
    smtp_transaction_end(s);
}

static struct smtp_reply flaw_reply(enum dot_flaw flaw)
{
    switch (flaw) {
    case DOT_BARE_LF:
        return SMTP_REPLY(550, "5.5.2", "bare LF in the letter: lines end in CRLF");
    case DOT_BARE_CR:
        return SMTP_REPLY(550, "5.5.2", "bare CR in the letter: lines end in CRLF");
    case DOT_NUL:
        return SMTP_REPLY(550, "5.6.0", "NUL in the letter");
    case DOT_CLEAN:
        break;
    }
    return SMTP_REPLY(552, "5.3.4", "the letter is too large");
}

/* The lone dot came and everything before it has been handed on. */
static void end_letter(struct smtp_server *s)
{
    s->end_seen = false;
    if (!s->aborted) {
        smtp_ask(s, SMTP_WANT_COMMIT);
        return;
    }
    say_for_letter(s, flaw_reply(s->dot.flaw));
    leave_letter(s);
    /* Where bytes were not as they must be, the client may think that its letter ended
     * elsewhere and that the rest were commands (SMTP smuggling, CVE-2023-51764). */
    if (s->dot.flaw != DOT_CLEAN)
        s->closed = true;
}

/* Octets that may still come: a letter far over the limit is not waited for. */
static uint64_t letter_room(const struct smtp_server *s)
{
    uint64_t max = s->config->size_max;

    if (max == 0 || max > UINT64_MAX / LETTER_OVERRUN_FACTOR / 2)
        return UINT64_MAX;
    return LETTER_OVERRUN_FACTOR * max + SMTP_DISCARD_BYTES - s->letter_n;
}

/* Decodes what it may of *in, and finds out what is to be asked of the program. */
static void take_letter(struct smtp_server *s, struct str *in)
{
    uint64_t room = letter_room(s);
    struct str part = room < in->n ? str_first(*in, (size_t)room) : *in;
    size_t had = part.n;

    s->end_seen = dot_decode(&s->dot, &part, &s->body, SMTP_BODY_CHUNK_BYTES);
    s->letter_n += had - part.n;
    *in = str_skip(*in, had - part.n);
    s->too_much = s->too_much || (s->config->size_max && s->dot.wire_n > s->config->size_max);
    if (s->too_much || s->dot.flaw != DOT_CLEAN) {
        buf_clear(&s->body);
        if (!s->aborted) {
            s->aborted = true;
            smtp_ask(s, SMTP_WANT_ABORT);
            return;
        }
    }
    if (s->body.n) {
        s->req.body = buf_str(&s->body);
        smtp_ask(s, SMTP_WANT_BODY);
    } else if (s->end_seen) {
        end_letter(s);
    }
}

static bool read_letter(struct smtp_server *s)
{
    struct str in = buf_str(&s->in);

    if (s->end_seen) { /* the end came with the last body, which has been kept by now */
        end_letter(s);
        return true;
    }
    if (letter_room(s) == 0) {
        say_for_letter(s, flaw_reply(s->dot.flaw));
        s->closed = true;
        return true;
    }
    if (in.n == 0)
        return false;
    take_letter(s, &in);
    buf_drop(&s->in, s->in.n - in.n);
    return true;
}

/* ---- lines -------------------------------------------------------------- */

/* RFC 4954 4: a client may rely on 12288 octets for AUTH. */
static size_t line_limit(const struct smtp_server *s)
{
    bool auth =
        s->reading == SMTP_READ_AUTH || str_starts_nocase(buf_str(&s->in), STR("AUTH "));

    return auth ? SMTP_AUTH_LINE_BYTES : SMTP_COMMAND_BYTES;
}

/* For the transcript: of AUTH the mechanism alone. */
static void note_line(struct smtp_server *s, struct str line, bool secret)
{
    struct str command;

    if (!s->config->transcript || !*s->config->transcript)
        return;
    if (s->heard_taken)
        buf_clear(&s->heard);
    s->heard_taken = false;
    if (s->reading == SMTP_READ_AUTH) {
        line = STR("***");
    } else if (secret) {
        command = str_skip(line, STR("AUTH ").n);
        line = str_first(line, STR("AUTH ").n + str_find(command, ' '));
    }
    buf_add(&s->heard, line);
    buf_add(&s->heard, secret && s->reading != SMTP_READ_AUTH ? STR(" ***\n") : STR("\n"));
}

/* Takes the line out of the buffer and runs it. */
static void run_line(struct smtp_server *s, struct str line)
{
    bool secret = line_limit(s) == SMTP_AUTH_LINE_BYTES;
    size_t n = line.n + 2;
    char *raw = s->in.p + s->in.from, *copy;

    arena_reset(&s->command);
    copy = arena_alloc(&s->command, n);
    memcpy(copy, raw, line.n);
    line.p = copy;
    note_line(s, line, secret);
    if (secret)
        explicit_bzero(raw, n);
    buf_drop(&s->in, n);
    if (s->reading == SMTP_READ_AUTH)
        smtp_auth_line(s, line);
    else
        smtp_command_run(s, line);
    if (secret)
        explicit_bzero(copy, n);
}

static bool read_line(struct smtp_server *s)
{
    struct str in = buf_str(&s->in), line;

    switch (line_take(&in, line_limit(s), &s->scanned, &line)) {
    case LINE_MORE:
        return false;
    case LINE_OK:
        run_line(s, line);
        break;
    case LINE_TOO_LONG:
        s->long_auth = line_limit(s) == SMTP_AUTH_LINE_BYTES;
        s->reading = SMTP_READ_DISCARD;
        s->scanned = s->discarded = 0;
        s->last = '\0';
        break;
    case LINE_BAD:
        smtp_auth_cancel(s);
        smtp_bye(s, SMTP_REPLY(500, "5.5.2", "lines end in CRLF and hold no CR, LF or NUL"));
        break;
    }
    return true;
}

/* How much of `in` belongs to the line that is too long; *end when its CRLF is among it. */
static size_t find_line_end(const struct smtp_server *s, struct str in, bool *end)
{
    char last = s->last;

    for (size_t i = 0; i < in.n; i++) {
        if (last == '\r' && in.p[i] == '\n') {
            *end = true;
            return i + 1;
        }
        last = in.p[i];
    }
    *end = false;
    return in.n;
}

/* The rest of a line that was too long; the reply comes at its end, or when there was too much
 * of it (RFC 5321 4.5.3.1.4, RFC 4954 4). */
static bool read_discard(struct smtp_server *s)
{
    struct str in = str_first(buf_str(&s->in), SMTP_DISCARD_BYTES - s->discarded);
    bool end;
    size_t n = find_line_end(s, in, &end);

    if (in.n == 0)
        return false;
    s->last = in.p[n - 1];
    s->discarded += n;
    buf_drop(&s->in, n);
    if (!end && s->discarded < SMTP_DISCARD_BYTES)
        return true;
    smtp_auth_cancel(s);
    s->reading = SMTP_READ_COMMAND;
    smtp_refuse(s, s->long_auth ? SMTP_REPLY(500, "5.5.6", "line too long")
                                : SMTP_REPLY(500, "5.5.2", "line too long"));
    if (!end)
        s->closed = true;
    return true;
}

/* ---- the session -------------------------------------------------------- */

static uint32_t limit_or(const struct smtp_server_config *c, uint32_t told, uint32_t standard)
{
    if (told)
        return told;
    return c->kind == SMTP_RECEIVE || c->kind == SMTP_SUBMIT ? standard : UINT32_MAX;
}

struct smtp_server *smtp_server_new(const struct smtp_server_config *config, bool tls)
{
    struct smtp_server *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->config = config;
    s->tls = tls;
    s->want = SMTP_WANT_INPUT;
    s->bad_max = limit_or(config, config->bad_commands_max, SMTP_BAD_COMMANDS);
    s->junk_max = limit_or(config, config->junk_commands_max, SMTP_JUNK_COMMANDS);
    s->auth_max = limit_or(config, config->auth_failures_max, SMTP_AUTH_FAILURES);
    buf_init(&s->in, INPUT_BYTES);
    buf_init(&s->out, SIZE_MAX / 2); /* bounded by SMTP_OUTPUT_BYTES and one reply */
    buf_init(&s->helo, SMTP_DOMAIN_BYTES);
    buf_init(&s->user, SMTP_COMMAND_BYTES);
    buf_init(&s->secret, SMTP_AUTH_LINE_BYTES);
    buf_init(&s->heard, INPUT_BYTES);
    buf_init(&s->body, (size_t)2 * SMTP_BODY_CHUNK_BYTES);
    arena_init(&s->command);
    arena_init(&s->transaction);
    buf_addf(&s->out, "220 %.*s %s posta\r\n", STR_ARGS(config->hostname),
             config->kind == SMTP_LMTP ? "LMTP" : "ESMTP");
    return s;
}

void smtp_server_free(struct smtp_server *s)
{
    if (!s)
        return;
    smtp_auth_wipe(&s->secret);
    smtp_auth_wipe(&s->in);
    buf_done(&s->out);
    buf_done(&s->helo);
    buf_done(&s->user);
    buf_done(&s->heard);
    buf_done(&s->body);
    arena_done(&s->command);
    arena_done(&s->transaction);
    free(s->rcpts);
    free(s);
}

/* A letter's bytes are decoded where they came in, without a stay in s->in. */
static bool straight_to_letter(const struct smtp_server *s)
{
    return s->reading == SMTP_READ_LETTER && s->want == SMTP_WANT_INPUT && s->in.n == 0 &&
           !s->end_seen && letter_room(s) > 0;
}

void smtp_server_feed(struct smtp_server *s, struct str in)
{
    if (s->closed)
        return;
    s->spoken = true;
    if (in.n && straight_to_letter(s))
        take_letter(s, &in);
    buf_add(&s->in, in);
    if (buf_failed(&s->in))
        smtp_bye(s, SMTP_REPLY(421, "4.3.0", "more input than can be kept"));
}

/* Does the next thing that the bytes ask for; false when there are not enough of them. */
static bool step(struct smtp_server *s)
{
    switch (s->reading) {
    case SMTP_READ_LETTER:
        return read_letter(s);
    case SMTP_READ_DISCARD:
        return read_discard(s);
    case SMTP_READ_COMMAND:
    case SMTP_READ_AUTH:
        break;
    }
    return read_line(s);
}

/* An idle session holds little: what a long line or a large letter needed goes back. */
static void give_room_back(struct smtp_server *s)
{
    if (s->in.cap > KEPT_BYTES)
        buf_release(&s->in);
    if (s->body.cap > KEPT_BYTES && s->reading != SMTP_READ_LETTER)
        buf_release(&s->body);
}

enum smtp_want smtp_server_next(struct smtp_server *s, const struct smtp_request **req)
{
    *req = &s->req;
    for (;;) {
        if (s->cancelled) {
            s->cancelled = false;
            s->req.auth.cancelled = true;
            return SMTP_WANT_AUTH;
        }
        if (s->closed)
            return SMTP_WANT_CLOSE;
        if (s->want != SMTP_WANT_INPUT)
            return s->want;
        if (s->out.n > SMTP_OUTPUT_BYTES || !step(s)) {
            give_room_back(s);
            return SMTP_WANT_INPUT;
        }
    }
}

/* ---- answers ------------------------------------------------------------ */

static void answer_mail(struct smtp_server *s, struct smtp_reply r)
{
    if (smtp_reply_class(r) == 2) {
        s->mail = true;
        smtp_say(s, r);
        return;
    }
    smtp_mail_refused(s);
    smtp_refuse(s, r);
}

static void answer_rcpt(struct smtp_server *s, struct smtp_reply r)
{
    if (smtp_reply_class(r) == 2)
        accept_recipient(s);
    if (smtp_reply_class(r) == 5)
        smtp_refuse(s, r);
    else
        smtp_say(s, r);
}

static void answer_letter(struct smtp_server *s, struct smtp_reply r)
{
    smtp_say(s, r);
    if (r.code == 354)
        begin_letter(s);
    else
        smtp_transaction_end(s);
}

static void letter_answered(struct smtp_server *s)
{
    s->junk = 0;
    leave_letter(s);
}

void smtp_answer(struct smtp_server *s, struct smtp_reply r)
{
    enum smtp_want want = s->want;

    if (!smtp_answered(s, 1u << SMTP_WANT_MAIL | 1u << SMTP_WANT_RCPT | 1u << SMTP_WANT_VRFY |
                              1u << SMTP_WANT_LETTER | 1u << SMTP_WANT_COMMIT |
                              1u << SMTP_WANT_XSPOOL))
        return;
    if (want == SMTP_WANT_MAIL) {
        answer_mail(s, r);
    } else if (want == SMTP_WANT_RCPT) {
        answer_rcpt(s, r);
    } else if (want == SMTP_WANT_VRFY) {
        smtp_say(s, r);
    } else if (want == SMTP_WANT_LETTER) {
        answer_letter(s, r);
    } else {
        say_for_letter(s, r);
        letter_answered(s);
    }
}

void smtp_answer_each(struct smtp_server *s, const struct smtp_reply *replies, size_t n)
{
    if (!smtp_answered(s, 1u << SMTP_WANT_COMMIT | 1u << SMTP_WANT_XSPOOL))
        return;
    assert(s->config->kind == SMTP_LMTP && n == s->nrcpts);
    for (size_t i = 0; i < n; i++)
        smtp_say(s, replies[i]);
    letter_answered(s);
}

void smtp_answer_body(struct smtp_server *s)
{
    if (smtp_answered(s, 1u << SMTP_WANT_BODY))
        buf_clear(&s->body);
}

void smtp_answer_abort(struct smtp_server *s)
{
    smtp_answered(s, 1u << SMTP_WANT_ABORT);
}

void smtp_server_tls_started(struct smtp_server *s)
{
    if (!smtp_answered(s, 1u << SMTP_WANT_STARTTLS))
        return;
    s->tls = true;
    s->esmtp = false;
    buf_clear(&s->helo);
    buf_clear(&s->in);
    s->scanned = 0;
    smtp_transaction_end(s);
}

void smtp_server_end(struct smtp_server *s, struct smtp_reply r)
{
    if (!s->spoken)
        buf_clear(&s->out);
    s->cancelled = false;
    smtp_bye(s, r);
}

/* ---- questions ---------------------------------------------------------- */

struct str smtp_server_helo(const struct smtp_server *s)
{
    return buf_str(&s->helo);
}

struct str smtp_server_user(const struct smtp_server *s)
{
    return buf_str(&s->user);
}

bool smtp_server_esmtp(const struct smtp_server *s)
{
    return s->esmtp;
}

bool smtp_server_tls(const struct smtp_server *s)
{
    return s->tls;
}

bool smtp_server_idle(const struct smtp_server *s)
{
    return s->want == SMTP_WANT_INPUT && s->reading == SMTP_READ_COMMAND && !s->mail &&
           s->in.n == 0;
}

bool smtp_server_in_data(const struct smtp_server *s)
{
    return s->reading == SMTP_READ_LETTER;
}

const struct smtp_rcpt *smtp_server_recipients(const struct smtp_server *s, size_t *n)
{
    *n = s->nrcpts;
    return s->rcpts;
}

uint64_t smtp_server_wire_size(const struct smtp_server *s)
{
    return s->dot.wire_n;
}

struct str smtp_server_heard(struct smtp_server *s)
{
    struct str heard = s->heard_taken ? STR("") : buf_str(&s->heard);

    s->heard_taken = true;
    return heard;
}

struct str smtp_server_output(const struct smtp_server *s)
{
    return buf_str(&s->out);
}

void smtp_server_sent(struct smtp_server *s, size_t n)
{
    s->spoken = true;
    buf_drop(&s->out, n);
    if (s->out.cap > KEPT_BYTES)
        buf_release(&s->out);
}
