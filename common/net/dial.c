/* dial - connecting to somebody else's socket. */
#include "net/conn_impl.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

/* Kept while a Unix socket's backlog is full: connect() says EAGAIN there, and no poll tells
 * when there is room again. */
struct dial {
    struct timer again;
    struct sockaddr_storage to;
    socklen_t n;
    unsigned tries;
};

void dial_free(struct conn *c)
{
    if (!c->dial)
        return;
    timer_done(&c->dial->again);
    free(c->dial);
    c->dial = NULL;
}

/* Told from the loop, never from inside conn_dial(). */
static void refused(struct conn *c, int error)
{
    c->error = error;
    soon_run(c->loop, &c->soon);
}

static void knock(struct conn *c)
{
    struct dial *d = c->dial;
    int r = connect(c->fd, (struct sockaddr *)&d->to, d->n) < 0 ? -errno : 0;

    if (r == -EAGAIN && c->is_unix && d->tries++ < CONN_DIAL_RETRIES) {
        timer_start(&d->again, CONN_DIAL_RETRY_MS);
        return;
    }
    if (r == -EINPROGRESS || r == -EINTR) {
        r = conn_poll(c);
        io_want(&c->io, IO_WRITE);
    } else if (r == 0) {
        dial_free(c);
        r = conn_opened(c);
    }
    if (r < 0)
        refused(c, r);
}

static void knock_again(void *arg)
{
    knock(arg);
}

void dial_ready(struct conn *c)
{
    int error = 0;
    socklen_t n = sizeof(error);

    dial_free(c);
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
        error = errno;
    if (error == 0)
        error = -conn_opened(c);
    if (error)
        conn_fail(c, -error);
}

struct conn *conn_dial(struct loop *l, const struct sockaddr *to, socklen_t n,
                       const struct conn_options *o, void *(*make)(void *arg, struct conn *c),
                       void *arg)
{
    struct conn *c = conn_alloc(l, o);
    int on = 1;

    c->dial = calloc(1, sizeof(*c->dial));
    if (!c->dial || n > sizeof(c->dial->to))
        abort();
    memcpy(&c->dial->to, to, n);
    c->dial->n = n;
    timer_init(&c->dial->again, l, knock_again, c);
    conn_set_peer(c, to, n);
    c->session = make(arg, c);
    c->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || !c->session) {
        refused(c, c->fd < 0 ? -errno : -ECONNABORTED);
        return c;
    }
    if (!c->is_unix)
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    knock(c);
    return c;
}

struct conn *conn_dial_unix(struct loop *l, const char *path, const struct conn_options *o,
                            void *(*make)(void *arg, struct conn *c), void *arg)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = strlen(path);

    if (n < sizeof(un.sun_path)) {
        memcpy(un.sun_path, path, n);
        return conn_dial(l, (struct sockaddr *)&un, sizeof(un), o, make, arg);
    }

    struct conn *c = conn_alloc(l, o);
    c->is_unix = true;
    c->session = make(arg, c);
    refused(c, -ENAMETOOLONG);
    return c;
}
