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

static void life_is_rewarded(void **state)
{
    struct backoff b = {0};

    (void)state;
    for (int i = 0; i < 5; i++)
        backoff_died(&b, 0);
    /* Two deaths are forgiven, this one is added: four in a row. */
    assert_int_equal(backoff_died(&b, 2 * BACKOFF_FORGIVE_MS), 1000);
    assert_int_equal(backoff_died(&b, 100 * BACKOFF_FORGIVE_MS), 0);
}

/* X01: a process killed every few seconds is there again at once, every time. */
static void one_that_serves_between_its_deaths_is_never_late(void **state)
{
    struct backoff b = {0};

    (void)state;
    for (int i = 0; i < 200; i++)
        assert_int_equal(backoff_died(&b, BACKOFF_FORGIVE_MS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_restart_is_at_once_then_it_grows),
        cmocka_unit_test(life_is_rewarded),
        cmocka_unit_test(one_that_serves_between_its_deaths_is_never_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
