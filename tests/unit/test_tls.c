/* tls over memory: against itself and against OpenSSL's own client, whole and cut, friendly and
 * hostile. */
#include "tls_pair.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- two of ours ---- */

struct pair {
    struct tls_context *sc, *cc;
    struct tls *server, *client;
    struct buf to_server, to_client;
};

static void pair_init(struct pair *p, struct tls_context *sc, struct tls_context *cc)
{
    p->sc = sc;
    p->cc = cc;
    p->server = tls_new(sc, STR(""));
    p->client = tls_new(cc, STR("mail.example.test"));
    buf_init(&p->to_server, 1 << 24);
    buf_init(&p->to_client, 1 << 24);
}

static void pair_done(struct pair *p)
{
    tls_free(p->server);
    tls_free(p->client);
    tls_context_unref(p->sc);
    tls_context_unref(p->cc);
    buf_done(&p->to_server);
    buf_done(&p->to_client);
}

/* Gives `from` to the handshake in pieces of `step` bytes. */
static enum tls_result shake(struct tls *t, struct buf *from, struct buf *out, size_t step)
{
    enum tls_result r = TLS_MORE;

    do {
        struct str piece = str_first(buf_str(from), step);
        struct str rest = piece;

        r = tls_handshake(t, &rest, out);
        buf_drop(from, piece.n - rest.n);
        if (r == TLS_OK)
            break;
    } while (r == TLS_MORE && from->n);
    return r;
}

static void handshake(struct pair *p, size_t step)
{
    struct buf none;
    enum tls_result c, s = TLS_MORE;

    buf_init(&none, 1);
    c = shake(p->client, &none, &p->to_server, step);
    for (int i = 0; i < 6 && (c != TLS_OK || s != TLS_OK); i++) {
        if (s == TLS_MORE)
            s = shake(p->server, &p->to_server, &p->to_client, step);
        if (c == TLS_MORE)
            c = shake(p->client, &p->to_client, &p->to_server, step);
        if (c == TLS_FAILED || s == TLS_FAILED)
            return;
    }
}

/* `text` as the other end reads it, its cipher text cut into pieces. */
static void carry(struct tls *from, struct tls *to, struct str text, size_t step)
{
    struct buf cipher, plain, back;
    char block[5000];
    size_t n;

    buf_init(&cipher, 1 << 24);
    buf_init(&plain, 1 << 24);
    buf_init(&back, 1 << 16);
    assert_string_equal(tls_error(from), "");
    assert_int_equal(tls_write(from, text, &cipher), TLS_OK);
    while (cipher.n) {
        struct str piece = str_first(buf_str(&cipher), step), rest = piece;
        enum tls_result r;

        while ((r = tls_read(to, &rest, block, sizeof(block), &n, &back)) == TLS_OK)
            buf_add(&plain, (struct str){block, n});
        assert_int_equal(r, TLS_MORE);
        assert_int_equal(rest.n, 0);
        buf_drop(&cipher, piece.n);
    }
    assert_true(str_eq(buf_str(&plain), text));
    buf_done(&cipher);
    buf_done(&plain);
    buf_done(&back);
}

