/*
 * destination - who may be called now: the systems that letters go to, how many deliveries each
 * gets at once, and what is known of it. Pure: time is passed in.
 *
 * A destination is a set of hosts. Which set a domain has, send tells with its first answer
 * (mxset, smtp/result.h); until then the domain is a destination of its own. Domains of the
 * same set share one window from then on.
 *
 *     new, window 3 ──▶ OPEN ──┐ answers, a window's worth of them: window + 1
 *                       │  ▲ ▲ │ trouble: window / 2
 *          trouble at 1 │  │ └─┘
 *                       ▼  └──────── an answer: window 1 ────────┐
 *                      DEAD ── back-off over, or hope ──▶ one delivery asks
 *                       ▲                                        │
 *                       └────── trouble: twice as long ──────────┘
 *
 * Trouble is silence (no connection, no greeting, a connection that breaks or takes too long)
 * and 421; what a server says of a mailbox is an answer like any other. Of the deliveries that
 * 421 answers only the first since the last cut halves the window: they left together.
 *
 * Slots are shared so that slow ones never have all: a destination gets another one while it
 * has fewer than are free; those that are not known to be quick (new, in trouble, or with a
 * delivery that takes more than a second) leave a quarter of all to those that are.
 *
 * A domain is forgotten an hour after its last answer, or when there are more than
 * DESTINATION_DOMAINS; a destination with its last domain. All lives in memory alone: after a
 * restart everything is new.
 */
#ifndef POSTA_QUEUE_DESTINATION_H
#define POSTA_QUEUE_DESTINATION_H

#include "base/list.h"
#include "base/map.h"
#include "mta/queue/schedule.h"

enum {
    DESTINATION_WINDOW_FIRST = 3,
    DESTINATION_SLOW_MS = 1000,
    DESTINATION_RESERVE = 4,              /* one slot in so many is for the quick */
    DESTINATION_DOMAINS = 10000,          /* remembered without need              */
    DESTINATION_LIFE_MS = 60 * 60 * 1000, /* of what is remembered                */
    DESTINATION_DEAD_MOST_MS = 30 * 60 * 1000,
    DESTINATION_SET_BYTES = 64,
    DESTINATION_WORDS_BYTES = 300,
    DESTINATION_NAME_BYTES = 255,
};

/* How a delivery ended, as far as the destination is concerned. */
enum destination_end {
    DESTINATION_ANSWERED,
    DESTINATION_BUSY,    /* 421                                              */
    DESTINATION_SILENT,  /* nobody answered, or not to the end               */
    DESTINATION_UNTRIED, /* nobody was asked: nothing is learnt              */
};

struct destination;

/* A domain, and the line of those who want to go there: the owner's. */
struct domain {
    struct list link; /* with those of its destination that have somebody due, or quiet */
    struct list line; /* the owner's, empty at birth                        */
    struct destination *at;
    unsigned trips; /* under way */
    bool due;
    uint64_t learnt_ms;
    char name[]; /* lower case */
};

/* A delivery that is under way. */
struct trip {
    struct list link; /* the oldest first */
    struct domain *domain;
    struct destination *at;
    uint64_t began_ms, number;
    bool old; /* takes longer than DESTINATION_SLOW_MS */
};

struct destinations;

/* `slots`: deliveries at once in all; `window`: to one destination, at most. */
struct destinations *destinations_new(const uint8_t secret[MAP_SECRET_BYTES]);
void destinations_free(struct destinations *t); /* with its domains, not the trips */
void destinations_limit(struct destinations *t, unsigned slots, unsigned window,
                        const struct schedule *retry);

/* Finds it or makes it; longer names than DNS has are cut. It stays while it is due or has
 * trips, and is remembered a while after; one that was never either only until the next call.
 */
struct domain *destinations_domain(struct destinations *t, struct str name, uint64_t now_ms);
/* NULL: nothing is known of it and nobody wants to go there. */
struct domain *destinations_find(const struct destinations *t, struct str name);
/* Somebody waits in its line, or nobody any more; then it may be gone. */
void destinations_due(struct destinations *t, struct domain *d, bool due);

/* The next domain whose turn it is, NULL when none has. Its turn goes to the end. */
struct domain *destinations_next(struct destinations *t, uint64_t now_ms);
/* One that has somebody due and is dead; NULL: there is none (any more). */
struct domain *destinations_next_dead(struct destinations *t, uint64_t now_ms);
/* What was said when it died. */
struct str domain_words(const struct domain *d);

void trip_begin(struct destinations *t, struct trip *trip, struct domain *d, uint64_t now_ms);
/* `set`: the hosts it went to, "" where they are not known. `words`: what came back. */
void trip_end(struct destinations *t, struct trip *trip, enum destination_end how,
              struct str set, struct str words, uint32_t random, uint64_t now_ms);

/* All that are dead may be called again: somebody asks for it. */
void destinations_hope(struct destinations *t);
void domain_hope(struct destinations *t, struct domain *d);

/* ---- for those who look ---- */

size_t destinations_count(const struct destinations *t);
size_t destinations_domains(const struct destinations *t);
unsigned destinations_trips(const struct destinations *t);
unsigned domain_window(const struct domain *d);
unsigned domain_trips(const struct domain *d); /* of all that share its window */
bool domain_is_dead(const struct domain *d);

#endif
