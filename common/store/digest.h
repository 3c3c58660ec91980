/*
 * digest - what is kept of a letter so that it need not be read again: the usual header fields,
 * ENVELOPE and BODYSTRUCTURE (RFC 3501 7.4.2) as they go over the wire, where its parts lie,
 * how long it is on the wire. Found in one reading, in memory that does not grow with the
 * letter.
 */
#ifndef POSTA_STORE_DIGEST_H
#define POSTA_STORE_DIGEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "store/lines.h"

enum {
    DIGEST_WHOLE_BYTES = 256 * 1024, /* read at once; longer letters in pieces of this */
    DIGEST_HEAD_BYTES = 4096,        /* in which most heads end */
    DIGEST_TEXT_BYTES = 64 << 20,    /* of each result */
    DIGEST_LETTER_BYTES = 1 << 30,   /* longer ones are not read through: no letter, or a sparse
                                        file (F03) */
};

struct digest {
    struct buf header; /* '+' or '-' (not complete), then MESSAGE_HEADER_FIELDS, raw, with LF */
    struct buf envelope, bodystructure, parts;
    uint64_t vsize;
    bool crlf;
    struct lines_count lines;
    char *block;
    struct arena scratch;
};

void digest_init(struct digest *d);
void digest_done(struct digest *d);

/* The file from its first octet; `size` is what fstat() said. Without `all` only vsize and
 * crlf. */
int digest_read(struct digest *d, int fd, uint64_t size, bool all, struct err *err);
/* `header` alone, the same, of which only the head is read. */
int digest_read_head(struct digest *d, int fd, struct err *err);

#endif
