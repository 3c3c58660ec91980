/*
 *   dial ──▶ DIALING ──connected──▶ OPEN ──TURN_CLOSE, flushed──▶ LINGERING
 *               │                  ▲  │                                │
 *               │       conn_new ──┘  │ peer gone,                     │ EOF, time
 *               │ refused             │ conn_abort(), conn_fail()      ▼
 *               └─────────────────────┴───────────────────────────▶ CLOSED
 *
 * Every callback that moves bytes ends in pump(); only conn_leave() and
 * on_io_closed() free. The session goes when the state is LINGERING or CLOSED and
 * nothing holds it, the conn when libuv has let go of its handle as well.
 */
#include "net/conn_impl.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

static void pump(struct conn *c);
static void on_deadline(void *arg);

/* ---- life ---- */

static void on_soon(struct soon *s)
{
    struct conn *c = LIST_OF(s, struct conn, soon);

    conn_enter(c);
    c->yielding = false;
    if (c->state == CONN_DIALING && c->error)
        conn_fail(c, c->error);
    if (c->state == CONN_OPEN && c->handshaking && !c->tls)
        conn_tls_begin(c);
    pump(c);
    conn_leave(c);
}

struct conn *conn_alloc(struct loop *l, const struct conn_options *o)
{
    struct conn *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->loop = l;
    c->protocol = o->protocol;
    c->tls_context = o->tls ? tls_context_ref(o->tls) : NULL;
    c->tls_first = o->tls_first;
    c->tls_client = o->tls_client;
    c->server_name = o->server_name;
    c->peek = o->listen_first && !o->tls_first;
    c->turn = TURN_READ;
    c->fd = -1;
    c->local.port = -1;
    buf_init(&c->cipher, loop_cipher(l)->max);
    soon_init(&c->soon, on_soon);
    timer_init(&c->deadline, l, on_deadline, c);
    list_append(loop_conns(l), &c->link);
    return c;
}

static void free_session(struct conn *c)
{
    void *session = c->session;

    c->session = NULL;
    if (session)
        c->protocol->free(session);
}

static void free_conn(struct conn *c)
{
    soon_cancel(&c->soon);
    timer_done(&c->deadline);
    list_remove(&c->link);
    tls_free(c->tls);
    tls_context_unref(c->tls_context);
    buf_done(&c->cipher);
    free(c);
}

/* io.closed is set while libuv still has the handle. */
static void settle(struct conn *c)
{
    if (c->callbacks || c->holds || c->state < CONN_LINGERING)
        return;
    if (c->session) {
        c->callbacks++;
        free_session(c);
        c->callbacks--;
    }
    if (c->state == CONN_CLOSED && !c->io.closed)
        free_conn(c);
}

static void on_io_closed(struct io *io)
{
    struct conn *c = LIST_OF(io, struct conn, io);

    c->io.closed = NULL;
    settle(c);
}

void conn_enter(struct conn *c)
{
    c->callbacks++;
}

void conn_leave(struct conn *c)
{
    assert(c->callbacks > 0);
    conn_cipher_stow(c);
    c->callbacks--;
    settle(c);
}

void conn_hold(struct conn *c)
{
    c->holds++;
}

void conn_release(struct conn *c)
{
    assert(c->holds > 0);
    c->holds--;
    settle(c);
}

static void close_socket(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    timer_stop(&c->deadline);
    dial_free(c);
    if (c->io.open)
        io_close(&c->io, on_io_closed);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_done(&c->cipher);
    if (c->gone)
        c->gone(c->gone_arg, c);
    c->gone = NULL;
}

void conn_fail(struct conn *c, int error)
{
    if (c->state == CONN_CLOSED)
        return;
    c->error = error;
    close_socket(c);
    if (c->session && c->protocol->closed)
        c->protocol->closed(c->session, c);
}

void conn_abort(struct conn *c)
{
    conn_enter(c);
    close_socket(c);
    conn_leave(c);
}

void conn_each(struct loop *l, const struct conn_protocol *protocol,
               void (*fn)(void *arg, struct conn *c, void *session), void *arg)
{
    LIST_EACH(loop_conns(l), at)
    {
        struct conn *c = LIST_OF(at, struct conn, link);

        if (c->protocol == protocol && c->session && c->state <= CONN_OPEN)
            fn(arg, c, c->session);
    }
}

void conn_free_all(struct loop *l)
{
    while (!list_empty(loop_conns(l))) {
        struct conn *c = LIST_OF(loop_conns(l)->next, struct conn, link);

        list_remove(&c->link); /* one freed session may free another connection */
        c->callbacks++;
        close_socket(c);
        free_session(c);
        c->holds = 0;
        conn_leave(c);
    }
}

/* ---- out ---- */

static void block(struct conn *c)
{
    c->blocked = true;
    io_want(&c->io, IO_WRITE);
}

static struct str unsent(struct conn *c)
{
    if (!c->tls)
        return c->protocol->output(c->session);
    if (conn_cipher(c)->n == 0 && !c->handshaking)
        conn_tls_encrypt(c);
    return buf_str(conn_cipher(c));
}

