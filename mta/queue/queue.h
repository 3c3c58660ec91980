/*
 * queue - the letters that wait, in memory: who they are for, how far each recipient came, and
 * whose turn it is. Pure: it neither writes nor sends, and time is passed in.
 *
 *                    queue_take                 queue_end
 *      ┌──────▶ DUE ───────────▶ TRYING ──────────────────▶ DONE, FAILED
 *      │         ▲                │  │
 *      │         └─ put_back ─────┘  │ queue_defer, queue_pass
 *      │   queue_wake, queue_retry   ▼
 *      └────────────────────────── LATER
 *
 * A DUE recipient stands in a line (lines.h): of those who are here, or of those elsewhere the
 * line of its domain, whose turn destination.h knows; in each a line for each sender, first
 * come first served. What is behind one that cannot be called is not looked at.
 *
 *   here       ─┬─ alice ○○○        d.test ─┬─ alice ○○      e.test ─── <> ○
 *               └─ <>    ○                  └─ carol ○
 *
 * A letter of many recipients goes to the end of its line after its turn. A letter whose
 * recipients wait stands in a heap by the moment of the first. What a letter is made of lies in
 * one block of memory; only the last reply has its own.
 */
#ifndef POSTA_QUEUE_QUEUE_H
#define POSTA_QUEUE_QUEUE_H

#include "base/buf.h"
#include "base/id.h"
#include "mta/queue/destination.h"
#include "mta/queue/lines.h"
#include "smtp/envelope.h"

enum queue_road { QUEUE_LOCAL, QUEUE_FAR, QUEUE_ROADS };

enum queue_state { QUEUE_DUE, QUEUE_TRYING, QUEUE_LATER, QUEUE_DONE, QUEUE_FAILED };

/* What is known about a recipient when its letter is taken, or read back after a restart. */
struct queue_address {
    uint32_t number;    /* in queue.db; stays when others have gone        */
    struct str address; /* what RCPT will say                             */
    struct str orcpt;   /* what the sender asked for, "rfc822;…"           */
    unsigned notify;
    bool local;
    bool later;       /* wait for next_ms instead of starting at once    */
    uint64_t next_ms; /* steady                                          */
    unsigned tries, backoff;
    struct str reply; /* of the last try                                 */
    bool told;        /* the sender has heard that it is late            */
};

struct queue_envelope {
    struct id id, parent; /* parent.text is "" where there is none       */
    uint64_t arrived_ms;  /* calendar                                    */
    uint64_t size;        /* of the file                                 */
    struct smtp_mail mail;
    struct str flags; /* of XSPOOL                                   */
    bool held;
};

struct queue_rcpt {
    struct str address, orcpt;
    char *reply; /* NULL before the first try */
    uint64_t next_ms;
    struct waiter waiter; /* while DUE and not held */
    uint32_t number;
    uint32_t at; /* among the letter's */
    uint16_t tries, backoff;
    uint8_t state, notify;
    bool local;
    bool told; /* of the delay; outcome.c's */
};

struct queue_letter {
    struct list all; /* in arrival's order */
    struct queue_letter *same_hash;
    uint64_t row; /* in queue.db; 0 before the commit */
    uint64_t wake_ms;
    uint32_t heap_at;                      /* 0: not in the heap */
    uint32_t nrcpts, nopen, ndue, ntrying; /* open: neither DONE nor FAILED */
    bool deleted;       /* somebody asked for it; what is being tried ends quietly */
    bool seen;          /* its file is there: recover.c's */
    uint8_t broken;     /* hand-overs that ended without an answer: delivery.c's */
    uint32_t nreports;  /* bounces about it on their way into the journal: outcome.c's */
    struct buf journey; /* hops since it was taken: tell.c's */
    struct queue_envelope env;
    struct queue_rcpt rcpts[];
};

struct queue;

/* `secret` comes from the system's random source. */
struct queue *queue_new(const uint8_t secret[MAP_SECRET_BYTES]);
void queue_free(struct queue *q);

struct queue_letter *queue_letter_new(const struct queue_envelope *e,
                                      const struct queue_address *to, size_t n);
void queue_letter_free(struct queue_letter *l); /* one that is in no queue; accepts NULL */

/* The queue owns it from here. The id must not be there yet. */
void queue_add(struct queue *q, struct queue_letter *l);
void queue_remove(struct queue *q, struct queue_letter *l); /* and frees */
struct queue_letter *queue_find(const struct queue *q, const struct id *id);
size_t queue_count(const struct queue *q);
size_t queue_count_recipients(const struct queue *q);

/* Recipients whose time has come become due. Returns when to call again, UINT64_MAX for never.
 */
uint64_t queue_wake(struct queue *q, uint64_t now_ms);
bool queue_has_due(const struct queue *q);

/* The letter whose turn it is on that road: up to `max` of its due recipients, of those
 * elsewhere all of one domain, are being tried. For those elsewhere `trip` begins, which ends
 * with trip_end(); it is not touched otherwise. NULL when none has its turn. */
struct queue_letter *queue_take(struct queue *q, enum queue_road road, uint64_t now_ms,
                                struct trip *trip, uint32_t *rcpts, size_t max, size_t *n);
/* The same for one whose destination is dead: it is to be put off. `to` is valid until anything
 * else is called. */
struct queue_letter *queue_take_dead(struct queue *q, uint64_t now_ms, struct domain **to,
                                     uint32_t *rcpts, size_t max, size_t *n);
struct destinations *queue_destinations(struct queue *q);
struct str queue_domain(const struct queue_rcpt *r); /* behind its "@" */
/* No try after all: due again, in front of the line. */
void queue_put_back(struct queue *q, struct queue_letter *l, uint32_t rcpt);
void queue_defer(struct queue *q, struct queue_letter *l, uint32_t rcpt, uint64_t next_ms,
                 struct str reply);
/* The same where nobody was asked, since the destination is dead: it waits longer and longer,
 * but that was no try. */
void queue_pass(struct queue *q, struct queue_letter *l, uint32_t rcpt, uint64_t next_ms,
                struct str reply);
void queue_end(struct queue *q, struct queue_letter *l, uint32_t rcpt, enum queue_state how);

/* A held letter is not taken. */
void queue_hold(struct queue *q, struct queue_letter *l, bool hold);
/* All that wait are due now, and their destinations may be called; with `forget` the back-off
 * begins anew. */
void queue_retry(struct queue *q, struct queue_letter *l, bool forget);

/* Goes through all letters, also while some leave: a cursor on a letter that goes moves on. */
struct queue_cursor {
    struct list link;
    struct list *at;
};

void queue_cursor_start(struct queue *q, struct queue_cursor *c);
struct queue_letter *queue_cursor_next(struct queue *q,
                                       struct queue_cursor *c); /* NULL at the end */
void queue_cursor_stop(struct queue_cursor *c);                 /* twice does no harm */

#endif
