/* The pure parts of the store: names of letters, folder names, line counts, headings, small
 * text files, announcements. */
#include "store/boxnames.h"
#include "store/change.h"
#include "store/folder.h"
#include "store/heading.h"
#include "store/lines.h"
#include "store/name.h"
#include "store/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID "01m82kt5fk0g1r60m2060g1"

static void assert_str(struct str got, struct str want)
{
    char a[600], b[600];

    snprintf(a, sizeof(a), "%.*s", STR_ARGS(got));
    snprintf(b, sizeof(b), "%.*s", STR_ARGS(want));
    assert_string_equal(a, b);
    assert_int_equal(got.n, want.n);
}

/* ---- names of letters ---- */

struct name_row {
    const char *in;
    const char *unique;  /* NULL: no letter */
    int64_t size, vsize; /* -1: not said */
    uint32_t uid;        /* under UIDVALIDITY 7 */
    const char *flags;
    const char *printed; /* NULL: the same */
};

static const struct name_row names[] = {
    {"1795384219." ID ".h,S=5,W=6",      "1795384219." ID ".h",        5,  6,  0,  "",     NULL         },
    {"1." ID ".h,S=5,W=6,P=7.42:2,FSab", "1." ID ".h",                 5,  6,  42, "FSab", NULL         },
    {"1.x,P=8.42",                       "1.x",                        -1, -1, 0,  "",     NULL         },
    {"1.x,P=7.0",                        "1.x,P=7.0",                  -1, -1, 0,  "",     NULL         },
    {"1.x,S=5,P=0.1",                    "1.x",                        5,  -1, 0,  "",     NULL         },
    {"1.M1P2V3I4_0.host,S=99:2,RS",      "1.M1P2V3I4_0.host",          99, -1, 0,  "RS",   NULL         },
    {"1.x,U=5,FMD5=abc:2,S",             "1.x",                        -1, -1, 0,  "S",    NULL         },
    {"1.x,U=5,S=3",                      "1.x",                        3,  -1, 0,  "",     "1.x,S=3,U=5"},
    {"1.x,other,S=3,S=4",                "1.x,other",                  3,  -1, 0,  "",     NULL         },
    {"1.x,S=,W=x",                       "1.x,S=,W=x",                 -1, -1, 0,  "",     NULL         },
    {"1.x,S=99999999999999999999",       "1.x,S=99999999999999999999", -1, -1, 0,  "",     NULL         },
    {"x",                                "x",                          -1, -1, 0,  "",     NULL         },
    {"x:2,",                             "x",                          -1, -1, 0,  "",     NULL         },
    {"x:2,SSZa1,!",                      "x",                          -1, -1, 0,  "SZa",  "x:2,SZa"    },
    {"x:1,S",                            "x",                          -1, -1, 0,  "",     "x"          },
    {"x:",                               "x",                          -1, -1, 0,  "",     "x"          },
    {",S=3",                             NULL,                         0,  0,  0,  NULL,   NULL         },
    {"",                                 NULL,                         0,  0,  0,  NULL,   NULL         },
    {".x",                               NULL,                         0,  0,  0,  NULL,   NULL         },
    {":2,S",                             NULL,                         0,  0,  0,  NULL,   NULL         },
    {"a\nb",                             NULL,                         0,  0,  0,  NULL,   NULL         },
    {"a/b",                              NULL,                         0,  0,  0,  NULL,   NULL         },
    {"a\x7f",                            NULL,                         0,  0,  0,  NULL,   NULL         },
};

static void names_of_letters(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1024);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const struct name_row *r = &names[i];
        struct name n;
        char flags[64], *to = flags;

        assert_int_equal(name_parse(str_c(r->in), &n), r->unique != NULL);
        if (!r->unique)
            continue;
        assert_str(n.unique, str_c(r->unique));
        assert_int_equal(n.has_size ? (int64_t)n.size : -1, r->size);
        assert_int_equal(n.has_vsize ? (int64_t)n.vsize : -1, r->vsize);
        assert_int_equal(name_uid(&n, 7), r->uid);
        for (int k = 0; k < 26; k++)
            if (n.flags & NAME_FLAG('A' + k))
                *to++ = (char)('A' + k);
        for (int k = 0; k < 26; k++)
            if (n.keywords & (1u << k))
                *to++ = (char)('a' + k);
        *to = '\0';
        assert_string_equal(flags, r->flags);
        buf_clear(&out);
        name_print(&out, &n);
        assert_str(buf_str(&out), str_c(r->printed ? r->printed : r->in));
    }
    buf_done(&out);
}