/* The peer takes no more. What it said before it went may be the reason (a 421), and is heard:
 * once, then this is over. */
static void last_words(struct conn *c, int error)
{
    char *block = loop_read_block(c->loop);
    ssize_t n = c->tls || c->blocked || c->turn != TURN_READ
                    ? 0
                    : recv(c->fd, block, CONN_READ_BYTES, MSG_DONTWAIT);

    if (n > 0) {
        c->protocol->feed(c->session, (struct str){block, (size_t)n});
        c->protocol->turn(c->session, c);
    }
    conn_fail(c, error);
}

/* One send for all there is. True when nothing is left; *moved when there was something. */
static bool flush(struct conn *c, bool *moved)
{
    struct str out;

    while (c->state == CONN_OPEN && (out = unsent(c)).n) {
        ssize_t n = send(c->fd, out.p, out.n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            last_words(c, -errno);
            return false;
        }
        *moved = true;
        if (n > 0 && c->tls)
            conn_cipher_sent(c, (size_t)n);
        else if (n > 0)
            c->protocol->sent(c->session, (size_t)n);
        if (n < 0 || (size_t)n < out.n) {
            block(c);
            return false;
        }
    }
    return c->state == CONN_OPEN;
}

/* Closing a TCP socket on bytes that nobody read, or that are still under way, resets the
 * connection and destroys our last reply on its way (RFC 1122 4.2.2.13): say the end, then read
 * on. */
static void finish(struct conn *c)
{
    if (c->eof || c->is_unix || shutdown(c->fd, SHUT_WR) < 0) {
        close_socket(c);
        return;
    }
    c->state = CONN_LINGERING;
    io_want(&c->io, IO_READ);
    timer_start(&c->deadline, CONN_LINGER_MS);
}

static void linger(struct conn *c)
{
    ssize_t n = recv(c->fd, loop_read_block(c->loop), CONN_READ_BYTES, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        c->drained += (size_t)n;
    if (n <= 0 || c->drained > CONN_LINGER_BYTES)
        close_socket(c);
}

/* ---- the pump ---- */

/* Nothing left to send, and the session asked for c->turn. True: go on. */
static bool carry_out(struct conn *c, bool moved, unsigned round)
{
    switch (c->turn) {
    case TURN_READ:
        if (moved && round < CONN_ROUNDS)
            return true; /* it may have waited for room */
        if (moved) {
            c->yielding = true;
            soon_run(c->loop, &c->soon);
        } else if (c->eof)
            conn_fail(c, 0);
        else
            io_want(&c->io, IO_READ);
        return false;
    case TURN_BUSY:
        return false;
    case TURN_STARTTLS:
        conn_tls_begin(c);
        return true;
    case TURN_CLOSE:
        if (c->tls)
            conn_tls_end(c);
        if (c->tls && conn_cipher(c)->n)
            return true;
        finish(c);
        return false;
    }
    return false;
}

static bool held_back(const struct conn *c)
{
    return c->turn == TURN_BUSY && c->protocol->output(c->session).n < CONN_HELD_BYTES;
}

static void peek_early(struct conn *c)
{
    char *block = loop_read_block(c->loop);
    ssize_t n = recv(c->fd, block, CONN_READ_BYTES, MSG_DONTWAIT);

    c->peek = false;
    if (n > 0)
        c->protocol->feed(c->session, (struct str){block, (size_t)n});
}

/* After anything happened: let the session run, send what it said, decide whether to read on.
 */
static void pump(struct conn *c)
{
    for (unsigned round = 1; c->state == CONN_OPEN && !c->blocked && !c->yielding; round++) {
        bool moved = false;

        if (c->handshaking) {
            if (flush(c, &moved))
                io_want(&c->io, IO_READ);
            return;
        }
        if (c->job)
            return;
        if (c->peek)
            peek_early(c);
        if (c->turn == TURN_READ)
            c->turn = c->protocol->turn(c->session, c);
        if (c->state != CONN_OPEN || held_back(c) || !flush(c, &moved))
            return;
        if (!carry_out(c, moved, round))
            return;
    }
}

static bool wants_bytes(const struct conn *c)
{
    return (c->turn == TURN_READ || c->handshaking) && !c->yielding && !c->job;
}

/* A reset ends it also while the session is busy; when it is not, the reading tells, after what
 * came before the reset. */
static void failed(struct conn *c)
{
    int error = 0;
    socklen_t n = sizeof(error);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error)
        conn_fail(c, -error);
}

/* Cipher text of this size and an unfinished record make no more than CONN_READ_BYTES. */
static size_t read_room(const struct conn *c)
{
    size_t room = c->tls ? CONN_READ_BYTES - CONN_READ_BYTES / 4 - 512 : CONN_READ_BYTES;

    return c->read_max && c->read_max < room ? c->read_max : room;
}

