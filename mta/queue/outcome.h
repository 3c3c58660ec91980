/*
 * outcome - what becomes of recipients after a try: settled in the journal, told, and reported
 * to the sender as RFC 3461 5.2 says.
 *
 *   delivered, relayed   gone; a report where NOTIFY=SUCCESS asks for it and the next server
 *                        will not make one
 *   failed               gone, together with the birth of the report
 *   later                tried again; when it is late (schedule.h) the sender is told once: the
 *                        mark and the report are one commit
 *
 * Reports are gathered by letter: one for those who fail in one try, one for those who are
 * late when nobody of the letter is being tried or due, or OUTCOME_GATHER_MS later.
 *
 * A report of failures that cannot be written has its recipients tried again; one of a delay
 * comes with a later try; one of success is given up, since the letter is where it should be.
 */
#ifndef POSTA_QUEUE_OUTCOME_H
#define POSTA_QUEUE_OUTCOME_H

#include "mta/queue/service.h"
#include "smtp/result.h"

enum { OUTCOME_GATHER_MS = 10 * 60 * 1000 }; /* the late wait for others of their letter */

struct notice;

/* Recipients that end with a report. */
struct notices {
    struct notice *all;
    size_t n, room;
};

/* The recipients of one try of one letter, gathered one by one. */
struct outcome {
    struct service *service;
    struct queue_letter *letter;
    struct journal_settle *settle; /* what needs no report; NULL: nothing yet */
    struct notices failed, done;
};

void outcome_begin(struct outcome *o, struct service *s, struct queue_letter *l);
/* What mda answers has no host; what send tells has the one that said it, or that was tried. */
void outcome_done(struct outcome *o, uint32_t rcpt, const struct result *r);
/* Later, or failed when its life is over. */
void outcome_later(struct outcome *o, uint32_t rcpt, const struct result *r);
/* The same where nobody was asked, since its destination does not answer now: no try. */
void outcome_passed(struct outcome *o, uint32_t rcpt, const struct result *r);
void outcome_failed(struct outcome *o, uint32_t rcpt, const struct result *r);
/* Hands all to the journal. The letter may be gone after it. */
void outcome_end(struct outcome *o);

/* The letter's last recipient has ended: out of memory, into trace.db; `s->last` tells
 * queue.db. */
void outcome_forget(struct service *s, struct queue_letter *l);

#endif
