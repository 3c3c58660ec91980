#include "wire/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct row {
    struct str in;
    size_t max;
    enum line_result want;
    struct str line, rest;
};

static const struct row rows[] = {
    {STR_LIT(""),                                  8,  LINE_MORE,     STR_LIT(""),       STR_LIT("")           },
    {STR_LIT("\r\n"),                              8,  LINE_OK,       STR_LIT(""),       STR_LIT("")           },
    {STR_LIT("NOOP\r\nQUIT"),                      8,  LINE_OK,       STR_LIT("NOOP"),   STR_LIT("QUIT")       },
    {STR_LIT("NOOP"),                              8,  LINE_MORE,     STR_LIT(""),       STR_LIT("NOOP")       },
    {STR_LIT("NOOP\r"),                            8,  LINE_MORE,     STR_LIT(""),       STR_LIT("NOOP\r")     },
    {STR_LIT("123456\r\n"),                        8,  LINE_OK,       STR_LIT("123456"), STR_LIT("")           },
    {STR_LIT("1234567"),                           8,  LINE_MORE,     STR_LIT(""),       STR_LIT("1234567")    },
    {STR_LIT("1234567\r"),                         8,  LINE_TOO_LONG, STR_LIT(""),       STR_LIT("1234567\r")  },
    {STR_LIT("1234567\r\n"),                       8,  LINE_TOO_LONG, STR_LIT(""),       STR_LIT("1234567\r\n")},
    {STR_LIT("12345678\n"),                        8,  LINE_TOO_LONG, STR_LIT(""),       STR_LIT("12345678\n") },
    {STR_LIT("a\n"),                               8,  LINE_BAD,      STR_LIT(""),       STR_LIT("a\n")        },
    {STR_LIT("\n"),                                8,  LINE_BAD,      STR_LIT(""),       STR_LIT("\n")         },
    {STR_LIT("a\rb\r\n"),                          8,  LINE_BAD,      STR_LIT(""),       STR_LIT("a\rb\r\n")   },
    {STR_LIT("a\r\r\n"),                           8,  LINE_BAD,      STR_LIT(""),       STR_LIT("a\r\r\n")    },
    {STR_LIT("a\0b\r\n"),                          8,  LINE_BAD,      STR_LIT(""),       STR_LIT("a\0b\r\n")   },
    {STR_LIT("a\r\n\n"),                           8,  LINE_OK,       STR_LIT("a"),      STR_LIT("\n")         },
    {STR_LIT("0123456789abcdefg\n0123456789\r\n"), 99, LINE_BAD,      STR_LIT(""),
     STR_LIT("0123456789abcdefg\n0123456789\r\n")                                                              },
    {STR_LIT("0123456789abcdef0123456789\r\n"),    99, LINE_OK,
     STR_LIT("0123456789abcdef0123456789"),                                              STR_LIT("")           },
};

static void check(const struct row *row, struct str in, enum line_result got, struct str line)
{
    assert_int_equal(got, row->want);
    assert_true(str_eq(in, row->rest));
    if (got == LINE_OK)
        assert_true(str_eq(line, row->line));
}

static void whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str in = rows[i].in, line = STR("");
        enum line_result got = line_take(&in, rows[i].max, NULL, &line);

        check(&rows[i], in, got, line);
    }
}

/* Single bytes, with the memory of what was searched: the same answer, as soon as it is known.
 */
static void in_single_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum line_result got = LINE_MORE;
        struct str in, line = STR("");
        size_t scanned = 0, n = 0;

        do {
            in = str_first(rows[i].in, n);
            got = line_take(&in, rows[i].max, &scanned, &line);
        } while (got == LINE_MORE && n++ < rows[i].in.n);
        assert_int_equal(got, rows[i].want);
        if (got != LINE_OK)
            continue;
        assert_true(str_eq(line, rows[i].line));
        assert_int_equal(n, line.n + 2);
        assert_int_equal(scanned, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole),
                                       cmocka_unit_test(in_single_bytes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
