/*
 * smtp_oracle - plays the program behind a server session: a fixed world of mailboxes and
 * passwords, widened by what a transcript asks for.
 */
#ifndef POSTA_TEST_SMTP_ORACLE_H
#define POSTA_TEST_SMTP_ORACLE_H

#include "base/arena.h"
#include "mail/address.h"
#include "smtp/server.h"

#include <stdlib.h>

enum { ORACLE_NAMES = 32 };

struct oracle {
    struct smtp_server_config config;
    struct smtp_server *s;
    struct str users[ORACLE_NAMES], passwords[ORACLE_NAMES]; /* may log in                */
    struct str boxes[ORACLE_NAMES], full[ORACLE_NAMES];      /* may receive; are full     */
    size_t nusers, nboxes, nfull;
    struct buf letter;             /* the one that comes in           */
    struct buf kept;               /* the last that was accepted      */
    struct buf sender, recipients; /* and its envelope     */
    unsigned letters, aborts, cancels, steps;
    struct buf name; /* of AUTH LOGIN */
    bool tls_asked;
};

static inline void oracle_init(struct oracle *o, enum smtp_kind kind)
{
    static const char *const names[] = {"alice", "bob", "carol"};
    static const char *const passwords[] = {"wonderland", "builder", "singer"};

    *o = (struct oracle){
        .config = {.kind = kind,
                   .hostname = STR("mail.example.test"),
                   .size_max = 1 << 20,
                   .recipients_max = 1000,
                   .auth_mechanisms = kind == SMTP_SUBMIT ? STR("PLAIN LOGIN") : STR(""),
                   .starttls = kind == SMTP_SUBMIT || kind == SMTP_RECEIVE,
                   .auth_needs_tls = true,
                   .mail_needs_auth = kind == SMTP_SUBMIT,
                   .xspool = kind == SMTP_QUEUE || kind == SMTP_LMTP,
                   .dsn = true}
    };
    for (size_t i = 0; i < 3; i++) {
        o->users[i] = str_c(names[i]);
        o->passwords[i] = str_c(passwords[i]);
    }
    o->nusers = 3;
    buf_init(&o->letter, 64 << 20);
    buf_init(&o->kept, 64 << 20);
    buf_init(&o->sender, 4096);
    buf_init(&o->recipients, 1 << 20);
    buf_init(&o->name, 4096);
}

static inline void oracle_done(struct oracle *o)
{
    smtp_server_free(o->s);
    buf_done(&o->letter);
    buf_done(&o->kept);
    buf_done(&o->sender);
    buf_done(&o->recipients);
    buf_done(&o->name);
}

static inline bool oracle_knows(const struct str *list, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq_nocase(list[i], name))
            return true;
    return false;
}

static inline bool oracle_is_user(const struct oracle *o, struct str local)
{
    return oracle_knows(o->users, o->nusers, str_first(local, str_find(local, '+')));
}

static inline struct smtp_reply oracle_rcpt(const struct oracle *o, struct str path)
{
    struct str domain = address_domain(path), local = address_local(path);

    if (domain.n == 0 || oracle_knows(o->boxes, o->nboxes, path) ||
        oracle_knows(o->full, o->nfull, path))
        return SMTP_REPLY(250, "2.1.5", "Ok");
    if (str_eq_nocase(domain, STR("example.test")))
        return oracle_is_user(o, local) || str_eq_nocase(local, STR("postmaster"))
                   ? SMTP_REPLY(250, "2.1.5", "Ok")
                   : SMTP_REPLY(550, "5.1.1", "no such user here");
    if (o->config.kind == SMTP_QUEUE || smtp_server_user(o->s).n)
        return SMTP_REPLY(250, "2.1.5", "Ok");
    return SMTP_REPLY(554, "5.7.1", "relay access denied");
}

static inline void oracle_check(struct oracle *o, struct str user, struct str password)
{
    struct str local = str_first(user, str_find(user, '@'));

    if (str_eq(local, STR("weather"))) {
        smtp_answer_auth_failed(o->s, SMTP_REPLY(454, "4.7.0", "try again later"));
        return;
    }
    for (size_t i = 0; i < o->nusers; i++)
        if (str_eq_nocase(o->users[i], local) && str_eq(o->passwords[i], password)) {
            smtp_answer_auth_done(o->s, user);
            return;
        }
    smtp_answer_auth_failed(o->s, SMTP_REPLY(535, "5.7.8", "authentication failed"));
}

/* message = [authzid] NUL authcid NUL passwd        RFC 4616 2 */
static inline void oracle_plain(struct oracle *o, struct str message)
{
    struct str authcid, passwd;

    message = str_skip(message, str_find(message, '\0'));
    if (!scan_byte(&message, '\0') || !scan_until(&message, '\0', &authcid) ||
        !scan_byte(&message, '\0') || !scan_until(&message, '\0', &passwd) || message.n)
        smtp_answer_auth_failed(o->s, SMTP_REPLY(535, "5.7.8", "authentication failed"));
    else
        oracle_check(o, authcid, passwd);
}

