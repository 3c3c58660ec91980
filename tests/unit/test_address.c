/* Addresses. Tests are named after the rows of hostile input they hold; where a row expects the
 * users' database to refuse (550), the address is right and only nobody's. */
#include "mail/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define X64  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X63  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define D255 X63 "." X63 "." X63 "." X63
#define BAD  ((const char *)NULL)

struct row {
    const char *name;
    struct str path;
    const char *want; /* canonical, or BAD */
};

static const struct row forward_rows[] = {
    {"plain",            STR_LIT("<a@d>"),                                                  "a@d"                             },
    {"case is kept",     STR_LIT("<Alice.B+x@Example.TEST>"),                               "Alice.B+x@Example.TEST"          },
    {"atext",            STR_LIT("<!#$%&'*+-/=?^_`{|}~@d>"),                                "!#$%&'*+-/=?^_`{|}~@d"           },
    {"digits",           STR_LIT("<1@1.2-3.x>"),                                            "1@1.2-3.x"                       },
    {"A01",              STR_LIT("<;sleep 66;>"),                                           BAD                               },
    {"A01 domain",       STR_LIT("<;x;@d>"),                                                BAD                               },
    {"A02 space: RFC",   STR_LIT("<${run{touch x}}@d>"),                                    BAD                               },
    {"A02 literal",      STR_LIT("<${run}@d>"),                                             "${run}@d"                        },
    {"A02 colon",        STR_LIT("<root+${run{x}}@localhost>"),                             "root+${run{x}}@localhost"        },
    {"A03 pipe quoted",  STR_LIT("<\"|/bin/sh\"@d>"),                                       "|/bin/sh@d"                      },
    {"A03 pipe",         STR_LIT("<|cmd@d>"),                                               "|cmd@d"                          },
    {"A03 file",         STR_LIT("</etc/passwd@d>"),                                        "/etc/passwd@d"                   },
    {"A03 include",      STR_LIT("<:include:/x@d>"),                                        BAD                               },
    {"A04",              STR_LIT("<victim%other.example@our.example>"),                     "victim%other.example@our.example"},
    {"A05",              STR_LIT("<other.example!victim@our.example>"),                     "other.example!victim@our.example"},
    {"A06 route",        STR_LIT("<@our.example:victim@other.example>"),                    "victim@other.example"            },
    {"A06 routes",       STR_LIT("<@a,@b:victim@other.example>"),                           "victim@other.example"            },
    {"A06 half a route", STR_LIT("<@a,:victim@other.example>"),                             BAD                               },
    {"A06 route alone",  STR_LIT("<@a:>"),                                                  BAD                               },
    {"A06 no colon",     STR_LIT("<@a victim@other.example>"),                              BAD                               },
    {"A07 no domain",    STR_LIT("<\"victim@other.example\">"),                             BAD                               },
    {"A07",              STR_LIT("<\"victim@other.example\"@our.example>"),
     "\"victim@other.example\"@our.example"                                                                                   },
    {"A08",              STR_LIT("<victim@other.example@our.example>"),                     BAD                               },
    {"A09 IPv4",         STR_LIT("<victim@[127.0.0.1]>"),                                   "victim@[127.0.0.1]"              },
    {"A09 IPv6",         STR_LIT("<v@[IPv6:::1]>"),                                         "v@[IPv6:::1]"                    },
    {"A09 numbers",      STR_LIT("<v@127.1>"),                                              "v@127.1"                         },
    {"A09 hex",          STR_LIT("<v@0x7f000001>"),                                         "v@0x7f000001"                    },
    {"literal: hex",     STR_LIT("<v@[0x7f000001]>"),                                       BAD                               },
    {"literal: zeros",   STR_LIT("<v@[127.0.0.01]>"),                                       BAD                               },
    {"literal: big",     STR_LIT("<v@[256.0.0.1]>"),                                        BAD                               },
    {"literal: short",   STR_LIT("<v@[127.1]>"),                                            BAD                               },
    {"literal: zz",      STR_LIT("<v@[IPv6:zz]>"),                                          BAD                               },
    {"literal: no tag",  STR_LIT("<v@[::1]>"),                                              BAD                               },
    {"literal: scope",   STR_LIT("<v@[IPv6:fe80::1%eth0]>"),                                BAD                               },
    {"literal: other",   STR_LIT("<v@[x-tag:1]>"),                                          BAD                               },
    {"literal: open",    STR_LIT("<v@[127.0.0.1>"),                                         BAD                               },
    {"literal: empty",   STR_LIT("<v@[]>"),                                                 BAD                               },
    {"literal: NUL",     STR_LIT("<v@[127.0.0.1\0]>"),                                      BAD                               },
    {"A10",              STR_LIT("<postmaster>"),                                           "postmaster"                      },
    {"A10 case",         STR_LIT("<PostMASTER>"),                                           "postmaster"                      },
    {"A10 domain",       STR_LIT("<POSTMASTER@our.example>"),                               "POSTMASTER@our.example"          },
    {"A10 only that",    STR_LIT("<root>"),                                                 BAD                               },
    {"A11",              STR_LIT("<>"),                                                     BAD                               },
    {"A12 local 64",     STR_LIT("<" X64 "@d>"),                                            X64 "@d"                          },
    {"A12 local 65",     STR_LIT("<" X64 "x@d>"),                                           BAD                               },
    {"A12 label 63",     STR_LIT("<a@" X63 ".d>"),                                          "a@" X63 ".d"                     },
    {"A12 label 64",     STR_LIT("<a@" X64 ".d>"),                                          BAD                               },
    {"A12 domain 255",   STR_LIT("<a@" D255 ">"),                                           "a@" D255                         },
    {"A12 domain 256",   STR_LIT("<a@" X63 "." X63 "." X63 ".xx." X63 ">"),                 BAD                               },
    {"A13 dots",         STR_LIT("<a..b@d>"),                                               BAD                               },
    {"A13 first dot",    STR_LIT("<.a@d>"),                                                 BAD                               },
    {"A13 last dot",     STR_LIT("<a.@d>"),                                                 BAD                               },
    {"A13 space",        STR_LIT("<a b@d>"),                                                BAD                               },
    {"A14",              STR_LIT("<\"a\\\"b\\\\c\"@d>"),                                    "\"a\\\"b\\\\c\"@d"               },
    {"A14 space",        STR_LIT("<\" \"@d>"),                                              "\" \"@d"                         },
    {"A14 empty",        STR_LIT("<\"\"@d>"),                                               "\"\"@d"                          },
    {"A14 open",         STR_LIT("<\"a\\>"),                                                BAD                               },
    {"quotes go",        STR_LIT("<\"a.b\"@d>"),                                            "a.b@d"                           },
    {"backslashes go",   STR_LIT("<\"\\a\\b\"@d>"),                                         "ab@d"                            },
    {"quotes stay",      STR_LIT("<\"a..b\"@d>"),                                           "\"a..b\"@d"                      },
    {"> inside",         STR_LIT("<\"a>b\"@d>"),                                            "\"a>b\"@d"                       },
    {"two words",        STR_LIT("<\"a\".b@d>"),                                            BAD                               },
    {"quoted tab",       STR_LIT("<\"a\tb\"@d>"),                                           BAD                               },
    {"quoted pair tab",  STR_LIT("<\"a\\\tb\"@d>"),                                         BAD                               },
    {"A15 behind",       STR_LIT("<a@d>x"),                                                 BAD                               },
    {"A15 open",         STR_LIT("<a@d"),                                                   BAD                               },
    {"A15 not opened",   STR_LIT("a@d>"),                                                   BAD                               },
    {"A15 twice",        STR_LIT("<<a@d>>"),                                                BAD                               },
    {"A15 bare",         STR_LIT("a@d"),                                                    BAD                               },
    {"A15 spaces",       STR_LIT("< a@d >"),                                                BAD                               },
    {"A16",              STR_LIT("<a@d\0.evil.example>"),                                   BAD                               },
    {"A16 local",        STR_LIT("<a\0b@d>"),                                               BAD                               },
    {"A17",              STR_LIT("<=?utf-8?q?victim=40other.example=3e=20?=@our.example>"),
     "=?utf-8?q?victim=40other.example=3e=20?=@our.example"                                                                   },
    {"A18 octet",        STR_LIT("<a@xn--\x80>"),                                           BAD                               },
    {"A19",              STR_LIT("<\xc3\xbc@d>"),                                           "\xc3\xbc@d"                      },
    {"A19 domain",       STR_LIT("<a@\xc3\xbc.d>"),                                         "a@\xc3\xbc.d"                    },
    {"A19 not UTF-8",    STR_LIT("<\xff@d>"),                                               BAD                               },
    {"A19 quoted",       STR_LIT("<\"\xc3\xbc \"@d>"),                                      "\"\xc3\xbc \"@d"                 },
    {"A19 half",         STR_LIT("<\"\xc3\"@d>"),                                           BAD                               },
    {"A20 NFD",          STR_LIT("<u\xcc\x88@d>"),                                          "u\xcc\x88@d"                     },
    {"A21 parents: RFC", STR_LIT("<../../x@d>"),                                            BAD                               },
    {"A21 slash",        STR_LIT("<a/b@d>"),                                                "a/b@d"                           },
    {"A21 dot",          STR_LIT("<.@d>"),                                                  BAD                               },
    {"A21 two dots",     STR_LIT("<..@d>"),                                                 BAD                               },
    {"A25",              STR_LIT("<a.!>"),                                                  BAD                               },
    {"A25 dots",         STR_LIT("<a.!a.!a.!a.!a.!a.!a.!.>"),                               BAD                               },
    {"empty label",      STR_LIT("<a@b..c>"),                                               BAD                               },
    {"last dot",         STR_LIT("<a@b.>"),                                                 BAD                               },
    {"first dot",        STR_LIT("<a@.b>"),                                                 BAD                               },
    {"hyphen first",     STR_LIT("<a@-b>"),                                                 BAD                               },
    {"hyphen last",      STR_LIT("<a@b-.c>"),                                               BAD                               },
    {"underscore",       STR_LIT("<a@b_c>"),                                                BAD                               },
    {"no local part",    STR_LIT("<@d>"),                                                   BAD                               },
    {"no domain",        STR_LIT("<a@>"),                                                   BAD                               },
};

