/*
 * delivery - one letter to the recipients that one domain has: over as many hosts as it takes,
 * within one time for all of it, to one result for each.
 *
 *   begin ─▶ RESOLVING ─hosts─▶ next host ─▶ CONNECTING ─ready─▶ TALKING ─results─▶ done
 *                │                  ▲  │ none left    │               │
 *                │                  ├──┼──────────────┘ lost          │
 *                │                  └──┼─ those without an answer ────┘
 *                └──no hosts───────────┴──▶ done
 *
 * What a recipient was told is final for this try: 2xx and 5xx, and 4xx but 421, with which a
 * server says that it goes (RFC 5321 4.2.5). Who was told nothing is tried at the next host. A
 * connection that breaks while the letter's last octets are not answered is the end of the try
 * too, since the letter may have been taken. Where hosts did nothing but refuse with 5xx the
 * letter comes back; one that could not be reached makes it wait.
 */
#ifndef POSTA_SEND_DELIVERY_H
#define POSTA_SEND_DELIVERY_H

#include "mta/send/remote.h"
#include "smtp/result.h"

enum { DELIVERY_RCPTS = 100 };

struct delivery_order {
    struct id id;
    uint64_t size;
    struct str flags; /* of XSPOOL: "8bit", "raw", "wire=N"   */
    struct smtp_mail mail;
    const struct smtp_rcpt *rcpts; /* all of one domain                  */
    size_t n;
    /* On the loop, never from inside delivery_new(). delivery_results() is valid until
     * delivery_free(), which may be called in here. */
    void (*done)(void *arg, struct delivery *d);
    /* The same was ordered by somebody else, who will be told: this one has no delivery any
     * more. */
    void (*gone)(void *arg);
    void *arg;
    struct probe *probe; /* NULL, or: no letter, and each step is told to it (probe.h) */
};

struct delivery *delivery_new(struct send *s, const struct delivery_order *o);
/* The queue was killed in the middle and is back: one who has the letter by then is not given
 * it again (memory.h), and what is under way is not begun a second time. Takes the same letter
 * for the same recipients over; NULL: it is not under way. *differs: it is, for others too. */
struct delivery *delivery_adopt(struct send *s, const struct delivery_order *o, bool *differs);
const struct result *delivery_results(const struct delivery *d); /* one a recipient, in order */
/* What is under way is given up. Accepts NULL. */
void delivery_free(struct delivery *d);

/* NULL for a letter's. */
struct probe *delivery_probe(const struct delivery *d);

/* The letter's end has been said and not been answered: who gives up now sends it twice. */
bool delivery_is_handed(const struct delivery *d);

#endif
