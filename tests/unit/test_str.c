#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct str none = {NULL, 0};

static void compares(void **state)
{
    (void)state;
    assert_true(str_eq(none, STR("")));
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_false(str_eq(STR("a"), STR("ab")));
    assert_true(str_eq_nocase(STR("aZ[@\xc4"), STR("Az[@\xc4")));
    assert_false(str_eq_nocase(STR("["), STR("{")));
    assert_false(str_eq_nocase(STR("\xc4"), STR("\xe4")));
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), none));
    assert_false(str_starts(STR("ab"), STR("abc")));
    assert_true(str_starts_nocase(STR("ABc"), STR("ab")));
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp(none, STR("")), 0);
    assert_int_equal(str_c(NULL).n, 0);
    assert_int_equal(str_c("abc").n, 3);
}

static void takes_parts(void **state)
{
    (void)state;
    assert_int_equal(str_find(STR("a,b"), ','), 1);
    assert_int_equal(str_find(STR("ab"), ','), 2);
    assert_int_equal(str_find(none, ','), 0);
    assert_true(str_eq(str_first(STR("abc"), 2), STR("ab")));
    assert_true(str_eq(str_first(STR("abc"), 9), STR("abc")));
    assert_true(str_eq(str_skip(STR("abc"), 3), STR("")));
    assert_true(str_eq(str_skip(none, 0), STR("")));
    assert_true(str_eq(str_trim(STR(" \t a b\t ")), STR("a b")));
    assert_true(str_eq(str_trim(STR(" \t ")), STR("")));
    assert_true(str_eq(str_trim(STR("\n")), STR("\n")));
}

static void a_failed_scan_changes_nothing(void **state)
{
    struct str in = STR("abc"), out = STR("old");
    uint32_t v = 7;
    uint64_t w = 8;

    (void)state;
    assert_false(scan_byte(&in, 'b'));
    assert_false(scan_word(&in, STR("AB")));
    assert_false(scan_word_nocase(&in, STR("abcd")));
    assert_false(scan_until(&in, 'a', &out));
    assert_false(scan_u32(&in, 9, &v));
    assert_false(scan_u64(&in, 9, &w));
    assert_true(str_eq(in, STR("abc")) && str_eq(out, STR("old")) && v == 7 && w == 8);
    in = none;
    assert_false(scan_byte(&in, '\0'));
    assert_false(scan_until(&in, 'a', &out));
    assert_false(scan_u64(&in, 9, &w));
}

static void scans_move_on(void **state)
{
    struct str in = STR("a:SP b"), out;

    (void)state;
    assert_true(scan_until(&in, ':', &out) && str_eq(out, STR("a")));
    assert_true(scan_byte(&in, ':'));
    assert_true(scan_word_nocase(&in, STR("sp")));
    assert_true(scan_word(&in, STR(" ")));
    assert_true(scan_until(&in, ':', &out) && str_eq(out, STR("b")) && in.n == 0);
}

static void numbers_and_their_limits(void **state)
{
    static const struct {
        struct str in;
        uint64_t max;
        bool good;
        uint64_t want;
        size_t rest;
    } rows[] = {
        {STR_LIT("0"),                    0,          true,  0,          0 },
        {STR_LIT("1"),                    0,          false, 0,          1 },
        {STR_LIT("99x"),                  99,         true,  99,         1 },
        {STR_LIT("100"),                  99,         false, 0,          3 },
        {STR_LIT("00012"),                99,         true,  12,         0 },
        {STR_LIT("-1"),                   99,         false, 0,          2 },
        {STR_LIT("+1"),                   99,         false, 0,          2 },
        {STR_LIT(" 1"),                   99,         false, 0,          2 },
        {STR_LIT("18446744073709551615"), UINT64_MAX, true,  UINT64_MAX, 0 },
        {STR_LIT("18446744073709551616"), UINT64_MAX, false, 0,          20},
        {STR_LIT("99999999999999999999"), UINT64_MAX, false, 0,          20},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str in = rows[i].in;
        uint64_t v = 0;

        assert_int_equal(scan_u64(&in, rows[i].max, &v), rows[i].good);
        assert_int_equal(v, rows[i].want);
        assert_int_equal(in.n, rows[i].rest);
    }
    struct str in = STR("4294967295"), over = STR("4294967296");
    uint32_t v;
    assert_true(scan_u32(&in, UINT32_MAX, &v) && v == UINT32_MAX);
    assert_false(scan_u32(&over, UINT32_MAX, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),
        cmocka_unit_test(takes_parts),
        cmocka_unit_test(scans_move_on),
        cmocka_unit_test(a_failed_scan_changes_nothing),
        cmocka_unit_test(numbers_and_their_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