static void talk(size_t step)
{
    struct pair p;
    size_t big = 100000;
    char *text = malloc(big), c;
    size_t n;

    memset(text, 'x', big);
    pair_init(&p, server_context("smtp", "587"), tls_context_client(NULL, NULL));
    assert_null(tls_info(p.client));
    handshake(&p, step);
    const struct tls_info *ci = tls_info(p.client), *si = tls_info(p.server);
    assert_non_null(ci);
    assert_non_null(si);
    assert_string_equal(si->version, "TLS1_3");
    assert_string_equal(si->cipher, ci->cipher);
    assert_true(si->bits >= 128);
    assert_string_equal(si->binding_name, "tls-exporter");
    assert_int_equal(si->binding_n, 32);
    assert_memory_equal(si->binding, ci->binding, 32);
    struct str ticket = buf_str(&p.to_client);
    assert_int_equal(tls_read(p.client, &ticket, &c, 1, &n, &p.to_server), TLS_MORE);
    carry(p.client, p.server, STR("EHLO x\r\n"), step);
    carry(p.server, p.client, (struct str){text, big}, step);

    /* both say good-bye; the second time says nothing */
    buf_clear(&p.to_server);
    tls_close(p.client, &p.to_server);
    n = p.to_server.n;
    assert_true(n > 0);
    tls_close(p.client, &p.to_server);
    assert_int_equal(p.to_server.n, n);
    struct str in = buf_str(&p.to_server);
    assert_int_equal(tls_read(p.server, &in, &c, 1, &n, &p.to_client), TLS_CLOSED);
    pair_done(&p);
    free(text);
}

static void test_talk(void **state)
{
    (void)state;
    talk(SIZE_MAX);
}

static void test_talk_in_single_bytes(void **state)
{
    (void)state;
    talk(1);
}

/* T16: a client that must know whom it talks to. */
static void test_verify(void **state)
{
    char path[] = "/tmp/posta-test-XXXXXX";
    int fd = mkstemp(path);
    struct pair p;
    struct err err;

    (void)state;
    assert_int_equal(write(fd, buf_str(&pem_chain).p, pem_chain.n), (int)pem_chain.n);
    close(fd);
    pair_init(&p, server_context("smtp", "25"), tls_context_client(path, &err));
    handshake(&p, SIZE_MAX);
    assert_non_null(tls_info(p.client));
    tls_free(p.client);
    tls_free(p.server);
    p.server = tls_new(p.sc, STR(""));
    p.client = tls_new(p.cc, STR("other.example.test"));
    buf_clear(&p.to_server);
    buf_clear(&p.to_client);
    handshake(&p, SIZE_MAX);
    assert_null(tls_info(p.client));
    assert_non_null(strstr(tls_error(p.client), "certificate verify failed"));
    pair_done(&p);
    unlink(path);
    assert_null(tls_context_client("/nowhere", &err));
    assert_int_equal(err.code, E_SYNTAX);
}

/* T19: nothing is loaded that does not fit together or is not whole. */
static void test_bad_pem(void **state)
{
    struct buf chain, key;
    struct err err;
    const char *names[] = {"other.example.test"};

    (void)state;
    buf_init(&chain, PEM_BYTES);
    buf_init(&key, PEM_BYTES);
    assert_int_equal(selfsigned_make(names[0], names, 1, &chain, &key, &err), 0);
    assert_null(tls_context_server(buf_str(&chain), buf_str(&pem_key), "smtp", "25", &err));
    assert_int_equal(err.code, E_SYNTAX);
    assert_non_null(strstr(err.text, "does not fit"));
    assert_null(tls_context_server(STR(""), buf_str(&key), "smtp", "25", &err));
    assert_null(tls_context_server(buf_str(&chain), STR(""), "smtp", "25", &err));
    assert_null(tls_context_server(buf_str(&key), buf_str(&chain), "smtp", "25", &err));
    for (size_t n = 1; n < chain.n - 1; n += 37)
        assert_null(tls_context_server(str_first(buf_str(&chain), n), buf_str(&key), "smtp",
                                       "25", &err));
    for (size_t n = 1; n < key.n - 1; n += 37)
        assert_null(tls_context_server(buf_str(&chain), str_first(buf_str(&key), n), "smtp",
                                       "25", &err));
    /* a second certificate that is cut is not a short chain */
    size_t whole = chain.n;
    buf_add(&chain, buf_str(&pem_chain));
    struct tls_context *c =
        tls_context_server(buf_str(&chain), buf_str(&key), "smtp", "25", &err);
    assert_non_null(c);
    tls_context_unref(c);
    assert_null(tls_context_server(str_first(buf_str(&chain), whole + 100), buf_str(&key),
                                   "smtp", "25", &err));
    assert_null(strchr(err.text, '\n'));
    buf_done(&chain);
    buf_done(&key);
}

