/* loop: timers in order, moved, stopped; work put off; wakeups; signals; watches. */
#include "net/io.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

enum { TIMERS = 300 };

static struct loop *loop;
static int fired[TIMERS], nfired;

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    nfired = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

struct named {
    struct timer timer;
    int name;
};

static void note(void *arg)
{
    fired[nfired++] = ((struct named *)arg)->name;
}

static void test_timers(void **state)
{
    static struct named t[TIMERS];

    (void)state;
    for (int i = 0; i < TIMERS; i++) {
        t[i].name = i * 7 % TIMERS; /* ms; 7 and 300 have no common factor */
        timer_init(&t[i].timer, loop, note, &t[i]);
        timer_start(&t[i].timer,
                    1 + (uint64_t)(TIMERS - t[i].name)); /* moved below, both ways */
    }
    for (int i = 0; i < TIMERS; i++)
        timer_start(&t[i].timer, 1 + (uint64_t)t[i].name);
    for (int i = 0; i < TIMERS; i += 3)
        timer_stop(&t[i].timer);
    for (int i = 1; i < TIMERS; i += 3)
        if (i % 2)
            timer_done(&t[i].timer);
    while (nfired < TIMERS / 2)
        loop_turn(loop);
    assert_int_equal(nfired, TIMERS / 2);
    for (int i = 1; i < nfired; i++)
        assert_true(fired[i - 1] < fired[i]);
    for (int i = 0; i < TIMERS; i++)
        timer_done(&t[i].timer);
}

struct chain {
    struct soon soon;
    int left;
};

static void again(struct soon *s)
{
    struct chain *c = LIST_OF(s, struct chain, soon);

    if (--c->left)
        soon_run(loop, s);
    else
        loop_stop(loop);
}

/* What puts itself off again and again does not starve a timer, and needs no event. */
static void test_soon(void **state)
{
    struct chain c = {.left = 50};
    struct named t = {.name = 1};

    (void)state;
    soon_init(&c.soon, again);
    soon_run(loop, &c.soon);
    soon_run(loop, &c.soon);
    loop_run(loop);
    assert_int_equal(c.left, 0);
    c.left = 1 << 30;
    timer_init(&t.timer, loop, note, &t);
    timer_start(&t.timer, 1);
    soon_run(loop, &c.soon);
    while (nfired == 0)
        loop_turn(loop);
    soon_cancel(&c.soon);
    timer_done(&t.timer);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void *send_one(void *arg)
{
    wakeup_send(arg);
    return NULL;
}

static void test_wakeup(void **state)
{
    int n = 0;
    struct wakeup *w = wakeup_new(loop, count, &n);
    pthread_t thread;

    (void)state;
    pthread_create(&thread, NULL, send_one, w);
    while (n == 0)
        loop_turn(loop);
    pthread_join(thread, NULL);
    wakeup_free(w);
}

static void test_signal(void **state)
{
    int n = 0;

    (void)state;
    loop_on_signal(loop, SIGUSR1, count, &n);
    kill(getpid(), SIGUSR1);
    while (n == 0)
        loop_turn(loop);
}

static int watched[2];

static void drain(void *arg)
{
    char c;

    assert_int_equal(read(watched[0], &c, 1), 1);
    count(arg);
}

static void test_watch(void **state)
{
    int n = 0;

    (void)state;
    assert_int_equal(pipe(watched), 0);
    struct watch *w = watch_new(loop, watched[0], drain, &n);
    assert_int_equal(write(watched[1], "ab", 2), 2);
    while (n < 2)
        loop_turn(loop);
    watch_free(w);
    watch_free(NULL);
    close(watched[0]);
    close(watched[1]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {T(timers), T(soon), T(wakeup), T(signal), T(watch)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
