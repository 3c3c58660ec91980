/*
 * bounce - the letter that tells a sender that another letter did not arrive (RFC 5321 4.5.5,
 * RFC 3464): from <>, in the name of MAILER-DAEMON at our host. For a letter from <> nobody is
 * told but the postmaster, by the same report; for that report nobody at all.
 *
 * The report is made on the loop from what is known in memory, and printed on the journal's
 * thread, where the letter it is about can be read.
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
    bool head_only; /* RET=HDRS */
};

enum bounce_to { BOUNCE_NOBODY, BOUNCE_SENDER, BOUNCE_POSTMASTER };

/* Who hears that recipient `rcpt` failed: RFC 3461 5.2.1, RFC 5321 6.1. */
enum bounce_to bounce_to_whom(const struct queue_letter *l, uint32_t rcpt);

struct bounce *bounce_new(const struct queue_letter *about, const struct id *id,
                          struct str hostname, struct str to, uint64_t now_ms);
void bounce_free(struct bounce *b); /* accepts NULL */

/* `code` 0: no server said anything. `text` is the reply without its numbers, `remote` who said
 * it where that was not we. Copies all. */
void bounce_add(struct bounce *b, const struct queue_rcpt *r, int code, struct str status,
                struct str text, struct str remote, uint64_t now_ms);

/* `original`: the first bytes of the letter, up to DSN_LETTER_BYTES and one more; "" where it
 * cannot be read. */
void bounce_print(struct buf *out, struct bounce *b, struct str original);

#endif
