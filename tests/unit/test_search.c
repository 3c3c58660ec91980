/* Trees of keys over a mailbox: the right letters, however few rows a step looks at. */
#include "mailbox_world.h"
#include "store/search_impl.h"

enum { DAY = 20000 }; /* 2024-10-04 */

/* ---- trees ---- */

static struct arena trees;

static struct search_key *key(enum search_op op)
{
    struct search_key *k = ARENA_NEW(&trees, struct search_key);

    k->op = op;
    return k;
}

static struct search_key *number(enum search_op op, int64_t n)
{
    struct search_key *k = key(op);

    k->number = (uint64_t)n;
    return k;
}

static struct search_key *flag(uint32_t mask)
{
    struct search_key *k = key(SEARCH_FLAGS);

    k->mask = mask;
    return k;
}

static struct search_key *text(enum search_op op, const char *s)
{
    struct search_key *k = key(op);

    k->text = str_c(s);
    return k;
}

static struct search_key *field(const char *name, const char *s)
{
    struct search_key *k = text(SEARCH_HEADER, s);

    k->field = str_c(name);
    return k;
}

static struct search_key *uids(uint32_t first, uint32_t last)
{
    struct search_key *k = key(SEARCH_UIDS);

    uidset_add(&k->uids, first, last);
    return k;
}

static struct search_key *no(struct search_key *a)
{
    struct search_key *k = key(SEARCH_NOT);

    k->kids = a;
    return k;
}

static struct search_key *pair(enum search_op op, struct search_key *a, struct search_key *b)
{
    struct search_key *k = key(op);

    k->kids = a;
    a->next = b;
    return k;
}

static struct search_key *both(struct search_key *a, struct search_key *b)
{
    return pair(SEARCH_AND, a, b);
}

static struct search_key *either(struct search_key *a, struct search_key *b)
{
    return pair(SEARCH_OR, a, b);
}

/* ---- a mailbox ---- */

static const struct {
    const char *name, *text;
} letters[] = {
  /* 1 */ {"cur/1728000000.a.h:2,S",
           "From: Alice <alice@example.test>\nTo: bob@example.test\nSubject: Hello World\n"
             "Date: Fri, 4 Oct 2024 23:30:00 -0500\n\nfirst body\n"                           },
 /* 2 */
    {"cur/1728000001.b.h:2,FSa",
           "From: Bob <bob@example.test>\nCc: carol@example.test\n"
     "Subject: =?utf-8?q?=C3=84rger?= mit\n\tFalten\nDate: 3 Oct 2024 10:00:00 +0000\n"
     "X-Odd: yes\n\nzweiter Text with hello\n"                                                },
 /* 3 */
    {"new/1728000002.c.h",       "From: carol@example.test\nSubject: no date\n\nthird\n"},
 /* 4 */
    {"cur/1728000003.d.h:2,T",
           "From: dave@example.test\nSubject: =?iso-8859-1?b?ZfFl?=\nSubject: second\n"
     "Date: Sat, 5 Oct 2024 00:10:00 +0900\nX-Odd: no\n\nfourth HELLO again\n"
     "and a line to make it longer than all of the others are, so that it is the largest "
     "of them\n"                                                                              },
 /* 5 */
    {"cur/1728000004.e.h:2,RS",  "Subject:\n\n\n"                                       },
};

enum { LETTERS = sizeof(letters) / sizeof(letters[0]) };

static int set_up_letters(void **state)
{
    struct fixture *f;

    arena_init(&trees);
    set_up(state);
    f = *state;
    for (size_t i = 0; i < LETTERS; i++) {
        char path[WORLD_BYTES];
        struct timespec times[2] = {{0}};

        put(f, letters[i].name, letters[i].text);
        times[0].tv_sec = times[1].tv_sec = ((int64_t)DAY + (int64_t)i) * 86400 + 3600;
        assert_int_equal(utimensat(f->w.fd, path_in(path, letters[i].name), times, 0), 0);
        rows(f, NULL, 0, 0); /* UIDs in this order */
    }
    return 0;
}

static int tear_down_letters(void **state)
{
    arena_done(&trees);
    return tear_down(state);
}

/* "1,3": the answer in steps of so many rows. */
static void search(struct fixture *f, struct search *s, const struct uidset *among,
                   unsigned budget, struct buf *out, uint64_t *modseq)
{
    struct uidset hits = {0};
    struct err err = {0};
    int rc;

    *modseq = 0;
    do {
        begin(f, MAILBOX_READ);
        rc = search_run(s, f->b, among, budget, &hits, modseq, &err);
        if (rc < 0)
            fail_msg("%s", err.text);
        end(f);
    } while (rc > 0);
    uidset_print(out, &hits);
    uidset_done(&hits);
}

