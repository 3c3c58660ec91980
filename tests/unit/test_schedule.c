/* When a letter is tried again, and what it takes to give it up. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "mta/queue/schedule.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
static const uint64_t DAY = 24 * (uint64_t)HOUR;

static const struct schedule usual = {.first_ms = 5 * MINUTE,
                                      .most_ms = 4 * HOUR,
                                      .life_ms = 5 * 24 * (uint64_t)HOUR,
                                      .late_ms = 4 * HOUR};

static void the_wait_doubles_up_to_the_most(void **state)
{
    static const struct {
        unsigned backoff;
        uint64_t minutes;
    } rows[] = {
        {0,     5  },
        {1,     5  },
        {2,     10 },
        {3,     20 },
        {6,     160},
        {7,     240},
        {8,     240},
        {60000, 240}
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t want = rows[i].minutes * MINUTE;

        for (uint64_t r = 0; r <= UINT32_MAX; r += UINT32_MAX / 97) {
            uint64_t wait = schedule_wait_ms(&usual, rows[i].backoff, (uint32_t)r);

            assert_in_range(wait, want - want / 4, want + want / 4);
        }
    }
}

/* What failed together comes back spread out. */
static void the_wait_is_spread(void **state)
{
    uint64_t least = UINT64_MAX, most = 0;

    (void)state;
    for (uint32_t r = 0; r < 1000; r++) {
        uint64_t wait = schedule_wait_ms(&usual, 1, r * 2654435761U);

        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_true(most - least > 2 * MINUTE);
}

static void odd_limits_still_make_sense(void **state)
{
    static const struct schedule none = {0, 0, 0, 0},
                                 inverted = {10 * SECOND, SECOND, MINUTE, 0};
    static const struct schedule tiny = {1, 1, UINT64_MAX, 0};

    (void)state;
    assert_true(schedule_wait_ms(&none, 1, 7) <= 1);
    assert_true(schedule_wait_ms(&none, 60000, 7) <= 1);
    assert_in_range(schedule_wait_ms(&inverted, 5, 0), 7 * SECOND, 13 * SECOND);
    assert_int_equal(schedule_tries_needed(&none), 1);
    assert_true(schedule_tries_needed(&tiny) >= 1);
}

static void X17_a_jump_of_the_calendar_ends_no_letter(void **state)
{
    unsigned needed = schedule_tries_needed(&usual);
    uint64_t came = 1000 * DAY;

    (void)state;
    assert_in_range(needed, 10, 30);
    assert_false(schedule_is_over(&usual, 1, came, came + 3650 * DAY));
    assert_false(schedule_is_over(&usual, needed - 1, came, came + 3650 * DAY));
    assert_true(schedule_is_over(&usual, needed, came, came + 3650 * DAY));
    assert_false(schedule_is_over(&usual, 60000, came, 0)); /* back to 1970 */
    assert_false(schedule_is_over(&usual, 60000, came, came));
}

static void age_and_tries_count_to_the_very_one(void **state)
{
    unsigned needed = schedule_tries_needed(&usual);
    uint64_t came = 1000 * DAY, end = came + usual.life_ms;

    (void)state;
    assert_false(schedule_is_over(&usual, needed, came, end - 1));
    assert_true(schedule_is_over(&usual, needed, came, end));
    assert_true(schedule_is_over(&usual, needed + 1, came, end + 1));
    assert_false(schedule_is_over(&usual, needed - 1, came, end));
}

/* Every letter that nobody takes comes to its end, whatever the jitter. */
static void each_letter_has_an_end(void **state)
{
    static const struct schedule all[] = {
        {5 * MINUTE, 4 * HOUR, 5 * 24 * (uint64_t)HOUR, 0},
        {SECOND,     SECOND,   3 * SECOND,              0},
        {SECOND,     MINUTE,   10 * SECOND,             0},
        {HOUR,       HOUR,     MINUTE,                  0},
        {1,          1,        100,                     0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        for (uint32_t r = 0; r < 4; r++) {
            uint64_t now = 0;
            unsigned tries = 0;

            do
                now += schedule_wait_ms(&all[i], ++tries, r * 0x55555555U);
            while (!schedule_is_over(&all[i], tries + 1, 0, now));
            uint64_t late = all[i].life_ms * 2 + all[i].most_ms * 2;
            assert_true(now <= late);
        }
}

/* As with its end: no jump of the calendar makes a mass of notices. */
static void X17_X20_late_by_both_clocks(void **state)
{
    struct schedule never = usual;
    uint64_t came = 1000 * DAY, late = came + usual.late_ms;

    (void)state;
    never.late_ms = 0;
    assert_false(schedule_is_late(&usual, 1, came, came + 3650 * DAY));
    assert_false(schedule_is_late(&usual, 2, came, late));
    assert_false(schedule_is_late(&usual, 3, came, late - 1));
    assert_true(schedule_is_late(&usual, 3, came, late));
    assert_false(schedule_is_late(&usual, 60000, came, 0)); /* back to 1970 */
    assert_false(schedule_is_late(&never, 60000, came, came + 3650 * DAY));
}

/* Who waits is tried at the moment when it is late, and at the end of its life, so that the
 * sender hears then and not up to a wait later. */
static void a_wait_ends_where_somebody_is_told(void **state)
{
    static const struct {
        uint64_t wait, age, want;
    } rows[] = {
        {HOUR,     0,                          HOUR    },
        {HOUR,     3 * HOUR + 1,               HOUR - 1},
        {HOUR,     3 * HOUR,                   HOUR    },
        {HOUR,     4 * HOUR - 1,               1       },
        {HOUR,     4 * HOUR,                   HOUR    },
        {5 * HOUR, 0,                          4 * HOUR},
        {5 * HOUR, 120 * HOUR - MINUTE,        MINUTE  },
        {5 * HOUR, 120 * HOUR,                 5 * HOUR},
        {5 * HOUR, 3650 * 24 * (uint64_t)HOUR, 5 * HOUR},
    };
    uint64_t came = 1000 * DAY;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(schedule_wait_within(&usual, rows[i].wait, came, came + rows[i].age),
                         rows[i].want);
    assert_int_equal(schedule_wait_within(&usual, 5 * HOUR, came, 0), 4 * HOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wait_doubles_up_to_the_most),
        cmocka_unit_test(the_wait_is_spread),
        cmocka_unit_test(odd_limits_still_make_sense),
        cmocka_unit_test(X17_a_jump_of_the_calendar_ends_no_letter),
        cmocka_unit_test(age_and_tries_count_to_the_very_one),
        cmocka_unit_test(each_letter_has_an_end),
        cmocka_unit_test(X17_X20_late_by_both_clocks),
        cmocka_unit_test(a_wait_ends_where_somebody_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
