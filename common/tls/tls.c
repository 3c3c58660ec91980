#include "tls/tls_impl.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RECORD_BYTES = 16384, /* RFC 8446 5.1 */
    BINDING_BYTES = 32,   /* RFC 9266 2   */
    HANDSHAKE_BYTES_MAX = 128 * 1024,
};

/* Forward secrecy where the peer can, and nothing that is broken; the order is OpenSSL's. The
 * rest of what a mail server still meets (RSA key exchange) is better than the clear text it
 * would fall back to. */
static const char ciphers_1_2[] =
    "HIGH:!aNULL:!eNULL:!PSK:!SRP:!DSS:!3DES:!CAMELLIA:!ARIA:!kDH:!kECDH:@STRENGTH";

/* All are strong. The first is the one that everybody has (RFC 8446 9.1), and costs a tenth
 * less in a handshake than the one that OpenSSL puts there. */
static const char ciphers_1_3[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/* ---- the BIO: reads from what was lent, writes to what was lent ---- */

static int bio_read(BIO *b, char *to, size_t room, size_t *n)
{
    struct tls *t = BIO_get_data(b);

    BIO_clear_retry_flags(b);
    if (!t->in || t->in->n == 0) {
        BIO_set_retry_read(b);
        return 0;
    }
    *n = room < t->in->n ? room : t->in->n;
    memcpy(to, t->in->p, *n);
    *t->in = str_skip(*t->in, *n);
    return 1;
}

static int bio_write(BIO *b, const char *from, size_t n, size_t *written)
{
    struct tls *t = BIO_get_data(b);

    BIO_clear_retry_flags(b);
    if (!t->out)
        return 0;
    buf_add(t->out, (struct str){from, n});
    *written = n;
    return !buf_failed(t->out);
}

static long bio_ctrl(BIO *b, int command, long n, void *p)
{
    (void)b;
    (void)n;
    (void)p;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method(void)
{
    static BIO_METHOD *method; /* one a process, for its life */

    if (!method) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "posta");
        if (!method)
            abort();
        BIO_meth_set_read_ex(method, bio_read);
        BIO_meth_set_write_ex(method, bio_write);
        BIO_meth_set_ctrl(method, bio_ctrl);
    }
    return method;
}

/* ---- contexts ---- */

/* The last word in OpenSSL's queue is the most general, the first the cause. */
static void take_error(char *to, size_t room, const char *otherwise)
{
    unsigned long e = ERR_get_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;

    snprintf(to, room, "%s", reason ? reason : otherwise);
    ERR_clear_error();
}

static int context_error(struct err *err, const char *what)
{
    char why[128];

    take_error(why, sizeof(why), "not understood");
    return err_set(err, E_SYNTAX, "%s: %s", what, why);
}

static int no_password(char *to, int room, int writing, void *arg)
{
    (void)to;
    (void)room;
    (void)writing;
    (void)arg;
    return -1;
}

