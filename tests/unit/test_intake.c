/* What an intake decides without I/O: heads, results of hand-overs, delays. */
#include "intake/decide.h"
#include "intake/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- heads ---- */

static const struct {
    struct str letter;
    size_t head; /* octets of it */
    bool whole;
} heads[] = {
    {STR_LIT("A: b\n\nbody\n\n"), 6,  true },
    {STR_LIT("A: b\n c\n\n"),     9,  true },
    {STR_LIT("\nbody\n"),         1,  true },
    {STR_LIT("\n\n"),             1,  true },
    {STR_LIT("A: b\nC: d\n"),     10, false},
    {STR_LIT("no head at all"),   14, false},
    {STR_LIT(""),                 0,  false},
    {STR_LIT("A: b\n\n"),         6,  true },
};

/* However the letter is cut, the head is the same. */
static void test_head_ends_at_the_empty_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        for (size_t step = 1; step <= heads[i].letter.n + 1; step++) {
            struct str in = heads[i].letter;
            struct head h;
            size_t taken = 0;

            head_init(&h, 1000);
            while (in.n && !h.whole) {
                struct str part = str_first(in, step);
                size_t had = part.n;

                head_take(&h, &part);
                taken += had - part.n;
                in = str_skip(in, had - part.n);
            }
            assert_int_equal(taken, heads[i].head);
            assert_int_equal(h.whole, heads[i].whole);
            assert_true(str_eq(buf_str(&h.text), str_first(heads[i].letter, heads[i].head)));
            head_done(&h);
        }
}

static struct smtp_reply judge(struct str text, uint64_t bytes_max, uint32_t hops_max)
{
    struct head h;
    struct smtp_reply r;

    head_init(&h, bytes_max);
    head_take(&h, &text);
    r = head_judge(&h, hops_max);
    head_done(&h);
    return r;
}

static void test_m03_head_too_large(void **state)
{
    (void)state;
    assert_int_equal(judge(STR("A: b\n\n"), 5, 100).code, 552);
    assert_int_equal(judge(STR("A: b\n\n"), 6, 100).code, 0);
    assert_int_equal(judge(STR("A: b\n\n"), 7, 100).code, 0);
}

static void test_m13_too_many_hops(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10000);
    for (int i = 0; i < 99; i++)
        buf_add(&b, STR("Received: from x\n by y\n"));
    assert_int_equal(judge(buf_str(&b), 10000, 100).code, 0);
    buf_add(&b, STR("received: x\n"));
    assert_int_equal(judge(buf_str(&b), 10000, 100).code, 0);
    buf_add(&b, STR("Received : x\n"));
    assert_int_equal(judge(buf_str(&b), 10000, 100).code, 554);
    buf_done(&b);
}

/* ---- hand-overs ---- */

#define ANSWERED(code, enhanced)                                                         \
    {                                                                                    \
        .phase = SMTP_PHASE_ANSWERED, .reply = { code, STR_LIT(enhanced), STR_LIT("x") } \
    }
#define HANDED                     \
    {                              \
        .phase = SMTP_PHASE_HANDED \
    }
#define NOT_HANDED                \
    {                             \
        .phase = SMTP_PHASE_START \
    }

static const struct {
    const char *what;
    struct smtp_client_rcpt rcpts[3];
    size_t n;
    enum decide_file file;
    int code;
} results[] = {
    {"taken",             {ANSWERED(250, "2.0.0"), ANSWERED(250, "2.0.0")},    2, DECIDE_LEAVE, 250},
    {"never sent",        {NOT_HANDED, NOT_HANDED},                            2, DECIDE_DROP,  451},
    {"no answer",         {HANDED, HANDED},                                    2, DECIDE_LEAVE, 451},
    {"refused",           {ANSWERED(452, "4.3.1"), ANSWERED(452, "4.3.1")},    2, DECIDE_DROP,  452},
    {"refused for good",  {ANSWERED(552, "5.3.4")},                            1, DECIDE_DROP,  552},
    {"one is not there",
     {ANSWERED(550, "5.1.1"), ANSWERED(250, "2.0.0")},
     2,                                                                           DECIDE_LEAVE,
     451                                                                                           },
    {"one, then silence", {ANSWERED(550, "5.1.1"), HANDED},                    2, DECIDE_LEAVE, 451},
    {"all, some for now",
     {ANSWERED(550, "5.1.1"), ANSWERED(451, "4.3.0"), ANSWERED(550, "5.1.1")},
     3,                                                                           DECIDE_DROP,
     451                                                                                           },
};

static void test_x01_handover(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        struct smtp_reply r;
        enum decide_file file = decide_handover(results[i].rcpts, results[i].n, &r);

        if (file != results[i].file || r.code != results[i].code)
            fail_msg("%s: %d", results[i].what, r.code);
    }
}

/* ---- recipients and logins ---- */

static void test_recipients(void **state)
{
    (void)state;
    assert_int_equal(decide_recipient(USERS_MAILBOX, false).code, 250);
    assert_int_equal(decide_recipient(USERS_ALIAS, false).code, 250);
    assert_int_equal(decide_recipient(USERS_UNKNOWN, true).code, 550);
    assert_int_equal(decide_recipient(USERS_LOOP, true).code, 554);
    assert_int_equal(decide_recipient(USERS_BROKEN, true).code, 451);
    assert_int_equal(decide_recipient(USERS_ELSEWHERE, true).code, 250);
    assert_int_equal(decide_recipient(USERS_ELSEWHERE, false).code, 554);
}

/* U08: a wrong name, a wrong password and a closed account look the same. */
static void test_u08_one_answer(void **state)
{
    struct smtp_reply bad = decide_auth_failed(AUTH_BAD),
                      off = decide_auth_failed(AUTH_DISABLED);

    (void)state;
    assert_int_equal(bad.code, 535);
    assert_int_equal(off.code, 535);
    assert_true(str_eq(bad.text, off.text) && str_eq(bad.enhanced, off.enhanced));
    assert_int_equal(decide_auth_failed(AUTH_TEMP).code, 454);
}

static void test_r03_least_rate(void **state)
{
    (void)state;
    assert_false(decide_too_slow(0, 180000, 180000, 100));
    assert_false(decide_too_slow(0, 180999, 180000, 100));
    assert_true(decide_too_slow(99, 181000, 180000, 100));
    assert_false(decide_too_slow(100, 181000, 180000, 100));
    assert_true(decide_too_slow(1000, 3600000, 180000, 100));
    assert_false(decide_too_slow(25 << 20, 3600000, 180000, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_ends_at_the_empty_line),
        cmocka_unit_test(test_m03_head_too_large),
        cmocka_unit_test(test_m13_too_many_hops),
        cmocka_unit_test(test_x01_handover),
        cmocka_unit_test(test_recipients),
        cmocka_unit_test(test_u08_one_answer),
        cmocka_unit_test(test_r03_least_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