/* ---- a foreign client ---- */

static SSL_CTX *foreign_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    return ctx;
}

/* One connection from end to end; the client's session afterwards, for another one. Our end
 * stays in *server when asked for. */
static SSL_SESSION *visit(struct tls_context *c, SSL_CTX *ctx, SSL_SESSION *resume,
                          bool *resumed, struct tls_info *ours)
{
    struct foreign f = foreign_new(ctx);
    struct tls *server = tls_new(c, STR(""));
    struct buf to_server, to_client;
    SSL_SESSION *out = NULL;
    char byte;
    size_t n;

    buf_init(&to_server, 1 << 20);
    buf_init(&to_client, 1 << 20);
    if (resume)
        SSL_set_session(f.ssl, resume);
    enum tls_result r = TLS_MORE;
    for (int i = 0; i < 6; i++) {
        SSL_do_handshake(f.ssl);
        foreign_take(&f, &to_server);
        struct str in = buf_str(&to_server);
        if (r == TLS_MORE)
            r = tls_handshake(server, &in, &to_client);
        if (r == TLS_OK)
            assert_int_not_equal(tls_read(server, &in, &byte, 1, &n, &to_client), TLS_FAILED);
        buf_clear(&to_server);
        foreign_give(&f, &to_client);
    }
    if (r == TLS_OK && SSL_is_init_finished(f.ssl)) {
        assert_int_equal(tls_write(server, STR("x"), &to_client), TLS_OK);
        foreign_give(&f, &to_client);
        assert_int_equal(SSL_read(f.ssl, &byte, 1), 1); /* and the tickets before it */
        *resumed = SSL_session_reused(f.ssl);
        if (ours)
            *ours = *tls_info(server);
        out = SSL_get1_session(f.ssl);
        SSL_set_shutdown(f.ssl, SSL_SENT_SHUTDOWN); /* else its session counts as broken */
    }
    foreign_free(&f);
    tls_free(server);
    buf_done(&to_server);
    buf_done(&to_client);
    ERR_clear_error();
    return out;
}

/* As server_context(), with an RSA key. */
static struct tls_context *rsa_context(const char *service, const char *port)
{
    static EVP_PKEY *key; /* takes a while: one for all */
    BIO *chain = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());
    X509 *x = X509_new();
    char *chain_p, *pem_p;
    struct err err;

    if (!key)
        key = EVP_RSA_gen(2048);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(chain, x), 1);
    assert_int_equal(PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL), 1);
    size_t chain_n = (size_t)BIO_get_mem_data(chain, &chain_p);
    size_t pem_n = (size_t)BIO_get_mem_data(pem, &pem_p);
    struct tls_context *c = tls_context_server((struct str){chain_p, chain_n},
                                               (struct str){pem_p, pem_n}, service, port, &err);

    assert_non_null(c);
    X509_free(x);
    BIO_free(chain);
    BIO_free(pem);
    return c;
}

/* An elliptic key signs too fast for tickets to pay. */
static void test_no_ticket(void **state)
{
    struct tls_context *c = server_context("smtp", "465");
    SSL_CTX *ctx = foreign_context();
    bool resumed = true;

    (void)state;
    SSL_SESSION *s = visit(c, ctx, NULL, &resumed, NULL);
    assert_non_null(s);
    assert_false(SSL_SESSION_is_resumable(s));
    SSL_SESSION_free(s);
    SSL_CTX_free(ctx);
    tls_context_unref(c);
}

/* T08: a ticket is taken where it was given, and nowhere else. T14: it promises no early data.
 */
