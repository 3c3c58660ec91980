/* The letters that wait: whose turn it is, what becomes of recipients, and that nothing is
 * forgotten on the way. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "mta/queue/queue.h"

#include <stdlib.h>

static const uint8_t secret[MAP_SECRET_BYTES] = {1, 2, 3};

static struct id id_of(uint64_t n)
{
    uint8_t r[8];
    struct id id;

    memcpy(r, &n, 8);
    id_make(&id, 1000 + n / 3, r);
    return id;
}

static struct queue_letter *letter_from(uint64_t n, const char *sender, const char *far,
                                        size_t locals, size_t others)
{
    struct queue_envelope e = {
        .id = id_of(n),
        .size = 100 + n,
        .mail = {.reverse_path = str_c(sender), .envid = STR_LIT("env")},
        .flags = STR_LIT("via=msa")
    };
    struct queue_address *to = calloc(locals + others, sizeof(*to));

    if (!to)
        abort();
    for (size_t i = 0; i < locals + others; i++)
        to[i] =
            (struct queue_address){.number = (uint32_t)i,
                                   .address = i < locals ? STR("bob@example.test") : str_c(far),
                                   .orcpt = STR("rfc822;asked@example.test"),
                                   .notify = SMTP_NOTIFY_FAILURE,
                                   .local = i < locals};
    struct queue_letter *l = queue_letter_new(&e, to, locals + others);
    free(to);
    return l;
}

static struct queue_letter *letter_of(uint64_t n, size_t locals, size_t others)
{
    return letter_from(n, "alice@example.test", "x@elsewhere.test", locals, others);
}

static struct queue_letter *take(struct queue *q, size_t max, uint32_t *rcpts, size_t *n)
{
    struct queue_letter *l = queue_take(q, QUEUE_LOCAL, 0, NULL, rcpts, max, n);
    struct trip trip;

    if (!l && (l = queue_take(q, QUEUE_FAR, 0, &trip, rcpts, max, n)))
        trip_end(queue_destinations(q), &trip, DESTINATION_UNTRIED, STR(""), STR(""), 0, 0);
    return l;
}

static void a_letter_is_copied_whole(void **state)
{
    struct queue_letter *l = letter_of(1, 2, 1);

    (void)state;
    assert_true(str_eq(l->env.mail.reverse_path, STR("alice@example.test")));
    assert_true(str_eq(l->env.mail.envid, STR("env")));
    assert_true(str_eq(l->env.flags, STR("via=msa")));
    assert_int_equal(l->nrcpts, 3);
    assert_int_equal(l->ndue, 3);
    assert_true(str_eq(l->rcpts[0].address, STR("bob@example.test")));
    assert_true(str_eq(l->rcpts[2].address, STR("x@elsewhere.test")));
    assert_true(str_eq(l->rcpts[2].orcpt, STR("rfc822;asked@example.test")));
    assert_int_equal(l->rcpts[1].notify, SMTP_NOTIFY_FAILURE);
    queue_letter_free(l);
    queue_letter_free(NULL);
}

static void letters_go_in_the_order_they_came(void **state)
{
    struct queue *q = queue_new(secret);
    uint32_t rcpts[10];
    size_t n;

    (void)state;
    assert_null(take(q, 10, rcpts, &n));
    for (uint64_t i = 0; i < 5; i++)
        queue_add(q, letter_of(i, 1, 0));
    for (uint64_t i = 0; i < 5; i++) {
        struct queue_letter *l = take(q, 10, rcpts, &n);

        assert_non_null(l);
        assert_int_equal(l->env.size, 100 + i);
        assert_int_equal(n, 1);
    }
    assert_false(queue_has_due(q));
    assert_null(take(q, 10, rcpts, &n));
    queue_free(q);
}

/* A letter for many does not keep the line for itself. */
static void a_long_letter_goes_to_the_end_of_the_line(void **state)
{
    struct queue *q = queue_new(secret);
    static const uint64_t order[] = {1, 2, 1, 1};
    static const size_t count[] = {100, 1, 100, 50};
    uint32_t rcpts[100];
    size_t n;

    (void)state;
    queue_add(q, letter_of(1, 250, 0));
    queue_add(q, letter_of(2, 1, 0));
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(take(q, 100, rcpts, &n)->env.size, 100 + order[i]);
        assert_int_equal(n, count[i]);
    }
    assert_null(take(q, 100, rcpts, &n));
    queue_free(q);
}

