/* A dialogue becomes steps. */
#include "mta/send/steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct told {
    struct buf text;
};

static void tell(void *arg, const struct step *s)
{
    struct told *t = arg;

    buf_addf(&t->text, "%s %d %llu %.*s|%.*s\n", s->name, s->code, (unsigned long long)s->ms,
             STR_ARGS(s->asked), STR_ARGS(s->heard));
}

static void each_command_has_its_answer(void **state)
{
    struct told t;
    struct steps s;
    uint64_t since = 0;

    (void)state;
    buf_init(&t.text, 4096);
    steps_init(&s, tell, &t, 100);
    assert_string_equal(steps_waiting(&s, &since), "greeting");
    assert_int_equal(since, 100);
    steps_heard(&s, STR("220 mx."), 105);
    steps_heard(&s, STR("test\r\n"), 110);
    assert_string_equal(steps_waiting(&s, &since), "");
    steps_said(&s, STR("EHLO me.test\r\n"), 111);
    steps_heard(&s, STR("250-mx.test\r\n250-SIZE 10\r\n250 AUTH PLAIN\r\n"), 112);
    steps_said(&s, STR("AUTH ***\r\n"), 113);
    steps_heard(&s, STR("334 \r\n"), 114);
    steps_said(&s, STR("***\r\n"), 115);
    steps_heard(&s, STR("235 2.7.0 in\r\n"), 116);
    steps_said(&s, STR("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"), 120);
    assert_string_equal(steps_waiting(&s, &since), "MAIL");
    steps_heard(&s, STR("250 2.1.0 ok\r\n550 5.1.1 no\r\n"), 125);
    steps_heard(&s, STR("421 nobody asked\r\n"), 126);
    assert_string_equal(buf_c(&t.text), "greeting 220 10 |mx.test\n"
                                        "EHLO 250 1 EHLO me.test|mx.test\nSIZE 10\nAUTH PLAIN\n"
                                        "AUTH 235 3 AUTH ***|2.7.0 in\n"
                                        "MAIL 250 5 MAIL FROM:<a@b>|2.1.0 ok\n"
                                        "RCPT 550 5 RCPT TO:<c@d>|5.1.1 no\n");
    steps_done(&s);
    buf_done(&t.text);
}

static void what_is_no_reply_ends_it(void **state)
{
    struct told t;
    struct steps s;

    (void)state;
    buf_init(&t.text, 4096);
    steps_init(&s, tell, &t, 0);
    steps_heard(&s, STR("hello\r\n220 mx.test\r\n"), 1);
    steps_heard(&s, STR("220 mx.test\r\n"), 1);
    for (int i = 0; i < 2 * STEPS_PENDING; i++)
        steps_said(&s, STR("NOOP\r\n"), 2);
    assert_int_equal(s.n, STEPS_PENDING);
    assert_int_equal(t.text.n, 0);
    steps_done(&s);
    buf_done(&t.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_has_its_answer),
        cmocka_unit_test(what_is_no_reply_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
