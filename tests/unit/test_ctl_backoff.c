#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ctl/backoff.h"

static void the_first_restart_is_at_once_then_it_grows(void **state)
{
    static const uint64_t want[] = {0, 250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct backoff b = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_int_equal(backoff_died(&b, 0), want[i]);
    for (int i = 0; i < 100; i++)
        assert_int_equal(backoff_died(&b, 0), BACKOFF_MAX_MS);
}

static void who_served_steadily_is_started_at_once(void **state)
{
    struct backoff b = {0};

    (void)state;
    for (int i = 0; i < 20; i++)
        backoff_died(&b, 0);
    assert_int_equal(backoff_died(&b, BACKOFF_STEADY_MS), 0);
    assert_int_equal(backoff_died(&b, 0), BACKOFF_FIRST_MS);
}

/* X01: a process killed again and again is there within a second, every time. */
static void who_served_is_never_late(void **state)
{
    struct backoff b = {0};

    (void)state;
    for (int i = 0; i < 200; i++)
        assert_int_equal(backoff_died(&b, BACKOFF_STEADY_MS), 0);
    assert_int_equal(backoff_died(&b, BACKOFF_STEADY_MS - 1), BACKOFF_FIRST_MS);
    for (int i = 0; i < 200; i++)
        assert_int_equal(backoff_died(&b, 1), BACKOFF_SERVED_MAX_MS);
}

static void a_short_service_ends_a_long_wait(void **state)
{
    struct backoff b = {0};

    (void)state;
    for (int i = 0; i < 20; i++)
        backoff_died(&b, 0);
    assert_int_equal(backoff_died(&b, 1), BACKOFF_SERVED_MAX_MS);
    assert_int_equal(backoff_died(&b, 0), 2 * BACKOFF_SERVED_MAX_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_restart_is_at_once_then_it_grows),
        cmocka_unit_test(who_served_steadily_is_started_at_once),
        cmocka_unit_test(who_served_is_never_late),
        cmocka_unit_test(a_short_service_ends_a_long_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
