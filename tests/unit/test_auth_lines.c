/* The lines of auth.sock: what is printed is read back, and what is no line is refused. */
#include "users/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct buf line, scratch;

static int set_up(void **state)
{
    (void)state;
    buf_init(&line, AUTH_LINE_BYTES);
    buf_init(&scratch, AUTH_LINE_BYTES);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_done(&line);
    buf_done(&scratch);
    return 0;
}

static void assert_str(struct str got, struct str want)
{
    assert_int_equal(got.n, want.n);
    assert_memory_equal(got.p, want.p, want.n);
}

/* The printed line without its '\n'. */
static struct str printed(void)
{
    struct str s = buf_str(&line);

    assert_true(s.n > 0 && s.p[s.n - 1] == '\n');
    assert_int_equal(str_find(s, '\n'), s.n - 1);
    return str_first(s, s.n - 1);
}

static void test_begin(void **state)
{
    const struct auth_begin b = {
        .service = STR("pop3"),
        .mechanism = STR("PLAIN"),
        .peer = STR("2001:db8::1"),
        .binding_name = STR("tls-exporter"),
        .binding = STR("\0\t\n\xff"),
        .tls = true,
        .has_response = true,
        .response = STR("\0alice@example.test\0secret"),
    };
    struct auth_request r;

    (void)state;
    auth_print_begin(&line, 4294967295U, &b);
    assert_true(auth_parse_request(printed(), &scratch, &r));
    assert_int_equal(r.verb, AUTH_VERB_AUTH);
    assert_int_equal(r.exchange, 4294967295U);
    assert_str(r.begin.service, b.service);
    assert_str(r.begin.mechanism, b.mechanism);
    assert_str(r.begin.peer, b.peer);
    assert_str(r.begin.binding_name, b.binding_name);
    assert_str(r.begin.binding, b.binding);
    assert_true(r.begin.tls && r.begin.has_response);
    assert_str(r.begin.response, b.response);
}

static void test_begin_without_anything(void **state)
{
    struct auth_begin b = {.service = STR("smtp"), .mechanism = STR("LOGIN")};
    struct auth_request r;

    (void)state;
    auth_print_begin(&line, 7, &b);
    assert_str(printed(), STR("AUTH\t7\tsmtp\tLOGIN\t-\t-\t-\tclear\t-"));
    assert_true(auth_parse_request(printed(), &scratch, &r));
    assert_false(r.begin.tls || r.begin.has_response);
    assert_int_equal(r.begin.peer.n, 0);

    buf_clear(&line);
    b.has_response = true;
    auth_print_begin(&line, 7, &b);
    assert_true(auth_parse_request(printed(), &scratch, &r));
    assert_true(r.begin.has_response);
    assert_int_equal(r.begin.response.n, 0);
}

/* A mechanism comes from a stranger: whatever it is, the line stays one line of nine fields. */
static void test_begin_with_a_hostile_mechanism(void **state)
{
    static const struct str mechanisms[] = {
        STR_LIT("PLAIN\tx"), STR_LIT("A\nCANCEL\t1"), STR_LIT("A B"),
        STR_LIT("\0"),       STR_LIT("\xff"),
    };
    struct auth_request r;

    (void)state;
    for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
        buf_clear(&line);
        auth_print_begin(
            &line, 7, &(struct auth_begin){.service = STR("smtp"), .mechanism = mechanisms[i]});
        assert_true(auth_parse_request(printed(), &scratch, &r));
        assert_str(r.begin.mechanism, STR("?"));
    }
}

