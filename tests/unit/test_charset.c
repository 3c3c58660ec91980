#include "base/utf8.h"
#include "mail/charset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <unicase.h>
#include <uninorm.h>

#include <cmocka.h>

#define BAD "\xef\xbf\xbd" /* U+FFFD */

static void known_names(void **state)
{
    static const struct {
        struct str name;
        bool want;
    } rows[] = {
        {STR_LIT(""),                                                                      true },
        {STR_LIT("us-ascii"),                                                              true },
        {STR_LIT("UTF-8"),                                                                 true },
        {STR_LIT("utf8"),                                                                  true },
        {STR_LIT("ISO-8859-1"),                                                            true },
        {STR_LIT("ISO_8859-1:1987"),                                                       true },
        {STR_LIT("koi8-r"),                                                                true },
        {STR_LIT("Shift_JIS"),                                                             true },
        {STR_LIT("ISO-2022-JP"),                                                           true },
        {STR_LIT("gb2312"),                                                                true },
        {STR_LIT("ks_c_5601-1987"),                                                        true },
        {STR_LIT("X-BOGUS"),                                                               false},
        {STR_LIT("UTF-7"),                                                                 false},
        {STR_LIT("utf7"),                                                                  false},
        {STR_LIT("unicode-1-1-utf-7"),                                                     false},
        {STR_LIT("UTF-7-IMAP"),                                                            false},
        {STR_LIT("utf-8//TRANSLIT"),                                                       false},
        {STR_LIT("../../etc/passwd"),                                                      false},
        {STR_LIT("--"),                                                                    false},
        {STR_LIT("8\0"),                                                                   false},
        {STR_LIT("----------------------------------------------------------------utf-8"),
         false                                                                                  },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (charset_known(rows[i].name) != rows[i].want)
            fail_msg("%s", rows[i].name.p);
}

static const struct {
    struct str charset, in, want;
} conversions[] = {
    {STR_LIT("utf-8"),        STR_LIT("caf\xc3\xa9"),              STR_LIT("caf\xc3\xa9")             },
    {STR_LIT("iso-8859-1"),   STR_LIT("caf\xe9 \x80"),             STR_LIT("caf\xc3\xa9 \xe2\x82\xac")},
    {STR_LIT("ISO-8859-15"),  STR_LIT("\xa4"),                     STR_LIT("\xe2\x82\xac")            },
    {STR_LIT("koi8-r"),       STR_LIT("\xf0\xd2\xc9"),             STR_LIT("\xd0\x9f\xd1\x80\xd0\xb8")},
    {STR_LIT("gb2312"),       STR_LIT("\xc4\xe3"),                 STR_LIT("\xe4\xbd\xa0")            },
    {STR_LIT("big5"),         STR_LIT("\xa7\x41"),                 STR_LIT("\xe4\xbd\xa0")            },
    {STR_LIT("euc-kr"),       STR_LIT("\xc7\xd1"),                 STR_LIT("\xed\x95\x9c")            },
    {STR_LIT("shift_jis"),    STR_LIT("\x93\xfa"),                 STR_LIT("\xe6\x97\xa5")            },
    {STR_LIT("utf-16le"),
     STR_LIT("a\0\x00\xd8"
             "b\0"),
     STR_LIT("a" BAD "b")                                                                             },
 /* M08 */
    {STR_LIT("ISO-2022-JP"),  STR_LIT("a\x1b$BF|K\\\x1b(Bb"),
     STR_LIT("a\xe6\x97\xa5\xe6\x9c\xac"
             "b")                                                                                     },
    {STR_LIT("ISO-2022-JP"),  STR_LIT("\x1b$BF"),                  STR_LIT(BAD)                       },
    {STR_LIT("ISO-2022-JP"),  STR_LIT("\x1b[31mx"),                STR_LIT("\x1b[31mx")               },
    {STR_LIT("UTF-7"),        STR_LIT("+AGE-\xe9"),                STR_LIT("+AGE-" BAD)               },
    {STR_LIT("x-none"),       STR_LIT("a\xe9\xa0z"),               STR_LIT("a" BAD BAD "z")           },
    {STR_LIT(""),             STR_LIT("\xe2\x82"),                 STR_LIT(BAD BAD)                   },
    {STR_LIT(""),             STR_LIT("\xe2\x82x"),                STR_LIT(BAD BAD "x")               },
    {STR_LIT("us-ascii"),     STR_LIT("\xc0\xaf\xed\xa0\x80\xf5"),
     STR_LIT(BAD BAD BAD BAD BAD BAD)                                                                 },
    {STR_LIT("windows-1252"),
     STR_LIT("a\x81"
             "b"),
     STR_LIT("a" BAD "b")                                                                             },
    {STR_LIT("gb18030"),      STR_LIT("\x81"),                     STR_LIT(BAD)                       },
    {STR_LIT("utf-16be"),     STR_LIT("\0a\0"),                    STR_LIT("a" BAD)                   },
};

/* Each text whole, and in two pieces cut at each place. */
static void m08_to_utf8(void **state)
{
    struct charset_reader r;
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof(conversions) / sizeof(conversions[0]); i++) {
        struct str in = conversions[i].in;

        charset_reader_init(&r, conversions[i].charset);
        for (size_t cut = 0; cut <= in.n; cut++) {
            buf_clear(&out);
            charset_reader_feed(&r, &out, str_first(in, cut));
            charset_reader_feed(&r, &out, str_skip(in, cut));
            charset_reader_end(&r, &out);
            if (!str_eq(buf_str(&out), conversions[i].want))
                fail_msg("%s, row %zu cut at %zu: %.*s", conversions[i].charset.p, i, cut,
                         STR_ARGS(buf_str(&out)));
        }
        charset_reader_done(&r);
        buf_clear(&out);
        charset_to_utf8(&out, conversions[i].charset, in);
        assert_true(str_eq(buf_str(&out), conversions[i].want));
    }
    buf_done(&out);
}

