/*
 * clients - the connections to auth.sock and what each may ask: our own boxes log people in,
 * root and the owner of the state directory change accounts as well. What a connection left
 * open is dropped with it.
 */
#ifndef POSTA_AUTHD_CLIENTS_H
#define POSTA_AUTHD_CLIENTS_H

#include "base/err.h"
#include "net/conn.h"

enum { CLIENTS_UIDS = 8 };

struct clients;

struct clients_options {
    struct loop *loop;
    const char *dir; /* of auth.db: its owner may change accounts */
    uid_t owner;     /* of the state directory                    */
    bool clear_allowed;
    unsigned hash_threads;
};

int clients_open(const struct clients_options *o, struct clients **out, struct err *err);
void clients_close(struct clients *cs); /* drops the connections; accepts NULL */

/* A password may come from a session without TLS: only in a lab. */
void clients_allow_clear(struct clients *cs, bool allowed);

const struct conn_protocol *clients_protocol(void);
void *clients_make(void *arg, struct conn *c); /* for the listener; arg is the clients */

/* Exchanges and changes under way; `empty` is called when there are none any more. */
unsigned clients_busy(const struct clients *cs);
void clients_on_empty(struct clients *cs, void (*empty)(void *arg), void *arg);

void clients_status(struct clients *cs, struct buf *json);

#endif
