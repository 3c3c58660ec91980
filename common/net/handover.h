/*
 * handover - letters from one of our processes to the next (queue.sock, mda.sock), or to
 * somebody else's LMTP: a bounded pool of connections to one Unix socket, each carrying one
 * transaction of smtp/client.h at a time.
 *
 * Jobs begin in the order they were submitted. Connections are greeted once and kept; those
 * that nobody needs are closed after a while. A connection that breaks before a letter was
 * handed over costs nothing: the job is tried once more, at once, on another one. While nobody
 * listens, jobs wait HANDOVER_PATIENCE_MS, so that a process that is started again is not
 * missed, and are then given back as not handed over.
 *
 * What became of each recipient stands in its phase when `done` is called:
 *
 *   SMTP_PHASE_ANSWERED   `reply` is final
 *   SMTP_PHASE_HANDED     the last byte left and no answer came: the letter may have been taken
 *   SMTP_PHASE_START      it was not taken; job->err says why
 */
#ifndef POSTA_NET_HANDOVER_H
#define POSTA_NET_HANDOVER_H

#include "base/list.h"
#include "net/loop.h"
#include "smtp/client.h"

enum {
    HANDOVER_PATIENCE_MS = 1000,
    HANDOVER_BACK_OFF_FIRST_MS = 25,
    HANDOVER_BACK_OFF_MAX_MS = 400,
    HANDOVER_IDLE_MS = 30 * 1000,
    HANDOVER_TRIES = 2, /* on connections that stood */
};

struct handover;

struct handover_job {
    struct smtp_transaction *tx;
    /* On the loop, never from inside handover_submit(). Texts in replies are valid until it
     * returns; the job is the caller's again, and may be submitted again. */
    void (*done)(struct handover_job *job);
    /* For a peer that does not offer XSPOOL: the next bytes of the letter (LF line ends), 0 at
     * its end, negative to give it up. Begins again when `restart` is true: another try. Called
     * on the loop, from a file that is in memory or nearly. NULL: such a peer gets no letter.
     */
    ssize_t (*read)(struct handover_job *job, bool restart, char *to, size_t room);

    struct err err; /* code 0: the transaction came to its end */

    struct list link; /* the pool's own, as what follows */
    uint64_t since_ms;
    unsigned tries;
    bool begun;
};

/* `path` of the Unix socket; `deadline_ms` for one transaction, or for the next step of a body.
 */
struct handover *handover_new(struct loop *l, const char *path, bool lmtp, struct str hostname,
                              unsigned connections_max, uint64_t deadline_ms);
/* For transactions that begin later; connections that are too many go when nobody needs them.
 */
void handover_set_limits(struct handover *h, unsigned connections_max, uint64_t deadline_ms);
void handover_free(struct handover *h); /* no `done` for what is under way; accepts NULL */

void handover_submit(struct handover *h, struct handover_job *job);
unsigned handover_waiting(const struct handover *h); /* not begun */
unsigned handover_active(const struct handover *h);  /* begun and not done */
bool handover_up(const struct handover *h);          /* the last connect worked */

#endif
