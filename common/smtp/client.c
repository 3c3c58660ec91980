/*
 * The session, and the function that hears each answer:
 *
 *   GREETING --220--> EHLO --250--> READY --begin--> ENVELOPE --354--> BODY --dot--> RESULT
 *                     |  ^ |          ^    [start]      |                              |
 *                     |  | 5xx        |                 +--- XSPOOL is answered -------+
 *                     |  | v          |                 |                              |
 *          STARTTLS <-+  | HELO --250-+<-- nobody ------+<-------- the last -----------+
 *             |          |            |
 *             +--> TLS --+            +--quit--> QUIT --any--> CLOSED
 *
 * hear_greeting, hear_ehlo, hear_helo, hear_starttls, client_hear_auth, client_hear_envelope
 * and client_hear_result take the answers; a login, where one is wanted, comes before READY;
 * what should not come leads to CLOSED from everywhere (fail).
 *
 * In ENVELOPE two cursors walk over the same commands, RSET MAIL RCPT... DATA: `say` goes ahead
 * as far as the peer takes pipelining, `hear` follows with the replies. A reply with no command
 * before it, or before its command has left, ends the session.
 */
#include "smtp/client_impl.h"

#include <assert.h>
#include <stdlib.h>

enum { INPUT_BYTES = 2 * SMTP_REPLY_BYTES }; /* read and not yet understood */

/* ---- replies ---- */

static struct smtp_reply keep(struct arena *a, struct smtp_reply r)
{
    return (struct smtp_reply){r.code, arena_dup(a, r.enhanced), arena_dup(a, r.text)};
}

void client_fail(struct smtp_client *s, struct smtp_reply why)
{
    if (s->state == CLOSED)
        return;
    s->state = CLOSED;
    s->error = keep(&s->session, why);
}

void client_fail_said(struct smtp_client *s)
{
    if (s->state == CLOSED)
        return;
    client_fail(s, reply_reader_reply(&s->reply, &s->session));
    s->error_said = true;
}

void client_fail_protocol(struct smtp_client *s, const char *what)
{
    if (s->state == ENVELOPE)
        client_doubt_answers(s);
    client_fail(s, (struct smtp_reply){451, STR("4.5.0"), str_c(what)});
}

/* ---- commands ---- */

void client_begin_group(struct smtp_client *s)
{
    s->group_from = s->sent_n + s->out.n;
}

void client_say_alone(struct smtp_client *s, enum state state, struct str verb,
                      struct str argument)
{
    size_t before = s->out.n;

    client_begin_group(s);
    buf_add(&s->out, verb);
    if (argument.n)
        buf_add_byte(&s->out, ' ');
    buf_add(&s->out, argument);
    buf_add(&s->out, STR("\r\n"));
    client_note(s, str_skip(buf_str(&s->out), before));
    s->state = state;
}

void client_note(struct smtp_client *s, struct str line)
{
    if (!s->config.transcript || !*s->config.transcript)
        return;
    if (s->said_taken)
        buf_clear(&s->said);
    s->said_taken = false;
    buf_add(&s->said, line);
}

static void say_ehlo(struct smtp_client *s)
{
    buf_clear(&s->ehlo);
    s->offers = 0;
    s->size_max = 0;
    client_say_alone(s, EHLO, s->config.lmtp ? STR("LHLO") : STR("EHLO"), s->config.hostname);
}

/* ---- hearing ---- */

bool client_is_good(const struct smtp_client *s)
{
    return s->reply.code / 100 == 2;
}

void client_become_ready(struct smtp_client *s)
{
    s->state = READY;
    if (s->tx)
        client_start(s);
}

/* In clear, or through TLS: all that may come before letters has been offered. */
static void hello_is_over(struct smtp_client *s)
{
    if (s->config.starttls_needed && !s->tls)
        client_fail(s, SMTP_REPLY(451, "4.7.4", "that server does not offer STARTTLS"));
    else if (s->config.login)
        client_begin_login(s);
    else
        client_become_ready(s);
}

static void hear_greeting(struct smtp_client *s)
{
    if (s->reply.code == 220)
        say_ehlo(s);
    else
        client_fail_said(s);
}

/* ehlo-line = ehlo-keyword *( SP ehlo-param )        RFC 5321 4.1.1.1
 * One line behind the first, which is a greeting. */
static bool next_offer(struct str *rest, struct str *keyword, struct str *value)
{
    struct str line;

    *rest = str_skip(*rest, str_find(*rest, '\n'));
    if (!scan_byte(rest, '\n'))
        return false;
    line = str_first(*rest, str_find(*rest, '\n'));
    *keyword = str_first(line, str_find(line, ' '));
    *value = str_trim(str_skip(line, keyword->n));
    return true;
}

static void read_offers(struct smtp_client *s)
{
    struct str rest = buf_str(&s->ehlo), keyword, value;

    while (next_offer(&rest, &keyword, &value)) {
        unsigned ext = smtp_ext(keyword);

        s->offers |= ext;
        if (ext == SMTP_EXT_SIZE && (!scan_u64(&value, UINT64_MAX, &s->size_max) || value.n))
            s->size_max = 0;
    }
}

