/*
 * client - SMTP and LMTP from the side that connects, as a pure state machine:
 * every hand-over between our boxes, and later the way to other servers.
 *
 * One session carries transactions one after another:
 *
 *     smtp_client_new() ... SMTP_CLIENT_READY -> smtp_client_begin(tx) ->
 *     feed / next / output -> SMTP_CLIENT_DONE: read tx's results -> begin ...
 *
 * Commands are pipelined where the peer said so (RFC 2920); to a peer that said XSPOOL, MAIL,
 * RCPT and XSPOOL leave in one write. No reply is credited to the wrong recipient: too many,
 * too few or too early replies end the session, and what was not answered, or was in an
 * envelope whose replies do not fit, is left without a result. A reply counts as early until
 * smtp_client_sent() has told that its command left, so that has to be called before more is
 * fed.
 */
#ifndef POSTA_SMTP_CLIENT_H
#define POSTA_SMTP_CLIENT_H

#include "base/buf.h"
#include "base/id.h"
#include "smtp/envelope.h"
#include "smtp/limits.h"
#include "smtp/reply.h"

struct smtp_client_config {
    bool lmtp;              /* LHLO and a reply a recipient after the letter */
    struct str hostname;    /* our name in EHLO                               */
    bool starttls;          /* ask for STARTTLS where it is offered           */
    bool starttls_needed;   /* and go no further without                      */
    bool login;             /* before the first letter: SMTP_CLIENT_LOGIN      */
    const bool *transcript; /* true: keep what is said for smtp_client_said()        */
};

enum smtp_client_phase { /* how far a recipient came; for deciding what a broken connection
                            means */
                         SMTP_PHASE_START,   /* nothing of the letter can have been taken   */
                         SMTP_PHASE_HANDED,  /* the last byte (dot or XSPOOL line) was given out
                                                and is not answered */
                         SMTP_PHASE_ANSWERED /* reply is final */
};

struct smtp_client_rcpt {
    struct smtp_rcpt rcpt;
    enum smtp_client_phase phase;
    bool ours;               /* the reply is this session's own: nothing was asked */
    struct smtp_reply reply; /* valid when answered; lives as long as the transaction's session
                                until the next begin */
};

/* Filled by the caller, who keeps it alive until SMTP_CLIENT_DONE or the session is freed. */
struct smtp_transaction {
    struct smtp_mail mail;
    struct smtp_client_rcpt *rcpts;
    size_t nrcpts;
    bool xspool;        /* hand over by name where the peer can             */
    struct id id;       /* the spool name                                   */
    uint64_t size;      /* of the spool file, LF line ends                  */
    struct str flags;   /* behind XSPOOL: words                             */
    uint64_t wire_size; /* with CRLF, for SIZE=; 0 when not known           */
    bool ask_only;      /* MAIL and RCPT alone: the results are what RCPT said */
};

enum smtp_client_want {
    SMTP_CLIENT_INPUT,    /* more bytes                                              */
    SMTP_CLIENT_STARTTLS, /* flush, handshake: smtp_client_tls_started()             */
    SMTP_CLIENT_LOGIN,    /* smtp_client_challenge(), then smtp_client_auth_…()        */
    SMTP_CLIENT_READY,    /* greeted: smtp_client_begin() or smtp_client_quit()      */
    SMTP_CLIENT_BODY,     /* the next bytes of the letter, LF line ends: smtp_client_body() */
    SMTP_CLIENT_DONE,     /* the transaction's results are in; then READY or CLOSE    */
    SMTP_CLIENT_CLOSE,    /* flush, close; smtp_client_error() says why when not by QUIT */
};

struct smtp_client;

struct smtp_client *smtp_client_new(const struct smtp_client_config *config);
void smtp_client_free(struct smtp_client *s);

void smtp_client_feed(struct smtp_client *s, struct str in);
enum smtp_client_want smtp_client_next(struct smtp_client *s);

/* May be called before READY: it then begins when the greeting is done. */
void smtp_client_begin(struct smtp_client *s, struct smtp_transaction *tx);
void smtp_client_body(struct smtp_client *s, struct str chunk, bool last);
void smtp_client_tls_started(struct smtp_client *s);
void smtp_client_quit(struct smtp_client *s);

/* The login (RFC 4954), where the configuration asks for one. At its first step there is no
 * challenge yet: choose one of the mechanisms and begin; later each challenge is answered.
 * After READY comes it has succeeded, as the server says. A login that is refused or cancelled
 * ends the session with a reply of class 4. */
struct str smtp_client_mechanisms(const struct smtp_client *s); /* "PLAIN LOGIN" */
bool smtp_client_challenge(const struct smtp_client *s, struct str *challenge); /* octets */
void smtp_client_auth_begin(struct smtp_client *s, struct str mechanism, bool has_response,
                            struct str response);
void smtp_client_auth_answer(struct smtp_client *s, struct str response);
void smtp_client_auth_cancel(struct smtp_client *s, const char *why);

/* For deadlines (RFC 5321 4.5.3.2): what is waited for. *progress grows with each whole reply
 * and with what leaves of a letter, not with single octets of a reply (O07). */
enum smtp_client_step {
    SMTP_STEP_GREETING, /* 220                                 */
    SMTP_STEP_COMMAND,  /* the answer to a command              */
    SMTP_STEP_DATA,     /* 354                                 */
    SMTP_STEP_BODY,     /* the peer takes the letter           */
    SMTP_STEP_RESULT,   /* what becomes of it                  */
};
enum smtp_client_step smtp_client_step(const struct smtp_client *s, uint64_t *progress);

/* What ended the session early: the peer's reply (greeting 5xx, 421 …) or our own words. */
struct smtp_reply smtp_client_error(const struct smtp_client *s);
bool smtp_client_error_said(const struct smtp_client *s); /* these are the peer's words */
bool smtp_client_offers(const struct smtp_client *s, struct str keyword); /* in EHLO's answer */
bool smtp_client_offer(const struct smtp_client *s, struct str keyword, struct str *value);

/* With config.transcript: the commands since the last call, secrets as "***". Of letters
 * nothing. Valid until more is said. */
struct str smtp_client_said(struct smtp_client *s);

struct str smtp_client_output(const struct smtp_client *s);
void smtp_client_sent(struct smtp_client *s, size_t n);

#endif
