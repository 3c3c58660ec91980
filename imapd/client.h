/*
 * client - one IMAP connection: answers what its session asks, from authd, the users' snapshot
 * and the mailboxes, and wakes it when its mailbox changes while it idles.
 *
 * Everything that touches a mailbox is a step of work.h on a small pool of threads: first come,
 * first served, each step bounded, so that no command keeps the others or a login waiting.
 * Memory that a session has not needed for a while goes back to the system.
 */
#ifndef POSTA_IMAPD_CLIENT_H
#define POSTA_IMAPD_CLIENT_H

#include "access/login.h"
#include "imapd/notify.h"
#include "imapd/session.h"

enum {
    CLIENT_MORE_THREADS = 1,   /* than cores: one may wait for the disk            */
    CLIENT_THREADS_MAX = 16,   /* of a process                                     */
    CLIENT_STEPS_MS = 50,      /* one after another without a look at the client  */
    CLIENT_REST_MS = 2000,     /* quiet so long: memory is given back              */
    CLIENT_TRIM_SESSIONS = 50, /* so many have rested: free pages to the system    */
};

/* Something for the pool. */
struct task {
    struct job job;
    void (*run)(struct task *t); /* blocks */
};

/* What all clients of a process share. */
struct clients {
    struct access access;
    struct imap_config session; /* starttls: of the port in clear */
    struct mailboxes *mailboxes;
    struct notify *notify;
    struct jobs *pool;
    bool draining;
    unsigned n, idling;
    uint64_t connections, logins, commands; /* since the start */
    void (*empty)(void *arg);               /* draining, and the last one has gone */
    void *arg;
    struct { /* rest.c */
        struct timer *timer;
        struct list awake;   /* sessions that have worked lately, the quietest first */
        struct list closing; /* commands of sessions that have gone                  */
        struct task tidy;
        bool tidying, trim;
        uint64_t now_ms, until_ms; /* 0: nothing to give back */
        unsigned rested;           /* or gone, since the last trim */
    } rest;
};

/* The pool; what is pointed at above is the owner's. */
void clients_start(struct clients *cs);
void clients_stop(struct clients *cs); /* drops all connections */
/* Says goodbye to who is idle, and to the others after what they do; then `empty`. */
void clients_drain(struct clients *cs);

extern const struct conn_protocol client_protocol;
void *client_make(void *arg, struct conn *c);     /* for listeners: arg is the clients */
void *client_make_tls(void *arg, struct conn *c); /* TLS first */

#endif
