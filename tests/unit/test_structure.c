#include "mail/structure.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { OUT_BYTES_MAX = 64 << 20 };

#define TEXT(octets, lines)                                                             \
    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" " octets " " lines \
    " NIL NIL NIL NIL)"
#define MIXED     "Content-Type: multipart/mixed; boundary=b\n\n"
#define MIXED_END " \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"

static struct buf out;
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, OUT_BYTES_MAX);
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_done(&out);
    arena_done(&arena);
    return 0;
}

static const char *printed(const struct part *top, bool extended)
{
    buf_clear(&out);
    structure_print(&out, top, extended);
    return buf_c(&out);
}

static const char *structure_of(const char *letter)
{
    return printed(structure_parse(str_c(letter), &arena), true);
}

struct row {
    const char *letter, *want;
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_string_equal(structure_of(rows[i].letter), rows[i].want);
}

/* RFC 2045 5.2, 6.1: what is absent or broken has a default */
static void a_single_part(void **state)
{
    static const struct row rows[] = {
        {"",                                                  TEXT("0",                                                   "0")},
        {"\n",                                                   TEXT("0",                                                                                                          "0")},
        {"\nbody",                                               TEXT("4","0")},
        {"\nbody\n",TEXT("6",                                                    "1")},
        {"Subject: x\r\n\r\na\r\nb\n\n",                                          TEXT("8",                                                                                                "3")},
        {"no end",                                                   TEXT("0",                                                                                "0")},
        {"Content-Type:\n\nx",                                               TEXT("1",          "0")},
        {"Content-Type: image\n\nx",TEXT("1","0")},
        {"Content-Type: /plain\n\nx",                                TEXT("1",                                    "0")},
        {"Content-Type: text/\nContent-Type: image/gif\n\nx",                                                   TEXT("1",                                                                                    "0")},
        {"Content-Type: IMAGE/Gif\n\nx",
         "(\"IMAGE\" \"Gif\" NIL NIL NIL \"7bit\" 1 NIL NIL NIL NIL)"                                                                                                                                         },
        {"Content-Type: text / html (c) ; a=b\nContent-Transfer-Encoding: BASE64 (c)\n\nx",
         "(\"text\" \"html\" (\"a\" \"b\" \"charset\" \"us-ascii\") NIL NIL \"BASE64\" 1 0 NIL "
         "NIL "
         "NIL NIL)"                              },
        {"Content-Transfer-Encoding: 8 bit\n\nx", TEXT("1", "0")},
        {"Content-Transfer-Encoding:\n\nx",                                                   TEXT("1",                                                                                "0")},
        {"Content-Type: message/partial; id=x\n\nx\n",
         "(\"message\" \"partial\" (\"id\" \"x\") NIL NIL \"7bit\" 3 NIL NIL NIL NIL)"},
        {"Content-Type: image/gif\nContent-ID: <a> (c)\nContent-Description: q\"\\\n\tx\n"
         "Content-MD5: Q\nContent-Disposition: inline\nContent-Language: en, de (x), fr;q=1,,\n"
         "Content-Location: http://x\n\n",                                                   "(\"image\" \"gif\" NIL \"<a> (c)\" \"q\\\"\\\\\tx\" \"7bit\" 0 \"Q\" (\"inline\" "
         "NIL) "
         "(\"en\" \"de\" \"fr\") \"http://x\")"                                        },
        {"Content-Type: image/gif\nContent-ID:\nContent-Description: j\xc3\xbc\n\n",
         "(\"image\" \"gif\" NIL \"\" {3}\r\nj\xc3\xbc \"7bit\" 0 NIL NIL NIL NIL)"                                                                                                        },
        {"Content-Type: image/gif\nContent-Disposition: ;filename=x\nContent-Language: ,\n\n",
         "(\"image\" \"gif\" NIL NIL NIL \"7bit\" 0 NIL (\"\" (\"filename\" \"x\")) NIL NIL)"},
        {"Content-Type: image/gif\nContent-Disposition:\n\n",
         "(\"image\" \"gif\" NIL NIL NIL \"7bit\" 0 NIL NIL NIL NIL)"                                  },
    };

    (void)state;
    check(rows, sizeof(rows) / sizeof(rows[0]));
}

