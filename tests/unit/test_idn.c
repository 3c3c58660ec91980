#include "mail/idn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define L63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

static void domains(void **state)
{
    static const struct {
        struct str domain;
        const char *want; /* NULL: none */
    } rows[] = {
        {STR_LIT("Example.ORG"),                        "example.org"                },
        {STR_LIT("bücher.example"),                    "xn--bcher-kva.example"      },
        {STR_LIT("BÜCHER.example"),                    "xn--bcher-kva.example"      },
        {STR_LIT("bu\xcc\x88"
                 "cher.example"),
         "xn--bcher-kva.example"                                                     }, /* not in NFC */
        {STR_LIT("straße.example"),                    "xn--strae-oqa.example"      }, /* RFC 5891: ß stays */
        {STR_LIT("例え.テスト"),                   "xn--r8jz45g.xn--zckzah"     },
        {STR_LIT("bücher.xn--bcher-kva"),              "xn--bcher-kva.xn--bcher-kva"},
        {STR_LIT("xn--nonsense-.example"),              "xn--nonsense-.example"      }, /* a name as any */
        {STR_LIT("a\xff.example"),                      NULL                         },
        {STR_LIT("\xe2\x80\x8b.example"),               NULL                         }, /* no width */
        {STR_LIT("a\xe2\x80\xae"
                 "b.example"),
         NULL                                                                        }, /* turns the text */
        {STR_LIT("ü\0x.example"),                      NULL                         },
        {STR_LIT("ü" L63 ".example"),                  NULL                         },
        {STR_LIT("ü" L63 "." L63 "." L63 "." L63 "x"), NULL                         },
        {STR_LIT("ü..example"),                        NULL                         },
        {STR_LIT(""),                                   NULL                         },
    };
    struct arena a;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str got;
        bool ok = domain_to_ascii(&a, rows[i].domain, &got);

        if (ok != (rows[i].want != NULL))
            fail_msg("row %zu: %d", i, ok);
        if (ok && !str_eq(got, str_c(rows[i].want)))
            fail_msg("row %zu: %.*s", i, STR_ARGS(got));
    }
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(domains)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
