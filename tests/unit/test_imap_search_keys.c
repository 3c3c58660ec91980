/* SEARCH commands and the tree that becomes of each, printed in one line. */
#include "imapd/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

enum { PRINT_BYTES = 1 << 20 };

static const char *const names[] = {
    [SEARCH_ALL] = "all",         [SEARCH_AND] = "and",
    [SEARCH_OR] = "or",           [SEARCH_NOT] = "not",
    [SEARCH_UIDS] = "set",        [SEARCH_FLAGS] = "flag",
    [SEARCH_KEYWORD] = "keyword", [SEARCH_RECENT] = "recent",
    [SEARCH_BEFORE] = "before",   [SEARCH_ON] = "on",
    [SEARCH_SINCE] = "since",     [SEARCH_SENTBEFORE] = "sentbefore",
    [SEARCH_SENTON] = "senton",   [SEARCH_SENTSINCE] = "sentsince",
    [SEARCH_LARGER] = "larger",   [SEARCH_SMALLER] = "smaller",
    [SEARCH_HEADER] = "header",   [SEARCH_BODY] = "body",
    [SEARCH_TEXT] = "text",       [SEARCH_MODSEQ] = "modseq",
};

static void print_set(struct buf *out, const struct command *c, const struct search_key *k)
{
    const struct search_set *set = c->search.sets;

    while (set && set->key != k)
        set = set->next;
    assert_non_null(set);
    if (set->uid)
        buf_add(out, STR(" uid"));
    for (unsigned i = 0; i < set->set.n; i++)
        buf_addf(out, "%s%u:%u", i ? "," : " ", set->set.ranges[i].first,
                 set->set.ranges[i].last);
}

static void print_key(struct buf *out, const struct command *c, const struct search_key *k)
{
    buf_addf(out, "(%s", names[k->op]);
    if (k->op == SEARCH_UIDS)
        print_set(out, c, k);
    if (k->op == SEARCH_FLAGS)
        buf_addf(out, " %c", 'A' + __builtin_ctz(k->mask));
    if (k->number)
        buf_addf(out, " %lld", (long long)k->number);
    if (k->field.n)
        buf_addf(out, " %.*s", STR_ARGS(k->field));
    if (k->op == SEARCH_HEADER || k->op == SEARCH_BODY || k->op == SEARCH_TEXT ||
        k->op == SEARCH_KEYWORD)
        buf_addf(out, " '%.*s'", STR_ARGS(k->text));
    for (const struct search_key *kid = k->kids; kid; kid = kid->next) {
        buf_add_byte(out, ' ');
        print_key(out, c, kid);
    }
    buf_add_byte(out, ')');
}

static void print_search(struct buf *out, const struct command *c)
{
    if (c->uid)
        buf_add(out, STR("uid "));
    if (c->search.extended)
        buf_addf(out, "returns=%u ", c->search.returns);
    if (c->search.modseq)
        buf_add(out, STR("modseq "));
    print_key(out, c, c->search.tree);
}

