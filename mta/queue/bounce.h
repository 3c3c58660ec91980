/*
 * bounce - the letter that tells a sender what became of another letter (RFC 5321 4.5.5, RFC
 * 3461, RFC 3464): from <>, in the name of MAILER-DAEMON at our host. For a letter from <>
 * nobody is told, the postmaster neither: whoever can send from <> could fill that mailbox. It
 * stands in the log and in `posta trace`.
 *
 * The report is made on the loop from what is known in memory, and printed on the journal's
 * thread, where the letter it is about can be read.
 *
 * No backscatter: a stranger's letter (through port 25, without a login, from a network that
 * may not relay) has a sender that anybody could have written there. It must be told of
 * failures (RFC 5321 6.1) and of what it asked for with NOTIFY; of a delay it is told only when
 * it asked, and the letter itself comes back only to who asked with RET=FULL: else its head.
 */
#ifndef POSTA_QUEUE_BOUNCE_H
#define POSTA_QUEUE_BOUNCE_H

#include "base/arena.h"
#include "mail/dsn.h"
#include "mta/queue/queue.h"

struct bounce {
    struct arena arena; /* holds all strings below */
    struct dsn dsn;
    struct dsn_rcpt *rcpts;
    size_t room;
    bool whole; /* the letter comes back, if it is not too long */
};

/* May the sender be told that `what` became of a recipient with these NOTIFY bits? RFC 3461
 * 5.2.1 to 5.2.6. */
bool bounce_wanted(const struct queue_letter *l, unsigned notify, enum dsn_action what);

struct bounce *bounce_new(const struct queue_letter *about, enum dsn_action what,
                          const struct id *id, struct str hostname, struct str to,
                          uint64_t now_ms);
void bounce_free(struct bounce *b); /* accepts NULL */

/* Copies all. */
void bounce_add(struct bounce *b, const struct dsn_rcpt *r);

/* `original`: the first bytes of the letter, up to DSN_LETTER_BYTES and one more; "" where it
 * cannot be read. */
void bounce_print(struct buf *out, struct bounce *b, struct str original);

#endif
