/*
 * session - the inside of struct smtp_server, shared by server.c (bytes, wants,
 * answers), auth.c and command.c (what each command does). Nobody else includes it.
 */
#ifndef POSTA_SMTP_SESSION_H
#define POSTA_SMTP_SESSION_H

#include "base/arena.h"
#include "smtp/grammar.h"
#include "smtp/server.h"
#include "wire/dot.h"

/* What the bytes that come next are. */
enum smtp_reading {
    SMTP_READ_COMMAND,
    SMTP_READ_AUTH,    /* a response to 334                       */
    SMTP_READ_LETTER,  /* between 354 and the lone dot            */
    SMTP_READ_DISCARD, /* the rest of a line that was too long    */
};

struct smtp_server {
    const struct smtp_server_config *config;
    enum smtp_want want; /* what the program was asked; SMTP_WANT_INPUT: nothing */
    enum smtp_reading reading;
    bool closed; /* after the output nothing comes any more           */
    bool spoken; /* some of the output was taken, or bytes came       */
    bool tls;
    bool esmtp;     /* EHLO or LHLO                                      */
    bool mail;      /* a transaction is open                             */
    bool exchange;  /* an AUTH exchange is open                          */
    bool cancelled; /* the program is to be told that it is not any more */
    bool too_much;  /* the letter is over size_max                       */
    bool aborted;   /* the program was told to drop the letter           */
    bool end_seen;  /* the lone dot came                                 */
    uint32_t bad, junk, auth_failures;
    uint32_t bad_max, junk_max, auth_max;
    uint32_t forgiven; /* what was pipelined behind a refused MAIL is no further mistake */
    struct smtp_request req;

    struct buf in, out;
    size_t scanned;   /* of `in`: holds no end of line            */
    size_t discarded; /* of a line that was too long              */
    bool long_auth;   /* which was one of AUTH                    */
    char last;        /* the last of them                         */

    struct buf helo, user;
    struct buf heard; /* commands, for a transcript */
    bool heard_taken;
    char mechanism[SMTP_MECHANISM_BYTES];
    struct buf secret; /* a decoded AUTH response; wiped after use */

    struct arena command;     /* the line at hand and what came of it   */
    struct arena transaction; /* MAIL and the accepted recipients        */
    struct smtp_rcpt *rcpts;
    size_t nrcpts, rcpts_room;

    struct dot_decoder dot;
    struct buf body;
    uint64_t letter_n; /* octets since 354, as they came */
};

/* One whole command line without CRLF, which lives as long as the command. */
void smtp_command_run(struct smtp_server *s, struct str line);

void smtp_say(struct smtp_server *s, struct smtp_reply r);
/* As smtp_say() for what the client should not have done: too much of it ends the session. */
void smtp_refuse(struct smtp_server *s, struct smtp_reply r);
/* Says r and closes. */
void smtp_bye(struct smtp_server *s, struct smtp_reply r);
void smtp_ask(struct smtp_server *s, enum smtp_want want);
void smtp_mail_refused(struct smtp_server *s);
/* Forgets MAIL and RCPT. */
void smtp_transaction_end(struct smtp_server *s);
/* The program has answered one of `wants`: false where it came too late to matter. */
bool smtp_answered(struct smtp_server *s, unsigned wants);

/* Decodes a response of the client into s->secret and asks the program for the next step. */
void smtp_auth_step(struct smtp_server *s, struct str base64, bool first);
/* What the client says to a challenge. */
void smtp_auth_line(struct smtp_server *s, struct str line);
/* The client will not end the exchange, if there is one: the program has to. */
void smtp_auth_cancel(struct smtp_server *s);
/* Frees a buffer that held secrets. */
void smtp_auth_wipe(struct buf *b);

#endif