static void test_other_requests(void **state)
{
    struct auth_request r;

    (void)state;
    auth_print_continue(&line, 1, STR(""));
    assert_true(auth_parse_request(printed(), &scratch, &r));
    assert_int_equal(r.verb, AUTH_VERB_CONT);
    assert_int_equal(r.response.n, 0);
    buf_clear(&line);
    auth_print_cancel(&line, 2);
    assert_str(printed(), STR("CANCEL\t2"));
    assert_true(auth_parse_request(printed(), &scratch, &r));
    assert_int_equal(r.verb, AUTH_VERB_CANCEL);
    buf_clear(&line);
    auth_print_passwd(&line, 3, STR("a\tb@example.test"), STR("p\nw"));
    assert_true(auth_parse_request(printed(), &scratch, &r));
    assert_int_equal(r.verb, AUTH_VERB_PASSWD);
    assert_str(r.user, STR("a\tb@example.test"));
    assert_str(r.password, STR("p\nw"));
    buf_clear(&line);
    auth_print_remove(&line, 4, STR("a@example.test"));
    assert_true(auth_parse_request(printed(), &scratch, &r));
    assert_int_equal(r.verb, AUTH_VERB_REMOVE);
    buf_clear(&line);
    auth_print_status(&line, 5);
    assert_true(auth_parse_request(printed(), &scratch, &r));
    assert_int_equal(r.verb, AUTH_VERB_STATUS);
}

static void test_answers(void **state)
{
    static const struct auth_answer answers[] = {
        {1, AUTH_CONTINUE, STR_LIT("Username:")                  },
        {2, AUTH_CONTINUE, STR_LIT("")                           },
        {3, AUTH_OK,       STR_LIT("alice@example.test")         },
        {4, AUTH_OK,       STR_LIT("users=3 known=1")            },
        {5, AUTH_BAD,      STR_LIT("that is not the password")   },
        {6, AUTH_TEMP,     STR_LIT("the accounts are away")      },
        {7, AUTH_DISABLED, STR_LIT("the account is switched off")},
        {8, AUTH_BAD,      STR_LIT("")                           },
    };
    struct auth_answer a;

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        buf_clear(&line);
        auth_print_answer(&line, &answers[i]);
        assert_true(auth_parse_answer(printed(), &scratch, &a));
        assert_int_equal(a.exchange, answers[i].exchange);
        assert_int_equal(a.status, answers[i].status);
        assert_str(a.text, answers[i].text);
    }
    buf_clear(&line);
    auth_print_answer(&line, &(struct auth_answer){9, AUTH_BAD, STR("a\nOK\t1\tb")});
    assert_str(printed(), STR("FAIL\t9\tbad\ta?OK?1?b"));
}

static void test_refused(void **state)
{
    static const struct str requests[] = {
        STR_LIT(""),
        STR_LIT("AUTH"),
        STR_LIT("auth\t1"),
        STR_LIT("CANCEL"),
        STR_LIT("CANCEL\t"),
        STR_LIT("CANCEL\t-1"),
        STR_LIT("CANCEL\t4294967296"),
        STR_LIT("CANCEL\t1\tx"),
        STR_LIT("CONT\t1"),
        STR_LIT("CONT\t1\t-"),
        STR_LIT("CONT\t1\t===="),
        STR_LIT("CONT\t1\tQQ==\tQQ=="),
        STR_LIT("PASSWD\t1\tQQ=="),
        STR_LIT("AUTH\t1\tsmtp\tPLAIN\t-\t-\t-\tmaybe\t-"),
        STR_LIT("AUTH\t1\tsmtp\tPLAIN\t-\t-\t-\tclear"),
        STR_LIT("AUTH\t1\tsm tp\tPLAIN\t-\t-\t-\tclear\t-"),
    };
    static const struct str answers[] = {
        STR_LIT(""),           STR_LIT("OK"), STR_LIT("OK\tx\ta"), STR_LIT("FAIL\t1\tworse\tx"),
        STR_LIT("CONT\t1\t-"),
    };
    struct auth_request r;
    struct auth_answer a;

    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        assert_false(auth_parse_request(requests[i], &scratch, &r));
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        assert_false(auth_parse_answer(answers[i], &scratch, &a));
}

/* The largest response fits into a line. */
static void test_the_longest_line(void **state)
{
    static char octets[AUTH_RESPONSE_BYTES];
    struct auth_request r;

    (void)state;
    auth_print_continue(&line, UINT32_MAX, (struct str){octets, sizeof(octets)});
    assert_false(buf_failed(&line));
    assert_true(auth_parse_request(printed(), &scratch, &r));
    assert_int_equal(r.response.n, sizeof(octets));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_begin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_begin_without_anything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_begin_with_a_hostile_mechanism, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_longest_line, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
