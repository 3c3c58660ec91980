#include "store/uidset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* The model: a yes or no for each of so many UIDs, laid at the bottom or at the top of all that
 * there are. */
enum { UIDS = 120, ROUNDS = 200, STEPS = 150 };

static uint32_t base_uid; /* of model[0] */

static void well_formed(const struct uidset *s)
{
    uint32_t before = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        assert_true(s->ranges[i].first && s->ranges[i].first <= s->ranges[i].last);
        assert_int_equal(s->ranges[i].before, before);
        before += s->ranges[i].last - s->ranges[i].first + 1;
        if (i)
            assert_true(s->ranges[i].first - 1 > s->ranges[i - 1].last);
    }
    assert_int_equal(uidset_count(s), before);
}

static void is_model(const struct uidset *s, const bool *model)
{
    struct uidset_walk w = uidset_walk(s);
    uint32_t uid, seen = 0, last = 0;

    well_formed(s);
    for (uint32_t i = 0; i < UIDS; i++) {
        uint32_t at = base_uid + i;

        assert_int_equal(uidset_has(s, at), model[i]);
        if (model[i]) {
            last = at;
            seen++;
            assert_true(uidset_walk_next(&w, &uid));
            assert_int_equal(uid, at);
            assert_int_equal(uidset_nth(s, seen), at);
        }
        assert_int_equal(uidset_rank(s, at), model[i] ? seen : 0);
        assert_int_equal(uidset_upto(s, at), seen);
    }
    assert_false(uidset_walk_next(&w, &uid));
    assert_int_equal(uidset_count(s), seen);
    assert_int_equal(uidset_last(s), last);
    assert_int_equal(uidset_nth(s, 0), 0);
    assert_int_equal(uidset_nth(s, seen + 1), 0);
}

static void slices(const struct uidset *s)
{
    uint32_t all = uidset_count(s);

    for (uint32_t n = 1; n <= all; n += 7) {
        struct uidset part = {0};

        uidset_slice(s, n, 10, &part);
        assert_int_equal(uidset_count(&part), all - n + 1 < 10 ? all - n + 1 : 10);
        for (uint32_t i = 1; i <= uidset_count(&part); i++)
            assert_int_equal(uidset_nth(&part, i), uidset_nth(s, n + i - 1));
        uidset_done(&part);
    }
}

static uint32_t any(uint32_t below)
{
    return (uint32_t)random() % below;
}

static void mark(bool *model, uint32_t from, uint32_t to, bool is)
{
    for (uint32_t i = from; i <= to; i++)
        model[i] = is;
}

static void add_or_remove(struct uidset *s, bool *model, bool add)
{
    uint32_t from = any(UIDS), to = from + any(any(4) ? 4 : UIDS - from);

    to = to < UIDS ? to : UIDS - 1;
    mark(model, from, to, add);
    if (add)
        uidset_add(s, base_uid + from, base_uid + to);
    else
        uidset_remove(s, base_uid + from, base_uid + to);
}

static void join(struct uidset *s, bool *model)
{
    struct uidset other;
    bool others[UIDS] = {false};
    uint32_t how = any(3);

    uidset_init(&other);
    for (uint32_t n = any(30); n; n--)
        add_or_remove(&other, others, true);
    for (uint32_t i = 0; i < UIDS; i++)
        model[i] = how == 0   ? model[i] || others[i]
                   : how == 1 ? model[i] && others[i]
                              : model[i] && !others[i];
    if (how == 0)
        uidset_unite(s, &other);
    else if (how == 1)
        uidset_intersect(s, &other);
    else
        uidset_subtract(s, &other);
    is_model(&other, others);
    uidset_done(&other);
}

static void like_a_bitmap(uint32_t base)
{
    struct uidset s, copy;

    base_uid = base;
    uidset_init(&s);
    uidset_init(&copy);
    for (int round = 0; round < ROUNDS; round++) {
        bool model[UIDS] = {false};

        uidset_clear(&s);
        for (int step = 0; step < STEPS; step++) {
            if (any(10) == 0)
                join(&s, model);
            else
                add_or_remove(&s, model, any(2));
        }
        is_model(&s, model);
        slices(&s);
        uidset_copy(&copy, &s);
        is_model(&copy, model);
    }
    uidset_done(&s);
    uidset_done(&copy);
}

static void like_a_bitmap_at_the_bottom(void **state)
{
    (void)state;
    srandom(1);
    like_a_bitmap(1);
}

static void like_a_bitmap_at_the_top(void **state)
{
    (void)state;
    srandom(2);
    like_a_bitmap(UINT32_MAX - UIDS + 1);
}

static void prints_ranges(void **state)
{
    struct uidset s;
    struct buf out;

    (void)state;
    uidset_init(&s);
    buf_init(&out, 1000);
    uidset_print(&out, &s);
    assert_int_equal(buf_str(&out).n, 0);
    uidset_add(&s, 7, 7);
    uidset_add(&s, 1, 3);
    uidset_add(&s, UINT32_MAX - 1, UINT32_MAX);
    uidset_print(&out, &s);
    assert_true(str_eq(buf_str(&out), STR("1:3,7,4294967294:4294967295")));
    buf_done(&out);
    uidset_done(&s);
}

static void empty_ones(void **state)
{
    struct uidset a, b;

    (void)state;
    uidset_init(&a);
    uidset_init(&b);
    uidset_copy(&a, &b);
    uidset_unite(&a, &b);
    uidset_subtract(&a, &b);
    uidset_intersect(&a, &b);
    uidset_remove(&a, 1, UINT32_MAX);
    assert_int_equal(uidset_count(&a), 0);
    assert_int_equal(uidset_last(&a), 0);
    assert_false(uidset_has(&a, 0));
    uidset_add(&a, 1, UINT32_MAX);
    assert_int_equal(uidset_count(&a), UINT32_MAX);
    assert_int_equal(uidset_nth(&a, 77), 77);
    uidset_unite(&a, &a);
    uidset_subtract(&a, &a);
    assert_int_equal(a.n, 0);
    uidset_done(&a);
    uidset_done(&b);
}

/* A million letters that came one after the other are one range, found at once. */
static void grows_at_its_end(void **state)
{
    struct uidset s;

    (void)state;
    uidset_init(&s);
    for (uint32_t uid = 1; uid <= 1000000; uid++)
        uidset_add(&s, uid, uid);
    assert_int_equal(s.n, 1);
    for (uint32_t uid = 1000002; uid <= 1500000; uid += 2)
        uidset_add(&s, uid, uid);
    assert_int_equal(uidset_count(&s), 1250000);
    assert_int_equal(uidset_nth(&s, 1000003), 1000006);
    assert_int_equal(uidset_rank(&s, 1000006), 1000003);
    well_formed(&s);
    uidset_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_a_bitmap_at_the_bottom),
        cmocka_unit_test(like_a_bitmap_at_the_top),
        cmocka_unit_test(prints_ranges),
        cmocka_unit_test(empty_ones),
        cmocka_unit_test(grows_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
