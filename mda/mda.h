/*
 * mda - posta-mda as a whole: what its sessions share.
 *
 * LMTP (RFC 2033) on mda.sock and, where posta.conf asks for it, over TCP. The queue
 * hands letters over by name (XSPOOL), all others by DATA.
 */
#ifndef POSTA_MDA_MDA_H
#define POSTA_MDA_MDA_H

#include "net/jobs.h"
#include "net/program.h"
#include "smtp/server.h"
#include "store/change.h"
#include "store/deliver.h"

enum {
    MDA_THREADS = 2,
    MDA_BATCH = 64, /* transactions whose deliveries share their flushes     */
    MDA_LISTENERS = 64,
    MDA_SWEEP_MS = 1000,      /* between looks at staged links that may go              */
    MDA_SWEEP_LETTERS = 1000, /* a look                                                 */
    MDA_DELIVERIES = 10000,   /* of one letter, aliases expanded                        */
    MDA_MEMORY_BYTES = LETTER_MEMORY_BYTES, /* of a letter by DATA; longer ones in a file */
};

/* What sessions are told of the configuration: as long as one of them lives, also across a
 * reload. */
struct mda_terms {
    unsigned holders;
    char hostname[256];
    struct smtp_server_config spool; /* for the queue                   */
    struct smtp_server_config other; /* for all others                  */
    uint64_t command_ms, data_ms;
};

struct mda {
    struct program *program;
    struct users *users;
    struct deliver *deliver;
    struct spool *spool; /* NULL where there is none: then letters come by DATA alone */
    struct changes *changes;
    struct jobs *jobs, *sweeps;
    struct job sweep;
    unsigned swept; /* by the last sweep */
    bool sweeping, draining;
    struct timer *sweep_timer;
    struct mda_terms *terms;
    struct listener *listeners[MDA_LISTENERS];
    unsigned nlisteners;
    uid_t queue_uid;
    unsigned sessions, sessions_ever;
    uint64_t delivered, refused, deferred; /* since the start */
};

struct mda_terms *mda_terms_hold(struct mda_terms *t);
void mda_terms_release(struct mda_terms *t);

/* There may be staged links to sweep: soon. */
void mda_sweep_soon(struct mda *m);

/* ---- session.c ---- */
extern const struct conn_protocol mda_protocol;
void *mda_session_make(void *arg, struct conn *c); /* arg: struct mda */
void mda_session_farewell(void *arg, struct conn *c,
                          void *session); /* for conn_each(): drain */
/* The pool's work: struct job of sessions. */
void mda_session_work(void *arg, struct job **batch, unsigned n);

#endif
