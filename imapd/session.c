/*
 *                          greeting
 *                             │
 *      ┌─ STARTTLS ───▶  STATE_STRANGER ──── LOGIN, AUTHENTICATE ─────▶ STATE_USER ◀──┐
 *      └─ [imap_tls_started]  │        [cmd_login, imap_answer_login]       │         │ closed
 *                             │                                    selected ▼         │
 *                             │                                      STATE_SELECTED ──┘
 *                             ▼                          [session_work_done]
 *             CLOSED ◀── LOGOUT, a limit, the mailbox taken away: BYE
 *
 *   AT_COMMAND ── APPEND … {n} ──▶ APPEND_ASKED ──▶ APPENDING ──▶ APPEND_ENDS ──▶ AT_COMMAND
 *       ├──────── AUTHENTICATE ──▶ IN_EXCHANGE ─┐         [session_append.c]
 *       └──────── IDLE ──────────▶ IN_IDLE ─────┴──▶ AT_COMMAND
 *
 * A command is looked at when the one before it has ended: as long as something is asked for
 * (`want`), nothing is taken from the frame.
 */
#include "imapd/session_impl.h"

#include <assert.h>
#include <stdlib.h>

_Static_assert(sizeof(struct imap_session) < 1024, "an idle session is tiny");

static void tagged(struct imap_session *s, const char *status, const char *text)
{
    buf_addf(&s->out, "%.*s %s %s\r\n", s->tag_n, s->tag, status, text);
}

void session_ok(struct imap_session *s, const char *text)
{
    tagged(s, "OK", text);
    if (s->state != STATE_STRANGER)
        s->bad = 0;
}

void session_no(struct imap_session *s, const char *text)
{
    tagged(s, "NO", text);
}

void session_bye(struct imap_session *s, const char *text)
{
    buf_addf(&s->out, "* BYE %s\r\n", text);
    s->mode = CLOSED;
}

static void count_bad(struct imap_session *s)
{
    if (++s->bad >= s->config->bad_commands)
        session_bye(s, "too many bad commands");
}

void session_bad(struct imap_session *s, const char *text)
{
    if (s->tag_n)
        tagged(s, "BAD", text);
    else
        buf_addf(&s->out, "* BAD %s\r\n", text);
    count_bad(s);
}

void session_refuse(struct imap_session *s, const char *text)
{
    session_no(s, text);
    count_bad(s);
}

void session_keep_tag(struct imap_session *s, struct str tag)
{
    s->tag_n = (unsigned char)tag.n;
    memcpy(s->tag, tag.p ? tag.p : "", tag.n);
}

void session_wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_clear(b);
}

/* What makes a server tell mod-sequences from then on (RFC 7162 3.1). */
static bool enables_condstore(const struct command *c)
{
    switch ((int)c->verb) {
    case VERB_SELECT:
    case VERB_EXAMINE:
        return c->select.condstore;
    case VERB_STATUS:
        return c->status.items & STATUS_HIGHESTMODSEQ;
    case VERB_LIST:
        return c->list.status & STATUS_HIGHESTMODSEQ;
    case VERB_FETCH:
        return c->fetch.what & FETCH_MODSEQ;
    case VERB_STORE:
        return c->store.has_unchangedsince;
    case VERB_SEARCH:
        return c->search.modseq;
    default:
        return false;
    }
}

void session_want_work(struct imap_session *s)
{
    s->condstore |= enables_condstore(&s->command);
    s->req.work = (struct work_request){.command = &s->command, .condstore = s->condstore};
    s->want = IMAP_WANT_WORK;
}

/* Those that are not work's. */
static const struct {
    enum verb verb;
    void (*run)(struct imap_session *s);
} own[] = {
    {VERB_CAPABILITY,   cmd_capability  },
    {VERB_NOOP,         cmd_noop        },
    {VERB_LOGOUT,       cmd_logout      },
    {VERB_ID,           cmd_id          },
    {VERB_STARTTLS,     cmd_starttls    },
    {VERB_AUTHENTICATE, cmd_authenticate},
    {VERB_LOGIN,        cmd_login       },
    {VERB_ENABLE,       cmd_enable      },
    {VERB_NAMESPACE,    cmd_namespace   },
    {VERB_IDLE,         cmd_idle        },
    {VERB_SETQUOTA,     cmd_setquota    },
    {VERB_SEARCH,       cmd_search      },
};

static void run(struct imap_session *s)
{
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (own[i].verb == s->command.verb) {
            own[i].run(s);
            return;
        }
    session_want_work(s);
}