static void local_and_other_recipients_do_not_mix(void **state)
{
    struct queue *q = queue_new(secret);
    struct queue_letter *l = letter_of(1, 2, 3);
    uint32_t rcpts[10];
    size_t n;

    (void)state;
    queue_add(q, l);
    assert_ptr_equal(take(q, 10, rcpts, &n), l);
    assert_int_equal(n, 2);
    assert_true(l->rcpts[rcpts[0]].local && l->rcpts[rcpts[1]].local);
    assert_ptr_equal(take(q, 10, rcpts, &n), l);
    assert_int_equal(n, 3);
    assert_false(l->rcpts[rcpts[0]].local);
    assert_int_equal(l->ntrying, 5);
    queue_free(q);
}

static void O09_each_recipient_ends_in_its_own_way(void **state)
{
    struct queue *q = queue_new(secret);
    struct queue_letter *l = letter_of(1, 3, 0);
    uint32_t rcpts[10];
    size_t n;

    (void)state;
    queue_add(q, l);
    assert_int_equal(queue_count_recipients(q), 3);
    take(q, 10, rcpts, &n);
    queue_end(q, l, 0, QUEUE_DONE);
    queue_defer(q, l, 1, 5000, STR("452 4.2.2 full"));
    queue_end(q, l, 2, QUEUE_FAILED);
    assert_int_equal(l->nopen, 1);
    assert_int_equal(l->ntrying, 0);
    assert_int_equal(queue_count_recipients(q), 1);
    assert_string_equal(l->rcpts[1].reply, "452 4.2.2 full");
    assert_int_equal(l->rcpts[1].tries, 1);
    assert_int_equal(l->rcpts[1].backoff, 1);

    assert_int_equal(queue_wake(q, 4999), 5000);
    assert_false(queue_has_due(q));
    assert_int_equal(queue_wake(q, 5000), UINT64_MAX);
    assert_ptr_equal(take(q, 10, rcpts, &n), l);
    assert_int_equal(n, 1);
    assert_int_equal(rcpts[0], 1);
    queue_end(q, l, 1, QUEUE_DONE);
    assert_int_equal(l->nopen, 0);
    queue_remove(q, l);
    assert_int_equal(queue_count(q), 0);
    queue_free(q);
}

static void what_is_put_back_is_first_and_not_counted(void **state)
{
    struct queue *q = queue_new(secret);
    uint32_t rcpts[10];
    size_t n;

    (void)state;
    queue_add(q, letter_of(1, 1, 0));
    queue_add(q, letter_of(2, 1, 0));
    struct queue_letter *l = take(q, 10, rcpts, &n);
    queue_put_back(q, l, 0);
    assert_int_equal(l->rcpts[0].tries, 0);
    assert_ptr_equal(take(q, 10, rcpts, &n), l);
    queue_free(q);
}

static void a_held_letter_is_not_taken(void **state)
{
    struct queue *q = queue_new(secret);
    struct queue_letter *l = letter_of(1, 2, 0);
    uint32_t rcpts[10];
    size_t n;

    (void)state;
    queue_add(q, l);
    queue_hold(q, l, true);
    assert_false(queue_has_due(q));
    queue_hold(q, l, false);
    assert_ptr_equal(take(q, 1, rcpts, &n), l);
    queue_hold(q, l, true); /* while it is being tried */
    queue_defer(q, l, rcpts[0], 100, STR("later"));
    assert_int_equal(queue_wake(q, 1000), UINT64_MAX);
    assert_false(queue_has_due(q));
    queue_hold(q, l, false);
    assert_int_equal(queue_wake(q, 1000), UINT64_MAX);
    take(q, 10, rcpts, &n);
    assert_int_equal(n, 2);
    queue_free(q);
}

