/*
 * conn_impl - the inside of a connection, for conn.c, conn_tls.c, conn_names.c, dial.c and
 * listen.c alone.
 */
#ifndef POSTA_NET_CONN_IMPL_H
#define POSTA_NET_CONN_IMPL_H

#include "net/conn.h"
#include "net/io.h"

#include <netinet/in.h>

enum conn_state {
    CONN_DIALING,   /* connect() is under way                              */
    CONN_OPEN,      /* bytes go to and fro                                 */
    CONN_LINGERING, /* all was said; waits for the peer to take it         */
    CONN_CLOSED     /* no socket; what still holds the session is awaited  */
};

struct dial;

struct conn {
    struct io io;
    struct loop *loop;
    struct list link; /* loop_conns() */
    struct soon soon; /* the pump that conn_wake() asked for */
    struct timer deadline;
    const struct conn_protocol *protocol;
    void *session;
    enum conn_state state;
    enum turn turn; /* what the session asked for and has not got yet */
    int fd, error;
    unsigned holds;     /* while above 0 the session stays */
    unsigned callbacks; /* of ours on the stack: the memory stays */
    bool tls_first, tls_client, handshaking;
    bool peek;     /* look for early bytes before the first output          */
    bool eof;      /* the peer says no more                                 */
    bool blocked;  /* output waits for the socket: nothing is read          */
    bool yielding; /* it talked long enough, others come first              */
    bool job;      /* a job of conn_job() is under way                      */
    bool late;     /* the deadline passed meanwhile                         */
    bool expiring; /* `expired` was called: the end is near, whatever comes */
    size_t drained;
    size_t read_max; /* 0: none of its own */
    struct tls_context *tls_context;
    struct tls *tls;
    struct str server_name;
    struct buf cipher; /* what the socket did not take at once */
    struct dial *dial;
    void (*gone)(void *arg, struct conn *c); /* the listener counts */
    void *gone_arg;
    bool is_unix;
    bool counted; /* in the table of addresses */
    struct {
        char text[INET6_ADDRSTRLEN];
        int port; /* -1: not asked for yet */
    } peer, local;
};

/* A connection without socket and session. */
struct conn *conn_alloc(struct loop *l, const struct conn_options *o);
/* The socket is connected: from here on it is pumped. */
int conn_opened(struct conn *c);
int conn_poll(struct conn *c); /* its socket, for nothing yet */
/* "127.0.0.1", "::1"; "" for what has none. Returns the port. */
int conn_address(char text[INET6_ADDRSTRLEN], const struct sockaddr *sa, socklen_t n);
void conn_set_peer(struct conn *c, const struct sockaddr *sa, socklen_t n);

/* As conn_new(), for who knows the address already. */
struct conn *conn_accepted(struct loop *l, int fd, const struct sockaddr *peer, socklen_t n,
                           const struct conn_options *o,
                           void *(*make)(void *arg, struct conn *c), void *arg);

/* Between the two the memory stays. */
void conn_enter(struct conn *c);
void conn_leave(struct conn *c);
void conn_fail(struct conn *c, int error); /* close and tell the session */

/* dial.c */
void dial_ready(struct conn *c); /* the socket is writable: connected or refused */
void dial_free(struct conn *c);

/* conn_tls.c: the loop's shared buffer holds cipher text within a callback; what is unsent at
 * its end moves into the connection. */
struct buf *conn_cipher(struct conn *c);
void conn_cipher_stow(struct conn *c);
void conn_cipher_sent(struct conn *c, size_t n);
void conn_tls_begin(struct conn *c);
void conn_tls_take(struct conn *c, struct str in); /* cipher text came */
void conn_tls_encrypt(struct conn *c);             /* the session's output */
void conn_tls_end(struct conn *c);

#endif
