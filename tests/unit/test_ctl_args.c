#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ctl/args.h"

#include <stdint.h>

enum { WAIT, JSON, NUMBER };

static const struct args_option table[] = {
    {"--wait",   'w', "SECONDS", ""  },
    {"--json",   0,   NULL,      ""  },
    {"--number", 'N', "N",       ""  },
    {NULL,       0,   NULL,      NULL},
};

enum { WORDS = 8 };

static int parse(const char *const *in, const char **argv, struct args *a, struct err *err)
{
    int n = 0;

    for (; in[n]; n++)
        argv[n] = in[n];
    return args_parse(n, argv, table, a, err);
}

static void options_stand_anywhere(void **state)
{
    /* clang-format off */
    static const char *const rows[][WORDS] = {
        {"--wait", "5", "--json", "a", "b"},
        {"a", "--wait=5", "b", "--json"},
        {"-w5", "a", "--json", "b"},
        {"a", "b", "--json", "-w", "5"},
        {"--json", "-w", "5", "--", "a", "b"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *argv[WORDS];
        struct args a;

        assert_int_equal(parse(rows[i], argv, &a, NULL), 0);
        assert_string_equal(a.options[WAIT], "5");
        assert_string_equal(a.options[JSON], "");
        assert_null(a.options[NUMBER]);
        assert_int_equal(a.n, 2);
        assert_string_equal(a.words[0], "a");
        assert_string_equal(a.words[1], "b");
    }
}

static void words_after_two_dashes_are_no_options(void **state)
{
    static const char *const row[WORDS] = {"--", "--wait", "-"};
    const char *argv[WORDS];
    struct args a;

    (void)state;
    assert_int_equal(parse(row, argv, &a, NULL), 0);
    assert_int_equal(a.n, 2);
    assert_string_equal(a.words[0], "--wait");
    assert_null(a.options[WAIT]);
}

static void wrong_options_are_refused(void **state)
{
    /* clang-format off */
    static const char *const rows[][WORDS] = {
        {"--wai", "5"},
        {"--waiting=5"},
        {"--wait"},
        {"-w"},
        {"--json=yes"},
        {"-x"},
        {"a", "-"},
        {"--=5"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *argv[WORDS];
        struct args a;
        struct err err;
        bool lone_dash = rows[i][1] && rows[i][1][0] == '-' && !rows[i][1][1];

        if (lone_dash) /* that is a word */
            assert_int_equal(parse(rows[i], argv, &a, &err), 0);
        else
            assert_int_equal(parse(rows[i], argv, &a, &err), E_SYNTAX);
    }
}

static void sizes_and_numbers(void **state)
{
    static const struct {
        const char *in;
        bool good;
        unsigned long long want;
    } rows[] = {
        {"0",                   true,  0               },
        {"1",                   true,  1               },
        {"10K",                 true,  10240           },
        {"5m",                  true,  5 << 20         },
        {"2G",                  true,  2ULL << 30      },
        {"1T",                  true,  1ULL << 40      },
        {"9223372036854775807", true,  INT64_MAX       },
        {"8388607T",            true,  8388607ULL << 40},
        {"9223372036854775808", false, 0               },
        {"8388608T",            false, 0               },
        {"",                    false, 0               },
        {"K",                   false, 0               },
        {"1KB",                 false, 0               },
        {"-1",                  false, 0               },
        {"1 K",                 false, 0               },
        {"1X",                  false, 0               },
    };
    unsigned long long v;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(args_bytes(rows[i].in, &v), rows[i].good);
        if (rows[i].good)
            assert_true(v == rows[i].want);
    }
    assert_true(args_number("7", 7, &v) && v == 7);
    assert_false(args_number("8", 7, &v));
    assert_false(args_number("7x", 7, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(words_after_two_dashes_are_no_options),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(sizes_and_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
