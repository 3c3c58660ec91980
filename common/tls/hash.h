/*
 * hash - the digests that accounts need (OpenSSL inside): SHA-256 (FIPS 180-4),
 * HMAC (RFC 2104) and PBKDF2 (RFC 8018 5.2), and comparing in equal time.
 */
#ifndef POSTA_TLS_HASH_H
#define POSTA_TLS_HASH_H

#include "base/str.h"

enum { HASH_SHA256_BYTES = 32 };

void hash_sha256(struct str text, unsigned char out[HASH_SHA256_BYTES]);
void hash_hmac_sha256(struct str key, struct str text, unsigned char out[HASH_SHA256_BYTES]);

/* Takes as long as `iterations` says: 65,536 are about 15 ms. */
void hash_pbkdf2_sha256(struct str password, struct str salt, unsigned iterations,
                        unsigned char out[HASH_SHA256_BYTES]);

/* Takes the same time wherever the first difference is. */
bool hash_equal(const void *a, const void *b, size_t n);

#endif
