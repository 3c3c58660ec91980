/* Who may be called: windows that grow and shrink, destinations that are dead, domains that
 * share hosts, slots that slow ones do not get. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "mta/queue/destination.h"

#include <stdio.h>
#include <stdlib.h>

static const uint8_t secret[MAP_SECRET_BYTES] = {4, 5, 6};
static const struct schedule usual = {300000, 14400000, 432000000, 0};

enum { TRIPS = 400 };

/* Some domains with somebody due, and the deliveries that are under way. */
struct world {
    struct destinations *t;
    struct trip trips[TRIPS];
    bool used[TRIPS];
    uint64_t now;
};

static struct world *world_new(unsigned slots, unsigned window)
{
    struct world *w = calloc(1, sizeof(*w));

    if (!w)
        abort();
    w->t = destinations_new(secret);
    w->now = 1000;
    destinations_limit(w->t, slots, window, &usual);
    return w;
}

static void world_free(struct world *w)
{
    destinations_free(w->t);
    free(w);
}

static struct domain *due(struct world *w, const char *name)
{
    struct domain *d = destinations_domain(w->t, str_c(name), w->now);

    destinations_due(w->t, d, true);
    return d;
}

/* -1: nobody has a turn. */
static int begin(struct world *w)
{
    struct domain *d = destinations_next(w->t, w->now);
    int i = 0;

    if (!d)
        return -1;
    while (w->used[i])
        i++;
    w->used[i] = true;
    trip_begin(w->t, &w->trips[i], d, w->now);
    return i;
}

static void end(struct world *w, int i, enum destination_end how, const char *set)
{
    w->used[i] = false;
    trip_end(w->t, &w->trips[i], how, str_c(set), STR("words"), 0, w->now);
}

/* As many as may be under way. */
static unsigned fill(struct world *w)
{
    while (begin(w) >= 0) {
    }
    return destinations_trips(w->t);
}

static void end_all(struct world *w, enum destination_end how, const char *set)
{
    for (int i = 0; i < TRIPS; i++)
        if (w->used[i])
            end(w, i, how, set);
}

static void the_window_grows_by_one_for_each_that_is_full(void **state)
{
    static const unsigned want[] = {3, 4, 5, 6, 7, 7};
    struct world *w = world_new(100, 7);
    struct domain *d = due(w, "a.test");

    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        assert_int_equal(domain_window(d), want[i]);
        assert_int_equal(fill(w), want[i]);
        end_all(w, DESTINATION_ANSWERED, "s");
    }
    world_free(w);
}

static void trouble_halves_and_at_one_it_is_dead(void **state)
{
    static const unsigned left[] = {6, 3, 1, 1};
    struct world *w = world_new(100, 20);
    struct domain *d = due(w, "a.test");

    (void)state;
    for (int i = 3; i < 12; i++) {
        fill(w);
        end_all(w, DESTINATION_ANSWERED, "s");
    }
    assert_int_equal(domain_window(d), 12);
    assert_int_equal(fill(w), 12);
    for (int i = 0; i < 12; i++) {
        end(w, i, DESTINATION_SILENT, "s");
        if (i < 4)
            assert_int_equal(domain_window(d), left[i]);
        assert_int_equal(domain_is_dead(d), i >= 3);
    }
    assert_null(destinations_next(w->t, w->now));
    assert_ptr_equal(destinations_next_dead(w->t, w->now), d);
    assert_true(str_eq(domain_words(d), STR("words")));
    world_free(w);
}

/* Twelve who come together and are all told 421 say one thing. */
static void a_421_halves_once_for_those_who_left_together(void **state)
{
    struct world *w = world_new(100, 20);
    struct domain *d = due(w, "a.test");

    (void)state;
    for (int i = 3; i < 8; i++) {
        fill(w);
        end_all(w, DESTINATION_ANSWERED, "s");
    }
    fill(w);
    end_all(w, DESTINATION_BUSY, "s");
    assert_int_equal(domain_window(d), 4);
    assert_int_equal(fill(w), 4);
    end_all(w, DESTINATION_BUSY, "s");
    assert_int_equal(domain_window(d), 2);
    fill(w);
    end_all(w, DESTINATION_BUSY, "s");
    fill(w);
    end_all(w, DESTINATION_BUSY, "s");
    assert_true(domain_is_dead(d));
    world_free(w);
}