static void name_lengths(void **state)
{
    char text[NAME_BYTES + 2];
    struct name n;

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_true(name_parse((struct str){text, NAME_BYTES - NAME_INFO_BYTES - 1}, &n));
    assert_true(name_parse((struct str){text, NAME_BYTES - NAME_INFO_BYTES}, &n));
    assert_false(name_parse((struct str){text, NAME_BYTES - NAME_INFO_BYTES + 1}, &n));
    text[200] = ':';
    assert_true(name_parse((struct str){text, NAME_BYTES - 1}, &n));
    assert_true(name_parse((struct str){text, NAME_BYTES}, &n));
    assert_false(name_parse((struct str){text, NAME_BYTES + 1}, &n));
}

static void new_names(void **state)
{
    struct id id;
    struct buf out;

    (void)state;
    buf_init(&out, 1024);
    assert_true(id_parse(STR(ID), &id));
    name_host(&out, STR("a.b,c:d/e f\\"));
    assert_str(buf_str(&out), STR("a.b\\054c\\072d\\057e\\040f\\"));
    buf_clear(&out);
    name_host(&out, STR("0123456789012345678901234567890123456789"));
    assert_int_equal(buf_str(&out).n, NAME_HOST_BYTES);
    buf_clear(&out);
    name_new(&out, &id, STR("h.example"), 10, 12);
    assert_str(buf_str(&out), STR("1795384219." ID ".h.example,S=10,W=12"));
    buf_done(&out);
}

static void uidls(void **state)
{
    static const struct {
        struct str in, want;
    } rows[] = {
        {STR_LIT("1795384219." ID ".mail.example.test"),
         STR_LIT("1795384219." ID ".mail.example.test")                         },
        {STR_LIT("a b%c\x80"),                           STR_LIT("a%20b%25c%80")},
        {STR_LIT("~!"),                                  STR_LIT("~!")          },
    };
    struct buf out;
    char text[80];

    (void)state;
    buf_init(&out, 1024);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        buf_clear(&out);
        name_uidl(&out, rows[i].in);
        assert_str(buf_str(&out), rows[i].want);
    }
    memset(text, 'x', sizeof(text));
    for (size_t n = NAME_UIDL_BYTES - 1; n <= NAME_UIDL_BYTES + 1; n++) {
        buf_clear(&out);
        name_uidl(&out, (struct str){text, n});
        assert_int_equal(buf_str(&out).n, n <= NAME_UIDL_BYTES ? n : 33);
    }
    buf_done(&out);
}

/* ---- names in little memory ---- */

static void small_names(void **state)
{
    static const char *const rows[] = {
        "1795384219." ID ".mail.example.test,S=5,W=6",
        "1795384219." ID ".mail.example.test,S=5,W=6:2,FS",
        "1795384219." ID ".other,S=0,W=0",
        "1795384219." ID ".mail.example.test,S=9223372036854775807,W=9223372036854775807:2,S",
        "1795384219." ID ".mail.example.test,S=6,W=5",
        "1795384219." ID ".mail.example.test,W=5,S=5",
        "1795384219." ID ".mail.example.test,S=05,W=6",
        "1795384219." ID ".mail.example.test,S=5,W=6,P=1.2",
        "1795384220." ID ".mail.example.test,S=5,W=6",
        "01795384219." ID ".mail.example.test,S=5,W=6",
        "x",
        "1.M1P2.host,S=4:2,S",
    };
    struct boxnames b;
    uint32_t at[sizeof(rows) / sizeof(*rows)];
    char text[NAME_BYTES + 1];
    struct name n;

    (void)state;
    boxnames_init(&b);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_true(name_parse(str_c(rows[i]), &n));
        at[i] = boxnames_add(&b, str_c(rows[i]), &n);
    }
    assert_true(at[1] < 40); /* the first of them is short */
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_str(boxnames_get(&b, at[i], text), str_c(rows[i]));
        assert_true(name_parse(str_c(rows[i]), &n));
        assert_str(boxnames_unique(&b, at[i], text), n.unique);
        assert_int_equal(boxnames_compare(&b, at[i], &b, at[i]), 0);
    }
    assert_int_equal(boxnames_compare(&b, at[0], &b, at[1]), 0);
    assert_int_equal(boxnames_compare(&b, at[0], &b, at[5]), 0);
    assert_true(boxnames_compare(&b, at[0], &b, at[2]) < 0);
    assert_true(boxnames_compare(&b, at[2], &b, at[0]) > 0);
    assert_true(boxnames_compare(&b, at[0], &b, at[8]) < 0);
    assert_true(boxnames_compare(&b, at[10], &b, at[11]) < 0);
    boxnames_done(&b);
}