static void test_tickets(void **state)
{
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct tls_context *c465 = rsa_context("smtp", "465");
        struct tls_context *c993 = rsa_context("imap", "993");
        SSL_CTX *ctx = foreign_context();
        bool resumed = true;

        SSL_CTX_set_max_proto_version(ctx, versions[i]);
        SSL_SESSION *s = visit(c465, ctx, NULL, &resumed, NULL);
        assert_non_null(s);
        assert_false(resumed);
        assert_true(SSL_SESSION_is_resumable(s));
        assert_int_equal(SSL_SESSION_get_max_early_data(s), 0);
        SSL_SESSION *other = visit(c993, ctx, s, &resumed, NULL);
        assert_non_null(other);
        assert_false(resumed);
        SSL_SESSION_free(other);
        SSL_SESSION *same = visit(c465, ctx, s, &resumed, NULL);
        assert_true(resumed);
        SSL_SESSION_free(same);
        SSL_SESSION_free(s);
        SSL_CTX_free(ctx);
        tls_context_unref(c465);
        tls_context_unref(c993);
    }
}

static unsigned char first_finished[64];
static size_t first_finished_n;

/* The first Finished of the handshake, as the client sees it. */
static void remember_finished(const SSL *ssl, int where, int ret)
{
    (void)ret;
    if (!(where & SSL_CB_HANDSHAKE_DONE))
        return;
    first_finished_n = SSL_session_reused((SSL *)(uintptr_t)ssl)
                           ? SSL_get_peer_finished(ssl, first_finished, sizeof(first_finished))
                           : SSL_get_finished(ssl, first_finished, sizeof(first_finished));
}

static void test_binding_1_2(void **state)
{
    struct tls_context *c = server_context("smtp", "587");
    SSL_CTX *ctx = foreign_context();
    struct tls_info ours = {0};
    bool resumed;
    SSL_SESSION *s = NULL, *next;

    (void)state;
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_info_callback(ctx, remember_finished);
    for (int i = 0; i < 2; i++) { /* a full handshake, then a short one */
        next = visit(c, ctx, s, &resumed, &ours);
        assert_non_null(next);
        assert_int_equal(resumed, i);
        assert_string_equal(ours.version, "TLS1_2");
        assert_string_equal(ours.binding_name, "tls-unique");
        assert_true(first_finished_n > 0);
        assert_int_equal(ours.binding_n, first_finished_n);
        assert_memory_equal(ours.binding, first_finished, first_finished_n);
        SSL_SESSION_free(s);
        s = next;
    }
    SSL_SESSION_free(s);
    SSL_CTX_free(ctx);
    tls_context_unref(c);
}

/* T09 */
static void test_alpn(void **state)
{
    static const struct {
        const char *wire;
        bool good;
    } table[] = {
        {"\x04smtp",          true },
        {"\x02h2\x04smtp",    true },
        {"\x02h2",            false},
        {"\x08http/1.1",      false},
        {"\x04imap",          false},
        {"\x04pop3\x05smtpx", false},
        {"\x03smt",           false},
    };
    struct tls_context *c = server_context("smtp", "25");
    bool resumed;

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        SSL_CTX *ctx = foreign_context();

        SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)table[i].wire,
                                (unsigned)strlen(table[i].wire));
        SSL_SESSION *s = visit(c, ctx, NULL, &resumed, NULL);
        assert_int_equal(s != NULL, table[i].good);
        SSL_SESSION_free(s);
        SSL_CTX_free(ctx);
    }
    tls_context_unref(c);
}

