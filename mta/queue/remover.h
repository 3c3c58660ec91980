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

enum { REMOVER_STOP_MAX = 1000 }; /* still unlinked at the end; the rest is left to the sweep */

struct remover;

struct remover *remover_new(struct spool *spool);
int remover_start(struct remover *r, struct err *err); /* the thread */
void remover_stop(struct remover *r);
void remover_free(struct remover *r); /* accepts NULL */

/* From any thread; where there is none, they are unlinked at once. */
void remover_add(struct remover *r, const struct id *ids, size_t n);
/* Before the thread starts. */
void remover_later(struct remover *r, const struct id *id);

#endif
