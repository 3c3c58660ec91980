/* client_envelope - one transaction of a client session: ENVELOPE, BODY and RESULT of the
 * picture in client.c. */
#include "smtp/client_impl.h"

static bool pipelining(const struct smtp_client *s)
{
    return (s->offers & (SMTP_EXT_PIPELINING | SMTP_EXT_XSPOOL)) != 0;
}

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

void client_handed(struct smtp_client *s)
{
    for (size_t i = 0; i < s->tx->nrcpts; i++)
        if (s->tx->rcpts[i].phase != SMTP_PHASE_ANSWERED)
            s->tx->rcpts[i].phase = SMTP_PHASE_HANDED;
}

void client_doubt_answers(struct smtp_client *s)
{
    bool named = s->xspool && s->say.stage == END;

    for (size_t i = 0; i < s->tx->nrcpts; i++)
        if (s->tx->rcpts[i].phase == SMTP_PHASE_ANSWERED && !s->tx->rcpts[i].ours)
            s->tx->rcpts[i].phase = named ? SMTP_PHASE_HANDED : SMTP_PHASE_START;
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

bool client_heard_all(const struct smtp_client *s)
{
    return s->say.stage == s->hear.stage && s->say.rcpt == s->hear.rcpt;
}

static void say_one(struct smtp_client *s)
{
    const struct smtp_transaction *tx = s->tx;
    size_t before = s->out.n;

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
        client_handed(s);
        break;
    case END:
        break;
    }
    client_note(s, str_skip(buf_str(&s->out), before));
    step(s, &s->say);
}

/* As much of the envelope as may be said now. */
void client_say_more(struct smtp_client *s)
{
    while (s->state == ENVELOPE && s->say.stage != END && s->out.n < SMTP_OUTPUT_BYTES) {
        bool all = client_heard_all(s);

        if (!all && !pipelining(s))
            return;
        if (s->tx->ask_only && s->say.stage == LAST && !all)
            return; /* nothing may follow the recipients */
        if (all && s->say.stage == LAST && (s->accepted == 0 || s->tx->ask_only)) {
            answer_rest(s, s->mail_reply); /* nobody takes it: no letter */
            over(s, s->mail_reply.code == 0);
            return;
        }
        if (all)
            client_begin_group(s);
        say_one(s);
    }
}

static void refuse(struct smtp_client_rcpt *r, struct smtp_reply reply)
{
    answer(r, reply);
    r->ours = true;
}

/* What must not be said, or is known to be in vain, of the whole letter; code 0: nothing. */
static struct smtp_reply flaw_of(const struct smtp_client *s)
{
    const struct smtp_transaction *tx = s->tx;
    uint64_t size = tx->wire_size ? tx->wire_size : tx->mail.size;

    if (!smtp_is_clean(tx->mail.reverse_path) || !smtp_is_clean(tx->flags))
        return SMTP_REPLY(550, "5.1.7", "the envelope cannot be said");
    if (s->size_max && size > s->size_max)
        return SMTP_REPLY(552, "5.3.4", "the letter is larger than that server takes");
    if (tx->mail.smtputf8 && !(s->offers & SMTP_EXT_SMTPUTF8))
        return SMTP_REPLY(553, "5.6.7", "that server does not take SMTPUTF8");
    return SMTP_REPLY(0, "", "");
}

static void refuse_here(struct smtp_client *s)
{
    struct smtp_reply flaw = flaw_of(s);

    for (size_t i = 0; i < s->tx->nrcpts; i++)
        if (flaw.code)
            refuse(&s->tx->rcpts[i], flaw);
        else if (!smtp_is_clean(s->tx->rcpts[i].rcpt.forward_path))
            refuse(&s->tx->rcpts[i], SMTP_REPLY(550, "5.1.3", "the address cannot be said"));
}

void client_start(struct smtp_client *s)
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
    client_say_more(s);
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
        client_fail_said(s);
}

void client_hear_result(struct smtp_client *s)
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
    if (client_is_good(s))
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
    if (client_is_good(s))
        s->accepted++;
    if (!client_is_good(s) || s->tx->ask_only)
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
        client_begin_group(s);
        dot_encode_end(&s->dot, &s->out);
    } else if (client_is_good(s)) {
        client_fail_protocol(s, "the letter was answered before it was sent");
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
        client_hear_result(s);
    } else if (client_is_good(s)) {
        client_fail_protocol(s, "a letter for nobody was accepted");
    } else {
        answer_rest(s, s->mail_reply.code ? s->mail_reply
                                          : reply_reader_reply(&s->reply, &s->transaction));
        over(s, true);
    }
}

void client_hear_envelope(struct smtp_client *s)
{
    struct cursor at = s->hear;

    step(s, &s->hear);
    switch (at.stage) {
    case RSET:
        if (!client_is_good(s))
            client_fail_said(s);
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
    client_say_more(s);
}