static void retry_makes_due_and_flush_forgets(void **state)
{
    struct queue *q = queue_new(secret);
    struct queue_letter *l = letter_of(1, 1, 0);
    uint32_t rcpts[10];
    size_t n;

    (void)state;
    queue_add(q, l);
    for (unsigned i = 1; i < 4; i++) {
        take(q, 10, rcpts, &n);
        queue_defer(q, l, 0, UINT64_MAX - 1, STR("no"));
        assert_int_equal(l->rcpts[0].backoff, i);
        queue_retry(q, l, false);
    }
    take(q, 10, rcpts, &n);
    queue_defer(q, l, 0, UINT64_MAX - 1, STR("no"));
    queue_retry(q, l, true);
    assert_int_equal(l->rcpts[0].backoff, 0);
    assert_int_equal(l->rcpts[0].tries, 4);
    assert_true(queue_has_due(q));
    queue_free(q);
}

/* One letter of a sender waits for one of each other's, however many those have. */
static void senders_have_turns(void **state)
{
    static const char *const senders[] = {"many@a.test", "some@b.test", ""};
    static const uint64_t order[] = {0, 100, 200, 1, 101, 2, 3};
    uint32_t rcpts[10];
    size_t n;

    (void)state;
    for (size_t far = 0; far < 2; far++) {
        struct queue *q = queue_new(secret);

        for (uint64_t i = 0; i < 50; i++)
            queue_add(q, letter_from(i, senders[0], "x@D.test", 1 - far, far));
        queue_add(q, letter_from(100, senders[1], "x@d.test", 1 - far, far));
        queue_add(q, letter_from(101, senders[1], "x@d.test", 1 - far, far));
        queue_add(q, letter_from(200, senders[2], "x@d.test", 1 - far, far));
        for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
            assert_int_equal(take(q, 10, rcpts, &n)->env.size, 100 + order[i]);
        queue_free(q);
    }
}

/* Whatever waits for a destination that is full or dead, the next letter is at hand. */
static void destinations_have_turns(void **state)
{
    enum { MANY = 20000 };
    struct queue *q = queue_new(secret);
    struct schedule retry = {1000, 8000, 100000, 0};
    struct trip trips[DESTINATION_WINDOW_FIRST + 2];
    struct domain *to;
    uint32_t rcpts[10];
    size_t n, passed = 0;

    (void)state;
    destinations_limit(queue_destinations(q), 20, 5, &retry);
    for (uint64_t i = 0; i < MANY; i++)
        queue_add(q, letter_from(i, "many@a.test", "x@dead.test", 0, 1));
    queue_add(q, letter_from(MANY, "many@a.test", "x@good.test", 0, 1));
    for (size_t i = 0; i < DESTINATION_WINDOW_FIRST + 1; i++) {
        struct queue_letter *l = queue_take(q, QUEUE_FAR, 0, &trips[i], rcpts, 10, &n);

        assert_int_equal(l->env.size, 100 + (i == 1 ? MANY : i ? i - 1 : 0));
    }
    assert_null(queue_take(q, QUEUE_FAR, 0, &trips[4], rcpts, 10, &n)); /* dead.test is full */
    for (size_t i = 0; i < DESTINATION_WINDOW_FIRST + 1; i++)
        if (i != 1)
            trip_end(queue_destinations(q), &trips[i], DESTINATION_SILENT, STR("set"),
                     STR("no greeting"), 0, 10);
    assert_null(queue_take(q, QUEUE_FAR, 10, &trips[4], rcpts, 10, &n));
    for (struct queue_letter *l; (l = queue_take_dead(q, 10, &to, rcpts, 10, &n)); passed++) {
        assert_string_equal(domain_words(to).p, "no greeting");
        queue_pass(q, l, rcpts[0], 5000, STR("451 no"));
        assert_int_equal(l->rcpts[0].tries, 0);
        assert_int_equal(l->rcpts[0].backoff, 1);
    }
    assert_int_equal(passed, MANY - DESTINATION_WINDOW_FIRST);
    assert_false(queue_has_due(q));
    queue_wake(q, 5000); /* the first to come asks, the others wait for what it hears */
    assert_null(queue_take_dead(q, 5000, &to, rcpts, 10, &n));
    assert_non_null(queue_take(q, QUEUE_FAR, 5000, &trips[4], rcpts, 10, &n));
    assert_null(queue_take(q, QUEUE_FAR, 5000, &trips[3], rcpts, 10, &n));
    queue_free(q);
}

