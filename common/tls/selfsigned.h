/*
 * selfsigned - a certificate for a server that has none yet (`posta init`).
 *
 * A P-256 key and an X.509 certificate that it signs itself: the host's name as subject, all
 * names as DNS alternatives (RFC 5280 4.2.1.6), for TLS servers alone, valid for
 * SELFSIGNED_DAYS. Clients have to be told to trust it.
 */
#ifndef POSTA_TLS_SELFSIGNED_H
#define POSTA_TLS_SELFSIGNED_H

#include "base/buf.h"
#include "base/err.h"

enum { SELFSIGNED_DAYS = 3650 };

/* PEM of the certificate and of its key (PKCS #8). */
int selfsigned_make(const char *hostname, const char *const *names, size_t n,
                    struct buf *certificate, struct buf *key, struct err *err);

/* When the first certificate of a PEM chain ends, in seconds since 1970, and its subject's
 * names for people. */
int selfsigned_expiry(struct str chain_pem, int64_t *out, struct buf *names, struct err *err);

#endif