/* A browser that was led here: what follows are lines of a stranger's choice. */
static bool is_browser(const struct imap_session *s, const struct command *c)
{
    static const struct str methods[] = {STR_LIT("GET"), STR_LIT("POST"), STR_LIT("PUT"),
                                         STR_LIT("CONNECT"), STR_LIT("OPTIONS")};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (s->state == STATE_STRANGER && c->verb == VERB_NONE && str_eq(c->tag, methods[i]))
            return true;
    return false;
}

/* Why a command with this tag and this verb is not run, whatever its arguments are; NULL: it
 * is. `why` is what the grammar had to say. */
static const char *not_now(const struct imap_session *s, const struct command *c,
                           const char *why)
{
    if (c->tag.n == 0 || c->verb == VERB_NONE)
        return why;
    if (parse_states(c->verb) & s->state)
        return NULL;
    if (s->state == STATE_STRANGER)
        return "log in first";
    return parse_states(c->verb) == STATE_STRANGER ? "you are logged in already"
                                                   : "select a mailbox first";
}

/* Who does not log in has nothing to say that takes many commands. */
static bool is_too_early(struct imap_session *s)
{
    return s->state == STATE_STRANGER && ++s->early > s->config->junk_commands;
}

static void run_command(struct imap_session *s)
{
    const char *why, *no;
    bool good;

    arena_reset(&s->arena);
    good = parse_command(s->frame.text, &s->arena, &s->command, &why);
    session_hear_command(s, s->frame.text, s->command.verb);
    session_keep_tag(s, s->command.tag);
    no = not_now(s, &s->command, why);
    if (is_browser(s, &s->command))
        session_bye(s, "this is IMAP");
    else if (is_too_early(s))
        session_bye(s, "too many commands without a login");
    else if (no || !good)
        session_bad(s, no ? no : why);
    else
        run(s);
}

/* More than a command may hold (I01, I07). Who does not wait is not read on for long. */
static void refuse_size(struct imap_session *s)
{
    bool endless = s->state == STATE_STRANGER || s->frame.octets > FRAME_COMMAND_BYTES;

    if (!s->frame.synchronizing && endless) {
        session_bye(s, "[TOOBIG] that is too much for a command");
        return;
    }
    session_bad(s, "[TOOBIG] that is too much for a command");
    frame_refuse(&s->frame);
}

/* A literal is announced: what will not be run need not be sent. */
static void run_literal(struct imap_session *s)
{
    struct command *c = &s->command;

    parse_begin(s->frame.text, c);
    session_keep_tag(s, c->tag);
    const char *no = not_now(s, c, "unknown command");
    bool letter = !no && c->verb == VERB_APPEND && !parse_append_name(s->frame.text);
    bool clear = c->verb == VERB_LOGIN && !s->tls && !s->config->clear_auth;
    if (no || letter || clear || !s->frame.fits)
        session_hear_command(s, s->frame.text, c->verb);
    if (letter) {
        session_append_literal(s);
    } else if (!s->frame.fits) {
        refuse_size(s);
    } else if (no) {
        session_bad(s, no);
        frame_refuse(&s->frame);
    } else if (clear) {
        session_may_log_in(s);
        frame_refuse(&s->frame);
    } else {
        if (s->frame.synchronizing)
            buf_add(&s->out, STR("+ go on\r\n"));
        frame_take(&s->frame);
    }
}

static void run_flawed(struct imap_session *s)
{
    parse_begin(s->frame.text, &s->command);
    session_keep_tag(s, s->command.tag);
    session_bad(s, "lines end in CRLF, and hold no NUL, CR or LF");
}

static bool run_frame(struct imap_session *s)
{
    switch (frame_next(&s->frame)) {
    case FRAME_MORE:
        return false;
    case FRAME_COMMAND:
        run_command(s);
        break;
    case FRAME_LITERAL:
        run_literal(s);
        break;
    case FRAME_BAD:
        run_flawed(s);
        break;
    case FRAME_PIECE: /* only while one is streamed */
    case FRAME_TOO_LONG:
        session_bye(s, "[TOOBIG] the line is too long");
        break;
    }
    return true;
}

/* False where there is nothing to do without more input. */
static bool run_mode(struct imap_session *s)
{
    switch (s->mode) {
    case AT_COMMAND:
        return run_frame(s);
    case IN_EXCHANGE:
        return session_run_exchange(s);
    case IN_IDLE:
        return session_run_idle(s);
    case APPENDING:
        return session_run_append(s);
    case APPEND_ASKED:
    case APPEND_ENDS:
    case CLOSED:
        break;
    }
    return false;
}

