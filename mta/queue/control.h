/*
 * control - queue.ctl: what `posta queue` and `posta trace` ask for. One command a line; the
 * answer is one JSON object a line and then "OK n" or "ERR text".
 *
 *   LIST [to=WORD] [from=WORD] {"id", "sender", "recipients": [{"address", "state", "next_try",
 *                             "why", "reply"}], "held", "size", "age"}; the words are addresses
 *                             or domains in xtext (RFC 3461 4), from=<> for no sender
 *   SHOW id                   the same with "parent", "arrived", "flags", "tries", and "head":
 *                             the head of the letter
 *   RETRY id|*                due now
 *   FLUSH                     all due now, and their back-off begins anew
 *   HOLD id|*, RELEASE id|*   remembered over restarts
 *   DELETE id|*               nobody is told
 *   TRACE id                  {"id", "time", "box", "text"} a hop, letters about it too
 *   STATUS                    counters
 *
 * "state" is due, trying, later or held; "next_try" a time (RFC 3339) or null; "age"
 * in seconds; "why" says in words what the recipient waits for. A peer that does not read is
 * not written for: a listing goes on where it stood when there is room again.
 */
#ifndef POSTA_QUEUE_CONTROL_H
#define POSTA_QUEUE_CONTROL_H

#include "mta/queue/service.h"

enum {
    CONTROL_LINE_BYTES = 1024,
    CONTROL_OUTPUT_BYTES = 64 * 1024, /* unsent; then a listing pauses      */
    CONTROL_ANSWER_BYTES = 16 << 20,  /* of one letter with its recipients  */
    CONTROL_HEAD_BYTES = 64 * 1024,
};

void control_options(struct service *s, struct listen_options *o);
void control_drain(struct service *s);

#endif
