/* Sequence numbers, against a list that is numbered by counting. */
#include "imapd/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { OUT_BYTES = 1 << 20 };

static struct view view_of(uint32_t first, uint32_t last)
{
    struct view v;

    view_init(&v);
    uidset_add(&v.uids, first, last);
    return v;
}

static void assert_set(const struct uidset *s, const char *want)
{
    struct buf b;

    buf_init(&b, OUT_BYTES);
    uidset_print(&b, s);
    assert_string_equal(buf_c(&b), want);
    buf_done(&b);
}

struct resolve_row {
    const char *name;
    struct seqrange ranges[4];
    unsigned n;
    bool by_uid;
    const char *want; /* NULL: BAD */
};

static void test_resolve(void **state)
{
    /* the view holds 10:12,20,30:35 */
    static const struct resolve_row rows[] = {
        {"one number",                      {{1, 1}},                     1, false, "10"            },
        {"all",                             {{1, 0}},                     1, false, "10:12,20,30:35"},
        {"the last",                        {{0, 0}},                     1, false, "35"            },
        {"over gaps",                       {{3, 5}},                     1, false, "12,20,30"      },
        {"the wrong way round",             {{5, 3}},                     1, false, "12,20,30"      },
        {"in no order, twice",              {{5, 5}, {1, 2}, {2, 5}},     3, false, "10:12,20,30"   },
        {"'*' first",                       {{0, 9}},                     1, false, "34:35"         },
        {"too high",                        {{11, 11}},                   1, false, NULL            },
        {"one of them too high",            {{1, 1}, {3, 11}},            2, false, NULL            },
        {"the highest number",              {{1, UINT32_MAX}},            1, false, NULL            },
        {"a UID",                           {{20, 20}},                   1, true,  "20"            },
        {"UIDs over gaps",                  {{1, 31}},                    1, true,  "10:12,20,30:31"},
        {"no such UIDs",                    {{13, 19}, {UINT32_MAX, 36}}, 2, true,  ""              },
        {"all UIDs",                        {{1, UINT32_MAX}, {1, 0}},    2, true,  "10:12,20,30:35"},
        {"above the last, and so the last", {{559, 0}},                   1, true,  "35"            },
    };
    struct view v = view_of(10, 12);

    (void)state;
    uidset_add(&v.uids, 20, 20);
    uidset_add(&v.uids, 30, 35);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct seqrange ranges[4];
        struct seqset set = {ranges, rows[i].n, false};
        struct uidset out = {0};

        memcpy(ranges, rows[i].ranges, sizeof(ranges));
        print_message("%s\n", rows[i].name);
        assert_int_equal(view_resolve(&v, &set, rows[i].by_uid, &out), rows[i].want != NULL);
        if (rows[i].want)
            assert_set(&out, rows[i].want);
        uidset_done(&out);
    }
    view_done(&v);
}

static void test_empty(void **state)
{
    struct seqrange star[] =
        {
            {0, 0}
    },
                    all[] = {{1, 0}};
    struct seqset sets[] = {
        {star, 1, false},
        {all,  1, false}
    };
    struct view v;

    (void)state;
    view_init(&v);
    for (size_t i = 0; i < 2; i++) {
        struct uidset out = {0};

        assert_false(view_resolve(&v, &sets[i], false, &out));
        assert_true(view_resolve(&v, &sets[i], true, &out));
        assert_int_equal(uidset_count(&out), 0);
        uidset_done(&out);
    }
    view_done(&v);
}

static void test_numbers(void **state)
{
    struct view v = view_of(10, 12);
    struct uidset uids = {0}, numbers = {0};

    (void)state;
    uidset_add(&v.uids, 20, 25);
    uidset_add(&uids, 11, 21);
    uidset_add(&uids, 25, 99);
    view_numbers(&v, &uids, &numbers);
    assert_set(&numbers, "2:5,9");
    uidset_done(&uids);
    uidset_done(&numbers);
    view_done(&v);
}

