/*
 * report - the letter that a bounce (bounce.h) goes out in: who gets it here, and its envelope.
 */
#ifndef POSTA_QUEUE_REPORT_H
#define POSTA_QUEUE_REPORT_H

#include "mta/queue/service.h"

enum { REPORT_RCPTS = 100 }; /* that one report speaks of; of more there are several */

/* 1: both are the caller's, who adds recipients to the bounce and gives them to the journal.
 * 0: the sender's address leads to nobody, and there is nobody to tell. E_UNAVAILABLE: where it
 * leads cannot be known now. */
int report_new(struct service *s, const struct queue_letter *about, enum dsn_action what,
               struct bounce **bounce, struct queue_letter **letter);

#endif