/* RFC 2046 5.1 */
static void multiparts(void **state)
{
    static const struct row rows[] = {
        {MIXED "pre\n--b\n\nx\n--b--\nepi", "(" TEXT("1",                        "0") MIXED_END        },
        {MIXED "--b  \n\nx\n\n--b--\n",     "(" TEXT("3",                        "1") MIXED_END        },
        {MIXED "--b",                       "(" TEXT("0",                        "0") MIXED_END        },
        {MIXED "--b\n--b--",                "(" TEXT("0",                        "0") MIXED_END        },
        {MIXED "--b\nA: b\n--b--",          "(" TEXT("0",                        "0") MIXED_END        },
        {MIXED "--b\n\n1\n--b\n\n22\n",     "(" TEXT("1",                        "0") TEXT("4",          "1") MIXED_END},
        {MIXED "--b\n\n1\n--b--\n--b\n\nafter\n--b--\n",                                 "(" TEXT("1",                       "0") MIXED_END},
        {MIXED "--b\n" MIXED "--b\n\n1\n--b--\n--b\n\n22\n--b--\n",
         "((" TEXT("1",            "0") MIXED_END TEXT("2",                                                                                  "0") MIXED_END},
        {"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\n\ny\n--b\n"
         "Content-Type: text/plain\n\nz\n--b--\n",                   "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 15 (NIL \"s\" NIL NIL NIL NIL NIL NIL "
         "NIL NIL) " TEXT("1",                                                      "0") " 2 NIL NIL NIL NIL)" TEXT(
             "1","0") " \"digest\" (\"boundary\" \"b\") NIL NIL NIL)"},
        {"Content-Type: message/rfc822\n\n",
         "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 0 (NIL NIL NIL NIL NIL NIL NIL NIL NIL "
         "NIL) " TEXT("0", "0") " 0 NIL NIL NIL NIL)"                                                                            },
 /* none of its parts is there: its text is */
        {MIXED,                  TEXT("0",                           "0")},
        {MIXED "--b--\n",        TEXT("7",             "1")                                                              },
        {"Content-Type: multipart/mixed; boundary=\"b \"\n\n--b\n\nx\n",                  TEXT("10",                                     "3")},
    };

    (void)state;
    check(rows, sizeof(rows) / sizeof(rows[0]));
}

static void parameters(void **state)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        {"a=b",                                        "(\"a\" \"b\")"                             },
        {" ; a = b ;; c=d; ",                          "(\"a\" \"b\" \"c\" \"d\")"                 },
        {"a=\"b;\\\"c\\\\\"; d=e",                     "(\"a\" \"b;\\\"c\\\\\" \"d\" \"e\")"       },
        {"a=\"b\n\tc\"",                               "(\"a\" \"b\tc\")"                          },
        {"a=",                                         "(\"a\" \"\")"                              },
        {"a; =b; c=d",                                 "(\"c\" \"d\")"                             },
        {"a=(x(y))b(\\))",                             "(\"a\" \"b\")"                             },
        {"a=\"(b)\"",                                  "(\"a\" \"(b)\")"                           },
        {"a=b(never",                                  "(\"a\" \"b\")"                             },
        {"a=\"never",                                  "(\"a\" \"never\")"                         },
        {"a=b c.txt; d=e",                             "(\"a\" \"b c.txt\" \"d\" \"e\")"           },
        {"a=b/c:d",                                    "(\"a\" \"b/c:d\")"                         },
        {"a=b c=d",                                    "(\"a\" \"b\" \"c\" \"d\")"                 },
        {"a=\"b\" c=d",                                "(\"a\" \"b\" \"c\" \"d\")"                 },
        {"a=j\xfc",                                    "(\"a\" {2}\r\nj\xfc)"                      },
        {"a=b; A=c",                                   "(\"a\" \"b\" \"A\" \"c\")"                 },
 /* RFC 2231 3, 4.1 */
        {"f*0=a; f*1=\"b c\"; F*2=d",                  "(\"f\" \"ab cd\")"                         },
        {"f*1=b; x=y; f*0=a",                          "(\"x\" \"y\" \"f\" \"ab\")"                },
        {"f*=utf-8''%41; f=c",                         "(\"f*\" \"utf-8''%41\" \"f\" \"c\")"       },
        {"f*0*=utf-8''a%20; f*1=\"b %'*c\"; f*2*=%41",
         "(\"f*\" \"utf-8''a%20b%20%25%27%2Ac%41\")"                                               },
        {"f*0=a; f*1*=%41",                            "(\"f*\" \"''a%41\")"                       },
        {"f*0=a; f*2=c",                               "(\"f\" \"a\" \"f*2\" \"c\")"               },
        {"f*1=b; f*2=c",                               "(\"f*1\" \"b\" \"f*2\" \"c\")"             },
        {"f*00=a; f*01=b; f*x=c; f**=d",
         "(\"f*00\" \"a\" \"f*01\" \"b\" \"f*x\" \"c\" \"f**\" \"d\")"                             },
        {"f*99999=a; f*4294967296=b",                  "(\"f*99999\" \"a\" \"f*4294967296\" \"b\")"},
    };
    char letter[512], want[512];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(letter, sizeof(letter), "Content-Type: a/b;%s\n\n", rows[i].in);
        snprintf(want, sizeof(want), "(\"a\" \"b\" %s NIL NIL \"7bit\" 0)", rows[i].want);
        struct part *top = structure_parse(str_c(letter), &arena);
        assert_string_equal(printed(top, false), want);
    }
}

