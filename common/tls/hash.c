#include "tls/hash.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/* All of these fail only when memory runs out or a length is absurd. */
static void must(bool good)
{
    if (!good)
        abort();
}

void hash_sha256(struct str text, unsigned char out[HASH_SHA256_BYTES])
{
    must(EVP_Digest(text.p, text.n, out, NULL, EVP_sha256(), NULL) == 1);
}

void hash_hmac_sha256(struct str key, struct str text, unsigned char out[HASH_SHA256_BYTES])
{
    must(key.n <= INT_MAX);
    must(HMAC(EVP_sha256(), key.n ? key.p : "", (int)key.n, (const unsigned char *)text.p,
              text.n, out, NULL) != NULL);
}

void hash_pbkdf2_sha256(struct str password, struct str salt, unsigned iterations,
                        unsigned char out[HASH_SHA256_BYTES])
{
    must(password.n <= INT_MAX && salt.n <= INT_MAX && iterations > 0 && iterations <= INT_MAX);
    must(PKCS5_PBKDF2_HMAC(password.n ? password.p : "", (int)password.n,
                           (const unsigned char *)salt.p, (int)salt.n, (int)iterations,
                           EVP_sha256(), HASH_SHA256_BYTES, out) == 1);
}

bool hash_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}
