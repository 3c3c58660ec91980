/*
 * listen - accepts connections from a listening socket.
 *
 * Takes at most LISTEN_BATCH connections a turn, so that a flood does not stop
 * the sessions. Out of file descriptors it uses a spare one to tell the next peer `busy`, and
 * pauses. Counts connections by address in the table shared by all workers and refuses
 * above the limit with `refused`.
 */
#ifndef POSTA_NET_LISTEN_H
#define POSTA_NET_LISTEN_H

#include "net/conn.h"

enum {
    LISTEN_BATCH = 32,     /* connections a turn              */
    LISTEN_STREAK = 8,     /* turns until one more is taken   */
    LISTEN_PAUSE_MS = 100, /* when there are no descriptors   */
};

struct shared; /* net/shared.h */

struct listen_options {
    struct conn_options conn;
    void *(*make)(void *arg, struct conn *c);
    void *arg;
    struct str busy;          /* sent in clear before closing: "421 4.3.2 …\r\n" */
    struct str refused;       /* too many from one address: "421 4.7.0 …\r\n"    */
    unsigned connections_max; /* of this worker; 0: any                          */
    unsigned per_address_max; /* over all workers; 0: not counted (Unix sockets)  */
    struct shared *shared;    /* NULL: counted in this process alone              */
};

struct listener;

/* Takes over `fd`, a listening socket. */
struct listener *listener_new(struct loop *l, int fd, const struct listen_options *o);
/* For connections from now on, as after a reload; `loop`, `shared` and what is counted stay. */
void listener_change(struct listener *ls, const struct listen_options *o);
void listener_free(struct listener *ls);
unsigned listener_connections(const struct listener *ls);

#endif