static void check_path(const struct row *row, bool forward)
{
    struct str in = row->path;
    struct mailbox m;
    struct arena a;
    bool good = (forward ? scan_forward_path(&in, &m) : scan_reverse_path(&in, &m));

    print_message("%s\n", row->name);
    arena_init(&a);
    if (!good)
        assert_int_equal(in.n, row->path.n);
    good = good && in.n == 0;
    assert_int_equal(good, row->want != BAD);
    if (good) {
        struct str canonical = mailbox_canonical(&a, &m), again;

        assert_string_equal(canonical.p, row->want);
        if (m.domain.n) { /* the canonical form is its own */
            assert_true(address_parse(&a, canonical, &again));
            assert_true(str_eq(canonical, again));
        }
    }
    arena_done(&a);
}

static void a01_to_a25_forward(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(forward_rows) / sizeof(forward_rows[0]); i++)
        check_path(&forward_rows[i], true);
}

static void reverse(void **state)
{
    static const struct row rows[] = {
        {"null",       STR_LIT("<>"),           ""   },
        {"plain",      STR_LIT("<a@d>"),        "a@d"},
        {"route",      STR_LIT("<@x,@y:a@d>"),  "a@d"},
        {"A01",        STR_LIT("<;sleep 66;>"), BAD  },
        {"postmaster", STR_LIT("<postmaster>"), BAD  },
        {"space",      STR_LIT("< >"),          BAD  },
        {"A15",        STR_LIT("a@d"),          BAD  },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_path(&rows[i], false);
}

/* A12, A18 and A25 with lengths that no line has. */
static void long_ones(void **state)
{
    enum { N = 65536 };
    static char text[N + 4];
    struct str in = {text, sizeof(text)}, s = in;
    struct mailbox m;

    (void)state;
    memset(text, 'z', sizeof(text));
    memcpy(text, "<a@", 3);
    text[sizeof(text) - 1] = '>';
    assert_false(scan_forward_path(&s, &m));
    memcpy(text, "<zz", 3);
    memcpy(text + N, "@d>>", 4);
    assert_false(scan_forward_path(&s, &m));
    for (size_t i = 1; i < N; i += 3)
        memcpy(text + i, "a.!", 3);
    assert_false(scan_forward_path(&s, &m));
    memset(text, '@', N);
    assert_false(scan_forward_path(&s, &m));
    text[0] = '<';
    assert_false(scan_forward_path(&s, &m));
    assert_true(str_eq(s, in));
}

static void says_what_it_needs(void **state)
{
    struct str in = STR("<\xc3\xbc@d>"), quoted = STR("<\"a b\"@[127.0.0.1]>");
    struct mailbox m;

    (void)state;
    assert_true(scan_reverse_path(&in, &m) && m.utf8 && !m.quoted && !m.literal);
    assert_true(scan_reverse_path(&quoted, &m) && !m.utf8 && m.quoted && m.literal);
}

static void parts(void **state)
{
    (void)state;
    assert_true(str_eq(address_local(STR("a@d")), STR("a")));
    assert_true(str_eq(address_domain(STR("a@d")), STR("d")));
    assert_true(str_eq(address_local(STR("\"a@b\"@d.e")), STR("\"a@b\"")));
    assert_true(str_eq(address_domain(STR("\"a@b\"@d.e")), STR("d.e")));
    assert_true(str_eq(address_local(STR("postmaster")), STR("postmaster")));
    assert_true(str_eq(address_domain(STR("postmaster")), STR("")));
    assert_true(str_eq(address_domain(STR("")), STR("")));
}

/* C06: what a client calls itself. */
static void c06_helo(void **state)
{
    static const struct {
        struct str in;
        bool good;
    } rows[] = {
        {STR_LIT("mail.example.org"),   true },
        {STR_LIT("localhost"),          true },
        {STR_LIT("MY_PC"),              true },
        {STR_LIT("[127.0.0.1]"),        true },
        {STR_LIT("[IPv6:2001:db8::1]"), true },
        {STR_LIT("[IPv6:zz]"),          false},
        {STR_LIT("[127.0.0.1"),         false},
        {STR_LIT("a\0b"),               false},
        {STR_LIT("\x1b[31m"),           false},
        {STR_LIT("x;y"),                false},
        {STR_LIT("x y"),                false},
        {STR_LIT(""),                   false},
        {STR_LIT(D255),                 true },
        {STR_LIT(D255 "x"),             false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str in = rows[i].in, out;

        assert_int_equal(scan_helo(&in, &out) && in.n == 0, rows[i].good);
    }
}

struct list_row {
    struct str field;
    int n;            /* -1: refused */
    const char *want; /* "name|address;" for each */
};

static const struct list_row list_rows[] = {
    {STR_LIT("a@d"),                                1,  "|a@d;"                  },
    {STR_LIT(" Alice <a@d> "),                      1,  "Alice|a@d;"             },
    {STR_LIT("Alice B. Cee <a@d>, b@d"),            2,  "Alice B. Cee|a@d;|b@d;" },
    {STR_LIT("\"Cee, A. \\\"x\\\"\" <a@d>"),        1,  "Cee, A. \"x\"|a@d;"     },
    {STR_LIT("a@d (Alice (or Bob))"),               1,  "|a@d;"                  },
    {STR_LIT("(c)Alice(c)\n <(c)a(c)@(c)d(c)>(c)"), 1,  "Alice|a@d;"             },
    {STR_LIT("a . b @ d . e"),                      1,  "|a.b@d.e;"              },
    {STR_LIT("\"a b\"@d"),                          1,  "|\"a b\"@d;"            },
    {STR_LIT("a.\"b c\"@d"),                        1,  "|\"a.b c\"@d;"          },
    {STR_LIT("\"a\"@[127.0.0.1]"),                  1,  "|a@[127.0.0.1];"        },
    {STR_LIT("<@x,@y:a@d>"),                        1,  "|a@d;"                  },
    {STR_LIT("friends: a@d, Bob <b@d>;, c@d"),      3,  "|a@d;Bob|b@d;|c@d;"     },
    {STR_LIT("nobody:;"),                           0,  ""                       },
    {STR_LIT(",a@d,,b@d,"),                         2,  "|a@d;|b@d;"             },
    {STR_LIT("=?utf-8?q?=C3=BC?= <a@d>"),           1,  "=?utf-8?q?=C3=BC?=|a@d;"},
    {STR_LIT("\xc3\xbc <\xc3\xbc@d>"),              1,  "\xc3\xbc|\xc3\xbc@d;"   },
    {STR_LIT("\"a\n b\" <a@d>"),                    1,  "a b|a@d;"               },
    {STR_LIT(""),                                   0,  ""                       },
    {STR_LIT("a@d, b@d, c@d, d@d"),                 -1, NULL                     }, /* more than 3 */
    {STR_LIT("a"),                                  -1, NULL                     },
    {STR_LIT("a b@d"),                              -1, NULL                     },
    {STR_LIT("a@d b@d"),                            -1, NULL                     },
    {STR_LIT("a@d>"),                               -1, NULL                     },
    {STR_LIT("<a@d"),                               -1, NULL                     },
    {STR_LIT("<>"),                                 -1, NULL                     },
    {STR_LIT("g: a@d"),                             -1, NULL                     },
    {STR_LIT("g: h: a@d;;"),                        -1, NULL                     },
    {STR_LIT("a@d;"),                               -1, NULL                     },
    {STR_LIT("a..b@d"),                             -1, NULL                     },
    {STR_LIT(".a@d"),                               -1, NULL                     },
    {STR_LIT("a@d@e"),                              -1, NULL                     },
    {STR_LIT("a@d (open"),                          -1, NULL                     },
    {STR_LIT("\"open <a@d>"),                       -1, NULL                     },
    {STR_LIT("\"a\0b\" <a@d>"),                     -1, NULL                     },
    {STR_LIT("a\0@d"),                              -1, NULL                     },
    {STR_LIT(":;:;"),                               -1, NULL                     },
    {STR_LIT("(\\"),                                -1, NULL                     },
    {STR_LIT("\"a\\\x01\"@d"),                      -1, NULL                     },
    {STR_LIT("a@" X64),                             -1, NULL                     },
    {STR_LIT(X64 "@d"),                             1,  "|" X64 "@d;"            },
    {STR_LIT(X64 "x@d"),                            -1, NULL                     },
};

static void lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(list_rows) / sizeof(list_rows[0]); i++) {
        const struct list_row *row = &list_rows[i];
        struct address *v = NULL;
        struct arena a;
        struct str got = STR("");
        size_t n = 0;

        print_message("%.*s\n", STR_ARGS(row->field));
        arena_init(&a);
        assert_int_equal(address_list_parse(&a, row->field, 3, &v, &n), row->n >= 0);
        if (row->n >= 0) {
            assert_int_equal(n, row->n);
            for (size_t k = 0; k < n; k++)
                got = arena_printf(&a, "%.*s%.*s|%.*s;", STR_ARGS(got), STR_ARGS(v[k].name),
                                   STR_ARGS(v[k].address));
            assert_true(str_eq(got, str_c(row->want)));
        }
        arena_done(&a);
    }
}