/* T11 */
static void test_old_and_weak(void **state)
{
    static const char *const weak[] = {"RC4", "eNULL", "aNULL", "3DES", "EXPORT", "PSK", "MD5"};
    struct tls_context *c = server_context("smtp", "25");
    bool resumed;

    (void)state;
    for (int version = TLS1_VERSION; version <= TLS1_1_VERSION; version++) {
        SSL_CTX *ctx = foreign_context();

        SSL_CTX_set_security_level(ctx, 0);
        SSL_CTX_set_min_proto_version(ctx, version);
        SSL_CTX_set_max_proto_version(ctx, version);
        assert_null(visit(c, ctx, NULL, &resumed, NULL));
        SSL_CTX_free(ctx);
    }
    for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
        SSL_CTX *ctx = foreign_context();

        SSL_CTX_set_security_level(ctx, 0);
        SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
        if (SSL_CTX_set_cipher_list(ctx, weak[i]) == 1)
            assert_null(visit(c, ctx, NULL, &resumed, NULL));
        SSL_CTX_free(ctx);
    }
    tls_context_unref(c);
}

/* T12: asked a thousand times, refused the first. */
static void test_renegotiation(void **state)
{
    struct tls_context *c = server_context("smtp", "25");
    struct tls *server = tls_new(c, STR(""));
    SSL_CTX *ctx = foreign_context();
    struct buf to_server, to_client;
    char byte;
    size_t n;

    (void)state;
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    struct foreign f = foreign_new(ctx);
    buf_init(&to_server, 1 << 20);
    buf_init(&to_client, 1 << 20);
    for (int i = 0; i < 4; i++) {
        SSL_do_handshake(f.ssl);
        foreign_take(&f, &to_server);
        struct str in = buf_str(&to_server);
        tls_handshake(server, &in, &to_client);
        buf_clear(&to_server);
        foreign_give(&f, &to_client);
    }
    assert_non_null(tls_info(server));
    for (int i = 0; i < 1000; i++) {
        SSL_renegotiate(f.ssl);
        SSL_do_handshake(f.ssl);
        foreign_take(&f, &to_server);
        struct str in = buf_str(&to_server);
        tls_read(server, &in, &byte, 1, &n, &to_client);
        buf_clear(&to_server);
        foreign_give(&f, &to_client);
        if (SSL_do_handshake(f.ssl) <= 0 && SSL_get_error(f.ssl, -1) == SSL_ERROR_SSL)
            break;
    }
    unsigned long e = ERR_peek_last_error();
    assert_int_equal(ERR_GET_REASON(e), SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
    foreign_free(&f);
    tls_free(server);
    tls_context_unref(c);
    SSL_CTX_free(ctx);
    buf_done(&to_server);
    buf_done(&to_client);
}

/* ---- bytes on the wire ---- */

static void hello(struct buf *out, const char *name)
{
    SSL_CTX *ctx = foreign_context();
    struct foreign f = foreign_new(ctx);

    if (name)
        SSL_set_tlsext_host_name(f.ssl, name);
    SSL_do_handshake(f.ssl);
    foreign_take(&f, out);
    foreign_free(&f);
    SSL_CTX_free(ctx);
    ERR_clear_error();
}

/* How our server takes these bytes, `step` at a time. */
static enum tls_result answer_to(struct tls_context *c, struct str bytes, size_t step,
                                 struct buf *out, char why[160])
{
    struct tls *server = tls_new(c, STR(""));
    enum tls_result r = TLS_MORE;

    while (bytes.n && r == TLS_MORE) {
        struct str piece = str_first(bytes, step), rest = piece;

        r = tls_handshake(server, &rest, out);
        bytes = str_skip(bytes, piece.n);
    }
    snprintf(why, 160, "%s", tls_error(server));
    tls_free(server);
    return r;
}

/* T10: the name of a server does not matter, and no name makes trouble. */
static void test_server_names(void **state)
{
    struct tls_context *c = server_context("smtp", "25");
    struct buf in, out;
    char why[160], name[256];

    (void)state;
    buf_init(&in, 1 << 16);
    buf_init(&out, 1 << 16);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "host%d.example.test", i);
        buf_clear(&in);
        buf_clear(&out);
        hello(&in, name);
        assert_int_equal(answer_to(c, buf_str(&in), SIZE_MAX, &out, why), TLS_MORE);
        assert_true(out.n > 500); /* our flight with the one certificate */
    }
    for (size_t n = 250; n < 256; n++) {
        memset(name, 'a', n);
        name[n] = '\0';
        buf_clear(&in);
        hello(&in, name);
        answer_to(c, buf_str(&in), SIZE_MAX, &out, why);
    }
    /* a NUL in the name */
    buf_clear(&in);
    hello(&in, "mail.example.test");
    char *at = memmem(in.p + in.from, in.n, "mail.example", 12);
    assert_non_null(at);
    at[4] = '\0';
    assert_int_equal(answer_to(c, buf_str(&in), SIZE_MAX, &out, why), TLS_FAILED);
    tls_context_unref(c);
    buf_done(&in);
    buf_done(&out);
}

