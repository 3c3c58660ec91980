/*
 * tls - TLS over memory (OpenSSL inside): cipher text in, plain text out, no
 * sockets. The BIO works on buffers lent by the caller for the call; an idle
 * connection keeps none (SSL_MODE_RELEASE_BUFFERS).
 *
 * TLS 1.2 and 1.3 alone, no renegotiation, no early data; tickets are bound to
 * the service (its name is the session id context) and never cross ports; in TLS 1.3 there are
 * some where the key is RSA.
 * ALPN: the service's own name or none; anything else is an alert (T09).
 */
#ifndef POSTA_TLS_H
#define POSTA_TLS_H

#include "base/buf.h"
#include "base/err.h"

struct tls_context; /* counted: a connection keeps the one it began with */
struct tls;

struct tls_info {
    const char *version; /* "TLS1_3"                       */
    const char *cipher;  /* "TLS_AES_128_GCM_SHA256"       */
    int bits;
    const char *binding_name; /* "tls-exporter" or "tls-unique": RFC 9266, RFC 5929 */
    unsigned char binding[64];
    size_t binding_n;
};

/* PEM bytes of a chain and its key; refused when they do not match, E_SYNTAX with OpenSSL's
 * words. `service`: "smtp", "imap", "pop3": the ALPN name and the ticket context with
 * `port_name`. */
struct tls_context *tls_context_server(struct str chain_pem, struct str key_pem,
                                       const char *service, const char *port_name,
                                       struct err *err);
/* `ca_file`: whom a server's certificate must come from; "": the system's authorities; NULL: no
 * verification. Names are compared as OpenSSL does: a wildcard stands for one whole label, and
 * not for what is directly below a top level (T16). */
struct tls_context *tls_context_client(const char *ca_file, struct err *err);
struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_unref(struct tls_context *c); /* accepts NULL */

struct tls *tls_new(struct tls_context *c, struct str server_name);
void tls_free(struct tls *t);

enum tls_result {
    TLS_MORE,   /* wants more cipher text              */
    TLS_OK,     /* made progress; call again            */
    TLS_CLOSED, /* close_notify came                    */
    TLS_FAILED, /* tls_error(); an alert may be in `out` */
};

/* All append cipher text for the peer to `out`. `in` is consumed from the front. */
enum tls_result tls_handshake(struct tls *t, struct str *in, struct buf *out);
/* Plain text goes to `to` (at most `room`), *n says how much. */
enum tls_result tls_read(struct tls *t, struct str *in, char *to, size_t room, size_t *n,
                         struct buf *out);
enum tls_result tls_write(struct tls *t, struct str plain, struct buf *out);
void tls_close(struct tls *t, struct buf *out); /* close_notify */

const struct tls_info *tls_info(const struct tls *t); /* after the handshake */
const char *tls_error(const struct tls *t);           /* for the log, one line */

#endif
