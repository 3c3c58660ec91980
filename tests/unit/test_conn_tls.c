/* conn through TLS: from the first byte, after STARTTLS, cut, blocked, hostile, and over. */
#include "net/conn_impl.h"
#include "net_session.h"
#include "tls_pair.h"

#include <stdlib.h>

static struct loop *loop;
static struct tls_context *server_side, *client_side;
static struct conn_options options;

/* The other end: cipher text on a plain socket. */
static struct {
    int fd;
    struct tls *tls;
    struct buf plain;
    bool closed; /* close_notify came */
} peer;

static int set_up(void **state)
{
    (void)state;
    memset(&toys, 0, sizeof(toys));
    loop = loop_new();
    server_side = server_context("smtp", "465");
    client_side = tls_context_client(NULL, NULL);
    options =
        (struct conn_options){.protocol = &toy_protocol, .tls = server_side, .tls_first = true};
    snprintf(toys.greeting, sizeof(toys.greeting), "hello\n");
    buf_init(&peer.plain, 1 << 24);
    peer.closed = false;
    peer.tls = tls_new(client_side, STR("mail.example.test"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (peer.fd >= 0)
        close(peer.fd);
    loop_free(loop);
    tls_free(peer.tls);
    buf_done(&peer.plain);
    tls_context_unref(server_side);
    tls_context_unref(client_side);
    assert_int_equal(toys.made, toys.freed);
    return 0;
}

static void meet(void)
{
    int fd[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    conn_new(loop, fd[0], &options, toy_make, NULL);
    peer.fd = fd[1];
}

static void peer_send(struct buf *cipher, size_t step)
{
    while (cipher->n) {
        struct str piece = str_first(buf_str(cipher), step);

        assert_int_equal(send(peer.fd, piece.p, piece.n, MSG_NOSIGNAL), (int)piece.n);
        buf_drop(cipher, piece.n);
        if (cipher->n)
            loop_turn(loop);
    }
    buf_done(cipher);
}

static void peer_put(const char *text, size_t step)
{
    struct buf cipher;

    buf_init(&cipher, 1 << 20);
    assert_int_equal(tls_write(peer.tls, str_c(text), &cipher), TLS_OK);
    peer_send(&cipher, step);
}

/* False when the socket is at its end. */
static bool peer_hear(void)
{
    char block[30000], plain[20000];
    ssize_t r = recv(peer.fd, block, sizeof(block), MSG_DONTWAIT);
    struct str in = {block, r > 0 ? (size_t)r : 0};
    struct buf out;
    size_t n = 0;

    if (r < 0 && errno == EAGAIN) {
        loop_turn(loop);
        return true;
    }
    buf_init(&out, 1 << 20);
    while (in.n && !peer.closed) {
        enum tls_result t = tls_info(peer.tls)
                                ? tls_read(peer.tls, &in, plain, sizeof(plain), &n, &out)
                                : tls_handshake(peer.tls, &in, &out);

        assert_int_not_equal(t, TLS_FAILED);
        peer.closed = t == TLS_CLOSED;
        if (t == TLS_OK && n)
            buf_add(&peer.plain, (struct str){plain, n});
        n = 0;
    }
    if (r > 0)
        peer_send(&out, SIZE_MAX);
    return r > 0;
}

static void peer_shake(size_t step)
{
    struct str none = {"", 0};
    struct buf out;

    buf_init(&out, 1 << 16);
    tls_handshake(peer.tls, &none, &out);
    peer_send(&out, step);
    while (!tls_info(peer.tls))
        assert_true(peer_hear());
}

static void peer_want(const char *text)
{
    while (peer.plain.n < strlen(text))
        assert_true(peer_hear());
    assert_memory_equal(buf_str(&peer.plain).p, text, strlen(text));
    buf_drop(&peer.plain, strlen(text));
}

static void peer_want_end(void)
{
    while (peer_hear())
        ;
    assert_int_equal(peer.plain.n, 0);
}

static void test_from_the_first_byte(void **state)
{
    (void)state;
    meet();
    peer_shake(SIZE_MAX);
    peer_want("hello\n");
    assert_int_equal(toys.tls, 0);
    assert_string_equal(conn_tls(toys.last->c)->version, "TLS1_3");
    peer_put("echo one\necho two\n", SIZE_MAX);
    peer_want("one\ntwo\n");
    assert_null(toys.last->c->cipher.p); /* idle: no buffers */
    assert_null(loop_cipher(loop)->n ? "left over" : NULL);
    peer_put("quit\n", SIZE_MAX);
    peer_want("bye\n");
    peer_want_end();
    assert_true(peer.closed); /* with good-bye, not cut off */
    want_freed(loop);
    assert_int_equal(toys.closed, 0);
}

static void test_single_bytes(void **state)
{
    (void)state;
    meet();
    peer_shake(1);
    peer_want("hello\n");
    peer_put("echo one\nquit\n", 1);
    peer_want("one\nbye\n");
    peer_want_end();
    want_freed(loop);
}

static void test_starttls(void **state)
{
    (void)state;
    options.tls_first = false;
    meet();
    want(loop, peer.fd, "hello\n");
    put(peer.fd, "echo clear\nstarttls\n");
    want(loop, peer.fd, "clear\ngo\n");
    peer_shake(SIZE_MAX);
    peer_put("echo hidden\n", SIZE_MAX);
    peer_want("hidden\n");
    assert_int_equal(toys.tls, 1);
}

/* T01: what comes with the command in clear never becomes a command. */
static void test_injection(void **state)
{
    (void)state;
    options.tls_first = false;
    meet();
    want(loop, peer.fd, "hello\n");
    put(peer.fd, "starttls\necho injected\n");
    want(loop, peer.fd, "go\n");
    peer_shake(SIZE_MAX);
    peer_put("echo mine\n", SIZE_MAX);
    peer_want("mine\n");
}

/* T07: no clear answer to what is not TLS. */
static void test_garbage(void **state)
{
    char alert[64];

    (void)state;
    options.tls_first = false;
    meet();
    want(loop, peer.fd, "hello\n");
    put(peer.fd, "starttls\n");
    want(loop, peer.fd, "go\n");
    put(peer.fd, "EHLO there\r\n");
    want_freed(loop);
    assert_int_equal(toys.closed, 1);
    assert_int_equal(toys.error, -EPROTO);
    assert_int_equal(toys.tls, 0);
    ssize_t n = recv(peer.fd, alert, sizeof(alert), MSG_DONTWAIT);
    assert_true(n <= 0 || alert[0] == 0x15);
}

static void test_back_pressure(void **state)
{
    enum { BIG = 5000000 };

    (void)state;
    toys.greeting[0] = '\0';
    meet();
    peer_shake(SIZE_MAX);
    peer_put("big 5000000\necho end\n", SIZE_MAX);
    while (!toys.last || !toys.last->c->blocked)
        loop_turn(loop);
    assert_true(toys.last->out.n < TOY_OUTPUT_BYTES);
    assert_true(toys.last->c->cipher.n < 2 * CONN_READ_BYTES);
    peer_put("echo x\n", SIZE_MAX);
    while (peer.plain.n < BIG)
        assert_true(peer_hear());
    buf_drop(&peer.plain, BIG);
    peer_want("end\nx\n");
    assert_null(toys.last->c->cipher.p);
}

/* The peer may say good-bye and still gets its answers. */
static void test_half_close(void **state)
{
    struct buf out;

    (void)state;
    toys.greeting[0] = '\0';
    meet();
    peer_shake(SIZE_MAX);
    buf_init(&out, 1 << 16);
    tls_write(peer.tls, STR("wait later\nquit\n"), &out);
    tls_close(peer.tls, &out);
    peer_send(&out, SIZE_MAX);
    put(peer.fd, "echo clear text behind it\n"); /* S24: nobody's */
    while (!toys.last->busy)
        loop_turn(loop);
    toy_wake();
    while (peer.plain.n < strlen("later\nbye\n"))
        assert_true(peer_hear());
    peer_want("later\nbye\n");
    want_freed(loop);
}

/* Good-bye without a word before it ends the connection, though the socket is still open. */
static void test_goodbye(void **state)
{
    struct buf out;

    (void)state;
    meet();
    peer_shake(SIZE_MAX);
    peer_want("hello\n");
    buf_init(&out, 1 << 16);
    tls_close(peer.tls, &out);
    peer_send(&out, SIZE_MAX);
    want_freed(loop);
    assert_int_equal(toys.closed, 1);
    assert_int_equal(toys.error, 0);
}

/* T13: nobody waits for a handshake for ever, and there is nothing that could be said. */
static void test_deadline_in_handshake(void **state)
{
    (void)state;
    toys.deadline_ms = 1;
    meet();
    put(peer.fd, "\x16");
    want_freed(loop);
    assert_int_equal(toys.expired, 1);
    assert_int_equal(toys.error, -ETIMEDOUT);
}

static void test_vanished_in_handshake(void **state)
{
    struct str none = {"", 0};
    struct buf hello;

    (void)state;
    buf_init(&hello, 1 << 16);
    tls_handshake(peer.tls, &none, &hello);
    for (size_t n = 0; n < hello.n; n += 40) {
        unsigned made = toys.made;

        meet();
        assert_int_equal(send(peer.fd, buf_str(&hello).p, n, MSG_NOSIGNAL), (int)n);
        close(peer.fd);
        while (toys.freed == made)
            loop_turn(loop);
        assert_int_not_equal(toys.error, 0);
    }
    peer.fd = -1;
    buf_done(&hello);
}

/* Both ends are connections of ours. */
static void test_client(void **state)
{
    struct conn_options client = {.protocol = &toy_protocol,
                                  .tls = client_side,
                                  .tls_first = true,
                                  .tls_client = true,
                                  .server_name = STR("mail.example.test")};
    int fd[2];

    (void)state;
    snprintf(toys.greeting, sizeof(toys.greeting), "echo ping\n");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    conn_new(loop, fd[0], &options, toy_make, NULL);
    conn_new(loop, fd[1], &client, toy_make, NULL);
    peer.fd = -1;
    while (!conn_tls(toys.last->c) || toys.turns < 6)
        loop_turn(loop);
    conn_abort(toys.last->c);
    want_freed(loop);
    assert_int_equal(toys.closed, 1);
}

/* A client that must know whom it talks to does not talk to somebody else (T16). */
static void test_client_refuses(void **state)
{
    char path[] = "/tmp/posta-test-XXXXXX";
    struct conn_options client = {.protocol = &toy_protocol,
                                  .tls_first = true,
                                  .tls_client = true,
                                  .server_name = STR("other.example.test")};
    int fd[2], file = mkstemp(path);

    (void)state;
    assert_int_equal(write(file, buf_str(&pem_chain).p, pem_chain.n), (int)pem_chain.n);
    close(file);
    client.tls = tls_context_client(path, NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    conn_new(loop, fd[0], &options, toy_make, NULL);
    conn_new(loop, fd[1], &client, toy_make, NULL);
    peer.fd = -1;
    want_freed(loop);
    assert_int_equal(toys.closed, 2);
    assert_int_equal(toys.error, -EPROTO);
    tls_context_unref(client.tls);
    unlink(path);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(from_the_first_byte),
        T(single_bytes),
        T(starttls),
        T(injection),
        T(garbage),
        T(back_pressure),
        T(half_close),
        T(goodbye),
        T(deadline_in_handshake),
        T(vanished_in_handshake),
        T(client),
        T(client_refuses),
    };

    return cmocka_run_group_tests(tests, make_pem, drop_pem);
}
