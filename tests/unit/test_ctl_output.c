#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ctl/output.h"

#include <unistd.h>

static void what_could_drive_a_terminal_is_shown(void **state)
{
    static const struct {
        struct str in;
        const char *want;
    } rows[] = {
        {STR_LIT("plain ~"),       "plain ~"      },
        {STR_LIT("\x1b[31m"),      "\\x1b[31m"    },
        {STR_LIT("a\0b\n"),        "a\\x00b\\x0a" },
        {STR_LIT("M\xc3\xbcller"), "M\xc3\xbcller"},
        {STR_LIT("\xc2\x9b"),      "\\xc2\\x9b"   }, /* CSI as one code point */
        {STR_LIT("\xff\xc3"),      "\\xff\\xc3"   },
    };
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&b);
        output_safe(&b, rows[i].in);
        assert_string_equal(buf_c(&b), rows[i].want);
    }
    buf_done(&b);
}

static void columns_stand_below_each_other(void **state)
{
    static const char *const heads[] = {"NAME", ">SIZE", "WHAT", NULL};
    const struct str first[] = {STR("M\xc3\xbcller"), STR("5"), STR("x")};
    const struct str second[] = {STR("a"), STR("123456"), STR("")};
    struct table t;
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    table_init(&t, heads);
    table_add(&t, GREEN, first);
    table_add(&t, PLAIN, second);
    assert_int_equal(table_rows(&t), 2);
    table_print(&t, &b, false);
    assert_string_equal(buf_c(&b), "NAME      SIZE  WHAT\n"
                                   "M\xc3\xbcller       5  x\n"
                                   "a       123456  \n");
    buf_clear(&b);
    table_print(&t, &b, true);
    assert_non_null(strstr(buf_c(&b), "\x1b[32mM\xc3\xbcller"));
    table_done(&t);
    buf_done(&b);
}

static void words_are_broken_at_blanks(void **state)
{
    static const struct {
        const char *in;
        size_t at, columns;
        const char *want;
    } rows[] = {
        {"one two three four five six seven",                     4,  0,  "one two three four five six seven"     },
        {"one two three four five six seven",                     4,  30, "one two three four five\n    six seven"},
        {"one two three four five six seven",                     10, 37, "one two three four five six\n    seven"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",           4,  30,
         "aaaaaaaaaaaaaaaaaaaaaaaaaa\n    aaaaaaaaaaaaaaaaa"                                                      },
        {"\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc one two three four b", 4,  24,
         "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc one two three\n    four b"                                             },
        {"one two three four five six",                           30, 40, "one two three four five six"           }, /* no room */
        {"",                                                      4,  30, ""                                      },
    };
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&b);
        output_wrapped(&b, str_c(rows[i].in), rows[i].at, 4, rows[i].columns);
        assert_string_equal(buf_c(&b), rows[i].want);
    }
    buf_done(&b);
}

static void a_pipe_has_no_colour(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_false(output_colour(ends[1]));
    close(ends[0]);
    close(ends[1]);
    assert_string_equal(output_begin(RED, false), "");
    assert_string_equal(output_end(PLAIN, true), "");
}

static void sizes_and_spans(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a);
    assert_string_equal(output_size(&a, 0).p, "0 B");
    assert_string_equal(output_size(&a, 1023).p, "1023 B");
    assert_string_equal(output_size(&a, 1536).p, "1.5 KiB");
    assert_string_equal(output_size(&a, 25ULL << 20).p, "25 MiB");
    assert_string_equal(output_span(&a, 999).p, "999 ms");
    assert_string_equal(output_span(&a, 59999).p, "59 s");
    assert_string_equal(output_span(&a, 61000).p, "1 min 1 s");
    assert_string_equal(output_span(&a, 3660000).p, "1 h 1 min");
    assert_string_equal(output_span(&a, 90000000).p, "1 d 1 h");
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_could_drive_a_terminal_is_shown),
        cmocka_unit_test(columns_stand_below_each_other),
        cmocka_unit_test(words_are_broken_at_blanks),
        cmocka_unit_test(a_pipe_has_no_colour),
        cmocka_unit_test(sizes_and_spans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
