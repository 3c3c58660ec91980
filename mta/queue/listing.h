/*
 * listing - letters of the queue as JSON objects, for queue.ctl; with what each recipient waits
 * for, in words.
 */
#ifndef POSTA_QUEUE_LISTING_H
#define POSTA_QUEUE_LISTING_H

#include "base/arena.h"
#include "mta/queue/queue.h"

/* What is in front of a due recipient. */
struct listing_ahead {
    bool away;           /* the process that would take it does not answer ... */
    const char *process; /* ... and this one is it                             */
    unsigned letters;    /* under way to its domain                            */
};

/* The two clocks at one moment: next tries are kept on the steady one and shown on the other.
 */
struct listing_now {
    uint64_t wall_ms, steady_ms;
    /* Who is in front; NULL: nobody. */
    void (*ahead)(const void *arg, const struct queue_rcpt *r, struct listing_ahead *out);
    const void *arg;
};

/* Which letters are listed: all where both are "". */
struct listing_filter {
    struct str to;   /* an address or a domain: one of the open recipients is there */
    struct str from; /* the same of the sender; "<>": those without one             */
};

/* "to=WORD from=WORD" in xtext, each once or not at all. The words point into `a`. */
bool listing_filter_parse(struct str text, struct arena *a, struct listing_filter *out);
bool listing_wanted(const struct listing_filter *f, const struct queue_letter *l);

/* Without a newline. With `head` (may be ""): all that SHOW shows; NULL: what LIST shows. */
void listing_letter(struct buf *out, const struct queue_letter *l,
                    const struct listing_now *now, const struct str *head);

#endif
