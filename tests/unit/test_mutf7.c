#include "base/mutf7.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { OUT_BYTES = 4096 };

static void assert_str(struct str got, struct str want)
{
    if (!str_eq(got, want))
        fail_msg("got \"%.*s\", want \"%.*s\"", STR_ARGS(got), STR_ARGS(want));
}

/* RFC 3501 5.1.3, with its examples */
static void both_ways(void **state)
{
    static const struct {
        struct str utf8, text;
    } rows[] = {
        {STR_LIT(""),                                              STR_LIT("")            },
        {STR_LIT("INBOX"),                                         STR_LIT("INBOX")       },
        {STR_LIT("a.b/c d~\"\\"),                                  STR_LIT("a.b/c d~\"\\")},
        {STR_LIT("&"),                                             STR_LIT("&-")          },
        {STR_LIT("A&B&&"),                                         STR_LIT("A&-B&-&-")    },
        {STR_LIT("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
                 "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"),
         STR_LIT("~peter/mail/&U,BTFw-/&ZeVnLIqe-")                                       },
        {STR_LIT("Entw\xc3\xbcrfe"),                               STR_LIT("Entw&APw-rfe")},
        {STR_LIT("\xe2\x98\xba!"),                                 STR_LIT("&Jjo-!")      },
        {STR_LIT("\xf0\x9f\x93\xa7"),                              STR_LIT("&2D3c5w-")    },
        {STR_LIT("\xc3\xa4&\xc3\xa4"),                             STR_LIT("&AOQ-&-&AOQ-")},
        {STR_LIT("\n"),                                            STR_LIT("&AAo-")       },
        {STR_LIT("\x7f"),                                          STR_LIT("&AH8-")       },
    };
    struct buf out;

    (void)state;
    buf_init(&out, OUT_BYTES);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&out);
        assert_true(mutf7_encode(&out, rows[i].utf8, '\0'));
        assert_str(buf_str(&out), rows[i].text);
        buf_clear(&out);
        assert_true(mutf7_decode(&out, rows[i].text, '\0'));
        assert_str(buf_str(&out), rows[i].utf8);
    }
    buf_done(&out);
}

/* With '.' as one more that does not stand for itself, as in the names of folders on disk. */
static void one_more(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, OUT_BYTES);
    assert_true(mutf7_encode(&out, STR("a.b"), '.'));
    assert_str(buf_str(&out), STR("a&AC4-b"));
    buf_clear(&out);
    assert_true(mutf7_decode(&out, STR("a&AC4-b"), '.'));
    assert_str(buf_str(&out), STR("a.b"));
    buf_clear(&out);
    assert_false(mutf7_decode(&out, STR("a.b"), '.'));
    assert_false(mutf7_decode(&out, STR("a&AC4-b"), '\0'));
    assert_int_equal(buf_str(&out).n, 0);
    buf_done(&out);
}

static void i16_other_spellings(void **state)
{
    static const struct str rows[] = {
        STR_LIT("&"),          /* nothing behind it                        */
        STR_LIT("a&"),         /*                                          */
        STR_LIT("&AC8-"),      /* '/' stands for itself                    */
        STR_LIT("&AC4ALg-"),   /* ".."                                     */
        STR_LIT("&AGE-"),      /* "a"                                      */
        STR_LIT("&2AA-"),      /* half a pair                              */
        STR_LIT("&3AA-"),      /* the other half                           */
        STR_LIT("&2ADYAA-"),   /* two first halves                         */
        STR_LIT("&2ABh-"),     /* a pair that is none                      */
        STR_LIT("&Jjo"),       /* unterminated                             */
        STR_LIT("&Jjo!-"),     /* a letter that is none                    */
        STR_LIT("&Jjp-"),      /* stray bits                               */
        STR_LIT("&JjoA-"),     /* a letter too many                        */
        STR_LIT("&J-"),        /* half a unit                              */
        STR_LIT("&ACY-"),      /* '&' has a spelling of its own            */
        STR_LIT("&AOQ-&AOQ-"), /* shifted back for nothing                 */
        STR_LIT("&AOQAQQDk-"), /* "A" inside                               */
        STR_LIT("\xc3\xa4"),   /* UTF-8 as it is                           */
        STR_LIT("\x80"),       /* no UTF-8 either                          */
        STR_LIT("\n"),         /* a control character as it is             */
        STR_LIT("a\0b"),       /*                                          */
        STR_LIT("&U/BTFw-"),   /* base64 of others                         */
        STR_LIT("&AOQ=-"),     /* with a pad                               */
    };
    struct buf out;

    (void)state;
    buf_init(&out, OUT_BYTES);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (mutf7_decode(&out, rows[i], '\0'))
            fail_msg("\"%.*s\" was taken", STR_ARGS(rows[i]));
        assert_int_equal(buf_str(&out).n, 0);
    }
    buf_done(&out);
}

static void not_utf8(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, OUT_BYTES);
    assert_false(mutf7_encode(&out, STR("a\xff"), '\0'));
    assert_false(mutf7_encode(&out, STR("\xed\xa0\x80"), '\0'));
    assert_false(mutf7_encode(&out, STR("\xc0\xaf"), '\0'));
    buf_done(&out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(one_more),
        cmocka_unit_test(i16_other_spellings),
        cmocka_unit_test(not_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
