/*
 * client - one POP3 connection: answers what its session asks, from authd, the users' snapshot
 * and the maildrop.
 *
 * Passwords are authd's, directories and flushes the pools'; nothing on the loop waits. Wrong
 * passwords are answered later and later by the client's address, counted over all workers
 * (U07).
 */
#ifndef POSTA_POP3D_CLIENT_H
#define POSTA_POP3D_CLIENT_H

#include "net/auth_link.h"
#include "net/conn.h"
#include "net/jobs.h"
#include "net/shared.h"
#include "pop3d/session.h"
#include "sys/config.h"
#include "users/users.h"

/* What all clients of a process share. */
struct clients {
    struct loop *loop;
    struct shared *shared;
    struct auth_link *auth;
    struct users *users;
    const char *state_dir;
    struct config_limits limits;
    struct pop3_config session; /* stls: of the port in clear */
    struct jobs *maildrops;     /* opening and removing: directories, flushes */
    struct jobs *letters;       /* reading                                    */
    bool draining;
    unsigned n;
    uint64_t connections, logins, retrieved, deleted; /* since the start */
    void (*empty)(void *arg);                         /* draining, and the last one has gone */
    void *arg;
};

/* The pools; `auth`, `users` and the rest are the owner's. */
void clients_start(struct clients *cs);
void clients_stop(struct clients *cs); /* drops all connections */
/* Says goodbye to who is idle, and to the others after what they do; then `empty`. */
void clients_drain(struct clients *cs);

const struct conn_protocol *client_protocol(void);
void *client_make(void *arg, struct conn *c);     /* for listeners: arg is the clients */
void *client_make_tls(void *arg, struct conn *c); /* TLS first */

#endif