static inline void oracle_auth(struct oracle *o, const struct smtp_request *req)
{
    if (req->auth.cancelled) {
        o->cancels++;
        return;
    }
    if (req->auth.first) {
        o->steps = 0;
        buf_clear(&o->name);
    }
    if (str_eq(req->auth.mechanism, STR("PLAIN"))) {
        if (req->auth.has_response)
            oracle_plain(o, req->auth.response);
        else
            smtp_answer_auth_challenge(o->s, STR(""));
    } else if (str_eq(req->auth.mechanism, STR("EXTERNAL"))) {
        smtp_answer_auth_done(o->s, STR("alice@example.test"));
    } else if (str_eq(req->auth.mechanism, STR("CRAM-MD5"))) {
        if (o->steps++ == 0)
            smtp_answer_auth_challenge(o->s,
                                       STR("<41952934134.14284772@sourcefour.andrew.cmu.edu>"));
        else
            smtp_answer_auth_done(o->s, STR("alice@example.test"));
    } else if (!req->auth.has_response) {
        smtp_answer_auth_challenge(o->s, STR("Username:"));
    } else if (o->steps++ == 0) {
        buf_add(&o->name, req->auth.response);
        smtp_answer_auth_challenge(o->s, STR("Password:"));
    } else {
        oracle_check(o, buf_str(&o->name), req->auth.response);
    }
}

static inline void oracle_accepted(struct oracle *o, const struct smtp_request *req)
{
    size_t n;
    const struct smtp_rcpt *rcpts = smtp_server_recipients(o->s, &n);

    o->letters++;
    buf_clear(&o->kept);
    buf_add(&o->kept, buf_str(&o->letter));
    buf_clear(&o->sender);
    buf_add(&o->sender, req->mail.reverse_path);
    buf_clear(&o->recipients);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_add_byte(&o->recipients, ' ');
        buf_add(&o->recipients, rcpts[i].forward_path);
    }
}

static inline void oracle_commit(struct oracle *o, const struct smtp_request *req)
{
    size_t n;
    const struct smtp_rcpt *rcpts = smtp_server_recipients(o->s, &n);

    oracle_accepted(o, req);
    if (o->config.kind != SMTP_LMTP) {
        smtp_answer(o->s, SMTP_REPLY(250, "2.0.0", "Ok: queued as 01k9zq4h8c0000000000000"));
        return;
    }
    struct smtp_reply *replies = calloc(n ? n : 1, sizeof(*replies));
    if (!replies)
        abort();
    for (size_t i = 0; i < n; i++)
        replies[i] = oracle_knows(o->full, o->nfull, rcpts[i].forward_path)
                         ? SMTP_REPLY(452, "4.2.2", "over quota")
                         : SMTP_REPLY(250, "2.0.0", "delivered");
    smtp_answer_each(o->s, replies, n);
    free(replies);
}

static inline struct smtp_reply oracle_mail(const struct oracle *o, struct str path)
{
    if (str_eq(path, STR("weather@example.test")))
        return SMTP_REPLY(452, "4.3.1", "no room");
    if (o->config.kind == SMTP_SUBMIT && !str_eq_nocase(path, smtp_server_user(o->s)))
        return SMTP_REPLY(553, "5.7.1", "that is not your address");
    return SMTP_REPLY(250, "2.1.0", "Ok");
}

static inline void oracle_answer(struct oracle *o, enum smtp_want want,
                                 const struct smtp_request *req)
{
    switch (want) {
    case SMTP_WANT_AUTH:
        oracle_auth(o, req);
        break;
    case SMTP_WANT_MAIL:
        smtp_answer(o->s, oracle_mail(o, req->mail.reverse_path));
        break;
    case SMTP_WANT_RCPT:
        smtp_answer(o->s, oracle_rcpt(o, req->rcpt.forward_path));
        break;
    case SMTP_WANT_VRFY:
        smtp_answer(o->s, SMTP_REPLY(252, "2.0.0", "send a letter and see"));
        break;
    case SMTP_WANT_LETTER:
        buf_clear(&o->letter);
        smtp_answer(o->s, SMTP_REPLY(354, "", "End data with <CR><LF>.<CR><LF>"));
        break;
    case SMTP_WANT_BODY:
        buf_add(&o->letter, req->body);
        smtp_answer_body(o->s);
        break;
    case SMTP_WANT_ABORT:
        o->aborts++;
        buf_clear(&o->letter);
        smtp_answer_abort(o->s);
        break;
    case SMTP_WANT_XSPOOL:
        buf_clear(&o->letter);
        buf_addf(&o->letter, "%s %llu %.*s", req->xspool.id.text,
                 (unsigned long long)req->xspool.size, STR_ARGS(req->xspool.flags));
        oracle_commit(o, req);
        break;
    case SMTP_WANT_COMMIT:
        oracle_commit(o, req);
        break;
    case SMTP_WANT_INPUT:
    case SMTP_WANT_STARTTLS:
    case SMTP_WANT_CLOSE:
        break;
    }
}

/* Answers all that is asked. SMTP_WANT_INPUT, SMTP_WANT_STARTTLS or SMTP_WANT_CLOSE; what the
 * session says goes to `said`. */
static inline enum smtp_want oracle_turn(struct oracle *o, struct buf *said)
{
    const struct smtp_request *req;
    enum smtp_want want;

    for (;;) {
        want = smtp_server_next(o->s, &req);
        struct str out = smtp_server_output(o->s);
        buf_add(said, out);
        smtp_server_sent(o->s, out.n);
        if (want == SMTP_WANT_INPUT && out.n > SMTP_OUTPUT_BYTES)
            continue;
        if (want == SMTP_WANT_INPUT || want == SMTP_WANT_STARTTLS || want == SMTP_WANT_CLOSE)
            return want;
        oracle_answer(o, want, req);
    }
}

#endif