/* Several readers of one charset at once each have a converter of their own. */
static void readers_do_not_mix(void **state)
{
    struct charset_reader a, b;
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    charset_reader_init(&a, STR("iso-2022-jp"));
    charset_reader_init(&b, STR("iso-2022-jp"));
    charset_reader_feed(&a, &out, STR("\x1b$B"));
    charset_reader_feed(&b, &out, STR("F|"));
    charset_reader_feed(&a, &out, STR("F|"));
    charset_reader_done(&b);
    charset_reader_done(&a); /* the last one is kept for the next */
    charset_to_utf8(&out, STR("iso-2022-jp"), STR("F|")); /* what was left behind is no more */
    assert_true(str_eq(buf_str(&out), STR("F|\xe6\x97\xa5"
                                          "F|")));
    buf_done(&out);
}

static void a_full_buffer_ends_it(void **state)
{
    struct charset_reader r;
    struct buf out;

    (void)state;
    buf_init(&out, 10);
    charset_reader_init(&r, STR("iso-2022-jp"));
    for (int i = 0; i < 100; i++)
        charset_reader_feed(&r, &out, STR("abc\x1b$"));
    charset_reader_end(&r, &out);
    charset_reader_done(&r);
    assert_true(buf_failed(&out));
    buf_done(&out);
}

static const struct {
    struct str in, want;
} foldings[] = {
    {STR_LIT(""),                                     STR_LIT("")                                },
    {STR_LIT("Hello World"),                          STR_LIT("hello world")                     },
    {STR_LIT(" a \r\n\t b\n"),                        STR_LIT(" a b ")                           },
    {STR_LIT("CAF\xc3\x89"),                          STR_LIT("caf\xc3\xa9")                     },
    {STR_LIT("cafe\xcc\x81"),                         STR_LIT("caf\xc3\xa9")                     },
    {STR_LIT("CAFE\xcc\x81 x"),                       STR_LIT("caf\xc3\xa9 x")                   },
    {STR_LIT("Stra\xc3\x9f"
             "e"),
     STR_LIT("strasse")                                                                          },
    {STR_LIT("\xd0\x9f\xd0\xa0\xd0\x98"),             STR_LIT("\xd0\xbf\xd1\x80\xd0\xb8")        },
    {STR_LIT("\xce\x9f\xce\x94\xce\x9f\xce\xa3"),     STR_LIT("\xce\xbf\xce\xb4\xce\xbf\xcf\x83")},
    {STR_LIT("\xce\xbf\xce\xb4\xce\xbf\xcf\x82"),     STR_LIT("\xce\xbf\xce\xb4\xce\xbf\xcf\x83")},
    {STR_LIT("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab"), STR_LIT("\xed\x95\x9c")                    },
    {STR_LIT("A\xff"
             "B"),
     STR_LIT("a" BAD "b")                                                                        },
    {STR_LIT("a  \xcc\x81"
             "b"),
     STR_LIT("a \xcc\x81"
             "b")                                                                                },
    {STR_LIT("q\xcc\x87\xcc\xa3"
             "Q\xcc\xa3\xcc\x87"),
     STR_LIT("q\xcc\xa3\xcc\x87q\xcc\xa3\xcc\x87")                                               },
};

