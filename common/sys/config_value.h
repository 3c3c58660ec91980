/*
 * config_value - what may stand behind a key: sizes, times, addresses, networks.
 *
 * As everywhere, scan_* reads the whole of what it is given or fails and changes nothing.
 */
#ifndef POSTA_SYS_CONFIG_VALUE_H
#define POSTA_SYS_CONFIG_VALUE_H

#include "base/str.h"

enum { CONFIG_HOST_BYTES = 255, CONFIG_SOCKET_BYTES = 107 }; /* sun_path, without NUL */

/* 4096, "64K", "25M", "1G", "1T" (1024 each). */
bool config_size(struct str s, uint64_t *out);
/* Seconds: 300, "30s", "5m", "4h", "5d", "1w". */
bool config_time(struct str s, uint64_t *out);
/* true, yes, on; false, no, off. */
bool config_bool(struct str s, bool *out);

/* "*:25", "127.0.0.1:2525", "[::1]:25": a place to listen at. */
struct config_address {
    char host[64]; /* without brackets; "*" for every address, IPv4 and IPv6 */
    uint16_t port;
    bool any, v6;
};
bool config_address(struct str s, struct config_address *out);

/* "mail.example.org:25", "127.0.0.1:2525", "[::1]:25": a place to go to. */
struct config_host_port {
    char host[CONFIG_HOST_BYTES + 1];
    uint16_t port;
};
bool config_host_port(struct str s, struct config_host_port *out);

/* Where a route leads: as config_host_port(), "lmtp:mail.example.org:24" for a server that
 * speaks LMTP (RFC 2033), "lmtp:/run/x/lmtp" for one on a Unix socket. */
struct config_destination {
    bool lmtp;
    struct config_host_port at; /* unless there is a path */
    char path[CONFIG_SOCKET_BYTES + 1];
};
bool config_destination(struct str s, struct config_destination *out);

/* "127.0.0.0/8", "::1", "2001:db8::/32". */
struct config_network {
    uint8_t bytes[16];
    unsigned bits, size; /* size: 4 or 16 octets */
};
bool config_network(struct str s, struct config_network *out);
/* Is `address` ("127.0.0.1", "::1", "::ffff:127.0.0.1") in it? */
bool config_network_has(const struct config_network *n, const char *address);

/* Labels of letters, digits and inner hyphens by dots, at most 253 octets (RFC 1123 2.1). */
bool config_host_name(struct str s);

#endif
