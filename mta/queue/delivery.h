/*
 * delivery - from the queue to mda and to send, and what their answers mean.
 *
 *   due ─ queue_take ─▶ a hand-over of at most DELIVERY_RCPTS recipients
 *
 *   2xx         done
 *   4xx         later, until its life is over
 *   5xx         failed: a bounce, or nobody hears of it (bounce.h)
 *   no answer   that process is away: again soon, and no attempt
 *
 * For those who are here all recipients go together; for others those of one domain do, when
 * destination.h says that it has its turn. Each hand-over to send is a trip to a destination,
 * which learns from its end. Letters for one that is dead are put off without a hand-over. send
 * has a deadline for a whole delivery and always answers: we wait longer than it does, and so
 * never send twice out of impatience.
 *
 * What ended is handed to the journal and leaves memory at once, except recipients whose bounce
 * is being written: they count as being tried until it is durable, and are tried again when it
 * cannot be.
 */
#ifndef POSTA_QUEUE_DELIVERY_H
#define POSTA_QUEUE_DELIVERY_H

#include "mta/queue/listing.h"
#include "mta/queue/service.h"

enum {
    DELIVERY_RCPTS = 100,    /* of one hand-over                                       */
    DELIVERY_PAUSE_MS = 200, /* after a hand-over that nobody took                     */
    DELIVERY_SEND_SPARE_MS = 5 * 60 * 1000, /* that we wait longer than send works         */
    DELIVERY_BROKEN_MAX = 5, /* unanswered hand-overs of one letter; the next counts as a try */
};

struct delivery *delivery_new(struct service *s);
/* What is under way is given up: it is in queue.db, and mda knows it again. Accepts NULL. */
void delivery_free(struct delivery *d);

/* Hands over as much as there are connections for. */
void delivery_run(struct delivery *d);
void delivery_reload(struct delivery *d);
void delivery_hope(struct delivery *d); /* do not wait for anybody any longer: look now */
bool delivery_idle(const struct delivery *d);

/* Takes the letter out of the queue, as far as nobody is trying it: the rest ends with that
 * try. The settle is the caller's to submit; `l` may be gone. */
struct journal_settle *delivery_delete(struct service *s, struct queue_letter *l);

/* For listing.h. */
void delivery_ahead(const void *delivery, const struct queue_rcpt *r,
                    struct listing_ahead *out);

#endif
