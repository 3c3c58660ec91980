#include "mail/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void prints(void **state)
{
    static const struct {
        int64_t unix_s;
        const char *want;
    } rows[] = {
        {0,            "Thu, 1 Jan 1970 00:00:00 +0000" },
        {-1,           "Wed, 31 Dec 1969 23:59:59 +0000"},
        {951782400,    "Tue, 29 Feb 2000 00:00:00 +0000"},
        {1795384217,   "Sun, 22 Nov 2026 21:50:17 +0000"},
        {4107542399,   "Sun, 28 Feb 2100 23:59:59 +0000"},
        {4107542400,   "Mon, 1 Mar 2100 00:00:00 +0000" },
        {253402300799, "Fri, 31 Dec 9999 23:59:59 +0000"},
        {INT64_MAX,    "Fri, 31 Dec 9999 23:59:59 +0000"},
        {-62167219200, "Sat, 1 Jan 0000 00:00:00 +0000" },
        {INT64_MIN,    "Sat, 1 Jan 0000 00:00:00 +0000" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;

        buf_init(&b, 100);
        date_print(&b, rows[i].unix_s);
        assert_string_equal(buf_c(&b), rows[i].want);
        buf_done(&b);
    }
}

/* Every day of 800 years: to a date and back, each weekday after the other. */
static void each_day_and_back(void **state)
{
    struct date before = date_of(INT64_C(-86400) * 146097);

    (void)state;
    for (int64_t day = -146096; day < 146097; day++) {
        struct date d = date_of(day * 86400 + 86399);

        assert_int_equal(date_unix(&d), day * 86400 + 86399);
        assert_int_equal(d.weekday, (before.weekday + 1) % 7);
        assert_true(d.day == before.day + 1 || d.day == 1);
        before = d;
    }
}

static void parses(void **state)
{
    static const struct {
        struct str in;
        int64_t want;
    } rows[] = {
        {STR_LIT("Sun, 22 Nov 2026 21:50:17 +0000"),                     1795384217},
        {STR_LIT("22 Nov 2026 21:50:17 -0000"),                          1795384217},
        {STR_LIT("Sun, 22 Nov 2026 22:50:17 +0100"),                     1795384217},
        {STR_LIT("Sun, 22 Nov 2026 16:20:17 -0530"),                     1795384217},
        {STR_LIT("sun, 22 nov 2026 21:50 GMT"),                          1795384200},
        {STR_LIT("Sun, 22 Nov 26 21:50:17 UT"),                          1795384217},
        {STR_LIT("1 Jan 50 00:00:00 +0000"),                             -631152000},
        {STR_LIT("22 Nov 126 21:50:17 Z"),                               1795384217},
        {STR_LIT("Sun, 22 Nov 2026 16:50:17 EST"),                       1795384217},
        {STR_LIT("Sun, 22 Nov 2026 14:50:17 pdt (summer)"),              1795384217},
        {STR_LIT("Sun, 22 Nov 2026 21:50:17 XYZ"),                       1795384217},
        {STR_LIT("Sun, 22 Nov 2026 21:50:17"),                           1795384217},
        {STR_LIT(" Sun ,\n 22\tNov(c)2026 21 : 50 : 17 +0000 (UTC)\n "), 1795384217},
        {STR_LIT("1 Jan 70 00:00:00 +0000"),                             0         },
        {STR_LIT("31 Dec 49 23:59:60 +0000"),                            2524608000},
        {STR_LIT("29 Feb 2000 00:00:00 +0000"),                          951782400 },
        {STR_LIT("Mon, 22 Nov 2026 21:50:17 +0000"),                     1795384217},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t v = -1;

        print_message("%.*s\n", STR_ARGS(rows[i].in));
        assert_true(date_parse(rows[i].in, &v));
        assert_int_equal(v, rows[i].want);
    }
}

static void refuses(void **state)
{
    static const struct str rows[] = {
        STR_LIT(""),
        STR_LIT("Sun,"),
        STR_LIT("22 Nov 2026"),
        STR_LIT("Nov 22 2026 21:50:17 +0000"),
        STR_LIT("0 Nov 2026 21:50:17 +0000"),
        STR_LIT("31 Nov 2026 21:50:17 +0000"),
        STR_LIT("29 Feb 2100 21:50:17 +0000"),
        STR_LIT("22 Nov 20260 21:50:17 +0000"),
        STR_LIT("22 Nov 2 21:50:17 +0000"),
        STR_LIT("22 Nov 2026 24:50:17 +0000"),
        STR_LIT("22 Nov 2026 21:60:17 +0000"),
        STR_LIT("22 Nov 2026 21:50:61 +0000"),
        STR_LIT("22 Nov 2026 21:5:17 +0000"),
        STR_LIT("22 Nov 2026 21:50:17 +000"),
        STR_LIT("22 Nov 2026 21:50:17 +00000"),
        STR_LIT("22 Nov 2026 21:50:17 +0060"),
        STR_LIT("22 Nov 2026 21:50:17 0000"),
        STR_LIT("22 Nov 2026 21:50:17 +0000 x"),
        STR_LIT("22 Nov 2026 21:50:17 +0000 (open"),
        STR_LIT("22 Nov 2026 21:50:17 +0000\0"),
        STR_LIT("22 Nov 4294967296 21:50:17 +0000"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t v = -1;

        print_message("%.*s\n", STR_ARGS(rows[i]));
        assert_false(date_parse(rows[i], &v));
        assert_int_equal(v, -1);
    }
}

static void days_as_written(void **state)
{
    static const struct {
        struct str in;
        int64_t want;
    } rows[] = {
        {STR_LIT("Thu, 1 Jan 1970 23:59:59 -1200"),    0    },
        {STR_LIT(" (c) 1 Jan 1970 00:00:00 +1400"),    0    },
        {STR_LIT("31 Dec 69 00:00 +0000"),             -1   },
        {STR_LIT("Sun, 22 Nov 2026 at ten past nine"), 20779},
        {STR_LIT("22 Nov 26"),                         20779},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t day = -99;

        assert_true(date_parse_day(rows[i].in, &day));
        assert_int_equal(day, rows[i].want);
        assert_false(date_parse_day(str_first(rows[i].in, 3), &day));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints),          cmocka_unit_test(each_day_and_back),
        cmocka_unit_test(parses),          cmocka_unit_test(refuses),
        cmocka_unit_test(days_as_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
