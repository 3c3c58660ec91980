/*
 * outcome - what becomes of recipients after a try: settled in the journal, told, and reported.
 */
#ifndef POSTA_QUEUE_OUTCOME_H
#define POSTA_QUEUE_OUTCOME_H

#include "mta/queue/service.h"
#include "smtp/result.h"

/* The recipients of one try of one letter, gathered one by one. */
struct outcome {
    struct service *service;
    struct queue_letter *letter;
    struct journal_settle *settle; /* NULL: nothing to remember yet */
    struct failure *failures;
    size_t nfailures, room;
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
