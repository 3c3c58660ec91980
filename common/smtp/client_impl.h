/*
 * client_impl - the inside of a client session, for client.c, client_auth.c and
 * client_envelope.c alone.
 */
#ifndef POSTA_SMTP_CLIENT_IMPL_H
#define POSTA_SMTP_CLIENT_IMPL_H

#include "base/arena.h"
#include "smtp/client.h"
#include "smtp/params.h"
#include "smtp/reply_reader.h"
#include "wire/dot.h"

enum state {
    GREETING,
    EHLO,
    HELO,
    STARTTLS,
    TLS,
    LOGIN, /* the program's turn: how to log in, or what to answer */
    AUTH,  /* the server's                                         */
    READY,
    ENVELOPE,
    BODY,
    RESULT,
    QUIT,
    CLOSED
};

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
    uint64_t progress;   /* replies heard, and octets of letters that left */

    struct reply_reader reply; /* that is being read, or heard                   */

    struct buf ehlo; /* the answer to EHLO */
    unsigned offers;
    uint64_t size_max;

    struct str mechanisms;  /* offered by AUTH                                         */
    struct buf challenge;   /* decoded                                                 */
    bool challenged;        /* there was one: no beginning any more                    */
    struct str to_say_next; /* a first response that was too long for AUTH's own line */
    bool has_to_say_next;

    struct buf said; /* config.transcript */
    bool said_taken; /* and goes with the next word */

    struct arena session, transaction;
    struct smtp_reply error;
    bool error_said; /* by the peer */
    struct smtp_transaction *tx;
    bool xspool; /* this transaction hands over by name */
    struct cursor say, hear;
    struct smtp_reply mail_reply;
    size_t accepted; /* recipients, by RCPT                              */
    size_t result;   /* RESULT of LMTP: the recipient whose turn it is  */
    struct dot_encoder dot;
};

/* ---- client.c ---- */
/* Ends the session; the first reason counts. */
void client_fail(struct smtp_client *s, struct smtp_reply why);
void client_fail_said(struct smtp_client *s); /* by what was just heard */
void client_fail_protocol(struct smtp_client *s, const char *what);
/* Before the first of some commands that are answered together. */
void client_begin_group(struct smtp_client *s);
void client_say_alone(struct smtp_client *s, enum state state, struct str verb,
                      struct str argument);
/* For the transcript. */
void client_note(struct smtp_client *s, struct str line);
bool client_is_good(const struct smtp_client *s);
void client_become_ready(struct smtp_client *s); /* nothing is left to be said before letters */

/* ---- client_auth.c ---- */
void client_begin_login(struct smtp_client *s);
void client_hear_auth(struct smtp_client *s);

/* ---- client_envelope.c ---- */
void client_start(struct smtp_client *s);    /* s->tx */
void client_say_more(struct smtp_client *s); /* as much of the envelope as may be said now */
bool client_heard_all(const struct smtp_client *s);
void client_handed(struct smtp_client *s);
/* The replies do not fit the commands: which of them was whose is not known any more. */
void client_doubt_answers(struct smtp_client *s);
void client_hear_envelope(struct smtp_client *s);
void client_hear_result(struct smtp_client *s);

#endif
