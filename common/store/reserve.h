/*
 * reserve - some room on the disk that nobody else has, for who would be locked out without it:
 * a mailbox whose index.db has to be made on a full disk could not be opened, and its owner
 * throw nothing away.
 *
 * A file of blocks in mail/ that is kept while there is plenty of room, and removed by who
 * needs its blocks. Which process that is does not matter; it is made again when there is room.
 */
#ifndef POSTA_STORE_RESERVE_H
#define POSTA_STORE_RESERVE_H

#include <stdbool.h>

#define RESERVE_FILE "mail/.reserve"

enum {
    RESERVE_BYTES = 16 << 20, /* an index of some 100,000 letters                       */
    RESERVE_SHARE = 64,       /* at most this part of the disk                          */
    RESERVE_PLENTY = 8,       /* so many times as much must be free before it is kept   */
};

/* In the state directory `root`: makes it where it is missing and there is room. */
void reserve_keep(int root);
/* True: its blocks are free now. */
bool reserve_spend(int root);

#endif