/* More different hosts than have a number: they are kept as they are. */
static void many_hosts(void **state)
{
    struct boxnames b;
    uint32_t at[600];
    char text[NAME_BYTES + 1], name[128];
    struct name n;

    (void)state;
    boxnames_init(&b);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 600; i++) {
            snprintf(name, sizeof(name), "1795384219." ID ".h%d,S=1,W=2", i);
            if (round == 1) {
                assert_str(boxnames_get(&b, at[i], text), str_c(name));
                continue;
            }
            assert_true(name_parse(str_c(name), &n));
            at[i] = boxnames_add(&b, str_c(name), &n);
        }
    }
    boxnames_done(&b);
}

/* ---- folders ---- */

static void folder_names(void **state)
{
    static const struct {
        struct str folder, path; /* path empty: cannot */
    } rows[] = {
        {STR_LIT("INBOX"),                                                                     STR_LIT(".")            },
        {STR_LIT("inbox"),                                                                     STR_LIT(".")            },
        {STR_LIT("Archive/2026"),                                                              STR_LIT(".Archive.2026")},
        {STR_LIT("Inbox/x"),                                                                   STR_LIT(".INBOX.x")     },
        {STR_LIT("a/INBOX"),                                                                   STR_LIT(".a.INBOX")     },
        {STR_LIT("v1.2"),                                                                      STR_LIT(".v1&AC4-2")    },
        {STR_LIT(".."),                                                                        STR_LIT(".&AC4ALg-")    },
        {STR_LIT("../x"),                                                                      STR_LIT(".&AC4ALg-.x")  },
        {STR_LIT("a&b"),                                                                       STR_LIT(".a&-b")        },
        {STR_LIT("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"),
         STR_LIT(".~peter.mail.&U,BTFw-.&ZeVnLIqe-")                                                                   },
        {STR_LIT("\xf0\x9f\x93\xac"),                                                          STR_LIT(".&2D3c7A-")    },
        {STR_LIT("\xc3\xa4.\xc3\xb6"),                                                         STR_LIT(".&AOQALgD2-")  },
        {STR_LIT(""),                                                                          STR_LIT("")             },
        {STR_LIT("/x"),                                                                        STR_LIT("")             },
        {STR_LIT("x/"),                                                                        STR_LIT("")             },
        {STR_LIT("a//b"),                                                                      STR_LIT("")             },
        {STR_LIT("a\0b"),                                                                      STR_LIT("")             },
        {STR_LIT("a\r\nb"),                                                                    STR_LIT("")             },
        {STR_LIT("\x80"),                                                                      STR_LIT("")             },
        {STR_LIT("\xc0\xaf"),                                                                  STR_LIT("")             },
        {STR_LIT("\xed\xa0\x80"),                                                              STR_LIT("")             },
        {STR_LIT("\xf4\x90\x80\x80"),                                                          STR_LIT("")             },
        {STR_LIT("\xe2\x80\xa8"),                                                              STR_LIT("")             },
        {STR_LIT("\xc2\x85"),                                                                  STR_LIT("")             },
        {STR_LIT("\xe5\x8f"),                                                                  STR_LIT("")             },
    };
    struct buf out;

    (void)state;
    buf_init(&out, 1024);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        buf_clear(&out);
        assert_int_equal(path_of_folder(&out, rows[i].folder), rows[i].path.n > 0);
        if (rows[i].path.n == 0)
            continue;
        assert_str(buf_str(&out), rows[i].path);
        buf_clear(&out);
        assert_true(path_to_folder(&out, rows[i].path));
        if (!str_starts_nocase(rows[i].folder, STR("inbox")))
            assert_str(buf_str(&out), rows[i].folder);
    }
    buf_done(&out);
}

