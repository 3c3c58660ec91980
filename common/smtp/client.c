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
 * hear_greeting, hear_ehlo, hear_helo, hear_starttls, hear_envelope and hear_result take the
 * answers; what should not come leads to CLOSED from everywhere (fail).
 *
 * In ENVELOPE two cursors walk over the same commands, RSET MAIL RCPT... DATA: `say` goes ahead
 * as far as the peer takes pipelining, `hear` follows with the replies. A reply with no command
 * before it, or before its command has left, ends the session.
 */
#include "smtp/client.h"

#include "base/arena.h"
#include "smtp/params.h"
#include "smtp/reply_reader.h"
#include "wire/dot.h"

#include <assert.h>
#include <stdlib.h>

enum { INPUT_BYTES = 2 * SMTP_REPLY_BYTES }; /* read and not yet understood */
enum state { GREETING, EHLO, HELO, STARTTLS, TLS, READY, ENVELOPE, BODY, RESULT, QUIT, CLOSED };

enum stage { RSET, MAIL, RCPT, LAST, END };

struct cursor {
    enum stage stage;
    size_t rcpt; /* while stage is RCPT */
};

struct smtp_client {
    struct smtp_client_config config;
    enum state state;
    bool done; /* SMTP_CLIENT_DONE is due                         */
    bool quit; /* asked for, when READY comes                      */
    bool tls;
    bool need_rset; /* the peer may have a transaction open             */
    struct buf in, out;
    uint64_t sent_n;     /* octets that ever left                        */
    uint64_t group_from; /* where the commands began that are unanswered */

    struct reply_reader reply; /* that is being read, or heard                   */

    struct buf ehlo; /* the answer to EHLO */
    unsigned offers;
    uint64_t size_max;

    struct arena session, transaction;
    struct smtp_reply error;
    struct smtp_transaction *tx;
    bool xspool; /* this transaction hands over by name */
    struct cursor say, hear;
    struct smtp_reply mail_reply;
    size_t accepted; /* recipients, by RCPT                              */
    size_t result;   /* RESULT of LMTP: the recipient whose turn it is  */
    struct dot_encoder dot;
};

/* ---- replies ---- */

static struct smtp_reply keep(struct arena *a, struct smtp_reply r)
{
    return (struct smtp_reply){r.code, arena_dup(a, r.enhanced), arena_dup(a, r.text)};
}

/* Ends the session; the first reason counts. */
static void fail(struct smtp_client *s, struct smtp_reply why)
{
    if (s->state == CLOSED)
        return;
    s->state = CLOSED;
    s->error = keep(&s->session, why);
}

static void fail_protocol(struct smtp_client *s, const char *what)
{
    fail(s, (struct smtp_reply){451, STR("4.5.0"), str_c(what)});
}

/* ---- commands ---- */

/* Before the first of some commands that are answered together. */
static void begin_group(struct smtp_client *s)
{
    s->group_from = s->sent_n + s->out.n;
}

static void say_alone(struct smtp_client *s, enum state state, struct str verb,
                      struct str argument)
{
    begin_group(s);
    buf_add(&s->out, verb);
    if (argument.n)
        buf_add_byte(&s->out, ' ');
    buf_add(&s->out, argument);
    buf_add(&s->out, STR("\r\n"));
    s->state = state;
}

static void say_ehlo(struct smtp_client *s)
{
    buf_clear(&s->ehlo);
    s->offers = 0;
    s->size_max = 0;
    say_alone(s, EHLO, s->config.lmtp ? STR("LHLO") : STR("EHLO"), s->config.hostname);
}

static bool pipelining(const struct smtp_client *s)
{
    return (s->offers & (SMTP_EXT_PIPELINING | SMTP_EXT_XSPOOL)) != 0;
}

/* ---- the transaction ---- */

static void answer(struct smtp_client_rcpt *r, struct smtp_reply reply)
{
    r->phase = SMTP_PHASE_ANSWERED;
    r->reply = reply;
}

static void answer_rest(struct smtp_client *s, struct smtp_reply reply)
{
    for (size_t i = 0; i < s->tx->nrcpts; i++)
        if (s->tx->rcpts[i].phase != SMTP_PHASE_ANSWERED)
            answer(&s->tx->rcpts[i], reply);
}

static void handed(struct smtp_client *s)
{
    for (size_t i = 0; i < s->tx->nrcpts; i++)
        if (s->tx->rcpts[i].phase != SMTP_PHASE_ANSWERED)
            s->tx->rcpts[i].phase = SMTP_PHASE_HANDED;
}

