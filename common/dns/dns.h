/*
 * dns - questions to the Domain Name System, answered with what DNSSEC says about the answer.
 *
 * One libunbound context a process, made after fork; its thread does the work. A question never
 * fails: it is answered, at the latest when its time is over, and the answer is taken off a
 * list. Nothing here calls back, so a question may be given up at any time.
 *
 *     dns_ask(d, &question, now);            whenever
 *     poll: dns_fd(d) readable, or dns_next_ms(d, now) over
 *     dns_process(d, now);
 *     while ((q = dns_take(d))) { use dns_query_answer(q); dns_query_free(q); }
 *
 * Where the system's resolv.conf names the servers, a changed one is noticed with a question,
 * at most DNS_LOOK_MS later: a new context asks those, and whether they keep signatures is
 * asked anew. One that names nobody, or cannot be read, changes nothing.
 *
 * The fd stays the same as long as d lives. Times are those of a clock that only goes forward.
 *
 * Signatures are checked here, from the trust anchor down; the AD bit of a server is never
 * believed (D08, D10). Where the servers we ask take signatures off on the way, no name could
 * be validated and no letter sent: this is noticed by asking for the anchor's DNSKEY,
 * validation is switched off, and no answer is `secure` from then on (dns_dnssec()).
 */
#ifndef POSTA_DNS_H
#define POSTA_DNS_H

#include "base/err.h"
#include "dns/record.h"

enum {
    DNS_QUESTION_MS = 30 * 1000, /* for an answer, where the question names no time itself */
    DNS_PROBE_MS = 5 * 1000, /* for the anchor's keys; the first questions wait for them    */
    DNS_LOOK_MS = 1000, /* between two looks at resolv.conf                                  */
    DNS_PROBE_AGAIN_MS = 60 * 1000, /* until we ask for them again where no answer came */
    DNS_QUESTIONS = 4096,   /* not yet answered; a further one is DNS_SERVFAIL at once  */
    DNS_UNDER_WAY = 128,    /* of these with libunbound; the others wait                */
    DNS_WITH_LIBRARY = 224, /* DNS_UNDER_WAY, and those that libunbound works at though nobody
                               waits any more. All of them fit into the pipe to its thread, so
                               that handing over a question never blocks (275 octets each) */
    DNS_RECORDS = 1024, /* of one answer; `cut` tells that there were more                  */
    DNS_CNAMES = 8,     /* of one answer; with more it is DNS_SERVFAIL (D02)                */
};

enum dns_code {
    DNS_FOUND,
    DNS_NODATA,   /* the name is there, without a record of this type */
    DNS_NXDOMAIN, /* there is no such name                            */
    DNS_SERVFAIL, /* no answer, or none that can be used: ask later   */
    DNS_TIMEOUT,  /* nothing in time: ask later                       */
    DNS_BOGUS,    /* forged, cut or badly signed: ask later           */
};

struct dns_answer {
    enum dns_code code;
    bool secure; /* validated; a denial too */
    bool cut;
    uint32_t ttl;
    struct str name; /* at the end of the chain of CNAMEs, in small letters; "" where that is
                        none that dns_name_valid() takes */
    const struct str *records; /* rdata, for record_*(); n > 0 where code is DNS_FOUND */
    size_t n;
    struct str why; /* of what failed, for a person; may hold any octets */
};

struct dns_question {
    struct str name; /* dns_name_valid(), else the answer is DNS_NXDOMAIN */
    enum dns_type type;
    uint32_t timeout_ms; /* 0: DNS_QUESTION_MS */
    void *owner;         /* whose it is: for the caller alone */
};

enum dns_dnssec {
    DNSSEC_ASKING,     /* it is not known yet: no answer came so far             */
    DNSSEC_ON,         /* the anchor's keys came, with signatures that hold      */
    DNSSEC_OFF,        /* by the configuration: "." is insecure                  */
    DNSSEC_ANCHORLESS, /* no trust anchor was found on this machine            */
    DNSSEC_STRIPPED,   /* the servers leave signatures out: validation is off    */
    DNSSEC_BROKEN,     /* signatures came and do not fit the anchor: what is below it is
                          DNS_BOGUS */
};

struct dns_options {
    const char *const *servers; /* "192.0.2.1", "127.0.0.1@5353"; none: the system's */
    size_t servers_n;
    const char *const *insecure; /* zones taken without DNSSEC; ".": all */
    size_t insecure_n;
    const char *trust_anchor; /* a file of DS or DNSKEY records; NULL or "": the root's */
    const char *resolv_conf;  /* NULL: /etc/resolv.conf. Without a server in it the root is
                                 asked and everything below it */
};

struct dns;
struct dns_query;

/* Starts a thread. Says what is wrong with servers, zones or the anchor. */
int dns_open(const struct dns_options *o, uint64_t now_ms, struct dns **out, struct err *err);
void dns_close(struct dns *d); /* accepts NULL; all queries are gone with it, taken ones too */

int dns_fd(const struct dns *d);
int64_t dns_next_ms(const struct dns *d, uint64_t now_ms); /* -1: nothing waits for time */
void dns_process(struct dns *d, uint64_t now_ms);

struct dns_query *dns_ask(struct dns *d, const struct dns_question *question, uint64_t now_ms);
struct dns_query *dns_take(struct dns *d); /* NULL: none is answered */
const struct dns_answer *dns_query_answer(const struct dns_query *q);
void *dns_query_owner(const struct dns_query *q);
/* At any time: answered, taken or neither. Accepts NULL. What the answer points at goes too. */
void dns_query_free(struct dns_query *q);

enum dns_dnssec dns_dnssec(const struct dns *d);
struct str dns_dnssec_text(enum dns_dnssec state); /* what it means, for a person */
struct str dns_code_text(enum dns_code code);

#endif
