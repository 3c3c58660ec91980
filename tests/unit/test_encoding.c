#include "mail/encoding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define BAD "\xef\xbf\xbd" /* U+FFFD */

static void names(void **state)
{
    static const struct {
        struct str value;
        enum encoding want;
    } rows[] = {
        {STR_LIT(""),                              ENCODING_7BIT   },
        {STR_LIT(" 7bit "),                        ENCODING_7BIT   },
        {STR_LIT("8BIT"),                          ENCODING_8BIT   },
        {STR_LIT("binary"),                        ENCODING_BINARY },
        {STR_LIT("Quoted-Printable"),              ENCODING_QP     },
        {STR_LIT(" (so they say)\n base64 (yes)"), ENCODING_BASE64 },
        {STR_LIT("base64;"),                       ENCODING_BASE64 },
        {STR_LIT("x-uuencode"),                    ENCODING_UNKNOWN},
        {STR_LIT("base"),                          ENCODING_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(encoding_of(rows[i].value), rows[i].want);
}

#define TEN "          "

static const struct {
    enum encoding encoding;
    struct str in, want;
} bodies[] = {
    {ENCODING_7BIT,    STR_LIT("a=41\n"),                                     STR_LIT("a=41\n")             },
    {ENCODING_BASE64,  STR_LIT("aGVsbG8="),                                   STR_LIT("hello")              },
    {ENCODING_BASE64,  STR_LIT("aGVs\r\nbG8h\n"),                             STR_LIT("hello!")             },
    {ENCODING_BASE64,  STR_LIT("aA==\naQ=="),                                 STR_LIT("hi")                 },
    {ENCODING_QP,      STR_LIT("caf=C3=a9 \t\nx"),                            STR_LIT("caf\xc3\xa9\nx")     },
    {ENCODING_QP,      STR_LIT("soft=\r\nly =\nbroken"),                      STR_LIT("softly broken")      },
    {ENCODING_QP,      STR_LIT("pad= \t\nded  x"),                            STR_LIT("padded  x")          },
    {ENCODING_QP,      STR_LIT("a \r\nb\r\n"),                                STR_LIT("a\r\nb\r\n")         },
 /* M08 */
    {ENCODING_UNKNOWN, STR_LIT("begin 644 x\n\x80"),                          STR_LIT("begin 644 x\n\x80")  },
    {ENCODING_BASE64,  STR_LIT("!aG\0Vs*bG8"),                                STR_LIT("hello")              },
    {ENCODING_BASE64,  STR_LIT("a"),                                          STR_LIT("")                   },
    {ENCODING_BASE64,  STR_LIT("====aGk"),                                    STR_LIT("hi")                 },
    {ENCODING_BASE64,  STR_LIT("a=aGk="),                                     STR_LIT("hi")                 },
    {ENCODING_QP,      STR_LIT("=4"),                                         STR_LIT("=4")                 },
    {ENCODING_QP,      STR_LIT("=4\n=Z4 =4Z =\t4 =="),                        STR_LIT("=4\n=Z4 =4Z =\t4 ==")},
    {ENCODING_QP,      STR_LIT("==41="),                                      STR_LIT("=A=")                },
    {ENCODING_QP,      STR_LIT("a\rb \rc\r"),                                 STR_LIT("a\rb \rc\r")         },
    {ENCODING_QP,      STR_LIT("a" TEN TEN TEN TEN TEN TEN TEN TEN TEN "\n"),
     STR_LIT("a" TEN TEN TEN TEN TEN TEN TEN TEN "\n")                                                      },
    {ENCODING_QP,      STR_LIT("a" TEN TEN TEN TEN TEN TEN TEN TEN TEN "b"),
     STR_LIT("a" TEN TEN TEN TEN TEN TEN TEN TEN TEN "b")                                                   },
};

static void m08_bodies(void **state)
{
    struct decoder d;
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct str in = bodies[i].in;

        decoder_init(&d, bodies[i].encoding);
        for (size_t cut = 0; cut <= in.n; cut++) {
            buf_clear(&out);
            decoder_feed(&d, &out, str_first(in, cut));
            decoder_feed(&d, &out, str_skip(in, cut));
            decoder_end(&d, &out);
            if (!str_eq(buf_str(&out), bodies[i].want))
                fail_msg("row %zu cut at %zu: '%.*s'", i, cut, STR_ARGS(buf_str(&out)));
        }
    }
    buf_done(&out);
}

static const struct {
    struct str in, want;
} fields[] = {
    {STR_LIT(""),                                                              STR_LIT("")                             },
    {STR_LIT("plain = ? =? text"),                                             STR_LIT("plain = ? =? text")            },
    {STR_LIT(" un\r\n folded\n\ttoo"),                                         STR_LIT(" un folded\ttoo")              },
 /* RFC 2047 8 */
    {STR_LIT("=?US-ASCII?Q?Keith_Moore?= <moore@cs>"),                         STR_LIT("Keith Moore <moore@cs>")       },
    {STR_LIT("=?ISO-8859-1?Q?Andr=E9?= Pirard"),                               STR_LIT("Andr\xc3\xa9 Pirard")          },
    {STR_LIT("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\n "
             "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?="),
     STR_LIT("If you can read this you understand the example.")                                                       },
    {STR_LIT("(=?ISO-8859-1?Q?a?= b)"),                                        STR_LIT("(a b)")                        },
    {STR_LIT("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)"),                       STR_LIT("(ab)")                         },
    {STR_LIT("(=?ISO-8859-1?Q?a?=\n     =?ISO-8859-1?Q?b?=)"),                 STR_LIT("(ab)")                         },
    {STR_LIT("(=?ISO-8859-1?Q?a_b?=)"),                                        STR_LIT("(a b)")                        },
    {STR_LIT("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)"),                      STR_LIT("(a b)")                        },
 /* RFC 2231 5 */
    {STR_LIT("=?US-ASCII*EN?Q?Keith?="),                                       STR_LIT("Keith")                        },
 /* writers of mail do such things */
    {STR_LIT("=?utf-8?Q?with spaces?="),                                       STR_LIT("with spaces")                  },
    {STR_LIT("=?utf-8?B?w4M=?=in=?utf-8?q?side?="),                            STR_LIT("\xc3\x83inside")               },
    {STR_LIT("=?utf-8?B?5pc=?= =?UTF-8?B?pQ==?="),                             STR_LIT("\xe6\x97\xa5")                 },
    {STR_LIT("=?iso-2022-jp?B?GyRCRnwbKEI=?= =?iso-2022-jp?B?GyRCS1wbKEI=?="),
     STR_LIT("\xe6\x97\xa5\xe6\x9c\xac")                                                                               },
 /* M08 */
    {STR_LIT("=?utf-8?B?5pc=?= x"),                                            STR_LIT(BAD BAD " x")                   },
    {STR_LIT("=?utf-7?Q?+AGE-?="),                                             STR_LIT("+AGE-")                        },
    {STR_LIT("=?x-none?Q?a=E9?="),                                             STR_LIT("a" BAD)                        },
    {STR_LIT("raw \xe9 \xc3\xa9"),                                             STR_LIT("raw " BAD " \xc3\xa9")         },
    {STR_LIT("=?utf-8?X?abc?= =?utf-8?Q?abc"),                                 STR_LIT("=?utf-8?X?abc?= =?utf-8?Q?abc")},
    {STR_LIT("=??Q?abc?= =?utf-8?Q?ab?c?="),                                   STR_LIT("=??Q?abc?= =?utf-8?Q?ab?c?=")  },
    {STR_LIT("=?=?utf-8?q?x?="),                                               STR_LIT("=?x")                          },
 /* M09 */
    {STR_LIT("=?utf-8?Q?a=0D=0ABcc:_b=00c=7F=C2=85?="),
     STR_LIT("a" BAD BAD "Bcc: b" BAD "c" BAD BAD)                                                                     },
    {STR_LIT("=?utf-8?B?YQ0KQmNjOiBi?="),                                      STR_LIT("a" BAD BAD "Bcc: b")           },
    {STR_LIT("=?utf-16be?B?AAoADQ==?="),                                       STR_LIT(BAD BAD)                        },
    {STR_LIT("=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?="),                         STR_LIT("=?utf-8?q?x?=")                },
    {STR_LIT("a\rb\0c\td"),                                                    STR_LIT("a" BAD "b" BAD "c\td")         },
};

static void m09_encoded_words(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        buf_clear(&out);
        encoded_words_decode(&out, fields[i].in);
        if (!str_eq(buf_str(&out), fields[i].want))
            fail_msg("%s: '%.*s'", fields[i].in.p, STR_ARGS(buf_str(&out)));
    }
    buf_done(&out);
}

/* M09: a million of them, well made or begun only, are read in one pass. */
static void m09_a_million(void **state)
{
    enum { WORDS = 1000000 };
    static const struct {
        struct str word;
        size_t want;
    } rows[] = {
        {STR_LIT("=?utf-8?q?x?= "), WORDS + 1 },
        {STR_LIT("=?big5?q?x?=.."), 3 * WORDS },
        {STR_LIT("=?utf-8?q?xx "),  13 * WORDS},
        {STR_LIT("=?"),             2 * WORDS },
    };
    struct buf in, out;

    (void)state;
    buf_init(&in, 15 * WORDS);
    buf_init(&out, 45 * WORDS);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&in);
        buf_clear(&out);
        for (int n = 0; n < WORDS; n++)
            buf_add(&in, rows[i].word);
        encoded_words_decode(&out, buf_str(&in));
        assert_int_equal(buf_str(&out).n, rows[i].want);
    }
    buf_done(&in);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(m08_bodies),
        cmocka_unit_test(m09_encoded_words),
        cmocka_unit_test(m09_a_million),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
