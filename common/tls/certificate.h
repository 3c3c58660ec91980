/*
 * certificate - what the peer of a TLS connection showed: whose it is, who says so, how long it
 * holds, and whether it holds for a name.
 */
#ifndef POSTA_TLS_CERTIFICATE_H
#define POSTA_TLS_CERTIFICATE_H

#include "base/arena.h"
#include "tls/tls.h"

enum { CERTIFICATE_NAMES = 100 };

struct tls_certificate {
    struct str subject, issuer;          /* RFC 4514; may hold any octets            */
    struct str names[CERTIFICATE_NAMES]; /* of its hosts (RFC 6125 6.4)           */
    size_t n;
    struct str not_before, not_after; /* RFC 3339                                 */
    bool verified;
    struct str why; /* it is not: OpenSSL's words */
};

/* Verified against the authorities of that context for that name, whatever the connection
 * itself asked for; a NULL context: not verified. False where the peer showed none. Also after
 * a handshake that failed because of it. */
bool tls_certificate(const struct tls *t, const struct tls_context *authorities,
                     struct str name, struct arena *a, struct tls_certificate *out);

#endif