struct imap_session *imap_new(const struct imap_config *config, bool tls)
{
    struct imap_session *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->config = config;
    s->state = STATE_STRANGER;
    s->want = IMAP_WANT_INPUT;
    s->tls = tls;
    frame_init(&s->frame);
    arena_init(&s->arena);
    buf_init(&s->out, OUTPUT_MAX_BYTES);
    buf_init(&s->heard, 2 * (size_t)FRAME_INPUT_BYTES);
    buf_init(&s->secret, SECRET_BYTES);
    buf_add(&s->out, STR("* OK ["));
    session_print_capabilities(s);
    buf_add(&s->out, STR("] posta ready\r\n"));
    return s;
}

void imap_free(struct imap_session *s)
{
    if (!s)
        return;
    session_wipe(&s->secret);
    frame_done(&s->frame);
    arena_done(&s->arena);
    buf_done(&s->out);
    buf_done(&s->heard);
    buf_done(&s->secret);
    free(s);
}

void imap_feed(struct imap_session *s, struct str in)
{
    if (s->mode != CLOSED)
        frame_feed(&s->frame, in);
}

/* What is kept for a client that does not read: a stranger need not wait for much (I06). The
 * next piece of a long answer is made while the one before is being sent. */
static bool must_flush(const struct imap_session *s)
{
    size_t most = s->state == STATE_STRANGER ? IMAP_STRANGER_OUTPUT_BYTES : IMAP_OUTPUT_BYTES;

    return buf_str(&s->out).n >= most;
}

enum imap_want imap_next(struct imap_session *s, const struct imap_request **req)
{
    *req = &s->req;
    buf_clear(&s->heard);
    while (s->mode != CLOSED) {
        enum imap_want want = s->want;

        if (want == IMAP_WANT_LOGIN && s->req.auth.cancelled)
            s->want = IMAP_WANT_INPUT; /* told once, not answered */
        if (want != IMAP_WANT_INPUT)
            return want;
        if (buf_failed(&s->out))
            s->mode = CLOSED;
        else if (must_flush(s))
            return IMAP_WANT_FLUSH;
        else if (s->again)
            s->want = IMAP_WANT_WORK;
        else if (!run_mode(s))
            return IMAP_WANT_INPUT;
        s->again = false;
    }
    return IMAP_WANT_CLOSE;
}

/* Into an empty buffer the whole block goes, without being copied. */
static void take_output(struct imap_session *s, struct buf *out)
{
    struct buf mine = s->out;

    if (buf_failed(out))
        s->mode = CLOSED; /* half an answer is none */
    if (buf_str(&mine).n == 0 && buf_str(out).n && !buf_failed(&mine)) {
        s->out = *out;
        s->out.max = mine.max;
        mine.max = out->max;
        *out = mine;
    } else {
        buf_add(&s->out, buf_str(out));
    }
    buf_clear(out);
}

void imap_answer_work(struct imap_session *s, struct buf *out, enum work_state state,
                      const struct work_result *result)
{
    assert(s->want == IMAP_WANT_WORK);
    s->want = IMAP_WANT_INPUT;
    take_output(s, out);
    if (s->mode == CLOSED)
        return;
    if (s->mode == APPEND_ASKED || s->mode == APPENDING || s->mode == APPEND_ENDS)
        session_append_answered(s, state, result);
    else if (state == WORK_MORE)
        s->again = true;
    else
        session_work_done(s, result);
}

void imap_notice(struct imap_session *s)
{
    s->noticed = s->mode == IN_IDLE && s->state == STATE_SELECTED;
}

void imap_end(struct imap_session *s, const char *words)
{
    if (words && s->mode != CLOSED)
        session_bye(s, words);
    s->mode = CLOSED;
}

bool imap_idle(const struct imap_session *s)
{
    return s->want == IMAP_WANT_INPUT && !s->again &&
           (s->mode == AT_COMMAND || s->mode == IN_IDLE) && frame_idle(&s->frame);
}

bool imap_idling(const struct imap_session *s)
{
    return s->mode == IN_IDLE;
}

bool imap_logged_in(const struct imap_session *s)
{
    return s->state != STATE_STRANGER;
}

struct str imap_heard(const struct imap_session *s)
{
    return buf_str(&s->heard);
}

struct str imap_output(const struct imap_session *s)
{
    return buf_str(&s->out);
}

void imap_sent(struct imap_session *s, size_t n)
{
    buf_drop(&s->out, n);
}

void imap_rest(struct imap_session *s)
{
    buf_release(&s->out);
    buf_clear(&s->heard);
    buf_release(&s->heard);
    buf_release(&s->secret);
    if (!imap_idle(s))
        return;
    frame_rest(&s->frame);
    arena_done(&s->arena);
}