static void a_retry_by_hand_asks_the_dead(void **state)
{
    struct queue *q = queue_new(secret);
    struct queue_letter *l = letter_from(1, "a@b.test", "x@dead.test", 0, 1);
    struct schedule retry = {100000, 100000, 1000000, 0};
    struct domain *to;
    struct trip trip;
    uint32_t rcpts[10];
    size_t n;

    (void)state;
    destinations_limit(queue_destinations(q), 20, 1, &retry);
    queue_add(q, l);
    assert_ptr_equal(queue_take(q, QUEUE_FAR, 0, &trip, rcpts, 10, &n), l);
    trip_end(queue_destinations(q), &trip, DESTINATION_SILENT, STR(""), STR("x"), 0, 10);
    queue_defer(q, l, 0, 70000, STR("x"));
    queue_retry(q, l, false);
    assert_null(queue_take_dead(q, 20, &to, rcpts, 10, &n));
    assert_ptr_equal(queue_take(q, QUEUE_FAR, 20, &trip, rcpts, 10, &n), l);
    queue_free(q);
}

/* Domains of one letter are lines of their own, each with all of its recipients. */
static void a_letter_for_two_domains(void **state)
{
    struct queue *q = queue_new(secret);
    struct queue_envelope e = {.id = id_of(1)};
    struct queue_address to[] = {
        {.number = 0, .address = STR_LIT("a@one.test"),  .local = false},
        {.number = 1, .address = STR_LIT("b@two.test"),  .local = false},
        {.number = 2, .address = STR_LIT("c@ONE.test"),  .local = false},
        {.number = 3, .address = STR_LIT("d@here.test"), .local = true }
    };
    struct trip trips[2];
    uint32_t rcpts[10];
    size_t n;

    (void)state;
    queue_add(q, queue_letter_new(&e, to, 4));
    assert_non_null(queue_take(q, QUEUE_FAR, 0, &trips[0], rcpts, 10, &n));
    assert_int_equal(n, 2);
    assert_int_equal(rcpts[0], 0);
    assert_int_equal(rcpts[1], 2);
    assert_string_equal(trips[0].domain->name, "one.test");
    assert_non_null(queue_take(q, QUEUE_FAR, 0, &trips[1], rcpts, 10, &n));
    assert_int_equal(n, 1);
    assert_int_equal(rcpts[0], 1);
    assert_non_null(queue_take(q, QUEUE_LOCAL, 0, NULL, rcpts, 10, &n));
    assert_int_equal(rcpts[0], 3);
    assert_false(queue_has_due(q));
    queue_free(q);
}

static void ids_are_found_among_many(void **state)
{
    struct queue *q = queue_new(secret);
    enum { MANY = 5000 };

    (void)state;
    for (uint64_t i = 0; i < MANY; i++)
        queue_add(q, letter_of(i, 1, 0));
    for (uint64_t i = 0; i < MANY; i += 2) {
        struct id id = id_of(i);
        queue_remove(q, queue_find(q, &id));
    }
    assert_int_equal(queue_count(q), MANY / 2);
    for (uint64_t i = 0; i < MANY; i++) {
        struct id id = id_of(i);
        struct queue_letter *l = queue_find(q, &id);

        assert_int_equal(l != NULL, i % 2);
        if (l)
            assert_int_equal(l->env.size, 100 + i);
    }
    queue_free(q);
}

/* Against the slowest way to say the same: the earliest of all times, found by looking at each.
 */