/* M04, M05: no depth and no length takes more than linear time or memory. */
static void m05_hostile_lists(void **state)
{
    enum { N = 1 << 20 };
    static const struct str units[] = {STR_LIT("("),  STR_LIT("<"),  STR_LIT("(\\"),
                                       STR_LIT(":;"), STR_LIT("\""), STR_LIT("a@d,"),
                                       STR_LIT("a."), STR_LIT("@a,")};
    char *text = malloc(N);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct address *v;
        struct arena a;
        size_t n;

        for (size_t k = 0; k < N; k++)
            text[k] = units[i].p[k % units[i].n];
        arena_init(&a);
        assert_false(address_list_parse(&a, (struct str){text, N}, 10000, &v, &n));
        arena_done(&a);
    }
    free(text);
}

static void comments_have_a_depth(void **state)
{
    (void)state;
    for (int depth = ADDRESS_COMMENT_DEPTH - 1; depth <= ADDRESS_COMMENT_DEPTH + 1; depth++) {
        char text[2 * ADDRESS_COMMENT_DEPTH + 16];
        struct address *v;
        struct arena a;
        size_t n = 0, count;

        for (int i = 0; i < depth; i++)
            text[n++] = '(';
        for (int i = 0; i < depth; i++)
            text[n++] = ')';
        memcpy(text + n, "a@d", 3);
        arena_init(&a);
        assert_int_equal(address_list_parse(&a, (struct str){text, n + 3}, 3, &v, &count),
                         depth <= ADDRESS_COMMENT_DEPTH);
        arena_done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a01_to_a25_forward),
        cmocka_unit_test(reverse),
        cmocka_unit_test(long_ones),
        cmocka_unit_test(says_what_it_needs),
        cmocka_unit_test(parts),
        cmocka_unit_test(c06_helo),
        cmocka_unit_test(lists),
        cmocka_unit_test(m05_hostile_lists),
        cmocka_unit_test(comments_have_a_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