/* T13: each byte of a ClientHello in a record of its own. */
static void test_tiny_records(void **state)
{
    enum { RECORD_HEAD = 5 };
    struct tls_context *c = server_context("smtp", "25");
    struct buf whole, tiny, out;
    char why[160];

    (void)state;
    buf_init(&whole, 1 << 16);
    buf_init(&tiny, 1 << 16);
    buf_init(&out, 1 << 16);
    hello(&whole, NULL);
    struct str message = str_skip(buf_str(&whole), RECORD_HEAD);
    for (size_t i = 0; i < message.n; i++) {
        buf_add(&tiny, (struct str){"\x16\x03\x01\x00\x01", RECORD_HEAD});
        buf_add_byte(&tiny, message.p[i]);
    }
    assert_int_equal(answer_to(c, buf_str(&tiny), SIZE_MAX, &out, why), TLS_MORE);
    assert_true(out.n > 500);
    buf_clear(&out);
    assert_int_equal(answer_to(c, buf_str(&tiny), 1, &out, why), TLS_MORE);
    assert_true(out.n > 500);

    /* a ClientHello that says it has 16 MiB is not waited for */
    buf_clear(&tiny);
    buf_add(&tiny, (struct str){"\x16\x03\x01\x40\x00\x01\xff\xff\xff", 9});
    for (int i = 0; i < 16384; i++)
        buf_add_byte(&tiny, 0);
    assert_int_equal(answer_to(c, buf_str(&tiny), SIZE_MAX, &out, why), TLS_FAILED);
    tls_context_unref(c);
    buf_done(&whole);
    buf_done(&tiny);
    buf_done(&out);
}

/* T18, T07: other protocols get an alert or nothing, and the log one line. */
static void test_other_protocols(void **state)
{
    static const struct str table[] = {
        STR_LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        STR_LIT("SSH-2.0-OpenSSH_9.2p1\r\n"),
        STR_LIT("\x03\x00\x00\x2f\x2a\xe0\x00\x00\x00\x00\x00"
                "Cookie: mstshash=x\r\n"),
        STR_LIT("EHLO x\r\nMAIL FROM:<a@b>\r\n"),
    };
    struct tls_context *c = server_context("smtp", "465");
    struct buf out;
    char why[160];

    (void)state;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        buf_clear(&out);
        assert_int_equal(answer_to(c, table[i], SIZE_MAX, &out, why), TLS_FAILED);
        assert_true(why[0] && !strchr(why, '\n'));
        assert_true(out.n == 0 || out.p[out.from] == 0x15); /* an alert */
    }
    tls_context_unref(c);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talk),
        cmocka_unit_test(test_talk_in_single_bytes),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_bad_pem),
        cmocka_unit_test(test_no_ticket),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_binding_1_2),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_old_and_weak),
        cmocka_unit_test(test_renegotiation),
        cmocka_unit_test(test_server_names),
        cmocka_unit_test(test_tiny_records),
        cmocka_unit_test(test_other_protocols),
    };

    return cmocka_run_group_tests(tests, make_pem, drop_pem);
}
