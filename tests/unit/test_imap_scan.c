#include "imapd/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct arena arena;

static void assert_str(struct str got, struct str want)
{
    if (!str_eq(got, want))
        fail_msg("got \"%.*s\", want \"%.*s\"", STR_ARGS(got), STR_ARGS(want));
}

enum { NO_LEFT = 9999 };

static void strings(void **state)
{
    enum kind { TAG, ATOM, QUOTED, LITERAL, STRING, ASTRING };
    static const struct {
        enum kind kind;
        struct str in, out;
        size_t left; /* NO_LEFT: not read at all */
    } rows[] = {
        {TAG,     STR_LIT("a1 NOOP"),             STR_LIT("a1"),        5      },
        {TAG,     STR_LIT("A.]2"),                STR_LIT("A.]2"),      0      },
        {TAG,     STR_LIT(" NOOP"),               STR_LIT(""),          NO_LEFT}, /* I09 */
        {TAG,     STR_LIT("*"),                   STR_LIT(""),          NO_LEFT},
        {TAG,     STR_LIT("+x"),                  STR_LIT(""),          NO_LEFT},
        {ATOM,    STR_LIT("a]"),                  STR_LIT("a"),         1      },
        {ATOM,    STR_LIT("\xc3\xa4"),            STR_LIT(""),          NO_LEFT},
        {ATOM,    STR_LIT("\x7f"),                STR_LIT(""),          NO_LEFT},
        {QUOTED,  STR_LIT("\"\" x"),              STR_LIT(""),          2      },
        {QUOTED,  STR_LIT("\"a b(]{%*\""),        STR_LIT("a b(]{%*"),  0      },
        {QUOTED,  STR_LIT("\"\\\"\\\\\"\""),      STR_LIT("\"\\"),      1      },
        {QUOTED,  STR_LIT("\"x\0y\""),            STR_LIT(""),          NO_LEFT}, /* I05 */
        {QUOTED,  STR_LIT("\"\\"),                STR_LIT(""),          NO_LEFT},
        {QUOTED,  STR_LIT("\"\\n\""),             STR_LIT(""),          NO_LEFT},
        {QUOTED,  STR_LIT("\"a\rb\""),            STR_LIT(""),          NO_LEFT},
        {QUOTED,  STR_LIT("\"a\nb\""),            STR_LIT(""),          NO_LEFT},
        {QUOTED,  STR_LIT("\"\xc3\xa4\""),        STR_LIT(""),          NO_LEFT},
        {QUOTED,  STR_LIT("\"abc"),               STR_LIT(""),          NO_LEFT},
        {QUOTED,  STR_LIT("\""),                  STR_LIT(""),          NO_LEFT},
        {LITERAL, STR_LIT("{3}\r\na\"\n)"),       STR_LIT("a\"\n"),     1      },
        {LITERAL, STR_LIT("{3+}\r\n\xc3\xa4x"),   STR_LIT("\xc3\xa4x"), 0      },
        {LITERAL, STR_LIT("{0}\r\n x"),           STR_LIT(""),          2      },
        {LITERAL, STR_LIT("{3}\r\na\0b"),         STR_LIT(""),          NO_LEFT}, /* I04 */
        {LITERAL, STR_LIT("{4}\r\nabc"),          STR_LIT(""),          NO_LEFT},
        {LITERAL, STR_LIT("{3}\nabc"),            STR_LIT(""),          NO_LEFT},
        {LITERAL, STR_LIT("{4294967299}\r\nabc"), STR_LIT(""),          NO_LEFT},
        {STRING,  STR_LIT("abc"),                 STR_LIT(""),          NO_LEFT},
        {ASTRING, STR_LIT("a]b c"),               STR_LIT("a]b"),       2      },
        {ASTRING, STR_LIT("\"a b\""),             STR_LIT("a b"),       0      },
        {ASTRING, STR_LIT("{1}\r\n "),            STR_LIT(" "),         0      },
        {ASTRING, STR_LIT("(a)"),                 STR_LIT(""),          NO_LEFT},
        {ASTRING, STR_LIT(""),                    STR_LIT(""),          NO_LEFT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str in = rows[i].in, out = STR("untouched");
        bool good = false;

        switch (rows[i].kind) {
        case TAG:
            good = scan_tag(&in, &out);
            break;
        case ATOM:
            good = scan_atom(&in, &out);
            break;
        case QUOTED:
            good = scan_quoted(&in, &arena, &out);
            break;
        case LITERAL:
            good = scan_literal(&in, &out);
            break;
        case STRING:
            good = scan_string(&in, &arena, &out);
            break;
        case ASTRING:
            good = scan_astring(&in, &arena, &out);
            break;
        }
        if (good != (rows[i].left != NO_LEFT))
            fail_msg("row %zu: \"%.*s\"", i, STR_ARGS(rows[i].in));
        assert_str(out, good ? rows[i].out : STR("untouched"));
        assert_int_equal(in.n, good ? rows[i].left : rows[i].in.n);
    }
}

static void tags_have_an_end(void **state)
{
    char text[COMMAND_TAG_BYTES + 1];
    struct str in = {text, COMMAND_TAG_BYTES}, out;

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_true(scan_tag(&in, &out));
    in = (struct str){text, sizeof(text)};
    assert_false(scan_tag(&in, &out));
}

static void nstrings(void **state)
{
    struct str in = STR("nil \"NIL\" NILX"), out;
    bool nil;

    (void)state;
    assert_true(scan_nstring(&in, &arena, &out, &nil) && nil);
    assert_true(scan_byte(&in, ' '));
    assert_true(scan_nstring(&in, &arena, &out, &nil) && !nil);
    assert_str(out, STR("NIL"));
    assert_true(scan_byte(&in, ' '));
    assert_false(scan_nstring(&in, &arena, &out, &nil));
}

static void numbers(void **state)
{
    static const struct {
        struct str in;
        bool number, nz, number64;
    } rows[] = {
        {STR_LIT("0"),                   true,  false, true },
        {STR_LIT("1"),                   true,  true,  true },
        {STR_LIT("01"),                  true,  false, true },
        {STR_LIT("4294967295"),          true,  true,  true },
        {STR_LIT("4294967296"),          false, false, true },
        {STR_LIT("9223372036854775807"), false, false, true },
        {STR_LIT("9223372036854775808"), false, false, false}, /* I26 */
        {STR_LIT("-1"),                  false, false, false},
        {STR_LIT(""),                    false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str in = rows[i].in;
        uint32_t n;
        uint64_t n64;

        assert_int_equal(scan_number(&in, &n), rows[i].number);
        in = rows[i].in;
        assert_int_equal(scan_nz_number(&in, &n), rows[i].nz);
        in = rows[i].in;
        assert_int_equal(scan_number64(&in, &n64), rows[i].number64);
    }
}

static void dates(void **state)
{
    static const struct {
        struct str in;
        int64_t day; /* -1: none */
    } rows[] = {
        {STR_LIT("1-Jan-1970"),     0    },
        {STR_LIT("01-jan-1970"),    0    },
        {STR_LIT("\"1-Feb-1994\""), 8797 },
        {STR_LIT("29-Feb-2000"),    11016},
        {STR_LIT("29-Feb-2001"),    -1   },
        {STR_LIT("31-Apr-2001"),    -1   },
        {STR_LIT("0-Jan-2001"),     -1   },
        {STR_LIT("1-Foo-2001"),     -1   },
        {STR_LIT("1-Jan-01"),       -1   },
        {STR_LIT(" 1-Jan-2001"),    -1   },
        {STR_LIT("\"1-Jan-2001"),   -1   },
        {STR_LIT("1 Jan 2001"),     -1   },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str in = rows[i].in;
        int64_t day = -1;

        assert_int_equal(scan_date(&in, &day), rows[i].day >= 0);
        assert_int_equal(day, rows[i].day);
        assert_int_equal(in.n, rows[i].day >= 0 ? 0 : rows[i].in.n);
    }
}

static void date_times(void **state)
{
    static const struct {
        struct str in;
        int64_t unix_s; /* -1: none */
    } rows[] = {
        {STR_LIT("\"17-Jul-1996 02:44:25 -0700\""), 837596665},
        {STR_LIT("\" 1-Jan-1970 00:00:00 +0000\""), 0        },
        {STR_LIT("\"01-Jan-1970 01:30:00 +0130\""), 0        },
        {STR_LIT("\"1-Jan-1970 00:00:01 +0000\""),  1        },
        {STR_LIT("\"31-Feb-1996 02:44:25 -0700\""), -1       },
        {STR_LIT("\"17-Jul-1996 24:44:25 -0700\""), -1       },
        {STR_LIT("\"17-Jul-1996 02:60:25 -0700\""), -1       },
        {STR_LIT("\"17-Jul-1996 02:44:25 -0760\""), -1       },
        {STR_LIT("\"17-Jul-1996 02:44:25 0700\""),  -1       },
        {STR_LIT("\"17-Jul-1996 02:44:25 GMT\""),   -1       },
        {STR_LIT("17-Jul-1996 02:44:25 -0700"),     -1       },
        {STR_LIT("\"17-Jul-1996\""),                -1       },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str in = rows[i].in;
        int64_t at = -1;

        assert_int_equal(scan_date_time(&in, &at), rows[i].unix_s >= 0);
        assert_int_equal(at, rows[i].unix_s);
    }
}

static void i21_flags(void **state)
{
    static const struct {
        struct str in;
        bool good;
        uint32_t flags;
        unsigned keywords;
    } rows[] = {
        {STR_LIT("()"),                              true,  0,                        0},
        {STR_LIT("(\\Seen)"),                        true,  NAME_SEEN,                0},
        {STR_LIT("(\\seen $Forwarded \\DELETED x)"), true,  NAME_SEEN | NAME_TRASHED, 2},
        {STR_LIT("(\\Answered \\Flagged \\Draft)"),  true,
         NAME_REPLIED | NAME_FLAGGED | NAME_DRAFT,                                    0},
        {STR_LIT("\\Seen \\Flagged"),                true,  NAME_SEEN | NAME_FLAGGED, 0},
        {STR_LIT("(\\Recent)"),                      false, 0,                        0},
        {STR_LIT("(\\*)"),                           false, 0,                        0},
        {STR_LIT("(a]b)"),                           false, 0,                        0},
        {STR_LIT("(\\)"),                            false, 0,                        0},
        {STR_LIT("(\\Seen"),                         false, 0,                        0},
        {STR_LIT("(\\Seen  x)"),                     false, 0,                        0},
        {STR_LIT("(\xc3\xa4)"),                      false, 0,                        0},
        {STR_LIT("(\"x\")"),                         false, 0,                        0},
        {STR_LIT(""),                                false, 0,                        0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct command_flags f = {.flags = 0};
        struct str in = rows[i].in;

        if (scan_flags(&in, &arena, &f) != rows[i].good)
            fail_msg("%.*s", STR_ARGS(rows[i].in));
        assert_int_equal(f.flags, rows[i].flags);
        assert_int_equal(f.n, rows[i].keywords);
    }
}

/* `n` times `word`, with commas or spaces between. */
static void repeat(struct buf *out, struct str word, struct str between, size_t n)
{
    buf_clear(out);
    for (size_t i = 0; i < n; i++) {
        buf_add(out, i ? between : STR(""));
        buf_add(out, word);
    }
}

static void i21_keyword_limits(void **state)
{
    struct command_flags f;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    repeat(&b, STR("k"), STR(" "), COMMAND_KEYWORDS);
    struct str in = buf_str(&b);
    assert_true(scan_flags(&in, &arena, &f));
    repeat(&b, STR("k"), STR(" "), COMMAND_KEYWORDS + 1);
    in = buf_str(&b);
    assert_false(scan_flags(&in, &arena, &f));
    repeat(&b, STR("k"), STR(""), COMMAND_KEYWORD_BYTES);
    in = buf_str(&b);
    assert_true(scan_flags(&in, &arena, &f));
    repeat(&b, STR("k"), STR(""), COMMAND_KEYWORD_BYTES + 1);
    in = buf_str(&b);
    assert_false(scan_flags(&in, &arena, &f));
    buf_done(&b);
}

static void print_set(struct buf *out, const struct seqset *set)
{
    buf_clear(out);
    for (unsigned i = 0; i < set->n; i++)
        buf_addf(out, "%s%u:%u", i ? "," : "", set->ranges[i].first, set->ranges[i].last);
}

static void i10_sets(void **state)
{
    static const struct {
        struct str in, out; /* '*' is 0; empty: none */
    } rows[] = {
        {STR_LIT("1"),                STR_LIT("1:1")                      },
        {STR_LIT("2,4:7,9,12:*"),     STR_LIT("2:2,4:7,9:9,12:0")         },
        {STR_LIT("*:4,5:7"),          STR_LIT("0:4,5:7")                  },
        {STR_LIT("7:5"),              STR_LIT("5:7")                      },
        {STR_LIT("*"),                STR_LIT("0:0")                      },
        {STR_LIT("*:*"),              STR_LIT("0:0")                      },
        {STR_LIT("1:4294967295"),     STR_LIT("1:4294967295")             },
        {STR_LIT("1,2,3,3,1,4:9,10"), STR_LIT("1:10")                     },
        {STR_LIT("4294967295,1"),     STR_LIT("4294967295:4294967295,1:1")},
        {STR_LIT("0"),                STR_LIT("")                         },
        {STR_LIT("1:0"),              STR_LIT("")                         },
        {STR_LIT("4294967296"),       STR_LIT("")                         },
        {STR_LIT("1:4294967296"),     STR_LIT("")                         },
        {STR_LIT("1,"),               STR_LIT("")                         },
        {STR_LIT(",1"),               STR_LIT("")                         },
        {STR_LIT("1::2"),             STR_LIT("")                         },
        {STR_LIT("01"),               STR_LIT("")                         },
        {STR_LIT("-1"),               STR_LIT("")                         },
        {STR_LIT("$"),                STR_LIT("")                         },
        {STR_LIT(""),                 STR_LIT("")                         },
    };
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct seqset set = {.n = 0};
        struct str in = rows[i].in;

        if (scan_sequence_set(&in, &arena, &set) != (rows[i].out.n > 0))
            fail_msg("%.*s", STR_ARGS(rows[i].in));
        print_set(&out, &set);
        assert_str(buf_str(&out), rows[i].out);
    }
    buf_done(&out);
}

static void i10_long_sets(void **state)
{
    struct seqset set;
    struct buf b;

    (void)state;
    buf_init(&b, 4 << 20);
    repeat(&b, STR("1"), STR(","), 1000000);
    struct str in = buf_str(&b);
    assert_true(scan_sequence_set(&in, &arena, &set));
    assert_int_equal(set.n, 1);
    repeat(&b, STR("1,3"), STR(","), COMMAND_SET_RANGES / 2);
    in = buf_str(&b);
    assert_true(scan_sequence_set(&in, &arena, &set));
    assert_int_equal(set.n, COMMAND_SET_RANGES);
    repeat(&b, STR("1,3"), STR(","), COMMAND_SET_RANGES / 2 + 1);
    in = buf_str(&b);
    assert_false(scan_sequence_set(&in, &arena, &set));
    buf_done(&b);
}

static void mailbox_names(void **state)
{
    static const struct {
        struct str in, out;
        bool good;
    } rows[] = {
        {STR_LIT("iNbOx"),           STR_LIT("INBOX"),           true },
        {STR_LIT("\"inbox\""),       STR_LIT("INBOX"),           true },
        {STR_LIT("{5}\r\ninbox"),    STR_LIT("INBOX"),           true },
        {STR_LIT("inbox/x"),         STR_LIT("INBOX/x"),         true },
        {STR_LIT("inboxes"),         STR_LIT("inboxes"),         true },
        {STR_LIT("\"a b\""),         STR_LIT("a b"),             true },
        {STR_LIT("A&-B"),            STR_LIT("A&B"),             true },
        {STR_LIT("Entw&APw-rfe"),    STR_LIT("Entw\xc3\xbcrfe"), true },
        {STR_LIT("INBOX/&AAA-"),     STR_LIT("INBOX/\0"),        true },
        {STR_LIT("../../x"),         STR_LIT("../../x"),         true }, /* a name; the store says no */
        {STR_LIT("&"),               STR_LIT(""),                false}, /* I16 */
        {STR_LIT("&AC8-"),           STR_LIT(""),                false},
        {STR_LIT("&AC4ALg-"),        STR_LIT(""),                false},
        {STR_LIT("&2AA-"),           STR_LIT(""),                false},
        {STR_LIT("&AGE-"),           STR_LIT(""),                false},
        {STR_LIT("&Jjo"),            STR_LIT(""),                false},
        {STR_LIT("{2}\r\n\xc3\xa4"), STR_LIT(""),                false},
        {STR_LIT("a*"),              STR_LIT("a"),               true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str in = rows[i].in, out = STR("");

        if (scan_mailbox_name(&in, &arena, &out) != rows[i].good)
            fail_msg("%.*s", STR_ARGS(rows[i].in));
        assert_str(out, rows[i].out);
    }
    struct str in = STR("%/*]&- x"), out;
    assert_true(scan_list_mailbox(&in, &arena, &out));
    assert_str(out, STR("%/*]&"));
    in = STR("\"%\"");
    assert_true(scan_list_mailbox(&in, &arena, &out));
    in = STR("&AC8-*");
    assert_false(scan_list_mailbox(&in, &arena, &out));
}

static void i11_sections(void **state)
{
    static const struct {
        struct str in;
        bool good;
        enum section_text text;
        unsigned numbers, fields;
    } rows[] = {
        {STR_LIT("[]"),                              true,  SECTION_ALL,        0, 0},
        {STR_LIT("[text]"),                          true,  SECTION_TEXT,       0, 0},
        {STR_LIT("[HEADER]"),                        true,  SECTION_HEADER,     0, 0},
        {STR_LIT("[1]"),                             true,  SECTION_ALL,        1, 0},
        {STR_LIT("[4.2.2.MIME]"),                    true,  SECTION_MIME,       3, 0},
        {STR_LIT("[1.HEADER]"),                      true,  SECTION_HEADER,     1, 0},
        {STR_LIT("[HEADER.FIELDS (DATE FROM)]"),     true,  SECTION_FIELDS,     0, 2},
        {STR_LIT("[1.header.fields.not (\"X-Y\")]"), true,  SECTION_FIELDS_NOT, 1, 1},
        {STR_LIT("[HEADER.FIELDS ({4}\r\nDate)]"),   true,  SECTION_FIELDS,     0, 1},
        {STR_LIT("[MIME]"),                          false, SECTION_ALL,        0, 0},
        {STR_LIT("[0]"),                             false, SECTION_ALL,        0, 0},
        {STR_LIT("[1.0]"),                           false, SECTION_ALL,        0, 0},
        {STR_LIT("[4294967296]"),                    false, SECTION_ALL,        0, 0},
        {STR_LIT("[1.]"),                            false, SECTION_ALL,        0, 0},
        {STR_LIT("[.1]"),                            false, SECTION_ALL,        0, 0},
        {STR_LIT("[1 ]"),                            false, SECTION_ALL,        0, 0},
        {STR_LIT("[HEADER.FIELDS]"),                 false, SECTION_ALL,        0, 0},
        {STR_LIT("[HEADER.FIELDS ()]"),              false, SECTION_ALL,        0, 0},
        {STR_LIT("[HEADER.FIELDS (a"),               false, SECTION_ALL,        0, 0},
        {STR_LIT("[TEXT"),                           false, SECTION_ALL,        0, 0},
        {STR_LIT("[FOO]"),                           false, SECTION_ALL,        0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct section s = {.text = SECTION_ALL};
        struct str in = rows[i].in;

        if (scan_section(&in, &arena, &s) != rows[i].good)
            fail_msg("%.*s", STR_ARGS(rows[i].in));
        assert_int_equal(in.n, rows[i].good ? 0 : rows[i].in.n);
        assert_int_equal(s.text, rows[i].text);
        assert_int_equal(s.nnumbers, rows[i].numbers);
        assert_int_equal(s.nfields, rows[i].fields);
    }
}

static void i11_deep_sections(void **state)
{
    struct section s;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    for (unsigned n = COMMAND_SECTION_NUMBERS; n <= COMMAND_SECTION_NUMBERS + 1; n++) {
        struct buf text;

        repeat(&b, STR("1"), STR("."), n);
        buf_init(&text, 1 << 20);
        buf_addf(&text, "[%.*s]", STR_ARGS(buf_str(&b)));
        struct str in = buf_str(&text);
        assert_int_equal(scan_section(&in, &arena, &s), n == COMMAND_SECTION_NUMBERS);
        buf_done(&text);
    }
    buf_done(&b);
}

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings),
        cmocka_unit_test(tags_have_an_end),
        cmocka_unit_test(nstrings),
        cmocka_unit_test(numbers),
        cmocka_unit_test(dates),
        cmocka_unit_test(date_times),
        cmocka_unit_test(i21_flags),
        cmocka_unit_test(i21_keyword_limits),
        cmocka_unit_test(i10_sets),
        cmocka_unit_test(i10_long_sets),
        cmocka_unit_test(mailbox_names),
        cmocka_unit_test(i11_sections),
        cmocka_unit_test(i11_deep_sections),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
