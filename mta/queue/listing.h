/*
 * listing - letters of the queue as JSON objects, for queue.ctl.
 */
#ifndef POSTA_QUEUE_LISTING_H
#define POSTA_QUEUE_LISTING_H

#include "mta/queue/queue.h"

/* The two clocks at one moment: next tries are kept on the steady one and shown on the other.
 */
struct listing_now {
    uint64_t wall_ms, steady_ms;
};

/* Without a newline. With `head` (may be ""): all that SHOW shows; NULL: what LIST shows. */
void listing_letter(struct buf *out, const struct queue_letter *l,
                    const struct listing_now *now, const struct str *head);

#endif