/* ---- what is told, heard by a client that only counts ---- */

enum { LETTERS_MAX = 400 };

struct client {
    uint32_t uids[LETTERS_MAX];
    uint32_t n;
};

static void hear(struct client *c, struct buf *out)
{
    struct str in = buf_str(out);
    uint32_t seq;

    while (scan_word(&in, STR("* "))) {
        assert_true(scan_u32(&in, LETTERS_MAX, &seq));
        assert_true(scan_word(&in, STR(" EXPUNGE\r\n")));
        assert_in_range(seq, 1, c->n);
        memmove(&c->uids[seq - 1], &c->uids[seq], (c->n - seq) * sizeof(c->uids[0]));
        c->n--;
    }
    assert_int_equal(in.n, 0);
    buf_clear(out);
}

static void assert_same(const struct view *v, const struct client *c)
{
    assert_int_equal(uidset_count(&v->uids), c->n);
    for (uint32_t i = 0; i < c->n; i++)
        assert_int_equal(uidset_nth(&v->uids, i + 1), c->uids[i]);
}

static void grow(struct view *v, struct client *c, uint32_t *next)
{
    struct uidset fresh = {0}, none = {0};
    uint32_t n = (uint32_t)rand() % 8;

    for (uint32_t i = 0; i < n && c->n < LETTERS_MAX; i++) {
        *next += (uint32_t)rand() % 3 ? 1 : 5;
        uidset_add(&fresh, *next, *next);
        c->uids[c->n++] = *next;
    }
    view_grow(v, &fresh, &none);
    uidset_done(&fresh);
}

static void lose(struct view *v, uint32_t upto)
{
    struct uidset gone = {0};

    for (int i = rand() % 6; i > 0; i--) {
        uint32_t uid = (uint32_t)rand() % upto + 1;

        uidset_add(&gone, uid, uid + (uint32_t)rand() % 4);
    }
    view_lose(v, &gone);
    uidset_done(&gone);
}

static void test_against_counting(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, OUT_BYTES);
    for (unsigned round = 0; round < 50; round++) {
        struct client c = {.n = 0};
        uint32_t next = 0;
        struct view v;

        srand(round);
        view_init(&v);
        for (int turn = 0; turn < 60; turn++) {
            grow(&v, &c, &next);
            lose(&v, next + 1);
            assert_same(&v, &c);
            if (rand() % 3)
                continue;
            /* a little at a time: what has been told is told once */
            while (!view_tell_expunged(&v, &out, (size_t)rand() % 40 + 1)) {
                hear(&c, &out);
                assert_same(&v, &c);
            }
            hear(&c, &out);
            assert_same(&v, &c);
            assert_int_equal(uidset_count(&v.gone), 0);
        }
        view_done(&v);
    }
    buf_done(&out);
}

static void test_recent_goes_with_its_letter(void **state)
{
    struct view v = view_of(1, 3);
    struct uidset fresh = {0}, gone = {0};
    struct buf out;

    (void)state;
    buf_init(&out, OUT_BYTES);
    uidset_add(&fresh, 4, 6);
    view_grow(&v, &fresh, &fresh);
    uidset_add(&gone, 2, 2);
    uidset_add(&gone, 5, 9);
    view_lose(&v, &gone);
    assert_set(&v.gone, "2,5:6");
    assert_set(&v.recent, "4:6");
    assert_true(view_tell_expunged(&v, &out, OUT_BYTES));
    assert_string_equal(buf_c(&out), "* 6 EXPUNGE\r\n* 5 EXPUNGE\r\n* 2 EXPUNGE\r\n");
    assert_set(&v.uids, "1,3:4");
    assert_set(&v.recent, "4");
    uidset_done(&fresh);
    uidset_done(&gone);
    buf_done(&out);
    view_done(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_against_counting),
        cmocka_unit_test(test_recent_goes_with_its_letter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
