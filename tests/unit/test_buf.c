#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void grows_and_leaves_at_the_front(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100000);
    assert_int_equal(buf_str(&b).n, 0);
    for (int i = 0; i < 1000; i++)
        buf_addf(&b, "%04d", i);
    assert_int_equal(buf_str(&b).n, 4000);
    buf_drop(&b, 3996);
    assert_true(str_eq(buf_str(&b), STR("0999")));
    buf_add_byte(&b, '!');
    buf_add(&b, STR(""));
    assert_true(str_eq(buf_str(&b), STR("0999!")));
    buf_drop(&b, 5);
    assert_int_equal(b.from, 0);
    assert_false(buf_failed(&b));
    buf_done(&b);
}

/* A long stream through a small window: the block does not grow with what has passed. */
static void room_at_the_front_is_used_again(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 200);
    for (int i = 0; i < 10000; i++) {
        buf_add(&b, STR("0123456789"));
        if (b.n > 100)
            buf_drop(&b, 13);
    }
    assert_false(buf_failed(&b));
    assert_true(b.cap <= 512);
    buf_done(&b);
}

static void the_limit_counts_content(void **state)
{
    (void)state;
    for (size_t max = 0; max < 600; max += 7) {
        struct buf b;

        buf_init(&b, max);
        for (size_t i = 0; i < max; i++)
            buf_add_byte(&b, 'x');
        assert_false(buf_failed(&b));
        assert_int_equal(b.n, max);
        buf_add_byte(&b, 'y');
        assert_true(buf_failed(&b));
        assert_int_equal(b.n, max);
        buf_add(&b, STR(""));
        assert_null(buf_room(&b, 0));
        buf_clear(&b);
        assert_false(buf_failed(&b));
        buf_addf(&b, "%*s", (int)max + 1, "");
        assert_true(buf_failed(&b));
        assert_int_equal(b.n, 0);
        buf_done(&b);
    }
}

static void after_a_drop_there_is_room_again(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    buf_add(&b, STR("0123456789"));
    buf_drop(&b, 4);
    buf_add(&b, STR("abcd"));
    assert_false(buf_failed(&b));
    assert_true(str_eq(buf_str(&b), STR("456789abcd")));
    assert_string_equal(buf_c(&b), "456789abcd");
    buf_done(&b);
}

static void writes_in_place(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    char *to = buf_room(&b, 500);
    memset(to, 'z', 500);
    buf_grown(&b, 3);
    assert_true(str_eq(buf_str(&b), STR("zzz")));
    assert_null(buf_room(&b, 998));
    assert_true(buf_failed(&b));
    buf_done(&b);
}

static void gives_memory_back(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    buf_release(&b);
    assert_string_equal(buf_c(&b), "");
    buf_add(&b, STR("x"));
    buf_release(&b);
    assert_non_null(b.p);
    buf_drop(&b, 1);
    buf_release(&b);
    assert_null(b.p);
    assert_int_equal(buf_str(&b).n, 0);
    buf_add(&b, STR("y"));
    assert_string_equal(buf_c(&b), "y");
    buf_done(&b);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_leaves_at_the_front),
        cmocka_unit_test(room_at_the_front_is_used_again),
        cmocka_unit_test(the_limit_counts_content),
        cmocka_unit_test(after_a_drop_there_is_room_again),
        cmocka_unit_test(writes_in_place),
        cmocka_unit_test(gives_memory_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