/* RFC 3501 6.4.5: its example, and where the parts lie */
static const char example[] = "Content-Type: multipart/mixed; boundary=x\n\n"
                              "--x\nContent-Type: text/plain\n\n1\n"
                              "--x\nContent-Type: a/b\n\n2\n"
                              "--x\nContent-Type: message/rfc822\n\n"
                              "Content-Type: multipart/mixed; boundary=3x\n\n"
                              "--3x\n\n3.1\n--3x\nContent-Type: a/b\n\n3.2\n--3x--\n"
                              "--x\nContent-Type: multipart/mixed; boundary=4x\n\n"
                              "--4x\nContent-Type: image/gif\n\n4.1\n"
                              "--4x\nContent-Type: message/rfc822\n\n\n4.2.1\n"
                              "--4x--\n--x--\n";

static void sections(void **state)
{
    static const struct {
        unsigned n;
        uint32_t numbers[4];
        const char *body; /* NULL: there is none */
    } rows[] = {
        {1, {1},          "1"      },
        {1, {2},          "2"      },
        {2, {3, 1},       "3.1"    },
        {2, {3, 2},       "3.2"    },
        {2, {4, 1},       "4.1"    },
        {2, {4, 2},       "\n4.2.1"},
        {3, {4, 2, 1},    "4.2.1"  },
        {1, {0},          NULL     },
        {1, {5},          NULL     },
        {2, {1, 1},       NULL     },
        {2, {3, 3},       NULL     },
        {3, {4, 2, 2},    NULL     },
        {4, {4, 2, 1, 1}, NULL     },
    };
    struct part *top = structure_parse(str_c(example), &arena);

    (void)state;
    assert_ptr_equal(structure_find(top, NULL, 0), top);
    assert_int_equal(top->body_end, sizeof(example) - 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct part *p = structure_find(top, rows[i].numbers, rows[i].n);

        if (!rows[i].body) {
            assert_null(p);
            continue;
        }
        assert_non_null(p);
        assert_int_equal(p->body_end - p->body_at, strlen(rows[i].body));
        assert_memory_equal(example + p->body_at, rows[i].body, strlen(rows[i].body));
    }
    top = structure_parse(STR("A: b\n\nbody\n"), &arena);
    assert_ptr_equal(structure_find(top, (uint32_t[]){1}, 1), top);
    assert_null(structure_find(top, (uint32_t[]){2}, 1));
    assert_null(structure_find(top, (uint32_t[]){1, 1}, 2));
    top = structure_parse(STR("Content-Type: message/rfc822\n\nA: b\n\nbody\n"), &arena);
    assert_ptr_equal(structure_find(top, (uint32_t[]){1}, 1), top);
    assert_ptr_equal(structure_find(top, (uint32_t[]){1, 1}, 2), top->kids);
}

