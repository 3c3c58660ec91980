/*
 * client - one POP3 connection: answers what its session asks, from authd, the users' snapshot
 * and the maildrop.
 *
 * Passwords are access/login's, directories and flushes the pools'; nothing on the loop waits.
 */
#ifndef POSTA_POP3D_CLIENT_H
#define POSTA_POP3D_CLIENT_H

#include "access/login.h"
#include "pop3d/session.h"

/* What all clients of a process share. */
struct clients {
    struct access access;
    struct changes *changes; /* who else serves the mailboxes hears of removals */
    const char *state_dir;
    struct pop3_config session; /* stls: of the port in clear */
    struct jobs *maildrops;     /* opening and removing: directories, flushes */
    struct jobs *letters;       /* reading                                    */
    bool draining;
    unsigned n;
    uint64_t connections, logins, retrieved, deleted, damaged; /* since the start */
    void (*empty)(void *arg); /* draining, and the last one has gone */
    void *arg;
};

/* The pools; what `access` points at and the rest are the owner's. */
void clients_start(struct clients *cs);
void clients_stop(struct clients *cs); /* drops all connections */
/* Says goodbye to who is idle, and to the others after what they do; then `empty`. */
void clients_drain(struct clients *cs);

extern const struct conn_protocol client_protocol;
void *client_make(void *arg, struct conn *c);     /* for listeners: arg is the clients */
void *client_make_tls(void *arg, struct conn *c); /* TLS first */

#endif
