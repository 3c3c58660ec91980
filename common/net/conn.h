/*
 * conn - the only place where bytes of a socket meet a protocol session.
 *
 * Moves bytes between one socket and one session, in clear or through TLS, and
 * knows nothing about either protocol. After anything happened it pumps: lets
 * the session run (`turn`), sends what it said, decides whether to read on. A
 * peer that does not read is not read from. An idle connection holds no
 * buffers.
 *
 * Lifetime: conn owns the session and frees it (`free`) when the socket is
 * closed and nobody holds the conn any more: conn_hold()/conn_release() guard
 * work that is still under way when the peer has gone.
 */
#ifndef POSTA_NET_CONN_H
#define POSTA_NET_CONN_H

#include "base/str.h"
#include "net/jobs.h"
#include "net/loop.h"
#include "tls/tls.h"

#include <sys/socket.h>
#include <sys/types.h>

enum turn {
    TURN_READ,     /* wants bytes                                                      */
    TURN_BUSY,     /* waits for the world; conn_wake() (or a job's done) comes first.
                      Output below CONN_HELD_BYTES is kept until then and leaves with what follows
                    */
    TURN_STARTTLS, /* flush, drop what was read ahead in clear, handshake, then tls_started() */
    TURN_CLOSE,    /* flush, then close                                                */
};

enum {
    CONN_READ_BYTES = 65536,      /* one shared block a loop: most bytes of one feed         */
    CONN_HELD_BYTES = 8192,       /* output kept back while the session is busy              */
    CONN_LINGER_MS = 2000,        /* for a peer to take the last words                       */
    CONN_LINGER_BYTES = 16 << 20, /* read and dropped meanwhile                              */
    CONN_ROUNDS = 16,             /* turns with output in a row, then others have their turn */
    CONN_DIAL_RETRY_MS = 10,      /* a Unix socket's full backlog is knocked at again        */
    CONN_DIAL_RETRIES = 500,
};

struct conn;

/* What a protocol gives to conn. All are called on the loop. */
struct conn_protocol {
    void (*feed)(void *session, struct str in);       /* `in` is valid for the call     */
    enum turn (*turn)(void *session, struct conn *c); /* answer wants until it cannot go on */
    struct str (*output)(const void *session);
    void (*sent)(void *session, size_t n);
    void (*tls_started)(void *session,
                        struct conn *c); /* after TURN_STARTTLS, not after tls_first;
                                            NULL where STARTTLS is not used */
    void (*expired)(void *session,
                    struct conn *c); /* the deadline passed: say so and ask to close;
                                        closed hard when that takes CONN_LINGER_MS,
                                        unless this sets a new deadline. Never called
                                        while a job of conn_job() runs: then after it */
    void (*closed)(void *session,
                   struct conn *c); /* the peer has gone, the connect or the handshake
                                       failed, the time is over (conn_error()); not after
                                       TURN_CLOSE or conn_abort(); NULL: nobody cares */
    void (*free)(void *session);    /* once, after all others; for TURN_CLOSE as soon as
                                       the last output has left */
};

struct conn_options {
    const struct conn_protocol *protocol;
    struct tls_context *tls; /* NULL: STARTTLS is never asked for */
    bool tls_first;          /* handshake before anything else (465, 995) */
    bool tls_client;
    bool listen_first; /* feed what the peer said before it was greeted, before the greeting
                          leaves (C12) */
    struct str server_name; /* client: SNI and what the certificate is checked against */
};

/* Takes over the connected socket `fd`. `make(arg, c)` returns the session, or NULL to have it
 * closed; the peer's address and credentials can be asked for inside it. All else is called
 * later, from the loop: neither this nor conn_wake() enters another callback. `o` is needed
 * during the call only, what it points at as long as the connection. */
struct conn *conn_new(struct loop *l, int fd, const struct conn_options *o,
                      void *(*make)(void *arg, struct conn *c), void *arg);

/* Connects to a Unix socket's path. Never NULL; what goes wrong shows in `closed`. */
struct conn *conn_dial_unix(struct loop *l, const char *path, const struct conn_options *o,
                            void *(*make)(void *arg, struct conn *c), void *arg);
struct conn *conn_dial(struct loop *l, const struct sockaddr *to, socklen_t n,
                       const struct conn_options *o, void *(*make)(void *arg, struct conn *c),
                       void *arg);

struct loop *conn_loop(const struct conn *c);

/* Something `turn` was waiting for has come: pump, later in this turn of the loop. Safe after
 * the peer has gone, while held. */
void conn_wake(struct conn *c);
void conn_hold(struct conn *c);
void conn_release(struct conn *c);     /* may free the session */
bool conn_alive(const struct conn *c); /* the peer can still be answered */
void conn_abort(
    struct conn *c); /* close now, unsent output is lost; frees the session unless held */
int conn_error(const struct conn *c); /* -errno of what ended it; 0 for an orderly end */
const char *conn_tls_error(
    const struct conn *c); /* one line when it was TLS (conn_error() is -EPROTO), else "" */

/* Calls fn for each open connection of this protocol, as when a program drains; fn may wake or
 * abort it. */
void conn_each(struct loop *l, const struct conn_protocol *protocol,
               void (*fn)(void *arg, struct conn *c, void *session), void *arg);

/* For the end of a program, after jobs_free(): closes all and frees the sessions, held ones
 * too. */
void conn_free_all(struct loop *l);

/* `expired` runs `ms` from now unless the deadline is set again; 0 means none. */
void conn_deadline(struct conn *c, uint64_t ms);

/* Octets of the socket for one feed, at most; with TLS the rest of a record comes on top. 0:
 * CONN_READ_BYTES. */
void conn_read_at_most(struct conn *c, size_t n);

/* Runs `job` on the pool while the session waits (turn returns TURN_BUSY); `done` runs on the
 * loop, also when the peer has gone, and the pump follows it. */
void conn_job(struct conn *c, struct jobs *pool, struct job *job, void (*done)(struct job *j));

/* "127.0.0.1", "::1"; "" for Unix sockets. Valid as long as c. */
const char *conn_peer_address(const struct conn *c);
int conn_peer_port(const struct conn *c);
const char *conn_local_address(const struct conn *c);
int conn_local_port(const struct conn *c);
/* Of Unix sockets. *pid is 0 for a process of another container, which has no number here. */
bool conn_peer_cred(const struct conn *c, uid_t *uid, pid_t *pid);
const struct tls_info *conn_tls(const struct conn *c); /* NULL in clear */
const struct tls *conn_tls_peer(const struct conn *c); /* also while it shakes hands */

#endif
