/*
 * resolve - from a route and a domain to addresses, by DNS where they are not known.
 *
 *   resolve_mx, resolve_host ──questions──▶ libunbound ──answers──▶ done(hosts) or done(reply)
 */
#ifndef POSTA_SEND_RESOLVE_H
#define POSTA_SEND_RESOLVE_H

#include "mta/send/hosts.h"
#include "net/loop.h"
#include "sys/config.h"

struct resolver;
struct resolve;

/* Never NULL: where DNS does not start, it says why and every question is answered with it. */
struct resolver *resolver_new(struct loop *l, const struct config *c);
void resolver_free(struct resolver *r); /* accepts NULL; no resolve may be under way */

/* `done` runs later, on the loop, never from inside. `hosts` is filled; where n is 0, `why`
 * says so. Both are valid during the call, and the resolve is gone after it. */
typedef void resolve_done(void *arg, const struct hosts *hosts, struct smtp_reply why);

struct resolve *resolve_mx(struct resolver *r, struct str domain, uint16_t port,
                           resolve_done *done, void *arg);
/* A name, or an address as text. */
struct resolve *resolve_host(struct resolver *r, struct str host, uint16_t port,
                             resolve_done *done, void *arg);
void resolve_cancel(struct resolve *q); /* accepts NULL */

/* Are answers validated? In words. */
struct str resolver_dnssec(const struct resolver *r);

#endif
