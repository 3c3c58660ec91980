/* One attempt after the other through Cyrus SASL, and the hashes of passwords. */
#include "sasl/exchange.h"
#include "sasl/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int set_up(void **state)
{
    static const struct sasl_owner owner = {.mechanisms = "PLAIN LOGIN"};

    (void)state;
    return sasl_exchange_init(&owner, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    sasl_exchange_done();
    return 0;
}

static struct sasl_exchange *begin(struct str mechanism)
{
    return sasl_exchange_new(&(struct sasl_begin){
        .service = STR("smtp"), .mechanism = mechanism, .clear_allowed = true});
}

static void assert_str(struct str got, struct str want)
{
    assert_int_equal(got.n, want.n);
    assert_memory_equal(got.p, want.p, want.n);
}

/* alice@example.test has the password "se cret", nobody else has any. */
static bool is_right(const struct sasl_said *said)
{
    return str_eq(said->user, STR("alice@example.test")) &&
           str_eq(said->password, STR("se cret"));
}

/* Plays all responses; the first with the mechanism. */
static enum sasl_ask play(struct sasl_exchange *x, const struct str *responses, size_t n,
                          struct sasl_said *said)
{
    enum sasl_ask ask = SASL_SAYS_NO;

    for (size_t i = 0; i < n; i++) {
        ask = sasl_exchange_step(x, true, responses[i], said);
        if (ask == SASL_ASK_PASSWORD)
            ask = sasl_exchange_verdict(x, is_right(said), said);
        if (ask != SASL_ASK_RESPONSE)
            return ask;
    }
    return ask;
}

static enum sasl_ask play_plain(struct str response)
{
    struct sasl_said said;
    struct sasl_exchange *x = begin(STR("PLAIN"));
    enum sasl_ask ask = play(x, &response, 1, &said);

    if (ask == SASL_SAYS_YES)
        assert_str(said.user, STR("alice@example.test"));
    sasl_exchange_free(x);
    return ask;
}

/* RFC 4616 */
static void test_plain(void **state)
{
    (void)state;
    assert_int_equal(play_plain(STR("\0alice@example.test\0se cret")), SASL_SAYS_YES);
    assert_int_equal(play_plain(STR("\0alice@example.test\0secret")), SASL_SAYS_NO);
    assert_int_equal(play_plain(STR("\0Alice@EXAMPLE.test\0se cret")), SASL_SAYS_YES);
}

static void test_plain_without_initial_response(void **state)
{
    struct sasl_exchange *x = begin(STR("PLAIN"));
    struct sasl_said said;

    (void)state;
    assert_int_equal(sasl_exchange_step(x, false, STR(""), &said), SASL_ASK_RESPONSE);
    assert_int_equal(said.challenge.n, 0);
    assert_int_equal(sasl_exchange_step(x, true, STR("\0alice@example.test\0se cret"), &said),
                     SASL_ASK_PASSWORD);
    assert_str(said.user, STR("alice@example.test"));
    assert_str(said.password, STR("se cret"));
    assert_int_equal(sasl_exchange_verdict(x, true, &said), SASL_SAYS_YES);
    sasl_exchange_free(x);
}

/* The words that base64 makes VXNlcm5hbWU6 and UGFzc3dvcmQ6 of. */
static void test_login(void **state)
{
    struct sasl_exchange *x = begin(STR("LOGIN"));
    struct sasl_said said;

    (void)state;
    assert_int_equal(sasl_exchange_step(x, false, STR(""), &said), SASL_ASK_RESPONSE);
    assert_str(said.challenge, STR("Username:"));
    assert_int_equal(sasl_exchange_step(x, true, STR("alice@example.test"), &said),
                     SASL_ASK_RESPONSE);
    assert_str(said.challenge, STR("Password:"));
    assert_int_equal(sasl_exchange_step(x, true, STR("se cret"), &said), SASL_ASK_PASSWORD);
    assert_true(is_right(&said));
    assert_int_equal(sasl_exchange_verdict(x, true, &said), SASL_SAYS_YES);
    assert_str(said.user, STR("alice@example.test"));
    sasl_exchange_free(x);
}

static void test_login_with_the_name_at_once(void **state)
{
    static const struct str right[] = {STR_LIT("alice@example.test"), STR_LIT("se cret")};
    static const struct str wrong[] = {STR_LIT("alice@example.test"), STR_LIT("")};
    struct sasl_said said;
    struct sasl_exchange *x = begin(STR("LOGIN"));

    (void)state;
    assert_int_equal(play(x, right, 2, &said), SASL_SAYS_YES);
    sasl_exchange_free(x);
    x = begin(STR("LOGIN"));
    assert_int_equal(play(x, wrong, 2, &said), SASL_SAYS_NO);
    sasl_exchange_free(x);
}

static void test_u03_malformed_plain(void **state)
{
    static const struct str bad[] = {
        STR_LIT(""),
        STR_LIT("alice@example.test"),
        STR_LIT("\0alice@example.test"),
        STR_LIT("\0alice@example.test\0"),
        STR_LIT("\0alice@example.test\0se cret\0"),
        STR_LIT("\0alice@example.test\0se cret\0x"),
        STR_LIT("\0\0se cret"),
        STR_LIT("\0\0"),
        STR_LIT("\0\0\0"),
        STR_LIT("\0\xff\0se cret"),
        STR_LIT("\0alice\xc3\0se cret"),
        STR_LIT("\0alice\xc3"),
        STR_LIT("\0\xed\xa0\x80@example.test\0se cret"),
        STR_LIT("\0\xc0\xaf@example.test\0se cret"),
        STR_LIT("\0alice@example.test \0se cret"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(play_plain(bad[i]), SASL_SAYS_NO);
}

/* The same object is asked on after it failed; the next attempt has a new one. */
static void test_u05_a_new_object_each_time(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct sasl_exchange *x = begin(i % 2 ? STR("PLAIN") : STR("LOGIN"));
        struct sasl_said said;

        sasl_exchange_step(x, true, STR("\0bob\0b"), &said);
        sasl_exchange_free(x);
    }
    struct sasl_exchange *x = begin(STR("PLAIN"));
    struct sasl_said said;
    assert_int_equal(sasl_exchange_step(x, true, STR("x"), &said), SASL_SAYS_NO);
    assert_int_equal(sasl_exchange_step(x, true, STR("\0alice@example.test\0se cret"), &said),
                     SASL_SAYS_NO);
    sasl_exchange_free(x);
    assert_int_equal(play_plain(STR("\0alice@example.test\0se cret")), SASL_SAYS_YES);
}

static void test_u13_acting_for_another(void **state)
{
    (void)state;
    assert_int_equal(play_plain(STR("admin@example.test\0alice@example.test\0se cret")),
                     SASL_SAYS_NO);
    assert_int_equal(play_plain(STR("alice@example.test\0alice@example.test\0se cret")),
                     SASL_SAYS_YES);
    assert_int_equal(play_plain(STR("ALICE@example.test\0alice@example.test\0se cret")),
                     SASL_SAYS_YES);
}

/* Names arrive as they are, or not at all. */
static void test_u14_hostile_names(void **state)
{
    static const struct str as_they_are[] = {
        STR_LIT("\0'or1=1--\0x"),
        STR_LIT("\0%{user}\0x"),
        STR_LIT("\0*)(uid=*\0x"),
        STR_LIT("\0%n%s\0x"),
    };
    static char huge[65536 + 4];
    struct sasl_said said;

    (void)state;
    for (size_t i = 0; i < sizeof(as_they_are) / sizeof(as_they_are[0]); i++) {
        struct sasl_exchange *x = begin(STR("PLAIN"));
        struct str r = as_they_are[i];

        assert_int_equal(sasl_exchange_step(x, true, r, &said), SASL_ASK_PASSWORD);
        assert_str(said.user, (struct str){r.p + 1, r.n - 3});
        assert_int_equal(sasl_exchange_verdict(x, false, &said), SASL_SAYS_NO);
        sasl_exchange_free(x);
    }
    assert_int_equal(play_plain(STR("\0a\nb\0x")), SASL_SAYS_NO);
    assert_int_equal(play_plain(STR("\0' OR 1=1--\0x")), SASL_SAYS_NO);
    memset(huge, 'a', sizeof(huge));
    huge[0] = huge[sizeof(huge) - 2] = '\0';
    assert_int_equal(play_plain((struct str){huge, sizeof(huge)}), SASL_SAYS_NO);
}

/* -1, 0, +1 */
static void test_u17_long_passwords(void **state)
{
    static char response[SASL_PASSWORD_BYTES + 100];
    static const struct str name = STR_LIT("\0alice@example.test\0");
    struct sasl_said said;

    (void)state;
    memset(response, 'p', sizeof(response));
    memcpy(response, name.p, name.n);
    for (size_t n = SASL_PASSWORD_BYTES - 1; n <= SASL_PASSWORD_BYTES + 1; n++) {
        struct sasl_exchange *x = begin(STR("PLAIN"));
        enum sasl_ask ask =
            sasl_exchange_step(x, true, (struct str){response, name.n + n}, &said);

        assert_int_equal(ask, n <= SASL_PASSWORD_BYTES ? SASL_ASK_PASSWORD : SASL_SAYS_NO);
        if (ask == SASL_ASK_PASSWORD)
            assert_int_equal(said.password.n, n);
        sasl_exchange_free(x);
    }
}

static void test_u17_nul_in_the_password(void **state)
{
    static const struct str login[] = {STR_LIT("alice@example.test"), STR_LIT("se\0cret")};
    struct sasl_exchange *x = begin(STR("LOGIN"));
    struct sasl_said said;

    (void)state;
    assert_int_equal(play(x, login, 2, &said), SASL_SAYS_NO);
    sasl_exchange_free(x);
}

/* Two spellings of one password are one; octets that are no UTF-8 are taken as they are. */
static void test_u17_spelling(void **state)
{
    static const struct {
        struct str response, user, password;
    } rows[] = {
        {STR_LIT("\0a@b\0caf\xc3\xa9"),  STR_LIT("a@b"),          STR_LIT("caf\xc3\xa9")},
        {STR_LIT("\0a@b\0cafe\xcc\x81"), STR_LIT("a@b"),          STR_LIT("caf\xc3\xa9")},
        {STR_LIT("\0a@b\0caf\xe9"),      STR_LIT("a@b"),          STR_LIT("caf\xe9")    },
        {STR_LIT("\0Zoe\xcc\x88@b\0x"),  STR_LIT("zo\xc3\xab@b"), STR_LIT("x")          },
    };
    struct sasl_said said;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sasl_exchange *x = begin(STR("PLAIN"));

        assert_int_equal(sasl_exchange_step(x, true, rows[i].response, &said),
                         SASL_ASK_PASSWORD);
        assert_str(said.user, rows[i].user);
        assert_str(said.password, rows[i].password);
        sasl_exchange_free(x);
    }
}

static void test_mechanisms_that_are_not_ours(void **state)
{
    static const struct str names[] = {
        STR_LIT("SCRAM-SHA-1"),
        STR_LIT("CRAM-MD5"),
        STR_LIT("ANONYMOUS"),
        STR_LIT("EXTERNAL"),
        STR_LIT(""),
        STR_LIT("PLAIN\0"),
        STR_LIT("?"),
        STR_LIT("AVERYVERYLONGMECHANISMNAME"),
    };
    struct sasl_said said;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct sasl_exchange *x = begin(names[i]);
        assert_int_equal(sasl_exchange_step(x, false, STR(""), &said), SASL_SAYS_NO);
        sasl_exchange_free(x);
    }
}

