#include "net/listen.h"
#include "net/conn_impl.h"
#include "net/shared.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

struct listener {
    struct io io;
    struct loop *loop;
    struct timer resume;
    struct listen_options options;
    struct shared *own; /* made here, where options.shared is NULL */
    int fd, spare;
    unsigned streak;      /* turns in a row that found somebody waiting */
    unsigned connections; /* open; each holds the listener's memory */
    bool freed, closed;
};

static void on_ready(struct io *io, unsigned events);

static void set_up_spare(struct listener *ls)
{
    if (ls->spare < 0)
        ls->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void settle(struct listener *ls)
{
    if (!ls->freed || !ls->closed || ls->connections)
        return;
    shared_close(ls->own);
    free(ls);
}

static struct shared *counts(struct listener *ls)
{
    if (!ls->options.shared && !ls->own)
        ls->own = shared_open(-1, 0, NULL);
    return ls->options.shared ? ls->options.shared : ls->own;
}

static void connection_gone(void *arg, struct conn *c)
{
    struct listener *ls = arg;

    ls->connections--;
    if (c->counted)
        shared_disconnect(counts(ls), c->peer.text);
    settle(ls);
}

/* A line in clear is noise where TLS comes first. */
static void turn_away(const struct listener *ls, int fd, struct str words)
{
    if (words.n && !ls->options.conn.tls_first)
        (void)!send(fd, words.p, words.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static void welcome(struct listener *ls, int fd, const struct sockaddr_storage *sa, socklen_t n)
{
    const struct listen_options *o = &ls->options;
    char address[INET6_ADDRSTRLEN];

    if (o->connections_max && ls->connections >= o->connections_max) {
        turn_away(ls, fd, o->busy);
        return;
    }
    conn_address(address, (const struct sockaddr *)sa, n);
    if (address[0])
        shared_peer(counts(ls), address);
    bool counted = o->per_address_max && address[0];
    if (counted && !shared_connect(counts(ls), address, o->per_address_max)) {
        turn_away(ls, fd, o->refused);
        return;
    }
    ls->connections++;
    struct conn *c =
        conn_accepted(ls->loop, fd, (const struct sockaddr *)sa, n, &o->conn, o->make, o->arg);
    c->counted = counted;
    c->gone = connection_gone;
    c->gone_arg = ls;
}

static void pause_listening(struct listener *ls)
{
    io_want(&ls->io, 0);
    timer_start(&ls->resume, LISTEN_PAUSE_MS);
}

static void resume_listening(void *arg)
{
    struct listener *ls = arg;

    set_up_spare(ls);
    io_want(&ls->io, IO_READ);
}

/* Out of descriptors: the next peer is told so through the spare one, so that it does not wait
 * for nothing; then the sessions get time to end (X11). */
static void tell_one_and_pause(struct listener *ls)
{
    if (ls->spare >= 0) {
        close(ls->spare);
        ls->spare = -1;

        int fd = accept4(ls->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            turn_away(ls, fd, ls->options.busy);
        set_up_spare(ls);
    }
    pause_listening(ls);
}

/* One a turn, so that workers who are idle take what a busy one would: a flood, which leaves
 * somebody waiting in turn after turn, is taken in batches. */
static unsigned batch(const struct listener *ls)
{
    unsigned n = 1 + ls->streak / LISTEN_STREAK;

    return n < LISTEN_BATCH ? n : LISTEN_BATCH;
}

static void on_ready(struct io *io, unsigned events)
{
    struct listener *ls = LIST_OF(io, struct listener, io);
    unsigned taken = 0;

    (void)events;
    while (taken < batch(ls)) {
        struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
        socklen_t n = sizeof(sa);
        int fd = accept4(ls->fd, (struct sockaddr *)&sa, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            taken++;
            welcome(ls, fd, &sa, n);
        } else if (errno == EAGAIN) { /* or another worker took it */
            ls->streak = 0;
            return;
        } else if (errno == EMFILE || errno == ENFILE) {
            tell_one_and_pause(ls);
            return;
        } else if (errno == EINVAL) { /* the supervisor has shut it down: its sessions stay */
            io_want(&ls->io, 0);
            return;
        } else if (errno == ENOBUFS || errno == ENOMEM) {
            pause_listening(ls);
            return;
        } else { /* that one connection has gone before we came (accept(2)) */
            taken++;
        }
    }
    ls->streak++;
}

struct listener *listener_new(struct loop *l, int fd, const struct listen_options *o)
{
    struct listener *ls = calloc(1, sizeof(*ls));
    int on = 1;

    if (!ls)
        abort();
    ls->loop = l;
    ls->options = *o;
    ls->fd = fd;
    ls->spare = -1;
    set_up_spare(ls);
    timer_init(&ls->resume, l, resume_listening, ls);
    /* what is accepted inherits it; on a Unix socket it means nothing */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (io_open(&ls->io, l, fd, on_ready) < 0)
        abort();
    io_want(&ls->io, IO_READ);
    return ls;
}

static void on_io_closed(struct io *io)
{
    struct listener *ls = LIST_OF(io, struct listener, io);

    ls->closed = true;
    settle(ls);
}

void listener_change(struct listener *ls, const struct listen_options *o)
{
    struct shared *shared = ls->options.shared;

    ls->options = *o;
    ls->options.shared = shared;
}

void listener_free(struct listener *ls)
{
    if (!ls)
        return;
    assert(!ls->freed);
    ls->freed = true;
    timer_done(&ls->resume);
    io_close(&ls->io, on_io_closed);
    close(ls->fd);
    if (ls->spare >= 0)
        close(ls->spare);
}

unsigned listener_connections(const struct listener *ls)
{
    return ls->connections;
}
