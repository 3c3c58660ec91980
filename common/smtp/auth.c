/*
 * AUTH (RFC 4954 4): an exchange between the client and the program.
 *
 *             AUTH [smtp_auth_step]                  auth_challenge: 334
 *    none ----------------------------> the program --------------------> the client
 *     ^                                  |   ^                               |   |
 *     |<--- auth_done, auth_failed ------+   +---- a response [auth_line] ---+   |
 *     +<--- "*", not base64, a line too long [smtp_auth_cancel] -----------------+
 */
#include "base/base64.h"
#include "smtp/session.h"

void smtp_auth_wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_done(b);
}

void smtp_auth_cancel(struct smtp_server *s)
{
    if (!s->exchange)
        return;
    s->exchange = false;
    s->cancelled = true;
    s->reading = SMTP_READ_COMMAND;
}

static void cancelled(struct smtp_server *s, struct smtp_reply r)
{
    smtp_auth_cancel(s);
    smtp_refuse(s, r);
}

void smtp_auth_step(struct smtp_server *s, struct str base64, bool first)
{
    /* "=" is an initial response of no octets        RFC 4954 4 */
    if (first && str_eq(base64, STR("=")))
        base64 = STR("");
    buf_clear(&s->secret);
    if (!base64_decode(&s->secret, base64)) {
        if (first) /* the program has not heard of this exchange */
            s->exchange = false;
        cancelled(s, SMTP_REPLY(501, "5.5.2", "that is not base64"));
        return;
    }
    s->req.auth.response = buf_str(&s->secret);
    s->req.auth.has_response = !first || s->req.auth.has_response;
    s->req.auth.first = first;
    s->req.auth.cancelled = false;
    smtp_ask(s, SMTP_WANT_AUTH);
}

void smtp_auth_line(struct smtp_server *s, struct str line)
{
    s->reading = SMTP_READ_COMMAND;
    if (str_eq(line, STR("*")))
        cancelled(s, SMTP_REPLY(501, "5.7.0", "cancelled"));
    else
        smtp_auth_step(s, line, false);
}

/* What the program saw of the client's secrets is not kept. Last of all: the program's answer
 * may point into them. */
static void forget_secret(struct smtp_server *s)
{
    smtp_auth_wipe(&s->secret);
    s->req.auth.response = STR("");
}

void smtp_answer_auth_challenge(struct smtp_server *s, struct str challenge)
{
    if (smtp_answered(s, 1u << SMTP_WANT_AUTH)) {
        buf_add(&s->out, STR("334 "));
        base64_add(&s->out, challenge);
        buf_add(&s->out, STR("\r\n"));
        s->reading = SMTP_READ_AUTH;
    }
    forget_secret(s);
}

void smtp_answer_auth_done(struct smtp_server *s, struct str user)
{
    if (smtp_answered(s, 1u << SMTP_WANT_AUTH)) {
        s->exchange = false;
        buf_clear(&s->user);
        buf_add(&s->user, user);
        smtp_say(s, SMTP_REPLY(235, "2.7.0", "Authentication successful"));
    }
    forget_secret(s);
}

void smtp_answer_auth_failed(struct smtp_server *s, struct smtp_reply r)
{
    if (smtp_answered(s, 1u << SMTP_WANT_AUTH)) {
        s->exchange = false;
        smtp_say(s, r);
        if (smtp_reply_class(r) == 5 && ++s->auth_failures >= s->auth_max)
            smtp_bye(s, SMTP_REPLY(421, "4.7.0", "too many failed logins"));
    }
    forget_secret(s);
}