static void finds(struct fixture *f, struct search_key *tree, const char *want)
{
    struct uidset among = {0};
    struct arena a;
    struct buf out;
    uint64_t modseq;

    arena_init(&a);
    buf_init(&out, 1000);
    uidset_add(&among, 1, LETTERS + 1);
    struct search *s = search_new(tree, &a);
    search(f, s, &among, 10000, &out, &modseq);
    assert_string_equal(buf_c(&out), want);
    search_done(s);
    uidset_done(&among);
    arena_done(&a);
    buf_done(&out);
}

static void rows_and_flags(void **state)
{
    struct fixture *f = *state;

    finds(f, key(SEARCH_ALL), "1:5");
    finds(f, key(SEARCH_AND), "1:5");
    finds(f, flag(NAME_SEEN), "1:2,5");
    finds(f, no(flag(NAME_SEEN)), "3:4");
    finds(f, flag(NAME_SEEN | NAME_FLAGGED), "2");
    finds(f, uids(2, 9), "2:5");
    finds(f, no(uids(2, 3)), "1,4:5");
    finds(f, number(SEARCH_RECENT, 4), "4:5");
    finds(f, both(uids(1, 4), either(flag(NAME_TRASHED), flag(NAME_FLAGGED))), "2,4");
    finds(f, number(SEARCH_LARGER, 200), "4");
    finds(f, number(SEARCH_SMALLER, 14), ""); /* "Subject:", two empty lines: CRLF thrice */
    finds(f, number(SEARCH_SMALLER, 15), "5");
    finds(f, number(SEARCH_LARGER, 13), "1:5");
    finds(f, number(SEARCH_ON, DAY + 1), "2");
    finds(f, number(SEARCH_BEFORE, DAY + 1), "1");
    finds(f, number(SEARCH_SINCE, DAY + 3), "4:5");
    finds(f, number(SEARCH_MODSEQ, 1), "1:5");
    finds(f, number(SEARCH_MODSEQ, INT64_MAX), "");
    finds(f, text(SEARCH_KEYWORD, "nothing"), "");
}

static void fields(void **state)
{
    struct fixture *f = *state;

    finds(f, field("From", "ALICE"), "1");
    finds(f, field("from", "example.test"), "1:4");
    finds(f, field("To", ""), "1");
    finds(f, field("Cc", "carol"), "2");
    finds(f, field("Bcc", ""), "");
    finds(f, field("Subject", "hello world"), "1");
    finds(f, field("Subject", "\xc3\xa4rger MIT falten"), "2");
    finds(f, field("Subject", "A\xcc\x88RGER"), "2");
    finds(f,
          field("Subject", "e\xc3\xb1"
                           "e"),
          "4");
    finds(f, field("Subject", "second"), "4");
    finds(f, field("Subject", ""), "1:5");
    finds(f, field("Subj", ""), "");
    finds(f, field("", "x"), "");
    finds(f, field("X-Odd", ""), "2,4");
    finds(f, field("x-odd", "NO"), "4");
    finds(f, no(field("X-Odd", "no")), "1:3,5");
    finds(f, number(SEARCH_SENTON, DAY), "1");
    finds(f, number(SEARCH_SENTBEFORE, DAY), "2");
    finds(f, number(SEARCH_SENTSINCE, DAY), "1,4");
    finds(f, no(number(SEARCH_SENTSINCE, DAY)), "2:3,5");
}

static void texts(void **state)
{
    struct fixture *f = *state;

    finds(f, text(SEARCH_BODY, "hello"), "2,4");
    finds(f, text(SEARCH_TEXT, "hello"), "1:2,4");
    finds(f, text(SEARCH_BODY, ""), "1:5");
    finds(f, text(SEARCH_TEXT, "x-odd: yes"), "2");
    finds(f, no(text(SEARCH_TEXT, "hello")), "3,5");
    finds(f, both(text(SEARCH_TEXT, "hello"), text(SEARCH_BODY, "first")), "1");
    finds(f, either(text(SEARCH_BODY, "third"), text(SEARCH_BODY, "first")), "1,3");
    finds(f, both(flag(NAME_SEEN), text(SEARCH_BODY, "hello")), "2");
    finds(f, both(text(SEARCH_BODY, "hello"), field("X-Odd", "no")), "4");
    finds(f, either(field("From", "alice"), text(SEARCH_BODY, "hello")), "1:2,4");
    finds(f,
          either(both(flag(NAME_SEEN), field("Cc", "carol")), no(text(SEARCH_TEXT, "example"))),
          "2,5");
}

