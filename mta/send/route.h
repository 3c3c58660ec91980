/*
 * route - where the letters for a domain go: a fixed server that posta.conf names, or those
 * that DNS does.
 *
 *     mta.route "domain"  ─ or ─▶  mta.relay  ─ or ─▶  MX records of the domain, at mta.port
 */
#ifndef POSTA_SEND_ROUTE_H
#define POSTA_SEND_ROUTE_H

#include "base/arena.h"
#include "sys/config.h"

enum route_tls {
    ROUTE_MAY,    /* where it is offered and works; else in clear           */
    ROUTE_MUST,   /* or nothing; any certificate will do                    */
    ROUTE_VERIFY, /* or nothing; with a certificate that holds for its name */
    ROUTE_NEVER,
};

enum { ROUTE_PASSWORD_BYTES = 1024 };

struct route {
    struct str domain; /* "": all others                               */
    bool mx;           /* the hosts are in DNS                         */
    bool lmtp;
    struct str host;  /* a name or an address                         */
    const char *path; /* of a Unix socket in its place, or NULL       */
    uint16_t port;
    enum route_tls tls;
    struct str user, password; /* user "": no login                            */
    const char *flaw;          /* why nothing can go this way now, or NULL     */
};

struct routes {
    struct arena arena;
    struct route *all; /* the last one is for all others */
    size_t n;
};

/* Reads the files with passwords. One that cannot be read is the route's flaw. */
void routes_init(struct routes *r, const struct config *c);
void routes_done(struct routes *r); /* wipes the passwords */

const struct route *routes_find(const struct routes *r, struct str domain);

#endif