static const struct {
    const char *text, *want;
} good[] = {
    {"SEARCH ALL",                                                             "(and (all))"                                                },
    {"uid search unseen",                                                      "uid (and (not (flag S)))"                                   },
    {"SEARCH ANSWERED DELETED DRAFT FLAGGED SEEN",
     "(and (flag R) (flag T) (flag D) (flag F) (flag S))"                                                                                   },
    {"SEARCH UNANSWERED UNDELETED UNDRAFT UNFLAGGED",
     "(and (not (flag R)) (not (flag T)) (not (flag D)) (not (flag F)))"                                                                    },
    {"SEARCH NEW OLD RECENT",                                                  "(and (and (recent) (not (flag S))) (not (recent)) (recent))"},
    {"SEARCH KEYWORD $Junk UNKEYWORD b",                                       "(and (keyword '$Junk') (not (keyword 'b')))"                },
    {"SEARCH 1,3:* UID 5:7",                                                   "(and (set 1:1,3:0) (set uid 5:7))"                          },
    {"SEARCH *",                                                               "(and (set 0:0))"                                            },
    {"SEARCH BEFORE 2-Jan-1970 ON \"01-Jan-1970\" SINCE 1-Feb-1970",
     "(and (before 1) (on) (since 31))"                                                                                                     },
    {"SEARCH SENTBEFORE 31-Dec-1969 SENTON 3-Jan-1970 SENTSINCE 4-Jan-1970",
     "(and (sentbefore -1) (senton 2) (sentsince 3))"                                                                                       },
    {"SEARCH LARGER 5000000000 SMALLER 1",                                     "(and (larger 5000000000) (smaller 1))"                      },
    {"SEARCH BCC a CC b FROM \"c d\" SUBJECT {3}\r\ne\"f TO \"\"",
     "(and (header Bcc 'a') (header Cc 'b') (header From 'c d') (header Subject 'e\"f') "
     "(header To ''))"                                                                                                                      },
    {"SEARCH HEADER X-Spam yes BODY a TEXT b",
     "(and (header X-Spam 'yes') (body 'a') (text 'b'))"                                                                                    },
    {"SEARCH NOT OR SEEN (FROM a TO b)",
     "(and (not (or (flag S) (and (header From 'a') (header To 'b')))))"                                                                    },
    {"SEARCH ((ALL) (ALL ALL))",                                               "(and (and (and (all)) (and (all) (all))))"                  },
    {"SEARCH RETURN () ALL",                                                   "returns=4 (and (all))"                                      },
    {"UID SEARCH return (min MAX Count ALL) ALL",                              "uid returns=15 (and (all))"                                 },
    {"SEARCH MODSEQ 620162338",                                                "modseq (and (modseq 620162338))"                            },
    {"SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338",                       "modseq (and (modseq 620162338))"                            },
    {"SEARCH RETURN (MIN) CHARSET UTF-8 TEXT {2}\r\n\xc3\xa9",
     "returns=1 (and (text '\xc3\xa9'))"                                                                                                    },
    {"SEARCH CHARSET \"iso-8859-1\" OR SUBJECT {1}\r\n\xe9 BODY {1+}\r\n\xe8",
     "(and (or (header Subject '\xc3\xa9') (body '\xc3\xa8')))"                                                                             },
    {"SEARCH TEXT {1}\r\n\xe9",                                                "(and (text '\xef\xbf\xbd'))"                                },
};

static void parses(void **state)
{
    struct buf out;
    struct arena a;

    (void)state;
    buf_init(&out, PRINT_BYTES);
    arena_init(&a);
    for (size_t i = 0; i < COUNT(good); i++) {
        struct command c;
        const char *why = "";
        struct str text = arena_printf(&a, "a %s", good[i].text);

        buf_clear(&out);
        if (!parse_command(text, &a, &c, &why))
            fail_msg("%s: %s", good[i].text, why);
        assert_int_equal(c.verb, VERB_SEARCH);
        assert_false(c.bad_charset);
        print_search(&out, &c);
        assert_string_equal(buf_c(&out), good[i].want);
    }
    arena_done(&a);
    buf_done(&out);
}

static void refuses(void **state)
{
    static const char *const bad[] = {
        "SEARCH",
        "SEARCH ",
        "SEARCH  ALL",
        "SEARCH ALL ",
        "SEARCH BOGUS",
        "SEARCH ALL,",
        "SEARCH ()",
        "SEARCH (ALL",
        "SEARCH ALL)",
        "SEARCH (ALL )",
        "SEARCH NOT",
        "SEARCH OR ALL",
        "SEARCH FROM",
        "SEARCH FROM (a)",
        "SEARCH HEADER a",
        "SEARCH KEYWORD \\Seen",
        "SEARCH KEYWORD",
        "SEARCH ON 32-Jan-2000",
        "SEARCH ON 2000-01-01",
        "SEARCH LARGER -1",
        "SEARCH LARGER 99999999999999999999",
        "SEARCH 0",
        "SEARCH 1:0",
        "SEARCH UID",
        "SEARCH UID a",
        "SEARCH 4294967296",
        "SEARCH RETURN ALL",
        "SEARCH RETURN (FOO) ALL",
        "SEARCH RETURN (MIN MAX",
        "SEARCH RETURN (MIN)ALL",
        "SEARCH RETURN (MIN)",
        "SEARCH CHARSET UTF-8",
        "SEARCH CHARSET UTF-8 ",
        "SEARCH MODSEQ x",
        "SEARCH MODSEQ \"/flags/x\" none 1",
        "SEARCH MODSEQ \"/flags/x\" all",
        "SEARCH $",
    };
    struct arena a;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct command c;
        const char *why = "";

        if (parse_command(arena_printf(&a, "a %s", bad[i]), &a, &c, &why))
            fail_msg("%s", bad[i]);
        assert_true(*why);
        assert_int_equal(c.verb, VERB_SEARCH);
    }
    arena_done(&a);
}