/* M03: more fields than are kept are looked for in the letter itself. */
static void long_heads(void **state)
{
    struct fixture *f = *state;
    struct buf letter;

    buf_init(&letter, 1 << 20);
    buf_add(&letter, STR("Subject: long\nTo: first@example.test"));
    for (unsigned i = 0; i < MESSAGE_HEADER_BYTES / 10; i++)
        buf_add(&letter, STR(",\n other@example.test"));
    buf_add(&letter, STR(",\n last@example.test\nCc: copy@example.test\n\nbody\n"));
    put(f, "cur/1728000009.z.h:2,", buf_c(&letter));
    buf_done(&letter);
    rows(f, NULL, 0, 0);
    finds(f, both(uids(6, 6), field("To", "last@example")), "6");
    finds(f, both(uids(6, 6), field("Cc", "copy@example")), "6");
    finds(f, both(uids(6, 6), no(field("Cc", "nobody"))), "6");
    finds(f, both(uids(6, 6), field("Bcc", "")), "");
}

/* ---- steps ---- */

/* One tree with keys of all kinds, so that letters wait at each level. */
static struct search_key *of_all_kinds(void)
{
    return either(
        both(flag(NAME_SEEN), either(field("Subject", "hello"), text(SEARCH_BODY, "zweiter"))),
        either(field("X-Odd", "no"), text(SEARCH_KEYWORD, "none")));
}

static void steps_of_any_length(void **state)
{
    struct fixture *f = *state;
    struct uidset among = {0};
    uint64_t modseq;
    struct buf out;

    buf_init(&out, 1000);
    uidset_add(&among, 1, 2);
    uidset_add(&among, 4, 5);
    for (unsigned budget = 1; budget < 7; budget++) {
        struct search *s = search_new(of_all_kinds(), &trees);

        buf_clear(&out);
        search(f, s, &among, budget, &out, &modseq);
        assert_string_equal(buf_c(&out), "1:2,4");
        assert_true(modseq > 0);
        search_done(s);
    }
    uidset_done(&among);
    buf_done(&out);
}

/* Of those that match, not of all. */
static void highest_modseq(void **state)
{
    struct fixture *f = *state;
    struct uidset third = {0}, all = {0}, hits = {0};
    uint64_t changed = 0, modseq = 0;
    struct err err = {0};
    struct search *s = search_new(flag(NAME_SEEN), &trees);

    uidset_add(&third, 3, 3);
    uidset_add(&all, 1, LETTERS);
    begin(f, MAILBOX_WRITE);
    assert_int_equal(mailbox_store(f->b, &third, STORE_ADD,
                                   (struct mailbox_flags){.flags = NAME_REPLIED}, UINT64_MAX,
                                   NULL, &changed, &err),
                     0);
    end(f);
    begin(f, MAILBOX_READ);
    assert_int_equal(search_run(s, f->b, &all, 100, &hits, &modseq, &err), 0);
    end(f);
    assert_int_equal(uidset_count(&hits), 3);
    assert_true(modseq > 0 && modseq < changed);
    search_done(s);
    uidset_done(&third);
    uidset_done(&all);
    uidset_done(&hits);
}

/* A letter that goes away in the middle is no hit and stops nothing. */
static void letters_go(void **state)
{
    struct fixture *f = *state;
    finds(f, text(SEARCH_BODY, "hello"), "2,4");
    struct search *s = search_new(text(SEARCH_BODY, "o"), &trees);
    struct uidset all = {0}, hits = {0};
    char path[WORLD_BYTES], name[256], in_cur[300];
    struct err err = {0};
    uint64_t modseq = 0;
    uidset_add(&all, 1, LETTERS);
    begin(f, MAILBOX_READ);
    while (world_count(&f->w, ALICE "/cur", name) > 0) {
        snprintf(in_cur, sizeof(in_cur), "cur/%s", name);
        assert_int_equal(unlinkat(f->w.fd, path_in(path, in_cur), 0), 0);
    }
    assert_int_equal(search_run(s, f->b, &all, 100, &hits, &modseq, &err), 0);
    end(f);
    assert_int_equal(uidset_count(&hits), 0);
    finds(f, key(SEARCH_ALL), "");
    search_done(s);
    uidset_done(&all);
    uidset_done(&hits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_and_flags, set_up_letters, tear_down_letters),
        cmocka_unit_test_setup_teardown(fields, set_up_letters, tear_down_letters),
        cmocka_unit_test_setup_teardown(texts, set_up_letters, tear_down_letters),
        cmocka_unit_test_setup_teardown(long_heads, set_up_letters, tear_down_letters),
        cmocka_unit_test_setup_teardown(steps_of_any_length, set_up_letters, tear_down_letters),
        cmocka_unit_test_setup_teardown(highest_modseq, set_up_letters, tear_down_letters),
        cmocka_unit_test_setup_teardown(letters_go, set_up_letters, tear_down_letters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
