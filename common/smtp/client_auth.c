/*
 * client_auth - the login of a client session (RFC 4954). What the responses are is the
 * program's business.
 *
 *   LOGIN ──smtp_client_auth_begin()──▶ AUTH ──235──▶ READY
 *     ▲                                  │  │
 *     └───────────────334────────────────┘  └──4xx, 5xx──▶ CLOSED
 */
#include "smtp/client_impl.h"

#include "base/base64.h"

enum {
    AUTH_LINE_BYTES = 510, /* of a command with its first response: RFC 4954 4, RFC 5321
                              4.5.3.1.4 without CRLF */
    REFUSED_BYTES = 1200,
};

void client_begin_login(struct smtp_client *s)
{
    struct str mechanisms;

    if (!smtp_client_offer(s, STR("AUTH"), &mechanisms)) {
        client_fail(s, SMTP_REPLY(454, "4.7.0", "that server offers no login"));
        return;
    }
    s->mechanisms = arena_dup(&s->session, mechanisms);
    s->state = LOGIN;
}

struct str smtp_client_mechanisms(const struct smtp_client *s)
{
    return s->mechanisms;
}

bool smtp_client_challenge(const struct smtp_client *s, struct str *challenge)
{
    *challenge = buf_str(&s->challenge);
    return s->challenged;
}

/* One line, which is a secret; `=` is a response without octets (RFC 4954 4). */
static void say_response(struct smtp_client *s, struct str octets, bool initial)
{
    if (initial && octets.n == 0)
        buf_add_byte(&s->out, '=');
    base64_add(&s->out, octets);
    buf_add(&s->out, STR("\r\n"));
    s->state = AUTH;
}

void smtp_client_auth_begin(struct smtp_client *s, struct str mechanism, bool has_response,
                            struct str response)
{
    if (s->state != LOGIN || s->challenged)
        return;
    client_begin_group(s);
    client_note(s, STR("AUTH ***\r\n"));
    buf_add(&s->out, STR("AUTH "));
    buf_add(&s->out, mechanism);
    s->has_to_say_next =
        has_response && mechanism.n + 6 + (response.n + 2) / 3 * 4 > AUTH_LINE_BYTES;
    if (has_response && !s->has_to_say_next) {
        buf_add_byte(&s->out, ' ');
        say_response(s, response, true);
        return;
    }
    s->to_say_next = arena_dup(&s->session, response);
    buf_add(&s->out, STR("\r\n"));
    s->state = AUTH;
}

void smtp_client_auth_answer(struct smtp_client *s, struct str response)
{
    if (s->state != LOGIN || !s->challenged)
        return;
    client_begin_group(s);
    client_note(s, STR("***\r\n"));
    say_response(s, response, false);
}

void smtp_client_auth_cancel(struct smtp_client *s, const char *why)
{
    if (s->state == LOGIN)
        client_fail(s, (struct smtp_reply){454, STR("4.7.0"), str_c(why)});
}

/* What is wrong is the password that was given to us, not the letter: it waits. */
static void refused(struct smtp_client *s)
{
    struct smtp_reply r = reply_reader_reply(&s->reply, &s->session);
    struct buf words;

    buf_init(&words, REFUSED_BYTES);
    buf_addf(&words, "the login was refused: %d %.*s%s%.*s", r.code, STR_ARGS(r.enhanced),
             r.enhanced.n ? " " : "", STR_ARGS(r.text));
    client_fail(s, (struct smtp_reply){454, STR("4.7.8"), buf_str(&words)});
    buf_done(&words);
}

void client_hear_auth(struct smtp_client *s)
{
    if (client_is_good(s)) {
        client_become_ready(s);
        return;
    }
    if (s->reply.code != 334) {
        refused(s);
        return;
    }
    buf_clear(&s->challenge);
    s->challenged = true;
    if (s->has_to_say_next) {
        s->has_to_say_next = false;
        s->state = LOGIN;
        smtp_client_auth_answer(s, s->to_say_next);
    } else if (base64_decode(&s->challenge, str_trim(buf_str(&s->reply.text)))) {
        s->state = LOGIN;
    } else {
        client_fail_protocol(s, "the challenge is not base64");
    }
}