static void test_no_password_in_clear(void **state)
{
    struct sasl_exchange *x = sasl_exchange_new(
        &(struct sasl_begin){.service = STR("smtp"), .mechanism = STR("PLAIN")});
    struct sasl_said said;

    (void)state;
    assert_int_equal(sasl_exchange_step(x, true, STR("\0alice@example.test\0se cret"), &said),
                     SASL_SAYS_NO);
    sasl_exchange_free(x);
}

static void test_too_many_steps(void **state)
{
    struct sasl_exchange *x = begin(STR("LOGIN"));
    struct sasl_said said;

    (void)state;
    for (int i = 0; i < SASL_STEPS + 2; i++)
        if (sasl_exchange_step(x, i > 0, STR(""), &said) == SASL_ASK_PASSWORD)
            sasl_exchange_verdict(x, false, &said);
    sasl_exchange_free(x);
}

static void test_password_hash(void **state)
{
    static const unsigned char salt[PASSWORD_SALT_BYTES] = {1, 2, 3};
    char hash[PASSWORD_HASH_BYTES], again[PASSWORD_HASH_BYTES];
    char long_one[SASL_PASSWORD_BYTES];

    (void)state;
    assert_int_equal(password_hash(STR("se cret"), salt, hash, NULL), 0);
    assert_memory_equal(hash, "$y$", 3);
    assert_true(password_matches(STR("se cret"), str_c(hash)));
    assert_false(password_matches(STR("se crets"), str_c(hash)));
    assert_false(password_matches(STR("se cret"), STR("")));
    assert_false(password_matches(STR("se cret"), STR("*")));
    assert_false(password_matches(STR("se cret"), STR("$y$")));
    /* the last octet of the longest one counts */
    memset(long_one, 'x', sizeof(long_one));
    assert_int_equal(password_hash((struct str){long_one, sizeof(long_one)}, salt, again, NULL),
                     0);
    assert_true(password_matches((struct str){long_one, sizeof(long_one)}, str_c(again)));
    long_one[sizeof(long_one) - 1] = 'y';
    assert_false(password_matches((struct str){long_one, sizeof(long_one)}, str_c(again)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_plain_without_initial_response),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_login_with_the_name_at_once),
        cmocka_unit_test(test_u03_malformed_plain),
        cmocka_unit_test(test_u05_a_new_object_each_time),
        cmocka_unit_test(test_u13_acting_for_another),
        cmocka_unit_test(test_u14_hostile_names),
        cmocka_unit_test(test_u17_long_passwords),
        cmocka_unit_test(test_u17_nul_in_the_password),
        cmocka_unit_test(test_u17_spelling),
        cmocka_unit_test(test_mechanisms_that_are_not_ours),
        cmocka_unit_test(test_no_password_in_clear),
        cmocka_unit_test(test_too_many_steps),
        cmocka_unit_test(test_password_hash),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
