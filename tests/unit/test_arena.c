#include "base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void blocks_are_zeroed_and_aligned(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 16, 17, 1000, 1023, 1024, 1025, 100000};
    struct arena a;

    (void)state;
    arena_init(&a);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            unsigned char *p = arena_alloc(&a, sizes[i]);

            assert_non_null(p);
            assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
            for (size_t k = 0; k < sizes[i]; k++)
                assert_int_equal(p[k], 0);
            memset(p, 0xff, sizes[i]);
        }
        arena_reset(&a);
    }
    arena_done(&a);
}

static void pieces_do_not_touch(void **state)
{
    char *pieces[500];
    struct arena a;

    (void)state;
    arena_init(&a);
    for (int i = 0; i < 500; i++) {
        pieces[i] = arena_alloc(&a, (size_t)i % 90 + 1);
        memset(pieces[i], i & 0x7f, (size_t)i % 90 + 1);
    }
    for (int i = 0; i < 500; i++)
        for (int k = 0; k <= i % 90; k++)
            assert_int_equal(pieces[i][k], i & 0x7f);
    arena_done(&a);
}

static void copies_end_in_a_nul(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a);
    struct str s = arena_dup(&a, STR("a\0b"));
    assert_true(str_eq(s, STR("a\0b")));
    assert_int_equal(s.p[s.n], 0);
    s = arena_dup(&a, (struct str){NULL, 0});
    assert_int_equal(s.n, 0);
    assert_int_equal(s.p[0], 0);
    s = arena_printf(&a, "%d-%.*s", 17, STR_ARGS(STR("xy")));
    assert_true(str_eq(s, STR("17-xy")));
    assert_int_equal(s.p[s.n], 0);
    s = arena_printf(&a, "%2000d", 1);
    assert_int_equal(s.n, 2000);
    arena_done(&a);
}

static void an_empty_arena_may_end(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a);
    arena_reset(&a);
    arena_done(&a);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeroed_and_aligned),
        cmocka_unit_test(pieces_do_not_touch),
        cmocka_unit_test(copies_end_in_a_nul),
        cmocka_unit_test(an_empty_arena_may_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