/* I16: what has another spelling, or none */
static void i16_paths_of_others(void **state)
{
    static const struct str rows[] = {
        STR_LIT(""),
        STR_LIT("x"),
        STR_LIT(".."),
        STR_LIT(".a."),
        STR_LIT(".&"),
        STR_LIT(".&AC8-"),
        STR_LIT(".&AAA-"),
        STR_LIT(".&2AA-"),
        STR_LIT(".&AGE-"),
        STR_LIT(".&Jjo"),
        STR_LIT(".INBOX"),
        STR_LIT(".inbox.x"),
        STR_LIT(".&AOQ-&AOQ-"),
        STR_LIT(".&AOR-"),
        STR_LIT(".a\xc3\xa4"),
        STR_LIT(".&AOQ"),
        STR_LIT(".a/b"),
        STR_LIT(".&AOQA-"),
        STR_LIT(".&3ADcAA-"),
    };
    struct buf out;

    (void)state;
    buf_init(&out, 1024);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_false(path_to_folder(&out, rows[i]));
    assert_int_equal(buf_str(&out).n, 0);
    buf_done(&out);
}

static void path_lengths(void **state)
{
    char text[PATH_COMPONENT_BYTES + 1];
    struct buf out;

    (void)state;
    buf_init(&out, 1024);
    memset(text, 'x', sizeof(text));
    for (size_t n = PATH_COMPONENT_BYTES - 2; n <= PATH_COMPONENT_BYTES; n++) {
        buf_clear(&out);
        assert_int_equal(path_of_folder(&out, (struct str){text, n}), n < PATH_COMPONENT_BYTES);
    }
    buf_done(&out);
}

/* ---- posta-folder and posta-user ---- */

#define FOLDER                                                                             \
    "posta-folder 1\nuidvalidity 1795384219\nmailboxid F" ID "\nuidnext 65\nmodseq 1025\n" \
    "keyword a $Forwarded\nkeyword z x y\nacl bob lrs\nsavedate 1 2\n"

static void folder_files(void **state)
{
    struct arena a;
    struct folder f;
    struct buf out;

    (void)state;
    arena_init(&a);
    buf_init(&out, 1 << 16);
    assert_int_equal(folder_parse(STR(FOLDER), &a, &f, NULL), 0);
    assert_int_equal(f.uidvalidity, 1795384219);
    assert_int_equal(f.uidnext, 65);
    assert_int_equal(f.modseq, 1025);
    assert_str(f.keywords[0], STR("$Forwarded"));
    assert_str(f.keywords[25], STR("x y"));
    assert_str(f.rest, STR("acl bob lrs\nsavedate 1 2\n"));
    folder_print(&out, &f);
    assert_str(buf_str(&out), STR(FOLDER));
    buf_done(&out);
    arena_done(&a);
}

#define MARKS "uidnext 7\nmodseq 7\n"

