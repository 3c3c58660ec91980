/*
 * ip - an IP address, of either family, as DNS and address literals give it.
 *
 * An IPv4 address that comes in IPv6 clothes (::ffff:192.0.2.1) is kept as what it is, so that
 * no comparison is deceived by the other spelling.
 */
#ifndef POSTA_DNS_IP_H
#define POSTA_DNS_IP_H

#include "base/arena.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { IP_V4_BYTES = 4, IP_V6_BYTES = 16, IP_TEXT_BYTES = INET6_ADDRSTRLEN };

struct ip {
    bool v6;
    uint8_t bytes[IP_V6_BYTES]; /* the first four, and zeroes, unless v6 */
};

bool ip_from_bytes(struct str bytes, struct ip *out); /* 4 or 16 of them, else false */
bool ip_parse(struct str text, struct ip *out);       /* 192.0.2.1, 2001:db8::1 */
/* [192.0.2.1], [IPv6:2001:db8::1]        RFC 5321 4.1.3 */
bool ip_parse_literal(struct str text, struct ip *out);

bool ip_eq(const struct ip *a, const struct ip *b);
/* Leads to this machine whoever says it: loopback, "this network", the unspecified one. */
bool ip_is_here(const struct ip *ip);
/* No single host can be reached under it: multicast, broadcast, link-local without a link. */
bool ip_is_nobody(const struct ip *ip);

struct str ip_text(const struct ip *ip, char to[IP_TEXT_BYTES]);
socklen_t ip_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *out);
/* 1.2.0.192.in-addr.arpa, or 32 digits and ip6.arpa        RFC 1035 3.5, RFC 3596 2.5 */
struct str ip_reverse_name(struct arena *a, const struct ip *ip);

#endif