static void the_dead_wait_longer_and_one_asks(void **state)
{
    struct world *w = world_new(100, 20);
    struct domain *d = due(w, "a.test");
    uint64_t waits[12];

    (void)state;
    fill(w);
    end_all(w, DESTINATION_SILENT, "s");
    for (int i = 0; i < 12; i++) {
        uint64_t began = w->now;

        assert_true(domain_is_dead(d));
        assert_ptr_equal(destinations_next_dead(w->t, w->now), d);
        while (destinations_next_dead(w->t, w->now))
            w->now += 1000;
        waits[i] = w->now - began;
        assert_int_equal(fill(w), 1);
        end_all(w, DESTINATION_SILENT, "s");
    }
    /* half of a letter's own wait, the shorter end of it: 300 s * 3/4 / 2 */
    assert_in_range(waits[0], 112000, 114000);
    assert_in_range(waits[1], 225000, 226000);
    assert_int_equal(waits[11], DESTINATION_DEAD_MOST_MS);
    while (destinations_next_dead(w->t, w->now))
        w->now += 1000;
    fill(w);
    end_all(w, DESTINATION_ANSWERED, "s");
    assert_int_equal(fill(w), 2); /* and grows from one again */
    end_all(w, DESTINATION_SILENT, "s");
    assert_ptr_equal(destinations_next_dead(w->t, w->now), d);
    destinations_hope(w->t);
    assert_null(destinations_next_dead(w->t, w->now));
    assert_int_equal(fill(w), 1);
    world_free(w);
}

static void domains_of_the_same_hosts_share_a_window(void **state)
{
    struct world *w = world_new(100, 4);
    struct domain *a = due(w, "a.test"), *b = due(w, "B.test"), *c = due(w, "c.test");

    (void)state;
    assert_ptr_equal(due(w, "b.TEST"), b);
    assert_int_equal(fill(w), 9);
    assert_int_equal(destinations_count(w->t), 3);
    for (int i = 0; i < 9; i++)
        if (w->trips[i].domain == a ||
            (w->trips[i].domain == b && destinations_count(w->t) > 2))
            end(w, i, DESTINATION_ANSWERED, "same");
    assert_int_equal(destinations_count(w->t), 2);
    assert_int_equal(domain_window(a), 4);
    assert_int_equal(domain_trips(b), 2); /* its other two went along */
    assert_int_equal(fill(w), 4 + 3);
    assert_int_equal(domain_trips(c), 3);
    end_all(w, DESTINATION_SILENT, "same");
    assert_true(domain_is_dead(b));
    assert_true(domain_is_dead(c)); /* it has learnt that it is the same */
    assert_int_equal(destinations_count(w->t), 1);
    world_free(w);
}

static void a_domain_may_move(void **state)
{
    struct world *w = world_new(100, 4);
    struct domain *a = due(w, "a.test"), *b = due(w, "b.test");

    (void)state;
    fill(w);
    end_all(w, DESTINATION_ANSWERED, "one");
    assert_int_equal(destinations_count(w->t), 1);
    fill(w);
    for (int i = 0; i < 4; i++)
        if (w->trips[i].domain == b)
            end(w, i, DESTINATION_ANSWERED, "two");
    assert_int_equal(destinations_count(w->t), 2);
    end_all(w, DESTINATION_SILENT, "");
    assert_int_equal(domain_window(b), DESTINATION_WINDOW_FIRST);
    assert_int_equal(domain_window(a), 1);
    assert_false(domain_is_dead(b));
    world_free(w);
}

