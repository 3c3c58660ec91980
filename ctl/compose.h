/*
 * compose - makes a letter out of what a program wrote to sendmail's standard input. Pure.
 *
 *   - CRLF and bare CR become LF; without -i a line that is a lone dot ends the letter; an mbox
 * "From " line in front goes;
 *   - with -t the recipients are those of To, Cc and Bcc, or, where the letter was sent on, of
 * the Resent- fields alone (RFC 5322 3.6.6), besides those of the command line;
 *   - Bcc goes; Date, From and Message-ID come where they are missing (RFC 6409 8);
 *   - a name without a domain gets the origin's.
 */
#ifndef POSTA_CTL_COMPOSE_H
#define POSTA_CTL_COMPOSE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "ctl/sendmail_args.h"

struct compose_context {
    struct str hostname; /* for a missing Message-ID             */
    struct str origin;   /* the domain of names without one: compose_origin() */
    struct str login;    /* who calls: "alice"                */
    struct id id;        /* for a missing Message-ID          */
    int64_t now_s;
    size_t rcpts_max;
};

struct composed {
    struct str sender; /* "" for <>                         */
    struct str *rcpts; /* each once, in order                */
    size_t nrcpts;
    struct buf letter; /* LF line ends; composed_done() frees it */
    bool eight_bit;
    bool utf8;          /* an address needs SMTPUTF8          */
    uint64_t wire_size; /* with CRLF                         */
};

/* "mail.example.org" writes for example.org: the host's name without its first label, where two
 * are left (Postfix calls it $mydomain). */
struct str compose_origin(struct str hostname);

/* Strings live as long as `a`. E_SYNTAX: an address is none; E_NOT_FOUND: no recipient;
 * E_LIMIT: too many. */
int compose(struct arena *a, struct str input, const struct sendmail_args *args,
            const struct compose_context *c, struct composed *out, struct err *err);
void composed_done(struct composed *c);

#endif
