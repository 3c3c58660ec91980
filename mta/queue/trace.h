/*
 * trace - the journeys of letters gone by, for `posta trace`: state_dir/spool/trace.db.
 *
 * Bounded to the newest `letters_max`, written by a thread of its own that gathers what comes
 * within a moment, never in the way of anything: when the file cannot be written, or more comes
 * than can be, journeys are lost and counted. A broken file is thrown away.
 *
 * A journey's text is one hop a line: milliseconds since 1970, TAB, box, TAB, words.
 */
#ifndef POSTA_QUEUE_TRACE_H
#define POSTA_QUEUE_TRACE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/list.h"

enum {
    TRACE_PENDING_MAX = 10000, /* journeys waiting to be written; then they are lost */
    TRACE_ANSWER_BYTES = 1 << 20,
    TRACE_JOURNEY_BYTES = 8192, /* of hops in the queue; later ones are lost */
    TRACE_TEXT_BYTES = 16384,   /* with the hops before it */
};

struct trace;

struct trace_query {
    struct list link;
    struct id id;
    void (*done)(struct trace_query *q); /* on the loop; the query is the caller's again */
    struct buf answer; /* trace_print_hops() of the letter and of what it gave rise to */
};

/* `notify` as with the journal. NULL with a reason: the queue works without. */
struct trace *trace_open(const char *state_dir, uint64_t letters_max, void (*notify)(void *arg),
                         void *arg, struct err *err);
void trace_close(struct trace *t); /* writes what waits; accepts NULL */

void trace_add(struct trace *t, const struct id *id, const struct id *parent, uint64_t ended_ms,
               struct str text);
void trace_find(struct trace *t, struct trace_query *q);
void trace_collect(struct trace *t);
uint64_t trace_lost(struct trace *t);

/* One line of a journey. */
void trace_add_hop(struct buf *text, uint64_t ms, const char *box, struct str words);
/* A JSON object a hop: {"id": …, "time": "2026-11-22T21:31:25.123Z", "box": …, "text": …} and a
 * newline. */
void trace_print_hops(struct buf *out, const struct id *id, struct str text);
void trace_print_time(struct buf *out, uint64_t ms); /* RFC 3339, UTC */

#endif
