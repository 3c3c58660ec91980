/*
 * doors - the listening sockets of a server for readers (POP3, IMAP): some in clear, where TLS
 * begins by a command, some with TLS from the first byte; and the certificate that both show.
 *
 * Each kind has a TLS context of its own, so that a ticket of one is worth nothing at the other
 * (T08). Where a new certificate cannot be used the one before stays.
 */
#ifndef POSTA_ACCESS_DOORS_H
#define POSTA_ACCESS_DOORS_H

#include "net/listen.h"
#include "net/program.h"

enum { DOORS_MAX = 64 };

enum door { DOOR_CLEAR, DOOR_TLS, DOOR_KINDS };

struct doors_spec {
    const char *names[DOOR_KINDS]; /* of the sockets: "imapd", "imapd-tls" */
    const char *alpn;              /* "imap" */
    const struct conn_protocol *protocol;
    void *(*make[DOOR_KINDS])(void *arg, struct conn *c);
    struct str busy, refused; /* said to who is one too many, in all or from an address */
};

struct doors {
    const struct doors_spec *spec;
    void *arg; /* for make */
    struct tls_context *tls[DOOR_KINDS];
    struct listener *listeners[DOORS_MAX];
    enum door kinds[DOORS_MAX];
    unsigned n;
};

void doors_init(struct doors *d, const struct doors_spec *spec, void *arg);
void doors_done(struct doors *d);

/* The certificate in p, at the start and at a reload. None is no error. */
int doors_load(struct doors *d, const struct program *p, struct err *err);
bool doors_have_tls(const struct doors *d);
/* Takes over a listening socket, also when it fails. */
int doors_open(struct doors *d, const struct program *p, const char *name, int fd,
               struct err *err);
void doors_change(struct doors *d, const struct program *p); /* limits and certificate */
void doors_close(struct doors *d);                           /* nobody else comes in */

#endif
