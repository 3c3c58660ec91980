/* The letter between DATA and the dot. Tests are named after the rows of hostile input they
 * hold. */
#include "wire/dot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define NEXT "MAIL FROM:<e@x>\r\nRCPT TO:<u@d>\r\nDATA\r\nSubject: x\r\n"

struct row {
    const char *name;
    struct str in;
    bool end;
    enum dot_flaw flaw;
    struct str out;
    struct str rest; /* behind the end */
};

static const struct row rows[] = {
    {"empty",          STR_LIT(".\r\n"),                                      true,  DOT_CLEAN,   STR_LIT(""),             STR_LIT("") },
    {"plain",          STR_LIT("a\r\nb\r\n.\r\nQUIT\r\n"),                    true,  DOT_CLEAN,   STR_LIT("a\nb\n"),
     STR_LIT("QUIT\r\n")                                                                                                               },
    {"no end",         STR_LIT("a\r\n."),                                     false, DOT_CLEAN,   STR_LIT("a\n"),          STR_LIT("") },
    {"no end yet",     STR_LIT("a\r\n.\r"),                                   false, DOT_CLEAN,   STR_LIT("a\n"),          STR_LIT("") },
    {"pending CR",     STR_LIT("a\r"),                                        false, DOT_CLEAN,   STR_LIT("a"),            STR_LIT("") },
    {"S01",            STR_LIT("x\n.\n" NEXT "\r\n.\r\nQ"),                   true,  DOT_BARE_LF, STR_LIT(""),             STR_LIT("Q")},
    {"S02",            STR_LIT("x\r\n.\n" NEXT "\r\n.\r\nQ"),                 true,  DOT_BARE_LF, STR_LIT(""),
     STR_LIT("Q")                                                                                                                      },
    {"S03",            STR_LIT("x\n.\r\n" NEXT "\r\n.\r\nQ"),                 true,  DOT_BARE_LF, STR_LIT(""),
     STR_LIT("Q")                                                                                                                      },
    {"S04",            STR_LIT("x\r.\r" NEXT "\r\n.\r\nQ"),                   true,  DOT_BARE_CR, STR_LIT(""),             STR_LIT("Q")},
    {"S05",            STR_LIT("x\r\n.\r" NEXT "\r\n.\r\nQ"),                 true,  DOT_BARE_CR, STR_LIT(""),
     STR_LIT("Q")                                                                                                                      },
    {"S06",            STR_LIT("x\r.\r\n" NEXT "\r\n.\r\nQ"),                 true,  DOT_BARE_CR, STR_LIT(""),
     STR_LIT("Q")                                                                                                                      },
    {"S07",            STR_LIT("x\r\n\0.\r\n" NEXT ".\r\nQ"),                 true,  DOT_NUL,     STR_LIT(""),             STR_LIT("Q")},
    {"S07 behind",     STR_LIT("x\r\n.\0\r\n" NEXT ".\r\nQ"),                 true,  DOT_NUL,     STR_LIT(""),
     STR_LIT("Q")                                                                                                                      },
    {"S08",            STR_LIT("x\r\r\n.\r\r\n" NEXT ".\r\nQ"),               true,  DOT_BARE_CR, STR_LIT(""),
     STR_LIT("Q")                                                                                                                      },
    {"S08 at the dot", STR_LIT("x\r\n.\r\r\n" NEXT ".\r\nQ"),                 true,  DOT_BARE_CR, STR_LIT(""),
     STR_LIT("Q")                                                                                                                      },
    {"S09 LFLF",       STR_LIT("x\n\n.\r\n" NEXT ".\r\nQ"),                   true,  DOT_BARE_LF, STR_LIT(""),
     STR_LIT("Q")                                                                                                                      },
    {"S09 NEL",        STR_LIT("\r\n\x85.\r\nx\r\n.\r\nQ"),                   true,  DOT_CLEAN,   STR_LIT("\n\x85.\nx\n"),
     STR_LIT("Q")                                                                                                                      },
    {"S09 VT",         STR_LIT("\r\n\x0b.\r\nx\r\n.\r\nQ"),                   true,  DOT_CLEAN,   STR_LIT("\n\x0b.\nx\n"),
     STR_LIT("Q")                                                                                                                      },
    {"S09 U+2028",     STR_LIT("\xe2\x80\xa8.\r\nx\r\n.\r\nQ"),               true,  DOT_CLEAN,
     STR_LIT("\xe2\x80\xa8.\nx\n"),                                                                                        STR_LIT("Q")},
    {"S11 dots",       STR_LIT("..\r\n...\r\n.x\r\n.\r\n"),                   true,  DOT_CLEAN,   STR_LIT(".\n..\nx\n"),
     STR_LIT("")                                                                                                                       },
    {"S11 CRCRLF",     STR_LIT(".\r\r\n.\r\n"),                               true,  DOT_BARE_CR, STR_LIT(""),             STR_LIT("") },
    {"dot in a line",  STR_LIT("a.\r\n b\r\n.\r\n"),                          true,  DOT_CLEAN,   STR_LIT("a.\n b\n"),
     STR_LIT("")                                                                                                                       },
    {"first flaw",     STR_LIT("a\rb\nc\0\r\n.\r\n"),                         true,  DOT_BARE_CR, STR_LIT(""),             STR_LIT("") },
    {"LF at once",     STR_LIT("\n.\r\n.\r\n"),                               true,  DOT_BARE_LF, STR_LIT(""),             STR_LIT("") },
    {"long line",      STR_LIT("0123456789abcdef0123456789abcdef.\r\n.\r\n"), true,  DOT_CLEAN,
     STR_LIT("0123456789abcdef0123456789abcdef.\n"),                                                                       STR_LIT("") },
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* Feeds `step` bytes at once and lets `out` hold at most `out_max` bytes between two takings.
 */
static void decode_row(const struct row *row, size_t step, size_t out_max)
{
    struct dot_decoder d;
    struct buf out, all;
    size_t fed = 0;
    bool end = false;
    struct str in = {row->in.p, 0};

    dot_decoder_init(&d);
    buf_init(&out, 4096);
    buf_init(&all, 4096);
    while (!end && (in.n || fed < row->in.n)) {
        size_t more = in.n ? 0 : (row->in.n - fed < step ? row->in.n - fed : step);

        in.n += more;
        fed += more;
        end = dot_decode(&d, &in, &out, out_max);
        assert_true(out_max == SIZE_MAX || out.n <= out_max + 1);
        buf_add(&all, buf_str(&out));
        buf_clear(&out);
    }
    assert_int_equal(end, row->end);
    assert_int_equal(d.flaw, row->flaw);
    if (d.flaw == DOT_CLEAN)
        assert_true(str_eq(buf_str(&all), row->out));
    if (end)
        assert_true(str_eq(str_skip(row->in, (size_t)(in.p - row->in.p)), row->rest));
    if (end && d.flaw == DOT_CLEAN)
        assert_int_equal(d.wire_n, wire_size(row->out));
    buf_done(&out);
    buf_done(&all);
}

static void decode_whole_and_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        print_message("%s\n", rows[i].name);
        for (size_t step = 1; step <= rows[i].in.n; step++)
            decode_row(&rows[i], step, SIZE_MAX);
        decode_row(&rows[i], rows[i].in.n, 0);
        decode_row(&rows[i], rows[i].in.n, 1);
        decode_row(&rows[i], 3, 2);
    }
}

