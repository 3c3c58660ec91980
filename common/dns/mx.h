/*
 * mx - from a domain to the hosts that take its mail, best first (RFC 5321 5.1, RFC 7505).
 *
 * Asks nobody itself: it hands out questions, is given the answers in whatever order they come,
 * and ends with a list of hosts and addresses or with the reply that tells why there is none.
 *
 *     while (mx_next(m, &question) == MX_ASK) ask it, remember question.number;
 *     for each answer: mx_answer(m, number, answer), and mx_next() again
 *     MX_DONE: mx_result(m)
 *
 * Promises: hosts are sorted by preference, in random order among equals; IPv6 and IPv4
 * take turns within a host. Never leads to ourselves: the best host that is us goes, and with
 * it all that are no better. What DNS could not say now is tried later, a forged answer too:
 * only what DNS denies makes a letter come back.
 */
#ifndef POSTA_DNS_MX_H
#define POSTA_DNS_MX_H

#include "dns/dns.h"

enum {
    MX_HOSTS = 50,         /* of one domain; of more, the best (D02) */
    MX_HOST_ADDRESSES = 8, /* of one host                            */
    MX_QUESTIONS = 10,     /* under way for one domain               */
};

/* Who we are. What is not in here cannot be noticed. */
struct mx_self {
    const struct str *names; /* of this host */
    size_t names_n;
    const struct ip *addresses; /* where we listen; loopback is always us */
    size_t addresses_n;
    bool loopback_is_others; /* in a lab, where other systems listen on this machine */
};

struct mx_question {
    struct str name;
    enum dns_type type;
    unsigned number;
};

struct mx_host {
    struct str name; /* as the MX record has it: what TLS and TLSA are about (RFC 7672 2.2) */
    struct str expanded; /* at the end of its CNAMEs, if there are any; else name          */
    uint16_t preference;
    bool secure; /* its addresses were validated */
    const struct ip *addresses;
    size_t n;
};

struct mx_result {
    const struct mx_host *hosts; /* none: the reply below says why */
    size_t n;
    bool secure;       /* the list of hosts was validated: a condition of DANE         */
    bool partial;      /* of some hosts DNS does not tell now: what these say is not all */
    bool implied;      /* there are no MX records, or the domain is an address literal */
    uint32_t ttl;      /* seconds for which this holds; 0 for a literal                */
    unsigned code;     /* 450, 550, 556 */
    struct str status; /* 5.1.2 … */
    struct str text;
};

enum mx_step { MX_ASK, MX_WAIT, MX_DONE };

struct mx;

/* `domain` as in an address: ASCII, U-labels, or an address literal. `self` must live as long;
 * `seed` is random. */
struct mx *mx_new(struct str domain, const struct mx_self *self, uint64_t seed);
void mx_free(struct mx *m); /* accepts NULL; the result goes with it */

enum mx_step mx_next(struct mx *m, struct mx_question *out);
void mx_answer(struct mx *m, unsigned number, const struct dns_answer *answer);
const struct mx_result *mx_result(const struct mx *m); /* after MX_DONE */

#endif
