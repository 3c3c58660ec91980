/*
 * tls_pair - a certificate for one test run, and OpenSSL's own client over memory against
 * tls.h's server.
 */
#ifndef TESTS_TLS_PAIR_H
#define TESTS_TLS_PAIR_H

#include "tls/selfsigned.h"
#include "tls/tls.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { PEM_BYTES = 65536 };

static struct buf pem_chain, pem_key;

static inline int make_pem(void **state)
{
    const char *names[] = {"mail.example.test"};

    (void)state;
    buf_init(&pem_chain, PEM_BYTES);
    buf_init(&pem_key, PEM_BYTES);
    return selfsigned_make(names[0], names, 1, &pem_chain, &pem_key, NULL);
}

static inline int drop_pem(void **state)
{
    (void)state;
    buf_done(&pem_chain);
    buf_done(&pem_key);
    return 0;
}

static inline struct tls_context *server_context(const char *service, const char *port)
{
    struct err err;
    struct tls_context *c =
        tls_context_server(buf_str(&pem_chain), buf_str(&pem_key), service, port, &err);

    assert_non_null(c);
    return c;
}

/* A foreign client: what it says is in `to_server`, what it hears is written to `in`. */
struct foreign {
    SSL *ssl;
    BIO *in, *out;
};

static inline struct foreign foreign_new(SSL_CTX *ctx)
{
    struct foreign f = {SSL_new(ctx), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem())};

    SSL_set_bio(f.ssl, f.in, f.out);
    SSL_set_connect_state(f.ssl);
    return f;
}

static inline void foreign_free(struct foreign *f)
{
    SSL_free(f->ssl);
}

/* What the client says goes to `to`. */
static inline void foreign_take(struct foreign *f, struct buf *to)
{
    char *p;
    long n = BIO_get_mem_data(f->out, &p);

    buf_add(to, (struct str){p, (size_t)n});
    (void)!BIO_reset(f->out);
}

static inline void foreign_give(struct foreign *f, struct buf *from)
{
    BIO_write(f->in, buf_str(from).p, (int)from->n);
    buf_clear(from);
}

#endif