static void the_heap_keeps_time(void **state)
{
    struct queue *q = queue_new(secret);
    struct queue_letter *all[200];
    uint64_t at[200], now = 0;
    uint32_t rcpts[10], seed = 7;
    size_t n, left = 200;

    (void)state;
    for (size_t i = 0; i < 200; i++)
        queue_add(q, all[i] = letter_of(i, 1, 0));
    for (size_t i = 0; i < 200; i++) {
        take(q, 10, rcpts, &n);
        seed = seed * 1664525 + 1013904223;
        queue_defer(q, all[i], 0, at[i] = 1 + seed % 500, STR("x"));
    }
    for (size_t i = 0; i < 200; i += 7) { /* from the middle of the heap */
        queue_remove(q, all[i]);
        at[i] = UINT64_MAX;
        left--;
    }
    while (left) {
        uint64_t first = UINT64_MAX;

        for (size_t i = 0; i < 200; i++)
            if (at[i] != UINT64_MAX && at[i] < first)
                first = at[i];
        assert_int_equal(queue_wake(q, now), first);
        now = first;
        queue_wake(q, now);
        for (struct queue_letter *l; (l = take(q, 10, rcpts, &n)); left--) {
            size_t i = l->env.size - 100;

            assert_true(at[i] <= now);
            at[i] = UINT64_MAX;
            queue_end(q, l, 0, QUEUE_DONE);
            queue_remove(q, l);
        }
    }
    assert_int_equal(queue_wake(q, now), UINT64_MAX);
    assert_int_equal(queue_count(q), 0);
    queue_free(q);
}

static void what_waits_after_a_restart_waits_on(void **state)
{
    struct queue *q = queue_new(secret);
    struct queue_envelope e = {.id = id_of(1)};
    struct queue_address to = {.number = 7,
                               .address = STR_LIT("b@d"),
                               .local = true,
                               .later = true,
                               .next_ms = 500,
                               .tries = 70000,
                               .backoff = 3,
                               .reply = STR_LIT("451 no")};
    uint32_t rcpts[10];
    size_t n;

    (void)state;
    queue_add(q, queue_letter_new(&e, &to, 1));
    assert_null(take(q, 10, rcpts, &n));
    assert_int_equal(queue_wake(q, 0), 500);
    queue_wake(q, 500);
    struct queue_letter *l = take(q, 10, rcpts, &n);
    assert_int_equal(l->rcpts[0].number, 7);
    assert_int_equal(l->rcpts[0].tries, UINT16_MAX);
    queue_defer(q, l, 0, 600, STR(""));
    assert_int_equal(l->rcpts[0].tries, UINT16_MAX); /* counts no further, never from 0 */
    assert_int_equal(l->rcpts[0].backoff, 4);
    assert_null(l->rcpts[0].reply);
    queue_free(q);
}

static void a_cursor_outlives_what_it_stands_on(void **state)
{
    struct queue *q = queue_new(secret);
    struct queue_cursor a = {0}, b = {0};
    struct queue_letter *all[4];

    (void)state;
    for (uint64_t i = 0; i < 4; i++)
        queue_add(q, all[i] = letter_of(i, 1, 0));
    queue_cursor_start(q, &a);
    queue_cursor_start(q, &b);
    assert_ptr_equal(queue_cursor_next(q, &a), all[0]);
    queue_remove(q, all[1]);
    assert_ptr_equal(queue_cursor_next(q, &a), all[2]);
    queue_remove(q, all[0]);
    queue_remove(q, all[2]);
    queue_remove(q, all[3]);
    assert_null(queue_cursor_next(q, &a));
    assert_null(queue_cursor_next(q, &b));
    queue_cursor_stop(&a);
    queue_cursor_stop(&a);
    queue_cursor_stop(&b);
    queue_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_is_copied_whole),
        cmocka_unit_test(letters_go_in_the_order_they_came),
        cmocka_unit_test(a_long_letter_goes_to_the_end_of_the_line),
        cmocka_unit_test(local_and_other_recipients_do_not_mix),
        cmocka_unit_test(O09_each_recipient_ends_in_its_own_way),
        cmocka_unit_test(what_is_put_back_is_first_and_not_counted),
        cmocka_unit_test(a_held_letter_is_not_taken),
        cmocka_unit_test(retry_makes_due_and_flush_forgets),
        cmocka_unit_test(senders_have_turns),
        cmocka_unit_test(destinations_have_turns),
        cmocka_unit_test(a_retry_by_hand_asks_the_dead),
        cmocka_unit_test(a_letter_for_two_domains),
        cmocka_unit_test(ids_are_found_among_many),
        cmocka_unit_test(the_heap_keeps_time),
        cmocka_unit_test(what_waits_after_a_restart_waits_on),
        cmocka_unit_test(a_cursor_outlives_what_it_stands_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