static void over(struct smtp_client *s, bool need_rset)
{
    s->need_rset = need_rset;
    s->tx = NULL;
    s->done = true;
    s->state = READY;
}

/* A recipient ahead of the cursor that has an answer was refused by us, and is not said. */
static void skip_answered(const struct smtp_client *s, struct cursor *c)
{
    if (c->stage != RCPT)
        return;
    while (c->rcpt < s->tx->nrcpts && s->tx->rcpts[c->rcpt].phase == SMTP_PHASE_ANSWERED)
        c->rcpt++;
    if (c->rcpt == s->tx->nrcpts)
        c->stage = LAST;
}

static void step(const struct smtp_client *s, struct cursor *c)
{
    if (c->stage == RCPT)
        c->rcpt++;
    else
        c->stage++;
    skip_answered(s, c);
}

static bool heard_all(const struct smtp_client *s)
{
    return s->say.stage == s->hear.stage && s->say.rcpt == s->hear.rcpt;
}

static void say_one(struct smtp_client *s)
{
    const struct smtp_transaction *tx = s->tx;

    switch (s->say.stage) {
    case RSET:
        buf_add(&s->out, STR("RSET\r\n"));
        break;
    case MAIL:
        smtp_mail_print(&s->out, &tx->mail, tx->wire_size ? tx->wire_size : tx->mail.size,
                        s->offers);
        break;
    case RCPT:
        smtp_rcpt_print(&s->out, &tx->rcpts[s->say.rcpt].rcpt, s->offers);
        break;
    case LAST:
        if (!s->xspool) {
            buf_add(&s->out, STR("DATA\r\n"));
            break;
        }
        buf_addf(&s->out, "XSPOOL %s %llu%s", tx->id.text, (unsigned long long)tx->size,
                 tx->flags.n ? " " : "");
        buf_add(&s->out, tx->flags);
        buf_add(&s->out, STR("\r\n"));
        handed(s);
        break;
    case END:
        break;
    }
    step(s, &s->say);
}

/* As much of the envelope as may be said now. */
static void say_more(struct smtp_client *s)
{
    while (s->state == ENVELOPE && s->say.stage != END && s->out.n < SMTP_OUTPUT_BYTES) {
        bool all = heard_all(s);

        if (!all && !pipelining(s))
            return;
        if (all && s->say.stage == LAST && s->accepted == 0) { /* nobody takes it: no letter */
            answer_rest(s, s->mail_reply);
            over(s, s->mail_reply.code == 0);
            return;
        }
        if (all)
            begin_group(s);
        say_one(s);
    }
}

/* What must not be said, or is known to be in vain. */
static void refuse_here(struct smtp_client *s)
{
    struct smtp_transaction *tx = s->tx;
    uint64_t size = tx->wire_size ? tx->wire_size : tx->mail.size;

    if (!smtp_is_clean(tx->mail.reverse_path) || !smtp_is_clean(tx->flags))
        answer_rest(s, SMTP_REPLY(550, "5.1.7", "the envelope cannot be said"));
    else if (s->size_max && size > s->size_max)
        answer_rest(s, SMTP_REPLY(552, "5.3.4", "the letter is larger than that server takes"));
    else if (tx->mail.smtputf8 && !(s->offers & SMTP_EXT_SMTPUTF8))
        answer_rest(s, SMTP_REPLY(553, "5.6.7", "that server does not take SMTPUTF8"));
    for (size_t i = 0; i < tx->nrcpts; i++)
        if (tx->rcpts[i].phase != SMTP_PHASE_ANSWERED &&
            !smtp_is_clean(tx->rcpts[i].rcpt.forward_path))
            answer(&tx->rcpts[i], SMTP_REPLY(550, "5.1.3", "the address cannot be said"));
}

static void start(struct smtp_client *s)
{
    struct smtp_transaction *tx = s->tx;
    struct cursor first = {.stage = RCPT};

    refuse_here(s);
    skip_answered(s, &first);
    if (first.stage == LAST) {
        over(s, s->need_rset);
        return;
    }
    s->xspool = tx->xspool && s->offers & SMTP_EXT_XSPOOL;
    s->state = ENVELOPE;
    s->say = s->hear = (struct cursor){.stage = s->need_rset ? RSET : MAIL};
    s->accepted = s->result = 0;
    s->mail_reply = (struct smtp_reply){.code = 0};
    say_more(s);
}

/* ---- hearing ---- */

static bool is_good(const struct smtp_client *s)
{
    return s->reply.code / 100 == 2;
}

