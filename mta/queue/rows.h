/*
 * rows - queue.db: the envelopes of letters and what is known of their recipients. Used by one
 * thread at a time.
 *
 *   letter      n, id, parent, arrived_ms, size, sender, ... as queue.h says
 *   recipient   letter, n, address, orcpt, ..., tries, backoff, next_ms, reply, told
 *
 * Each recipient that is still open has a row. One that has ended has none, and neither has a
 * letter without recipients.
 */
#ifndef POSTA_QUEUE_ROWS_H
#define POSTA_QUEUE_ROWS_H

#include "mta/queue/journal.h"

struct rows;

/* state_dir/spool/queue.db, made where it is missing. E_BUSY: another queue has it. */
struct rows *rows_open(const char *state_dir, struct err *err);
void rows_close(struct rows *r); /* accepts NULL */

int rows_load(struct rows *r, uint64_t now_wall_ms, uint64_t now_steady_ms,
              uint64_t wait_most_ms, void (*each)(void *arg, struct queue_letter *l), void *arg,
              struct err *err);

int rows_begin(struct rows *r, struct err *err);
int rows_add(struct rows *r, struct queue_letter *l, struct err *err); /* gives it its row */
int rows_settle(struct rows *r, struct journal_settle *s, struct err *err);
int rows_commit(struct rows *r, struct err *err); /* failed: rolled back */
void rows_rollback(struct rows *r);

/* Now and then, when nobody waits: what the WAL has gathered goes into the database. */
void rows_checkpoint(struct rows *r);

#endif