static bool parses_text(struct str text, const char **why)
{
    struct command c;
    struct arena a;

    arena_init(&a);
    bool good_one = parse_command(text, &a, &c, why);
    arena_done(&a);
    return good_one;
}

static bool parses_repeated(const char *front, const char *again, unsigned n, const char *end,
                            const char **why)
{
    struct buf text;

    buf_init(&text, PRINT_BYTES);
    buf_addf(&text, "a SEARCH %s", front);
    for (unsigned i = 0; i < n; i++)
        buf_add(&text, str_c(again));
    buf_add(&text, str_c(end));
    bool good_one = parses_text(buf_str(&text), why);
    buf_done(&text);
    return good_one;
}

static void i12_limits(void **state)
{
    static const struct {
        const char *front, *again, *end;
        unsigned most; /* of `again` */
        const char *why;
    } rows[] = {
        {"",          "NOT ",    "ALL", SEARCH_DEPTH - 1,  "search keys are nested too deep"},
        {"",          "OR ALL ", "ALL", SEARCH_DEPTH - 1,  "search keys are nested too deep"},
        {"ALL",       " ALL",    "",    SEARCH_KEYS - 2,   "too many search keys"           },
        {"ALL",       " TEXT a", "",    SEARCH_TEXT_KEYS,  "too many BODY and TEXT keys"    },
        {"TEXT ",     "a",       "",    SEARCH_TEXT_BYTES, "a search string is too long"    },
        {"HEADER ",   "a",       " b",  SEARCH_TEXT_BYTES, "a field's name is too long"     },
        {"HEADER a ", "b",       "",    SEARCH_TEXT_BYTES, "a search string is too long"    },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *why = "";

        for (unsigned n = rows[i].most - 1; n <= rows[i].most; n++)
            if (!parses_repeated(rows[i].front, rows[i].again, n, rows[i].end, &why))
                fail_msg("%s %s: %s", rows[i].front, rows[i].again, why);
        assert_false(
            parses_repeated(rows[i].front, rows[i].again, rows[i].most + 1, rows[i].end, &why));
        assert_string_equal(why, rows[i].why);
    }
}

/* A hundred thousand of them are looked at no further than the limit. */
static void i12_as_written(void **state)
{
    const char *why = "";

    (void)state;
    assert_false(parses_repeated("", "NOT ", 100000, "ALL", &why));
    assert_string_equal(why, "search keys are nested too deep");
    assert_false(parses_repeated("", "OR ", 100000, "ALL", &why));
    assert_string_equal(why, "search keys are nested too deep");
    assert_false(parses_repeated("", "(", 100000, "", &why));
    assert_string_equal(why, "search keys are nested too deep");
    assert_false(parses_repeated("HEADER x ", "y", 1000000, "", &why));
    assert_string_equal(why, "a search string is too long");
}

/* A charset that is not known is told by NO, bad syntax behind it by BAD. */
static void i13_charsets(void **state)
{
    static const char unknown[][16] = {"X-BOGUS", "UTF-7", "\"\"", "utf-8//IGNORE"};
    struct arena a;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < COUNT(unknown); i++) {
        struct command c;
        const char *why;

        assert_true(parse_command(arena_printf(&a, "a SEARCH CHARSET %s TEXT x", unknown[i]),
                                  &a, &c, &why));
        assert_true(c.bad_charset);
        assert_false(parse_command(arena_printf(&a, "a SEARCH CHARSET %s TEXT", unknown[i]), &a,
                                   &c, &why));
    }
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),       cmocka_unit_test(refuses),
        cmocka_unit_test(i12_limits),   cmocka_unit_test(i12_as_written),
        cmocka_unit_test(i13_charsets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
