/* conn_tls - the cipher text of a connection, between its socket and its session. */
#include "net/conn_impl.h"

#include <assert.h>
#include <errno.h>

/* Once something is unsent all goes behind it. */
struct buf *conn_cipher(struct conn *c)
{
    struct conn **user = loop_cipher_user(c->loop);

    if (c->cipher.n)
        return &c->cipher;
    assert(!*user || *user == c);
    *user = c;
    return loop_cipher(c->loop);
}

void conn_cipher_stow(struct conn *c)
{
    struct buf *shared = loop_cipher(c->loop);

    if (c->callbacks > 1 || *loop_cipher_user(c->loop) != c)
        return;
    *loop_cipher_user(c->loop) = NULL;
    if (c->state == CONN_OPEN && shared->n) {
        buf_done(&c->cipher);
        c->cipher = *shared; /* the block moves, the loop makes a new one */
        buf_init(shared, shared->max);
    } else {
        buf_clear(shared);
    }
}

void conn_cipher_sent(struct conn *c, size_t n)
{
    buf_drop(conn_cipher(c), n);
    buf_release(&c->cipher); /* an idle connection keeps nothing */
}

void conn_tls_begin(struct conn *c)
{
    struct str nothing = {"", 0};

    assert(c->tls_context && !c->tls);
    c->tls = tls_new(c->tls_context, c->server_name);
    c->handshaking = true;
    if (c->tls_client && tls_handshake(c->tls, &nothing, conn_cipher(c)) == TLS_FAILED)
        c->error = -EPROTO;
    io_want(&c->io, IO_READ);
}

static void fail_tls(struct conn *c)
{
    struct buf *alert = conn_cipher(c);

    if (alert->n)
        (void)!send(c->fd, buf_str(alert).p, alert->n, MSG_NOSIGNAL | MSG_DONTWAIT);
    conn_fail(c, -EPROTO);
}

static bool handshake(struct conn *c, struct str *in)
{
    enum tls_result r;

    do
        r = tls_handshake(c->tls, in, conn_cipher(c));
    while (r == TLS_OK && !tls_info(c->tls));
    if (r == TLS_FAILED || r == TLS_CLOSED)
        fail_tls(c);
    if (r != TLS_OK)
        return false;
    c->handshaking = false;
    if (c->turn == TURN_STARTTLS) {
        c->turn = TURN_READ;
        if (c->protocol->tls_started)
            c->protocol->tls_started(c->session, c);
    }
    return c->state == CONN_OPEN;
}

void conn_tls_take(struct conn *c, struct str in)
{
    char *plain = loop_plain_block(c->loop);
    size_t total = 0, n = 0;
    enum tls_result r = TLS_OK;

    if (c->handshaking && !handshake(c, &in))
        return;
    while (r == TLS_OK && total < CONN_READ_BYTES) {
        r = tls_read(c->tls, &in, plain + total, CONN_READ_BYTES - total, &n, conn_cipher(c));
        if (r == TLS_OK)
            total += n;
    }
    if (total)
        c->protocol->feed(c->session, (struct str){plain, total});
    if (r == TLS_FAILED) {
        fail_tls(c);
    } else if (r == TLS_CLOSED) { /* what follows in clear is nobody's (S24) */
        c->eof = true;
        io_want(&c->io, 0);
    }
}

/* At most one block at a time: a big answer never lies twice in memory. */
void conn_tls_encrypt(struct conn *c)
{
    struct str plain = str_first(c->protocol->output(c->session), CONN_READ_BYTES);

    if (plain.n == 0)
        return;
    if (tls_write(c->tls, plain, conn_cipher(c)) != TLS_OK)
        conn_fail(c, -EPROTO);
    else
        c->protocol->sent(c->session, plain.n);
    if (c->turn == TURN_CLOSE && c->state == CONN_OPEN &&
        c->protocol->output(c->session).n == 0)
        conn_tls_end(c); /* leaves with it */
}

void conn_tls_end(struct conn *c)
{
    if (!c->eof && !c->handshaking)
        tls_close(c->tls, conn_cipher(c));
}

const struct tls_info *conn_tls(const struct conn *c)
{
    return c->tls && !c->handshaking ? tls_info(c->tls) : NULL;
}

const struct tls *conn_tls_peer(const struct conn *c)
{
    return c->tls;
}

const char *conn_tls_error(const struct conn *c)
{
    return c->tls && c->error == -EPROTO ? tls_error(c->tls) : "";
}
