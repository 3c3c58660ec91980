#include "sasl/password.h"

#include "base/base64.h"
#include "base/defer.h"
#include "base/nfc.h"
#include "tls/hash.h"

#include <crypt.h>
#include <errno.h>

void password_prepare(struct str password, struct buf *out)
{
    buf_room(out, 3 * password.n); /* one block to wipe */
    if (!nfc_add(out, password))
        buf_add(out, password);
}

/* crypt() wants a C string of limited length. */
static void passphrase(struct str password, char out[CRYPT_MAX_PASSPHRASE_SIZE])
{
    unsigned char digest[HASH_SHA256_BYTES];
    struct buf b;

    if (password.n < CRYPT_MAX_PASSPHRASE_SIZE) {
        memcpy(out, password.n ? password.p : "", password.n);
        out[password.n] = '\0';
        return;
    }
    hash_sha256(password, digest);
    buf_init(&b, CRYPT_MAX_PASSPHRASE_SIZE - 1);
    base64_add(&b, (struct str){(const char *)digest, sizeof(digest)});
    memcpy(out, buf_c(&b), buf_str(&b).n + 1);
    explicit_bzero(b.p, b.cap);
    buf_done(&b);
}

/* crypt_r() with the passphrase wiped behind it; NULL where it fails. */
static const char *crypt_text(struct str password, const char *setting, struct crypt_data *data)
{
    char text[CRYPT_MAX_PASSPHRASE_SIZE];

    passphrase(password, text);
    const char *hash = crypt_r(text, setting, data);
    explicit_bzero(text, sizeof(text));
    return hash && hash[0] != '*' ? hash : NULL;
}

int password_hash(struct str password, const unsigned char random[PASSWORD_SALT_BYTES],
                  char out[PASSWORD_HASH_BYTES], struct err *err)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    DEFER(free_mem) struct crypt_data *data = calloc(1, sizeof(*data));

    if (!data)
        abort();
    if (!crypt_gensalt_rn("$y$", 0, (const char *)random, PASSWORD_SALT_BYTES, setting,
                          sizeof(setting)))
        return err_os(err, "make a salt for yescrypt");
    const char *hash = crypt_text(password, setting, data);
    if (!hash)
        return err_os(err, "hash a password with yescrypt");
    if (strlen(hash) >= PASSWORD_HASH_BYTES)
        return err_set(err, E_LIMIT, "a hash of %zu bytes", strlen(hash));
    memcpy(out, hash, strlen(hash) + 1);
    return 0;
}

bool password_matches(struct str password, struct str hash)
{
    char setting[PASSWORD_HASH_BYTES];
    DEFER(free_mem) struct crypt_data *data = calloc(1, sizeof(*data));

    if (!data)
        abort();
    if (hash.n == 0 || hash.n >= sizeof(setting))
        return false;
    memcpy(setting, hash.p, hash.n);
    setting[hash.n] = '\0';
    const char *got = crypt_text(password, setting, data);
    return got && strlen(got) == hash.n && hash_equal(got, hash.p, hash.n);
}

static struct str octets(const unsigned char *p)
{
    return (struct str){(const char *)p, HASH_SHA256_BYTES};
}

/*
 * RFC 5802 3: SaltedPassword := Hi(password, salt, i)        StoredKey :=
 * H(HMAC(SaltedPassword, "Client Key")) ServerKey := HMAC(SaltedPassword, "Server Key")
 */
void password_scram(struct str password, const unsigned char salt[PASSWORD_SALT_BYTES],
                    struct buf *out)
{
    unsigned char salted[HASH_SHA256_BYTES], key[HASH_SHA256_BYTES];

    hash_pbkdf2_sha256(password, (struct str){(const char *)salt, PASSWORD_SALT_BYTES},
                       PASSWORD_SCRAM_ITERATIONS, salted);
    buf_addf(out, "SCRAM-SHA-256$%d:", PASSWORD_SCRAM_ITERATIONS);
    base64_add(out, (struct str){(const char *)salt, PASSWORD_SALT_BYTES});
    buf_add_byte(out, '$');
    hash_hmac_sha256(octets(salted), STR("Client Key"), key);
    hash_sha256(octets(key), key);
    base64_add(out, octets(key));
    buf_add_byte(out, ':');
    hash_hmac_sha256(octets(salted), STR("Server Key"), key);
    base64_add(out, octets(key));
    explicit_bzero(salted, sizeof(salted));
    explicit_bzero(key, sizeof(key));
}