/* S10: the right end, cut at each of its five bytes. */
static void s10_end_cut_everywhere(void **state)
{
    struct str letter = STR("a\r\n.\r\n");

    (void)state;
    for (size_t cut = 0; cut <= letter.n; cut++) {
        struct str head = str_first(letter, cut), tail = str_skip(letter, cut);
        struct dot_decoder d;
        struct buf out;

        dot_decoder_init(&d);
        buf_init(&out, 64);
        assert_int_equal(dot_decode(&d, &head, &out, SIZE_MAX), cut == letter.n);
        if (cut < letter.n)
            assert_true(dot_decode(&d, &tail, &out, SIZE_MAX));
        assert_true(str_eq(buf_str(&out), STR("a\n")));
        buf_done(&out);
    }
}

static void a_flaw_needs_no_room(void **state)
{
    struct str in = STR("abc\n0123456789\r\n.\r\nQ");
    struct dot_decoder d;
    struct buf out;

    (void)state;
    dot_decoder_init(&d);
    buf_init(&out, 4);
    assert_true(dot_decode(&d, &in, &out, 8));
    assert_int_equal(d.flaw, DOT_BARE_LF);
    assert_true(str_eq(in, STR("Q")));
    assert_false(buf_failed(&out));
    buf_done(&out);
}

