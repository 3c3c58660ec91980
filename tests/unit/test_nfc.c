/* UAX #15. */
#include "base/nfc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct {
    struct str text, nfc;
} rows[] = {
    {STR_LIT(""),                                     STR_LIT("")                                                },
    {STR_LIT("plain"),                                STR_LIT("plain")                                           },
    {STR_LIT("caf\xc3\xa9"),                          STR_LIT("caf\xc3\xa9")                                     },
    {STR_LIT("cafe\xcc\x81"),                         STR_LIT("caf\xc3\xa9")                                     },
 /* figure 3: singletons */
    {STR_LIT("\xe2\x84\xab"),                         STR_LIT("\xc3\x85")                                        },
    {STR_LIT("\xe2\x84\xa6"),                         STR_LIT("\xce\xa9")                                        },
 /* figure 5: s, dot below and dot above in any order */
    {STR_LIT("\xe1\xb8\x8b\xcc\xa3"),                 STR_LIT("\xe1\xb8\x8d\xcc\x87")                            },
    {STR_LIT("q\xcc\x87\xcc\xa3"),                    STR_LIT("q\xcc\xa3\xcc\x87")                               },
    {STR_LIT("s\xcc\x87\xcc\xa3"),                    STR_LIT("\xe1\xb9\xa9")                                    },
 /* a mark of the same class blocks */
    {STR_LIT("a\xcc\x80\xcc\x81"),                    STR_LIT("\xc3\xa0\xcc\x81")                                },
    {STR_LIT("\xcc\x81"
             "e"),
     STR_LIT("\xcc\x81"
             "e")                                                                                                },
 /* excluded from composition */
    {STR_LIT("\xe0\xa5\x98"),                         STR_LIT("\xe0\xa4\x95\xe0\xa4\xbc")                        },
 /* Hangul: L V T, LV T */
    {STR_LIT("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8"), STR_LIT("\xea\xb0\x81")                                    },
    {STR_LIT("\xea\xb0\x80\xe1\x86\xa8"),             STR_LIT("\xea\xb0\x81")                                    },
    {STR_LIT("\xea\xb0\x81"),                         STR_LIT("\xea\xb0\x81")                                    },
 /* the most that it grows: threefold */
    {STR_LIT("\xf0\x9d\x85\xa0"),                     STR_LIT("\xf0\x9d\x85\x98\xf0\x9d\x85\xa5\xf0\x9d\x85\xae")},
};

static void test_rows(void **state)
{
    struct buf out, again;

    (void)state;
    buf_init(&out, 100);
    buf_init(&again, 100);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&out);
        buf_clear(&again);
        assert_true(nfc_add(&out, rows[i].text));
        assert_true(str_eq(buf_str(&out), rows[i].nfc));
        assert_true(nfc_add(&again, buf_str(&out)));
        assert_true(str_eq(buf_str(&again), rows[i].nfc));
    }
    buf_done(&out);
    buf_done(&again);
}

static void test_refused(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4);
    assert_false(nfc_add(&out, STR("\xff")));
    assert_false(nfc_add(&out, STR("e\xcc")));
    assert_false(nfc_add(&out, STR("12345")));
    assert_int_equal(buf_str(&out).n, 0);
    assert_false(buf_failed(&out));
    assert_true(nfc_add(&out, STR("1234")));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