static void offsets(void **state)
{
    struct str letter = STR(MIXED "--b\nA: b\r\n\nx\r\n\n--b\nB: c\n--b\n\n--b--\n");
    struct part *top = structure_parse(letter, &arena), *p = top->kids;
    size_t at = sizeof(MIXED) - 1;

    (void)state;
    assert_int_equal(top->header_at, 0);
    assert_int_equal(top->body_at, at);
    assert_int_equal(top->body_end, letter.n);
    assert_int_equal(part_header_wire(top), at + 2);
    assert_int_equal(p->header_at, at + 4);
    assert_int_equal(p->body_at, at + 11);
    assert_int_equal(p->body_end, at + 14);
    assert_int_equal(part_header_wire(p), 9); /* among LFs a CR is text */
    assert_int_equal(part_body_wire(p), 4);
    assert_int_equal(p->body_lines, 1);
    p = p->next; /* a delimiter where its head goes on: RFC 2046 5.1.2 */
    assert_memory_equal(letter.p + p->header_at, "B: c\n--b\n", 9);
    assert_int_equal(p->body_at, p->header_at + 4);
    assert_int_equal(p->body_end, p->body_at);
    p = p->next; /* the line end of the empty line is the delimiter's */
    assert_int_equal(p->body_end, p->header_at);
    assert_null(p->next);
}

/* The first line end says what the file has. */
static void line_ends(void **state)
{
    struct part *top = structure_parse(STR("A: b\r\n\nx\ny\r\n"), &arena);

    (void)state;
    assert_int_equal(part_header_wire(top), 8);
    assert_int_equal(part_body_wire(top), 6);
    top = structure_parse(STR("A: b\n\r\nx\ny\r\n"), &arena);
    assert_int_equal(top->body_at, 7);
    assert_int_equal(part_header_wire(top), 9);
    assert_int_equal(part_body_wire(top), 7);
}

/* The same tree whatever the pieces. */
static void any_pieces(void **state)
{
    static const char *letters[] = {example,
                                    MIXED "--b\r\nA: b\r\n--b\r\n\r\nx\r\r\n--b-\r\n--b--",
                                    "Content-Type: message/rfc822\n\r\n\r\nbody"};
    char want[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        struct str letter = str_c(letters[i]);

        snprintf(want, sizeof(want), "%s", structure_of(letters[i]));
        for (size_t step = 1; step < letter.n; step++) {
            struct structure_reader *r = structure_reader_new(&arena);

            for (size_t at = 0; at < letter.n; at += step)
                structure_reader_feed(r, str_first(str_skip(letter, at), step));
            assert_string_equal(printed(structure_reader_end(r), true), want);
        }
    }
}

static void packs(void **state)
{
    static const char *letters[] = {
        "", example,
        "Content-Type: a/b; c=d; e*=f\nContent-Disposition: x; y=z\n"
        "Content-Language: en, de\nContent-ID:\nContent-MD5: x\n\nbody\n"};
    char want[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        struct part *top = structure_parse(str_c(letters[i]), &arena), *again;

        snprintf(want, sizeof(want), "%s", printed(top, true));
        buf_clear(&out);
        structure_pack(&out, top);
        struct str packed = arena_dup(&arena, buf_str(&out));
        again = structure_unpack(packed, &arena);
        assert_non_null(again);
        assert_string_equal(printed(again, true), want);
        assert_int_equal(again->body_end, top->body_end);
        for (size_t n = 0; n < packed.n; n++)
            assert_null(structure_unpack(str_first(packed, n), &arena));
        assert_null(structure_unpack(arena_printf(&arena, "%.*sx", STR_ARGS(packed)), &arena));
    }
}

/* ---- hostile letters: rows of the list of hostile input ---- */

static void repeat(struct buf *b, const char *text, unsigned times)
{
    while (times--)
        buf_add(b, str_c(text));
}

static struct part *parse_and_clear(struct buf *letter)
{
    assert_false(buf_failed(letter));
    struct part *top = structure_parse(buf_str(letter), &arena);
    assert_int_equal(top->body_end, letter->n);
    buf_done(letter);
    return top;
}

