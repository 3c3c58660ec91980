/*
 * recipients - who a letter is really for: the aliases of each RCPT followed to their ends,
 * each end once.
 *
 * RFC 3461 5.2.7: one that leads to a single end passes on all that was asked (5.2.7.2). One
 * with several passes NOTIFY on without SUCCESS, and where that was in it the sender is told
 * that it was expanded (5.2.7.3 c). ORCPT is what was told, or else the address of RCPT.
 */
#ifndef POSTA_QUEUE_RECIPIENTS_H
#define POSTA_QUEUE_RECIPIENTS_H

#include "base/arena.h"
#include "base/map.h"
#include "mta/queue/queue.h"
#include "smtp/reply.h"
#include "users/users.h"

struct recipients {
    struct arena arena; /* holds all strings                            */
    struct queue_address *to;
    struct str *keys;   /* of the same end, equal                       */
    struct map seen;    /* the keys, once there are too many to look at */
    struct map aliases; /* that were expanded: "local@domain", each once a letter */
    size_t n, room, max;
    struct smtp_rcpt *expanded; /* aliases with several ends whose sender wants to know */
    size_t nexpanded, expanded_room;
};

void recipients_init(struct recipients *r, size_t max);
void recipients_reset(struct recipients *r);
void recipients_done(struct recipients *r);

/* Adds what `rcpt` becomes, or nothing; the reply to RCPT either way. */
struct smtp_reply recipients_add(struct recipients *r, struct users *u,
                                 const struct smtp_rcpt *rcpt);

#endif
