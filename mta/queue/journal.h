/*
 * journal - what the queue must not forget: queue.db and spool/msg, written by one thread.
 *
 * The loop hands in operations; the thread takes all that came while it was busy with the last
 * ones and makes them durable together: one sync of msg/, one commit. Whoever waits then gets
 * its `done` on the loop. What nobody waits for (a delivery that ended) rides along, or goes at
 * the next journal_flush().
 *
 *   take     in/ID ─ rename ─▶ msg/ID ─▶ [a report: in/NEW ─▶ msg/NEW ─▶] sync of msg/
 *            ─▶ commit of the envelope, and the report's ─▶ done (250)
 *
 *   settle   [the bounce: in/NEW ─▶ msg/NEW ─▶ sync of msg/]
 *            ─▶ commit: recipients changed or gone, the bounce there ─▶ done
 *            ─▶ unlink of msg/ID when its last recipient has gone
 *
 * SPOOL.md says why a crash between any two steps is harmless. A take that fails is given up,
 * file and all. A settle is kept and tried again until the database takes it, for what it tells
 * has already happened; only when its bounce cannot be written it comes back undone.
 */
#ifndef POSTA_QUEUE_JOURNAL_H
#define POSTA_QUEUE_JOURNAL_H

#include "base/err.h"
#include "base/list.h"
#include "mta/queue/bounce.h"
#include "mta/queue/queue.h"
#include "spool/spool.h"

enum journal_kind { JOURNAL_TAKE, JOURNAL_SETTLE };

struct journal_op {
    struct list link;
    enum journal_kind kind;
    void (*done)(struct journal_op *op); /* on the loop; the op is the caller's again */
    void *arg;
    int result;
    struct err err;
};

struct journal_take {
    struct journal_op op;
    struct queue_letter *letter; /* gets its row */
    uid_t uid;                   /* who must own in/ID */
    struct bounce *bounce;       /* that its alias was expanded; NULL: nobody asked */
    struct queue_letter *report; /* as in a settle; both are the caller's           */
};

struct journal_change {
    uint32_t rcpt;
    bool ended; /* delivered or failed: it goes. Else: */
    unsigned tries, backoff;
    uint64_t next_wall_ms;
    char *reply; /* malloc'd; freed by journal_settle_free() */
    bool told;   /* the sender hears of the delay            */
};

struct journal_settle {
    struct journal_op op;
    uint64_t row;
    struct id id;
    bool last; /* no recipient is left: the letter goes           */
    int held;  /* 1, 0, or -1: as it was                          */
    size_t nchanges, room;
    struct journal_change *changes;
    struct bounce *bounce;       /* a report: printed into ...                      */
    struct queue_letter *report; /* ... this letter, which gets its row and size    */
};

struct journal_settle *journal_settle_new(const struct queue_letter *l);
struct journal_change *journal_settle_add(struct journal_settle *s, uint32_t rcpt);
void journal_settle_free(struct journal_settle *s); /* with what it still holds */

struct journal;

/* Opens or makes state_dir/spool/queue.db. `notify` is called on the journal's thread when
 * journal_collect() has something to do. */
struct journal *journal_open(const char *state_dir, struct spool *spool,
                             void (*notify)(void *arg), void *arg, struct err *err);
/* All letters, in the order they came. Before the thread starts. `wait_most_ms` bounds how far
 * ahead a next try is believed to be, whatever the calendar did. Rows without recipients are
 * dropped. */
int journal_load(struct journal *j, uint64_t now_wall_ms, uint64_t now_steady_ms,
                 uint64_t wait_most_ms, void (*each)(void *arg, struct queue_letter *l),
                 void *arg, struct err *err);

/* msg/ID is nobody's: unlinked in its time once the journal has been started. */
void journal_remove_later(struct journal *j, const struct id *id);

/* Without a thread, for tests and before the start: does what was submitted. */
void journal_turn(struct journal *j);
int journal_start(struct journal *j, struct err *err);

/* `urgent`: somebody waits. */
void journal_submit(struct journal *j, struct journal_op *op, bool urgent);
void journal_flush(struct journal *j);
/* Runs the `done`s of what is finished, on the caller's thread. */
void journal_collect(struct journal *j);
bool journal_idle(struct journal *j); /* nothing submitted is unfinished */

/* Finishes what was submitted, ends the thread. Call journal_collect() before journal_close().
 */
void journal_stop(struct journal *j);
void journal_close(struct journal *j); /* accepts NULL */

#endif