static unsigned depth_of(const struct part *p)
{
    unsigned n = 0;

    for (; p; p = p->kids)
        n++;
    return n;
}

static unsigned parts_of(const struct part *p)
{
    unsigned n = 1;

    for (const struct part *kid = p->kids; kid; kid = kid->next)
        n += parts_of(kid);
    return n;
}

static void m01_nested_100000_deep(void **state)
{
    struct buf b;
    const struct part *p;

    (void)state;
    buf_init(&b, OUT_BYTES_MAX);
    for (unsigned i = 0; i < 100000; i++)
        buf_addf(&b, "Content-Type: multipart/mixed; boundary=%u-\n\n--%u-\n", i, i);
    p = parse_and_clear(&b);
    assert_int_equal(depth_of(p), STRUCTURE_DEPTH + 1);
    while (p->kids)
        p = p->kids;
    assert_true(part_is(p, "application", "octet-stream"));
    assert_true(p->body_end > 1000000);

    buf_init(&b, OUT_BYTES_MAX);
    repeat(&b, "Content-Type: message/rfc822\n\n", 100000);
    p = parse_and_clear(&b);
    assert_int_equal(depth_of(p), STRUCTURE_DEPTH + 1);
    printed(p, true);
    assert_false(buf_failed(&out));
}

static void m02_parts_without_number(void **state)
{
    struct buf b;
    struct part *top;

    (void)state;
    buf_init(&b, OUT_BYTES_MAX);
    buf_add(&b, STR(MIXED));
    repeat(&b, "--b\n\nx\n", STRUCTURE_PARTS - 2);
    repeat(&b, "--b\nContent-Type: message/rfc822\n\n\nx\n", 100000);
    top = parse_and_clear(&b);
    assert_int_equal(parts_of(top), STRUCTURE_PARTS);
    buf_clear(&out);
    structure_pack(&out, top);
    assert_non_null(structure_unpack(buf_str(&out), &arena));

    buf_init(&b, OUT_BYTES_MAX);
    buf_add(&b, STR("Content-Type: multipart/digest; boundary=b\n\n"));
    repeat(&b, "--b\n\n\nx\n", 100000);
    top = parse_and_clear(&b);
    assert_true(parts_of(top) <= STRUCTURE_PARTS);
    printed(top, true);
    assert_false(buf_failed(&out));
}

static void m03_headers_without_end(void **state)
{
    struct buf b;
    struct part *top;

    (void)state;
    buf_init(&b, OUT_BYTES_MAX);
    buf_add(&b, STR("Content-Type: a/b\nX: "));
    repeat(&b, "0123456789abcdef", 1 << 21);
    buf_add(&b, STR("\nContent-ID: x\n\nbody"));
    top = parse_and_clear(&b);
    assert_string_equal(printed(top, false), "(\"a\" \"b\" NIL NIL NIL \"7bit\" 4)");

    buf_init(&b, OUT_BYTES_MAX);
    repeat(&b, "Content-Description: x\n", 1000000);
    buf_add(&b, STR("\nbody"));
    top = parse_and_clear(&b);
    assert_string_equal(printed(top, false),
                        "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL \"x\" "
                        "\"7bit\" 4 0)");
}

static void m06_parameters_without_number(void **state)
{
    struct buf b;
    struct part *top;

    (void)state;
    buf_init(&b, OUT_BYTES_MAX);
    buf_add(&b, STR("Content-Type: a/b"));
    for (unsigned i = 0; i < 100000; i++)
        buf_addf(&b, "; name*%u*=x", i);
    buf_add(&b, STR("; name*99999=y\n\n"));
    top = parse_and_clear(&b);
    assert_int_equal(top->params.n, 1);
    assert_int_equal(top->params.p[0].value.n, STRUCTURE_PARAMS);

    /* nothing is looked at once for each of many */
    buf_init(&b, OUT_BYTES_MAX);
    buf_add(&b, STR("Content-Type: a/b"));
    repeat(&b, ";x(", 300000);
    assert_int_equal(parse_and_clear(&b)->params.n, 0);
    buf_init(&b, OUT_BYTES_MAX);
    buf_add(&b, STR("Content-Type: a/b"));
    repeat(&b, ";x=\"", 300000);
    parse_and_clear(&b);

    assert_string_equal(
        structure_of("Content-Type: a/b\nContent-Disposition: attachment; filename=\"ev\n"
                     " il.e\"; filename*1=xe; filename*0=e\n\n"),
        "(\"a\" \"b\" NIL NIL NIL \"7bit\" 0 NIL (\"attachment\" (\"filename\" "
        "\"ev il.e\" \"filename\" \"exe\")) NIL NIL)");
}

