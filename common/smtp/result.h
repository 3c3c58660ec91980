/*
 * result - what became of one recipient at another server, as posta-mta-send tells it to the
 * queue: in the text of one LMTP reply (RFC 2033 4.2), whose code and status are those of the
 * delivery.
 *
 *   550 5.1.1 host=mx.b.test ip=192.0.2.7 tls=TLS1_3 said=yes mxset=9f86d081 : No such user
 *
 * Words of the form key=value, the values in xtext (RFC 3461 4), those that are not known left
 * out; then ":" and the words, of that server where it `said` them, else our own. The whole
 * text fits into what a client keeps of a reply (SMTP_REPLY_KEPT_BYTES), whatever the server
 * said: words are cut, and what is not printable ASCII in them becomes '?'.
 */
#ifndef POSTA_SMTP_RESULT_H
#define POSTA_SMTP_RESULT_H

#include "base/arena.h"
#include "smtp/reply.h"

enum {
    RESULT_HOST_BYTES = 255,
    RESULT_WORD_BYTES = 64,   /* of every other value */
    RESULT_TEXT_BYTES = 3500, /* of the words: what is cut ends in "..." */
};

struct result {
    struct smtp_reply reply; /* with the words alone                              */
    struct str host;         /* the name of the server that was spoken to          */
    struct str ip;           /* its address                                        */
    struct str tls;          /* "TLS1_3"; "" in clear                              */
    struct str mxset;        /* names the set of hosts that the destination has    */
    bool dsn;                /* it takes DSN (RFC 3461): it tells of success and delay itself */
    bool said;               /* the words are the server's                         */
};

/* The reply that says it; lives in `a`. A value that cannot be one is left out. */
struct smtp_reply result_print(const struct result *r, struct arena *a);

/* Of a reply that is of another form, all are words. The strings point into `reply` or `a`. */
struct result result_parse(struct smtp_reply reply, struct arena *a);

#endif
