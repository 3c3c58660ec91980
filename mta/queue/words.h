/*
 * words - the last that was said about a recipient, on one line: for the log, the journey, the
 * listing and queue.db.
 *
 *   550 5.1.1 No such user (mx.b.test[192.0.2.7])               that server said so
 *   451 4.4.1 no connection in time (at mx.b.test[192.0.2.7])   we saw it there
 *   452 4.2.2 this mailbox is full                              it was here
 */
#ifndef POSTA_QUEUE_WORDS_H
#define POSTA_QUEUE_WORDS_H

#include "smtp/result.h"

enum { WORDS_TEXT_BYTES = 600, WORDS_BYTES = 1200 }; /* kept of what was said; with the host */

/* Control characters become spaces, a longer text ends in " ...". Words of nobody's that end as
 * if they had a host get a full stop. `out` is empty. */
void words_print(struct buf *out, const struct result *r);

/* Back again; points into `words`. What is of another form is all text. */
struct result words_parse(struct str words);

#endif