static int use_chain(SSL_CTX *ctx, struct str pem, struct err *err)
{
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *x = b ? PEM_read_bio_X509(b, NULL, no_password, NULL) : NULL;
    int r = 0;

    if (!x || SSL_CTX_use_certificate(ctx, x) != 1)
        r = context_error(err, "the certificate");
    X509_free(x);
    while (r == 0 && (x = PEM_read_bio_X509(b, NULL, no_password, NULL)))
        if (SSL_CTX_add0_chain_cert(ctx, x) != 1) {
            X509_free(x);
            r = context_error(err, "the certificate's chain");
        }
    /* half a file must not pass for a short chain (T19) */
    if (r == 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        r = context_error(err, "the certificate's chain");
    ERR_clear_error();
    BIO_free(b);
    return r;
}

static int use_key(SSL_CTX *ctx, struct str pem, struct err *err)
{
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
    int r = 0;

    if (!key)
        r = context_error(err, "the private key");
    else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        r = context_error(err, "the private key does not fit the certificate");
    EVP_PKEY_free(key);
    BIO_free(b);
    return r;
}

/* In TLS 1.3 a ticket is made and sent in each handshake, used or not, and spares a later one
 * our signature. With an elliptic key two of three clients would have to come back with theirs
 * to make up for that (16 of 26 microseconds), and mail clients seldom do; with RSA one of
 * thirty. TLS 1.2 makes tickets for those alone who ask. */
static void choose_tickets(SSL_CTX *ctx)
{
    const EVP_PKEY *key = SSL_CTX_get0_privatekey(ctx);

    SSL_CTX_set_num_tickets(ctx, EVP_PKEY_is_a(key, "RSA") ? 1 : 0);
}

/* T09: a client that names protocols must name ours, or it is not talking to us (ALPACA). */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned int in_n, void *arg)
{
    const struct tls_context *c = arg;

    (void)ssl;
    for (unsigned i = 0; i < in_n; i += 1U + in[i])
        if (in_n - i > in[i] && in[i] == c->alpn_n && memcmp(in + i + 1, c->alpn, in[i]) == 0) {
            *out = in + i + 1;
            *out_n = in[i];
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static struct tls_context *context_new(void)
{
    struct tls_context *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->count = 1;
    c->ctx = SSL_CTX_new(TLS_method());
    if (!c->ctx)
        abort();
    SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_set_cipher_list(c->ctx, ciphers_1_2) != 1 ||
        SSL_CTX_set_ciphersuites(c->ctx, ciphers_1_3) != 1)
        abort();
    return c;
}

struct tls_context *tls_context_server(struct str chain_pem, struct str key_pem,
                                       const char *service, const char *port_name,
                                       struct err *err)
{
    struct tls_context *c = context_new();
    char ticket[SSL_MAX_SID_CTX_LENGTH + 1];
    int n = snprintf(ticket, sizeof(ticket), "%s/%s", service, port_name);

    c->server = true;
    c->alpn_n = (unsigned char)strlen(service);
    assert(c->alpn_n < sizeof(c->alpn) && n > 0 && (size_t)n < sizeof(ticket));
    memcpy(c->alpn, service, c->alpn_n);
    SSL_CTX_set_alpn_select_cb(c->ctx, choose_alpn, c);
    /* T08: a ticket of one port is worth nothing on another */
    SSL_CTX_set_session_id_context(c->ctx, (const unsigned char *)ticket, (unsigned)n);
    SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF); /* tickets hold the state */
    SSL_CTX_set_max_early_data(c->ctx, 0);                      /* T14 */
    if (use_chain(c->ctx, chain_pem, err) < 0 || use_key(c->ctx, key_pem, err) < 0) {
        tls_context_unref(c);
        return NULL;
    }
    choose_tickets(c->ctx);
    return c;
}

/* The certificate that is refused is kept, for who wants to know. */
static int verified(int good, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *t = SSL_get_app_data(ssl);

    if (!good && !t->refused && X509_STORE_CTX_get0_cert(store)) {
        t->refused = X509_STORE_CTX_get0_cert(store);
        X509_up_ref(t->refused);
    }
    return good;
}

struct tls_context *tls_context_client(const char *ca_file, struct err *err)
{
    struct tls_context *c = context_new();

    SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
    if (!ca_file)
        return c;
    c->verify = true;
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, verified);
    if ((*ca_file ? SSL_CTX_load_verify_file(c->ctx, ca_file)
                  : SSL_CTX_set_default_verify_paths(c->ctx)) != 1) {
        context_error(err, *ca_file ? ca_file : "the system's authorities");
        tls_context_unref(c);
        return NULL;
    }
    return c;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
    c->count++;
    return c;
}

void tls_context_unref(struct tls_context *c)
{
    if (!c || --c->count > 0)
        return;
    SSL_CTX_free(c->ctx);
    free(c);
}

/* ---- connections ---- */

bool tls_is_name(const char *s)
{
    return *s && strspn(s, "0123456789.") != strlen(s) && !strchr(s, ':');
}

static void name_server(struct tls *t, struct str server_name)
{
    char name[256];

    if (server_name.n == 0 || server_name.n >= sizeof(name))
        return;
    memcpy(name, server_name.p, server_name.n);
    name[server_name.n] = '\0';
    if (tls_is_name(name))
        SSL_set_tlsext_host_name(t->ssl, name);
    if (t->context->verify && !tls_is_name(name) &&
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), name) != 1)
        SSL_set1_host(t->ssl, name); /* not an address either: nobody has that name */
    if (t->context->verify && tls_is_name(name) && SSL_set1_host(t->ssl, name) != 1)
        abort();
    SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
}

