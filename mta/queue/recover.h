/*
 * recover - from what is on disk to a queue in memory, before the first connection is accepted.
 *
 *   queue.db                      its letters come into memory
 *   msg/ID without an envelope    nobody was promised it, or its end is committed: unlinked
 *   an envelope without msg/ID    dropped, loudly
 *   in/ID old and not locked      unlinked
 *
 * An envelope loses its file only after a commit that failed and yet reached the disk (its
 * sender was told 451, the file is gone), or when somebody removed the file.
 */
#ifndef POSTA_QUEUE_RECOVER_H
#define POSTA_QUEUE_RECOVER_H

#include "mta/queue/journal.h"

enum { RECOVER_SWEEP_MAX = 1000 }; /* files unlinked at once; the rest when the thread runs */

struct recovery {
    size_t letters;
    unsigned swept, lost;
    size_t later; /* handed to the journal's remover: their names cannot be taken meanwhile */
};

/* Doing it again, or dying in the middle of it, changes nothing. */
int recover(struct queue *q, struct journal *j, struct spool *spool, uint64_t now_wall_ms,
            uint64_t now_steady_ms, uint64_t wait_most_ms, struct recovery *out,
            struct err *err);

#endif
