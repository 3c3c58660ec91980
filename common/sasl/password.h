/*
 * password - what is kept of a password: a hash by crypt(5)'s yescrypt, and the keys of SCRAM.
 *
 * Both are slow on purpose, some 20 ms: call them on a pool. A passphrase that crypt() does not
 * take for its length (512 octets and more) is replaced by the base64 of its SHA-256.
 */
#ifndef POSTA_SASL_PASSWORD_H
#define POSTA_SASL_PASSWORD_H

#include "base/buf.h"
#include "base/err.h"

/* As it is hashed and compared: in NFC, so that it does not matter how a keyboard spells it
 * (RFC 8265 4.2.2); octets that are no UTF-8 stay. `out` has room for three times as much. */
void password_prepare(struct str password, struct buf *out);

enum { PASSWORD_HASH_BYTES = 384, PASSWORD_SALT_BYTES = 16, PASSWORD_SCRAM_ITERATIONS = 65536 };

/* `random` is new for each hash. `out` gets a C string. */
int password_hash(struct str password, const unsigned char random[PASSWORD_SALT_BYTES],
                  char out[PASSWORD_HASH_BYTES], struct err *err);

/* Any method that the system's crypt() knows. False also for a hash that is none. */
bool password_matches(struct str password, struct str hash);

/* "SCRAM-SHA-256$iterations:salt$stored-key:server-key" (RFC 5803 2, RFC 7677) */
void password_scram(struct str password, const unsigned char salt[PASSWORD_SALT_BYTES],
                    struct buf *out);

#endif
