/* tls_impl - the inside of a connection, for tls.c and certificate.c alone. */
#ifndef POSTA_TLS_IMPL_H
#define POSTA_TLS_IMPL_H

#include "tls/tls.h"

#include <openssl/ssl.h>

enum { SERVICE_BYTES_MAX = 16 };

struct tls_context {
    SSL_CTX *ctx;
    unsigned count;
    bool server, verify;
    unsigned char alpn_n;
    char alpn[SERVICE_BYTES_MAX];
};

struct tls {
    SSL *ssl;
    struct tls_context *context;
    X509 *refused;   /* the peer's, where the handshake failed because of it */
    struct str *in;  /* lent for one call */
    struct buf *out; /* lent for one call */
    bool closed;
    bool up;
    struct tls_info info;
    char error[160];
};

/* RFC 6066 3: a literal address is no server name. */
bool tls_is_name(const char *s);

#endif
