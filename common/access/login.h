/*
 * login - a reader's user logs in (POP3, IMAP): the exchange with authd, who the user is, and
 * how long the answer to a wrong password is kept back.
 *
 *   access_login_step() ──▶ authd ──challenge──▶ LOGIN_CHALLENGE, then the next step
 *                             ├── right ──▶ the users' snapshot ──▶ LOGIN_IN
 *                             └── wrong ──▶ a delay that grows with the address's failures,
 *                                           counted over all workers (U07) ──▶ LOGIN_BAD
 *
 * Everything on the loop; nothing waits. The answer is never given from inside a call.
 */
#ifndef POSTA_ACCESS_LOGIN_H
#define POSTA_ACCESS_LOGIN_H

#include "base/arena.h"
#include "net/auth_link.h"
#include "net/conn.h"
#include "net/program.h"
#include "net/shared.h"
#include "sys/config.h"
#include "users/users.h"

enum { LOGIN_DELAY_FIRST_MS = 250, LOGIN_MECHANISM_BYTES = 20 /* RFC 4422 3.1 */ };

/* What all clients of a process share. */
struct access {
    struct loop *loop;
    struct shared *shared;
    struct auth_link *auth;
    struct users *users;
    struct config_limits limits;
    struct str service; /* SASL's name of the protocol: "pop" (RFC 5034 4), "imap" */
};

enum login_outcome {
    LOGIN_CHALLENGE, /* the exchange goes on         */
    LOGIN_IN,        /* `user` is who it is          */
    LOGIN_BAD,       /* name or password             */
    LOGIN_DISABLED,  /* the account is switched off  */
    LOGIN_TEMP,      /* a part of posta is away      */
};

/* The users' snapshot and the link to authd; limits are those of the configuration. */
int access_open(struct access *all, const struct program *p, struct str service,
                struct err *err);
void access_close(struct access *all); /* also after a failed open */

/* Valid during the call. */
struct login_answer {
    enum login_outcome outcome;
    struct str challenge;
    const struct user *user;
};

/* A step as a session asks for it. */
struct login_step {
    struct str mechanism; /* upper case */
    struct str response;
    bool has_response, first, cancelled;
};

struct access_login {
    const struct access *all;
    struct conn *conn;
    void (*answer)(void *arg, const struct login_answer *a);
    void *arg;
    struct auth_exchange *exchange;
    struct timer *delay;
    char mechanism[LOGIN_MECHANISM_BYTES + 1]; /* for the log */
    bool waiting;                              /* the session has asked and has no answer yet */
};

void access_login_init(struct access_login *l, const struct access *all, struct conn *c,
                       void (*answer)(void *arg, const struct login_answer *a), void *arg);
/* True when the answer comes later; not for a step that was cancelled. */
bool access_login_step(struct access_login *l, const struct login_step *s);
void access_login_cancel(struct access_login *l); /* no answer comes any more */
void access_login_done(struct access_login *l);

/* Nothing up to `free` failures a minute, then doubling up to max_ms. */
uint64_t access_login_delay(uint32_t failures, uint32_t free, uint32_t max_ms);

#endif