static void become_ready(struct smtp_client *s)
{
    if (s->config.starttls_needed && !s->tls) {
        fail(s, SMTP_REPLY(451, "4.7.4", "that server does not offer STARTTLS"));
        return;
    }
    s->state = READY;
    if (s->tx)
        start(s);
}

static void hear_greeting(struct smtp_client *s)
{
    if (s->reply.code == 220)
        say_ehlo(s);
    else
        fail(s, reply_reader_reply(&s->reply, &s->session));
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
    if (!is_good(s)) {
        if (s->reply.code / 100 == 5 && !s->config.lmtp)
            say_alone(s, HELO, STR("HELO"), s->config.hostname); /* RFC 5321 3.2 */
        else
            fail(s, reply_reader_reply(&s->reply, &s->session));
        return;
    }
    buf_add(&s->ehlo, buf_str(&s->reply.text));
    read_offers(s);
    if (!s->tls && s->config.starttls && s->offers & SMTP_EXT_STARTTLS)
        say_alone(s, STARTTLS, STR("STARTTLS"), STR(""));
    else
        become_ready(s);
}

static void hear_helo(struct smtp_client *s)
{
    if (!is_good(s))
        fail(s, reply_reader_reply(&s->reply, &s->session));
    else
        become_ready(s);
}

/* Bytes behind the 220 came in clear and would be taken for the words of TLS's peer (RFC
 * 3207 4.2). */
static void hear_starttls(struct smtp_client *s)
{
    if (s->reply.code == 220 && s->in.n)
        fail(s, SMTP_REPLY(451, "4.7.5", "that server speaks before TLS has begun"));
    else if (s->reply.code == 220)
        s->state = TLS;
    else if (s->config.starttls_needed)
        fail(s, SMTP_REPLY(451, "4.7.5", "that server refused STARTTLS"));
    else
        become_ready(s);
}

/* A server that did not understand XSPOOL still has the transaction open (RFC 5321 4.2.2). */
static bool command_refused(const struct smtp_client *s)
{
    return s->xspool && s->reply.code >= 500 && s->reply.code <= 504;
}

/* The letter or its name has its answer, the same for all that were accepted. */
static void hear_end(struct smtp_client *s)
{
    struct smtp_reply r = reply_reader_reply(&s->reply, &s->transaction);

    answer_rest(s, r);
    over(s, command_refused(s));
    if (s->reply.code == 421)
        fail(s, r);
}

static void hear_result(struct smtp_client *s)
{
    struct smtp_transaction *tx = s->tx;

    if (s->accepted ==
        0) { /* the lone dot behind a 354 for nobody: no letter, whatever is said */
        answer_rest(s, s->mail_reply);
        over(s, false);
        return;
    }
    if (!s->config.lmtp) {
        hear_end(s);
        return;
    }
    while (tx->rcpts[s->result].phase == SMTP_PHASE_ANSWERED)
        s->result++;
    answer(&tx->rcpts[s->result], reply_reader_reply(&s->reply, &s->transaction));
    if (--s->accepted == 0)
        over(s, command_refused(s));
}

static void hear_mail(struct smtp_client *s)
{
    if (is_good(s))
        return;
    s->mail_reply = reply_reader_reply(&s->reply, &s->transaction);
    if (!pipelining(s)) {
        answer_rest(s, s->mail_reply);
        over(s, false);
    }
}

static void hear_rcpt(struct smtp_client *s, size_t i)
{
    if (s->mail_reply.code)
        return; /* what follows a refused MAIL says nothing new */
    if (is_good(s))
        s->accepted++;
    else
        answer(&s->tx->rcpts[i], reply_reader_reply(&s->reply, &s->transaction));
}

/* The answer to DATA: 354, or a refusal. With nobody accepted a 354 must have its dot (RFC
 * 2920 3.1). */
static void hear_data(struct smtp_client *s)
{
    if (s->reply.code == 354) {
        dot_encoder_init(&s->dot);
        s->state = s->accepted ? BODY : RESULT;
        if (s->accepted)
            return;
        begin_group(s);
        dot_encode_end(&s->dot, &s->out);
    } else if (is_good(s)) {
        fail_protocol(s, "the letter was answered before it was sent");
    } else {
        answer_rest(s, s->mail_reply.code ? s->mail_reply
                                          : reply_reader_reply(&s->reply, &s->transaction));
        over(s, true);
    }
}

