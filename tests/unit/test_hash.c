/* Digests against the vectors of their standards. */
#include "tls/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void assert_hex(const unsigned char *got, const char *want)
{
    char hex[2 * HASH_SHA256_BYTES + 1];

    for (size_t i = 0; i < HASH_SHA256_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", got[i]);
    assert_string_equal(hex, want);
}

/* FIPS 180-4, the example "abc" and the empty text. */
static void test_sha256(void **state)
{
    unsigned char out[HASH_SHA256_BYTES];

    (void)state;
    hash_sha256(STR("abc"), out);
    assert_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash_sha256(STR(""), out);
    assert_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231 4.3 */
static void test_hmac(void **state)
{
    unsigned char out[HASH_SHA256_BYTES];

    (void)state;
    hash_hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), out);
    assert_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

/* RFC 7914 11 */
static void test_pbkdf2(void **state)
{
    unsigned char out[HASH_SHA256_BYTES];

    (void)state;
    hash_pbkdf2_sha256(STR("passwd"), STR("salt"), 1, out);
    assert_hex(out, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(hash_equal("abc", "abc", 3));
    assert_false(hash_equal("abc", "abd", 3));
    assert_true(hash_equal("", "", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_pbkdf2),
        cmocka_unit_test(test_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