static void folder_files_refused(void **state)
{
    static const struct {
        struct str in;
        int want;
    } rows[] = {
        {STR_LIT("posta-folder 1\nuidvalidity 1\nmailboxid F\n" MARKS),                 0        },
        {STR_LIT("posta-folder 1\nuidvalidity 1\nmailboxid F\nuidnext 7\n"),            E_CORRUPT},
        {STR_LIT("posta-folder 1\nuidvalidity 1\nmailboxid F\nmodseq 7\n"),             E_CORRUPT},
        {STR_LIT("posta-folder 1\nuidvalidity 1\nmailboxid F\n" MARKS "keyword a x"),
         E_CORRUPT                                                                               },
        {STR_LIT(""),                                                                   E_CORRUPT},
        {STR_LIT("posta-folder\n"),                                                     E_CORRUPT},
        {STR_LIT("posta-folder 0\n"),                                                   E_CORRUPT},
        {STR_LIT("posta-user 1\nuidvalidity 1\nmailboxid F\n"),                         E_CORRUPT},
        {STR_LIT("posta-folder 2\nuidvalidity 1\nmailboxid F\n"),                       E_VERSION},
        {STR_LIT("posta-folder 1\nuidvalidity 1\n" MARKS),                              E_CORRUPT},
        {STR_LIT("posta-folder 1\nmailboxid F\n" MARKS),                                E_CORRUPT},
        {STR_LIT("posta-folder 1\nuidvalidity 0\nmailboxid F\n" MARKS),                 E_CORRUPT},
        {STR_LIT("posta-folder 1\nuidvalidity 4294967296\nmailboxid F\n" MARKS),        E_CORRUPT},
        {STR_LIT("posta-folder 1\nuidvalidity 1\nmailboxid a b\n" MARKS),               E_CORRUPT},
        {STR_LIT("posta-folder 1\nuidvalidity 1\nmailboxid F\n" MARKS "keyword A x\n"),
         E_CORRUPT                                                                               },
        {STR_LIT("posta-folder 1\nuidvalidity 1\nmailboxid F\n" MARKS "keyword a \n"),
         E_CORRUPT                                                                               },
        {STR_LIT("posta-folder 1\nuidvalidity 1\nmailboxid F\n" MARKS
                 "keyword a x\nkeyword a y\n"),
         E_CORRUPT                                                                               },
        {STR_LIT("posta-folder 1\nuidvalidity 1\nmailboxid F\n" MARKS "\n"),            E_CORRUPT},
        {STR_LIT("posta-folder 1\nuidvalidity 1\nmailboxid F\n" MARKS "x\0y\n"),        E_CORRUPT},
    };
    struct arena a;
    struct folder f;
    struct err err;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(folder_parse(rows[i].in, &a, &f, &err), rows[i].want);
    arena_done(&a);
}

static void user_files(void **state)
{
    struct arena a;
    struct folder_user u;
    struct buf out;
    struct str text = STR("posta-user 1\nuidvalidity 9\nsubscribed INBOX\n"
                          "subscribed Archive/2026\nfilter x\n");

    (void)state;
    arena_init(&a);
    buf_init(&out, 1 << 16);
    assert_int_equal(folder_user_parse(text, &a, &u, NULL), 0);
    assert_int_equal(u.uidvalidity, 9);
    assert_int_equal(u.nsubscribed, 2);
    assert_str(u.subscribed[1], STR("Archive/2026"));
    folder_user_print(&out, &u);
    assert_str(buf_str(&out), text);
    text = STR("posta-user 1\nuidvalidity 9\nuse \\Sent a b\nusual made\nrename-from a\n"
               "rename-to b c\nrenaming a/x\nrenaming a\n");
    assert_int_equal(folder_user_parse(text, &a, &u, NULL), 0);
    assert_true(u.nuses == 1 && u.usual && u.nrenaming == 2);
    assert_str(u.uses[0].use, STR("\\Sent"));
    assert_str(u.uses[0].name, STR("a b"));
    buf_clear(&out);
    folder_user_print(&out, &u);
    assert_str(buf_str(&out), text);
    assert_int_equal(
        folder_user_parse(STR("posta-user 1\nuidvalidity 9\nuse Sent\n"), &a, &u, NULL),
        E_CORRUPT);
    assert_int_equal(folder_user_parse(STR("posta-user 1\n"), &a, &u, NULL), E_CORRUPT);
    assert_int_equal(folder_user_parse(STR("posta-user 9\n"), &a, &u, NULL), E_VERSION);
    assert_int_equal(folder_user_parse(STR("posta-user 1\nuidvalidity x\n"), &a, &u, NULL),
                     E_CORRUPT);
    buf_done(&out);
    arena_done(&a);
}

/* ---- lines ---- */

static void counts_lines(void **state)
{
    char text[5000];
    uint64_t want = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = i % 7 == 3 || i > 4096 ? '\n' : 'x';
        assert_int_equal(lines_lf((struct str){text, i}), want);
        want += text[i] == '\n';
    }
}