static void hear_ehlo(struct smtp_client *s)
{
    if (!client_is_good(s)) {
        if (s->reply.code / 100 == 5 && !s->config.lmtp)
            client_say_alone(s, HELO, STR("HELO"), s->config.hostname); /* RFC 5321 3.2 */
        else
            client_fail_said(s);
        return;
    }
    buf_add(&s->ehlo, buf_str(&s->reply.text));
    read_offers(s);
    if (!s->tls && s->config.starttls && s->offers & SMTP_EXT_STARTTLS)
        client_say_alone(s, STARTTLS, STR("STARTTLS"), STR(""));
    else
        hello_is_over(s);
}

static void hear_helo(struct smtp_client *s)
{
    if (!client_is_good(s))
        client_fail_said(s);
    else
        hello_is_over(s);
}

/* Bytes behind the 220 came in clear and would be taken for the words of TLS's peer (RFC
 * 3207 4.2). */
static void hear_starttls(struct smtp_client *s)
{
    if (s->reply.code == 220 && s->in.n)
        client_fail(s, SMTP_REPLY(451, "4.7.5", "that server speaks before TLS has begun"));
    else if (s->reply.code == 220)
        s->state = TLS;
    else if (s->config.starttls_needed)
        client_fail(s, SMTP_REPLY(451, "4.7.5", "that server refused STARTTLS"));
    else
        hello_is_over(s);
}

/* Nothing was asked: a server that says good-bye, or one that has lost its place. In the middle
 * of a letter, and before its last octet has left, a refusal is one of the letter. */
static void hear_unasked(struct smtp_client *s)
{
    bool letter = s->state == BODY || (s->state == RESULT && s->accepted);

    if (s->reply.code == 421 || (letter && s->reply.code >= 400))
        client_fail_said(s);
    else
        client_fail_protocol(s, "an answer came that nothing was asked for");
}

/* Is there a command that this reply may answer? */
static bool was_asked(const struct smtp_client *s)
{
    switch (s->state) {
    case GREETING:
        return true;
    case ENVELOPE:
        if (client_heard_all(s))
            return false;
        if (s->hear.stage == LAST) /* not before the last octet has left */
            return s->out.n == 0;
        return s->sent_n > s->group_from;
    case RESULT:
        return s->out.n == 0;
    case EHLO:
    case HELO:
    case STARTTLS:
    case AUTH:
    case QUIT:
        return s->sent_n > s->group_from;
    case TLS:
    case LOGIN:
    case READY:
    case BODY:
    case CLOSED:
        break;
    }
    return false;
}

/* A reply code of class 3 says "go on": only DATA asks for one. A 421 ends the session wherever
 * it comes, except that the results of LMTP are each a recipient's own. */
static bool hear_odd(struct smtp_client *s)
{
    bool last = s->state == ENVELOPE && s->hear.stage == LAST;
    bool of_data = last && !s->xspool, of_letter = s->state == RESULT || (last && s->xspool);

    bool asks = (of_data && s->reply.code == 354) || (s->state == AUTH && s->reply.code == 334);

    if (s->reply.code / 100 == 3 && !asks)
        client_fail_protocol(s, "the answer does not fit");
    else if (s->reply.code == 421 && !of_letter)
        client_fail_said(s);
    return s->state == CLOSED;
}

static void hear(struct smtp_client *s)
{
    static void (*const hears[])(struct smtp_client * s) = {
        [GREETING] = hear_greeting,
        [EHLO] = hear_ehlo,
        [HELO] = hear_helo,
        [STARTTLS] = hear_starttls,
        [AUTH] = client_hear_auth,
        [ENVELOPE] = client_hear_envelope,
        [RESULT] = client_hear_result,
    };

    s->progress++;
    if (!was_asked(s))
        hear_unasked(s);
    else if (s->state == QUIT)
        s->state = CLOSED;
    else if (!hear_odd(s))
        hears[s->state](s);
    reply_reader_next(&s->reply);
}

/* ---- from outside ---- */

struct smtp_client *smtp_client_new(const struct smtp_client_config *config)
{
    struct smtp_client *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    arena_init(&s->session);
    arena_init(&s->transaction);
    buf_init(&s->in, INPUT_BYTES);
    buf_init(&s->out, SIZE_MAX); /* one chunk of ours above SMTP_OUTPUT_BYTES */
    reply_reader_init(&s->reply);
    buf_init(&s->ehlo, SMTP_REPLY_BYTES);
    buf_init(&s->challenge, SMTP_REPLY_BYTES);
    buf_init(&s->said, SMTP_OUTPUT_BYTES * 2);
    s->mechanisms = STR("");
    s->config = *config;
    s->config.hostname = arena_dup(&s->session, config->hostname);
    s->error = SMTP_REPLY(0, "", "");
    return s;
}

