#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* RFC 4648 10 */
static const struct {
    struct str octets, text;
} good[] = {
    {STR_LIT(""),         STR_LIT("")        },
    {STR_LIT("f"),        STR_LIT("Zg==")    },
    {STR_LIT("fo"),       STR_LIT("Zm8=")    },
    {STR_LIT("foo"),      STR_LIT("Zm9v")    },
    {STR_LIT("foob"),     STR_LIT("Zm9vYg==")},
    {STR_LIT("fooba"),    STR_LIT("Zm9vYmE=")},
    {STR_LIT("foobar"),   STR_LIT("Zm9vYmFy")},
    {STR_LIT("\0a\0b"),   STR_LIT("AGEAYg==")},
    {STR_LIT("\377\376"), STR_LIT("//4=")    },
};

static void test_round_trip(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 64);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        buf_clear(&b);
        base64_add(&b, good[i].octets);
        assert_true(str_eq(buf_str(&b), good[i].text));
        buf_clear(&b);
        assert_true(base64_decode(&b, good[i].text));
        assert_true(str_eq(buf_str(&b), good[i].octets));
    }
    buf_done(&b);
}

/* RFC 4954 4: reject, do not ignore (U02) */
static void test_u02_refused(void **state)
{
    static const char *const bad[] = {
        "A",     "AA",     "AAA",  "AAA=A",    "====", "AA==AA==", "-_==", "A===",
        "Zg ==", "Zg==\n", "=AAA", "AAA=BBB=", "Zh==", "Zm9=",     "A=AA", "\x80\x80\x80\x80"};
    struct buf b;

    (void)state;
    buf_init(&b, 64);
    buf_add(&b, STR("x"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(base64_decode(&b, str_c(bad[i])));
        assert_true(str_eq(buf_str(&b), STR("x")));
    }
    buf_done(&b);
}

static void test_limit(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 5);
    assert_true(base64_decode(&b, STR("Zm9vYmE=")));
    buf_clear(&b);
    assert_false(base64_decode(&b, STR("Zm9vYmFy")));
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_u02_refused),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