static void folds(void **state)
{
    struct charset_folder f;
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    charset_folder_init(&f);
    for (size_t i = 0; i < sizeof(foldings) / sizeof(foldings[0]); i++) {
        struct str in = foldings[i].in;

        for (size_t cut = 0; cut <= in.n; cut++) {
            buf_clear(&out);
            charset_folder_feed(&f, &out, str_first(in, cut));
            charset_folder_feed(&f, &out, str_skip(in, cut));
            charset_folder_end(&f, &out);
            if (!str_eq(buf_str(&out), foldings[i].want))
                fail_msg("row %zu cut at %zu: %.*s", i, cut, STR_ARGS(buf_str(&out)));
        }
        buf_clear(&out);
        charset_fold(&out, in);
        assert_true(str_eq(buf_str(&out), foldings[i].want));
    }
    charset_folder_done(&f);
    buf_done(&out);
}

static void as_libunistring(struct buf *out, struct str text)
{
    size_t n = 0;
    uint8_t *want = u8_casefold((const uint8_t *)text.p, text.n, NULL, UNINORM_NFC, NULL, &n);

    buf_clear(out);
    charset_fold(out, text);
    if (!str_eq(buf_str(out), (struct str){(const char *)want, n}))
        fail_msg("%.*s", STR_ARGS(text));
    free(want);
}

/* Each character there is, alone, between letters, and in front of marks that may join it. */
static void all_of_unicode(void **state)
{
    static const struct str marks[] = {
        STR_LIT("x"),        STR_LIT("\xcc\x81"),     STR_LIT("\xcc\x88"),
        STR_LIT("\xd9\x94"), STR_LIT("\xe3\x82\x99"), STR_LIT("\xe1\x86\xa8")};
    struct buf text, out;

    (void)state;
    buf_init(&text, 100);
    buf_init(&out, 1000);
    for (uint32_t point = 0x80; point <= 0x10ffff; point += point < 0x20000 ? 1 : 97) {
        if (point >= 0xd800 && point <= 0xdfff)
            continue;
        for (size_t i = 0; i < (point < 0x3200 || point > 0xd000 ? 6 : 1); i++) {
            buf_clear(&text);
            buf_add_byte(&text, 'E');
            utf8_add(&text, point);
            buf_add(&text, marks[i]);
            as_libunistring(&out, buf_str(&text));
        }
    }
    buf_done(&text);
    buf_done(&out);
}

static void folds_ascii_in_place(void **state)
{
    char to[32];

    (void)state;
    assert_int_equal(charset_fold_ascii(to, STR("Re:  A\r\n b")), 7);
    assert_memory_equal(to, "re: a b", 7);
    assert_int_equal(charset_fold_ascii(to, STR("caf\xc3\xa9")), SIZE_MAX);
}

/* What has no ASCII in it is folded in parts, the same wherever it is cut. */
static void long_islands(void **state)
{
    enum { CHARACTERS = CHARSET_ISLAND_BYTES, STEP = 1001 };
    struct charset_folder f;
    struct buf in, whole, cut;

    (void)state;
    buf_init(&in, 3 * CHARACTERS);
    buf_init(&whole, 3 * CHARACTERS);
    buf_init(&cut, 3 * CHARACTERS);
    for (int i = 0; i < CHARACTERS; i++)
        buf_add(&in, STR("\xe6\x97\xa5"));
    charset_fold(&whole, buf_str(&in));
    assert_true(str_eq(buf_str(&whole), buf_str(&in)));
    charset_folder_init(&f);
    for (struct str s = buf_str(&in); s.n; s = str_skip(s, str_first(s, STEP).n)) {
        charset_folder_feed(&f, &cut, str_first(s, STEP));
        assert_in_range(buf_str(&f.held).n, 0, CHARSET_ISLAND_BYTES + STEP);
    }
    charset_folder_end(&f, &cut);
    charset_folder_done(&f);
    assert_true(str_eq(buf_str(&whole), buf_str(&cut)));
    buf_done(&in);
    buf_done(&whole);
    buf_done(&cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_names),
        cmocka_unit_test(m08_to_utf8),
        cmocka_unit_test(readers_do_not_mix),
        cmocka_unit_test(a_full_buffer_ends_it),
        cmocka_unit_test(folds),
        cmocka_unit_test(folds_ascii_in_place),
        cmocka_unit_test(long_islands),
        cmocka_unit_test(all_of_unicode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