static void a_full_buffer_stops(void **state)
{
    struct str in = STR("abcdef\r\n.\r\n");
    struct dot_decoder d;
    struct buf out;

    (void)state;
    dot_decoder_init(&d);
    buf_init(&out, 4);
    assert_false(dot_decode(&d, &in, &out, 4));
    assert_true(str_eq(buf_str(&out), STR("abcd")));
    assert_false(buf_failed(&out));
    buf_clear(&out);
    assert_true(dot_decode(&d, &in, &out, 4));
    assert_true(str_eq(buf_str(&out), STR("ef\n")));
    buf_done(&out);
}

struct out_row {
    struct str in, want;
};

static const struct out_row out_rows[] = {
    {STR_LIT(""),                 STR_LIT(".\r\n")                           },
    {STR_LIT("a\n"),              STR_LIT("a\r\n.\r\n")                      },
    {STR_LIT("a"),                STR_LIT("a\r\n.\r\n")                      },
    {STR_LIT("\n\n"),             STR_LIT("\r\n\r\n.\r\n")                   },
    {STR_LIT(".\n..\n.x\na.b\n"), STR_LIT("..\r\n...\r\n..x\r\na.b\r\n.\r\n")},
    {STR_LIT("."),                STR_LIT("..\r\n.\r\n")                     },
    {STR_LIT("a\r\nb\r\n"),       STR_LIT("a\r\nb\r\n.\r\n")                 },
    {STR_LIT("a\r.b\n"),          STR_LIT("a\r\n..b\r\n.\r\n")               },
    {STR_LIT("a\r\n\r.\r\n"),     STR_LIT("a\r\n\r\n..\r\n.\r\n")            },
    {STR_LIT("a\r\r\n"),          STR_LIT("a\r\n\r\n.\r\n")                  },
    {STR_LIT("a\r"),              STR_LIT("a\r\n.\r\n")                      },
    {STR_LIT("a\0b\0\n\0"),       STR_LIT("a\0b\0\r\n\0\r\n.\r\n")           },
};

/* S12: what is stored leaves without a bare CR or LF, its dots stuffed; P04: and ends once. */
static void s12_encode_whole_and_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(out_rows) / sizeof(out_rows[0]); i++) {
        const struct out_row *row = &out_rows[i];

        for (size_t step = 1; step <= row->in.n + 1; step++) {
            struct str in = row->in;
            struct dot_encoder e;
            struct buf out;

            dot_encoder_init(&e);
            buf_init(&out, 2 * row->in.n + 1 + 5); /* what the header promises */
            for (; in.n; in = str_skip(in, str_first(in, step).n))
                dot_encode(&e, str_first(in, step), &out);
            dot_encode_end(&e, &out);
            assert_false(buf_failed(&out));
            assert_true(str_eq(buf_str(&out), row->want));
            buf_done(&out);
        }
    }
}

static void size_on_the_wire(void **state)
{
    (void)state;
    assert_int_equal(wire_size(STR("")), 0);
    assert_int_equal(wire_size(STR("abc")), 3);
    assert_int_equal(wire_size(STR("a\n\nb\n")), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_whole_and_cut),     cmocka_unit_test(s10_end_cut_everywhere),
        cmocka_unit_test(a_flaw_needs_no_room),     cmocka_unit_test(a_full_buffer_stops),
        cmocka_unit_test(s12_encode_whole_and_cut), cmocka_unit_test(size_on_the_wire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