static void what_nobody_needs_is_forgotten_in_time(void **state)
{
    struct world *w = world_new(TRIPS, 4);
    struct domain *d = due(w, "untried.test");
    char name[32];

    (void)state;
    destinations_due(w->t, d, false);
    assert_int_equal(destinations_domains(w->t), 0); /* nothing is known of it */
    for (int i = 0; i < DESTINATION_DOMAINS + 5; i++) {
        snprintf(name, sizeof(name), "d%d.test", i);
        d = due(w, name);
        int trip = begin(w);
        destinations_due(w->t, d, false);
        snprintf(name, sizeof(name), "set%d", i / 2);
        end(w, trip, DESTINATION_ANSWERED, name);
    }
    assert_in_range(destinations_domains(w->t), DESTINATION_DOMAINS, DESTINATION_DOMAINS + 1);
    assert_in_range(destinations_count(w->t), DESTINATION_DOMAINS / 2,
                    DESTINATION_DOMAINS / 2 + 1);
    w->now += DESTINATION_LIFE_MS;
    due(w, "new.test");
    assert_int_equal(destinations_domains(w->t), 1);
    assert_int_equal(destinations_count(w->t), 1);
    world_free(w);
}

static void the_quick_always_find_a_slot(void **state)
{
    struct world *w = world_new(20, 10);
    struct domain *quick = due(w, "quick.test");
    char name[32];

    (void)state;
    int first = begin(w);
    end(w, first, DESTINATION_ANSWERED, "q");
    destinations_due(w->t, quick, false);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "new%d.test", i);
        due(w, name);
    }
    assert_int_equal(fill(w), 15); /* a quarter is left */
    destinations_due(w->t, quick, true);
    assert_true(begin(w) >= 0);
    assert_int_equal(domain_trips(quick), 1);
    w->now += DESTINATION_SLOW_MS; /* now it is as slow as the others */
    assert_int_equal(begin(w), -1);
    world_free(w);
}

/* A slow delivery goes along with its domain: who stays is not slow by it. */
static void what_moves_takes_its_slowness_along(void **state)
{
    struct world *w = world_new(4, 4);
    struct domain *a = due(w, "a.test"), *b;

    (void)state;
    end(w, begin(w), DESTINATION_ANSWERED, "one");
    destinations_due(w->t, a, false);
    b = due(w, "b.test");
    end(w, begin(w), DESTINATION_ANSWERED, "one");
    int slow = begin(w);
    w->now += DESTINATION_SLOW_MS;
    end(w, begin(w), DESTINATION_ANSWERED, "two");
    destinations_due(w->t, b, false);
    due(w, "a.test");
    end(w, begin(w), DESTINATION_ANSWERED, "one");
    destinations_due(w->t, a, false);
    due(w, "new1.test");
    due(w, "new2.test");
    assert_int_equal(fill(w), 3); /* with the slow one */
    due(w, "a.test");
    assert_true(begin(w) >= 0);
    assert_ptr_equal(w->trips[slow].domain, b);
    world_free(w);
}

static void one_destination_leaves_as_many_as_it_has(void **state)
{
    struct world *w = world_new(16, 16);

    (void)state;
    due(w, "a.test");
    for (int i = 0; i < 60; i++) {
        fill(w);
        end_all(w, DESTINATION_ANSWERED, "a");
    }
    assert_int_equal(fill(w), 8);
    due(w, "b.test");
    assert_int_equal(fill(w), 8 + 3);
    world_free(w);
}

static void limits_that_change_hold_at_once(void **state)
{
    struct world *w = world_new(100, 10);
    struct domain *d = due(w, "a.test");

    (void)state;
    for (int i = 0; i < 10; i++) {
        fill(w);
        end_all(w, DESTINATION_ANSWERED, "a");
    }
    fill(w);
    destinations_limit(w->t, 4, 2, &usual);
    assert_int_equal(domain_window(d), 2);
    assert_int_equal(begin(w), -1);
    end_all(w, DESTINATION_ANSWERED, "a");
    assert_int_equal(fill(w), 2);
    world_free(w);
}

/* ---- anything in any order ---- */

enum { NAMES = 12, SETS = 4, STEPS = 200000, SLOTS = 13, WINDOW = 6 };