static void hear_xspool(struct smtp_client *s)
{
    if (s->accepted) {
        s->state = RESULT;
        hear_result(s);
    } else if (is_good(s)) {
        fail_protocol(s, "a letter for nobody was accepted");
    } else {
        answer_rest(s, s->mail_reply.code ? s->mail_reply
                                          : reply_reader_reply(&s->reply, &s->transaction));
        over(s, true);
    }
}

static void hear_envelope(struct smtp_client *s)
{
    struct cursor at = s->hear;

    step(s, &s->hear);
    switch (at.stage) {
    case RSET:
        if (!is_good(s))
            fail(s, reply_reader_reply(&s->reply, &s->session));
        break;
    case MAIL:
        hear_mail(s);
        break;
    case RCPT:
        hear_rcpt(s, at.rcpt);
        break;
    case LAST:
        if (s->xspool)
            hear_xspool(s);
        else
            hear_data(s);
        break;
    case END:
        break;
    }
    say_more(s);
}

/* Nothing was asked: a server that says good-bye, or one that has lost its place. In the middle
 * of a letter a refusal is one of the letter. */
static void hear_unasked(struct smtp_client *s)
{
    if (s->reply.code == 421 || (s->state == BODY && s->reply.code >= 400))
        fail(s, reply_reader_reply(&s->reply, &s->session));
    else
        fail_protocol(s, "an answer came that nothing was asked for");
}

/* Is there a command that this reply may answer? */
static bool was_asked(const struct smtp_client *s)
{
    switch (s->state) {
    case GREETING:
        return true;
    case ENVELOPE:
        if (heard_all(s))
            return false;
        if (s->hear.stage == LAST) /* not before the last octet has left */
            return s->out.n == 0;
        return s->sent_n > s->group_from;
    case RESULT:
        return s->out.n == 0;
    case EHLO:
    case HELO:
    case STARTTLS:
    case QUIT:
        return s->sent_n > s->group_from;
    case TLS:
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

    if (s->reply.code / 100 == 3 && !(of_data && s->reply.code == 354))
        fail_protocol(s, "the answer does not fit");
    else if (s->reply.code == 421 && !of_letter)
        fail(s, reply_reader_reply(&s->reply, &s->session));
    return s->state == CLOSED;
}

static void hear(struct smtp_client *s)
{
    static void (*const hears[])(struct smtp_client * s) = {
        [GREETING] = hear_greeting, [EHLO] = hear_ehlo,         [HELO] = hear_helo,
        [STARTTLS] = hear_starttls, [ENVELOPE] = hear_envelope, [RESULT] = hear_result,
    };

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
    arena_done(&s->session);
    arena_done(&s->transaction);
    free(s);
}

static void run(struct smtp_client *s)
{
    if (s->state == ENVELOPE)
        say_more(s);
    while (s->state != CLOSED && reply_reader_take(&s->reply, &s->in))
        hear(s);
    if (s->reply.flaw)
        fail_protocol(s, s->reply.flaw);
    if (s->state == CLOSED)
        buf_clear(&s->in);
    buf_release(&s->in);
}

void smtp_client_feed(struct smtp_client *s, struct str in)
{
    if (s->state == CLOSED || in.n == 0)
        return;
    if (s->state == TLS) {
        fail(s, SMTP_REPLY(451, "4.7.5", "that server speaks before TLS has begun"));
        return;
    }
    buf_add(&s->in, in);
    run(s);
    if (buf_failed(&s->in))
        fail_protocol(s, "the answer is too long");
}

enum smtp_client_want smtp_client_next(struct smtp_client *s)
{
    run(s);
    if (s->done) {
        s->done = false;
        return SMTP_CLIENT_DONE;
    }
    if (s->state == READY && s->quit)
        say_alone(s, QUIT, STR("QUIT"), STR(""));
    switch (s->state) {
    case TLS:
        return SMTP_CLIENT_STARTTLS;
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
    for (size_t i = 0; i < tx->nrcpts; i++)
        tx->rcpts[i].phase = SMTP_PHASE_START;
    if (s->state == READY)
        start(s);
}

void smtp_client_body(struct smtp_client *s, struct str chunk, bool last)
{
    if (s->state != BODY)
        return;
    dot_encode(&s->dot, chunk, &s->out);
    if (!last)
        return;
    dot_encode_end(&s->dot, &s->out);
    handed(s);
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

bool smtp_client_offers(const struct smtp_client *s, struct str keyword)
{
    struct str rest = buf_str(&s->ehlo), word, value;

    while (next_offer(&rest, &word, &value))
        if (str_eq_nocase(word, keyword))
            return true;
    return false;
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
}
