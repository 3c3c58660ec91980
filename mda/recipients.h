/*
 * recipients - who a letter is for: each accepted RCPT and the deliveries that
 * come of it, and the replies for both.
 */
#ifndef POSTA_MDA_RECIPIENTS_H
#define POSTA_MDA_RECIPIENTS_H

#include "base/arena.h"
#include "mda/mda.h"

struct recipient {
    struct str address; /* as it was asked for          */
    unsigned first, n;  /* its parts                    */
};

/* All memory is the arena's, from which each transaction begins anew. */
struct recipients {
    struct arena *arena;
    struct recipient *list;
    unsigned n, room;
    struct delivery **deliveries; /* one a mailbox, however often it was asked for */
    unsigned ndeliveries, deliveries_room;
    bool perhaps_again; /* full mailboxes are found out later: what is in one already is 250 */
    struct delivery **parts; /* what each recipient leads to */
    unsigned nparts, parts_room;
};

void recipients_init(struct recipients *r, struct arena *a);

/* What to answer to RCPT; adds it when that is 2xx. `octets`: the size of the letter where it
 * is known. */
struct smtp_reply recipients_add(struct recipients *r, struct mda *m, struct str address,
                                 uint64_t octets);

/* After deliver_batch(): what to answer for the i-th. The text is the arena's. */
struct smtp_reply recipients_result(struct recipients *r, unsigned i);

#endif
