/*
 * server - SMTP (RFC 5321) and LMTP (RFC 2033) from the side that listens, as
 * a pure state machine: ports 25, 587, 465, queue.sock, mda.sock, send.sock.
 *
 * No sockets, no files, no clock. Bytes go in, bytes come out, and whatever
 * needs the outside world is asked for, one thing at a time:
 *
 *     smtp_server_feed() -> smtp_server_next() says what it wants -> do it ->
 *     smtp_answer*() -> smtp_server_output() / smtp_server_sent()
 *
 * The session never calls out; it may be freed between any two calls. Replies
 * leave in the order of the commands, also when they come pipelined
 * (RFC 2920). Lines end in CRLF only; a bare CR or LF is refused (RFC 5321
 * 2.3.8), in a letter with 550 at its real end.
 */
#ifndef POSTA_SMTP_SERVER_H
#define POSTA_SMTP_SERVER_H

#include "base/buf.h"
#include "base/id.h"
#include "smtp/envelope.h"
#include "smtp/limits.h"
#include "smtp/reply.h"

enum smtp_kind {
    SMTP_RECEIVE, /* 25                                                    */
    SMTP_SUBMIT,  /* 587, 465: RFC 6409                                    */
    SMTP_QUEUE,   /* queue.sock: what SMTP_RECEIVE is, for our own boxes     */
    SMTP_LMTP,    /* mda.sock, send.sock: LHLO, a reply a recipient at the end */
};

/* What a session offers and insists on. Lives as long as the session. */
struct smtp_server_config {
    enum smtp_kind kind;
    struct str hostname;
    uint64_t size_max; /* octets of a letter as sent; SIZE            */
    uint32_t recipients_max;
    struct str auth_mechanisms; /* "PLAIN LOGIN"; "" offers no AUTH           */
    bool starttls;              /* offered while in clear                      */
    bool auth_needs_tls;        /* AUTH in clear: 538 (RFC 4954 4), not announced */
    bool mail_needs_auth;       /* MAIL before AUTH: 530 5.7.0 (RFC 6409 4.3)   */
    bool mail_needs_tls;        /* MAIL in clear: 530 5.7.0 (RFC 3207 4)        */
    bool xspool;                /* XSPOOL is announced                          */
    bool dsn;                   /* RFC 3461: its parameters are announced      */
    /* Then 421. 0 is the default of limits.h for RECEIVE and SUBMIT, no limit between our
     * boxes. */
    uint32_t bad_commands_max, junk_commands_max, auth_failures_max;
    const bool *transcript; /* true: keep the commands for smtp_server_heard() */
};

enum smtp_want {
    SMTP_WANT_INPUT,    /* more bytes: smtp_server_feed(); or, while there is output,
                           smtp_server_sent() */
    SMTP_WANT_STARTTLS, /* flush the output, start TLS: smtp_server_tls_started() */
    SMTP_WANT_AUTH,     /* a step of req.auth: smtp_answer_auth_*()             */
    SMTP_WANT_MAIL,     /* is req.mail welcome? smtp_answer()                   */
    SMTP_WANT_RCPT,     /* is req.rcpt? smtp_answer()                           */
    SMTP_WANT_VRFY,     /* req.text: smtp_answer()                              */
    SMTP_WANT_LETTER,   /* a letter may begin (DATA)? smtp_answer(): 354 or no  */
    SMTP_WANT_BODY,     /* keep req.body, its next bytes, LF line ends: smtp_answer_body() */
    SMTP_WANT_COMMIT,   /* the letter is whole: smtp_answer(), or for LMTP one a recipient */
    SMTP_WANT_XSPOOL,   /* req.xspool in the place of a letter: as SMTP_WANT_COMMIT */
    SMTP_WANT_ABORT, /* drop the letter that began (bad bytes, too large): smtp_answer_abort()
                      */
    SMTP_WANT_CLOSE, /* flush the output, then close                         */
};

struct smtp_request {
    struct smtp_mail mail; /* from SMTP_WANT_MAIL on, for the transaction   */
    struct smtp_rcpt rcpt; /* SMTP_WANT_RCPT                                */
    struct str text;       /* SMTP_WANT_VRFY                                */
    struct str body;       /* SMTP_WANT_BODY                                */
    struct {
        struct str mechanism; /* in upper case                                 */
        struct str response;  /* decoded octets; only when has_response        */
        bool has_response;    /* no on the first step without initial response */
        bool first;           /* begin a new exchange                          */
        bool cancelled;       /* the client sent "*"; answer is not awaited     */
    } auth;
    struct {
        struct id id;
        uint64_t size;    /* octets of the file                            */
        struct str flags; /* the words behind it                           */
    } xspool;
};

struct smtp_server;

/* The greeting is in the output at once. With `tls` the connection has TLS from
 * its first byte (465). */
struct smtp_server *smtp_server_new(const struct smtp_server_config *config, bool tls);
void smtp_server_free(struct smtp_server *s);

void smtp_server_feed(struct smtp_server *s, struct str in);

/* *req stays valid until the answer. */
enum smtp_want smtp_server_next(struct smtp_server *s, const struct smtp_request **req);

void smtp_answer(struct smtp_server *s, struct smtp_reply r);
/* LMTP, for SMTP_WANT_COMMIT and SMTP_WANT_XSPOOL: n replies, in the order of the accepted
 * recipients. */
void smtp_answer_each(struct smtp_server *s, const struct smtp_reply *replies, size_t n);
void smtp_answer_body(struct smtp_server *s);
void smtp_answer_abort(struct smtp_server *s);
void smtp_answer_auth_challenge(struct smtp_server *s, struct str challenge); /* raw octets */
/* 235 with `user` logged in, or `r` of class 4 or 5; the session counts failures. */
void smtp_answer_auth_done(struct smtp_server *s, struct str user);
void smtp_answer_auth_failed(struct smtp_server *s, struct smtp_reply r);
/* All that was known from clear text is forgotten (RFC 3207 4.2). */
void smtp_server_tls_started(struct smtp_server *s);

/* The program ends the session: queues `r` (421 4.4.2 on a time-out, 4.3.2 on shutdown) and
 * wants to close. Allowed at any time; a letter under way is dropped without WANT_ABORT, an
 * exchange without `cancelled`, and answers that come later are ignored. Before anything was
 * sent or fed, r takes the place of the greeting. */
void smtp_server_end(struct smtp_server *s, struct smtp_reply r);

/* For the program's trace fields and policy. */
struct str smtp_server_helo(const struct smtp_server *s); /* as the client said it */
struct str smtp_server_user(const struct smtp_server *s); /* "" before AUTH        */
bool smtp_server_esmtp(const struct smtp_server *s);      /* EHLO or LHLO          */
bool smtp_server_tls(const struct smtp_server *s);
/* No command is half read, no transaction open: a good moment to end for shutdown. */
bool smtp_server_idle(const struct smtp_server *s);
/* Between DATA and the end of the letter (another deadline and rate apply). */
bool smtp_server_in_data(const struct smtp_server *s);
const struct smtp_rcpt *smtp_server_recipients(const struct smtp_server *s,
                                               size_t *n); /* accepted */

/* Octets of the letter that came last, as sent: CRLF line ends, without stuffing and the end.
 */
uint64_t smtp_server_wire_size(const struct smtp_server *s);
/* With config.transcript: the commands since the last call, secrets as "***", a line each with
 * LF behind it. Valid until the next feed. */
struct str smtp_server_heard(struct smtp_server *s);

struct str smtp_server_output(const struct smtp_server *s);
void smtp_server_sent(struct smtp_server *s, size_t n);

#endif
