/* hex, xtext and UTF-8: what is octets as text, and text as octets. */
#include "base/hex.h"
#include "base/utf8.h"
#include "base/xtext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

typedef bool decode(struct buf *out, struct str text);

static void check_decode(decode *f, struct str text, bool good, struct str want)
{
    struct buf b;

    buf_init(&b, 2 + want.n);
    buf_add(&b, STR("<<"));
    assert_int_equal(f(&b, text), good);
    assert_true(str_eq(str_skip(buf_str(&b), 2), good ? want : STR("")));
    buf_done(&b);
    if (!good || want.n == 0)
        return;
    buf_init(&b, 1 + want.n); /* no room for the last octet */
    buf_add(&b, STR("<<"));
    assert_false(f(&b, text));
    assert_true(str_eq(buf_str(&b), STR("<<")));
    buf_done(&b);
}

static void hex_both_ways(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    hex_add(&b, STR("\0\x7f\xff\x0a"));
    assert_true(str_eq(buf_str(&b), STR("007fff0a")));
    buf_done(&b);
    check_decode(hex_decode, STR("007fFf0A"), true, STR("\0\x7f\xff\x0a"));
    check_decode(hex_decode, STR(""), true, STR(""));
    check_decode(hex_decode, STR("0"), false, STR("1234"));
    check_decode(hex_decode, STR("0g"), false, STR("1234"));
    check_decode(hex_decode, STR("00 1"), false, STR("1234"));
    check_decode(hex_decode, STR("00\xff\xff"), false, STR("1234"));
}

/* C19 C20 C21 have the decoder refuse what is not xtext; what an octet may be is its user's
 * affair. */
static void xtext_both_ways(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    xtext_add(&b, STR("a+b=c d\r\n\x80~!"));
    assert_true(str_eq(buf_str(&b), STR("a+2Bb+3Dc+20d+0D+0A+80~!")));
    buf_done(&b);
    check_decode(xtext_decode, STR("a+2Bb+3Dc+20d+0D+0A+80~!"), true, STR("a+b=c d\r\n\x80~!"));
    check_decode(xtext_decode, STR(""), true, STR(""));
    check_decode(xtext_decode, STR("+"), false, STR("1234"));
    check_decode(xtext_decode, STR("a+2"), false, STR("1234"));
    check_decode(xtext_decode, STR("+ZZ"), false, STR("1234"));
    check_decode(xtext_decode, STR("+2b"), false, STR("1234"));
    check_decode(xtext_decode, STR("+b2"), false, STR("1234"));
    check_decode(xtext_decode, STR("a=b"), false, STR("1234"));
    check_decode(xtext_decode, STR("a b"), false, STR("1234"));
    check_decode(xtext_decode, STR("a\x80"), false, STR("1234"));
    check_decode(xtext_decode, STR("a\x7f"), false, STR("1234"));
}

static void utf8_points(void **state)
{
    static const struct {
        struct str in;
        uint32_t want;
    } rows[] = {
        {STR_LIT("\0"),               0       },
        {STR_LIT("\x7f"),             0x7f    },
        {STR_LIT("\xc2\x80"),         0x80    },
        {STR_LIT("\xdf\xbf"),         0x7ff   },
        {STR_LIT("\xe0\xa0\x80"),     0x800   },
        {STR_LIT("\xed\x9f\xbf"),     0xd7ff  },
        {STR_LIT("\xee\x80\x80"),     0xe000  },
        {STR_LIT("\xef\xbf\xbf"),     0xffff  },
        {STR_LIT("\xf0\x90\x80\x80"), 0x10000 },
        {STR_LIT("\xf4\x8f\xbf\xbf"), 0x10ffff},
    };
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str in = rows[i].in, part;
        uint32_t point = 1;

        assert_true(utf8_valid(in));
        assert_true(scan_utf8(&in, &point));
        assert_int_equal(point, rows[i].want);
        assert_int_equal(in.n, 0);
        buf_clear(&b);
        utf8_add(&b, point);
        assert_true(str_eq(buf_str(&b), rows[i].in));
        part = str_first(rows[i].in, rows[i].in.n - 1);
        assert_int_equal(utf8_valid(part), part.n == 0);
    }
    buf_clear(&b);
    utf8_add(&b, 0xd800);
    utf8_add(&b, 0x110000);
    assert_true(str_eq(buf_str(&b), STR("\xef\xbf\xbd\xef\xbf\xbd")));
    buf_done(&b);
}

static void utf8_refuses(void **state)
{
    static const struct str rows[] = {
        STR_LIT("\x80"),
        STR_LIT("\xbf"),
        STR_LIT("\xc0\x80"),
        STR_LIT("\xc1\xbf"),
        STR_LIT("\xe0\x9f\xbf"),
        STR_LIT("\xed\xa0\x80"),
        STR_LIT("\xed\xbf\xbf"),
        STR_LIT("\xf0\x8f\xbf\xbf"),
        STR_LIT("\xf4\x90\x80\x80"),
        STR_LIT("\xf5\x80\x80\x80"),
        STR_LIT("\xff"),
        STR_LIT("\xc3("),
        STR_LIT("\xe2\x28\xa1"),
        STR_LIT("\xe2\x82\x28"),
        STR_LIT("\xf8\x88\x80\x80\x80"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str in = rows[i];
        uint32_t point = 1;

        assert_false(utf8_valid(in));
        assert_false(scan_utf8(&in, &point));
        assert_int_equal(in.n, rows[i].n);
        assert_int_equal(point, 1);
    }
    assert_true(utf8_valid(STR("")));
    assert_true(utf8_valid(STR("a\xc3\xa4z")));
    assert_true(utf8_is_ascii(STR("a\0\x7f")));
    assert_false(utf8_is_ascii(STR("a\x80")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_both_ways),
        cmocka_unit_test(xtext_both_ways),
        cmocka_unit_test(utf8_points),
        cmocka_unit_test(utf8_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