/* What must hold after each step, counted anew from the trips alone. */
static void check(const struct world *w, struct domain *const *domains)
{
    unsigned all = 0;

    for (int i = 0; i < NAMES; i++) {
        unsigned own = 0, shared = 0;

        if (!domains[i])
            continue;
        for (int k = 0; k < TRIPS; k++) {
            own += w->used[k] && w->trips[k].domain == domains[i];
            shared += w->used[k] && w->trips[k].at == domains[i]->at;
        }
        assert_int_equal(domains[i]->trips, own);
        assert_int_equal(domain_trips(domains[i]), shared);
        assert_in_range(domain_window(domains[i]), 1, WINDOW);
        all += own;
    }
    assert_int_equal(all, destinations_trips(w->t));
    assert_in_range(all, 0, SLOTS);
    assert_in_range(destinations_count(w->t), 0, destinations_domains(w->t));
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void step(struct world *w, struct domain **domains, uint32_t *seed)
{
    static const char *const sets[SETS] = {"", "x", "y", "z"};
    uint32_t what = next_random(seed) % 16, which = next_random(seed) % NAMES;
    char name[8];

    if (what < 4) {
        snprintf(name, sizeof(name), "d%u", which);
        domains[which] = due(w, name);
    } else if (what < 6 && domains[which] && domains[which]->due) {
        bool stays = domains[which]->trips || domains[which]->learnt_ms;

        destinations_due(w->t, domains[which], false);
        if (!stays)
            domains[which] = NULL;
    } else if (what < 10) {
        int i = begin(w);

        if (i >= 0) {
            assert_true(w->trips[i].domain->due && !domain_is_dead(w->trips[i].domain));
            assert_in_range(domain_trips(w->trips[i].domain), 1,
                            domain_window(w->trips[i].domain));
        }
    } else if (what < 15) {
        int i = (int)(next_random(seed) % SLOTS);

        if (w->used[i]) {
            enum destination_end how = (enum destination_end)(next_random(seed) % 6);
            struct domain *d = w->trips[i].domain;
            bool stays = d->due || d->trips > 1 || d->learnt_ms || how != DESTINATION_UNTRIED;

            if (how > DESTINATION_UNTRIED)
                how = DESTINATION_ANSWERED;
            stays |= how != DESTINATION_UNTRIED;
            for (int k = 0; !stays && k < NAMES; k++)
                if (domains[k] == d)
                    domains[k] = NULL;
            end(w, i, how, sets[next_random(seed) % SETS]);
        }
    } else {
        w->now += next_random(seed) % 400000;
        while (destinations_next_dead(w->t, w->now))
            w->now += 60000;
    }
}

static void whatever_happens_the_counts_are_right(void **state)
{
    struct domain *domains[NAMES] = {0};
    struct world *w = world_new(SLOTS, WINDOW);
    uint32_t seed = 42;

    (void)state;
    for (int i = 0; i < STEPS; i++) {
        uint64_t learnt = w->now;

        step(w, domains, &seed);
        for (int k = 0; k < NAMES; k++) /* those that time has taken are looked up no more */
            if (domains[k] && !domains[k]->due && !domains[k]->trips &&
                domains[k]->learnt_ms + DESTINATION_LIFE_MS / 2 < learnt)
                destinations_due(w->t, domains[k], true);
        check(w, domains);
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_grows_by_one_for_each_that_is_full),
        cmocka_unit_test(trouble_halves_and_at_one_it_is_dead),
        cmocka_unit_test(a_421_halves_once_for_those_who_left_together),
        cmocka_unit_test(the_dead_wait_longer_and_one_asks),
        cmocka_unit_test(domains_of_the_same_hosts_share_a_window),
        cmocka_unit_test(a_domain_may_move),
        cmocka_unit_test(what_nobody_needs_is_forgotten_in_time),
        cmocka_unit_test(the_quick_always_find_a_slot),
        cmocka_unit_test(what_moves_takes_its_slowness_along),
        cmocka_unit_test(one_destination_leaves_as_many_as_it_has),
        cmocka_unit_test(limits_that_change_hold_at_once),
        cmocka_unit_test(whatever_happens_the_counts_are_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
