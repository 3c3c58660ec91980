/*
 * remover - unlinks letters that have ended, on a thread of its own.
 *
 * Freeing a file costs more than making it durable where the file system gives its blocks back
 * to the disk at once; nobody who waits for a commit waits for that. What a crash leaves is
 * swept at the next start.
 */
#ifndef POSTA_QUEUE_REMOVER_H
#define POSTA_QUEUE_REMOVER_H

#include "spool/spool.h"

enum { REMOVER_WAITING_MAX = 10000 }; /* ids; above it the caller unlinks for itself */

struct remover;

struct remover *remover_start(struct spool *spool, struct err *err);
void remover_stop(struct remover *r); /* unlinks what waits; accepts NULL */

/* From any thread. */
void remover_add(struct remover *r, const struct id *ids, size_t n);

#endif