void smtp_client_free(struct smtp_client *s)
{
    if (!s)
        return;
    buf_done(&s->in);
    buf_done(&s->out);
    reply_reader_done(&s->reply);
    buf_done(&s->ehlo);
    buf_done(&s->challenge);
    buf_done(&s->said);
    arena_done(&s->session);
    arena_done(&s->transaction);
    free(s);
}

static void run(struct smtp_client *s)
{
    if (s->state == ENVELOPE)
        client_say_more(s);
    while (s->state != CLOSED && reply_reader_take(&s->reply, &s->in))
        hear(s);
    if (s->reply.flaw)
        client_fail_protocol(s, s->reply.flaw);
    if (s->state == CLOSED)
        buf_clear(&s->in);
    buf_release(&s->in);
}

void smtp_client_feed(struct smtp_client *s, struct str in)
{
    if (s->state == CLOSED || in.n == 0)
        return;
    if (s->state == TLS) {
        client_fail(s, SMTP_REPLY(451, "4.7.5", "that server speaks before TLS has begun"));
        return;
    }
    buf_add(&s->in, in);
    run(s);
    if (buf_failed(&s->in))
        client_fail_protocol(s, "the answer is too long");
}

enum smtp_client_want smtp_client_next(struct smtp_client *s)
{
    run(s);
    if (s->done) {
        s->done = false;
        return SMTP_CLIENT_DONE;
    }
    if (s->state == READY && s->quit)
        client_say_alone(s, QUIT, STR("QUIT"), STR(""));
    switch (s->state) {
    case TLS:
        return SMTP_CLIENT_STARTTLS;
    case LOGIN:
        return SMTP_CLIENT_LOGIN;
    case READY:
        return SMTP_CLIENT_READY;
    case BODY:
        return s->out.n < SMTP_OUTPUT_BYTES ? SMTP_CLIENT_BODY : SMTP_CLIENT_INPUT;
    case CLOSED:
        return SMTP_CLIENT_CLOSE;
    case GREETING:
    case EHLO:
    case HELO:
    case STARTTLS:
    case AUTH:
    case ENVELOPE:
    case RESULT:
    case QUIT:
        break;
    }
    return SMTP_CLIENT_INPUT;
}

void smtp_client_begin(struct smtp_client *s, struct smtp_transaction *tx)
{
    assert(!s->tx && tx->nrcpts > 0);
    arena_reset(&s->transaction);
    s->tx = tx;
    for (size_t i = 0; i < tx->nrcpts; i++) {
        tx->rcpts[i].phase = SMTP_PHASE_START;
        tx->rcpts[i].ours = false;
    }
    if (s->state == READY)
        client_start(s);
}

void smtp_client_body(struct smtp_client *s, struct str chunk, bool last)
{
    if (s->state != BODY)
        return;
    dot_encode(&s->dot, chunk, &s->out);
    if (!last)
        return;
    dot_encode_end(&s->dot, &s->out);
    client_handed(s);
    s->state = RESULT;
}

void smtp_client_tls_started(struct smtp_client *s)
{
    if (s->state != TLS)
        return;
    s->tls = true;
    say_ehlo(s); /* what was said in clear is forgotten: RFC 3207 4.2 */
}

void smtp_client_quit(struct smtp_client *s)
{
    s->quit = true;
}

struct smtp_reply smtp_client_error(const struct smtp_client *s)
{
    return s->error;
}

bool smtp_client_error_said(const struct smtp_client *s)
{
    return s->error_said;
}

bool smtp_client_offer(const struct smtp_client *s, struct str keyword, struct str *value)
{
    struct str rest = buf_str(&s->ehlo), word;

    while (next_offer(&rest, &word, value))
        if (str_eq_nocase(word, keyword))
            return true;
    return false;
}

bool smtp_client_offers(const struct smtp_client *s, struct str keyword)
{
    struct str value;

    return smtp_client_offer(s, keyword, &value);
}

enum smtp_client_step smtp_client_step(const struct smtp_client *s, uint64_t *progress)
{
    *progress = s->progress;
    switch (s->state) {
    case GREETING:
        return SMTP_STEP_GREETING;
    case BODY:
        return SMTP_STEP_BODY;
    case RESULT:
        return s->out.n ? SMTP_STEP_BODY : SMTP_STEP_RESULT;
    case ENVELOPE:
        return s->hear.stage == LAST && s->say.stage == END ? SMTP_STEP_DATA
                                                            : SMTP_STEP_COMMAND;
    case EHLO:
    case HELO:
    case STARTTLS:
    case TLS:
    case LOGIN:
    case AUTH:
    case READY:
    case QUIT:
    case CLOSED:
        break;
    }
    return SMTP_STEP_COMMAND;
}

struct str smtp_client_said(struct smtp_client *s)
{
    struct str all = s->said_taken ? STR("") : buf_str(&s->said);

    s->said_taken = true;
    return all;
}

struct str smtp_client_output(const struct smtp_client *s)
{
    return buf_str(&s->out);
}

void smtp_client_sent(struct smtp_client *s, size_t n)
{
    buf_drop(&s->out, n);
    buf_release(&s->out);
    s->sent_n += n;
    if (s->state == BODY || s->state == RESULT)
        s->progress += n;
}