static void counts_wire_octets(void **state)
{
    static const struct {
        struct str in;
        uint64_t want;
        bool crlf;
    } rows[] = {
        {STR_LIT(""),              0,  false},
        {STR_LIT("abc"),           3,  false},
        {STR_LIT("\n"),            2,  false},
        {STR_LIT("\r\n"),          2,  true },
        {STR_LIT("a\nb\r\n"),      7,  false},
        {STR_LIT("a\r\nb\n\nc\r"), 10, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        for (size_t cut = 0; cut <= rows[i].in.n; cut++) {
            struct lines_count c = {0};

            lines_add(&c, str_first(rows[i].in, cut));
            lines_add(&c, str_skip(rows[i].in, cut));
            assert_int_equal(lines_wire_octets(&c), rows[i].want);
            assert_int_equal(c.crlf, rows[i].crlf);
        }
    }
}

/* ---- headings ---- */

static void headings(void **state)
{
    static const struct {
        struct str in, want;
        bool loop;
    } rows[] = {
        {STR_LIT(""),                                                     STR_LIT(""),                             false},
        {STR_LIT("\nReturn-Path: x\n"),                                   STR_LIT("\nReturn-Path: x\n"),           false},
        {STR_LIT("Return-Path: x\n\nb"),                                  STR_LIT("\nb"),                          false},
        {STR_LIT("RETURN-PATH:x\n y\n\tz\nA: b\n\nb"),                    STR_LIT("A: b\n\nb"),                    false},
        {STR_LIT("A: b\nReturn-Path : x\nC: d\nreturn-path: y\n\n"),      STR_LIT("A: b\nC: d\n\n"),
         false                                                                                                          },
        {STR_LIT("Return-Paths: x\nReturn-Pat: y\nX-Return-Path: z\n\n"),
         STR_LIT("Return-Paths: x\nReturn-Pat: y\nX-Return-Path: z\n\n"),                                          false},
        {STR_LIT("Return-Path: x"),                                       STR_LIT("Return-Path: x"),               false},
        {STR_LIT("Return-Path: x\n"),                                     STR_LIT("Return-Path: x\n"),             false},
        {STR_LIT("Return-Path: x\r\nA: b\r\n\r\nReturn-Path: c"),
         STR_LIT("A: b\r\n\r\nReturn-Path: c"),                                                                    false},
        {STR_LIT("delivered-TO: \t a@B \n\n"),                            STR_LIT("delivered-TO: \t a@B \n\n"),    true },
        {STR_LIT("Delivered-To: a@b.c\n\n"),                              STR_LIT("Delivered-To: a@b.c\n\n"),      false},
        {STR_LIT("\nDelivered-To: a@b\n\n"),                              STR_LIT("\nDelivered-To: a@b\n\n"),      false},
        {STR_LIT("X: y\n Delivered-To: a@b\n\n"),                         STR_LIT("X: y\n Delivered-To: a@b\n\n"),
         false                                                                                                          },
    };
    char text[256];
    bool loop;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        memcpy(text, rows[i].in.p, rows[i].in.n);
        size_t n = heading_clean(text, rows[i].in.n, STR("a@b"), &loop);
        assert_str((struct str){text, n}, rows[i].want);
        assert_int_equal(loop, rows[i].loop);
    }
}

/* ---- announcements ---- */

static void announcements(void **state)
{
    static const struct str bad[] = {
        STR_LIT(""),         STR_LIT("a\tb\t1"),   STR_LIT("a\tb\t\n"),   STR_LIT("a\tb\n"),
        STR_LIT("\tb\t1\n"), STR_LIT("a\tb\tx\n"), STR_LIT("a\tb\t1\n\n")};
    struct change c = {.maildir = STR("mail/d/u"), .folder = STR("A/B"), .modseq = 7}, got;
    struct buf out;

    (void)state;
    buf_init(&out, CHANGE_BYTES);
    change_print(&out, &c);
    assert_str(buf_str(&out), STR("mail/d/u\tA/B\t7\n"));
    assert_true(change_parse(buf_str(&out), &got));
    assert_str(got.maildir, c.maildir);
    assert_str(got.folder, c.folder);
    assert_int_equal(got.modseq, 7);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(change_parse(bad[i], &got));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_letters),
        cmocka_unit_test(name_lengths),
        cmocka_unit_test(new_names),
        cmocka_unit_test(uidls),
        cmocka_unit_test(small_names),
        cmocka_unit_test(many_hosts),
        cmocka_unit_test(folder_names),
        cmocka_unit_test(i16_paths_of_others),
        cmocka_unit_test(path_lengths),
        cmocka_unit_test(folder_files),
        cmocka_unit_test(folder_files_refused),
        cmocka_unit_test(user_files),
        cmocka_unit_test(counts_lines),
        cmocka_unit_test(counts_wire_octets),
        cmocka_unit_test(headings),
        cmocka_unit_test(announcements),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