static void m07_boundaries(void **state)
{
    static const struct row rows[] = {
        {"Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n", TEXT("15",          "4")},
        {                                                                                  "Content-Type: multipart/mixed\n\n--b\n\nx\n--b--\n",                                                        TEXT("17",               "4")    },
 /* a prefix of the parent's, and the other way round: the longest that fits */
        {                                   "Content-Type: multipart/mixed; boundary=bc\n\n--bc\n" MIXED
         "--b\n\nx\n--b--\n--bc\n\nyy\n--bc--\n",                                   "((" TEXT("1", "0")
             MIXED_END TEXT("2",     "0") " \"mixed\" (\"boundary\" \"bc\") NIL NIL NIL)"},
        {        MIXED "--b\nContent-Type: multipart/mixed; "
               "boundary=bc\n\n--bc\n\nx\n--bc--\n--bc\n--b\n\nyy\n--b--\n",    "((" TEXT("1", "0") " \"mixed\" (\"boundary\" \"bc\") NIL NIL NIL)" TEXT("2",     "0")
             MIXED_END},
 /* the outer one ends what the inner left open: RFC 2046 5.1.2 */
        { MIXED "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--b\n\nyy\n--b--\n",
         "((" TEXT("1",  "0") " \"mixed\" (\"boundary\" \"c\") NIL NIL NIL)" TEXT("2",     "0")
             MIXED_END},
    };
    struct buf b;

    (void)state;
    check(rows, sizeof(rows) / sizeof(rows[0]));
    buf_init(&b, OUT_BYTES_MAX);
    buf_add(&b, STR("Content-Type: multipart/mixed; boundary="));
    repeat(&b, "b", 1 << 19);
    repeat(&b, "\n\n--", 1);
    repeat(&b, "b", 1 << 19);
    buf_add(&b, STR("\n\nx\n"));
    assert_int_equal(parse_and_clear(&b)->nkids, 1);

    /* a hundred that begin alike, and lines that are nearly one of them */
    buf_init(&b, OUT_BYTES_MAX);
    for (unsigned i = 0; i < STRUCTURE_DEPTH; i++) {
        char long_one[251];

        memset(long_one, 'b', sizeof(long_one) - 1);
        long_one[sizeof(long_one) - 1] = '\0';
        buf_addf(&b, "Content-Type: multipart/mixed; boundary=%s%u-\n\n--%s%u-\n", long_one, i,
                 long_one, i);
    }
    for (unsigned i = 0; i < 50000; i++) {
        buf_add(&b, STR("\n--"));
        repeat(&b, "bbbbbbbbbb", 25);
    }
    assert_int_equal(depth_of(parse_and_clear(&b)), STRUCTURE_DEPTH + 1);
}

/* What is no field is passed over. */
static void m10_broken_heads(void **state)
{
    static const char letter[] =
        " folded first\nno colon\n: no name\nA\0b: c\n\x80: x\n"
        "Content-Type: a/\0b\nContent-Type : c/d\nContent-ID: x\0y\n\nbody";
    struct part *top = structure_parse((struct str){letter, sizeof(letter) - 1}, &arena);

    (void)state;
    assert_string_equal(
        printed(top, false),
        "(\"text\" \"plain\" (\"charset\" \"us-ascii\") {2}\r\nxy NIL \"7bit\" 4 0)");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_single_part),
        TEST(multiparts),
        TEST(parameters),
        TEST(sections),
        TEST(offsets),
        TEST(line_ends),
        TEST(any_pieces),
        TEST(packs),
        TEST(m01_nested_100000_deep),
        TEST(m02_parts_without_number),
        TEST(m03_headers_without_end),
        TEST(m06_parameters_without_number),
        TEST(m07_boundaries),
        TEST(m10_broken_heads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
