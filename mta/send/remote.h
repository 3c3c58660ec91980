/*
 * remote - one connection to another server: greeting, TLS as the route wants it, login, then
 * letters one after another, with a deadline for each step (RFC 5321 4.5.3.2).
 *
 *   dial ─▶ TCP ─▶ greeting, EHLO ─▶ [STARTTLS ─▶ EHLO] ─▶ [AUTH] ─▶ READY ⇄ a letter
 *    │        │         │                │                   │         │
 *    └────────┴─────────┴────────────────┴───────────────────┘         └─ idle ─▶ QUIT
 *                  delivery_lost(why)
 *
 * What a server says in clear before TLS is not believed (T04). A password leaves through TLS
 * alone, unless the route says "never".
 */
#ifndef POSTA_SEND_REMOTE_H
#define POSTA_SEND_REMOTE_H

#include "mta/send/send.h"
#include "mta/send/source.h"
#include "smtp/client.h"

struct remote;
struct delivery;

/* Never NULL; what goes wrong comes by delivery_lost(), from the loop. `clear`: TLS has failed
 * here a moment ago. `connect_ms` for the connection itself. */
struct remote *remote_dial(struct send *s, struct send_terms *t, const struct route *route,
                           const struct host *host, bool clear, uint64_t connect_ms,
                           struct delivery *d);
/* One that is idle and leads to just the same, or NULL. delivery_ready() comes from the loop.
 */
struct remote *remote_reuse(struct send *s, const struct send_terms *t,
                            const struct route *route, const struct host *host,
                            struct delivery *d);
/* Before a transaction has begun: the delivery has no use for it, but another letter may. */
void remote_release(struct remote *r);
/* The delivery does not want it any more, in the middle: the connection goes. */
void remote_drop(struct remote *r);
void remote_leave(struct remote *r);  /* QUIT, as soon as it may be said */
void remote_farewell(struct send *s); /* QUIT on all that are idle */

/* The pool's work. */
void remote_work(void *arg, struct job **batch, unsigned n);

bool remote_offers(const struct remote *r, struct str keyword);
struct str remote_tls(const struct remote *r); /* "TLS1_3", "" in clear */
void remote_begin(struct remote *r, struct smtp_transaction *tx);

/* ---- what a delivery does, asked by its connection ---- */

enum remote_lost {
    REMOTE_LOST,     /* it broke, or never came to be, or was too slow */
    REMOTE_LOST_TLS, /* in the handshake                               */
    REMOTE_REFUSED,  /* by the server's words, or it was not understood */
};

/* Say remote_begin(), or return what is to be opened first; NULL with nothing begun: the
 * delivery has no use for the connection, and has let it go. */
const struct source_wish *delivery_ready(struct delivery *d, struct remote *r);
void delivery_opened(struct delivery *d, struct source *s, const struct err *err); /* takes s */
struct source *delivery_source(struct delivery *d);
/* The transaction has its results. The connection is not the delivery's any more. */
void delivery_done(struct delivery *d, struct remote *r);
/* The connection is over before that. */
void delivery_lost(struct delivery *d, struct remote *r, enum remote_lost how,
                   struct smtp_reply why, bool said);

#endif
