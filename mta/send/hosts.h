/*
 * hosts - the addresses that a destination has, in the order in which they are tried, or the
 * reply that tells why there is none.
 */
#ifndef POSTA_SEND_HOSTS_H
#define POSTA_SEND_HOSTS_H

#include "dns/mx.h"
#include "smtp/reply.h"

#include <sys/socket.h>

enum {
    HOSTS = 16, /* addresses of one delivery; the rest is for the next one */
    HOST_NAME_BYTES = 255,
    HOST_SET_LETTERS = 32,
};

struct host {
    char name[HOST_NAME_BYTES + 1]; /* what its certificate is checked against */
    char ip[IP_TEXT_BYTES];         /* "" for a Unix socket                    */
    struct sockaddr_storage at;
    socklen_t at_n;
    uint16_t preference; /* of the MX record                       */
    bool secure;         /* its address was validated (DNSSEC)     */
};

struct hosts {
    struct host all[HOSTS];
    size_t n;
    bool more;    /* some are left out, or could not be found just now             */
    bool secure;  /* the list of names was validated                               */
    bool implied; /* there are no MX records: the domain itself is the host        */
    /* The same for the same names and port, in whatever order; "" where there are none. */
    char set[HOST_SET_LETTERS + 1];
};

void hosts_init(struct hosts *h);
/* What is above the limit, or whose name is too long, is left out. */
void hosts_add(struct hosts *h, struct str name, const struct ip *ip, uint16_t port);
void hosts_add_unix(struct hosts *h, const char *path);
/* When all are in. */
void hosts_name_set(struct hosts *h);

void hosts_of_mx(struct hosts *h, const struct mx_result *r, uint16_t port);

#endif