static void read_some(struct conn *c)
{
    if (c->handshaking && !c->tls)
        return;
    if (!wants_bytes(c)) {
        io_want(&c->io, 0); /* the session is busy: the pump turns it on again */
        return;
    }

    char *block = loop_read_block(c->loop);
    ssize_t n = recv(c->fd, block, read_room(c), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 || (n == 0 && c->handshaking)) {
        conn_fail(c, n < 0 ? -errno : -ECONNRESET);
        return;
    }
    if (n == 0) {
        c->eof = true;
        io_want(&c->io, 0);
    } else if (c->tls) {
        conn_tls_take(c, (struct str){block, (size_t)n});
    } else {
        c->protocol->feed(c->session, (struct str){block, (size_t)n});
    }
    pump(c);
}

static void unblocked(struct conn *c)
{
    bool moved = false;

    c->blocked = false;
    if (!flush(c, &moved))
        return;
    if (c->turn == TURN_BUSY && !c->handshaking)
        io_want(&c->io, c->eof ? 0 : IO_READ);
    else
        pump(c);
}

static void on_ready(struct io *io, unsigned events)
{
    struct conn *c = LIST_OF(io, struct conn, io);

    conn_enter(c);
    if (c->state == CONN_OPEN && (events & IO_ERROR) && !wants_bytes(c))
        failed(c);
    if (c->state == CONN_DIALING)
        dial_ready(c);
    else if (c->state == CONN_LINGERING)
        linger(c);
    else if (c->state == CONN_OPEN && (events & IO_WRITE))
        unblocked(c);
    else if (c->state == CONN_OPEN)
        read_some(c);
    conn_leave(c);
}

/* `expired` says good-bye and sets no new deadline: then it has CONN_LINGER_MS to leave. */
static void expire(struct conn *c)
{
    c->protocol->expired(c->session, c);
    if (c->state == CONN_DIALING || c->handshaking)
        conn_fail(c, -ETIMEDOUT);
    else if (c->state == CONN_OPEN && !timer_running(&c->deadline)) {
        c->expiring = true;
        timer_start(&c->deadline, CONN_LINGER_MS);
    }
    if (c->turn == TURN_BUSY)
        c->turn = TURN_READ;
    pump(c);
}

static void on_deadline(void *arg)
{
    struct conn *c = arg;

    conn_enter(c);
    if (c->state == CONN_LINGERING)
        close_socket(c);
    else if (c->expiring)
        conn_fail(c, -ETIMEDOUT);
    else if (c->job)
        c->late = true;
    else if (c->state <= CONN_OPEN)
        expire(c);
    conn_leave(c);
}

/* ---- for the session ---- */

int conn_poll(struct conn *c)
{
    return c->io.open ? 0 : io_open(&c->io, c->loop, c->fd, on_ready);
}

int conn_opened(struct conn *c)
{
    int r = conn_poll(c);

    if (r < 0)
        return r;
    c->state = CONN_OPEN;
    c->handshaking = c->tls_first; /* begins with the first pump */
    io_want(&c->io, IO_READ);
    soon_run(c->loop, &c->soon);
    return 0;
}

struct conn *conn_accepted(struct loop *l, int fd, const struct sockaddr *peer, socklen_t n,
                           const struct conn_options *o,
                           void *(*make)(void *arg, struct conn *c), void *arg)
{
    struct conn *c = conn_alloc(l, o);

    conn_set_peer(c, peer, n);
    c->fd = fd;
    c->session = make(arg, c);
    c->error = c->session ? conn_opened(c) : -ECONNABORTED;
    if (c->error)
        soon_run(l, &c->soon); /* told from the loop, as all errors are */
    return c;
}

struct conn *conn_new(struct loop *l, int fd, const struct conn_options *o,
                      void *(*make)(void *arg, struct conn *c), void *arg)
{
    struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
    socklen_t n = sizeof(sa);

    if (getpeername(fd, (struct sockaddr *)&sa, &n) < 0)
        n = 0;
    return conn_accepted(l, fd, (struct sockaddr *)&sa, n, o, make, arg);
}

struct loop *conn_loop(const struct conn *c)
{
    return c->loop;
}

void conn_wake(struct conn *c)
{
    if (c->state != CONN_OPEN)
        return;
    if (c->turn == TURN_BUSY)
        c->turn = TURN_READ;
    soon_run(c->loop, &c->soon);
}

bool conn_alive(const struct conn *c)
{
    return c->state <= CONN_OPEN;
}

int conn_error(const struct conn *c)
{
    return c->error;
}

void conn_read_at_most(struct conn *c, size_t n)
{
    c->read_max = n;
}

void conn_deadline(struct conn *c, uint64_t ms)
{
    if (c->state > CONN_OPEN || c->expiring)
        return;
    c->late = false;
    if (ms)
        timer_start(&c->deadline, ms);
    else
        timer_stop(&c->deadline);
}

static void job_done(struct job *j)
{
    struct conn *c = j->conn;

    conn_enter(c);
    c->job = false;
    j->then(j); /* may free the job */
    if (c->late && c->state == CONN_OPEN && !c->expiring)
        expire(c);
    conn_wake(c);
    c->holds--;
    conn_leave(c);
}

void conn_job(struct conn *c, struct jobs *pool, struct job *job, void (*done)(struct job *j))
{
    assert(!c->job);
    c->job = true;
    conn_hold(c);
    job->conn = c;
    job->then = done;
    jobs_submit(pool, job, job_done);
}