struct tls *tls_new(struct tls_context *c, struct str server_name)
{
    struct tls *t = calloc(1, sizeof(*t));
    BIO *b = BIO_new(bio_method());

    if (!t || !b)
        abort();
    t->context = tls_context_ref(c);
    t->ssl = SSL_new(c->ctx);
    if (!t->ssl)
        abort();
    SSL_set_app_data(t->ssl, t);
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    SSL_set_bio(t->ssl, b, b);
    if (c->server) {
        SSL_set_accept_state(t->ssl);
    } else {
        SSL_set_connect_state(t->ssl);
        name_server(t, server_name);
    }
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    X509_free(t->refused);
    tls_context_unref(t->context);
    free(t);
}

static void lend(struct tls *t, struct str *in, struct buf *out)
{
    t->in = in;
    t->out = out;
    ERR_clear_error();
}

/* What a call of OpenSSL's that did not succeed means; the loan ends. */
static enum tls_result outcome(struct tls *t, int r, const char *what)
{
    int e = r > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, r);

    t->in = NULL;
    t->out = NULL;
    switch (e) {
    case SSL_ERROR_NONE:
        return TLS_OK;
    case SSL_ERROR_WANT_READ:
        return TLS_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        take_error(t->error, sizeof(t->error), what);
        if (t->context->verify && SSL_get_verify_result(t->ssl) != X509_V_OK)
            snprintf(t->error, sizeof(t->error), "certificate verify failed: %s",
                     X509_verify_cert_error_string(SSL_get_verify_result(t->ssl)));
        return TLS_FAILED;
    }
}

/* RFC 9266 for TLS 1.3; RFC 5929 3 below: the first Finished of the handshake, which is the
 * client's in a full one and the server's when it resumes. */
static void channel_binding(struct tls *t)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    struct tls_info *i = &t->info;

    if (SSL_version(t->ssl) == TLS1_3_VERSION) {
        i->binding_name = "tls-exporter";
        if (SSL_export_keying_material(t->ssl, i->binding, BINDING_BYTES, label,
                                       sizeof(label) - 1, NULL, 0, 0) == 1)
            i->binding_n = BINDING_BYTES;
        return;
    }
    bool ours = t->context->server == (SSL_session_reused(t->ssl) == 1);
    i->binding_name = "tls-unique";
    i->binding_n = ours ? SSL_get_finished(t->ssl, i->binding, sizeof(i->binding))
                        : SSL_get_peer_finished(t->ssl, i->binding, sizeof(i->binding));
}

enum tls_result tls_handshake(struct tls *t, struct str *in, struct buf *out)
{
    lend(t, in, out);
    enum tls_result r = outcome(t, SSL_do_handshake(t->ssl), "the handshake failed");

    if (r != TLS_OK || t->up)
        return r;
    t->up = true;
    t->info.version = SSL_version(t->ssl) == TLS1_3_VERSION ? "TLS1_3" : "TLS1_2";
    t->info.cipher = SSL_get_cipher_name(t->ssl);
    t->info.bits = SSL_get_cipher_bits(t->ssl, NULL);
    channel_binding(t);
    return r;
}

enum tls_result tls_read(struct tls *t, struct str *in, char *to, size_t room, size_t *n,
                         struct buf *out)
{
    *n = 0;
    lend(t, in, out);
    return outcome(t, SSL_read_ex(t->ssl, to, room, n), "not TLS");
}

enum tls_result tls_write(struct tls *t, struct str plain, struct buf *out)
{
    enum tls_result r = TLS_OK;

    while (r == TLS_OK && plain.n) {
        size_t n = 0;

        lend(t, NULL, out);
        r = outcome(t, SSL_write_ex(t->ssl, plain.p, str_first(plain, RECORD_BYTES).n, &n),
                    "cannot write");
        plain = str_skip(plain, n);
    }
    return r;
}

void tls_close(struct tls *t, struct buf *out)
{
    if (t->closed || !t->up)
        return;
    t->closed = true;
    lend(t, NULL, out);
    SSL_shutdown(t->ssl);
    ERR_clear_error();
    t->in = NULL;
    t->out = NULL;
}

const struct tls_info *tls_info(const struct tls *t)
{
    return t->up ? &t->info : NULL;
}

const char *tls_error(const struct tls *t)
{
    return t->error;
}
