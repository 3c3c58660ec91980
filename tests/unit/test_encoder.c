/* Octets into quoted-printable and base64, in pieces of any size. */
#include "mail/encoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define X10 "xxxxxxxxxx"
#define X70 X10 X10 X10 X10 X10 X10 X10

static void encode(struct buf *out, enum encoding encoding, bool binary, struct str in,
                   size_t step)
{
    struct encoder e;

    encoder_init(&e, encoding, binary);
    for (; in.n; in = str_skip(in, str_first(in, step).n))
        encoder_feed(&e, out, str_first(in, step));
    encoder_end(&e, out);
}

static void rows(void **state)
{
    static const struct {
        enum encoding encoding;
        bool binary;
        struct str in;
        const char *want;
    } all[] = {
        {ENCODING_QP,     false, STR_LIT("a=b\nc\n"),                           "a=3Db\nc\n"          },
        {ENCODING_QP,     false, STR_LIT("\xc3\xa4\r\n x \n\t\n"),              "=C3=A4\n x=20\n=09\n"},
        {ENCODING_QP,     false, STR_LIT("a "),                                 "a=20"                },
        {ENCODING_QP,     false, STR_LIT("a\rb\0\r"),                           "a=0Db=00=0D"         },
        {ENCODING_QP,     true,  STR_LIT("a\r\nb"),                             "a=0D=0Ab"            },
        {ENCODING_QP,     false, STR_LIT(X70 "abcde\n"),                        X70 "abcde\n"         },
        {ENCODING_QP,     false, STR_LIT(X70 "abcdef\n"),                       X70 "abcde=\nf\n"     },
        {ENCODING_QP,     false, STR_LIT(X70 "abcd=\n"),                        X70 "abcd=\n=3D\n"    },
        {ENCODING_QP,     false, STR_LIT(X70 "abc  \n"),                        X70 "abc =\n=20\n"    },
        {ENCODING_QP,     false, STR_LIT(X70 "abcde--b\n"),                     X70 "abcde=\n=2D-b\n" },
        {ENCODING_QP,     false, STR_LIT(""),                                   ""                    },
        {ENCODING_BASE64, false, STR_LIT("a\nb"),                               "YQ0KYg=="            },
        {ENCODING_BASE64, false, STR_LIT("a\r\nb"),                             "YQ0KYg=="            },
        {ENCODING_BASE64, true,  STR_LIT("a\nb"),                               "YQpi"                },
        {ENCODING_BASE64, true,
         STR_LIT("123456789012345678901234567890123456789012345678901234567"),
         "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3"               },
        {ENCODING_BASE64, true,
         STR_LIT("1234567890123456789012345678901234567890123456789012345678"),
         "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3\nOA=="         },
        {ENCODING_BASE64, false, STR_LIT(""),                                   ""                    },
    };
    static const size_t steps[] = {SIZE_MAX, 1, 2, 7};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
            struct buf out;

            buf_init(&out, 1000);
            encode(&out, all[i].encoding, all[i].binary, all[i].in, steps[k]);
            assert_string_equal(buf_c(&out), all[i].want);
            buf_done(&out);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
