/*
 * dsn - the letter that says what became of another one (RFC 3464 in the
 * multipart/report of RFC 6522): first in words for a person, then in fields for
 * a program, then the letter it is about, or its head.
 *
 * LF line ends. What other servers said is shown whole up to DSN_TEXT_BYTES, and never
 * believed: what is not printable becomes '?', and no line of the report is longer than 998
 * octets. Addresses beyond ASCII are shown as they are; the forms of RFC 6533 are not made.
 */
#ifndef POSTA_DSN_H
#define POSTA_DSN_H

#include "base/buf.h"
#include "base/id.h"

enum {
    DSN_TEXT_BYTES = 4000, /* of one reply shown; above SMTP_REPLY_KEPT_BYTES          */
    DSN_FIELD_BYTES = 900, /* of every other thing from outside: a line                */
    DSN_LETTER_BYTES = 256 * 1024, /* a longer letter comes back as its head alone           */
};

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

struct dsn_rcpt {
    struct str original; /* ORCPT decoded: "rfc822;a@b"; "" where not told             */
    struct str final;    /* the address that was tried                                 */
    enum dsn_action action;
    struct str status;     /* "5.1.1"; "" is made up from the action and the code        */
    int code;              /* SMTP reply code, 0 where no server said anything           */
    struct str diagnostic; /* the words of that reply, or our own                        */
    struct str remote;     /* the server that was spoken to or tried last; "" for none   */
    struct str ip;         /* its address                                                */
    bool said;             /* the code and the words are the server's                    */
    int64_t last_try_s;    /* 0: not told                                                */
    int64_t retry_until_s; /* DSN_DELAYED: when it will be given up                       */
};

struct dsn {
    struct id id;        /* of this letter: Message-ID                                 */
    struct str boundary; /* 1 to 60 letters and digits that do not occur in `letter`   */
    struct str hostname; /* the reporting MTA                                          */
    struct str to;       /* the sender of the letter this is about                     */
    int64_t now_s;
    struct str envid;  /* ENVID decoded; "" where not told                           */
    struct id about;   /* the letter this is about                                   */
    int64_t arrived_s; /* when it came                                               */
    const struct dsn_rcpt *rcpts;
    size_t nrcpts;
    struct str letter; /* its bytes, or the first DSN_LETTER_BYTES of them           */
    bool whole;        /* return all of `letter`, where it is fit for that (failure and RET
                          not HDRS, not longer than DSN_LETTER_BYTES) */
};

/* Prints head and body. The envelope's sender is <>. */
void dsn_print(struct buf *out, const struct dsn *d);

#endif
