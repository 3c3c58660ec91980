/*
 * send - posta-mta-send as a whole: what its parts share.
 *
 *   send.sock ─▶ session ─▶ delivery ─┬─▶ resolve ─▶ DNS
 *   (LMTP, XSPOOL)          a letter, │
 *                           a domain  └─▶ remote ─▶ one connection to another server, kept
 *                                                   for a while and used again
 *
 * The queue hands letters over by name; nobody else may, since whoever can, sends mail to the
 * world in our name.
 */
#ifndef POSTA_SEND_SEND_H
#define POSTA_SEND_SEND_H

#include "mta/send/resolve.h"
#include "mta/send/route.h"
#include "net/jobs.h"
#include "net/program.h"
#include "smtp/server.h"
#include "spool/spool.h"
#include "tls/tls.h"

enum {
    SEND_THREADS = 4,
    SEND_LISTENERS = 4,
    SEND_FALLBACK_MS = 5000,     /* to connect, where another address is left         */
    SEND_SESSIONS = 8,           /* that may fail in one delivery; then it waits      */
    SEND_IDLE_MS = 10 * 1000,    /* a connection is kept for the next letter          */
    SEND_IDLE_CONNECTIONS = 100, /* kept in all; the oldest goes                      */
    SEND_LETTERS = 100,          /* over one connection                               */
    SEND_QUIT_MS = 5000,         /* for the answer to QUIT                            */
};

/* What follows from the configuration: as long as a session or a connection needs it, also
 * across a reload. */
struct send_terms {
    unsigned holders;
    char hostname[256];
    struct smtp_server_config trusted, stranger;
    struct routes routes;
    struct resolver *resolver;
    struct tls_context *tls, *tls_verify; /* NULL: tls_flaw says why */
    struct err tls_flaw;
    uint64_t connect_ms, command_ms, data_ms, end_ms, handshake_ms, whole_ms;
};

struct memory;

struct send {
    struct program *program;
    struct spool *spool;
    int cache;
    struct jobs *jobs;
    struct send_terms *terms;
    struct memory *memory;
    struct listener *listeners[SEND_LISTENERS];
    unsigned nlisteners;
    uid_t queue_uid;
    bool draining;
    struct list deliveries, idle; /* idle: the one that was used last at the front */
    unsigned sessions, sessions_ever, ndeliveries, nidle, nremotes, remotes_ever;
    uint64_t sent, deferred, failed; /* recipients, since the start */
    uint64_t reused;                 /* letters over a connection that was there */
};

struct send_terms *send_terms_hold(struct send_terms *t);
void send_terms_release(struct send_terms *t);
/* Something has ended: is this the end of the program? */
void send_drained(struct send *s);

/* ---- session.c ---- */
extern const struct conn_protocol send_protocol;
void *send_session_make(void *arg, struct conn *c); /* arg: struct send */
void send_session_farewell(void *arg, struct conn *c, void *session);

#endif
