/*
 * tell - what happens to letters, told: a line in the log an event, a hop in the letter's
 * journey, and the whole journey to trace.db when it ends.
 */
#ifndef POSTA_QUEUE_TELL_H
#define POSTA_QUEUE_TELL_H

#include "mta/queue/service.h"

void tell_queued(struct service *s, const struct queue_letter *l);
void tell_delivered(struct service *s, struct queue_letter *l, uint32_t rcpt, struct str words);
void tell_deferred(struct service *s, struct queue_letter *l, uint32_t rcpt, uint64_t wait_ms,
                   struct str words);
/* Its turn came, and nobody was called: in the log alone. */
void tell_passed(const struct queue_letter *l, uint32_t rcpt, uint64_t wait_ms,
                 struct str words);
/* `event`: "bounced", "expired", "deleted"; `report`: the letter that says so, or NULL. */
void tell_failed(struct service *s, struct queue_letter *l, uint32_t rcpt, const char *event,
                 struct str words, const struct id *report);
/* The sender is told: "delivered", "relayed", "delayed"; `report` NULL: that could not be. */
void tell_reported(struct queue_letter *l, uint32_t rcpt, const char *what,
                   const struct id *report);
/* The letter leaves the queue. */
void tell_ended(struct service *s, const struct queue_letter *l);

/* All hops so far, as trace.h says. */
void tell_journey(struct buf *text, const struct queue_letter *l);

#endif
