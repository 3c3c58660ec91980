/*
 * reply_reader - puts the lines of a server's replies together (RFC 5321 4.2),
 * however they are cut, and within limits: SMTP_REPLY_LINES, SMTP_REPLY_BYTES.
 */
#ifndef POSTA_SMTP_REPLY_READER_H
#define POSTA_SMTP_REPLY_READER_H

#include "base/arena.h"
#include "base/buf.h"
#include "smtp/reply.h"

/* Of a reply's text, for the result: a sender is told what another server said, whole. What
 * servers write is below 2 KiB. */
enum { SMTP_REPLY_KEPT_BYTES = 4096 };

struct reply_reader {
    int code;        /* of the reply that is being read; 0 before its first line */
    struct buf text; /* its lines without codes, joined by '\n'                   */
    size_t bytes;
    unsigned lines;
    size_t scanned;   /* of the input: holds no end of line */
    const char *flaw; /* why it is no reply; nothing is read any more */
};

void reply_reader_init(struct reply_reader *r);
void reply_reader_done(struct reply_reader *r);

/* Takes lines off the front of `in`. True when r->code and r->text are a whole reply, which
 * stays until reply_reader_next(). */
bool reply_reader_take(struct reply_reader *r, struct buf *in);
void reply_reader_next(struct reply_reader *r);

/* That reply as one: its lines joined by spaces, the enhanced status said once, cut at
 * SMTP_REPLY_KEPT_BYTES. */
struct smtp_reply reply_reader_reply(const struct reply_reader *r, struct arena *a);

#endif
