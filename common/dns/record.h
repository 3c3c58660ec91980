/*
 * record - what stands in a DNS record: names, mail exchangers, addresses, texts, TLSA
 * (RFC 1035 3, RFC 3596, RFC 6698 2.1). Pure; the octets come from strangers.
 *
 * libunbound has unfolded compressed names where it gives out rdata, so a pointer in there is a
 * fault. What is not as its RFC says makes the function false, and the record is ignored.
 */
#ifndef POSTA_DNS_RECORD_H
#define POSTA_DNS_RECORD_H

#include "dns/ip.h"

enum { /* RFC 1035 2.3.4 */
       DNS_LABEL_BYTES = 63,
       DNS_WIRE_NAME_BYTES = 255, /* with the lengths of labels and the root's */
       DNS_NAME_BYTES = 253,      /* the same as text, without a final dot      */
};

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_RRSIG = 46,
    DNS_DNSKEY = 48,
    DNS_TLSA = 52,
};

/* May be asked for: labels of letters, digits, "-" and "_", without a final dot. What has
 * octets above 0x7f goes through domain_to_ascii() (mail/idn.h) first. */
bool dns_name_valid(struct str name);

/* A name on the wire, as text in small letters; "" is the root. False also where a label holds
 * anything that dns_name_valid() does not know: a name that goes into logs, headers and reports
 * has no dots, blanks or line ends of its own (D09). */
bool scan_wire_name(struct str *in, struct arena *a, struct str *out);

struct record_mx {
    uint16_t preference;
    struct str host; /* "": RFC 7505, takes no mail */
};

struct record_tlsa {
    uint8_t usage, selector, matching;
    struct str data; /* of the length that the matching type asks for */
};

bool record_mx(struct str rdata, struct arena *a, struct record_mx *out);
bool record_ip(struct str rdata, enum dns_type type, struct ip *out); /* A, AAAA */
bool record_host(struct str rdata, struct arena *a, struct str *out); /* PTR, CNAME */
bool record_txt(struct str rdata, struct arena *a, struct str *out);  /* its strings, joined */
bool record_tlsa(struct str rdata, struct record_tlsa *out);

/* How many records of `type` the answer section of a whole message holds; -1 where it is no
 * message (RFC 1035 4.1). */
int message_answers(struct str message, enum dns_type type);

#endif
