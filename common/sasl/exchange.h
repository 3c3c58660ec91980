/*
 * exchange - one attempt to log in, from the server's side (RFC 4422; Cyrus SASL inside).
 *
 * Bytes in, bytes out, one question at a time, never blocking. Each attempt is an object of its
 * own, also the second one after a failure (U05). Where a mechanism wants a password checked,
 * the exchange stops and asks; the answer comes by sasl_exchange_verdict(), when it is known.
 * Cyrus cannot stop inside its call-back: that step fails there, and the attempt is played
 * again from its start, with the answer, into a new object of Cyrus's (3 microseconds). So
 * Cyrus stays on one thread, and a hash can be computed on any other.
 *
 * User names are made canonical here: NFC, ASCII in lower case, no control characters and no
 * spaces; passwords come in NFC (password_prepare()).
 */
#ifndef POSTA_SASL_EXCHANGE_H
#define POSTA_SASL_EXCHANGE_H

#include "base/buf.h"
#include "base/err.h"

enum {
    SASL_USER_BYTES = 320,      /* RFC 5321 4.5.3.1: 64 + "@" + 255            */
    SASL_PASSWORD_BYTES = 1024, /* U17                                         */
    SASL_STEPS = 4,             /* responses of one attempt                     */
};

/* What the owner gives once, for the process. */
struct sasl_owner {
    const char *mechanisms; /* "PLAIN LOGIN" */
    /* The SCRAM verifiers of `user` as RFC 5803 writes them, one for each mechanism, by `\n`;
     * for one who is not known a decoy, or SCRAM tells strangers who exists (U09). NULL where
     * SCRAM is not used. */
    bool (*verifiers)(void *arg, struct str user, struct buf *out);
    void (*log)(void *arg, const char *text); /* what Cyrus complains about; may be NULL */
    void *arg;
};

/* Loads the mechanisms. Once a process, before threads; `owner` is copied. */
int sasl_exchange_init(const struct sasl_owner *owner, struct err *err);
void sasl_exchange_done(void);

struct sasl_begin {
    struct str service; /* "smtp" */
    struct str mechanism;
    struct str binding_name, binding; /* of the TLS channel; empty in clear            */
    bool clear_allowed;               /* a password may travel as it is: TLS, or a lab */
};

enum sasl_ask {
    SASL_ASK_RESPONSE, /* send `challenge`, then sasl_exchange_step()                 */
    SASL_ASK_PASSWORD, /* is `password` that of `user`? sasl_exchange_verdict()       */
    SASL_SAYS_YES,     /* `user` has logged in                                        */
    SASL_SAYS_NO,      /* it failed; nobody is told why                               */
};

struct sasl_said {
    struct str challenge;
    struct str user, password; /* valid as long as the exchange */
};

struct sasl_exchange;

struct sasl_exchange *sasl_exchange_new(const struct sasl_begin *b);
void sasl_exchange_free(struct sasl_exchange *x); /* wipes; accepts NULL */

/* The first step has no response where the client sent none with its mechanism. */
enum sasl_ask sasl_exchange_step(struct sasl_exchange *x, bool has_response,
                                 struct str response, struct sasl_said *said);
enum sasl_ask sasl_exchange_verdict(struct sasl_exchange *x, bool right,
                                    struct sasl_said *said);

/* Lower case, and nothing that is no name: false leaves `out` as it was. For whoever writes
 * accounts. */
bool sasl_canonical_user(struct str name, struct buf *out);

#endif
