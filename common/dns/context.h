/*
 * context - makes libunbound's context: whom to ask, what to believe. Inside of dns.c.
 */
#ifndef POSTA_DNS_CONTEXT_H
#define POSTA_DNS_CONTEXT_H

#include "dns/dns.h"

struct ub_ctx;

/* A copy of the options, and what follows from them and from the machine. */
struct context_plan {
    const char **servers; /* none: full recursion from the root */
    size_t servers_n;
    const char **insecure;
    size_t insecure_n;
    const char *anchor;   /* a file, or NULL */
    const char *anchored; /* the name whose keys it holds */
    enum dns_dnssec dnssec;
};

enum { CONTEXT_FILE_BYTES = 64 << 10 }; /* of resolv.conf or an anchor */

/* Where the system says whom to ask. */
const char *context_resolv_conf(const struct dns_options *o);
int context_plan(const struct dns_options *o, struct arena *a, struct context_plan *out,
                 struct err *err);
int context_make(const struct context_plan *plan, bool validate, struct ub_ctx **out,
                 struct err *err);

/* The servers of a resolv.conf(5), at most `max`; the rest of the file is not ours. A port may
 * stand behind an "@", as unbound writes it. */
size_t resolv_conf_servers(struct str text, struct arena *a, const char **out, size_t max);
/* The owner of the first record in a file of DS or DNSKEY records; "" where there is none. */
struct str anchor_owner(struct str text);

#endif
